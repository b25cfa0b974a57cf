"""The kind ``full_conv``: a convolution, its batch norm and activation, and perhaps a residual connection.

Unlike ``conv`` it is as fast in a switch as outside, so elastic networks choose among such.
"""

from __future__ import annotations

import jax

from nagjax.convolution import convolution
from nagjax.operators import conv
from nagjax.operators.kind import Applied, Graph, OperatorKind, Parameters, Statistics
from nagjax.operators.layers import Norm, activate
from nagjax.operators.operator import Operator

CONV = conv.make()


def make() -> OperatorKind:
    """The kind."""
    examples = (
        Operator("full_conv", 5, 3, 3, 8, kernel=3, stride=2, activation="relu"),
        Operator("full_conv", 4, 4, 8, 8, kernel=3, activation="relu", skip=True),
    )
    return OperatorKind("full_conv", CONV.madds, CONV.shapes, examples, init=CONV.init, apply=_apply, nodes=_nodes)


def _apply(op: Operator, parameters: Parameters, x: jax.Array, statistics: Statistics | None) -> Applied:
    norm = Norm(parameters, statistics)
    y = convolution(x, parameters["weights"].astype(x.dtype), op.stride)
    y = activate(op.activation, norm("norm", y))
    return (y + x if op.skip else y), norm.used


def _nodes(graph: Graph, op: Operator, parameters: Parameters, statistics: Statistics, x: str) -> str:
    assert CONV.nodes is not None
    y = CONV.nodes(graph, op, parameters, statistics, x)
    return graph.add("Add", y, x) if op.skip else y
