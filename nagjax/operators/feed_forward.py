"""The kind ``feed_forward``: two linear layers with a ReLU between them after a layer norm, with a residual connection.

Rows ``[N, L, C]``; as in Vaswani et al. (arXiv 1706.03762, section 3.3), with the norm before it.
"""

from __future__ import annotations

import jax

from nagjax.operators import sequences
from nagjax.operators.kind import Applied, Graph, OperatorKind, Parameters, Shapes, Statistics, Watch
from nagjax.operators.layers import activated
from nagjax.operators.operator import Operator

HIDDEN = "hidden"
"""What its activation is watched by."""

NAMES = ("up", "up_bias", "down", "down_bias")


def feed_forward(length: int, width: int, hidden: int) -> Operator:
    """The operator.

    >>> feed_forward(64, 32, 64).key
    'feed_forward-64x64x32-64x64x32-k1-s1-m64-relu-skip'
    """
    return Operator(
        "feed_forward", length, length, width, width, mid_channels=hidden, activation="relu", skip=True, norm=False
    )


def make() -> OperatorKind:
    """The kind."""
    return OperatorKind(
        "feed_forward",
        lambda op: 2 * op.in_size * op.in_channels * op.mid_channels,
        _shapes,
        (feed_forward(6, 8, 12), feed_forward(3, 4, 16)),
        init=lambda key, op: sequences.drawn(key, _shapes(op)),
        apply=_apply,
        nodes=_nodes,
        step=sequences.each_alone(_apply),
        traffic=lambda op: sequences.row_bytes(op, op.mid_channels * (2 * op.in_channels + 1) + 3 * op.in_channels),
        peak=lambda op: sequences.held_bytes(op, op.mid_channels),
        input_shape=sequences.rows,
        watched=lambda op, parameters, x, watch: _apply(op, parameters, x, None, watch)[0],
    )


def _shapes(op: Operator) -> Shapes:
    width, hidden = op.in_channels, op.mid_channels
    layers = {"up": (width, hidden), "up_bias": (hidden,), "down": (hidden, width), "down_bias": (width,)}
    return {**sequences.norm_shapes(width), **layers}


def _apply(
    op: Operator, parameters: Parameters, x: jax.Array, _statistics: Statistics | None, watch: Watch | None = None
) -> Applied:
    up, up_bias, down, down_bias = sequences.typed(parameters, NAMES, x)
    hidden = activated(watch, HIDDEN, op.activation, sequences.layer_norm(parameters, x) @ up + up_bias[None, None])
    return x + hidden @ down + down_bias[None, None], {}


def _nodes(graph: Graph, _op: Operator, parameters: Parameters, _statistics: Statistics, x: str) -> str:
    up, up_bias, down, down_bias = (graph.constant(parameters[name]) for name in NAMES)
    hidden = graph.add(
        "Relu", graph.add("Add", graph.add("MatMul", sequences.add_norm(graph, parameters, x), up), up_bias)
    )
    return graph.add("Add", x, graph.add("Add", graph.add("MatMul", hidden, down), down_bias))
