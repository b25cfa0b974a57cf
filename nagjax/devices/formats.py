"""Which reader reads a device table or another tool's profile: by name, or by a look at the file."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from nagjax import plugins
from nagjax.devices import hw_gpt, json_table
from nagjax.devices.ofa_yaml import NOTE10_FILE, read_i7, read_note10
from nagjax.devices.profiles import fields, hosted_job, lookup, onnxruntime, openvino, plain_csv, tensorrt, tflite
from nagjax.devices.table import DeviceTable
from nagjax.devices.timings import Timings, device_table
from nagjax.files import check_file, is_folder, read_text, split_part
from nagjax.names import nearest
from nagjax.operators import Operator
from nagjax.spaces.space import Space

Reader = Callable[[Path, Sequence[Operator]], DeviceTable]
"""``reader(path, operators)``: the table in ``path``; some dialects can only be read for known operators, a space's."""


ReadTimings = Callable[[Path], Timings]


def _reader(read: ReadTimings) -> Reader:
    """A profile's reader as that of a device table: what its names alone say."""

    def reader(path: Path, operators: Sequence[Operator]) -> DeviceTable:
        return device_table(read(path), operators)

    return reader


PROFILES: Mapping[str, ReadTimings] = {
    "csv": plain_csv.read,
    "fbnet": lookup.read_fbnet,
    "hosted_job": hosted_job.read,
    "onnxruntime": onnxruntime.read,
    "openvino": openvino.read,
    "proxyless": lookup.read_proxyless,
    "tensorrt": tensorrt.read,
    "tflite": tflite.read,
}
"""Formats of other tools, whose names or unit may have to be given."""

read_csv, read_fbnet, read_hosted_job, read_onnxruntime, read_openvino, read_proxyless, read_tensorrt, read_tflite = (
    _reader(read) for _, read in sorted(PROFILES.items())
)

BUILT_IN: Mapping[str, Reader] = {
    "hw_gpt": hw_gpt.read,
    "json": json_table.read,
    "ofa_note10": read_note10,
    "ofa_i7": read_i7,
    **{name: _reader(read) for name, read in PROFILES.items()},
}


def read_table(
    path: str | os.PathLike[str],
    operators: Sequence[Operator],
    device_format: str = "auto",
    formats: Mapping[str, Reader] | None = None,
) -> DeviceTable:
    """Read a device table of a format by name, or ``"auto"`` to tell a built-in one by file name and first line.

    ``operators`` are those of the space that is to be priced; ``formats`` further readers by name (plugins).

    Raises:
      ValueError: if the format is not known or cannot be told, or its reader refuses the file.
    """
    known = {**BUILT_IN, **(formats or {})}
    name = detect(Path(path)) if device_format == "auto" else device_format
    if name not in known:
        near = nearest(name, known)
        hint = f"did you mean {near!r}? " if near else ""
        raise ValueError(f"device format {name!r} is not known; {hint}known: auto, {', '.join(sorted(known))}")
    table = known[name](Path(path), operators)
    return plugins.expect("device_formats", name, table, DeviceTable)


def read_device_table(path: str | Path, on: Space, device_format: str = "auto") -> DeviceTable:
    """A device table from a file, or a folder of files, in the units of the library.

    Raises:
      ValueError: if it cannot be read; the message names file, row and remedy.
    """
    foreign = device_format not in ("auto", *BUILT_IN) and device_format in plugins.names("device_formats")
    own = {device_format: plugins.load("device_formats", device_format)} if foreign else {}
    return read_table(Path(path), on.operators, device_format, own)


def detect(path: Path) -> str:
    """Name of the built-in format of ``path``.

    Raises:
      ValueError: if there is no such path or it looks like none of them.
    """
    path, _ = split_part(path)
    folder = is_folder(path)
    if not folder:
        check_file(path, "the device table")
    if folder or NOTE10_FILE.fullmatch(path.name):
        return "ofa_note10"
    found = _by_look(path)
    if found is None:
        raise ValueError(
            f"{path}: the format cannot be told by a look. If it is one of {', '.join(BUILT_IN)}, name it "
            "(--device_format); else convert it to our JSON (docs/device_tables.md), or write a reader of it "
            "(docs/plugins.md, device_formats)"
        )
    return found


def _by_look(path: Path) -> str | None:
    suffix = path.suffix.lower()
    if suffix in (".yaml", ".yml"):
        if _first_line(path).startswith(("MBConv-", "first_conv-", "classifier-")):
            return "ofa_i7"
        blocks = re.findall(r"expanded_conv-\S+-idskip:\S+", read_text(path, "the device table"))
        return "proxyless" if blocks and not any("-se:" in block for block in blocks) else None
    if suffix == ".json":
        return _json_format(fields.document(path))
    text = read_text(path, "the device table")
    if tflite.recognises(text):
        return "tflite"
    if text.startswith(openvino.HEADER):
        return "openvino"
    if _first_line(path).startswith("{'op_name"):
        return "fbnet"
    if all(name in _first_line(path).split(",") for name in hw_gpt.HEADER):
        return "hw_gpt"
    return "csv" if suffix in (".csv", ".tsv") else None


def _json_format(root: Any) -> str | None:
    """The format of a JSON document; ours by one of its own fields, so that its reader says what the others lack."""
    known = (("tensorrt", tensorrt), ("hosted_job", hosted_job), ("openvino", openvino), ("onnxruntime", onnxruntime))
    ours = "json" if isinstance(root, Mapping) and {"format", "rows"} & {*root} else None
    return next((name for name, module in known if module.recognises(root)), ours)


def _first_line(path: Path) -> str:
    lines = (line.strip().strip("'\"") for line in read_text(path, "the device table").splitlines())
    return next((line for line in lines if line and not line.startswith(("#", "---", "%"))), "")
