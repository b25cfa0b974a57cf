"""The comparison of all controllers: how many controllers, problems and seeds its results hold.

``python -m benchmarks.compare_controllers --data_dir=DIR [--run --study=FLAGFILE] [--results=FOLDER]``

``--run`` goes on with the study of a flagfile of ``experiments.compare``, with pymoo's NSGA-II beside its controllers.
Seeds are the fewest that any controller has on any problem.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from absl import flags

from benchmarks import common, studies
from experiments.compare_results import RESULTS
from experiments.compare_rows import NO_LIMIT, Row


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
    folder = Path(flags.FLAGS.results)
    if flags.FLAGS.run:
        studies.run(Path(flags.FLAGS.study), data_dir, folder)
    return {**summary(studies.read(folder)), "results": str(folder / RESULTS)}


if __name__ == "__main__":
    studies.define_flags("compare")
    flags.DEFINE_string("study", str(studies.FLAGS / "compare_macro.flags"), "Flagfile of the study that --run runs.")
    common.main(_benchmark)
