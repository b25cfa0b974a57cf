"""The labels of a file's rows: quality as a fraction, and measured costs.

One row labels one architecture; which one, another module tells.
"""

from __future__ import annotations

import dataclasses

import numpy as np

from nagjax import arguments
from nagjax.predictors.label_faults import tally
from nagjax.predictors.tables import Table, numbers

SHOWN = 8
"""Rows that an error names."""

LIKE = (0.25, 1.1)
"""A value below 1 % is asked about if its hundredfold lies between these shares of the least and the largest other."""

UNITS = {"fraction": 1.0, "percent": 0.01}


@dataclasses.dataclass(frozen=True)
class Labels:
    """Which columns label the rows of a file; see ``read_records`` for each.

    Attributes:
      units_are_right: whether qualities that look as if they were in another unit than the others are right.

    Raises:
      ValueError: if they contradict each other.
    """

    quality_column: str = "quality"
    quality_unit: str = "fraction"
    cost_columns: tuple[str, ...] = ()
    duplicate_tolerance: float = 0.0
    units_are_right: bool = False

    def __post_init__(self) -> None:
        if self.quality_unit not in UNITS:
            raise ValueError(f"quality_unit is {self.quality_unit!r}; it is one of {', '.join(UNITS)}")
        if self.quality_column in self.cost_columns:
            raise ValueError(f"column {self.quality_column!r} cannot be both the quality and a cost")
        arguments.finite(self.duplicate_tolerance, "duplicate_tolerance", least=0)


def read_labels(table: Table, labels: Labels) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Quality (fractions) and costs of every row of a table, float64 ``[N]``.

    Raises:
      ValueError: if the table has no rows, or a column or value is wrong.
    """
    if not len(table.rows):
        raise ValueError(f"{table.path}: no rows below the header; write one row for each labelled architecture")
    try:
        quality = _quality(table, labels)
        return quality, {name: _costs(table, name) for name in labels.cost_columns}
    except ValueError as error:
        raise ValueError(f"{error}{tally(table, labels.quality_column, labels.cost_columns)}") from None


def _quality(table: Table, labels: Labels) -> np.ndarray:
    name, unit = labels.quality_column, labels.quality_unit
    raw = numbers(table, name)
    quality = raw * UNITS[unit]
    wrong = np.flatnonzero((quality < 0) | (quality > 1))
    if wrong.size:
        hint = _unit_hint(table, raw) if unit == "fraction" and 1 < raw.max() <= 100 else "correct it"
        raise ValueError(
            f"{table.place(int(wrong[0]), name)}: {raw[wrong[0]]} is not a {unit}, 0..{1 / UNITS[unit]:g}; {hint}"
        )
    if unit == "percent" and raw.max() <= 1:
        raise ValueError(
            f"{table.path}: column {name!r}: no value is above 1 %; if these are fractions give --quality_unit=fraction"
        )
    if unit == "percent" and not labels.units_are_right:
        _refuse_fractions(table, name, raw)
    lost = np.flatnonzero((quality == 0) & (raw != 0))
    if lost.size:
        raise ValueError(f"{table.place(int(lost[0]), name)}: {raw[lost[0]]} becomes 0 as a fraction; correct it")
    return quality


def _unit_hint(table: Table, raw: np.ndarray) -> str:
    fractions = np.flatnonzero(raw <= 1)
    if not fractions.size:
        return "give --quality_unit=percent"
    return f"if all are percent give --quality_unit=percent, but {_rows(table, fractions)} may be none"


def _refuse_fractions(table: Table, name: str, raw: np.ndarray) -> None:
    """Among percentages, values below 1 that would lie among the others as fractions are asked about."""
    least, most = raw[raw >= 1].min(), raw.max()
    like = 100 * raw
    odd = np.flatnonzero((raw > 0) & (raw < 1) & (like >= LIKE[0] * least) & (like <= LIKE[1] * most))
    if odd.size:
        raise ValueError(
            f"{table.place(int(odd[0]), name)}: {raw[odd[0]]:g} % among {least:g} to {most:g} %: "
            f"{_rows(table, odd)} may be fractions, not percentages; write all in one unit, or, "
            "if they are right, give --units_are_right"
        )


def _rows(table: Table, indices: np.ndarray) -> str:
    """Rows by number, the first few of many."""
    shown = ", ".join(str(table.rows[int(index)]) for index in indices[:SHOWN])
    more = f" and {len(indices) - SHOWN} more" if len(indices) > SHOWN else ""
    return f"row{'s' if len(indices) > 1 else ''} {shown}{more}"


def _costs(table: Table, name: str) -> np.ndarray:
    costs = numbers(table, name)
    wrong = np.flatnonzero(costs <= 0)
    if wrong.size:
        raise ValueError(
            f"{table.place(int(wrong[0]), name)}: cost {costs[wrong[0]]} is not positive; measure it again"
        )
    return costs
