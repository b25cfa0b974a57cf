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
from nagjax.spaces.members import Members, members


@flax.struct.dataclass
class Evaluated(Defaults):
    """Qualities of N architectures, and an inner form for all others.

    Attributes:
      inner: the form that is asked.
      members: the N, and ``find``.
      quality: float32 ``[N]``, in their order.
    """

    form: ClassVar[str] = "evaluated"
    differentiable: ClassVar[bool] = False

    inner: Any
    members: Members
    quality: jax.Array

    @property
    def known(self) -> jax.Array | None:
        """Those of the inner form."""
        known: jax.Array | None = self.inner.known
        return known

    @property
    def evaluated(self) -> jax.Array | None:
        """See ``Form``."""
        return self.members.tokens

    def __call__(self, tokens: jax.Array, features: jax.Array) -> tuple[jax.Array, jax.Array]:
        """See ``Form``."""
        mean, std = self.inner(tokens, features)
        row, known = self.members.find(tokens)
        return jnp.where(known, self.quality[row], mean), jnp.where(known, 0.0, std)

    def static(self) -> dict[str, Any]:
        """See ``Form``."""
        from nagjax.predictors.forms.registry import describe

        return {"inner": describe(self.inner)}

    def arrays(self) -> dict[str, Any]:
        """See ``Form``."""
        listed = {name: getattr(self.members, name) for name in ("tokens", "factors", "hashes")}
        return {"inner": self.inner.arrays(), "quality": self.quality, **listed}

    @classmethod
    def restore(cls, static: Mapping[str, Any], arrays: Mapping[str, Any]) -> Self:
        """See ``Form``."""
        from nagjax.predictors.forms.registry import restore

        inner = restore(static["inner"], arrays["inner"])
        return cls(inner, Members(arrays["tokens"], arrays["factors"], arrays["hashes"]), arrays["quality"])


def with_evaluated(inner: Form, tokens: np.ndarray, quality: np.ndarray) -> Evaluated:
    """The form ``evaluated`` of tokens int32 ``[N, T]``, at least one, around a form that is asked about all others.

    Tokens are canonical and different, qualities fractions float64 ``[N]``.

    Raises:
      ValueError: if the inner form tells ranks, which qualities cannot stand beside.
    """
    if inner.rank_valued:
        raise ValueError(
            "the predictor tells ranks, and evaluated qualities cannot stand beside them; fit a predictor of quality "
            "(kind gp, ridge, or mlp with loss=mse)"
        )
    listed, order = members(tokens)
    return Evaluated(inner, listed, jnp.asarray(quality[order], jnp.float32))
