"""The library's own device table format: a JSON file that a person can read and write (docs/device_tables.md)."""

from __future__ import annotations

import dataclasses
import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from nagjax import durable
from nagjax.devices.json_fields import check_fields, list_field, load, read_correction, read_validation
from nagjax.devices.row_faults import REPEATED, RowFault, refuse_rows, time_fault
from nagjax.devices.table import COLUMNS, DeviceTable, Row, foreign_table, ms_per_unit
from nagjax.files import read_text
from nagjax.operators import Operator, parse_key

FORMAT, VERSION = "nagjax-device-table", 2
"""Version 1 knows no correction and no validation; a table that has neither is still written as 1."""
_MEASURED_NETWORKS = ("correction", "validation")
_HEAD = ("device", "runtime", "batch", "dtype", "unit", "measured")
_REQUIRED = ("format", "version", *_HEAD, "rows")


def read(path: Path, operators: Sequence[Operator]) -> DeviceTable:
    """``read_json`` as a device format: all rows, but a table with none of ``operators`` is refused.

    Raises:
      ValueError: as ``read_json``, or if the table is of another space.
    """
    table = read_json(path)
    if operators and not any(table.lookup(op) for op in operators):
        raise foreign_table(str(path), operators[0].key, (key for key, _ in table.rows))
    return table


def read_json(path: str | os.PathLike[str]) -> DeviceTable:
    """Read a table; times in ``us`` and ``s`` become ms.

    Raises:
      ValueError: for anything that is not exactly the format: the message names file, row, value, what is allowed.
    """
    where = str(path)
    document = load(read_text(Path(path), "the device table"), where)
    if not isinstance(document, dict) or document.get("format") != FORMAT:
        given = document.get("format") if isinstance(document, dict) else type(document).__name__
        raise ValueError(
            f"{where}: format is {given!r}, not {FORMAT!r}: convert it to the form in docs/device_tables.md, or write "
            "a reader of it (docs/plugins.md, device_formats)"
        )
    version = document.get("version")
    if type(version) is not int or not 1 <= version <= VERSION:
        raise ValueError(
            f"{where}: version is {version!r}, this nagjax reads 1 and {VERSION}; "
            "write the table again with it, or install the nagjax that wrote it"
        )
    if version == 1 and any(name in document for name in _MEASURED_NETWORKS):
        raise ValueError(f"{where}: correction and validation belong to version 2, the file says 1; set version to 2")
    check_fields(document, _REQUIRED, ("unmeasured", "column", *(_MEASURED_NETWORKS if version > 1 else ())), where)
    factor = ms_per_unit(document["unit"], where)
    return DeviceTable(
        **{name: document[name] for name in _HEAD if name != "unit"},
        unit="ms",
        rows=_rows(list_field(document, "rows", where), factor, where),
        unmeasured=tuple(list_field(document, "unmeasured", where)) if "unmeasured" in document else (),
        source=where,
        correction=read_correction(document["correction"], factor, where) if "correction" in document else None,
        validation=read_validation(list_field(document, "validation", where), factor, where)
        if "validation" in document
        else (),
        column=document.get("column", COLUMNS[0]),
    )


def write_json(table: DeviceTable, path: str | os.PathLike[str], overwrite: bool = False) -> None:
    """Write a table, atomically; ``read_json`` gives a table with the same content hash.

    A file that says the same is left as it is, one that says something else is replaced if ``overwrite``.

    Raises:
      ValueError: if the file exists and says something else, or cannot be written.
    """
    target = Path(path)
    if target.exists() and not overwrite:
        if _same(table, target):
            return
        raise ValueError(f"{path}: exists and is not this table; choose another name, or pass overwrite=True")
    try:
        durable.replace(target, _text(table))
    except OSError as error:
        raise ValueError(f"{path}: cannot be written ({error.strerror}); check that the folder exists") from None


def _rows(entries: list[Any], factor: float, where: str) -> dict[tuple[str, int | None], Row]:
    rows: dict[tuple[str, int | None], Row] = {}
    first: dict[tuple[str, int | None], int] = {}
    faults = []
    for number, entry in enumerate(entries, 1):
        place = f"{where}: row {number}"
        try:
            key, row = _row(entry, factor, place)
        except ValueError as error:
            faults.append(time_fault(entry.get("mean", 1.0) if isinstance(entry, dict) else entry, str(error)))
            continue
        if key in rows:
            text = f"{place}: operator {key[0]!r}, resolution {key[1]} stands twice (first in row {first[key]})"
            faults.append(RowFault(REPEATED, f"{text}; remove one of the rows"))
        rows.setdefault(key, row)
        first.setdefault(key, number)
    refuse_rows(where, len(entries), faults)
    return rows


def _row(entry: Any, factor: float, place: str) -> tuple[tuple[str, int | None], Row]:
    if not isinstance(entry, dict):
        raise ValueError(f"{place} is {entry!r}; it must be an object with operator and mean")
    check_fields(entry, ("operator", "mean"), ("resolution", "std", "count"), place)
    key = _identity(entry, place)
    source = f"{place} ({key[0]})"
    if entry["mean"] is None:
        raise ValueError(f"{source}: mean is null; put the operator's time there")
    return key, Row(entry["mean"], entry.get("std", 0.0), entry.get("count", 0), source).scaled(factor)


def _identity(entry: Mapping[str, Any], place: str) -> tuple[str, int | None]:
    key, resolution = entry["operator"], entry.get("resolution")
    try:
        operator = parse_key(key if isinstance(key, str) else repr(key))
    except ValueError as error:
        raise ValueError(f"{place}: operator {error}") from None
    if resolution is not None and (type(resolution) is not int or resolution < 1):
        raise ValueError(f"{place} ({key}): resolution is {resolution!r}; it must be pixels above 0, or left out")
    return operator.key, resolution


def _text(table: DeviceTable) -> str:
    """One row a line, so that people and version control can compare tables."""
    version = VERSION if table.correction or table.validation else 1
    head = {"format": FORMAT, "version": version, **{name: getattr(table, name) for name in _HEAD}}
    head["unmeasured"] = list(table.unmeasured)
    if table.column != COLUMNS[0]:  # nagjax before there were others reads its own tables as before
        head["column"] = table.column
    if table.correction:
        head["correction"] = dataclasses.asdict(table.correction)
    rows = []
    for (key, size), row in sorted(table.rows.items(), key=lambda item: (item[0][0], item[0][1] or 0)):
        place = {"operator": key} if size is None else {"operator": key, "resolution": size}
        rows.append("    " + json.dumps({**place, "mean": row.mean, "std": row.std, "count": row.count}))
    fields = [f"  {json.dumps(name)}: {json.dumps(value)}" for name, value in head.items()]
    lists = {"rows": rows}
    if table.validation:
        lists["validation"] = ["    " + json.dumps(dataclasses.asdict(network)) for network in table.validation]
    fields += [f'  "{name}": [\n' + ",\n".join(lines) + "\n  ]" for name, lines in lists.items()]
    return "{\n" + ",\n".join(fields) + "\n}\n"


def _same(table: DeviceTable, path: Path) -> bool:
    try:
        return read_json(path).content_hash == table.content_hash
    except ValueError:
        return False
