"""The kind ``ridge``: ridge regression on path features in closed form, its penalty by leave-one-out errors.

What a linear predictor says adds up over the edges of a path, so its best architectures can be found exactly. Leaving
one record out needs no second fit: its error is the residual over one minus its leverage (Allen 1974, PRESS). As in
the kind ``mlp`` some records are held out first, the same for the same seed, to report the errors on them, and
the fit is repeated on all.
"""

from __future__ import annotations

import dataclasses
from typing import Any, NamedTuple

import jax
import numpy as np

from nagjax import arguments
from nagjax.predictors.fitted import FittedPredictor, errors
from nagjax.predictors.forms.linear import Linear
from nagjax.predictors.kinds.kind import Kind, check_records, check_share, configured, known_features
from nagjax.predictors.records.records import Records
from nagjax.spaces.space import Space

PENALTIES = tuple(np.logspace(-6, 3, 37).tolist())
"""Penalties tried, in units of the mean eigenvalue of the centred features' squares."""

TALL, FLAT = 3, 1e-13
"""Records a feature from which squares are decomposed; share of the largest below which one is rounding."""


@dataclasses.dataclass(frozen=True)
class RidgeConfig:
    """Settings of a ridge regression.

    Attributes:
      penalties: tried, positive, in units of the mean eigenvalue of the centred features' squares.
      validation_share: part of the records held out, 0 <= share < 1 (0: no errors are reported).
    """

    penalties: tuple[float, ...] = PENALTIES
    validation_share: float = 0.2

    def __post_init__(self) -> None:
        check_penalised(self.penalties, self.validation_share)


def check_penalised(penalties: tuple[float, ...], validation_share: float) -> None:
    """Refuse penalties that cannot be tried, and a share that cannot be held out.

    Raises:
      ValueError: with what is allowed.
    """
    if not penalties:
        raise ValueError("penalties=(): give at least one to try")
    for penalty in penalties:
        arguments.finite(penalty, "penalties", above=0)
    check_share(validation_share)


def make(**settings: Any) -> Kind:
    """The kind; settings are the fields of ``RidgeConfig``."""
    return configured("ridge", RidgeConfig, settings, fit_ridge)


def fit_ridge(space: Space, records: Records, config: RidgeConfig | None = None, seed: int = 0) -> FittedPredictor:
    """Fit a linear predictor to records; the seed decides which are held out.

    Returns:
      the predictor, of the form ``linear``; its report also has the ``penalty`` that was chosen.

    Raises:
      ValueError: if there are too few records.
    """
    config = config or RidgeConfig()
    check_records(records)
    features = space.features(records.tokens).astype(np.float64)
    order = np.random.default_rng(arguments.seed(seed)).permutation(len(records.quality))
    held = round(config.validation_share * len(order))
    valid, train = order[:held], order[held:]
    report: dict[str, float | int | str] = {"source": records.source, "train": len(train), "validation": held}
    if held:
        weights, offset, *_ = solve(features[train], records.quality[train], config.penalties)
        report |= errors(features[valid] @ weights + offset, records.quality[valid])
        report["refitted_on"] = len(order)
    weights, offset, penalty, _ = solve(features[order], records.quality[order], config.penalties)
    report["penalty"] = penalty
    known = known_features(space, features)
    predictor = Linear(*jax.device_put((np.float32(weights), np.float32(offset), known)))
    return FittedPredictor(predictor, report)


class Solution(NamedTuple):
    """Weights float64 ``[F]``, the intercept, the penalty, and the mean squared leave-one-out error, the smallest."""

    weights: np.ndarray
    offset: float
    penalty: float
    error: float


def solve(
    features: np.ndarray,
    quality: np.ndarray,
    penalties: tuple[float, ...] = PENALTIES,
    weights: np.ndarray | None = None,
) -> Solution:
    """Ridge regression of quality float64 ``[N]`` on features float64 ``[N, F]``; the intercept is not penalised.

    ``weights`` float64 ``[N]``, above 0, are what squared errors count; None where all count alike.

    >>> solution = solve(np.array([[0.0], [1.0], [2.0], [3.0]]), np.array([1.0, 3.0, 5.0, 7.0]))
    >>> round(float(solution.weights[0]), 4), round(solution.offset, 4)
    (2.0, 1.0)
    """
    share = np.full(len(quality), 1 / len(quality)) if weights is None else weights / weights.sum()
    root = np.sqrt(share * len(quality))
    centre, mean = share @ features, float(share @ quality)
    left, size, right = _decomposed(root[:, None] * (features - centre))
    target = root * (quality - mean)
    projected, eigenvalues = left.T @ target, size**2
    scaled = np.asarray(penalties) * max(float(eigenvalues.sum()) / len(centre), np.finfo(float).tiny)
    shrunk = eigenvalues[None] / (eigenvalues[None] + scaled[:, None])
    residual = target[None] - (shrunk * projected[None]) @ left.T
    leverage = share[None] + shrunk @ (left**2).T
    # Alone with its feature a record has leverage 1 and no residual, and nothing is known of it without itself.
    alone = leverage > 1 - 1e-9
    error = np.where(alone, target[None], residual / np.where(alone, 1.0, 1 - leverage))
    squares = np.square(error).mean(-1)
    best = int(np.argmin(squares))
    weights = right.T @ (size / (eigenvalues + scaled[best]) * projected)
    return Solution(weights, mean - float(centre @ weights), float(penalties[best]), float(squares[best]))


def _decomposed(matrix: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The singular value decomposition of ``[N, F]``; of a tall matrix by its squares, which is much faster."""
    if len(matrix) < TALL * matrix.shape[1]:
        return np.linalg.svd(matrix, full_matrices=False)
    squares, axes = np.linalg.eigh(matrix.T @ matrix)
    fine = squares > squares[-1] * FLAT
    size, right = np.sqrt(squares[fine]), axes[:, fine].T
    return (matrix @ right.T) / size, size, right
