"""Upper bounds of learned costs: what a share of networks costs no more than, also of those that are chosen.

``scale * predicted + offset`` with a score of a network ``measured / (predicted + c)``: split conformal prediction with
a deviation that grows with the cost (Lei et al., arXiv 1604.04173), its quantile the scale. The constant c is the one
under which networks of all costs exceed their bound equally often. Such a bound is still a price of edges.

A generator picks networks that are good for what they are predicted to cost, so those whose cost is predicted too low
more often than others. What counts is how often *they* exceed their bound. Selection is therefore repeated on networks
whose measured cost is known: of many random pools the best within each of many budgets is taken, and the scale is
raised until no more of those exceed their bound than the level says, one more that does being added (conformal risk
control, Angelopoulos et al., arXiv 2208.02814).
"""

from __future__ import annotations

import dataclasses

import numpy as np

BANDS = 5
"""Bands of predicted cost, as many networks in each, that exceed their bound equally often."""

CONSTANTS = (0.0, 0.02, 0.03, 0.05, 0.07, 0.1, 0.15, 0.2, 0.3, 0.4, 0.6, 0.8, 1.0, 1.5, 2.0, 3.0, 5.0)
"""Values of c that are tried, in medians of the predicted cost."""

DRAWS = 100
"""Pools that selection is repeated on."""

BUDGETS = 100
"""Budgets for each pool, evenly spaced over the logarithm of its costs."""


@dataclasses.dataclass(frozen=True)
class Bound:
    """What networks cost at most, but for a share of them: ``scale * predicted + offset``.

    Attributes:
      scale, offset: above 0; 0 or above, in the unit of the cost.
      level: share that may exceed it.
      networks: how many it was calibrated on, none of which the model that predicted it had seen.
      exceeding: share of them that exceed it.
      bands: the same for each band of predicted cost, cheapest first.
      chosen: the same among networks that were chosen for their predicted quality, the largest of K times; NaN where
        none were.
      pools: how many networks of the pools were chosen, each counted once; 0 where none were.
    """

    scale: float
    offset: float
    level: float
    networks: int
    exceeding: float
    bands: tuple[float, ...]
    chosen: float = float("nan")
    pools: int = 0

    def of(self, predicted: np.ndarray) -> np.ndarray:
        """Bounds of predicted costs, float64 of any shape."""
        return self.scale * predicted + self.offset

    def __str__(self) -> str:
        among = f", among {self.pools} chosen {100 * self.chosen:.1f} %" if self.pools else ""
        bands = ", ".join(f"{100 * share:.1f}" for share in self.bands)
        return (
            f"bound that {100 * self.level:g} % may exceed: {100 * self.exceeding:.1f} % of {self.networks} networks do"
            f"{among}; by bands of cost {bands} %"
        )


def fit_bound(predicted: np.ndarray, measured: np.ndarray, level: float, chosen: np.ndarray | None = None) -> Bound:
    """The bound that a share ``level`` of networks exceeds, and of those that are chosen no larger a share.

    Costs ``predicted``, by a model that had not seen the network, and ``measured`` are float64 ``[N]``, above 0.
    ``chosen`` float64 ``[K, N]`` is how often each network was chosen (``choices``), K times; None where nothing says
    what is.

    Raises:
      ValueError: if the level is not between 0 and 1, or there are too few networks for it.
    """
    check_level(level, len(predicted))
    band = bands_of(predicted)
    middle = float(np.median(predicted))
    found = [_at(middle * constant, predicted, measured, level, band) for constant in CONSTANTS]
    _, constant, scale = min(found)
    often = np.zeros((0, len(predicted))) if chosen is None else chosen[chosen.any(1)]
    for one in often:
        scale = max(scale, _controlled(measured / (predicted + constant), one, level))
    over = measured > scale * (predicted + constant)
    return Bound(
        scale=scale,
        offset=scale * constant,
        level=level,
        networks=len(predicted),
        exceeding=float(over.mean()),
        bands=tuple(float(over[band == b].mean()) for b in range(band.max() + 1)),
        chosen=max((float(over @ one / one.sum()) for one in often), default=float("nan")),
        pools=int(often.any(0).sum()),
    )


