"""The labels of a file's rows: quality as a fraction, and measured costs.

One row labels one architecture; which one, another module tells.
"""

from __future__ import annotations

import dataclasses

import numpy as np

from nagjax.predictors.label_faults import tally
from nagjax.predictors.tables import Table, numbers

UNITS = {"fraction": 1.0, "percent": 0.01}


@dataclasses.dataclass(frozen=True)
class Labels:
    """Which columns label the rows of a file; see ``read_records`` for each.

    Raises:
      ValueError: if they contradict each other.
    """

    quality_column: str = "quality"
    quality_unit: str = "fraction"
    cost_columns: tuple[str, ...] = ()
    duplicate_tolerance: float = 0.0

    def __post_init__(self) -> None:
        if self.quality_unit not in UNITS:
            raise ValueError(f"quality_unit is {self.quality_unit!r}; it is one of {', '.join(UNITS)}")
        if self.quality_column in self.cost_columns:
            raise ValueError(f"column {self.quality_column!r} cannot be both the quality and a cost")
        if not self.duplicate_tolerance >= 0:
            raise ValueError(f"duplicate_tolerance is {self.duplicate_tolerance}; it is 0 or more")


def read_labels(table: Table, labels: Labels) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Quality (fractions) and costs of every row of a table, float64 ``[N]``.

    Raises:
      ValueError: if the table has no rows, or a column or value is wrong.
    """
    if not len(table.rows):
        raise ValueError(f"{table.path}: no rows below the header; write one row for each labelled architecture")
    try:
        quality = _quality(table, labels.quality_column, labels.quality_unit)
        return quality, {name: _costs(table, name) for name in labels.cost_columns}
    except ValueError as error:
        raise ValueError(f"{error}{tally(table, labels.quality_column, labels.cost_columns)}") from None


def _quality(table: Table, name: str, unit: str) -> np.ndarray:
    raw = numbers(table, name)
    quality = raw * UNITS[unit]
    wrong = np.flatnonzero((quality < 0) | (quality > 1))
    if wrong.size:
        hint = "give --quality_unit=percent" if unit == "fraction" and 1 < raw.max() <= 100 else "correct it"
        raise ValueError(
            f"{table.place(int(wrong[0]), name)}: {raw[wrong[0]]} is not a {unit}, 0..{1 / UNITS[unit]:g}; {hint}"
        )
    if unit == "percent" and raw.max() <= 1:
        raise ValueError(
            f"{table.path}: column {name!r}: no value is above 1 %; if these are fractions give --quality_unit=fraction"
        )
    return quality


def _costs(table: Table, name: str) -> np.ndarray:
    costs = numbers(table, name)
    wrong = np.flatnonzero(costs <= 0)
    if wrong.size:
        raise ValueError(
            f"{table.place(int(wrong[0]), name)}: cost {costs[wrong[0]]} is not positive; measure it again"
        )
    return costs
