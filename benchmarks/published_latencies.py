"""What the contenders of a comparison on Note10 have at the latencies of the published front, and where they differ.

``python -m benchmarks.published_latencies --data_dir=DIR [--results=benchmarks/results] [--study=compare_note10]``

Reads the answers that a comparison kept. They were asked for at 400 budgets even in cost; at a latency of the front the
best of them that fits counts, which is no more than the contender would answer there. The gap is the mean over the 100
latencies of what that is above the front, in points. The table also has the mean quality over the budgets in bands of
latency, in points. Nothing is run; the gaps are written beside the study's results, for a reader without the front.
"""

from __future__ import annotations

import itertools
import json
import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from absl import flags

from benchmarks import common
from experiments.comparison.results import Results
from experiments.comparison.rows import NO_LIMIT
from nagjax import durable
from nagjax.reports.front import POINTS, best_within

BANDS_MS = (10.0, 20.0, 30.0, 43.0, 57.0)
GAPS = "published_latencies.json"


class Kept(NamedTuple):
    """Answers of a run: cost (ms) and quality (a fraction), float64 ``[B]`` each."""

    name: str
    cost: np.ndarray
    quality: np.ndarray


def gap(kept: Kept, front: common.Front) -> float:
    """Mean over the front's latencies of the best answer that fits minus the front's quality, points.

    Raises:
      ValueError: if no answer is as fast as the fastest of the front.
    """
    row = best_within(kept.cost, kept.quality, front.latency_ms)
    if (row < 0).any():
        raise ValueError(f"{kept.name}: no answer within {front.latency_ms[row < 0][0]} ms, a latency of the front")
    return POINTS * float(np.mean(kept.quality[row] - front.quality))


def bands(kept: Kept, edges: Sequence[float] = BANDS_MS) -> list[float]:
    """Mean quality within even budgets in each band of latency, points.

    >>> round(bands(Kept("", np.array([1.0, 3.0]), np.array([0.5, 0.7])), (1.0, 3.0, 5.0))[0], 6)
    50.0
    """
    means = []
    for low, high in itertools.pairwise(edges):
        row = best_within(kept.cost, kept.quality, np.linspace(low, high, 200, endpoint=False))
        means.append(POINTS * float(np.where(row >= 0, kept.quality[row], 0.0).mean()))
    return means


def answers(results: Results) -> Iterator[Kept]:
    """The answers that the runs of a comparison on Note10 ended with; a rival's once."""
    for row in results.rows:
        if row.problem == "note10" and row.final and not (row.limit == NO_LIMIT and row.seed):
            found = results.answers(row.key, row.decode)
            if found is not None:
                yield Kept(f"{row.contender} {row.decode}", *found)


def _benchmark(data_dir: Path) -> Mapping[str, Any]:
    front = common.read_front(data_dir)
    folder = Path(flags.FLAGS.results) / flags.FLAGS.study
    runs: dict[str, list[Kept]] = {}
    for kept in answers(Results(folder)):
        runs.setdefault(kept.name, []).append(kept)
    if not runs:
        raise ValueError(f"{folder}: no answers to Note10 beside its results; run the comparison with --out there")
    spans = "".join(f"{f'{low:g}-{high:g} ms':>12}" for low, high in itertools.pairwise(BANDS_MS))
    print(f"{'':36}{'seeds':>6}{'gap':>9}{'spread':>9}{spans}")
    result = {}
    held = {name: [gap(kept, front) for kept in each] for name, each in sorted(runs.items())}
    durable.replace(folder / GAPS, json.dumps(held, indent=1) + "\n")
    for name, gaps in held.items():
        spread = float(np.std(gaps, ddof=1)) if len(gaps) > 1 else math.nan
        means = np.mean([bands(kept) for kept in runs[name]], 0)
        result[name] = float(np.mean(gaps))
        print(
            f"{name:36}{len(gaps):>6}{result[name]:>9.3f}{spread:>9.3f}" + "".join(f"{mean:>12.3f}" for mean in means)
        )
    return result


if __name__ == "__main__":
    flags.DEFINE_string("results", "benchmarks/results", "Folder that holds a folder for each study.")
    flags.DEFINE_string("study", "compare_note10", "Which of them.")
    common.main(_benchmark)
