"""The library's own device table format: a JSON file that a person can read and write (docs/device_tables.md)."""

from __future__ import annotations

import contextlib
import json
import os
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from nagjax.devices.files import read_text
from nagjax.devices.table import DeviceTable, Row, foreign_table, ms_per_unit
from nagjax.operators import Operator, parse_key

FORMAT, VERSION = "nagjax-device-table", 1
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
    document = _load(read_text(Path(path)), where)
    if not isinstance(document, dict) or document.get("format") != FORMAT:
        given = document.get("format") if isinstance(document, dict) else type(document).__name__
        raise ValueError(f"{where}: format is {given!r}, not {FORMAT!r}; the form is in docs/device_tables.md")
    if type(document.get("version")) is not int or document["version"] != VERSION:
        raise ValueError(
            f"{where}: version is {document.get('version')!r}, this nagjax reads {VERSION}; "
            "write the table again with it, or install the nagjax that wrote it"
        )
    _check_fields(document, _REQUIRED, ("unmeasured",), where)
    factor = ms_per_unit(document["unit"], where)
    return DeviceTable(
        **{name: document[name] for name in _HEAD if name != "unit"},
        unit="ms",
        rows=_rows(_list(document, "rows", where), factor, where),
        unmeasured=tuple(_list(document, "unmeasured", where)) if "unmeasured" in document else (),
        source=where,
    )


def write_json(table: DeviceTable, path: str | os.PathLike[str], overwrite: bool = False) -> None:
    """Write a table, atomically: a reader sees all of it or nothing.

    Args:
      table: what to write; ``read_json`` gives a table with the same content hash.
      path: the file. One that already says the same is left as it is.
      overwrite: replace a file that says something else.

    Raises:
      ValueError: if the file exists and says something else, or cannot be written.
    """
    target = Path(path)
    if target.exists() and not overwrite:
        if _same(table, target):
            return
        raise ValueError(f"{path}: exists and is not this table; choose another name, or pass overwrite=True")
    try:
        _replace(target, _text(table))
    except OSError as error:
        raise ValueError(f"{path}: cannot be written ({error.strerror}); check that the folder exists") from None


def _load(text: str, where: str) -> Any:
    def pairs(items: list[tuple[str, Any]]) -> dict[str, Any]:
        out: dict[str, Any] = {}
        for name, value in items:
            if name in out:
                raise ValueError(f"{where}: the field {name!r} stands twice in one object; remove one of them")
            out[name] = value
        return out

    try:
        return json.loads(text, object_pairs_hook=pairs)
    except json.JSONDecodeError as error:
        raise ValueError(f"{where}:{error.lineno}: is not JSON ({error.msg}, column {error.colno})") from None


def _check_fields(given: Mapping[str, Any], required: tuple[str, ...], optional: tuple[str, ...], where: str) -> None:
    """Unknown fields are refused too: a misspelt optional field would be lost in silence."""
    missing = [name for name in required if name not in given]
    unknown = [name for name in given if name not in required + optional]
    if missing or unknown:
        what = f"lacks {', '.join(missing)}" if missing else f"has the unknown field {unknown[0]!r}"
        raise ValueError(f"{where}: {what}; fields are {', '.join(required)}; optional: {', '.join(optional)}")


def _list(document: Mapping[str, Any], name: str, where: str) -> list[Any]:
    value = document[name]
    if not isinstance(value, list):
        raise ValueError(f"{where}: {name} is a {type(value).__name__}; it must be a list")
    return value


def _rows(entries: list[Any], factor: float, where: str) -> dict[tuple[str, int | None], Row]:
    rows: dict[tuple[str, int | None], Row] = {}
    for number, entry in enumerate(entries, 1):
        place = f"{where}: row {number}"
        if not isinstance(entry, dict):
            raise ValueError(f"{place} is {entry!r}; it must be an object with operator and mean")
        _check_fields(entry, ("operator", "mean"), ("resolution", "std", "count"), place)
        key = _identity(entry, place)
        if key in rows:
            raise ValueError(f"{place}: operator {key[0]!r}, resolution {key[1]} stands twice; remove one of the rows")
        source = f"{place} ({key[0]})"
        rows[key] = Row(entry["mean"], entry.get("std", 0.0), entry.get("count", 0), source).scaled(factor)
    return rows


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
    head = {"format": FORMAT, "version": VERSION, **{name: getattr(table, name) for name in _HEAD}}
    head["unmeasured"] = list(table.unmeasured)
    rows = []
    for (key, size), row in sorted(table.rows.items(), key=lambda item: (item[0][0], item[0][1] or 0)):
        place = {"operator": key} if size is None else {"operator": key, "resolution": size}
        rows.append("    " + json.dumps({**place, "mean": row.mean, "std": row.std, "count": row.count}))
    fields = [f"  {json.dumps(name)}: {json.dumps(value)}" for name, value in head.items()]
    return "{\n" + ",\n".join(fields) + ',\n  "rows": [\n' + ",\n".join(rows) + "\n  ]\n}\n"


def _same(table: DeviceTable, path: Path) -> bool:
    try:
        return read_json(path).content_hash == table.content_hash
    except ValueError:
        return False


def _replace(target: Path, text: str) -> None:
    handle, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.", suffix=".tmp")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        Path(name).chmod(0o644)
        Path(name).replace(target)
    except BaseException:
        with contextlib.suppress(OSError):
            Path(name).unlink()
        raise
