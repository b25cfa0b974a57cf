"""Fronts as plain data: answers at budgets, a published front beside them, and figures that compare the two."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import TypeVar

import numpy as np

from nagjax import csv_cells, durable
from nagjax.tables import numbers, read_table

POINTS = 100.0
"""Percentage points in a quality of 1."""

_Figure = TypeVar("_Figure", float, np.ndarray)

UNITS = {"fraction": 1.0, "percent": 0.01, "error_percent": -0.01}
"""Units of a reference front's quality; ``error_percent`` is 100 % minus quality."""


@dataclasses.dataclass(frozen=True)
class Point:
    """One architecture as the answer to a budget.

    Attributes:
      budget, cost: in the unit of the cost column.
      quality, quality_std: predicted, fractions; the deviation is 0 where the predictor gives none.
      text: the architecture in the space's text form.
      description: the same for a person.
      guaranteed: whether cost <= budget is certain for the given table.
      level: share of networks that may exceed the budget, where the cost is learned and within it; else None.
      limits: the budgets of the other cost columns that were asked, by name.
      source: what gave it: archive, greedy, sample, beam.
      costs: every cost column by name.
      raw_costs: the sum of the table's rows, for columns whose costs are corrected; of learned costs what is predicted.
      row: of the benchmark's file, counted as errors about the file count; None where there is none.
      measured: measured quality, a fraction; None where it is not known.
    """

    budget: float
    cost: float
    quality: float
    quality_std: float
    text: str
    description: str
    guaranteed: bool
    source: str
    costs: dict[str, float]
    raw_costs: dict[str, float] = dataclasses.field(default_factory=dict)
    row: int | None = None
    measured: float | None = None
    level: float | None = None
    limits: dict[str, float] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True)
class Reference:
    """A front to compare with: ``cost`` and ``quality`` (fractions) float64 ``[N]``, by rising cost."""

    name: str
    cost: np.ndarray
    quality: np.ndarray


@dataclasses.dataclass(frozen=True)
class Comparison:
    """Ours against a reference at the costs of the reference.

    Attributes:
      mean, worst, best: gap = our predicted quality minus theirs, points.
      wins: costs at which ours is higher.
      compared: costs compared.
      skipped: costs of the reference below our cheapest architecture.
    """

    mean: float
    worst: float
    best: float
    wins: int
    compared: int
    skipped: int


def read_reference(
    path: Path, cost_column: str, quality_column: str, quality_unit: str, name: str | None = None
) -> Reference:
    """Read a front from a CSV or Parquet file (``nagjax.tables``), called ``name`` or like the file.

    Raises:
      ValueError: if a column or number is wrong; the message names file, row, column and remedy.
    """
    if quality_unit not in UNITS:
        raise ValueError(f"reference_quality_unit={quality_unit!r} is not one of {', '.join(UNITS)}")
    table = read_table(path, [cost_column, quality_column])
    for argument, column in (("reference_cost_column", cost_column), ("reference_quality_column", quality_column)):
        try:
            table.column(column)
        except ValueError as error:
            raise ValueError(f"{error} ({argument})") from None
    if not table.rows:
        raise ValueError(f"{path}: no rows below the header; write one row for each point of the front")
    cost, raw = numbers(table, cost_column), numbers(table, quality_column)
    scale = UNITS[quality_unit]
    quality = raw * scale + (1.0 if scale < 0 else 0.0)
    for index in np.flatnonzero((quality < 0) | (quality > 1) | (cost <= 0)).tolist():
        raise ValueError(
            f"{path}: row {table.rows[index]}: cost {cost[index]:g}, {quality_column} {raw[index]:g}: cost is above 0 "
            f"and quality a {quality_unit}; set reference_quality_unit, one of {', '.join(UNITS)}, or correct the row"
        )
    order = np.argsort(cost, kind="stable")
    return Reference(name or path.name, cost[order], quality[order])


def compare(points: Sequence[Point], reference: Reference) -> Comparison | None:
    """Compare answers to the reference's costs with the reference; None where no cost is within our range.

    The answers are in its order, to those costs that can be asked.

    >>> point = Point(2.0, 1.5, 0.76, 0.0, "", "", True, "greedy", {})
    >>> compare([point], Reference("published", np.array([1.0, 2.0]), np.array([0.7, 0.75])))
    Comparison(mean=1.0, worst=1.0, best=1.0, wins=1, compared=1, skipped=1)
    """
    if not points:
        return None
    skipped = len(reference.cost) - len(points)
    gaps = np.round(POINTS * (np.array([point.quality for point in points]) - reference.quality[skipped:]), 9)
    return Comparison(
        float(gaps.mean()), float(gaps.min()), float(gaps.max()), int((gaps > 0).sum()), len(gaps), skipped
    )


