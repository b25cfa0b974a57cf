"""The kind ``pooled_head``: a layer norm, the mean of all rows and a linear layer, rows ``[N, L, C]`` to ``[N, V]``."""

from __future__ import annotations

import jax

from nagjax.operators.kind import Applied, Graph, OperatorKind, Parameters, Statistics
from nagjax.operators.operator import Operator
from nagjax.operators.sequences import BYTES, add_norm, head_init, head_shapes, layer_norm, rows, typed


def pooled_head(length: int, width: int, classes: int) -> Operator:
    """The operator.

    >>> pooled_head(16, 32, 10).key
    'pooled_head-16x16x32-1x1x10-k1-s1'
    """
    return Operator("pooled_head", length, 1, width, classes, norm=False)


def make() -> OperatorKind:
    """The kind."""
    return OperatorKind(
        "pooled_head",
        lambda op: op.in_channels * op.out_channels,
        head_shapes,
        (pooled_head(6, 8, 5), pooled_head(3, 4, 9)),
        init=head_init,
        apply=_apply,
        nodes=_nodes,
        traffic=lambda op: BYTES * (2 * op.in_channels + (op.in_channels + 1) * op.out_channels) + _held(op),
        peak=_held,
        input_shape=rows,
    )


def _held(op: Operator) -> int:
    """Bytes of what it takes and gives."""
    return BYTES * (op.in_size * op.in_channels + op.out_channels)


def _apply(_op: Operator, parameters: Parameters, x: jax.Array, _statistics: Statistics | None) -> Applied:
    weights, bias = typed(parameters, ("weights", "bias"), x)
    return layer_norm(parameters, x).mean(1) @ weights + bias[None], {}


def _nodes(graph: Graph, _op: Operator, parameters: Parameters, _statistics: Statistics, x: str) -> str:
    pooled = graph.add("ReduceMean", add_norm(graph, parameters, x), axes=[1], keepdims=0)
    return graph.add("Gemm", pooled, graph.constant(parameters["weights"]), graph.constant(parameters["bias"]))
