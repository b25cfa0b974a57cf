"""Costs of all architectures, labels of some, by flags alone: regret on NAS-Bench-Macro with 200 of its accuracies.

``python -m benchmarks.labels_of_some --data_dir=DIR [--seeds=10] [--predictor_settings=target=rank]``

A file with the multiply-adds and the accuracy of every architecture is written, and ``experiments.run`` started on it
as a user does, with ``--num_labels``. The checkpoint answers 400 budgets even in cost; the file judges the answers:
points of accuracy lost to the best architecture within each budget, mean over budgets and seeds. ``best_label`` is what
the best label within each budget loses.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from absl import flags

from benchmarks import common, jobs
from experiments.comparison.problems import macro_accuracies
from experiments.frame import runtime
from nagjax import csv_cells, durable
from nagjax.devices.pricing import analytic
from nagjax.predictors.records.records import Records, draw
from nagjax.reports.front import POINTS, best_within
from nagjax.spaces import nas_bench_macro
from nagjax.spaces import trellis as tl

BUDGETS = 400
COST = "madds_m"


def benchmark_file(data_dir: Path, path: Path) -> tuple[Records, dict[str, int]]:
    """Write the benchmark; returns what it says, and the index of each architecture's text."""
    space = nas_bench_macro.make()
    tokens = tl.enumerate_paths(space.trellis.target, space.trellis.valid)
    quality = macro_accuracies(data_dir / "nas_bench_macro" / "cifar10.json", tokens)
    cost = space.operator_sum(tokens, analytic(space, "madds").values)
    texts = [space.format(row) for row in tokens]
    figures = zip(texts, map(repr, quality.tolist()), map(repr, cost.tolist()), strict=True)
    durable.replace(path, csv_cells.text([["architecture", "accuracy", COST], *figures]))
    return Records(tokens, quality, {COST: cost}, str(path)), {text: i for i, text in enumerate(texts)}


def train(file: Path, out: Path, seed: int, labels: int, more: list[str]) -> None:
    """Start the main job on the file and wait for it."""
    given = [
        f"--benchmark={file}", "--space=nas_bench_macro", "--quality_column=accuracy", f"--cost_columns={COST}",
        f"--num_labels={labels}", f"--labels_seed={seed}", f"--fit_seed={seed}", f"--seed={seed}",
        f"--out={out}",
    ]  # fmt: skip
    jobs.run(jobs.command("run", *given, *more), out.with_suffix(".log"))


def regrets(out: Path, known: Records, index: Mapping[str, int], decode: str) -> np.ndarray:
    """Points float64 ``[BUDGETS]`` that the answers of a checkpoint lose; one over its budget counts as 0 %."""
    import nagjax

    cost, quality = known.costs[COST], known.quality
    budgets = np.linspace(cost.min(), cost.max(), BUDGETS)
    generator = nagjax.load(out)
    rows = np.array([index[answer.text] for answer in generator.generate(budgets={COST: budgets}, decode=decode)])
    served = np.where(cost[rows] <= budgets, quality[rows], 0.0)
    return POINTS * (quality[best_within(cost, quality, budgets)] - served)


def lookup(known: Records, labels: int, seed: int) -> np.ndarray:
    """Points float64 ``[BUDGETS]`` that the best label within each budget loses; none fits: the cheapest of all."""
    cost, quality = known.costs[COST], known.quality
    budgets = np.linspace(cost.min(), cost.max(), BUDGETS)
    drawn = draw(known, labels, seed)
    row = best_within(drawn.costs[COST], drawn.quality, budgets)
    served = np.where(row < 0, quality[np.argmin(cost)], drawn.quality[row])
    return POINTS * (quality[best_within(cost, quality, budgets)] - served)


def _benchmark(data_dir: Path) -> Mapping[str, Any]:
    values = flags.FLAGS
    more = [f"--steps={values.steps}", f"--compilation_cache={values.compilation_cache}"]
    more += [f"--predictor_settings={','.join(values.predictor_settings)}"] if values.predictor_settings else []
    best, greedy, labelled = [], [], []
    with tempfile.TemporaryDirectory() as name:
        known, index = benchmark_file(data_dir, Path(name) / "macro.csv")
        for seed in range(values.seeds):
            out = Path(name) / f"seed{seed}"
            train(Path(name) / "macro.csv", out, seed, values.labels, more)
            best.append(regrets(out, known, index, "best").mean())
            greedy.append(regrets(out, known, index, "greedy").mean())
            labelled.append(lookup(known, values.labels, seed).mean())
            print(
                f"seed {seed}: best {best[-1]:.3f}, greedy {greedy[-1]:.3f}, best label {labelled[-1]:.3f}", flush=True
            )
    return {
        "labels": values.labels,
        "regret_mean": float(np.mean(best)),
        "regret_std": float(np.std(best, ddof=1)) if len(best) > 1 else None,
        "regret_greedy": float(np.mean(greedy)),
        "regret_best_label": float(np.mean(labelled)),
        "seeds": values.seeds,
        "budgets": BUDGETS,
        "steps": values.steps,
        "predictor_settings": values.predictor_settings or [],
    }


if __name__ == "__main__":
    flags.DEFINE_integer("seeds", 10, "Runs, each with labels of its own.", lower_bound=1)
    flags.DEFINE_integer("labels", 200, "Accuracies that a run sees.", lower_bound=10)
    flags.DEFINE_integer("steps", 1000, "Updates of a run.", lower_bound=1)
    flags.DEFINE_list("predictor_settings", None, "Settings of the fit, as experiments.run takes them.")
    runtime.define_flags(flags.FLAGS)
    common.main(_benchmark)
