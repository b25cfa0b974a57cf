"""Quality on Note10: the generator against the published OFA2 front and against NSGA-II at equal wall time.

``python -m benchmarks.quality_note10 --data_dir=DIR [--parts=60,120,300,full] [--seeds=0,1,2] [--results=FILE]``

At each of the 100 latencies of the published front, gap = our predicted accuracy minus theirs, in points; wins are the
latencies (percent of them) at which ours is higher. ``greedy`` is the policy's arg max, no archive; ``best_of_64`` the
best of 64 samples. Part ``full`` is the main job's own setting; the others give ``nag`` and NSGA-II the same wall time
after compilation, in turn. Regret to the best known is what the main job's answers (greedy, and ``best``) lose to the
front that ``benchmarks.best_known`` keeps, points, mean over the latencies; it is told of that front as it is now.

What ``--results`` already holds is not run again: a study can be interrupted, and its committed file is read and said
so. Parts without a result are null in the last line. Figures are medians over the seeds.
"""

from __future__ import annotations

import datetime as dt
import json
import os
import platform
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import jax
import numpy as np
from absl import flags

from benchmarks import common, nsga2
from experiments.comparison.best_known import read_architectures
from experiments.comparison.case import truth
from nagjax import controllers, plugins
from nagjax.inference.generator import Generator
from nagjax.problems.build import make_spec
from nagjax.problems.problem import Description, Problem
from nagjax.reports.front import POINTS, best_within

FULL_STEPS = 12000
SAMPLES = 64
LIMITS = ("60", "120", "300")
Entry = dict[str, Any]


def _answers(generator: Generator, latency_ms: np.ndarray, seed: int) -> tuple[np.ndarray, np.ndarray, int]:
    """Quality of greedy ``[N]``, of the best of the samples ``[N]``, and how many of all are over budget."""
    greedy = generator.generate_arrays(latency_ms, decode="greedy", seed=seed)
    drawn = generator.generate_arrays(np.repeat(latency_ms, SAMPLES), decode="sample", seed=seed)
    over = int((~greedy.guaranteed).sum() + (~drawn.guaranteed).sum())
    return greedy.quality, drawn.quality.reshape(-1, SAMPLES).max(-1), over


def _train(problem: Problem, description: Description, front: common.Front, seed: int, part: str) -> Entry:
    controller = plugins.load("controllers", "nag")(make_spec(description.space))
    steps = FULL_STEPS if part == "full" else 10_000_000
    limits = controllers.Limits(steps, None if part == "full" else float(part))
    state = controllers.init(controller, problem, seed)
    moment = controllers.train(controller, problem, state, seed, limits)
    found = controllers.artefact(controller, moment.state, problem)
    if found.policy is None:
        raise ValueError("nag left no policy")
    generator = Generator(found, problem, description, {})
    greedy, sampled, over = _answers(generator, front.latency_ms, seed)
    entry: Entry = {"train_s": moment.seconds, "steps": moment.step, "infeasible": int(over)}
    for name, quality in (("greedy", greedy), ("best_of_64", sampled)):
        entry |= common.gap_summary(100 * (np.asarray(quality, np.float64) - front.quality), name)
    if part == "full":
        best = generator.generate_arrays(front.latency_ms, decode="best").quality
        entry["monotone_violations"] = int((np.diff(best) < 0).sum())
        entry |= common.gap_summary(100 * (best.astype(np.float64) - front.quality), "best")
    entry["evaluations"] = float(moment.metrics["evaluations"][-1])
    return entry


def _nsga2(problem: Problem, description: Description, front: common.Front, seed: int, part: str) -> Entry:
    found = nsga2.run(problem, description, seed, float(part))
    best = np.asarray(found.best(common.front_budgets(description, front)[:, 0]), np.float64)
    gaps = 100 * (best - front.quality)
    return {"evaluations": found.evaluations, "wall_s": found.wall_s, **common.gap_summary(gaps, "nsga2")}


def made() -> dict[str, str]:
    """Commit, date, machine and its load, of a run that begins now."""
    commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False)
    return {
        "commit": commit.stdout.strip(),
        "date": dt.date.today().isoformat(),
        "machine": f"{platform.machine()}, {os.cpu_count()} cores, jax {jax.__version__}",
        "load": f"{os.getloadavg()[0]:.2f}",
    }