def check_level(level: float, networks: int) -> None:
    """Refuse a level that N networks cannot be calibrated to.

    Raises:
      ValueError: see ``fit_bound``.
    """
    if not 0 < level < 1:
        raise ValueError(f"the share of networks that may exceed their bound is {level:g}; it is between 0 and 1")
    needed = int(np.ceil(1 / level - 1e-9)) - 1
    if networks < needed:
        raise ValueError(
            f"a bound that only {100 * level:g} % of networks exceed needs {needed} measured networks, there are "
            f"{networks}: measure more, or ask for a smaller share (cost_quantile={1 - 1 / (networks + 1):.2g})"
        )


def choices(
    predicted: np.ndarray, quality: np.ndarray, pool: int, draws: int = DRAWS, budgets: int = BUDGETS, seed: int = 0
) -> np.ndarray:
    """How often each network is the best within a budget, float64 ``[N]``.

    Costs ``predicted`` are float64 ``[N]``, above 0, and any rising function of them chooses alike; quality is float
    ``[N]``. Pools are drawn ``draws`` times, each of ``pool`` networks, at most N, and asked for so many budgets; the
    larger a pool, the more there is to choose from.
    """
    rng = np.random.default_rng(seed)
    out = np.zeros(len(predicted))
    for _ in range(draws):
        rows = rng.permutation(len(predicted))[:pool]
        rows = rows[np.argsort(predicted[rows], kind="stable")]
        out += np.bincount(rows[best_within(predicted[rows], quality[rows], budgets)], minlength=len(out))
    return out


def best_within(ascending: np.ndarray, quality: np.ndarray, budgets: int) -> np.ndarray:
    """The best of networks ``[N]``, by ascending cost, within each budget of their range: int ``[budgets]``.

    >>> best_within(np.array([1.0, 2.0, 4.0]), np.array([0.5, 0.4, 0.9]), 3).tolist()
    [0, 0, 2]
    """
    asked = np.geomspace(ascending[0], ascending[-1], budgets) * (1 + 1e-12)
    best = np.maximum.accumulate(quality)
    first = np.searchsorted(best, best, side="left")
    return np.asarray(first[np.searchsorted(ascending, asked, side="right") - 1])


def bands_of(predicted: np.ndarray) -> np.ndarray:
    """Band int ``[N]`` of each predicted cost, as many networks in each."""
    ranks = np.empty(len(predicted), np.int64)
    ranks[np.argsort(predicted, kind="stable")] = np.arange(len(predicted))
    return ranks * min(BANDS, len(predicted)) // len(predicted)


def _at(
    constant: float, predicted: np.ndarray, measured: np.ndarray, level: float, band: np.ndarray
) -> tuple[float, float, float]:
    """How unequal bands are with a constant, the constant, and the conformal scale."""
    scores = measured / (predicted + constant)
    rank = int(np.ceil((len(scores) + 1) * (1 - level) - 1e-9))
    scale = float(np.sort(scores)[rank - 1])
    over = scores > scale
    worst = max(float(over[band == b].mean()) for b in range(band.max() + 1))
    return worst, constant, scale


def _controlled(scores: np.ndarray, chosen: np.ndarray, level: float) -> float:
    """The least scale with which the chosen, and one more of the largest weight, exceed their bound often enough."""
    order = np.argsort(-scores, kind="stable")
    above = np.cumsum(chosen[order])
    one = chosen.max()
    allowed = level * (chosen.sum() + one) - one
    # With the scale at the k-th largest score the k before it exceed their bound.
    before = np.append(0.0, above[:-1])
    fine = np.flatnonzero(before <= max(allowed, 0.0))
    return float(scores[order][fine[-1]])
