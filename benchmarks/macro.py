"""NAS-Bench-Macro with its true accuracies: mean regret to the exact oracle over 400 budgets at equal evaluations.

``python -m benchmarks.macro --data_dir=DIR [--run]``

``nag`` answers greedily, by its policy alone; NSGA-II (pymoo's) by the best that it evaluated. Lookup is the best
feasible of 200 labels, against ``nag`` on a predictor fitted to the same 200; both are judged by the true accuracies.
Regrets are points, means over seeds. Keys without a result are null.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from benchmarks import common, studies
from experiments.comparison.rows import NO_LIMIT, Row

LIMIT, LABELLED = "2000", "macro_200"


def summary(rows: Sequence[Row]) -> dict[str, Any]:
    """The benchmark's keys from the rows of a study."""
    last = [row for row in rows if row.final]

    def of(problem: str, contender: str, decode: str, limit: str = LIMIT) -> list[Row]:
        wanted = (problem, contender, decode, limit)
        return [row for row in last if (row.problem, row.contender, row.decode, row.limit) == wanted]

    ours = of("macro", "nag", "greedy")
    mean, std = studies.mean_and_std(ours)
    return {
        "seeds": len({row.seed for row in ours}),
        "evaluations": max((row.evaluations for row in ours), default=None),
        "nag_mean_regret": mean,
        "nag_regret_std": std,
        "nsga2_mean_regret": studies.mean_and_std(of("macro", studies.NSGA2, "archive"))[0],
        "infeasible": sum(row.infeasible for row in last if row.contender == "nag"),
        "lookup_200_labels_regret": studies.mean_and_std(of(LABELLED, "best label", "reference", NO_LIMIT))[0],
        "nag_200_labels_regret": studies.mean_and_std(of(LABELLED, "nag", "greedy"))[0],
    }


def _benchmark(data_dir: Path) -> Mapping[str, Any]:
    return summary(studies.read_all(data_dir))


if __name__ == "__main__":
    studies.define_flags(["compare_macro", "compare_labels"])
    common.main(_benchmark)
