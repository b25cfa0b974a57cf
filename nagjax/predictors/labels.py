"""The labels of a file's rows: quality as a fraction, and measured costs.

One row labels one architecture; which one, another module tells. Where labels may be missing, an empty cell is NaN.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import numpy as np

from nagjax.predictors.tables import Table, numbers, optional_numbers

UNITS = {"fraction": 1.0, "percent": 0.01}
REQUIRED = ("all", "columns", "costs")
Read = Callable[[Table, str], np.ndarray]


@dataclasses.dataclass(frozen=True)
class Labels:
    """Which columns label the rows of a file; see ``read_records`` for each.

    Attributes:
      required: labels that every row must have: ``"all"``; ``"columns"`` (cells may be empty: NaN); or ``"costs"`` (the
        column of the quality may be missing altogether).

    Raises:
      ValueError: if they contradict each other.
    """

    quality_column: str = "quality"
    quality_unit: str = "fraction"
    cost_columns: tuple[str, ...] = ()
    duplicate_tolerance: float = 0.0
    required: str = "all"

    def __post_init__(self) -> None:
        if self.quality_unit not in UNITS:
            raise ValueError(f"quality_unit is {self.quality_unit!r}; it is one of {', '.join(UNITS)}")
        if self.quality_column in self.cost_columns:
            raise ValueError(f"column {self.quality_column!r} cannot be both the quality and a cost")
        if self.required not in REQUIRED:
            raise ValueError(f"required is {self.required!r}; it is one of {', '.join(REQUIRED)}")
        if not self.duplicate_tolerance >= 0:
            raise ValueError(f"duplicate_tolerance is {self.duplicate_tolerance}; it is 0 or more")


def read_labels(table: Table, labels: Labels) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Quality (fractions) and costs of every row of a table, float64 ``[N]``; NaN where a label may be missing, and is.

    Raises:
      ValueError: if the table has no rows, or a column or value is wrong.
    """
    if not len(table.rows):
        raise ValueError(f"{table.path}: no rows below the header; write one row for each labelled architecture")
    read = numbers if labels.required == "all" else optional_numbers
    quality = np.full(len(table.rows), np.nan)
    if labels.required != "costs" or labels.quality_column in table.columns:
        quality = _quality(table, labels.quality_column, labels.quality_unit, read)
    return quality, {name: _costs(table, name, read) for name in labels.cost_columns}


def _quality(table: Table, name: str, unit: str, read: Read) -> np.ndarray:
    raw = read(table, name)
    if np.isnan(raw).all():
        return raw
    highest = np.nanmax(raw)
    quality = raw * UNITS[unit]
    wrong = np.flatnonzero((quality < 0) | (quality > 1))
    if wrong.size:
        hint = "give --quality_unit=percent" if unit == "fraction" and 1 < highest <= 100 else "correct it"
        raise ValueError(
            f"{table.place(int(wrong[0]), name)}: {raw[wrong[0]]} is not a {unit}, 0..{1 / UNITS[unit]:g}; {hint}"
        )
    if unit == "percent" and highest <= 1:
        raise ValueError(
            f"{table.path}: column {name!r}: no value is above 1 %; if these are fractions give --quality_unit=fraction"
        )
    return quality


def _costs(table: Table, name: str, read: Read) -> np.ndarray:
    costs = read(table, name)
    wrong = np.flatnonzero(costs <= 0)
    if wrong.size:
        raise ValueError(
            f"{table.place(int(wrong[0]), name)}: cost {costs[wrong[0]]} is not positive; measure it again"
        )
    return costs
