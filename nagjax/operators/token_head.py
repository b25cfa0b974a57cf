"""The kind ``token_head``: a layer norm and a linear layer, rows ``[N, L, C]`` to logits of tokens ``[N, L, V]``."""

from __future__ import annotations

import jax

from nagjax.operators import sequences
from nagjax.operators.kind import Applied, Graph, OperatorKind, Parameters, Statistics
from nagjax.operators.operator import Operator


def token_head(length: int, width: int, vocabulary: int) -> Operator:
    """The operator.

    >>> token_head(64, 16, 32).key
    'token_head-64x64x16-64x64x32-k1-s1'
    """
    return Operator("token_head", length, length, width, vocabulary, norm=False)


def make() -> OperatorKind:
    """The kind."""
    return OperatorKind(
        "token_head",
        lambda op: op.in_size * op.in_channels * op.out_channels,
        sequences.head_shapes,
        (token_head(6, 8, 5), token_head(3, 4, 9)),
        init=sequences.head_init,
        apply=_apply,
        nodes=_nodes,
        step=sequences.each_alone(_apply),
        traffic=lambda op: sequences.row_bytes(op, 2 * op.in_channels + (op.in_channels + 1) * op.out_channels),
        peak=sequences.held_bytes,
        input_shape=sequences.rows,
    )


def _apply(_op: Operator, parameters: Parameters, x: jax.Array, _statistics: Statistics | None) -> Applied:
    weights, bias = sequences.typed(parameters, ("weights", "bias"), x)
    return sequences.layer_norm(parameters, x) @ weights + bias[None, None], {}


def _nodes(graph: Graph, _op: Operator, parameters: Parameters, _statistics: Statistics, x: str) -> str:
    weights, bias = (graph.constant(parameters[name]) for name in ("weights", "bias"))
    return graph.add("Add", graph.add("MatMul", sequences.add_norm(graph, parameters, x), weights), bias)
