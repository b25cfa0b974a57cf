"""The kind ``relu_conv``: a ReLU, a convolution and its batch norm, the order of cells (Dong and Yang 2020)."""

from __future__ import annotations

import jax

from nagjax.operators import full_conv
from nagjax.operators.kind import Applied, Graph, OperatorKind, Parameters, Statistics
from nagjax.operators.operator import Operator

CONV = full_conv.make()


def relu_conv(side: int, channels: int, kernel: int) -> Operator:
    """The operator, which keeps the shape of a map.

    >>> relu_conv(8, 16, 3).key
    'relu_conv-8x8x16-8x8x16-k3-s1-bn'
    """
    return Operator("relu_conv", side, side, channels, channels, kernel=kernel)


def make() -> OperatorKind:
    """The kind."""
    examples = (relu_conv(5, 8, 1), relu_conv(6, 4, 3))
    return OperatorKind("relu_conv", CONV.madds, CONV.shapes, examples, init=CONV.init, apply=_apply, nodes=_nodes)


def _apply(op: Operator, parameters: Parameters, x: jax.Array, statistics: Statistics | None) -> Applied:
    assert CONV.apply is not None
    return CONV.apply(op, parameters, jax.nn.relu(x), statistics)


def _nodes(graph: Graph, op: Operator, parameters: Parameters, statistics: Statistics, x: str) -> str:
    assert CONV.nodes is not None
    return CONV.nodes(graph, op, parameters, statistics, graph.add("Relu", x))
