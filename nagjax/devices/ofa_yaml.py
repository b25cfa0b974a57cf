"""Readers of the two YAML dialects of published once-for-all latency tables: Samsung Note10 and Intel i7-8700K.

A dialect's key holds less than our ``Operator`` (not the kernel of a stem, not the activation), so operators are mapped
to keys and never back, and only operators that are exactly what the dialect means by the key. The same Note10 key has
another value in the file of another resolution; the i7 file has one value a key, and no pooling.
"""

from __future__ import annotations

import math
import os
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from nagjax.devices.row_faults import RowFault, refuse_rows, time_fault
from nagjax.devices.table import DeviceTable, Row, checked_time, foreign_table
from nagjax.devices.yaml_rows import read_rows
from nagjax.files import MissingFileError, check_file, is_folder
from nagjax.operators import Operator

NOTE10_FILE = re.compile(r"([1-9]\d*)_lookup_table\.ya?ml", re.ASCII)
_Rows = Mapping[str, tuple[int, dict[str, Any]]]


def note10_key(op: Operator) -> str:
    """Key of ``op`` in a Note10 file; ``op.key``, which no such file has, for an operator that the dialect cannot name.

    >>> note10_key(Operator("conv", 224, 112, 3, 24, kernel=3, stride=2, activation="h_swish"))
    'Conv-input:224x224x3-output:112x112x24'
    """
    if op.kind == "linear":
        return f"Logits-input:{_shape(op.in_size, op.in_channels)}-output:{op.out_channels}"
    if op.kind == "pool" and op.out_size == 1 and op.kernel == op.in_size:
        return f"AvgPool2D-{_ends(op)}"
    if op.kind == "mbconv" and _usual(op):
        tail = f"expand:{op.mid_channels}-{_block(op)}-hs:{int(op.activation == 'h_swish')}"
        return f"expanded_conv-{_ends(op)}-{tail}"
    name = _role(op)
    return f"{('Conv', 'Conv_1', 'Conv_2')[name]}-{_ends(op)}" if name is not None else op.key


def i7_key(op: Operator) -> str:
    """Key of ``op`` in an i7 file; ``op.key``, which no such file has, for an operator that the dialect cannot name.

    >>> i7_key(Operator("linear", 1, 1, 1280, 1000, norm=False))
    'classifier-input:1280-output:1000'
    """
    if op.kind == "linear":
        return f"classifier-input:{op.in_channels}-output:{op.out_channels}"
    if op.kind == "mbconv" and _usual(op) and op.mid_channels % op.in_channels == 0:
        return f"MBConv-{_ends(op)}-expand:{op.mid_channels // op.in_channels}-{_block(op)}"
    name = _role(op)
    names = ("first_conv", "final_expand_layer", "feature_mix_layer")
    return f"{names[name]}-{_ends(op)}" if name is not None else op.key


def read_note10(path: str | os.PathLike[str], operators: Sequence[Operator]) -> DeviceTable:
    """Times on the Samsung Note10 of those of ``operators`` that were measured, each at its network resolution.

    Args:
      path: a folder of files ``NNN_lookup_table.yaml``, NNN the resolution of the network, or one such file.
      operators: those of a space; ``read_note10`` takes what it finds, pricing says what is missing. In one file,
        operators without a resolution are taken too.

    Raises:
      ValueError: if there is no such file, none of the operators is in it, or a row is not sound.
    """
    files = _note10_files(Path(path))
    rows: dict[tuple[str, int | None], Row] = {}
    seen: list[str] = []
    faults: list[RowFault] = []
    for resolution, file in files:
        content = read_rows(file)
        seen += content
        here = [op for op in operators if op.resolution == resolution or (len(files) == 1 and not op.resolution)]
        found = _rows({(op.key, op.resolution or None): note10_key(op) for op in here}, content, file, faults)
        rows.update(found)
    refuse_rows(str(path), len(seen), faults)
    _refuse_none(rows, str(path), operators, note10_key, seen)
    return _table("Samsung Note10", "once-for-all; the files do not say when", rows, path)


