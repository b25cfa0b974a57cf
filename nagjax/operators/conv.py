"""The kind ``conv``: a convolution, its batch norm and its activation."""

from __future__ import annotations

import jax
import numpy as np

from nagjax.operators.kind import Applied, Graph, OperatorKind, Parameters, Shapes, Statistics, Watch
from nagjax.operators.layers import Norm, activated, add_activation, conv2d, folded, fresh, norm_shapes
from nagjax.operators.operator import Operator


def make() -> OperatorKind:
    """The kind."""
    examples = (
        Operator("conv", 8, 4, 3, 8, kernel=3, stride=2, activation="h_swish"),
        Operator("conv", 5, 5, 3, 8, norm=False, activation="relu6"),
        Operator("conv", 1, 1, 8, 4, norm=False),
    )
    return OperatorKind(
        "conv", _madds, _shapes, examples, init=_init, apply=_apply, nodes=_nodes,
        watched=lambda op, parameters, x, watch: _apply(op, parameters, x, None, watch)[0],
    )  # fmt: skip


def _madds(op: Operator) -> int:
    return op.kernel**2 * op.in_channels * op.out_channels * op.out_size**2


def _shapes(op: Operator) -> Shapes:
    out: Shapes = {"weights": (op.kernel, op.kernel, op.in_channels, op.out_channels)}
    return out | (norm_shapes("norm", op.out_channels) if op.norm else {})


def _init(key: jax.Array, op: Operator) -> dict[str, jax.Array]:
    return fresh(key, _shapes(op))


def _apply(
    op: Operator, parameters: Parameters, x: jax.Array, statistics: Statistics | None, watch: Watch | None = None
) -> Applied:
    norm = Norm(parameters, statistics)
    y = conv2d(x, parameters["weights"].astype(x.dtype), op.stride)
    y = norm("norm", y) if op.norm else y
    return activated(watch, "out", op.activation, y), norm.used


def _nodes(graph: Graph, op: Operator, parameters: Parameters, statistics: Statistics, x: str) -> str:
    weights: np.ndarray = parameters["weights"].transpose(3, 2, 0, 1)
    bias = None
    if op.norm:
        weights, bias = folded(weights, parameters, statistics, "norm")
    return add_activation(graph, op.activation, graph.conv(x, weights, bias, op.stride))
