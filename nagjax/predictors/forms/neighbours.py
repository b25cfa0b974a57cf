"""The form ``neighbours``: the mean of an inner form over an architecture and all that differ from it in one decision.

It smooths a jagged predictor, and prefers optima that survive a small change (Wang et al., neighbourhood-aware
search, arXiv 2105.06369).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Self

import flax.struct
import jax
import jax.numpy as jnp

from nagjax.predictors.forms.form import Defaults, Form, check_inputs
from nagjax.spaces.space import Space


@flax.struct.dataclass
class Neighbours(Defaults):
    """The mean over an architecture and its neighbours, each counted once a choice, and the mean of their deviations.

    Attributes:
      inner: the form that is asked.
      target: int32 ``[T, S, C]``, the space's graph.
      valid: bool ``[T, S, C]``, its edges.
      features: int32 ``[T, S, C, J]``, path features of an edge, padded with F.
    """

    form: ClassVar[str] = "neighbours"

    inner: Any
    target: jax.Array
    valid: jax.Array
    features: jax.Array

    @property
    def known(self) -> jax.Array | None:
        """Those of the inner form."""
        known: jax.Array | None = self.inner.known
        return known

    @property
    def rank_valued(self) -> bool:
        """As the inner form."""
        return bool(self.inner.rank_valued)

    def __call__(self, tokens: jax.Array, features: jax.Array) -> tuple[jax.Array, jax.Array]:
        """See ``Form``."""
        check_inputs(self, tokens, features)
        num, layers, choices = tokens.shape[0], tokens.shape[1], self.target.shape[2]
        edit = jnp.eye(layers, dtype=bool)[:, None, None, :]
        token = jnp.arange(choices, dtype=jnp.int32)[None, :, None, None]
        edited = jnp.where(edit, token, tokens[None, None]).reshape(-1, layers)
        edited, exists, seen = self._walk(edited, features.shape[1])
        differs = (edited.reshape(-1, num, layers) != tokens[None]).any(-1)
        counts = jnp.concatenate([jnp.ones((1, num)), exists.reshape(-1, num) & differs]).astype(jnp.float32)
        mean, std = self.inner(jnp.concatenate([tokens, edited]), jnp.concatenate([features, seen]))
        weights = counts / counts.sum(0)[None]
        # Beyond the graph the inner form may say anything, NaN too.
        means, stds = (jnp.where(counts > 0, values.reshape(-1, num), 0.0) for values in (mean, std))
        return (weights * means).sum(0), (weights * stds).sum(0)

    def _walk(self, tokens: jax.Array, num_features: int) -> tuple[jax.Array, jax.Array, jax.Array]:
        """Tokens with 0 in what is closed, whether each exists, and path features float32 ``[N, F]``."""

        def step(state: tuple[jax.Array, jax.Array], layer: tuple[jax.Array, ...]) -> tuple[Any, Any]:
            node, exists = state
            target, valid, features, token = layer
            closed = valid[node].sum(-1) <= 1
            token = jnp.where(closed, jnp.argmax(valid[node], -1), token).astype(jnp.int32)
            exists &= valid[node, token]
            return (target[node, token], exists), (token, features[node, token])

        start = (jnp.zeros(tokens.shape[0], jnp.int32), jnp.ones(tokens.shape[0], bool))
        layers = (self.target, self.valid, self.features, tokens.T)
        (_, exists), (walked, index) = jax.lax.scan(step, start, layers)
        index = jnp.moveaxis(index, 0, 1).reshape(tokens.shape[0], -1)
        out = jnp.zeros((tokens.shape[0], num_features + 1), jnp.float32)
        return walked.T, exists, out.at[jnp.arange(tokens.shape[0])[:, None], index].add(1.0)[:, :-1]

    def static(self) -> dict[str, Any]:
        """See ``Form``."""
        from nagjax.predictors.forms.registry import describe

        return {"inner": describe(self.inner)}

    def arrays(self) -> dict[str, Any]:
        """See ``Form``."""
        graph = {"target": self.target, "valid": self.valid, "features": self.features}
        return {"inner": self.inner.arrays(), **graph}

    @classmethod
    def restore(cls, static: Mapping[str, Any], arrays: Mapping[str, Any]) -> Self:
        """See ``Form``."""
        from nagjax.predictors.forms.registry import restore

        inner = restore(static["inner"], arrays["inner"])
        return cls(inner, **{name: array for name, array in arrays.items() if name != "inner"})


def smoothed(space: Space, inner: Form) -> Neighbours:
    """The form ``neighbours`` around another, on a space."""
    graph = space.trellis
    return Neighbours(inner, jnp.asarray(graph.target), jnp.asarray(graph.valid), jnp.asarray(graph.features))
