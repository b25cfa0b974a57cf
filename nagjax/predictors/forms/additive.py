"""The form ``additive``: values add up over the edges of a path, so that a learned cost of this form is edge prices."""

from __future__ import annotations

from typing import ClassVar

import flax.struct
import jax
import jax.numpy as jnp

from nagjax.predictors.forms.form import Defaults, check_inputs
from nagjax.spaces.trellis import walk_nodes


@flax.struct.dataclass
class Additive(Defaults):
    """The sum of ``values`` over the edges of a path, without a deviation.

    What an edge adds may depend on what its node carries (a resolution), which no weight of a path feature can.
    ``nagjax.learned.prices`` makes prices of it.

    Attributes:
      target: int32 ``[T, S, C]``, the graph of the space.
      values: float32 ``[T, S, C]``, what an edge adds; 0 where there is none.
      known: bool ``[F]``, path features that it has seen.
      ranks: whether the sums, still 0..1, tell the order of architectures and are no quality.

    >>> graph = jnp.array([[[0, 1], [0, 0]], [[0, 0], [0, 0]]])
    >>> values = jnp.array([[[0.25, 0.5], [0.0, 0.0]], [[0.125, 0.0], [0.0, 0.25]]])
    >>> Additive(graph, values, jnp.ones(0, bool))(jnp.array([[0, 0], [1, 1]]), jnp.zeros((2, 0)))[0].tolist()
    [0.375, 0.75]
    """

    form: ClassVar[str] = "additive"
    differentiable: ClassVar[bool] = False

    target: jax.Array
    values: jax.Array
    known: jax.Array
    ranks: bool = flax.struct.field(pytree_node=False, default=False)

    @property
    def rank_valued(self) -> bool:
        """See ``Form``."""
        return self.ranks

    @property
    def edge_values(self) -> jax.Array:
        """See ``Form``."""
        return self.values

    def __call__(self, tokens: jax.Array, features: jax.Array) -> tuple[jax.Array, jax.Array]:
        """See ``Form``."""
        check_inputs(self, tokens, features)
        nodes = walk_nodes(self.target, tokens)
        mean = self.values[jnp.arange(tokens.shape[1]), nodes, tokens].sum(-1)
        return mean, jnp.zeros_like(mean)
