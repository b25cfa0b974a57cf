"""The form ``linear``: quality adds up over path features."""

from __future__ import annotations

from typing import ClassVar

import flax.struct
import jax
import jax.numpy as jnp

from nagjax.predictors.forms.form import Defaults, check_inputs


@flax.struct.dataclass
class Linear(Defaults):
    """``offset + features @ weights``, without a deviation.

    Attributes:
      weights: float32 ``[F]``.
      offset: float32.
      known: bool ``[F]``, path features that it has seen.

    >>> linear = Linear(jnp.array([0.25, 0.5]), jnp.array(0.125), jnp.ones(2, bool))
    >>> linear(jnp.zeros((2, 1), int), jnp.array([[1.0, 0.0], [1.0, 1.0]]))[0].tolist()
    [0.375, 0.875]
    """

    form: ClassVar[str] = "linear"

    weights: jax.Array
    offset: jax.Array
    known: jax.Array

    @property
    def feature_weights(self) -> jax.Array:
        """See ``Form``."""
        return self.weights

    def __call__(self, tokens: jax.Array, features: jax.Array) -> tuple[jax.Array, jax.Array]:
        """See ``Form``."""
        check_inputs(self, tokens, features)
        del tokens
        mean = self.offset + features @ self.weights
        return mean, jnp.zeros_like(mean)
