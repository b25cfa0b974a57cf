"""A predictor with what is known of it: where it is from, and its errors on records that it was not fitted to."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

import jax
import jax.numpy as jnp
import numpy as np

from nagjax.predictors.batches import padding
from nagjax.predictors.forms.form import Form
from nagjax.predictors.records.records import Records
from nagjax.spaces.space import Space


@dataclasses.dataclass(frozen=True)
class FittedPredictor:
    """A predictor and where it is from.

    Attributes:
      predictor: what a problem uses, one of the library's forms.
      report: ``source`` and, where they are known, counts of records and errors on validation records (``kendall_tau``,
        ``spearman``, ``rmse_points``, ``mae_points``; a point is 0.01 of quality).
    """

    predictor: Form
    report: Mapping[str, float | int | str]


def tested(fitted: FittedPredictor, records: Records, space: Space) -> FittedPredictor:
    """The same predictor with its errors on records that it was not fitted to by us."""
    mean = asked(fitted.predictor, records.tokens, space.features(records.tokens))
    report = {**fitted.report, "validation": len(records.quality), "validation_source": records.source}
    found = agreement(mean, records.quality, fitted.predictor.rank_valued)
    return FittedPredictor(fitted.predictor, report | found)


def asked(form: Form, tokens: np.ndarray, features: np.ndarray) -> np.ndarray:
    """What a form says of tokens int ``[N, T]`` with path features ``[N, F]``, float64 ``[N]``, for N above 0.

    In one program for each power of two of rows: of an eager form each operation is a program, for each number of rows.
    """
    num = len(tokens)
    rows = np.minimum(np.arange(num + padding(num)), num - 1)
    mean = _mean(form, jnp.asarray(tokens[rows], jnp.int32), jnp.asarray(features[rows], jnp.float32))
    return np.asarray(mean, np.float64)[:num]


@jax.jit
def _mean(form: Form, tokens: jax.Array, features: jax.Array) -> jax.Array:
    return form(tokens, features)[0]


def agreement(predicted: np.ndarray, quality: np.ndarray, ranks: bool) -> dict[str, float | int | str]:
    """``errors``; of ranks those that their values, which are not qualities, do not enter."""
    found = errors(predicted, quality)
    return {key: value for key, value in found.items() if not (ranks and key.endswith("_points"))}


def errors(predicted: np.ndarray, quality: np.ndarray) -> dict[str, float | int | str]:
    """Agreement of predicted with true quality, fractions ``[N]``.

    Where one of them does not vary rank correlations are undefined: they are absent, and ``tau_undefined`` says why.

    >>> errors(np.array([0.1, 0.3, 0.2]), np.array([0.1, 0.2, 0.4]))["mae_points"]
    10.0
    """
    from scipy import stats  # few problems need it, and it takes long to load

    difference = 100.0 * (predicted.astype(np.float64) - quality)
    out: dict[str, float | int | str] = {
        "rmse_points": float(np.sqrt(np.mean(difference**2))),
        "mae_points": float(np.mean(np.abs(difference))),
    }
    equal = [name for name, values in (("labels", quality), ("predictions", predicted)) if np.ptp(values) == 0]
    if equal:
        out["tau_undefined"] = f"all {len(quality)} {' and '.join(equal)} are equal"
    else:
        out["kendall_tau"] = float(stats.kendalltau(predicted, quality).statistic)
        out["spearman"] = float(stats.spearmanr(predicted, quality).statistic)
    return out
