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
import itertools
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from absl import flags

from benchmarks import common, weight_studies
from benchmarks.strategies import Way
from benchmarks.weight_studies import ALONE
from experiments.published import shared_weights
from experiments.rank_supernet import choose
from nagjax.spaces import elastic_mlp
from nagjax.spaces.space import Space
from nagjax.supernet import ranking, training
from nagjax.supernet.evaluation import supernet_assessor
from nagjax.supernet.strategy import make_strategy
from nagjax.supernet.task import Task, make_task

RESULT = Path(__file__).parent / "results" / "supernet_ranking.json"
USUAL = "sandwich"
NETWORKS, BINS, BATCH = 84, 4, 64
ALONE_STEPS, ALONE_RATE = 2500, 0.1
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


def networks() -> np.ndarray:
    """Those that are trained alone, all, int32 ``[84, T]``: the smallest, the largest, and those between."""
    return choose(space(), space().trellis.valid, NETWORKS - 2, BINS)


def shared(name: str, seed: int) -> dict[str, Any]:
    """What shared weights say of networks: accuracy and loss of validation signals, and accuracy of test signals."""
    way, lessons = {**WAYS, **LONGER}[name], LESSONS * (TIMES if name in LONGER else 1)
    began, strategy = time.monotonic(), make_strategy(way.strategy, dict(way.settings))
    recipe = training.Recipe(round(lessons / way.lessons), BATCH, way.rate, seed=seed)
    learner = training.supernet_learner(space(), space().trellis.valid, strategy)
    state, rows = training.train_whole(learner, task(), recipe), networks()
    trained, assessor = time.monotonic(), supernet_assessor(space(), task(), form=strategy.form)
    scores = [assessor.scores(state.parameters, row, task().validation) for row in rows]
    return {
        "steps": recipe.steps, "rate": way.rate, "seconds": round(trained - began, 1),
        "label": [score.quality for score in scores], "label_loss": [score.loss for score in scores],
        "test": [assessor.scores(state.parameters, row, task().test).quality for row in rows],
    }  # fmt: skip


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
    return weight_studies.begun(
        space(), networks(), space=space().identity, images=LESSONS * BATCH, examples_name=task().examples_name,
        batch=BATCH, bins=BINS, alone_rate=ALONE_RATE, alone_steps=ALONE_STEPS,
    )  # fmt: skip


def _alone(architecture: str, seed: int) -> dict[str, float]:
    recipe = training.Recipe(ALONE_STEPS, BATCH, ALONE_RATE, seed=seed)
    return weight_studies.alone(space(), task(), space().parse(architecture), recipe)


def _benchmark(_data_dir: Path) -> Mapping[str, Any]:
    values, first = flags.FLAGS, flags.FLAGS.first_seed
    study = weight_studies.Study(values.results, _begun)
    if ALONE in values.ways:
        study.measure_alone(range(first, first + values.alone_seeds), _alone)
    study.measure_shared([(way, seed) for seed, way in itertools.product(common.seeds(), values.ways)], shared)
    return supernet_ranking(study.figures)


if __name__ == "__main__":
    common.define_seeds(3, "Of every strategy.")
    flags.DEFINE_integer("alone_seeds", 2, "Of every network alone.", lower_bound=1)
    flags.DEFINE_list("ways", [ALONE, *WAYS, *LONGER], "Which; alone trains the networks.")
    flags.DEFINE_string("results", str(RESULT), "The file of figures; what it lacks is measured.")
    common.main(_benchmark)
