"""Dominance under a budget (Guo et al., arXiv 2103.00219, equation 4; PNAG, arXiv 2210.07634).

Of two architectures that both meet the budget the better one dominates; otherwise the cheaper one does. For one budget
this is a total preorder, Deb's feasibility rule: feasible ones by quality, above infeasible ones by how cheap they are.
So one sort labels all pairs. Pass costs and budget in the same exact type (ticks, or float64 on the host).
"""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
from scipy import stats


def dominance(
    quality: jax.Array, cost: jax.Array, other_quality: jax.Array, other_cost: jax.Array, budget: jax.Array | float
) -> jax.Array:
    """Sign of the comparison of two architectures, jittable.

    Args:
      quality: of the first architecture; all shapes broadcast.
      cost: of the first.
      other_quality: of the second.
      other_cost: of the second.
      budget: in the unit of the costs.

    Returns:
      int32: 1 if the first dominates, -1 if the second does, 0 for a tie.

    >>> d = dominance(jnp.array([0.7, 0.7]), jnp.array([20, 20]), jnp.array([0.8, 0.8]), jnp.array([30, 30]), 30)
    >>> d.tolist(), dominance(jnp.array(0.7), jnp.array(20), jnp.array(0.8), jnp.array(30), 25).tolist()
    ([-1, -1], 1)
    """
    both = (cost <= budget) & (other_cost <= budget)
    by_quality = (quality > other_quality).astype(jnp.int32) - (quality < other_quality).astype(jnp.int32)
    by_cost = (cost < other_cost).astype(jnp.int32) - (cost > other_cost).astype(jnp.int32)
    return jnp.where(both, by_quality, by_cost)


def dominance_key(quality: np.ndarray, cost: np.ndarray, budget: float) -> np.ndarray:
    """Rank of every architecture under a budget, on the host; of two, the one of higher rank dominates.

    Args:
      quality: float ``[..., N]``.
      cost: float or int ``[N]``.
      budget: in the unit of the cost.

    Returns:
      int64 ``[..., N]``, ranks from 0 without gaps; ties have equal ranks.

    >>> dominance_key(np.array([0.9, 0.7, 0.8, 0.8]), np.array([40.0, 10.0, 20.0, 15.0]), 20.0).tolist()
    [0, 1, 2, 2]
    """
    feasible = np.broadcast_to(cost <= budget, quality.shape)
    value = np.where(feasible, quality, -cost.astype(np.float64))
    order = np.lexsort((value, feasible))
    in_order = [np.take_along_axis(key, order, -1) for key in (value, feasible)]
    step = np.zeros(quality.shape, np.int64)
    step[..., 1:] = np.logical_or(*(key[..., 1:] != key[..., :-1] for key in in_order))
    rank = np.empty(quality.shape, np.int64)
    np.put_along_axis(rank, order, step.cumsum(-1), -1)
    return rank


def kendall_tau(scores: np.ndarray, quality: np.ndarray, cost: np.ndarray, budget: float) -> float:
    """Agreement of scores with dominance under a budget, in O(N log N).

    Args:
      scores: float ``[N]``, higher is better.
      quality: float ``[N]``, the truth.
      cost: ``[N]``.
      budget: in the unit of the cost.

    Returns:
      (pairs in the right order - pairs in the wrong order) / pairs that are not a tie of dominance, -1..1. A tie of
      scores is neither right nor wrong. NaN if all architectures tie.

    >>> kendall_tau(np.array([1.0, 2.0, 3.0]), np.array([0.9, 0.8, 0.7]), np.array([9.0, 5.0, 3.0]), 6.0)
    0.3333333333333333
    """
    key = dominance_key(quality, cost, budget)
    untied_keys, untied_scores = _untied(key), _untied(scores)
    if untied_keys == 0 or untied_scores == 0:
        return 0.0 if untied_keys else float("nan")
    # scipy's tau-b divides by the geometric mean of the two counts of untied pairs.
    difference = float(stats.kendalltau(scores, key).statistic) * np.sqrt(float(untied_keys) * float(untied_scores))
    return round(difference) / untied_keys


def _untied(values: np.ndarray) -> int:
    """Number of pairs of different values."""
    _, counts = np.unique(values, return_counts=True)
    num = len(values)
    return num * (num - 1) // 2 - int((counts * (counts - 1) // 2).sum())


def factored_score(quality: jax.Array, cost: jax.Array, budget: jax.Array) -> jax.Array:
    """A score that orders architectures as dominance does, from their (predicted) quality and exact cost.

    Args:
      quality: ``[B]``, fraction 0..1.
      cost: ``[B]``.
      budget: ``[B]``, > 0, in the unit and type of the cost.

    Returns:
      float32 ``[B]``: the quality where the budget is met; elsewhere minus the excess as a share of the budget, < 0.

    >>> factored_score(jnp.array([0.75, 0.875]), jnp.array([20, 50]), jnp.array([40, 40])).tolist()
    [0.75, -0.25]
    """
    excess = (cost - budget).astype(jnp.float32) / budget.astype(jnp.float32)
    return jnp.where(cost <= budget, quality, -excess)
