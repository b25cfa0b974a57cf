"""The kind ``dense``: a linear layer and its activation, on vectors ``[N, C]``."""

from __future__ import annotations

import jax

from nagjax.operators.kind import Applied, Graph, OperatorKind, Parameters, Shapes, Statistics, Watch
from nagjax.operators.layers import activated, add_activation, fresh
from nagjax.operators.operator import Operator

OUT = "out"
"""What its activation is watched by."""


def dense(inputs: int, outputs: int, activation: str = "relu") -> Operator:
    """The operator.

    >>> dense(4, 8).key
    'dense-1x1x4-1x1x8-k1-s1-relu'
    """
    return Operator("dense", 1, 1, inputs, outputs, activation=activation, norm=False)


def make() -> OperatorKind:
    """The kind."""
    return OperatorKind(
        "dense",
        lambda op: op.in_channels * op.out_channels,
        _shapes,
        (dense(4, 8), dense(8, 3, "none"), dense(5, 5, "h_swish")),
        init=_init,
        apply=_apply,
        nodes=_nodes,
        input_shape=lambda op, batch: (batch, op.in_channels),
        watched=lambda op, parameters, x, watch: _apply(op, parameters, x, None, watch)[0],
    )


def _shapes(op: Operator) -> Shapes:
    return {"weights": (op.in_channels, op.out_channels), "bias": (op.out_channels,)}


def _init(key: jax.Array, op: Operator) -> dict[str, jax.Array]:
    """Weights of variance 2 / inputs before an activation (He et al. 2015), small ones without; biases 0."""
    spread = 0.01 if op.activation == "none" else (2 / op.in_channels) ** 0.5
    return fresh(key, _shapes(op), lambda own, shape: spread * jax.random.normal(own, shape))


def _apply(
    op: Operator, parameters: Parameters, x: jax.Array, _statistics: Statistics | None, watch: Watch | None = None
) -> Applied:
    weights, bias = (parameters[name].astype(x.dtype) for name in ("weights", "bias"))
    return activated(watch, OUT, op.activation, x @ weights + bias[None]), {}


def _nodes(graph: Graph, op: Operator, parameters: Parameters, _statistics: Statistics, x: str) -> str:
    given = graph.constant(parameters["weights"]), graph.constant(parameters["bias"])
    return add_activation(graph, op.activation, graph.add("Gemm", x, *given))