def read_i7(path: str | os.PathLike[str], operators: Sequence[Operator]) -> DeviceTable:
    """Times on the Intel i7-8700K of those of ``operators`` that were measured; pooling never was.

    It takes what it finds; pricing says what is missing.

    Raises:
      ValueError: if there is no such file, none of the operators is in it, or a row is not sound.
    """
    file = Path(path)
    content = read_rows(file)
    faults: list[RowFault] = []
    rows = _rows({(op.key, None): i7_key(op) for op in operators}, content, file, faults)
    refuse_rows(str(path), len(content), faults)
    _refuse_none(rows, str(path), operators, i7_key, content)
    return _table("Intel i7-8700K", "nsganetv2; the file does not say when", rows, path, unmeasured=("pool",))


def _table(
    device: str, published: str, rows: dict[tuple[str, int | None], Row], path: str | os.PathLike[str],
    unmeasured: tuple[str, ...] = (),
) -> DeviceTable:  # fmt: skip
    """A published table, of which only the times are known."""
    return DeviceTable(
        device=device, runtime="unknown", batch=1, dtype="unknown", unit="ms",
        measured=f"published with {published}, nor runtime and dtype; batch 1 is assumed",
        rows=rows, unmeasured=unmeasured, source=str(path),
    )  # fmt: skip


def _note10_files(path: Path) -> list[tuple[int, Path]]:
    folder = is_folder(path)
    if not folder:
        try:
            check_file(path, "the device table")
        except MissingFileError:
            raise MissingFileError(
                f"{path}: no such file or folder; give the folder of NNN_lookup_table.yaml files, or one file"
            ) from None
    candidates = sorted(path.iterdir()) if folder else [path]
    files = [(int(match[1]), file) for file in candidates if (match := NOTE10_FILE.fullmatch(file.name))]
    if not files:
        what = "the folder has no file" if folder else "the file is not"
        raise ValueError(
            f"{path}: {what} named NNN_lookup_table.yaml; NNN is the network resolution, for example 224: give such a "
            "file or a folder of them, or the file of another format"
        )
    sizes = [size for size, _ in files]
    if len(set(sizes)) < len(sizes):
        twice = max(sizes, key=sizes.count)
        raise ValueError(f"{path}: resolution {twice} has two files, .yaml and .yml; remove one of them")
    return sorted(files)


def _rows(
    names: Mapping[tuple[str, int | None], str], content: _Rows, file: Path, faults: list[RowFault]
) -> dict[tuple[str, int | None], Row]:
    """The rows that are there, by our key; ``names`` are the dialect's. What is wrong with one is added to faults."""
    rows = {}
    for key, name in names.items():
        if found := content.get(name):
            try:
                rows[key] = _row(name, *found, file)
            except ValueError as error:
                faults.append(time_fault(found[1]["mean"], str(error)))
    return rows


def _row(key: str, line: int, fields: Mapping[str, Any], file: Path) -> Row:
    source = f"{file}:{line}"
    try:
        variance = checked_time(fields.get("var", 0.0), "var", source)
        return Row(fields["mean"], fields.get("std", math.sqrt(variance)), fields.get("count", 0), source)
    except ValueError as error:
        raise ValueError(f"{error} (operator {key!r})") from None


def _refuse_none(
    rows: Mapping[Any, Row], where: str, operators: Sequence[Operator], name: Callable[[Operator], str], seen: Any
) -> None:
    if not operators:
        raise ValueError(f"{where}: no operators to look for; give those of the space, space.operators")
    if not rows:
        raise foreign_table(where, name(operators[0]), seen)


def _usual(op: Operator) -> bool:
    return op.norm and op.activation in ("relu", "h_swish")


def _role(op: Operator) -> int | None:
    """0 for the stem, 1 for the last expansion, 2 for the feature mix: the only plain convolutions of the dialects."""
    if op.kind != "conv" or op.activation != "h_swish":
        return None
    shape = (op.kernel, op.stride, op.norm)
    if op.in_channels == 3:
        return 0 if shape == (3, 2, True) else None
    return {(1, 1, True): 1, (1, 1, False): 2}.get(shape)


def _shape(size: int, channels: int) -> str:
    return f"{size}x{size}x{channels}"


def _ends(op: Operator) -> str:
    return f"input:{_shape(op.in_size, op.in_channels)}-output:{_shape(op.out_size, op.out_channels)}"


def _block(op: Operator) -> str:
    return f"kernel:{op.kernel}-stride:{op.stride}-idskip:{int(op.skip)}-se:{int(op.squeeze_excite)}"
