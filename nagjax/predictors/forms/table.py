"""The form ``table``: the quality of every architecture of a small space, looked up."""

from __future__ import annotations

from typing import ClassVar

import flax.struct
import jax
import jax.numpy as jnp
import numpy as np

from nagjax.predictors.forms.form import Defaults, check_inputs
from nagjax.spaces import trellis as tl
from nagjax.spaces.space import Space
from nagjax.spaces.trellis import walk_nodes


@flax.struct.dataclass
class TabularQuality(Defaults):
    """Quality of every architecture of a small space, looked up.

    Attributes:
      offset: int32 ``[T, S, C]``; the offsets along a path add up to the path's rank among all of them.
      target: int32 ``[T, S, C]``, the space's graph.
      values: float32 ``[N]``, quality in the order of ``trellis.enumerate_paths``.
    """

    form: ClassVar[str] = "table"
    looked_up: ClassVar[bool] = True
    differentiable: ClassVar[bool] = False

    offset: jax.Array
    target: jax.Array
    values: jax.Array

    @property
    def known(self) -> None:
        """None: every architecture has a quality."""
        return

    def __call__(self, tokens: jax.Array, features: jax.Array) -> tuple[jax.Array, jax.Array]:
        """See ``Form``."""
        check_inputs(self, tokens, features)
        del features
        nodes = walk_nodes(self.target, tokens)
        rank = self.offset[jnp.arange(tokens.shape[1]), nodes, tokens].sum(-1)
        mean = self.values[rank]
        return mean, jnp.zeros_like(mean)


def tabular_quality(space: Space, tokens: np.ndarray, values: np.ndarray) -> TabularQuality:
    """Quality looked up for every architecture of ``space``: tokens ``[N, T]`` in any order, values fractions ``[N]``.

    Raises:
      ValueError: if an architecture is missing.
    """
    graph = space.trellis
    totals = tl.count(graph.target, graph.valid)
    offset = np.zeros(graph.shape, np.int32)
    for t in range(graph.shape[0]):
        through = np.where(graph.valid[t], np.array(totals[t + 1])[graph.target[t]], 0)
        offset[t] = np.cumsum(through, -1) - through
    dense = np.full(totals[0][0], np.nan, np.float32)
    dense[space.path_values(tokens, offset).sum(-1)] = values
    if np.isnan(dense).any():
        raise ValueError(f"{int(np.isnan(dense).sum())} of {len(dense)} architectures of {space.name} have no quality")
    return TabularQuality(*jax.device_put((offset, graph.target, dense)))
