"""The labels of a file's rows: quality as a fraction, and measured costs.

One row labels one architecture; which one, another module tells. Where labels may be missing, an empty cell is NaN.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import numpy as np

from nagjax import arguments
from nagjax.predictors.records.label_faults import tally
from nagjax.tables import Table, named_rows, numbers, optional_numbers

SHOWN = 8
"""Rows that an error names."""

LIKE = (0.25, 1.1)
"""A value below 1 % is asked about if its hundredfold lies between these shares of the least and the largest other."""

UNITS = {"fraction": 1.0, "percent": 0.01}
REQUIRED = ("all", "columns", "costs")
Read = Callable[[Table, str], np.ndarray]


@dataclasses.dataclass(frozen=True)
class Labels:
    """Which columns label the rows of a file; see ``read_records`` for each.

    Attributes:
      units_are_right: whether qualities that look as if they were in another unit than the others are right.
      required: labels that every row must have: ``"all"``; ``"columns"`` (cells may be empty: NaN); or ``"costs"`` (the
        column of the quality may be missing altogether).

    Raises:
      ValueError: if they contradict each other.
    """

    quality_column: str = "quality"
    quality_unit: str = "fraction"
    cost_columns: tuple[str, ...] = ()
    duplicate_tolerance: float = 0.0
    units_are_right: bool = False
    required: str = "all"

    def __post_init__(self) -> None:
        if self.quality_unit not in UNITS:
            raise ValueError(f"quality_unit is {self.quality_unit!r}; it is one of {', '.join(UNITS)}")
        if self.quality_column in self.cost_columns:
            raise ValueError(
                f"column {self.quality_column!r} cannot be both the quality and a cost; name another one "
                "(--quality_column, --cost_columns)"
            )
        if self.required not in REQUIRED:
            raise ValueError(f"required is {self.required!r}; it is one of {', '.join(REQUIRED)}")
        try:
            arguments.finite(self.duplicate_tolerance, "duplicate_tolerance", least=0)
        except ValueError:
            raise ValueError(
                f"duplicate_tolerance is {self.duplicate_tolerance!r}; it must be a finite number, 0 or more"
            ) from None


def read_labels(table: Table, labels: Labels) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Quality (fractions) and costs of every row of a table, float64 ``[N]``; NaN where a label may be missing, and is.

    Raises:
      ValueError: if the table has no rows, or a column or value is wrong.
    """
    if not len(table.rows):
        raise ValueError(f"{table.path}: no rows below the header; write one row for each labelled architecture")
    read = numbers if labels.required == "all" else optional_numbers
    quality = np.full(len(table.rows), np.nan)
    try:
        if labels.required != "costs" or labels.quality_column in table.columns:
            quality = _quality(table, labels, read)
        return quality, {name: _costs(table, name, read) for name in labels.cost_columns}
    except ValueError as error:
        others = tally(table, labels.quality_column, labels.cost_columns, labels.required != "all")
        raise ValueError(f"{error}{others}{_elsewhere(table, labels)}") from None


def _elsewhere(table: Table, labels: Labels) -> str:
    """Where the quality may come from if a benchmark has none."""
    if labels.required != "columns" or labels.quality_column in table.columns:
        return ""
    return "; if the file has costs alone, give the quality by --records or --predictor"


def _quality(table: Table, labels: Labels, read: Read) -> np.ndarray:
    name, unit = labels.quality_column, labels.quality_unit
    raw = read(table, name)
    if np.isnan(raw).all():
        return raw
    highest = np.nanmax(raw)
    quality = raw * UNITS[unit]
    wrong = np.flatnonzero((quality < 0) | (quality > 1))
    if wrong.size:
        hint = _unit_hint(table, raw) if unit == "fraction" and 1 < highest <= 100 else "correct it"
        raise ValueError(
            f"{table.place(int(wrong[0]), name)}: {raw[wrong[0]]} is not a {unit}, 0..{1 / UNITS[unit]:g}; {hint}"
        )
    if unit == "percent" and highest <= 1:
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
    odd = named_rows(table, fractions.tolist(), SHOWN)
    return f"if all are percent give --quality_unit=percent, but {odd} may be none"


def _refuse_fractions(table: Table, name: str, raw: np.ndarray) -> None:
    """Among percentages, values below 1 that would lie among the others as fractions are asked about."""
    least, most = raw[raw >= 1].min(), np.nanmax(raw)
    like = 100 * raw
    odd = np.flatnonzero((raw > 0) & (raw < 1) & (like >= LIKE[0] * least) & (like <= LIKE[1] * most))
    if odd.size:
        raise ValueError(
            f"{table.place(int(odd[0]), name)}: {raw[odd[0]]:g} % among {least:g} to {most:g} %: "
            f"{named_rows(table, odd.tolist(), SHOWN)} may be fractions, not percentages; write all in one unit, or, "
            "if they are right, give --units_are_right"
        )


def _costs(table: Table, name: str, read: Read) -> np.ndarray:
    costs = read(table, name)
    wrong = np.flatnonzero(costs <= 0)
    if wrong.size:
        raise ValueError(
            f"{table.place(int(wrong[0]), name)}: cost {costs[wrong[0]]} is not positive; measure it again"
        )
    return costs
