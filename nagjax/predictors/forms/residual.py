"""The form ``residual``: a sum over the edges of a path, and what another form says that lies above it.

The sum is a lower bound of the whole by construction, for every architecture: what lies above it is cut off at 0. So a
learned cost of this form has a mask, of its sum, that never closes an architecture whose cost is within the budget.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Self

import flax.struct
import jax
import jax.numpy as jnp

from nagjax.predictors.forms.additive import Additive
from nagjax.predictors.forms.form import Defaults


@flax.struct.dataclass
class Residual(Defaults):
    """``base * (1 + share)`` with a share of 0 or above.

    Attributes:
      inner: the form that tells the share, ``offset + reach * inner``; of what it says only 0..1 counts.
      base: the sum over edges.
      reach, offset: float32.
    """

    form: ClassVar[str] = "residual"
    differentiable: ClassVar[bool] = False

    inner: Any
    base: Additive
    reach: jax.Array
    offset: jax.Array

    @property
    def known(self) -> jax.Array:
        """What both know."""
        known: jax.Array | None = self.inner.known
        return self.base.known if known is None else self.base.known & known

    def share(self, tokens: jax.Array, features: jax.Array) -> tuple[jax.Array, jax.Array]:
        """How far above the sum, as a share of it, and its deviation: float32 ``[B]``; arguments as a form's call."""
        mean, std = self.inner(tokens, features)
        return jnp.maximum(self.offset + self.reach * jnp.clip(mean, 0.0, 1.0), 0.0), self.reach * std

    def __call__(self, tokens: jax.Array, features: jax.Array) -> tuple[jax.Array, jax.Array]:
        """See ``Form``."""
        least, _ = self.base(tokens, features)
        share, std = self.share(tokens, features)
        return least * (1 + share), least * std

    def static(self) -> dict[str, Any]:
        """See ``Form``."""
        from nagjax.predictors.forms.registry import describe

        return {"inner": describe(self.inner), "base": self.base.static()}

    def arrays(self) -> dict[str, Any]:
        """See ``Form``."""
        return {"inner": self.inner.arrays(), "base": self.base.arrays(), "reach": self.reach, "offset": self.offset}

    @classmethod
    def restore(cls, static: Mapping[str, Any], arrays: Mapping[str, Any]) -> Self:
        """See ``Form``."""
        from nagjax.predictors.forms.registry import restore

        base = Additive.restore(static["base"], arrays["base"])
        return cls(restore(static["inner"], arrays["inner"]), base, arrays["reach"], arrays["offset"])
