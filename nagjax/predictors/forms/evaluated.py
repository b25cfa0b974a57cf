"""The form ``evaluated``: what is known in truth is told as it is, all else by an inner form.

A predictor's best is too good to be true more often than not (the winner's curse); beside it stand the architectures
that were evaluated, with no deviation at all.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Self

import flax.struct
import jax
import jax.numpy as jnp
import numpy as np

from nagjax.predictors.forms.form import Defaults, Form

LARGEST = 2**31 - 1


@flax.struct.dataclass
class Evaluated(Defaults):
    """Qualities of N architectures, and an inner form for all others.

    Attributes:
      inner: the form that is asked.
      tokens: int32 ``[N, T]``, canonical, in the order of their hashes.
      quality: float32 ``[N]``.
      factors: int32 ``[T]``; the hash of an architecture is its tokens' product with them, different for each of the N.
      hashes: int32 ``[N]``, rising.
    """

    form: ClassVar[str] = "evaluated"
    differentiable: ClassVar[bool] = False

    inner: Any
    tokens: jax.Array
    quality: jax.Array
    factors: jax.Array
    hashes: jax.Array

    @property
    def known(self) -> jax.Array | None:
        """Those of the inner form."""
        known: jax.Array | None = self.inner.known
        return known

    def __call__(self, tokens: jax.Array, features: jax.Array) -> tuple[jax.Array, jax.Array]:
        """See ``Form``."""
        mean, std = self.inner(tokens, features)
        place = jnp.searchsorted(self.hashes, tokens @ self.factors)
        row = jnp.minimum(place, self.hashes.shape[0] - 1)
        known = (self.tokens[row] == tokens).all(-1)  # others may have the hash too
        return jnp.where(known, self.quality[row], mean), jnp.where(known, 0.0, std)

    def static(self) -> dict[str, Any]:
        """See ``Form``."""
        from nagjax.predictors.forms.registry import describe

        return {"inner": describe(self.inner)}

    def arrays(self) -> dict[str, Any]:
        """See ``Form``."""
        own = {name: getattr(self, name) for name in ("tokens", "quality", "factors", "hashes")}
        return {"inner": self.inner.arrays(), **own}

    @classmethod
    def restore(cls, static: Mapping[str, Any], arrays: Mapping[str, Any]) -> Self:
        """See ``Form``."""
        from nagjax.predictors.forms.registry import restore

        inner = restore(static["inner"], arrays["inner"])
        return cls(inner, **{name: array for name, array in arrays.items() if name != "inner"})


def with_evaluated(inner: Form, tokens: np.ndarray, quality: np.ndarray) -> Evaluated:
    """The form ``evaluated`` around another.

    Args:
      inner: the form that is asked about all others; a quality and not a rank.
      tokens: int32 ``[N, T]``, canonical, different, at least one.
      quality: float64 ``[N]``, fractions 0..1.

    Raises:
      ValueError: if the inner form tells ranks, which qualities cannot stand beside.
    """
    if inner.rank_valued:
        raise ValueError(
            "the predictor tells ranks, and evaluated qualities cannot stand beside them; fit a predictor of quality "
            "(kind gp, ridge, or mlp with loss=mse)"
        )
    factors, hashes = _hashed(np.asarray(tokens, np.int32))
    order = np.argsort(hashes)
    return Evaluated(
        inner, jnp.asarray(tokens[order], jnp.int32), jnp.asarray(quality[order], jnp.float32), jnp.asarray(factors),
        jnp.asarray(hashes[order]),
    )  # fmt: skip


def _hashed(tokens: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Factors int32 ``[T]`` and hashes int32 ``[N]`` that differ from each other; int32 products wrap as XLA's do."""
    rng = np.random.default_rng(0)
    while True:
        factors = rng.integers(1, LARGEST, tokens.shape[1], dtype=np.int32)
        with np.errstate(over="ignore"):
            hashes: np.ndarray = np.sum(tokens * factors, axis=1, dtype=np.int32)
        if len(np.unique(hashes)) == len(hashes):
            return factors, hashes
