"""The comparison of all controllers: how many controllers, problems and seeds its results hold.

``python -m benchmarks.compare_controllers --data_dir=DIR [--run] [--studies=compare_macro]``

A study is a flagfile of ``experiments.compare``. Its results are read; ``--run`` first goes on with what is missing,
with pymoo's NSGA-II beside its controllers.
Seeds are the fewest that any controller has on any problem.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from absl import flags

from benchmarks import common, studies
from experiments.comparison.results import RESULTS
from experiments.comparison.rows import NO_LIMIT, Row


def summary(rows: Sequence[Row]) -> dict[str, Any]:
    """The benchmark's keys from the rows of a study."""
    done = [row for row in rows if row.final and row.limit != NO_LIMIT]
    seeds: dict[tuple[str, str, str], set[int]] = {}
    for row in done:
        seeds.setdefault((row.problem, row.contender, row.limit), set()).add(row.seed)
    return {
        "controllers": len({row.contender for row in done}),
        "problems": len({row.problem for row in done}),
        "seeds": min((len(held) for held in seeds.values()), default=0),
    }


def _benchmark(data_dir: Path) -> Mapping[str, Any]:
    rows = studies.read_all(data_dir)
    files = [str(Path(flags.FLAGS.results) / study / RESULTS) for study in flags.FLAGS.studies]
    return {**summary(rows), "results": files}


if __name__ == "__main__":
    studies.define_flags(["compare_macro", "compare_labels", "compare_note10", "compare_i7"])
    common.main(_benchmark)
