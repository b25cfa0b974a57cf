"""How well shared weights rank networks trained alone, by the strategy that trained them.

``python -m benchmarks.supernet_ranking`` goes on with what the committed study lacks, a row on the disk before the next
is begun; ``--results=FILE`` begins one of its own. It ends with {kendall_tau, ceiling_tau, spread_points, seed_points,
flops_kendall_tau, standalone_networks, smallest_gap_points, largest_gap_points, within_bins_tau, madds_within_bins_tau,
strategies: {name: {tau, within_bins_tau, ...}}}.

The space has 84 perceptrons, ``elastic_mlp`` with 1 to 3 layers of 4, 12, 32 or 64 units, and the task is ``signals``
with 10,000 test signals. Of several settings it was the one whose seeds agreed best in pilots under other seeds. All
networks are trained alone under two seeds; tau between these is the ceiling, ``spread_points`` is how far networks lie
apart and ``seed_points`` how far seeds of one do. Every strategy sees the same number of signals, a lesson of 64
counting as 64, and four times as many where its name ends in ``_long``. Its learning rate is that of 0.1, 0.3 and 0.9
with which labels were best on average under seed 100; ``few_shot`` has that of ``single_path``, and splits on the
depth. Labels are of validation signals, accuracies alone of test signals; bins are four parts of the range of
multiply-adds. Figures without a strategy's name are those of ``sandwich``, the jobs' default; a gap is accuracy alone
minus accuracy with its weights, on test signals.
"""

from __future__ import annotations

import functools
import json
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from absl import flags

from benchmarks import common
from benchmarks.strategies import Way
from experiments.frame import runtime
from experiments.published import shared_weights
from nagjax import durable, operators
from nagjax.spaces import elastic_mlp
from nagjax.spaces.space import Space
from nagjax.supernet import labelling, ranking, training
from nagjax.supernet.evaluation import alone_assessor, supernet_assessor
from nagjax.supernet.strategy import make_strategy
from nagjax.supernet.task import Task, make_task

RESULT = Path(__file__).parent / "results" / "supernet_ranking.json"
USUAL = "sandwich"
NETWORKS, BINS, BATCH = 84, 4, 64
ALONE, ALONE_STEPS, ALONE_RATE = "alone", 2500, 0.1
LESSONS = 12_000
"""Of each strategy, each on ``BATCH`` signals."""

COLUMNS = {
    "tau": "tau", "within_bins_tau": "within", "by_loss_tau": "by_loss", "by_loss_within_bins_tau": "within_by_loss",
}  # fmt: skip
"""Figures of a strategy, and the columns of ``shared_weights.figures`` that they are."""

WAYS: Mapping[str, Way] = {
    "sandwich": Way("sandwich", 4, 0.3),
    "bignas": Way("bignas", 4, 0.3),
    "single_path": Way("single_path", 1, 0.1),
    "few_shot": Way("few_shot", 1, 0.1, {"split_on": "depth"}),
}
LONG, TIMES = "_long", 4
"""What ends the name of a strategy that sees so many times as many signals."""

LONGER = {f"{name}{LONG}": WAYS[name] for name in ("sandwich", "single_path")}


@functools.cache
def space() -> Space:
    """The perceptrons."""
    return elastic_mlp.make(features=64, outputs=4, depths="1-2-3", widths="4-12-32-64")


@functools.cache
def task() -> Task:
    """Wave forms in noise."""
    return make_task("signals", {"training": 20_000, "validation": 5_000, "test": 10_000})


def networks(num: int = NETWORKS, seed: int = 0) -> np.ndarray:
    """Those that are trained alone, int32 ``[num, T]``: the smallest, the largest, and others between."""
    madds = np.array([operators.madds(op) for op in space().operators])
    ends = np.stack([space().smallest(), space().largest()])
    drawn = labelling.draw_stratified(space(), space().trellis.valid, madds, space().count(), BINS, seed)
    inner = [row for row in drawn if not (row == ends).all(-1).any()]
    return np.concatenate([ends, np.stack(inner[: num - 2])])


def counted(rows: np.ndarray, count: Any) -> np.ndarray:
    """Multiply-adds or parameters of architectures int32 ``[N, T]``."""
    return space().operator_sum(rows, np.array([count(op) for op in space().operators], np.float64))


def alone(row: np.ndarray, seed: int, steps: int = ALONE_STEPS) -> dict[str, float]:
    """A network trained from scratch: accuracy and loss on the test signals."""
    recipe = training.Recipe(steps, BATCH, ALONE_RATE, seed=seed)
    state = _trained(training.alone_learner(space(), row), recipe)
    scores = alone_assessor(space(), row, task()).scores(state.parameters, row, task().test)
    return {"accuracy": scores.quality, "loss": scores.loss}


