"""The form ``gaussian_process``: what records say of architectures with similar path features, and how sure that is."""

from __future__ import annotations

import dataclasses
from typing import Any, ClassVar

import flax.struct
import jax
import jax.numpy as jnp
import numpy as np

from nagjax.predictors.forms.form import Defaults, check_inputs
from nagjax.predictors.forms.scores import at_score

LEAST = 1e-12
"""Of a variance, as a share of the prior's: rounding makes it negative at a record."""


@flax.struct.dataclass
class GaussianProcess(Defaults):
    """A Gaussian process, given N records: a smooth part, and a rough one that reaches less far.

    The covariance is ``amplitude^2 (near(length) + rough near(short))``, ``near(l) = exp(-|x - y|^2 / (2 l^2))``,
    where x and y are path features, or what ``transform`` makes of them.

    Attributes:
      support: float32 ``[N, F]``, path features of the records; ``[N, G]`` where they are transformed.
      alpha: float32 ``[N]``; the mean score is ``covariance with the records @ alpha``.
      whiten: float32 ``[N, N]``; the prior's variance is lessened by ``|whiten @ covariance with the records|^2``.
      length, amplitude: float32.
      levels: float32 ``[M]``, the quality at scores, as ``at_score`` takes them; rising.
      known: bool ``[F]``, path features that it has seen.
      short, rough: float32, length of the rough part, and its variance as a share of the smooth one's, 0 for none.
      transform: float32 ``[F, G]``, ``features @ transform`` is what is compared; None where it is features themselves.

    The deviation is of the quality itself: noise of the labels is not in it. That of the score grows to ``amplitude``
    away from all records; the quality's is half the way between the scores one deviation above and below.
    """

    form: ClassVar[str] = "gaussian_process"

    support: jax.Array
    alpha: jax.Array
    whiten: jax.Array
    length: jax.Array
    amplitude: jax.Array
    levels: jax.Array
    known: jax.Array
    short: jax.Array = dataclasses.field(default_factory=lambda: jnp.float32(1.0))
    rough: jax.Array = dataclasses.field(default_factory=lambda: jnp.float32(0.0))
    transform: jax.Array | None = None

    def arrays(self) -> dict[str, Any]:
        """See ``Form``: without the transform where there is none, as in files from before there was one."""
        return {name: value for name, value in super().arrays().items() if value is not None}

    def padded(self, capacity: int) -> GaussianProcess:
        """See ``Defaults``: records that weigh nothing are added."""
        more = capacity - self.support.shape[0]
        if more <= 0:
            return self
        # On the host: every number of records would be a compilation otherwise.
        return dataclasses.replace(
            self,
            support=jnp.asarray(np.pad(np.asarray(self.support), ((0, more), (0, 0)))),
            alpha=jnp.asarray(np.pad(np.asarray(self.alpha), (0, more))),
            whiten=jnp.asarray(np.pad(np.asarray(self.whiten), ((0, more), (0, more)))),
        )

    def __call__(self, tokens: jax.Array, features: jax.Array) -> tuple[jax.Array, jax.Array]:
        """See ``Form``."""
        check_inputs(self, tokens, features)
        del tokens
        precise = jax.lax.Precision.HIGHEST
        if self.transform is not None:
            features = jnp.matmul(features, self.transform, precision=precise)
        squares = jnp.square(features).sum(-1)[:, None] + jnp.square(self.support).sum(-1)[None]
        distance = squares - 2 * jnp.matmul(features, self.support.T, precision=precise)
        smooth, rough = (
            jnp.exp(-jnp.maximum(distance, 0.0) / (2 * jnp.square(of))) for of in (self.length, self.short)
        )
        near = jnp.square(self.amplitude) * (smooth + self.rough * rough)
        score = jnp.matmul(near, self.alpha, precision=precise)
        told = jnp.square(jnp.matmul(near, self.whiten.T, precision=precise)).sum(-1)
        prior = jnp.square(self.amplitude) * (1 + self.rough)
        off = jnp.sqrt(jnp.maximum(prior - told, LEAST * prior))
        low, mean, high = (at_score(score + by, self.levels) for by in (-off, 0.0, off))
        return mean, (high - low) / 2
