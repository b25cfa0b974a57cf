"""Searches for one target by policy gradients: which reward hits it, and what the answer is worth at its own cost.

``python -m benchmarks.one_target --data_dir=DIR [--seeds=5] --results=FILE`` trains ``reinforce_single`` on
NAS-Bench-Macro, 400 updates of 64 samples without a mask, once for each of five targets: a tenth, three tenths and so
on of the way from the cheapest to the costliest architecture. ``soft`` and ``hard`` are MnasNet's rewards, ``tunas``
is the absolute one; w is 0.07, as in MnasNet's paper. ``soft_tuned`` has, for each target, the weight among 0.02, 0.07,
0.2, 0.5 and 1 whose answers were nearest to it on average under seeds 100 to 102, ``tunas_one`` the one weight that was
nearest for all targets; for ``soft`` that is 0.07. ``best_`` is the architecture of the largest reward of all, without
a search.

``off`` is how far the cost of the answer, the choice of the largest probability at each decision, is from the target,
percent of it; ``within`` the percentage of 1,000 samples of the trained policy whose cost is within 5 % of it;
``over`` that of those above it. ``behind`` is what the answer loses to the best architecture that costs no more than
the answer itself, points: 0 is on the front. ``at_target`` is what it loses to the best within the target, and is below
0 where the answer overspends and is better. All are means over the targets.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
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

UPDATES, GROUP, SAMPLES, NEAR, USUAL = 400, 64, 1000, 0.05, 0.07
FIGURES = ("off", "within", "over", "behind", "at_target")
BEST = "best_"

Reward = Callable[[np.ndarray, np.ndarray, float], np.ndarray]
REWARDS: Mapping[str, Reward] = {
    "mnasnet_soft": lambda quality, ratio, weight: quality * ratio**-weight,
    "mnasnet_hard": lambda quality, ratio, _: quality / np.maximum(ratio, 1),
    "tunas": lambda quality, ratio, weight: quality - weight * np.abs(ratio - 1),
}
"""Of qualities, fractions, costs as multiples of the target, and the weight: those of ``reinforce_single``."""
COLUMNS = ("way", "seed", *FIGURES)


@dataclasses.dataclass(frozen=True)
class Way:
    """A reward, and its weight of cost for each target."""

    reward: str
    weights: Sequence[float] = (USUAL,) * len(SHARES)


WAYS: Mapping[str, Way] = {
    "soft": Way("mnasnet_soft"),
    "soft_tuned": Way("mnasnet_soft", (0.2, 0.07, 0.02, 0.02, 0.02)),
    "hard": Way("mnasnet_hard"),
    "tunas": Way("tunas"),
    "tunas_one": Way("tunas", (0.5,) * len(SHARES)),
}


def one(study: Study, name: str, seed: int) -> dict[str, str]:
    """The row of one run."""
    way = WAYS[name.removeprefix(BEST)]
    found = highest(study, way) if name.startswith(BEST) else searched(study, way, seed)
    told = [f"{found[figure].mean():.5f}" if figure in found else "" for figure in FIGURES]
    return dict(zip(COLUMNS, (name, str(seed), *told), strict=True))


def highest(study: Study, way: Way) -> dict[str, np.ndarray]:
    """Figures of the architectures of the largest rewards, float64 ``[5]``."""
    cost, quality = study.macro.cost, study.macro.records.quality
    rows = [
        int(REWARDS[way.reward](quality, cost / target, weight).argmax())
        for target, weight in zip(targets(study), way.weights, strict=True)
    ]
    return judged(study, np.array(rows))


def searched(study: Study, way: Way, seed: int) -> dict[str, np.ndarray]:
    """Figures of a search for each target, float64 ``[5]``."""
    problem, macro = study.problem, study.macro
    controller = plugins.load("controllers", "reinforce_single")(problem.spec, group=GROUP)
    given = [
        resolve_params(controller, {"reward": way.reward, "mask": False, "budget": share, "cost_weight": weight})
        for share, weight in zip(SHARES, way.weights, strict=True)
    ]
    seeds = [seed * len(SHARES) + number for number in range(len(SHARES))]
    policies = [run.policy for run in train_many(controller, problem, seeds, Limits(UPDATES, chunk=UPDATES), given)]
    ticks = budget_at_share(problem, jnp.array(SHARES)[:, None])
    told = [asked(policy, problem, tick, seed) for policy, tick in zip(policies, ticks, strict=True)]
    samples = np.stack([macro.cost[macro.rows(drawn)] for _, drawn in told]) / targets(study)[:, None] - 1
    return {
        **judged(study, macro.rows(np.stack([answer for answer, _ in told]))),
        "within": 100 * (np.abs(samples) <= NEAR).mean(1),
        "over": 100 * (samples > 0).mean(1),
    }


def targets(study: Study) -> np.ndarray:
    """Costs that are aimed at, float64 ``[5]``."""
    cost = study.macro.cost
    found: np.ndarray = cost.min() + np.array(SHARES) * np.ptp(cost)
    return found


def judged(study: Study, rows: np.ndarray) -> dict[str, np.ndarray]:
    """Figures of answers, the rows int ``[5]`` of the benchmark, one a target."""
    cost, quality = study.macro.cost, study.macro.records.quality
    aimed = targets(study)

    def best(budgets: np.ndarray) -> np.ndarray:
        return quality[best_within(cost, quality, budgets)]

    return {
        "off": 100 * np.abs(cost[rows] / aimed - 1),
        "behind": POINTS * (best(cost[rows]) - quality[rows]),
        "at_target": POINTS * (best(aimed) - quality[rows]),
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


def _benchmark(data_dir: Path) -> Mapping[str, Any]:
    return of_ways(data_dir, flags.FLAGS.ways, one)


if __name__ == "__main__":
    common.define_seeds(5)
    flags.DEFINE_list("ways", [*(f"{BEST}{name}" for name in WAYS), *WAYS], "Which.")
    flags.DEFINE_string("results", "benchmarks/results/one_target.csv", "The file of rows.")
    common.main(_benchmark)
