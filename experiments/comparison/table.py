"""From the rows of a comparison to its table: mean and spread over seeds, and differences seed by seed."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from experiments.comparison.limits import Limit
from experiments.comparison.rows import NO_LIMIT, Key, Row
from nagjax import csv_cells, durable

RESAMPLES, LEVEL = 10_000, 0.95
METRICS = (
    "regret", "regret_worst", "regret_to_best_known", "gap", "hypervolume", "igd_plus", "infeasible", "distinct",
    "evaluations", "labels", "over_budget", "seconds", "compile_seconds",
)  # fmt: skip
BEST_KNOWN = "regret_to_best_known"
"""The figure that is no column of the results: a best-known front may get better after a run."""
SMALLER = {"regret": True, "hypervolume": False}
"""The figures that decide, in this order, and whether less of them is better."""

Side = tuple[str, str]
"""Contender and how its answers were found."""
Lost = Mapping[tuple[Key, str], float]
"""Regret to the best known of the runs and ways of answering for which it is known, points."""


@dataclasses.dataclass(frozen=True)
class Spread:
    """Mean and standard deviation (n - 1) over n seeds; the deviation is NaN for one seed."""

    mean: float
    std: float
    count: int


@dataclasses.dataclass(frozen=True)
class Difference:
    """Ours minus the base's, over the seeds that both have.

    Attributes:
      mean: of the differences.
      low, high: 95 % interval of the mean, by bootstrap over seeds; NaN for one seed.
      better: seeds in which ours is strictly better.
      count: seeds.
    """

    mean: float
    low: float
    high: float
    better: int
    count: int


@dataclasses.dataclass(frozen=True)
class Line:
    """One line of the table: a contender's answers on a problem under a limit.

    Attributes:
      side: contender and how its answers were found.
      limit: NO_LIMIT for what the problem itself brings.
      spreads: by name of ``METRICS``; without those that are not known.
      difference: to the base in the deciding figure; None for the base itself, or without a common seed.
    """

    side: Side
    limit: str
    spreads: Mapping[str, Spread]
    difference: Difference | None


@dataclasses.dataclass(frozen=True)
class Section:
    """The table of one problem under one limit, best first; ``metric`` is the figure that decides."""

    problem: str
    limit: str
    metric: str
    base: Side | None
    lines: Sequence[Line]


def sections(rows: Sequence[Row], base: str, lost: Lost | None = None) -> list[Section]:
    """Tables of all problems and limits, in the order of the rows; limits by size.

    ``lost`` is the regret to the best known, of the runs for which it is known.
    """
    out = []
    for problem in dict.fromkeys(row.problem for row in rows):
        last = [row for row in rows if row.problem == problem and row.final]
        limits = dict.fromkeys(row.limit for row in last if row.limit != NO_LIMIT)
        out += [
            _section(problem, limit, [row for row in last if row.limit in (limit, NO_LIMIT)], base, lost or {})
            for limit in sorted(limits, key=lambda text: Limit.read(text).place)
        ]
    return out


def spread(values: Sequence[float]) -> Spread:
    """Mean and spread.

    >>> spread([1.0, 3.0])
    Spread(mean=2.0, std=1.4142135623730951, count=2)
    """
    array = np.asarray(values, np.float64)
    return Spread(float(array.mean()), float(array.std(ddof=1)) if len(array) > 1 else float("nan"), len(array))


def difference(ours: Mapping[int, float], base: Mapping[int, float], smaller: bool) -> Difference | None:
    """Paired difference of figures by seed; None without a common seed.

    >>> difference({0: 1.0, 1: 2.0}, {0: 2.0, 1: 2.0, 2: 9.0}, smaller=True)
    Difference(mean=-0.5, low=-1.0, high=0.0, better=1, count=2)
    """
    seeds = sorted(set(ours) & set(base))
    if not seeds:
        return None
    deltas = np.array([ours[seed] - base[seed] for seed in seeds])
    low = high = float("nan")
    if len(seeds) > 1:
        draws = np.random.default_rng(0).integers(0, len(seeds), (RESAMPLES, len(seeds)))
        tail = 50 * (1 - LEVEL)
        low, high = (float(value) for value in np.percentile(deltas[draws].mean(1), [tail, 100 - tail]))
    better = int((deltas < 0).sum() if smaller else (deltas > 0).sum())
    return Difference(float(deltas.mean()), low, high, better, len(seeds))


def deciding(rows: Sequence[Row]) -> str:
    """The figure that decides: regret where the oracle is known, else the hypervolume."""
    return "regret" if all(row.regret == row.regret for row in rows) else "hypervolume"


def primary(rows: Sequence[Row], contender: str) -> Side | None:
    """The side of a contender that plots and differences take: its policy's greedy answers if it has a policy."""
    ways = dict.fromkeys(row.decode for row in rows if row.contender == contender and row.final)
    order = [way for way in ("greedy", "archive", *ways) if way in ways]
    return (contender, order[0]) if order else None


def write_csv(path: Path, tables: Sequence[Section]) -> None:
    """Write all lines as CSV: mean, std and count of each figure, and the difference to the base."""
    head = ["problem", "limit", "contender", "decode", "seeds", *(f"{m}_{s}" for m in METRICS for s in ("mean", "std"))]
    compared = ["metric", "base", "difference", "difference_low", "difference_high", "better_seeds", "paired_seeds"]
    rows = [[*head, *compared]]
    for table in tables:
        base = " ".join(table.base or ())
        for line in table.lines:
            found = line.difference
            seeds = max((one.count for one in line.spreads.values()), default=0)
            pairs = [_figures(line.spreads.get(metric)) for metric in METRICS]
            figures = [value for pair in pairs for value in pair]
            versus = [table.metric, base, *map(str, dataclasses.astuple(found) if found else ())]
            rows.append([table.problem, line.limit, *line.side, str(seeds), *figures, *versus])
    durable.replace(path, csv_cells.text(rows))


def _section(problem: str, limit: str, rows: Sequence[Row], base: str, lost: Lost) -> Section:
    metric = deciding(rows)
    against = primary([row for row in rows if row.limit == limit], base)
    by_side: dict[Side, list[Row]] = {}
    for row in rows:
        by_side.setdefault((row.contender, row.decode), []).append(row)
    base_figures = _by_seed(by_side.get(against, []) if against else [], metric)
    lines = [
        Line(
            side,
            held[0].limit,
            {name: spread(values) for name in METRICS if (values := _known(held, name, lost))},
            None if side == against else difference(_by_seed(held, metric), base_figures, SMALLER[metric]),
        )
        for side, held in by_side.items()
    ]
    sign = 1.0 if SMALLER[metric] else -1.0
    lines.sort(key=lambda line: sign * line.spreads[metric].mean)
    return Section(problem, limit, metric, against, lines)


def _known(rows: Sequence[Row], name: str, lost: Lost) -> list[float]:
    if name == BEST_KNOWN:
        return [lost[row.key, row.decode] for row in rows if (row.key, row.decode) in lost]
    values = [float(getattr(row, name)) for row in rows]
    # The first run of a kind compiles for all of them: its time is the figure, not a mean over seeds.
    values = [max(values)] if name == "compile_seconds" else values
    return [value for value in values if value == value]


def _by_seed(rows: Sequence[Row], metric: str) -> dict[int, float]:
    return {row.seed: float(getattr(row, metric)) for row in rows}


def _figures(one: Spread | None) -> list[str]:
    return ["", ""] if one is None else [f"{one.mean:.9g}", "" if one.std != one.std else f"{one.std:.9g}"]
