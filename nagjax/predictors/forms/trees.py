"""The form ``trees``: a sum of regression trees on path features, as arrays that a few gathers walk through."""

from __future__ import annotations

from typing import ClassVar

import flax.struct
import jax
import jax.numpy as jnp

from nagjax.predictors.forms.form import Defaults, check_inputs


@flax.struct.dataclass
class Trees(Defaults):
    """The sum of M trees of at most N nodes each, without a deviation.

    A node sends an architecture to ``left`` where its feature is at most the threshold, else to ``right``; a leaf sends
    it to itself. Node 0 is the root; padding is never reached.

    Attributes:
      feature: int32 ``[M, N]``, path feature that a node asks for.
      threshold: float32 ``[M, N]``.
      left, right: int32 ``[M, N]``, nodes of the same tree.
      value: float32 ``[M, N]``, what a leaf adds to the quality.
      known: bool ``[F]``, path features that it has seen.
      depth: edges from the root to the deepest leaf, at most.

    >>> stump = Trees(*(jnp.array([row]) for row in ([1, 0, 0], [0.5, 0, 0], [1, 1, 2], [2, 1, 2], [0, 0.25, 0.75])),
    ...               jnp.ones(2, bool), 1)
    >>> stump(jnp.zeros((2, 1), int), jnp.array([[1.0, 0.0], [0.0, 1.0]]))[0].tolist()
    [0.25, 0.75]
    """

    form: ClassVar[str] = "trees"
    differentiable: ClassVar[bool] = False

    feature: jax.Array
    threshold: jax.Array
    left: jax.Array
    right: jax.Array
    value: jax.Array
    known: jax.Array
    depth: int = flax.struct.field(pytree_node=False)

    def __call__(self, tokens: jax.Array, features: jax.Array) -> tuple[jax.Array, jax.Array]:
        """See ``Form``."""
        check_inputs(self, tokens, features)
        tree = jnp.arange(self.value.shape[0])[None]

        def deeper(_: int, node: jax.Array) -> jax.Array:
            asked = jnp.take_along_axis(features, self.feature[tree, node], 1)
            return jnp.where(asked <= self.threshold[tree, node], self.left[tree, node], self.right[tree, node])

        start = jnp.zeros((tokens.shape[0], self.value.shape[0]), jnp.int32)
        leaf = jax.lax.fori_loop(0, self.depth, deeper, start)
        mean = self.value[tree, leaf].sum(-1)
        return mean, jnp.zeros_like(mean)