def hypervolumes(fronts: Sequence[tuple[np.ndarray, np.ndarray]]) -> tuple[list[float], tuple[float, float]]:
    """Hypervolumes (cost unit x points) of fronts, cost and quality (fractions) ``[N]``, and their reference point.

    That is the largest cost and the least quality of them all.
    """
    import moocore

    worst = max(float(cost.max()) for cost, _ in fronts), min(float(quality.min()) for _, quality in fronts)
    volumes = []
    for cost, quality in fronts:
        data = np.stack([cost, -POINTS * quality], 1)
        volumes.append(float(moocore.hypervolume(data, ref=[worst[0], -POINTS * worst[1]])))
    return volumes, worst


def best_within(cost: np.ndarray, quality: np.ndarray, budgets: np.ndarray) -> np.ndarray:
    """Row int ``[B]`` of the best of the points ``[N]`` within each budget ``[B]``; -1 where none is.

    >>> best_within(np.array([3, 1, 2]), np.array([0.7, 0.5, 0.4]), np.array([0, 1, 2, 9])).tolist()
    [-1, 1, 1, 0]
    """
    order = np.lexsort((-quality, cost))
    ranked = quality[order]
    record = np.maximum.accumulate(ranked)
    first = np.append(True, ranked[1:] > record[:-1]) if len(order) else np.zeros(0, bool)
    leader = order[np.maximum.accumulate(np.where(first, np.arange(len(order)), 0))]
    place = np.searchsorted(cost[order], budgets, side="right") - 1
    return np.where(place < 0, -1, leader[np.maximum(place, 0)]) if len(order) else np.full(len(budgets), -1)


def worth(quality: _Figure, quality_std: _Figure, pessimism: float) -> _Figure:
    """What answers are compared by, as a problem of that pessimism does.

    >>> worth(0.75, 0.125, 2.0)
    0.5
    """
    return quality - pessimism * quality_std if pessimism else quality


def distinct_front(points: Sequence[Point], pessimism: float = 0.0) -> list[Point]:
    """The answers that no other one dominates, each architecture once, by rising cost.

    Of quality less ``pessimism`` deviations, by which ``best`` compares them.

    >>> costly = Point(3.0, 2.5, 0.7, 0.0, "a", "", True, "", {})
    >>> poor = Point(3.5, 3.0, 0.6, 0.0, "b", "", True, "", {})
    >>> [point.text for point in distinct_front([costly, poor])]
    ['a']
    """
    front: list[Point] = []

    def good(point: Point) -> float:
        return worth(point.quality, point.quality_std, pessimism)

    for point in sorted(points, key=lambda p: (p.cost, -good(p))):
        if not front or good(point) > good(front[-1]):
            front.append(point)
    return front


def log_spaced(low: float, high: float, num: int) -> list[float]:
    """Budgets log-spaced from ``low`` to ``high``, ends exact; rounded in between, never below ``low``.

    >>> log_spaced(1.0, 100.0, 3)
    [1.0, 10.0, 100.0]
    """
    inner = [float(f"{value:.4g}") for value in np.geomspace(low, high, num)[1:-1]] if low > 0 else []
    return [low, *(value for value in inner if low < value < high), high]


def write_front_csv(path: Path, points: Sequence[Point]) -> None:
    """Write answers as CSV: budget, costs, predicted quality (a fraction), its deviation, text, source, raw costs.

    Budgets of other columns are ``budget_NAME``. Of a benchmark's answers also the row in its file, and the measured
    quality where it is known.
    """
    names = list(points[0].costs) if points else []
    raw = list(points[0].raw_costs) if points else []
    limits = list(points[0].limits) if points else []
    asked = ["budget", *(f"budget_{name}" for name in limits)]
    head = [*asked, *names, "predicted_quality", "quality_std", "architecture", "guaranteed", "source"]
    more = [name for name in ("row", "measured") if any(getattr(p, name) is not None for p in points)]
    names_of = {"row": "row", "measured": "measured_quality"}
    rows = [[*head, *(f"raw_{name}" for name in raw), *(names_of[name] for name in more)]]
    for p in points:
        budgets = [repr(p.budget), *(repr(p.limits[name]) for name in limits)]
        figures = [*budgets, *(repr(p.costs[name]) for name in names), repr(p.quality), repr(p.quality_std)]
        sums = (repr(p.raw_costs[name]) for name in raw)
        known = ("" if (value := getattr(p, name)) is None else repr(value) for name in more)
        rows.append([*figures, p.text, str(p.guaranteed).lower(), p.source, *sums, *known])
    durable.replace(path, csv_cells.text(rows))
