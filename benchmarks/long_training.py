"""What policies without an archive learn in a long training: the updates as released and as published, and evolution.

``python -m benchmarks.long_training --data_dir=DIR [--seeds=5] --results=FILE`` trains on NAS-Bench-Macro with 100,000
evaluations each. ``pnag`` is the released update, ``published`` the published one, both with their papers' settings
and the factored form of dominance. ``published_fast`` has Adam's rate of 0.01, chosen for few evaluations on seeds from
100 on; ``_ranked`` has R(a|B) in dominance's place, fitted once to 1,000 architectures. ``reinforce`` trains without a
mask, as these do; evolution strategies train with it, by their controllers' defaults.

``early`` and ``greedy`` are the regrets of the policy's answers, which are masked, to 400 budgets after a tenth of the
evaluations and at the end, points; ``untrained`` is that before. ``over_first`` and ``over_last`` are percentages of
the samples of the first and of the last tenth that were over their budgets. ``cheapest`` answers with the cheapest
architecture, ``madds`` with the costliest that fits.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from absl import flags

from benchmarks import common
from benchmarks.few_evaluations import Study, of_ways
from benchmarks.latent import lost_greedily
from nagjax import controllers, plugins, ranked
from nagjax.controllers import Controller, Limits, Moment
from nagjax.posing import problem
from nagjax.predictors.forms.table import tabular_quality
from nagjax.problems.problem import Problem

EVALUATIONS, PARTS, LABELS = 100_000, 10, 1000
COLUMNS = ("way", "seed", "untrained", "early", "greedy", "over_first", "over_last")


@dataclasses.dataclass(frozen=True)
class Way:
    """A controller, what an update of it evaluates, its parameters, and whether it has a learned ranker."""

    controller: str
    each: int
    params: Mapping[str, Any] = dataclasses.field(default_factory=dict)
    ranked: bool = False


FAST = {"learning_rate": 0.01, "final_learning_rate": 0.01}
WAYS: Mapping[str, Way] = {
    "pnag": Way("pnag", 1),
    "published": Way("nag_published", 80),
    "published_fast": Way("nag_published", 80, FAST),
    "published_fast_ranked": Way("nag_published", 80, FAST, ranked=True),
    "reinforce": Way("reinforce", 128, {"mask": False}),
    **{name: Way(name, 1024) for name in ("snes", "pgpe", "open_es", "sep_cma_es")},
}
CONSTANT = ("cheapest", "madds")


def one(study: Study, name: str, seed: int) -> dict[str, str]:
    """The row of one run."""
    if name in CONSTANT:
        score = study.macro.cost if name == "madds" else -study.macro.cost
        return _row(name, seed, None, None, study.macro.lost(score), None, None)
    way = WAYS[name]
    posed = with_ranker(study) if way.ranked else study.problem
    controller = plugins.load("controllers", way.controller)(posed.spec)
    params = controllers.resolve_params(controller, way.params)
    updates = EVALUATIONS // way.each
    limits = Limits(updates, chunk=updates // PARTS)
    over: list[float] = []
    lost: list[float] = []

    def look(moment: Moment) -> None:
        over.append(100 * float(np.mean(moment.metrics["infeasible"])) / way.each)
        if not lost:
            lost.append(answered(study, controller, moment.state, posed))

    state = controllers.init(controller, posed, seed, params)
    untrained = answered(study, controller, state, posed)
    last = controllers.train(controller, posed, state, seed, limits, params, on_chunk=look)
    return _row(name, seed, untrained, lost[0], answered(study, controller, last.state, posed), over[0], over[-1])


@functools.cache
def with_ranker(study: Study) -> Problem:
    """The problem with R(a|B) in it, the same one for every run."""
    records = study.macro.records
    quality = tabular_quality(study.macro.space, records.tokens, records.quality)
    setup = problem(study.macro.space, quality=quality, costs=["madds"])
    return ranked.with_ranker(setup, LABELS).problem


def answered(study: Study, controller: Controller, state: Any, posed: Problem) -> float:
    """Regret of a run's policy."""
    policy = controllers.artefact(controller, state, posed).policy
    if policy is None:
        raise ValueError(f"{controller.name} ends in no policy")
    return lost_greedily(study, policy)


def _row(name: str, seed: int, *figures: float | None) -> dict[str, str]:
    told = ["" if figure is None else f"{figure:.5f}" for figure in figures]
    return dict(zip(COLUMNS, (name, str(seed), *told), strict=True))


def _benchmark(data_dir: Path) -> Mapping[str, Any]:
    return of_ways(data_dir, flags.FLAGS.ways, one)


if __name__ == "__main__":
    common.define_seeds(5)
    flags.DEFINE_list("ways", [*CONSTANT, *WAYS], "Which.")
    flags.DEFINE_string("results", "benchmarks/results/long_training.csv", "The file of rows.")
    common.main(_benchmark)
