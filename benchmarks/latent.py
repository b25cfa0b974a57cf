"""Whether replay makes a policy remember: rank correlation of hidden states and architectures, and what it is worth.

``python -m benchmarks.latent --data_dir=DIR [--seeds=10] --results=FILE`` trains ``reinforce`` on NAS-Bench-Macro with
2,000 evaluations, without replay, and with two weights of it. ``correlation`` is
``nagjax.generator.latent.distance_correlation`` over 300 random architectures, ``greedy`` the regret of the policy's
answers to 400 budgets, points, and ``sampled`` that of the best that training evaluated. ``untrained`` is the policy
before its first update; ``random`` is random search within budgets with as many evaluations.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from absl import flags

from benchmarks import common
from benchmarks.few_evaluations import Study, evaluated_by, of_ways
from benchmarks.rounds import BUDGETS
from nagjax import controllers, plugins
from nagjax.budgets import even_ticks
from nagjax.generator import decode
from nagjax.generator.latent import distance_correlation
from nagjax.generator.policy import Policy
from nagjax.reports.front import POINTS, best_within

EVALUATIONS, ARCHITECTURES = 2000, 300
SIZES = {"budgets": 8, "group": 4}
WAYS: Mapping[str, Mapping[str, Any]] = {
    "untrained": {},
    "plain": {},
    "replay_01": {"replay": 0.1},
    "replay_1": {"replay": 1.0},
}
COLUMNS = ("way", "seed", "correlation", "greedy", "sampled")


def one(study: Study, way: str, seed: int) -> dict[str, str]:
    """The row of one run."""
    macro, problem = study.macro, study.problem
    if way == "random":
        controller = plugins.load("controllers", "random")(problem.spec, children=SIZES["budgets"] * SIZES["group"])
        tokens, _ = evaluated_by(controller, problem, seed, {}, EVALUATIONS)
        return _row(way, seed, None, None, macro.lost_by(tokens))
    replayed = 256 if WAYS[way] else 0
    controller = plugins.load("controllers", "reinforce")(problem.spec, **SIZES, replayed=replayed)
    state, sampled = controllers.init(controller, problem, seed), None
    if way != "untrained":
        tokens, state = evaluated_by(controller, problem, seed, WAYS[way], EVALUATIONS)
        sampled = macro.lost_by(tokens)
    drawn = np.random.default_rng(seed).choice(len(macro.cost), ARCHITECTURES, replace=False)
    found = distance_correlation(state.policy, problem, macro.records.tokens[drawn])
    return _row(way, seed, found, lost_greedily(study, state.policy), sampled)


def _row(way: str, seed: int, *figures: float | None) -> dict[str, str]:
    told = ["" if figure is None else f"{figure:.5f}" for figure in figures]
    return dict(zip(COLUMNS, (way, str(seed), *told), strict=True))


def lost_greedily(study: Study, policy: Policy) -> float:
    """Regret of the policy's answers."""
    low, high = (int(value[0]) for value in (study.problem.low, study.problem.high))
    budgets = jnp.asarray(even_ticks(low, high, BUDGETS)[:, None], jnp.int32)
    tokens, _ = _answer(policy, study.problem, budgets)
    macro = study.macro
    served = macro.records.quality[macro.rows(np.asarray(tokens))]
    best = best_within(macro.cost, macro.records.quality, np.linspace(macro.cost.min(), macro.cost.max(), BUDGETS))
    return float(POINTS * (macro.records.quality[best] - served).mean())


_answer = jax.jit(decode.greedy)


def _benchmark(data_dir: Path) -> Mapping[str, Any]:
    return of_ways(data_dir, flags.FLAGS.ways, one)


if __name__ == "__main__":
    common.define_seeds()
    flags.DEFINE_list("ways", [*WAYS, "random"], "Which.")
    flags.DEFINE_string("results", "benchmarks/results/latent.csv", "The file of rows.")
    common.main(_benchmark)
