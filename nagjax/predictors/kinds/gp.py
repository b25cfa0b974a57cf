"""The kind ``gp``: a Gaussian process on path features; length, amplitude and noise by marginal likelihood.

A Gaussian process wants Gaussian targets, and accuracies may have a long tail below. Then the normal score of the rank
among the labels is fitted, and the quality is that of the labels at the predicted score, as in the kind ``mlp``; else
the quality itself. Which of them orders records better that it has not seen, the process says itself: what it predicts
for each record without it needs no second fit (Rasmussen and Williams 2006, section 5.4).

Path features tell kernel 3 from 5 as they tell 3 from 7. Where attributes are numbers, their levels in order are tried
beside the features, and chosen in the same way: with few records most of what is known of a kernel is that 5 lies
between 3 and 7, with many the records say themselves what each is worth.

What a smooth covariance cannot follow it takes for noise of the labels, and then knows nothing of it and is too sure of
the rest. Choices that matter together, each pair a little, are such a remainder, and neighbours share it: so a rough
part with a short length of its own stands beside the smooth one, as much of it as the records make likely.

Exact, in float64 on the host: its time grows with the cube of the number of records and its size with the square. The
covariance is divided by the amplitude's square, so that the best amplitude for a length and a share of noise is known
in closed form (Rasmussen and Williams 2006, chapter 5); length and noise are searched on a grid, and with the rough
part's variance by Nelder and Mead.
"""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Mapping
from typing import Any, NamedTuple, cast

import jax.numpy as jnp
import numpy as np
from scipy import linalg, optimize, stats
from scipy.spatial import distance
from threadpoolctl import threadpool_limits

from nagjax import arguments
from nagjax.predictors.batches import padding
from nagjax.predictors.fitted import FittedPredictor, asked, errors
from nagjax.predictors.forms.gaussian_process import GaussianProcess
from nagjax.predictors.forms.scores import KNOTS, REACH, score_levels
from nagjax.predictors.kinds.kind import Kind, check_records, check_share, configured, known_features
from nagjax.predictors.kinds.views import check_features, transforms
from nagjax.predictors.records.records import Records
from nagjax.spaces.space import Space

LENGTHS, NOISES = np.geomspace(0.25, 8.0, 6), np.geomspace(1e-4, 1.0, 5)
"""Grid of lengths, in units of the root mean square distance of records, and of shares of noise in variance."""

TARGETS = ("auto", "rank", "quality")
SCALED = 500
"""Records by which scales are found: their time grows with the cube, and more hardly move three numbers."""

LEAST_NOISE, MOST_NOISE = 1e-6, 1e3
LEAST_LENGTH, MOST_LENGTH = 1e-2, 1e3
SHORT = 0.35
"""Length of the rough part, in the same units as lengths."""


@dataclasses.dataclass(frozen=True)
class GpConfig:
    """Settings of a Gaussian process.

    Attributes:
      most: records that are fitted at most; more are refused.
      validation_share: part of the records held out first, 0 <= share < 1 (0: no errors are reported).
      target: what is fitted, ``"rank"``, ``"quality"``, or ``"auto"``: of both the one whose order of the records, each
        predicted without itself, agrees better with theirs (Kendall's tau).
      features: what is compared, ``"plain"`` path features, the ``"levels"`` of attributes that are numbers, in their
        order, or ``"auto"``: as with the target, the better; the first where no attribute is a number.
    """

    most: int = 2000
    validation_share: float = 0.2
    target: str = "auto"
    features: str = "auto"

    def __post_init__(self) -> None:
        arguments.count(self.most, "most", least=10)
        check_share(self.validation_share)
        if self.target not in TARGETS:
            raise ValueError(f"target is {self.target!r}; it is one of {', '.join(TARGETS)}")
        check_features(self.features)


class Scales(NamedTuple):
    """Length of the smooth part; variances of noise and rough part as shares of its own; length of the rough part."""

    length: float
    noise: float
    rough: float = 0.0
    short: float = 1.0


class Prior(NamedTuple):
    """What is thought before the records: which features are compared, what is fitted, and the scales of both."""

    features: str
    target: str
    scales: Scales


def make(**settings: Any) -> Kind:
    """The kind; settings are the fields of ``GpConfig``."""
    return configured("gp", GpConfig, settings, fit_gp)


