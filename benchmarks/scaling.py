"""How time grows with layers, choices, budgets, records and seeds, and whether memory grows with budgets.

``python -m benchmarks.scaling [--budgets=1000000]`` ends with {slope_layers, slope_choices, slope_budgets,
slope_records, slope_seeds, peak_mib, ...}. A slope is that of a straight line through log time against log size, over
sizes that double; of several kinds of work the steepest counts, and ``seconds`` has the times of all. Time is that of
all processor cores in this process, the least of some calls after one that compiles, so that others on the machine
count for less. Pricing, an answer of the policy to each of ``BATCH`` budgets and an update of ``nag`` are timed against
layers and choices; the answers against budgets; the fit of a linear predictor against records; updates of runs side by
side against seeds. ``peak_mib`` is by how much the peak of the memory grew when ``budgets`` were answered by ``best``,
compilation included, and ``grown_mib`` how much of it came after the first quarter of them.
"""

from __future__ import annotations

import functools
import os
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from absl import flags

from benchmarks import common
from benchmarks.exact_budgets import random_quality
from benchmarks.many_budgets import many_budgets
from benchmarks.sweep import SIZES
from nagjax import controllers, many_runs, plugins, testing
from nagjax.budgets import budget_at
from nagjax.controllers import Limits
from nagjax.devices.pricing import analytic
from nagjax.generator.decode import sample
from nagjax.generator.policy import init_policy
from nagjax.operators import Operator
from nagjax.predictors.kinds import registry as kinds
from nagjax.predictors.records.records import Records
from nagjax.problems.build import make_problem
from nagjax.problems.problem import Problem
from nagjax.spaces.chains import chain
from nagjax.spaces.space import Decision, Space

CALLS, BATCH = 5, 1024
LAYERS, CHOICES = (16, 32, 64), (8, 16, 32)
BUDGETS, RECORDS, SEEDS = (1024, 2048, 4096, 8192), (500, 1000, 2000, 4000), (4, 8, 16)
Times = Mapping[int, float]
"""Seconds by size."""


def made_space(layers: int, choices: int) -> Space:
    """A chain of layers that choose among widths, which nothing after them depends on."""
    widths = tuple({"width": 8 * (1 + choice)} for choice in range(choices))
    decisions = [Decision(f"layer{t}", "layer", widths) for t in range(layers)]
    return chain(
        f"made_{layers}_{choices}", decisions,
        lambda t, choice, _: [Operator("conv", 16, 16, 3 + t, choice["width"], kernel=3)],
    )  # fmt: skip


def made_problem(space: Space) -> Problem:
    """Multiply-adds and a made-up linear quality."""
    return make_problem(space, [analytic(space, "madds")], random_quality(space, np.random.default_rng(0)))[0]


def processor_s(call: Callable[[], Any]) -> float:
    """Seconds of all cores that a call takes, the least of some after one that compiles."""
    jax.block_until_ready(call())
    least = float("inf")
    for _ in range(CALLS):
        began = time.process_time()
        jax.block_until_ready(call())
        least = min(least, time.process_time() - began)
    return least


def generation(problem: Problem, budgets: int) -> float:
    """Seconds in which an untrained policy answers budgets, one sample each."""
    policy, key = init_policy(jax.random.key(0), problem.spec), jax.random.key(1)
    asked = budget_at(problem, jnp.linspace(0.0, 1.0, budgets)[:, None])
    draw = jax.jit(sample)
    return processor_s(lambda: draw(policy, problem, asked, key))


def update(problem: Problem) -> float:
    """Seconds of one update of ``nag``."""
    controller = plugins.load("controllers", "nag")(problem.spec, **SIZES)
    params, key = controllers.resolve_params(controller), jax.random.key(0)
    state, one = controllers.init(controller, problem, 0), jax.jit(controller.update)
    return processor_s(lambda: one(state, key, problem, params, jnp.float32(0.5)))


def fit(space: Space, records: int) -> float:
    """Seconds in which a linear predictor is fitted to random labels."""
    rng = np.random.default_rng(0)
    tokens = rng.integers(0, [len(one.choices) for one in space.decisions], (records, len(space.decisions)))
    labelled = Records(tokens.astype(np.int32), rng.uniform(0.5, 0.9, records), source="made up")
    return processor_s(lambda: kinds.fit(kinds.make("ridge"), space, labelled).report and None)


def side_by_side(runs: int) -> float:
    """Seconds of 25 updates of runs side by side."""
    problem = testing.tiny_problem(variant="wide").problem
    controller = plugins.load("controllers", "nag")(problem.spec, **SIZES)
    return processor_s(lambda: many_runs.train_many(controller, problem, range(runs), Limits(25)))


def by_shape(shapes: Sequence[tuple[int, int]], sizes: Sequence[int]) -> dict[str, Times]:
    """Seconds of pricing, generation and training, by size."""
    out: dict[str, dict[int, float]] = {"pricing": {}, "generation": {}, "update": {}}
    for size, shape in zip(sizes, shapes, strict=True):
        space = made_space(*shape)
        problem = made_problem(space)
        out["pricing"][size] = processor_s(functools.partial(lambda of: analytic(of, "madds").name, space))
        out["generation"][size] = generation(problem, BATCH)
        out["update"][size] = update(problem)
    return dict(out)


def slope(times: Times) -> float:
    """Slope of log time against log size.

    >>> round(slope({1: 3.0, 2: 6.0, 4: 12.0}), 6)
    1.0
    """
    sizes, seconds = np.array(list(times)), np.array(list(times.values()))
    return float(np.polyfit(np.log(sizes), np.log(seconds), 1)[0])


def benchmark(_data_dir: Path, budgets: int) -> dict[str, Any]:
    """The result; no public data is in it."""
    few = many_budgets(budgets=budgets // 4)["peak_mib"]
    grown = many_budgets(budgets=budgets)["peak_mib"]
    usual = made_space(LAYERS[0], CHOICES[0])
    problem = made_problem(usual)
    times: dict[str, dict[str, Times]] = {
        "layers": by_shape([(size, CHOICES[0]) for size in LAYERS], LAYERS),
        "choices": by_shape([(LAYERS[0], size) for size in CHOICES], CHOICES),
        "budgets": {"generation": {size: generation(problem, size) for size in BUDGETS}},
        "records": {"fit": {size: fit(usual, size) for size in RECORDS}},
        "seeds": {"updates": {size: side_by_side(size) for size in SEEDS}},
    }
    slopes = {f"slope_{what}": round(max(map(slope, of.values())), 3) for what, of in times.items()}
    memory = {"budgets": budgets, "peak_mib": round(few + grown, 1), "grown_mib": round(grown, 1)}
    return {**slopes, **memory, "load": round(os.getloadavg()[0], 1), "seconds": times}


if __name__ == "__main__":
    flags.DEFINE_integer("budgets", 1_000_000, "How many are answered for the memory.", lower_bound=4)
    common.kept(lambda data_dir: benchmark(data_dir, flags.FLAGS.budgets))
