"""What shared weights say of networks trained alone, by the strategy that trained them, on handwritten digits.

``python -m benchmarks.strategies [--seeds=3] --results=FILE`` goes on with what the file lacks, and ends with how many
strategies are built and what became of the claims about them. Data travel with scikit-learn.

The space has 42 networks (one unit of mobile blocks, 16 pixels); 16 of them, spread over multiply-adds, are trained
alone for 200 steps of 64 images under three seeds. Every strategy sees the same number of images, a lesson of 64
counting as 64. Learning rates of ``sandwich``, ``bignas`` and ``single_path`` are those of 0.05 to 1 that gave the best
labels on average under seed 100; the others have that of ``single_path``. ``few_shot`` splits on the depth,
``few_shot_size`` into three bands, each from a common half; ``given`` spends half on the largest.
The angle is taken of ``random_labels`` and of ``single_path``, which has the true ones. Labels are of validation
images; the accuracies that are compared are of test images. ``experiments.published.shared_weights`` has what follows
from the figures.
"""

from __future__ import annotations

import dataclasses
import functools
import itertools
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from absl import flags

from benchmarks import common, weight_studies
from benchmarks.weight_studies import ALONE
from experiments.published.registry import BUILT
from experiments.rank_supernet import choose
from nagjax import plugins
from nagjax.spaces.mobilenet_v3 import Plan, make_space
from nagjax.spaces.space import Space
from nagjax.supernet import forms, random_labels, storage, training
from nagjax.supernet.evaluation import supernet_assessor
from nagjax.supernet.strategy import make_strategy
from nagjax.supernet.task import Task, make_task

PLAN = Plan(
    resolutions=(16,), depths=(1, 2), kernels=(3, 5), ratios=(1, 2, 4), usual_resolution=16, image_channels=1,
    classes=10, channels=(8, 8, 16, 32, 32), strides=(2,), squeeze=(True,), activations=("h_swish",),
)  # fmt: skip
NETWORKS, BINS, BATCH, RATE = 16, 4, 64, 0.3
ALONE_STEPS, ALONE_RATE = 200, 0.1
IMAGES = 1600 * BATCH
"""Seen by each strategy, counted a lesson."""


@dataclasses.dataclass(frozen=True)
class Way:
    """How shared weights are trained: a strategy, how many lessons its step has on average, and the learning rate."""

    strategy: str
    lessons: float
    rate: float = RATE
    settings: Mapping[str, Any] = dataclasses.field(default_factory=dict)

    @property
    def steps(self) -> int:
        """As many as give ``IMAGES``."""
        return round(IMAGES / BATCH / self.lessons)


WAYS: Mapping[str, Way] = {
    "sandwich": Way("sandwich", 4, 0.6),
    "bignas": Way("bignas", 4, 1.0),
    "progressive": Way("progressive", 1.75),
    "single_path": Way("single_path", 1),
    "few_shot": Way("few_shot", 1, settings={"split_on": "unit1.depth"}),
    "few_shot_size": Way("few_shot", 1, settings={"split_on": "size"}),
    "given": Way("given", 4),
    "random_labels": Way("random_labels", 1),
}
"""``given``: half of the images go to the largest alone, and a step of the rest has two lessons."""


@functools.cache
def space() -> Space:
    """The 42 networks."""
    return make_space("digits_mobilenet", 1, {}, PLAN)


@functools.cache
def task() -> Task:
    """Handwritten digits; a mirrored one is none."""
    return make_task("digits", {"shift": 1, "flip": False})


def networks() -> np.ndarray:
    """Those that are trained alone, int32 ``[16, T]``: the smallest, the largest, and others between."""
    return choose(space(), space().trellis.valid, NETWORKS - 2, BINS)


def alone(architecture: str, seed: int) -> dict[str, float]:
    """A network trained from scratch, judged on test images."""
    recipe = training.Recipe(steps=ALONE_STEPS, batch=BATCH, learning_rate=ALONE_RATE, seed=seed)
    return weight_studies.alone(space(), task(), space().parse(architecture), recipe)


def shared(folder: Path, way: str, seed: int) -> dict[str, Any]:
    """What shared weights say of the networks: each of the lists has a figure a network."""
    how, began = WAYS[way], time.monotonic()
    settings, steps = dict(how.settings), how.steps
    if way == "given":
        only = space().where({"depth": 2, "kernel": 5, "ratio": 4})
        learner = training.supernet_learner(space(), only, make_strategy("single_path"))
        recipe = training.Recipe(steps=IMAGES // BATCH // 2, batch=BATCH, learning_rate=how.rate, seed=seed)
        with storage.Writer(folder / f"{way}{seed}", {}) as writer:
            writer.save(training.train_whole(learner, task(), recipe), 0.0)
        settings["weights"] = str(folder / f"{way}{seed}")
    strategy = make_strategy(how.strategy, settings)
    recipe = training.Recipe(steps=steps, batch=BATCH, learning_rate=how.rate, seed=seed)
    learner = training.supernet_learner(space(), space().trellis.valid, strategy)
    state = training.train_whole(learner, task(), recipe)
    seconds = time.monotonic() - began
    assessor, rows = supernet_assessor(space(), task(), form=strategy.form), networks()
    found: dict[str, Any] = {"steps": steps, "rate": how.rate, "seconds": round(seconds, 1)}
    if way in ("random_labels", "single_path"):
        config = {
            "space": {"name": space().name, "version": 1, "settings": {}}, "where": {}, "data": {"data": "digits"},
            "recipe": {"strategy": how.strategy, "seed": seed}, **forms.written(strategy.form),
        }  # fmt: skip
        with storage.Writer(folder / f"{way}{seed}", config) as writer:
            writer.save(state, 0.0)
        judge = random_labels.make_angle(space(), str(folder / f"{way}{seed}"))
        found["angle"] = judge.evaluate(rows)["quality"].tolist()
    if way != "random_labels":
        found |= weight_studies.said(assessor, task(), state.parameters, rows)
    return found


def _benchmark(_data_dir: Path) -> Mapping[str, Any]:
    values, seeds = flags.FLAGS, common.seeds()
    study = weight_studies.Study(values.results, _begun)
    if ALONE in values.ways:
        study.measure_alone(seeds, alone)
    with tempfile.TemporaryDirectory() as folder:
        study.measure_shared(itertools.product(values.ways, seeds), functools.partial(shared, Path(folder)))
    return verdicts()


def _begun() -> dict[str, Any]:
    return weight_studies.begun(
        space(), networks(), images=IMAGES, batch=BATCH, alone_rate=ALONE_RATE, alone_steps=ALONE_STEPS, bins=BINS
    )


def verdicts() -> dict[str, int]:
    """Strategies that are registered, and the verdicts on the systems that this study is about."""
    about = [system.verdict for system in BUILT if "strategies.json" in system.rows]
    return {
        "built": len(plugins.names("strategies")), "seen": about.count("seen"), "refuted": about.count("refuted"),
        "undecided": about.count("not decided"),
    }  # fmt: skip


if __name__ == "__main__":
    common.define_seeds(3, "Of every training.")
    flags.DEFINE_list("ways", [ALONE, *WAYS], "Which; alone trains the networks.")
    flags.DEFINE_string("results", "benchmarks/results/strategies.json", "The file of figures.")
    common.main(_benchmark)
