"""Searches for one target by policy gradients: which reward hits it, and what the answer is worth at its own cost.

``python -m benchmarks.one_target --data_dir=DIR [--seeds=10] --results=FILE`` trains ``reinforce_single`` on
NAS-Bench-Macro, 400 updates of 64 samples without a mask, once for each of five targets: a tenth, three tenths and so
on of the way from the cheapest to the costliest architecture. ``soft`` and ``hard`` are MnasNet's rewards, ``tunas``
is the absolute one; w is 0.07, as in MnasNet's paper. ``soft_tuned`` and ``tunas_tuned`` have, for each target, the
weight of ``WEIGHTS`` whose answers were nearest to it under seeds 100 to 102 (``--tune`` prints them), and
``soft_one`` and ``tunas_one`` the one weight that was nearest for all.

``off`` is how far the cost of the answer, the choice of the largest probability at each decision, is from the target,
percent of it; ``within`` the percentage of 1,000 samples of the trained policy whose cost is within 5 % of it;
``over`` that of those above it. ``behind`` is what the answer loses to the best architecture that costs no more than
the answer itself, points: 0 is on the front. ``at_target`` is what it loses to the best within the target, and is below
0 where the answer overspends and is better. All are means over the targets.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from absl import flags

from benchmarks import common
from benchmarks.few_evaluations import Study, of_ways
from benchmarks.joint_search import SHARES
from nagjax import plugins
from nagjax.budgets import budget_at_share
from nagjax.controllers import Limits, resolve_params
from nagjax.generator import decode
from nagjax.generator.policy import Policy
from nagjax.generator.walk import unmasked
from nagjax.many_runs import train_many
from nagjax.problems.problem import Problem
from nagjax.reports.front import POINTS, best_within

UPDATES, GROUP, SAMPLES, NEAR = 400, 64, 1000, 0.05
USUAL, WEIGHTS, TUNING = 0.07, (0.02, 0.07, 0.2, 0.5, 1.0), range(100, 103)
FIGURES = ("off", "within", "over", "behind", "at_target")
COLUMNS = ("way", "seed", *FIGURES)


@dataclasses.dataclass(frozen=True)
class Way:
    """A reward, and its weight of cost for each target."""

    reward: str
    weights: Sequence[float] = (USUAL,) * len(SHARES)


WAYS: Mapping[str, Way] = {
    "soft": Way("mnasnet_soft"),
    "hard": Way("mnasnet_hard"),
    "tunas": Way("tunas"),
}


def one(study: Study, name: str, seed: int) -> dict[str, str]:
    """The row of one run."""
    found = searched(study, WAYS[name].reward, WAYS[name].weights, seed)
    return dict(zip(COLUMNS, (name, str(seed), *(f"{found[figure].mean():.5f}" for figure in FIGURES)), strict=True))


def searched(study: Study, reward: str, weights: Sequence[float], seed: int) -> dict[str, np.ndarray]:
    """Figures of a search for each target, float64 ``[5]``."""
    problem, macro = study.problem, study.macro
    controller = plugins.load("controllers", "reinforce_single")(problem.spec, group=GROUP)
    given = [
        resolve_params(controller, {"reward": reward, "mask": False, "budget": share, "cost_weight": weight})
        for share, weight in zip(SHARES, weights, strict=True)
    ]
    seeds = [seed * len(SHARES) + number for number in range(len(SHARES))]
    policies = [run.policy for run in train_many(controller, problem, seeds, Limits(UPDATES, chunk=UPDATES), given)]
    ticks = budget_at_share(problem, jnp.array(SHARES)[:, None])
    targets = macro.cost.min() + np.array(SHARES) * np.ptp(macro.cost)
    told = [asked(policy, problem, tick, seed) for policy, tick in zip(policies, ticks, strict=True)]
    rows = macro.rows(np.stack([answer for answer, _ in told]))
    costs, quality = macro.cost[rows], macro.records.quality[rows]
    samples = np.stack([macro.cost[macro.rows(drawn)] for _, drawn in told]) / targets[:, None] - 1

    def best(budgets: np.ndarray) -> np.ndarray:
        return macro.records.quality[best_within(macro.cost, macro.records.quality, budgets)]

    return {
        "off": 100 * np.abs(costs / targets - 1),
        "within": 100 * (np.abs(samples) <= NEAR).mean(1),
        "over": 100 * (samples > 0).mean(1),
        "behind": POINTS * (best(costs) - quality),
        "at_target": POINTS * (best(targets) - quality),
    }


def asked(policy: Policy | None, problem: Problem, tick: jax.Array, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """The answer of a policy to a target without a mask, tokens int32 ``[T]``, and samples of it int32 ``[N, T]``."""
    if policy is None:
        raise ValueError("reinforce_single ends in no policy")
    answer, drawn = _asked(policy, problem, tick[None], jax.random.key(seed))
    return np.asarray(answer[0]), np.asarray(drawn)


@jax.jit
def _asked(policy: Policy, problem: Problem, tick: jax.Array, key: jax.Array) -> tuple[jax.Array, jax.Array]:
    free = unmasked(problem)
    drawn, _ = decode.sample(policy, free, jnp.repeat(tick, SAMPLES, 0), key)
    return decode.greedy(policy, free, tick)[0], drawn


def tuned(study: Study) -> dict[str, Any]:
    """For each reward how far answers are off on average over the tuning seeds, by weight: percent, ``[5]``."""
    return {
        f"{reward} {weight}": [
            round(float(value), 1)
            for value in np.mean([searched(study, reward, [weight] * len(SHARES), seed)["off"] for seed in TUNING], 0)
        ]
        for reward in ("mnasnet_soft", "tunas")
        for weight in WEIGHTS
    }


def _benchmark(data_dir: Path) -> Mapping[str, Any]:
    return of_ways(data_dir, WAYS, one)


if __name__ == "__main__":
    common.define_seeds()
    flags.DEFINE_string("results", "benchmarks/results/one_target.csv", "The file of rows.")
    common.main(_benchmark)
