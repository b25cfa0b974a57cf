"""Which settings are NSGA-II's best on Note10: the search behind ``benchmarks.nsga2.BEST``.

``python -m benchmarks.nsga2_settings --data_dir=DIR --seconds=30`` writes benchmarks/results/nsga2_settings.json: for
each setting and seed, the gap to the published front (points), wins of its 100 latencies and evaluations. Settings get
equal processor time, not wall time, so that other work on the machine does not decide.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import json
import platform
import time
from pathlib import Path
from typing import Any

from absl import flags

from benchmarks import common, nsga2

RESULTS = Path(__file__).parent / "results" / "nsga2_settings.json"
CANDIDATES = (
    nsga2.Settings(),
    nsga2.Settings(split=True),
    nsga2.Settings(unique=False),
    nsga2.Settings(population=512),
    nsga2.Settings(crossover="two_point"),
    nsga2.Settings(crossover="sbx", mutation="polynomial", split=True),
    nsga2.Settings(genes=2.0),
)


def trial(problem: Any, description: Any, front: common.Front, settings: nsga2.Settings, seed: int) -> dict[str, Any]:
    """One run."""
    found = nsga2.run(problem, description, seed, flags.FLAGS.seconds, settings, time.process_time)
    budgets = common.front_budgets(description, front)[:, 0]
    gaps = common.gap_summary(100 * (found.best(budgets) - front.quality), "gap")
    counts = {"evaluations": found.evaluations, "cpu_s": round(found.wall_s, 1)}
    return {**dataclasses.asdict(settings), "seed": seed, **gaps, **counts}


def search(data_dir: Path) -> dict[str, Any]:
    """Try every candidate with every seed."""
    _, problem, description = common.note10(data_dir)
    front = common.read_front(data_dir)
    rows = []
    for seed in range(flags.FLAGS.seeds):
        for settings in CANDIDATES:
            rows.append(trial(problem, description, front, settings, seed))
            print(rows[-1], flush=True)
    best = max(rows, key=lambda row: float(row["gap_mean"]))
    RESULTS.parent.mkdir(exist_ok=True)
    head = {
        "command": f"python -m benchmarks.nsga2_settings --seconds={flags.FLAGS.seconds:g} --seeds={flags.FLAGS.seeds}",
        "machine": f"{platform.machine()}, 2 cores",
        "date": dt.datetime.now(dt.UTC).date().isoformat(),
    }
    lines = ",\n  ".join(json.dumps(row) for row in rows)
    RESULTS.write_text(json.dumps(head)[:-1] + f', "runs": [\n  {lines}\n]}}\n', encoding="utf-8")
    return best


if __name__ == "__main__":
    flags.DEFINE_float("seconds", 30.0, "Processor time of a run after compilation, s.")
    flags.DEFINE_integer("seeds", 1, "Number of seeds, from 0.")
    common.main(search)