def shared(name: str, seed: int, rows: np.ndarray) -> dict[str, Any]:
    """What shared weights say of networks: accuracy and loss of validation signals, and accuracy of test signals."""
    way, lessons = {**WAYS, **LONGER}[name], LESSONS * (TIMES if name in LONGER else 1)
    began, strategy = time.monotonic(), make_strategy(way.strategy, dict(way.settings))
    recipe = training.Recipe(round(lessons / way.lessons), BATCH, way.rate, seed=seed)
    state = _trained(training.supernet_learner(space(), space().trellis.valid, strategy), recipe)
    trained, assessor = time.monotonic(), supernet_assessor(space(), task(), form=strategy.form)
    scores = [assessor.scores(state.parameters, row, task().validation) for row in rows]
    return {
        "steps": recipe.steps, "rate": way.rate, "seconds": round(trained - began, 1),
        "label": [score.quality for score in scores], "label_loss": [score.loss for score in scores],
        "test": [assessor.scores(state.parameters, row, task().test).quality for row in rows],
    }  # fmt: skip


def _trained(learner: training.Learner, recipe: training.Recipe) -> training.TrainState:
    state = training.start(learner, recipe)
    for reached, _ in training.train(learner, task(), recipe, state):
        state = reached
    return state


def supernet_ranking(study: Mapping[str, Any]) -> dict[str, Any]:
    """The result of this benchmark: of each strategy the means over its seeds.

    Raises:
      ValueError: if the study has no weights of ``USUAL`` yet.
    """
    alone, found = shared_weights.alone(study), shared_weights.figures(study)
    ends = np.array([run["test"][:2] for run in study["shared"] if run["way"] == USUAL])
    smallest, largest = 100 * (alone.mean(1)[:2] - ends.mean(0))
    networks_apart, seeds_apart = ranking.spread(100 * alone)

    def figures(name: str) -> dict[str, float]:
        return {named: float(np.mean(list(found[name][column].values()))) for named, column in COLUMNS.items()}

    strategies = {way: figures(way) for way in dict.fromkeys(run["way"] for run in study["shared"])}
    return {
        "kendall_tau": strategies[USUAL]["tau"],
        "ceiling_tau": ranking.ceiling(alone),
        "spread_points": networks_apart,
        "seed_points": seeds_apart,
        "flops_kendall_tau": found["madds"]["tau"][shared_weights.NO_SEED],
        "standalone_networks": len(alone),
        "smallest_gap_points": float(smallest),
        "largest_gap_points": float(largest),
        "within_bins_tau": strategies[USUAL]["within_bins_tau"],
        "madds_within_bins_tau": found["madds"]["within"][shared_weights.NO_SEED],
        "strategies": strategies,
    }


def _begun() -> dict[str, Any]:
    rows = networks()
    told = zip(map(space().format, rows), counted(rows, operators.madds), counted(rows, operators.params), strict=True)
    return {
        "space": space().identity, "images": LESSONS * BATCH, "examples_name": task().examples_name, "batch": BATCH,
        "bins": BINS, "alone_rate": ALONE_RATE, "alone_steps": ALONE_STEPS,
        "networks": [{"architecture": text, "madds": m, "params": p, "alone": {}} for text, m, p in told],
        "shared": [],
    }  # fmt: skip


def _benchmark(data_dir: Path) -> Mapping[str, Any]:
    del data_dir
    values, path = flags.FLAGS, Path(flags.FLAGS.results)
    runtime.use_compilation_cache(values.compilation_cache)
    study = json.loads(path.read_text(encoding="utf-8")) if path.exists() else _begun()
    first, rows = values.first_seed, networks()

    def keep(what: Mapping[str, Any]) -> None:
        durable.replace(path, json.dumps(study, indent=1) + "\n")
        print({name: value for name, value in what.items() if not isinstance(value, list)}, flush=True)

    for seed in range(first, first + values.alone_seeds) if ALONE in values.ways else ():
        for row, network in zip(rows, study["networks"], strict=True):
            if str(seed) not in network["alone"]:
                network["alone"][str(seed)] = alone(row, seed)
                keep({"network": network["architecture"], "seed": seed, **network["alone"][str(seed)]})
    done = {(one["way"], one["seed"]) for one in study["shared"]}
    for seed in range(first, first + values.seeds):
        for name in (one for one in values.ways if one != ALONE and (one, seed) not in done):
            found = shared(name, seed, rows)
            study["shared"].append({"way": name, "seed": seed, **found})
            keep(study["shared"][-1])
    return supernet_ranking(study)


if __name__ == "__main__":
    flags.DEFINE_integer("seeds", 3, "Of every strategy.", lower_bound=1)
    flags.DEFINE_integer("alone_seeds", 2, "Of every network alone.", lower_bound=1)
    flags.DEFINE_integer("first_seed", 0, "Of the first; what is tuned is tuned from 100 on.", lower_bound=0)
    flags.DEFINE_list("ways", [ALONE, *WAYS, *LONGER], "Which; alone trains the networks.")
    flags.DEFINE_string("results", str(RESULT), "The file of figures; what it lacks is measured.")
    runtime.define_flags(flags.FLAGS)
    common.main(_benchmark)
