"""How well one score of architectures ranks another: Kendall's tau, with intervals, and among equals in cost.

A supernet is as good as its ranking. The truth is networks trained alone, and that truth is noisy itself: tau between
two seeds of it is the ceiling that any score can be held against (Yu et al., arXiv 1902.08142).
"""

from __future__ import annotations

import dataclasses
import math

import numpy as np
from scipy import stats

RESAMPLES = 2000


@dataclasses.dataclass(frozen=True)
class Tau:
    """Kendall's tau-b, and the 95 % interval of a bootstrap over architectures."""

    value: float
    low: float
    high: float


def kendall(score: np.ndarray, truth: np.ndarray, seed: int = 0) -> Tau:
    """Tau between two columns ``[N]``; NaN where one of them does not vary.

    Args:
      score: one column.
      truth: the other.
      seed: of the bootstrap; resamples in which a column is constant say nothing and are left out.

    Raises:
      ValueError: if there are fewer than 3 architectures.
    """
    score, truth = np.asarray(score, np.float64), np.asarray(truth, np.float64)
    if score.shape != truth.shape or score.ndim != 1 or len(score) < 3:
        raise ValueError(
            f"columns of shapes {score.shape} and {truth.shape} cannot be ranked; give 3 values or more each"
        )
    rng = np.random.default_rng(seed)
    whole = _tau(score, truth)
    if np.isnan(whole):
        return Tau(whole, whole, whole)
    drawn = [_tau(score[at], truth[at]) for at in rng.integers(0, len(score), (RESAMPLES, len(score)))]
    low, high = np.nanpercentile(drawn, [2.5, 97.5])
    return Tau(whole, float(low), float(high))


def within(score: np.ndarray, truth: np.ndarray, group: np.ndarray) -> tuple[float, int]:
    """Tau among members of the same group alone: (concordant - discordant) / pairs, and the number of pairs.

    >>> within(np.array([1, 2, 9, 8]), np.array([1, 2, 3, 4]), np.array([0, 0, 1, 1]))
    (0.0, 2)
    """
    first, second = np.triu_indices(len(score), 1)
    same = group[first] == group[second]
    first, second = first[same], second[same]
    signs = np.sign(score[first] - score[second]) * np.sign(truth[first] - truth[second])
    return (float(signs.mean()) if len(signs) else float("nan")), len(signs)


def ceiling(alone: np.ndarray) -> float:
    """Mean tau between every two seeds of the truth ``[N, seeds]``; NaN for one seed."""
    pairs = [(i, j) for i in range(alone.shape[1]) for j in range(i)]
    return float(np.mean([_tau(alone[:, i], alone[:, j]) for i, j in pairs])) if pairs else float("nan")


def spread(alone: np.ndarray) -> tuple[float, float]:
    """How far networks lie apart, and how far seeds of one do, of the truth ``[N, seeds]``: standard deviations.

    The first is of what a network would reach on average over all seeds: the variance of seeds is taken off.

    >>> spread(np.array([[0.0, 2.0], [10.0, 12.0]]))
    (7.0, 1.4142135623730951)

    Raises:
      ValueError: if there are not 2 networks and 2 seeds.
    """
    networks, seeds = alone.shape
    if networks < 2 or seeds < 2:
        raise ValueError(f"{networks} networks of {seeds} seeds have no spread; give 2 of each or more")
    within = float(alone.var(1, ddof=1).mean())
    between = float(alone.mean(1).var(ddof=1)) - within / seeds
    return max(between, 0.0) ** 0.5, within**0.5


def expected_ceiling(ratio: float) -> float:
    """Tau between two seeds of normal truth whose networks lie ``ratio`` times as far apart as seeds do.

    It is 2 / pi * arcsin(r), r the correlation of the seeds (Kendall of a bivariate normal; Kruskal 1958).

    >>> round(expected_ceiling(1.0), 3), round(expected_ceiling(6.0), 3)
    (0.333, 0.852)
    """
    return 2 / math.pi * math.asin(ratio**2 / (1 + ratio**2))


def _tau(score: np.ndarray, truth: np.ndarray) -> float:
    if np.ptp(score) == 0 or np.ptp(truth) == 0:
        return float("nan")
    return float(stats.kendalltau(score, truth).statistic)
