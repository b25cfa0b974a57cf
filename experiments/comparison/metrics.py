"""Figures of merit of the answers to many budgets: regret, hypervolume and IGD+ (moocore), and what they lean on.

Costs may be in any unit, quality is a fraction; lower costs and higher quality are better.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

import numpy as np

from nagjax.reports.front import POINTS


@dataclasses.dataclass(frozen=True, eq=False)
class Yardstick:
    """What answers on a problem are held against.

    Attributes:
      budgets: float64 ``[B]``, evenly spaced in cost from the cheapest to the costliest architecture.
      corner: the reference point of the hypervolume: cost of the costliest and quality of the cheapest architecture.
      oracle: float64 ``[B]``, quality of the best architecture within each budget; None where it is not known.
      front_cost, front_quality: float64 ``[M]``, the front that IGD+ is measured to; None where there is none.
      reference: float64 ``[B]``, quality that a reference front has within each budget; None where there is none.
      best_known: float64 ``[B]``, quality of the best architecture known within each budget; None where none is named.
    """

    budgets: np.ndarray
    corner: tuple[float, float]
    oracle: np.ndarray | None = None
    front_cost: np.ndarray | None = None
    front_quality: np.ndarray | None = None
    reference: np.ndarray | None = None
    best_known: np.ndarray | None = None


def front(cost: np.ndarray, quality: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Cost and quality of the points ``[N]`` that none dominates, by rising cost, equal ones once."""
    order = np.lexsort((-quality, cost))
    ranked = quality[order]
    kept = order[np.append(True, ranked[1:] > np.maximum.accumulate(ranked)[:-1])] if len(order) else order
    return cost[kept], quality[kept]


def hypervolume(cost: np.ndarray, quality: np.ndarray, corner: tuple[float, float]) -> float:
    """Area that points ``[N]`` dominate within the corner (highest cost, lowest quality), cost x quality.

    >>> hypervolume(np.array([1.0, 2.0]), np.array([0.5, 0.75]), (3.0, 0.25))
    0.75
    """
    import moocore

    if not len(cost):
        return 0.0
    return float(moocore.hypervolume(_minimised(cost, quality), ref=[corner[0], -corner[1]]))


def igd_plus(
    cost: np.ndarray, quality: np.ndarray, front_cost: np.ndarray, front_quality: np.ndarray, scale: tuple[float, float]
) -> float:
    """IGD+ (Ishibuchi et al., EMO 2015): how far points ``[N]`` fall short of a front ``[M]`` on average.

    Only what a point lacks counts: from each point of the front the distance to the nearest of ours, where a cost below
    and a quality above the front's count as 0. Costs and qualities are divided by ``scale``.

    >>> igd_plus(np.array([2.0]), np.array([0.5]), np.array([1.0, 3.0]), np.array([0.25, 1.0]), (1.0, 0.25))
    1.5
    """
    import moocore

    ours = _minimised(cost / scale[0], quality / scale[1])
    return float(moocore.igd_plus(ours, ref=_minimised(front_cost / scale[0], front_quality / scale[1])))


def _minimised(cost: np.ndarray, quality: np.ndarray) -> np.ndarray:
    """Points ``[N, 2]`` as moocore takes them: less is better in both columns."""
    return np.stack([cost, -quality], 1).astype(np.float64)


def measure(
    yardstick: Yardstick, cost: np.ndarray, quality: np.ndarray, within: np.ndarray, tokens: np.ndarray | None
) -> Mapping[str, float]:
    """All figures of the answers to the yardstick's budgets; NaN for what the problem does not allow to know.

    Cost and quality are the true ones, float64 ``[B]``; where an answer is not ``within`` its budget, bool ``[B]``, it
    counts as one of quality 0. Tokens are int ``[B, T]``, None where only costs and qualities are known.
    """
    served = _served(quality, within)
    span = yardstick.budgets[-1] - yardstick.budgets[0]
    volume = hypervolume(cost[within], quality[within], yardstick.corner)
    out = {
        "regret": float("nan"), "regret_worst": float("nan"), "gap": float("nan"),
        "hypervolume": POINTS * volume / span if span > 0 else 0.0,
        "igd_plus": float("nan"),
        "infeasible": float(1.0 - within.mean()),
        "distinct": float(len(np.unique(np.stack([cost, quality], 1) if tokens is None else tokens, axis=0))),
    }  # fmt: skip
    if yardstick.oracle is not None:
        lost = POINTS * (yardstick.oracle - served)
        out |= {"regret": float(lost.mean()), "regret_worst": float(lost.max())}
    if yardstick.reference is not None:
        out["gap"] = POINTS * float(np.mean(served - yardstick.reference))
    if yardstick.front_cost is not None and yardstick.front_quality is not None and within.any():
        height = float(yardstick.front_quality.max() - yardstick.corner[1])
        scale = (span if span > 0 else 1.0, height if height > 0 else 1.0)
        out["igd_plus"] = igd_plus(cost[within], quality[within], yardstick.front_cost, yardstick.front_quality, scale)
    return out


def points_below(best: np.ndarray, quality: np.ndarray, within: np.ndarray) -> float:
    """Quality ``[B]`` lost to the best within each budget, points, mean over the budgets; see ``measure``.

    >>> points_below(np.array([0.5, 0.75]), np.array([0.5, 0.5]), np.array([True, True]))
    12.5
    """
    return POINTS * float(np.mean(best - _served(quality, within)))


def _served(quality: np.ndarray, within: np.ndarray) -> np.ndarray:
    """Quality ``[B]`` of answers, where one that is over its budget is none."""
    return np.where(within, quality, 0.0)
