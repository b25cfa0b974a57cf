"""How well anything could predict measured costs: the noise that is in them.

Where networks were measured more than once their spread tells. Elsewhere near neighbours do: the residuals of a model
that had not seen them differ between two similar networks by noise twice, and by what the model misses and the two do
not share. So half the mean squared difference is at least the noise; its excess over that of any two networks is what
the architecture still explains. The Gamma test (Evans and Jones, Proc. R. Soc. A 458, 2002) goes on to distance 0 by a
line. In tens of decisions the nearest of thousands are far, and the line found half of a residual explained of which no
model could predict a thirtieth: the line is left out.
"""

from __future__ import annotations

import dataclasses

import numpy as np

from nagjax.devices.validation import spearman

LEAST_REPEATS = 20
"""Measurements beyond the first of a network, all together, from which repeats tell the noise."""

NEIGHBOURS, CHUNK = 10, 512
DRAWS = 20
BANDS = 5
"""Bands of cost within which noise counts as alike."""

TRIM = 0.005
"""Share of residuals at either end that are drawn in: a disturbed measurement would be all that is seen."""


@dataclasses.dataclass(frozen=True)
class NoiseFloor:
    """What a perfect predictor would reach on costs with so much noise.

    Attributes:
      how: ``"repeats"`` or ``"neighbours"``.
      deviation: of the noise, as a share of the cost.
      spearman: rank correlation of true costs with measured ones.
      within_5, within_10: share of measured costs within 5 and 10 % of the true ones.
      explained: share of the squared residuals between networks that near neighbours have in common, which a better
        model could predict; 0 where none. NaN where repeats tell the noise.
    """

    how: str
    deviation: float
    spearman: float
    within_5: float
    within_10: float
    explained: float

    def __str__(self) -> str:
        return (
            f"noise floor by {self.how}: Spearman {self.spearman:.3f}, {100 * self.within_10:.1f} % within 10 % "
            f"(noise of {100 * self.deviation:.1f} %)"
        )


def by_repeats(group: np.ndarray, measured: np.ndarray, predicted: np.ndarray) -> NoiseFloor | None:
    """The floor from networks that were measured more than once; None where too few were.

    ``group`` int ``[N]`` is which network each of ``measured`` float64 ``[N]`` is of; ``predicted`` float64 ``[M]``
    stands for the true costs of networks. Both are above 0.
    """
    logs = np.log(measured)
    counts = np.bincount(group)
    off = (logs - (np.bincount(group, logs) / np.maximum(counts, 1))[group])[counts[group] > 1]
    extra = int((counts - 1)[counts > 1].sum())
    if extra < LEAST_REPEATS:
        return None
    noise = off * np.sqrt(len(off) / extra)
    return _floor("repeats", predicted, np.expm1(noise), float("nan"))


def by_neighbours(places: np.ndarray, measured: np.ndarray, predicted: np.ndarray) -> NoiseFloor:
    """The floor from the residuals of near neighbours; distances of ``places``, float64 ``[N, J]``, mean something.

    Costs ``measured``, and ``predicted`` by a model that had not seen the network, are float64 ``[N]``, above 0.
    """
    residual = measured / predicted - 1
    residual = np.clip(residual, *np.quantile(residual, [TRIM, 1 - TRIM]))
    near = _neighbours(places, min(NEIGHBOURS, len(places) - 1))
    apart = float(residual.var())
    gamma = min(float(np.mean(np.square(residual[:, None] - residual[near]) / 2)), apart)
    left = gamma / apart if apart else 0.0
    whole = (measured / predicted - 1) * np.sqrt(left)
    return _floor("neighbours", predicted, whole, 1 - left)


def _floor(how: str, predicted: np.ndarray, noise: np.ndarray, explained: float) -> NoiseFloor:
    """The floor of relative noise ``[M]``; where each network has one it is drawn from networks of like cost."""
    rng = np.random.default_rng(0)
    band = _bands(predicted) if len(noise) == len(predicted) else np.zeros(len(predicted), np.int64)
    drawn = [noise[band == b] if len(noise) == len(predicted) else noise for b in range(band.max() + 1)]
    ranks, off = [], []
    for _ in range(DRAWS):
        one = np.empty(len(predicted))
        for b, pool in enumerate(drawn):
            one[band == b] = rng.choice(pool, int((band == b).sum()))
        ranks.append(spearman(predicted, predicted * (1 + one)))
        off.append(np.abs(predicted / (predicted * (1 + one)) - 1))
    every = np.concatenate(off)
    return NoiseFloor(
        how,
        float(np.sqrt(np.mean(noise**2))),
        float(np.mean(ranks)),
        float(np.mean(every <= 0.05)),
        float(np.mean(every <= 0.1)),
        explained,
    )


def _bands(predicted: np.ndarray) -> np.ndarray:
    """Band int ``[N]`` of each predicted cost, as many in each."""
    ranks = np.empty(len(predicted), np.int64)
    ranks[np.argsort(predicted, kind="stable")] = np.arange(len(predicted))
    return ranks * BANDS // len(predicted)


def _neighbours(places: np.ndarray, num: int) -> np.ndarray:
    """The ``num`` nearest others of each place, int ``[N, num]``."""
    squares = np.square(places).sum(1)
    near = []
    for first in range(0, len(places), CHUNK):
        rows = np.arange(first, min(first + CHUNK, len(places)))
        apart = squares[rows, None] + squares[None] - 2 * places[rows] @ places.T
        apart[rows - first, rows] = np.inf
        near.append(np.argpartition(apart, num - 1, 1)[:, :num])
    return np.concatenate(near)
