"""The kind ``light``: ridge or support vector regression, whichever errs less in cross-validation, as LINAS has it.

Cummings et al. (arXiv 2205.10358) search with the lighter of the two by the mean absolute percentage error over three
folds: ridge penalties 0.1 to 10, an RBF kernel with C of 1 to 100. scikit-learn fits both
(``pip install 'nagjax[light]'``) and is not needed to ask: the forms ``linear`` and ``kernel`` hold arrays.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import jax.numpy as jnp
import numpy as np

from nagjax import arguments
from nagjax.predictors.fitted import FittedPredictor, errors
from nagjax.predictors.forms.form import Form
from nagjax.predictors.forms.kernel import Kernel
from nagjax.predictors.forms.linear import Linear
from nagjax.predictors.kinds.kind import Kind, check_records, check_share, configured, known_features
from nagjax.predictors.records.records import Records
from nagjax.spaces.space import Space

RIDGE, SVR = "ridge", "svr"
LEAST = 1e-6
"""Deviation of qualities, and of features, below which they are all alike."""

Fit = Callable[[np.ndarray, np.ndarray, np.ndarray], Form]
"""Features float64 ``[N, F]``, qualities ``[N]`` and known features bool ``[F]`` to a form."""


@dataclasses.dataclass(frozen=True)
class LightConfig:
    """Settings of the choice.

    Attributes:
      candidates: of ``ridge`` and ``svr``.
      penalties: of the ridge regression that are tried, positive.
      costs: C of the support vector regression that are tried, positive, for qualities of mean 0 and deviation 1.
      margin: its epsilon, in deviations of the qualities, not negative.
      folds: parts that the records are dealt into.
      validation_share: part of the records held out first, 0 <= share < 1 (0: no errors are reported).
    """

    candidates: tuple[str, ...] = (RIDGE, SVR)
    penalties: tuple[float, ...] = (0.1, 1.0, 10.0)
    costs: tuple[float, ...] = (1.0, 10.0, 100.0)
    margin: float = 0.1
    folds: int = 3
    validation_share: float = 0.2

    def __post_init__(self) -> None:
        if not self.candidates or set(self.candidates) - {RIDGE, SVR}:
            raise ValueError(f"candidates={list(self.candidates)}: name {RIDGE}, {SVR} or both")
        for name in ("penalties", "costs"):
            if not getattr(self, name):
                raise ValueError(f"{name}=(): give at least one to try")
            for value in getattr(self, name):
                arguments.finite(value, name, above=0)
        arguments.finite(self.margin, "margin", least=0)
        arguments.count(self.folds, "folds", least=2)
        check_share(self.validation_share)


def make(**settings: Any) -> Kind:
    """The kind; settings are the fields of ``LightConfig``."""
    return configured("light", LightConfig, settings, fit_light)


def fit_light(space: Space, records: Records, config: LightConfig | None = None, seed: int = 0) -> FittedPredictor:
    """Fit the better of the candidates to records; the seed decides which are held out, and the folds.

    Returns:
      the predictor, of the form ``linear`` or ``kernel``; its report also has ``chosen`` and ``held_out_percent``, the
      mean absolute error in percent of the quality over the folds.

    Raises:
      ValueError: if there are too few records, or scikit-learn is not installed.
    """
    config = config or LightConfig()
    check_records(records)
    features, quality = space.features(records.tokens).astype(np.float64), records.quality
    order = np.random.default_rng(arguments.seed(seed)).permutation(len(quality))
    held = round(config.validation_share * len(order))
    valid, train = order[:held], order[held:]
    known = known_features(space, features)
    report: dict[str, float | int | str] = {"source": records.source, "train": len(train), "validation": held}
    if held:
        first, _, _ = chosen(features[train], quality[train], known, config)
        report |= errors(asked(first, features[valid]), quality[valid])
        report["refitted_on"] = len(order)
    form, name, error = chosen(features[order], quality[order], known, config)
    return FittedPredictor(form, {**report, "chosen": name, "held_out_percent": error})


def chosen(
    features: np.ndarray, quality: np.ndarray, known: np.ndarray, config: LightConfig
) -> tuple[Form, str, float]:
    """The candidate of least error over the folds, fitted to all; its name, and that error in percent."""
    folds = np.array_split(np.arange(len(quality)), config.folds)
    every = candidates(config)
    held_out = {name: percent_error(fit, features, quality, known, folds) for name, fit in every.items()}
    best = min(held_out, key=lambda name: held_out[name])
    return every[best](features, quality, known), best, held_out[best]


def candidates(config: LightConfig) -> dict[str, Fit]:
    """Every regression that is tried, by a name that tells its setting."""
    ridge = {f"{RIDGE} {p:g}": _ridge(p) for p in config.penalties if RIDGE in config.candidates}
    svr = {f"{SVR} {c:g}": _svr(c, config.margin) for c in config.costs if SVR in config.candidates}
    return {**ridge, **svr}


def percent_error(
    fit: Fit, features: np.ndarray, quality: np.ndarray, known: np.ndarray, folds: list[np.ndarray]
) -> float:
    """Mean absolute error, percent of the quality, of each fold by a fit to the others."""
    told = np.empty(len(quality))
    for fold in folds:
        rest = np.delete(np.arange(len(quality)), fold)
        told[fold] = asked(fit(features[rest], quality[rest], known), features[fold])
    return float(100 * np.mean(np.abs(told - quality) / np.maximum(quality, LEAST)))


def asked(form: Form, features: np.ndarray) -> np.ndarray:
    """What a form says of features ``[N, F]``, float64 ``[N]``."""
    mean, _ = form(jnp.zeros((len(features), 1), jnp.int32), jnp.asarray(features, jnp.float32))
    return np.asarray(mean, np.float64)


def _ridge(penalty: float) -> Fit:
    def fit(features: np.ndarray, quality: np.ndarray, known: np.ndarray) -> Form:
        model = _sklearn("linear_model").Ridge(alpha=penalty).fit(features, quality)
        return Linear(jnp.asarray(model.coef_, jnp.float32), jnp.float32(model.intercept_), jnp.asarray(known))

    return fit


def _svr(cost: float, margin: float) -> Fit:
    def fit(features: np.ndarray, quality: np.ndarray, known: np.ndarray) -> Form:
        mean, spread = quality.mean(), max(quality.std(), LEAST)
        gamma = 1 / (features.shape[1] * max(features.var(), LEAST))  # scikit-learn's "scale"
        model = _sklearn("svm").SVR(kernel="rbf", C=cost, gamma=gamma, epsilon=margin)
        model.fit(features, (quality - mean) / spread)
        weights, support = np.zeros(len(quality)), np.zeros_like(features)
        # As many rows for every fit to as many records, so that all compile alike.
        weights[model.support_], support[model.support_] = spread * model.dual_coef_[0], model.support_vectors_
        offset, length = mean + spread * model.intercept_[0], np.sqrt(0.5 / gamma)
        return Kernel(
            support=jnp.asarray(support, jnp.float32), weights=jnp.asarray(weights, jnp.float32),
            offset=jnp.float32(offset), length=jnp.float32(length), known=jnp.asarray(known),
        )  # fmt: skip

    return fit


def _sklearn(module: str) -> Any:
    try:
        import importlib

        return importlib.import_module(f"sklearn.{module}")
    except ImportError as error:
        raise ValueError("kind light is fitted by scikit-learn: pip install 'nagjax[light]'") from error
