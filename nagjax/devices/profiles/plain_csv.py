"""The plainest file: a CSV with a row an operator, as spreadsheets write it (semicolons, decimal commas, marks)."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from nagjax import tables
from nagjax.devices.timings import Timing, Timings

COLUMNS = ("operator", "value", "unit", "std", "count", "resolution")
"""The first two must be there. A unit may stand in every row, or be given once by the user."""


def read(path: Path) -> Timings:
    """Columns ``operator`` (an operator's key, or a tool's name for it), ``value`` and, optional, others.

    Raises:
      ValueError: if the file cannot be read, lacks a column, has one that is not known, or a cell is not what it must
        be.
    """
    table = tables.read_table(path, COLUMNS)
    unknown = [name for name in table.columns if name not in COLUMNS]
    names, values = table.column("operator"), tables.numbers(table, "value")
    if unknown:
        raise ValueError(f"{path}: column {unknown[0]!r} is not known; columns are {', '.join(COLUMNS)}: rename it")
    std, count, resolution = (_optional(table, name) for name in ("std", "count", "resolution"))
    units = table.columns.get("unit", [""] * len(names))
    lines = []
    for index, name in enumerate(names):
        place = f"{path}: row {table.rows[index]}"
        if not str(name).strip():
            raise ValueError(f"{place}: the operator has no name; write its key, or remove the row")
        lines.append(
            Timing(
                str(name).strip(), float(values[index]), place, float(std[index]),
                _whole(count[index], "count", place, 0), _whole(resolution[index], "resolution", place, 1) or None,
                str(units[index] or "").strip(),
            )
        )  # fmt: skip
    if not lines:
        raise ValueError(f"{path}: has a header and no rows; write a row an operator")
    return Timings(str(path), "unknown", tuple(lines), unit="")


def _optional(table: tables.Table, name: str) -> np.ndarray:
    """A column as float64 ``[N]``, 0 where there is none or a cell is empty."""
    if name not in table.columns:
        return np.zeros(len(table.rows))
    return np.nan_to_num(tables.optional_numbers(table, name), nan=0.0)


def _whole(value: float, name: str, place: str, least: int) -> int:
    if value and (value < least or value != int(value)):
        raise ValueError(f"{place}: {name} is {value:g}; it must be a whole number of {least} or above, or left empty")
    return int(value)
