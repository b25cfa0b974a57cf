"""The kind ``average_pool``: the mean of a window of 3 x 3 pixels that lie in the map, stride 1."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np

from nagjax.operators.kind import Applied, Graph, OperatorKind, Parameters, Statistics
from nagjax.operators.operator import Operator

SIDE = 3


def average_pool(side: int, channels: int) -> Operator:
    """The operator.

    >>> average_pool(8, 16).key
    'average_pool-8x8x16-8x8x16-k3-s1'
    """
    return Operator("average_pool", side, side, channels, channels, kernel=SIDE, norm=False)


def make() -> OperatorKind:
    """The kind."""
    examples = (average_pool(5, 8), average_pool(8, 3))
    return OperatorKind("average_pool", lambda _: 0, lambda _: {}, examples, init=lambda *_: {}, apply=_apply,
                        nodes=_nodes)  # fmt: skip


def _apply(_op: Operator, _parameters: Parameters, x: jax.Array, _statistics: Statistics | None) -> Applied:
    rows = _three(x, 1)
    columns = _three(rows, 2)
    height, width = x.shape[1:3]
    share = 1 / np.outer(_within(height), _within(width))
    return columns * jnp.asarray(share[None, :, :, None], x.dtype), {}


def _three(x: jax.Array, axis: int) -> jax.Array:
    """Sums of each row (axis 1) or column (axis 2) and its neighbours: shifted sums run faster than a window's."""
    length = x.shape[axis]
    padded = jnp.pad(x, [(1, 1) if at == axis else (0, 0) for at in range(x.ndim)])
    parts = [jax.lax.slice_in_dim(padded, at, at + length, axis=axis) for at in range(SIDE)]
    return parts[0] + parts[1] + parts[2]


def _within(length: int) -> np.ndarray:
    """How many of the three lie within a map of this side, at each place."""
    at = np.arange(length)
    counted: np.ndarray = 1 + (at > 0) + (at < length - 1)
    return counted


def _nodes(graph: Graph, _op: Operator, _parameters: Parameters, _statistics: Statistics, x: str) -> str:
    return graph.add("AveragePool", x, kernel_shape=[SIDE, SIDE], pads=[1, 1, 1, 1], count_include_pad=0)
