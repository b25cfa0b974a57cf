"""The form ``kernel``: a weighted sum of similarities to some records, as support vector regression gives it."""

from __future__ import annotations

import dataclasses
from typing import ClassVar

import flax.struct
import jax
import jax.numpy as jnp
import numpy as np

from nagjax.predictors.forms.form import Defaults, check_inputs


@flax.struct.dataclass
class Kernel(Defaults):
    """``offset + sum_i weights_i exp(-|x - support_i|^2 / (2 length^2))``, without a deviation.

    Attributes:
      support: float32 ``[N, F]``, path features of records.
      weights: float32 ``[N]``.
      offset, length: float32.
      known: bool ``[F]``, path features that it has seen.

    >>> kernel = Kernel(jnp.zeros((1, 2)), jnp.array([0.25]), jnp.array(0.5), jnp.array(1.0), jnp.ones(2, bool))
    >>> kernel(jnp.zeros((2, 1), int), jnp.array([[0.0, 0.0], [9.0, 9.0]]))[0].tolist()
    [0.75, 0.5]
    """

    form: ClassVar[str] = "kernel"

    support: jax.Array
    weights: jax.Array
    offset: jax.Array
    length: jax.Array
    known: jax.Array

    def padded(self, capacity: int) -> Kernel:
        """See ``Defaults``: records that weigh nothing are added."""
        more = max(capacity - self.support.shape[0], 0)
        # On the host: every number of records would be a compilation otherwise.
        support = np.pad(np.asarray(self.support), ((0, more), (0, 0)))
        weights = np.pad(np.asarray(self.weights), (0, more))
        return dataclasses.replace(self, support=jnp.asarray(support), weights=jnp.asarray(weights))

    def __call__(self, tokens: jax.Array, features: jax.Array) -> tuple[jax.Array, jax.Array]:
        """See ``Form``."""
        check_inputs(self, tokens, features)
        del tokens
        precise = jax.lax.Precision.HIGHEST
        squares = jnp.square(features).sum(-1)[:, None] + jnp.square(self.support).sum(-1)[None]
        distance = jnp.maximum(squares - 2 * jnp.matmul(features, self.support.T, precision=precise), 0.0)
        near = jnp.exp(-distance / (2 * jnp.square(self.length)))
        mean = self.offset + jnp.matmul(near, self.weights, precision=precise)
        return mean, jnp.zeros_like(mean)
