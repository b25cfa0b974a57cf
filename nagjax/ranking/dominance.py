"""Dominance under a budget (Guo et al., arXiv 2103.00219, equation 4; PNAG, arXiv 2210.07634).

Of two architectures that both meet the budget the better one dominates; otherwise the cheaper one does. For one budget
this is a total preorder, Deb's feasibility rule: feasible ones by quality, above infeasible ones by how cheap they are.
So one sort labels all pairs. Pass costs and budget in the same exact type (ticks, or float64 on the host).
"""

from __future__ import annotations

import numpy as np
from scipy import stats


def dominance_key(quality: np.ndarray, cost: np.ndarray, budget: float) -> np.ndarray:
    """Ranks int64 ``[..., N]`` of architectures under a budget, on the host; of two, the one of higher rank dominates.

    Quality is float ``[..., N]``, cost ``[N]`` in the unit of the budget. Ranks are from 0 without gaps; ties have
    equal ranks.

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
    """Agreement of scores float ``[N]`` with dominance by quality and cost ``[N]`` under a budget, in O(N log N).

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
