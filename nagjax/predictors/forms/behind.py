"""The form ``behind``: the quality of an architecture behind a context that it does not depend on, such as a device."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Self

import flax.struct
import jax
import jax.numpy as jnp

from nagjax.predictors.forms.form import Defaults, check_inputs


@flax.struct.dataclass
class Behind(Defaults):
    """What an inner form says of the architecture without its first decision, the same for every context.

    Attributes:
      inner: the form of the space behind the context.
      contexts: N; the first N path features tell the context, and are left out as well.
    """

    form: ClassVar[str] = "behind"

    inner: Any
    contexts: int = flax.struct.field(pytree_node=False)

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
        """Nothing for the context, and those of the inner form."""
        weights = self.inner.feature_weights
        return None if weights is None else jnp.concatenate([jnp.zeros(self.contexts), weights])

    def __call__(self, tokens: jax.Array, features: jax.Array) -> tuple[jax.Array, jax.Array]:
        """See ``Form``."""
        check_inputs(self, tokens, features)
        mean, std = self.inner(tokens[:, 1:], features[:, self.contexts :])
        return mean, std

    def static(self) -> dict[str, Any]:
        """See ``Form``."""
        from nagjax.predictors.forms.registry import describe

        return {"inner": describe(self.inner), "contexts": self.contexts}

    def arrays(self) -> dict[str, Any]:
        """See ``Form``."""
        return {"inner": self.inner.arrays()}

    @classmethod
    def restore(cls, static: Mapping[str, Any], arrays: Mapping[str, Any]) -> Self:
        """See ``Form``."""
        from nagjax.predictors.forms.registry import restore

        return cls(restore(static["inner"], arrays["inner"]), static["contexts"])