def fit_gp(space: Space, records: Records, config: GpConfig | None = None, seed: int = 0) -> FittedPredictor:
    """Fit a Gaussian process to records; the seed decides which are held out.

    Raises:
      ValueError: if there are too few records or too many, or levels are asked for where no attribute is a number.
    """
    config = config or GpConfig()
    check_records(records)
    num = len(records.quality)
    if num > config.most:
        raise ValueError(
            f"{records.source}: {num:,} records are too many for a Gaussian process, whose time grows with their cube; "
            f"give at most {config.most:,} (--num_labels, or the setting most), or use kind mlp or ridge"
        )
    features, quality = space.features(records.tokens).astype(np.float64), records.quality
    order = np.random.default_rng(arguments.seed(seed)).permutation(num)
    held = round(config.validation_share * num)
    valid, train = order[:held], order[held:]
    known = known_features(space, features)
    report: dict[str, float | int | str] = {"source": records.source, "train": len(train), "validation": held}
    views = transforms(space, config.features)
    # Three numbers of many records: that those held out had a part in them does not show in the errors.
    prior = chosen({name: seen(features, by) for name, by in views.items()}, quality, config.target)
    transform = views[prior.features]
    if held:
        first = condition(features[train], quality[train], known, prior.target, prior.scales, transform)
        first = first.padded(len(train) + padding(len(train)))
        report |= errors(asked(first, records.tokens[valid], features[valid]), quality[valid])
        report["refitted_on"] = num
    whole = condition(features, quality, known, prior.target, prior.scales, transform)
    report |= {"target": prior.target, "features": prior.features}
    report |= {"length": float(whole.length), "amplitude": float(whole.amplitude)}
    return FittedPredictor(whole, report)


def seen(features: np.ndarray, transform: np.ndarray | None) -> np.ndarray:
    """What the process compares, ``[N, F]`` or ``[N, G]``."""
    return features if transform is None else features @ transform


def condition(
    features: np.ndarray,
    quality: np.ndarray,
    known: np.ndarray,
    target: str = "rank",
    scales: Scales | None = None,
    transform: np.ndarray | None = None,
) -> GaussianProcess:
    """The process given features float64 ``[N, F]`` and qualities float64 ``[N]``; at its likeliest scales if None."""
    compared = seen(features, transform)
    if scales is None:
        _, target, scales = chosen({"plain": compared}, quality, target)
    squares = distance.cdist(compared, compared, "sqeuclidean")
    score, levels = _scores(quality, target)
    with _one_thread():
        chol = linalg.cholesky(_covariance(squares, scales), lower=True)
        whiten = linalg.solve_triangular(chol, np.eye(len(score)), lower=True)
        alpha = whiten.T @ (whiten @ score)
    amplitude = np.sqrt(max(float(score @ alpha) / len(score), 1e-12))
    arrays = {
        "support": compared,
        # Of correlations; the form has the amplitude in its covariance.
        "alpha": alpha / amplitude**2,
        "whiten": whiten / amplitude,
        "length": scales.length,
        "amplitude": amplitude,
        "levels": levels,
        "short": scales.short,
        "rough": scales.rough,
        **({} if transform is None else {"transform": transform}),
    }
    # By NumPy: JAX would compile a conversion for each number of records.
    floats = {name: jnp.asarray(np.asarray(value, np.float32)) for name, value in arrays.items()}
    return GaussianProcess(**floats, known=jnp.asarray(known))


def chosen(views: Mapping[str, np.ndarray], quality: np.ndarray, target: str) -> Prior:
    """Which features are compared, what is fitted and the likeliest scales, by ``SCALED`` of the records at most.

    Args:
      views: what may be compared by name, float64 ``[N, F]``.
      quality: float64 ``[N]``.
      target: as in ``GpConfig``.
    """
    some = np.unique(np.linspace(0, len(quality) - 1, min(SCALED, len(quality))).astype(int))
    squares = {view: distance.cdist(rows[some], rows[some], "sqeuclidean") for view, rows in views.items()}
    scores = {name: _scores(quality[some], name)[0] for name in _candidates(target)}
    with _one_thread():
        tried = [Prior(v, name, likeliest(squares[v], score)) for v in views for name, score in scores.items()]

    def agreement(prior: Prior) -> float:
        order = left_out(squares[prior.features], scores[prior.target], prior.scales)
        # NaN where qualities are all alike; then any will do.
        return float(np.nan_to_num(stats.kendalltau(order, quality[some]).statistic, nan=-1.0))

    with _one_thread():
        return max(tried, key=agreement) if len(tried) > 1 else tried[0]


