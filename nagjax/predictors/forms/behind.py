"""The form ``behind``: the quality of an architecture behind a context, such as a device, which adds a number."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Self

import flax.struct
import jax
import jax.numpy as jnp
import numpy as np

from nagjax.predictors.forms.form import Defaults, check_inputs


@flax.struct.dataclass
class Behind(Defaults):
    """What an inner form says of the architecture without its first decision, and what the context adds.

    Attributes:
      inner: the form of the space behind the context.
      contexts: N; the first N path features tell the context, and are left out as well.
      change: float32 ``[N]``, added to the quality in each context, such as what int8 loses; None where all are alike.
    """

    form: ClassVar[str] = "behind"

    inner: Any
    contexts: int = flax.struct.field(pytree_node=False)
    change: jax.Array | None = None

    @property
    def known(self) -> jax.Array | None:
        """Every context, and what the inner form knows."""
        known = self.inner.known
        return None if known is None else jnp.concatenate([jnp.ones(self.contexts, bool), jnp.asarray(known)])

    @property
    def rank_valued(self) -> bool:
        """As the inner form."""
        return bool(self.inner.rank_valued)

    @property
    def feature_weights(self) -> jax.Array | None:
        """What each context adds, and the weights of the inner form."""
        weights = self.inner.feature_weights
        own = jnp.zeros(self.contexts) if self.change is None else jnp.asarray(self.change)
        return None if weights is None else jnp.concatenate([own, weights])

    def __call__(self, tokens: jax.Array, features: jax.Array) -> tuple[jax.Array, jax.Array]:
        """See ``Form``."""
        check_inputs(self, tokens, features)
        mean, std = self.inner(tokens[:, 1:], features[:, self.contexts :])
        return mean if self.change is None else mean + jnp.asarray(self.change)[tokens[:, 0]], std

    def static(self) -> dict[str, Any]:
        """See ``Form``."""
        from nagjax.predictors.forms.registry import describe

        return {"inner": describe(self.inner), "contexts": self.contexts}

    def arrays(self) -> dict[str, Any]:
        """See ``Form``."""
        own = {} if self.change is None else {"change": np.asarray(self.change)}
        return {"inner": self.inner.arrays(), **own}

    @classmethod
    def restore(cls, static: Mapping[str, Any], arrays: Mapping[str, Any]) -> Self:
        """See ``Form``."""
        from nagjax.predictors.forms.registry import restore

        change = None if "change" not in arrays else jnp.asarray(arrays["change"])
        return cls(restore(static["inner"], arrays["inner"]), static["contexts"], change)
