"""Which reader reads a device table: by name, or by a look at the path."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from nagjax import plugins
from nagjax.devices import json_table
from nagjax.devices.ofa_yaml import NOTE10_FILE, read_i7, read_note10
from nagjax.devices.table import DeviceTable
from nagjax.files import check_file, is_folder, read_text
from nagjax.names import nearest
from nagjax.operators import Operator

Reader = Callable[[Path, Sequence[Operator]], DeviceTable]
"""``reader(path, operators)``: the table in ``path``; some dialects can only be read for known operators, a space's."""


BUILT_IN: Mapping[str, Reader] = {"json": json_table.read, "ofa_note10": read_note10, "ofa_i7": read_i7}


def read_table(
    path: str | os.PathLike[str],
    operators: Sequence[Operator],
    device_format: str = "auto",
    formats: Mapping[str, Reader] | None = None,
) -> DeviceTable:
    """Read a device table.

    Args:
      path: file or folder.
      operators: those of the space that is to be priced.
      device_format: name of a format, or ``"auto"`` to tell a built-in one by file name and first line.
      formats: further readers by name (plugins), beside the built-in ones.

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


def detect(path: Path) -> str:
    """Name of the built-in format of ``path``.

    Raises:
      ValueError: if there is no such path or it looks like none of them.
    """
    folder = is_folder(path)
    if not folder:
        check_file(path, "the device table")
    if folder or NOTE10_FILE.fullmatch(path.name):
        return "ofa_note10"
    if path.suffix == ".json":
        return "json"
    if path.suffix in (".yaml", ".yml") and _first_key(path).startswith(("MBConv-", "first_conv-", "classifier-")):
        return "ofa_i7"
    raise ValueError(
        f"{path}: the format cannot be told from name and first line. If it is one of {', '.join(BUILT_IN)}, name it "
        "(--device_format); else convert it to our JSON (docs/device_tables.md), or write a reader of it "
        "(docs/plugins.md, device_formats)"
    )


def _first_key(path: Path) -> str:
    lines = (line.strip().strip("'\"") for line in read_text(path, "the device table").splitlines())
    return next((line for line in lines if line and not line.startswith(("#", "---", "%"))), "")