def _one_thread() -> contextlib.AbstractContextManager[Any]:
    """Threads of the linear algebra wait for each other where a machine does anything else; matrices are small here."""
    return cast("contextlib.AbstractContextManager[Any]", threadpool_limits(limits=1, user_api="blas"))


def _candidates(target: str) -> tuple[str, ...]:
    return ("rank", "quality") if target == "auto" else (target,)


def left_out(squares: np.ndarray, target: np.ndarray, scales: Scales) -> np.ndarray:
    """What is predicted for each record by the others, ``[N]`` (Rasmussen and Williams 2006, equation 5.12).

    >>> left_out(np.array([[0.0, 2.0], [2.0, 0.0]]), np.array([1.0, 3.0]), Scales(1.0, 1.0)).round(4).tolist()
    [0.5518, 0.1839]
    """
    inverse = linalg.inv(_covariance(squares, scales))
    return target - inverse @ target / np.diag(inverse)


def _scores(quality: np.ndarray, target: str) -> tuple[np.ndarray, np.ndarray]:
    """What is fitted, float64 ``[N]``, and the levels of ``at_score`` that make it a quality again."""
    if target == "rank":
        return stats.norm.ppf((stats.rankdata(quality) - 0.5) / len(quality)), score_levels(quality)
    centre, spread = float(quality.mean()), float(quality.std()) or 1.0
    return (quality - centre) / spread, centre + spread * np.linspace(-REACH, REACH, KNOTS)


def likeliest(squares: np.ndarray, target: np.ndarray) -> Scales:
    """Scales of the largest marginal likelihood, of squared distances ``[N, N]`` and standardised targets ``[N]``."""
    unit = np.sqrt(squares.mean()) or 1.0

    def scales(point: np.ndarray) -> Scales:
        length, noise, rough = map(float, np.exp(point))
        return Scales(float(length * unit), noise, rough, float(SHORT * unit))

    def loss(point: np.ndarray) -> float:
        length, noise, rough = np.exp(point)
        if not (
            LEAST_LENGTH <= length <= MOST_LENGTH
            and LEAST_NOISE <= min(noise, rough) <= max(noise, rough) <= MOST_NOISE
        ):
            return np.inf
        return surprise(squares, target, scales(point))

    grid = [np.log([length, noise, LEAST_NOISE]) for length in LENGTHS for noise in NOISES]
    start = min(grid, key=loss)
    # What looks like noise to a smooth process may be a rough one: the search begins with half of it.
    length, noise, _ = np.exp(start)
    halved = np.log([length, max(noise / 2, LEAST_NOISE), max(noise / 2, LEAST_NOISE)])
    found = optimize.minimize(loss, halved, method="Nelder-Mead", options={"maxfev": 60, "xatol": 0.02, "fatol": 1e-3})
    return scales(found.x)


def surprise(squares: np.ndarray, target: np.ndarray, scales: Scales) -> float:
    """Minus the logarithm of the marginal likelihood, without its constant, at the best amplitude.

    >>> round(abs(surprise(np.zeros((1, 1)), np.ones(1), Scales(1.0, 1.0))), 9)  # log(1 / 2) / 2 + log(2) / 2
    0.0
    """
    try:
        chol = linalg.cholesky(_covariance(squares, scales), lower=True)
    except linalg.LinAlgError:
        return float("inf")
    white = linalg.solve_triangular(chol, target, lower=True)
    num = len(target)
    return 0.5 * num * float(np.log(max(white @ white / num, 1e-300))) + float(np.log(np.diag(chol)).sum())


def _covariance(squares: np.ndarray, scales: Scales) -> np.ndarray:
    smooth, rough = (np.exp(-squares / (2 * of**2)) for of in (scales.length, scales.short))
    return smooth + scales.rough * rough + scales.noise * np.eye(len(squares))
