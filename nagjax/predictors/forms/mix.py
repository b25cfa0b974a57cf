"""The form ``mix``: a weighted mean of other forms, of the normal scores that their qualities have among the labels.

Accuracies have a long tail below, so the mean of two qualities is that of the one which errs further down. A score
counts a step up as much as a step down.
"""

from __future__ import annotations

import dataclasses
import functools
import operator
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Self

import flax.struct
import jax
import jax.numpy as jnp
import numpy as np

from nagjax.predictors.forms.form import Defaults, Form
from nagjax.predictors.forms.scores import at_score, score_at


@flax.struct.dataclass
class Mix(Defaults):
    """The quality at the weighted mean of the scores of K forms; deviations as of a choice among them by weight.

    Attributes:
      inner: the K forms, none of which tells ranks alone.
      weights: float32 ``[K]``, sum 1.
      levels: float32 ``[M]``, the quality at scores, as ``at_score`` takes them; rising.
    """

    form: ClassVar[str] = "mix"

    inner: tuple[Any, ...]
    weights: jax.Array
    levels: jax.Array

    @property
    def known(self) -> jax.Array | None:
        """What all of them know."""
        each = [one.known for one in self.inner if one.known is not None]
        return functools.reduce(operator.and_, each) if each else None

    def padded(self, capacity: int) -> Self:
        """See ``Form``."""
        return dataclasses.replace(self, inner=tuple(one.padded(capacity) for one in self.inner))

    def __call__(self, tokens: jax.Array, features: jax.Array) -> tuple[jax.Array, jax.Array]:
        """See ``Form``."""
        found = [one(tokens, features) for one in self.inner]
        means, stds = (jnp.stack(values) for values in zip(*found, strict=True))
        weights = self.weights[:, None]
        mean = at_score((weights * score_at(means, self.levels)).sum(0), self.levels)
        variance = (weights * (jnp.square(stds) + jnp.square(means - mean[None]))).sum(0)
        spread = variance > 0  # the derivative of a square root at 0 is infinite
        return mean, jnp.where(spread, jnp.sqrt(jnp.where(spread, variance, 1.0)), 0.0)

    def static(self) -> dict[str, Any]:
        """See ``Form``."""
        from nagjax.predictors.forms.registry import describe

        return {"inner": [describe(one) for one in self.inner]}

    def arrays(self) -> dict[str, Any]:
        """See ``Form``."""
        inner = {f"{k}": one.arrays() for k, one in enumerate(self.inner)}
        return {"inner": inner, "weights": self.weights, "levels": self.levels}

    @classmethod
    def restore(cls, static: Mapping[str, Any], arrays: Mapping[str, Any]) -> Self:
        """See ``Form``."""
        from nagjax.predictors.forms.registry import restore

        inner = [restore(config, arrays["inner"][f"{k}"]) for k, config in enumerate(static["inner"])]
        return cls(tuple(inner), arrays["weights"], arrays["levels"])


def mixed(forms: Sequence[Form], weights: Sequence[float], levels: np.ndarray) -> Mix:
    """The form ``mix`` of K forms; ``levels`` ``[M]`` as ``nagjax.predictors.forms.scores.score_levels`` gives them.

    Raises:
      ValueError: if a form tells ranks, which have no score among qualities, or weights are not K positive numbers.
    """
    ranks = [one.form for one in forms if one.rank_valued]
    if ranks:
        raise ValueError(f"a mix of {', '.join(ranks)}, which tells ranks: mix what tells qualities (calibrate=true)")
    shares = np.asarray(weights, np.float64)
    if shares.shape != (len(forms),) or not (np.isfinite(shares) & (shares > 0)).all():
        raise ValueError(f"weights={list(weights)}: give {len(forms)} positive numbers, one a form")
    return Mix(tuple(forms), jnp.asarray(shares / shares.sum(), jnp.float32), jnp.asarray(levels, jnp.float32))
