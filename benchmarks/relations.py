"""Do decoders that share weights disturb each other less in bands of size, and by their teacher's relations?

``python -m benchmarks.relations [--seeds=3] --results=FILE`` goes on with what the file lacks, and ends with
{way: {tau, nats, divergence}}. The claim is AutoDistil's (Xu et al., arXiv 2201.12507). The text travels with Python.

The space has 60 decoders of softmax attention (width 8, 16, 32; one or two layers of 2 or 4 heads of 4 channels and
an MLP of once or twice the width) at 32 characters. 14 of them, spread over multiply-adds, are trained alone under two
seeds. Shared weights see the same number of sequences by a sandwich in one set of weights or in three bands of size
that part after half of the training, each without and with relations at a weight of 1. All are trained by AdamW at its
usual rate; nothing was tuned. Labels are of validation sequences, figures alone of test sequences. ``divergence`` is
that of relations, the largest network's from those of each, nats a row on validation sequences.
"""

from __future__ import annotations

import functools
import itertools
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from absl import flags

from benchmarks import common, weight_studies
from benchmarks.weight_studies import ALONE
from experiments.published import shared_weights
from experiments.rank_supernet import choose
from nagjax.elastic import RELATIONS
from nagjax.spaces import elastic_decoder
from nagjax.spaces.space import Space
from nagjax.supernet import training
from nagjax.supernet.evaluation import supernet_assessor
from nagjax.supernet.relations import divergence
from nagjax.supernet.strategy import Strategy, make_strategy
from nagjax.supernet.task import Task, make_task

LENGTH, VOCABULARY = 32, 64
NETWORKS, BINS, BATCH = 14, 4, 32
ALONE_STEPS, ALONE_SEEDS = 400, 2
STEPS, LESSONS = 300, 4
"""Of shared weights; as many lessons a step as a sandwich has."""

RELATED = 256
"""Validation sequences whose relations are compared."""

BANDS = {"split_on": "size", "parts": 3, "lessons": "sandwich"}
WAYS: Mapping[str, tuple[str, Mapping[str, Any]]] = {
    "sandwich": ("sandwich", {}),
    "sandwich_relations": ("sandwich", {"relations": 1.0}),
    "bands": ("few_shot", BANDS),
    "bands_relations": ("few_shot", {**BANDS, "relations": 1.0}),
}


@functools.cache
def space() -> Space:
    """The 60 decoders."""
    return elastic_decoder.make(
        LENGTH, VOCABULARY, widths="8-16-32", depths="1-2", heads="2-4", ratios="1-2", mixers="softmax", head_size=4
    )


@functools.cache
def task() -> Task:
    """Characters of Python's help."""
    return make_task("char_lm", {"length": LENGTH, "vocabulary": VOCABULARY})


def networks() -> np.ndarray:
    """Those that are trained alone, int32 ``[14, T]``: the smallest, the largest, and others between."""
    return choose(space(), space().trellis.valid, NETWORKS - 2, BINS)


def _recipe(steps: int, seed: int) -> training.Recipe:
    return training.Recipe(steps, BATCH, training.usual_rate("adamw"), seed=seed, optimiser="adamw")


def shared(way: str, seed: int) -> dict[str, Any]:
    """What shared weights say of the networks: each of the lists has a figure a network."""
    strategy, began = make_strategy(*WAYS[way]), time.monotonic()
    learner = training.supernet_learner(space(), space().trellis.valid, strategy)
    parameters = training.train_whole(learner, task(), _recipe(STEPS, seed)).parameters
    seconds = round(time.monotonic() - began, 1)
    assessor = supernet_assessor(space(), task(), form=strategy.form)
    found = weight_studies.said(assessor, task(), parameters, networks())
    return {"seconds": seconds, **found, "divergence": _apart(strategy, parameters)}


def _apart(strategy: Strategy, parameters: Any) -> list[float]:
    """Divergence of the largest network's relations from those of each network."""
    elastic = training.elastic_of(space(), form=strategy.form)
    x = jnp.asarray(task().validation.at(np.arange(RELATED)).inputs)
    told = jax.jit(lambda p, x, row: elastic.apply(p, x, row, None, (RELATIONS,)).taps[RELATIONS])
    teacher = told(parameters, x, space().largest())
    return [float(divergence(teacher, told(parameters, x, row)).mean()) for row in networks()]


def summary(study: Mapping[str, Any]) -> dict[str, Any]:
    """Means over seeds of every way."""
    found, columns = shared_weights.figures(study), ("tau", "nats", "divergence")
    ways = dict.fromkeys(run["way"] for run in study["shared"])
    return {way: {one: float(np.mean(list(found[way][one].values()))) for one in columns} for way in ways}


def _begun() -> dict[str, Any]:
    return weight_studies.begun(
        space(), networks(), space=space().identity, images=STEPS * LESSONS * BATCH,
        examples_name=task().examples_name, batch=BATCH, bins=BINS, alone_steps=ALONE_STEPS,
    )  # fmt: skip


def _alone(architecture: str, seed: int) -> dict[str, float]:
    return weight_studies.alone(space(), task(), space().parse(architecture), _recipe(ALONE_STEPS, seed))


def _benchmark(_data_dir: Path) -> Mapping[str, Any]:
    values, seeds = flags.FLAGS, common.seeds()
    study = weight_studies.Study(values.results, _begun)
    if ALONE in values.ways:
        study.measure_alone([seed for seed in seeds if seed < ALONE_SEEDS], _alone)
    study.measure_shared([(way, seed) for seed, way in itertools.product(seeds, values.ways)], shared)
    return summary(study.figures)


if __name__ == "__main__":
    common.define_seeds(3, "Of shared weights; networks alone have the first two.")
    flags.DEFINE_list("ways", [ALONE, *WAYS], "Which; alone trains the networks.")
    flags.DEFINE_string("results", "benchmarks/results/relations.json", "The file of figures.")
    common.main(_benchmark)
