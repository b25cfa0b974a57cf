"""A problem of a comparison: what controllers are given, and all that is known of the truth behind it."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Mapping

import jax
import jax.numpy as jnp
import numpy as np

from experiments.comparison.metrics import Yardstick, front
from nagjax.budgets import even_ticks
from nagjax.generator.walk import decode_scores
from nagjax.problems.problem import Description, Problem, path_costs, path_features
from nagjax.reports.front import best_within
from nagjax.spaces import trellis as tl

EXACT = 100_000
"""Spaces of at most so many architectures are enumerated, for an exact oracle."""

Points = tuple[np.ndarray, np.ndarray]
"""Cost ``[N]`` in ticks and quality ``[N]``, a fraction."""


@dataclasses.dataclass(frozen=True, eq=False)
class Case:
    """A problem of a comparison.

    Attributes:
      name: under which it was asked for.
      problem, description: what controllers are given.
      judge: the problem whose quality counts; that of ``problem`` where nothing better is known.
      labels: labels that the predictor of ``problem`` was fitted to; 0 where none were, or nobody knows.
      budgets: int32 ``[B, K]`` ticks; the first column rises evenly, the others do not bind.
      cheapest: tokens int32 ``[T]`` of the cheapest architecture.
      yardstick: what answers are held against, in ticks of the first cost column.
      rivals: cost ``[N]`` (ticks) and quality ``[N]`` of what a problem brings to compare with, by name.
      content_hash: of prices, true qualities and budgets; the same for every seed.
    """

    name: str
    problem: Problem
    description: Description
    judge: Problem
    labels: int
    budgets: np.ndarray
    cheapest: np.ndarray
    yardstick: Yardstick
    rivals: Mapping[str, Points]
    content_hash: str


def make_case(
    name: str, problem: Problem, description: Description, num_budgets: int, judge: Problem | None = None,
    labels: int = 0, rivals: Mapping[str, Points] | None = None,
) -> Case:  # fmt: skip
    """A case from a problem; a space small enough is enumerated.

    The judge's quality counts, the problem's where None. Answers are asked for at so many budgets; IGD+ and the gap are
    measured to the first of the rivals where there is no exact front.
    """
    judge, rivals = judge or problem, dict(rivals or {})
    low, high = np.asarray(problem.low, np.int64), np.asarray(problem.high, np.int64)
    budgets = np.repeat(high[None], num_budgets, 0)
    budgets[:, 0] = even_ticks(int(low[0]), int(high[0]), num_budgets)
    budgets = budgets.astype(np.int32)
    scores = jnp.zeros((1, problem.spec.num_layers, problem.spec.num_choices))
    cheapest = np.asarray(decode_scores(problem, scores, jnp.asarray(budgets[:1]))[0])
    quality, costs = truth(judge, cheapest)
    line = budgets[:, 0].astype(np.float64)
    corner = (float(high[0]), float(quality[0]))
    yardstick = Yardstick(line, corner)
    if rivals:
        rival_cost, rival_quality = next(iter(rivals.values()))
        served = serve(rival_cost, rival_quality, line, (float(costs[0, 0]), float(quality[0])))[1]
        ours = front(rival_cost.astype(np.float64), rival_quality)
        yardstick = dataclasses.replace(yardstick, reference=served, front_cost=ours[0], front_quality=ours[1])
    exact = _enumerate(judge, np.asarray(problem.allowed))
    if exact is not None:
        best = exact[1][best_within(exact[0], exact[1], line)]
        whole = front(*exact)
        yardstick = dataclasses.replace(yardstick, oracle=best, front_cost=whole[0], front_quality=whole[1])
    digest = _digest(problem, judge, budgets)
    return Case(name, problem, description, judge, labels, budgets, cheapest[0], yardstick, rivals, digest)


@jax.jit
def _truth(problem: Problem, tokens: jax.Array) -> tuple[jax.Array, jax.Array]:
    return problem.quality(tokens, path_features(problem, tokens))[0], path_costs(problem, tokens)


def truth(judge: Problem, tokens: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """True quality float64 ``[N]`` (0 where it is not finite) and costs int64 ``[N, K]`` ticks of tokens ``[N, T]``."""
    mean, costs = (np.asarray(array) for array in _truth(judge, jnp.asarray(tokens)))
    quality = mean.astype(np.float64)
    return np.where(np.isfinite(quality), quality, 0.0), costs.astype(np.int64)


def serve(
    cost: np.ndarray, quality: np.ndarray, budgets: np.ndarray, cheapest: tuple[float, float]
) -> tuple[np.ndarray, np.ndarray]:
    """Cost and quality ``[B]`` of the best point within each budget, of the cheapest architecture where none is."""
    row = best_within(cost, quality, budgets)
    none = row < 0
    return np.where(none, cheapest[0], cost[row]), np.where(none, cheapest[1], quality[row])


def _enumerate(judge: Problem, allowed: np.ndarray) -> tuple[np.ndarray, np.ndarray] | None:
    """Cost (first column, ticks) and true quality of every architecture; None where there are too many."""
    target = np.asarray(judge.target)
    if tl.count(target, allowed)[0][0] > EXACT:
        return None
    quality, costs = truth(judge, tl.enumerate_paths(target, allowed, EXACT))
    return costs[:, 0].astype(np.float64), quality


def _digest(problem: Problem, judge: Problem, budgets: np.ndarray) -> str:
    """A hash of what results depend on and no seed decides."""
    whole = hashlib.sha256()
    for leaf in jax.tree.leaves([problem.cost, problem.allowed, judge.quality, budgets]):
        whole.update(np.asarray(leaf).tobytes())
    return whole.hexdigest()[:12]
