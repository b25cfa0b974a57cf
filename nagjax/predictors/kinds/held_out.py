"""What forms say of records, also of those that they had not seen: folds in turn."""

from __future__ import annotations

from collections.abc import Callable

import jax.numpy as jnp
import numpy as np

from nagjax.predictors.forms.form import Form
from nagjax.predictors.records.records import Records, take
from nagjax.spaces.space import Space

FOLDS = 5


def asked(form: Form, space: Space, tokens: np.ndarray) -> np.ndarray:
    """What a form says of tokens int32 ``[N, T]``: float64 ``[N]``."""
    mean, _ = form(jnp.asarray(tokens), jnp.asarray(space.features(tokens)))
    return np.asarray(mean, np.float64)


def out_of_fold(
    form_of: Callable[[Records], Form], space: Space, records: Records, seed: int, folds: int = FOLDS
) -> np.ndarray:
    """What each record is predicted to be by a fit to the folds that it is not in: float64 ``[N]``.

    Args:
      form_of: the fit to some of the records.
      space: what they are of.
      records: all of them.
      seed: deals them into folds.
      folds: parts, as large as each other.
    """
    order = np.random.default_rng(seed).permutation(len(records.quality))
    out = np.empty(len(order))
    for fold in np.array_split(order, folds):
        rest = np.setdiff1d(order, fold)
        out[fold] = asked(form_of(take(records, rest)), space, records.tokens[fold])
    return out
