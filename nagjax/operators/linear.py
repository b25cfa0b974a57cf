"""The kind ``linear``: a linear layer with a bias, of maps of one pixel or rows; gives ``[N, C]``."""

from __future__ import annotations

import jax

from nagjax.operators.kind import Applied, Graph, OperatorKind, Parameters, Shapes, Statistics
from nagjax.operators.layers import fresh
from nagjax.operators.operator import Operator


def make() -> OperatorKind:
    """The kind."""
    examples = (Operator("linear", 1, 1, 5, 7, norm=False), Operator("linear", 1, 1, 8, 3, norm=False))
    return OperatorKind("linear", _madds, _shapes, examples, init=_init, apply=_apply, nodes=_nodes)


def _madds(op: Operator) -> int:
    return op.in_channels * op.out_channels


def _shapes(op: Operator) -> Shapes:
    return {"weights": (op.in_channels, op.out_channels), "bias": (op.out_channels,)}


def _init(key: jax.Array, op: Operator) -> dict[str, jax.Array]:
    return fresh(key, _shapes(op), lambda own, shape: jax.random.normal(own, shape) * 0.01)


def _apply(_op: Operator, parameters: Parameters, x: jax.Array, _statistics: Statistics | None) -> Applied:
    flat = x.reshape(x.shape[0], -1)  # a symbolic batch has no length
    return flat @ parameters["weights"].astype(x.dtype) + parameters["bias"].astype(x.dtype)[None], {}


def _nodes(graph: Graph, _op: Operator, parameters: Parameters, _statistics: Statistics, x: str) -> str:
    given = graph.constant(parameters["weights"]), graph.constant(parameters["bias"])
    return graph.add("Gemm", graph.add("Flatten", x), *given)
