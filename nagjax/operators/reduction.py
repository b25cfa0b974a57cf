"""The kind ``reduction``: the residual block of stride 2 between stages of cells (He et al. 2016; Dong and Yang 2020).

Two ``relu_conv`` of 3 x 3, the first of stride 2; beside them a mean of 2 x 2 pixels and a 1x1 convolution.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp

from nagjax.operators.kind import Applied, Graph, OperatorKind, Parameters, Shapes, Statistics
from nagjax.operators.layers import Norm, conv2d, folded, fresh, norm_shapes
from nagjax.operators.operator import Operator

SIDE = 3


def reduction(side: int, inputs: int, outputs: int) -> Operator:
    """The operator, of an even side.

    >>> reduction(8, 16, 32).key
    'reduction-8x8x16-4x4x32-k3-s2-bn'
    """
    return Operator("reduction", side, side // 2, inputs, outputs, kernel=SIDE, stride=2)


def make() -> OperatorKind:
    """The kind."""
    examples = (reduction(6, 4, 8), reduction(4, 8, 8))
    return OperatorKind("reduction", _madds, _shapes, examples, init=_init, apply=_apply, nodes=_nodes)


def _madds(op: Operator) -> int:
    return op.out_size**2 * (SIDE**2 * (op.in_channels + op.out_channels) + op.in_channels) * op.out_channels


def _shapes(op: Operator) -> Shapes:
    inputs, outputs = op.in_channels, op.out_channels
    return {
        "first": (SIDE, SIDE, inputs, outputs), **norm_shapes("first_norm", outputs),
        "second": (SIDE, SIDE, outputs, outputs), **norm_shapes("second_norm", outputs),
        "beside": (1, 1, inputs, outputs),
    }  # fmt: skip


def _init(key: jax.Array, op: Operator) -> dict[str, jax.Array]:
    return fresh(key, _shapes(op))


def _apply(op: Operator, parameters: Parameters, x: jax.Array, statistics: Statistics | None) -> Applied:
    norm = Norm(parameters, statistics)
    weights = {name: parameters[name].astype(x.dtype) for name in ("first", "second", "beside")}
    y = norm("first_norm", conv2d(jax.nn.relu(x), weights["first"], op.stride))
    y = norm("second_norm", conv2d(jax.nn.relu(y), weights["second"], 1))
    return y + conv2d(_halved(x), weights["beside"], 1), norm.used


def _halved(x: jax.Array) -> jax.Array:
    """Means of 2 x 2 pixels."""
    batch, height, width, channels = x.shape
    tiles = x.reshape(batch, height // 2, 2, width // 2, 2, channels)
    return tiles.mean((2, 4), dtype=jnp.float32).astype(x.dtype)


def _nodes(graph: Graph, op: Operator, parameters: Parameters, statistics: Statistics, x: str) -> str:
    weights = {name: parameters[name].transpose(3, 2, 0, 1) for name in ("first", "second", "beside")}
    first = folded(weights["first"], parameters, statistics, "first_norm")
    y = graph.conv(graph.add("Relu", x), *first, op.stride)
    y = graph.conv(graph.add("Relu", y), *folded(weights["second"], parameters, statistics, "second_norm"))
    halved = graph.add("AveragePool", x, kernel_shape=[2, 2], strides=[2, 2])
    return graph.add("Add", y, graph.conv(halved, weights["beside"]))