def _run_missing(data_dir: Path, parts: Sequence[str], seeds: Sequence[int], path: Path) -> dict[str, Entry]:
    held: dict[str, Entry] = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    print(f"{path}: holds {len(held)} runs, which are not repeated", flush=True)
    _, problem, description = common.note10(data_dir)
    front = common.read_front(data_dir)
    for part in parts:
        for seed in seeds:
            for name, job in (("nag", _train), ("nsga2", _nsga2)):
                label = f"{name}/{part}/{seed}"
                if label in held or (name, part) == ("nsga2", "full"):
                    continue
                began = made()
                held[label] = {**job(problem, description, front, seed, part), **began}
                print(label, json.dumps(held[label]), flush=True)
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(json.dumps(held, indent=1) + "\n", encoding="utf-8")
    return held


def best_known_gap(data_dir: Path, path: Path) -> float:
    """Gap of the best architectures known, those of a file, at the latencies of the published front, points, mean."""
    space, problem, description = common.note10(data_dir)
    tokens = read_architectures(path, space, np.asarray(problem.allowed))
    front = common.read_front(data_dir)
    quality, costs = truth(problem, tokens)
    row = best_within(costs[:, 0], quality, common.front_budgets(description, front)[:, 0])
    if (row < 0).any():
        raise ValueError(f"{path}: nothing within {front.latency_ms[row < 0][0]} ms; run benchmarks.best_known first")
    return POINTS * float(np.mean(quality[row] - front.quality))


def summary(held: Mapping[str, Entry], best_known: float) -> dict[str, Any]:
    """The benchmark's keys, medians over seeds of runs by name, part and seed; null where there is no run.

    ``best_known`` is the gap of the best architectures known, points.
    """

    def median(name: str, part: str, key: str) -> float | None:
        runs = [run for label, run in held.items() if label.startswith(f"{name}/{part}/")]
        values = [run[key] for run in runs if key in run]
        return float(np.median(values)) if values else None

    keys = (
        "greedy_mean", "greedy_wins", "greedy_worst", "best_of_64_mean", "best_of_64_wins",
        "best_mean", "best_wins", "best_worst",  # of runs with exact budgets
    )  # fmt: skip
    out: dict[str, Any] = {key: median("nag", "full", key) for key in keys}
    for key, gap in (("regret_to_best_known", "greedy_mean"), ("best_regret_to_best_known", "best_mean")):
        # A mean of differences is the difference of the means.
        out[key] = None if out[gap] is None else best_known - out[gap]
    out["infeasible"] = sum(run["infeasible"] for label, run in held.items() if label.startswith("nag/"))
    out["monotone_violations"] = sum(run.get("monotone_violations", 0) for run in held.values())
    out["train_s"] = median("nag", "full", "train_s")
    for part in LIMITS:
        out[f"nsga2_mean_at_{part}_s"] = median("nsga2", part, "nsga2_mean")
        out[f"greedy_mean_at_{part}_s"] = median("nag", part, "greedy_mean")
        out[f"best_of_64_mean_at_{part}_s"] = median("nag", part, "best_of_64_mean")
    return out


def _benchmark(data_dir: Path) -> Mapping[str, Any]:
    values = flags.FLAGS
    held = _run_missing(data_dir, values.parts, [int(seed) for seed in values.seeds], Path(values.results))
    return summary(held, best_known_gap(data_dir, Path(values.best_known)))


if __name__ == "__main__":
    flags.DEFINE_list("parts", [*LIMITS, "full"], "Wall-time limits in seconds, and full: the main job's own setting.")
    flags.DEFINE_list("seeds", ["0", "1", "2"], "Seeds of each part.")
    flags.DEFINE_string(
        "results", "benchmarks/results/quality_note10.json", "Runs so far; what it holds is not repeated."
    )
    flags.DEFINE_string("best_known", "benchmarks/results/best_known/note10.csv", "The best architectures known, CSV.")
    common.main(_benchmark)
