"""The kind ``rms_head``: an RMS norm and a linear layer without bias, rows ``[N, L, C]`` to logits ``[N, L, V]``."""

from __future__ import annotations

import jax

from nagjax.operators.kind import Applied, Graph, OperatorKind, Parameters, Shapes, Statistics
from nagjax.operators.layers import fresh
from nagjax.operators.llama_attention import NORM, epsilon_of
from nagjax.operators.operator import Operator
from nagjax.operators.sequences import add_rms_norm, each_alone, held_bytes, rms_norm, row_bytes, rows, typed


def rms_head(length: int, width: int, vocabulary: int, norm: int = NORM) -> Operator:
    """The operator; ``10**-norm`` is what its norm adds to mean squares.

    >>> rms_head(64, 16, 32).key
    'rms_head-64x64x16-64x64x32-k1-s1-norm=5'
    """
    return Operator("rms_head", length, length, width, vocabulary, norm=False, attributes=(("norm", norm),))


def make() -> OperatorKind:
    """The kind."""
    return OperatorKind(
        "rms_head",
        lambda op: op.in_size * op.in_channels * op.out_channels,
        _shapes,
        (rms_head(6, 8, 5), rms_head(3, 4, 9, 6)),
        init=lambda key, op: fresh(key, _shapes(op), lambda own, shape: 0.02 * jax.random.normal(own, shape)),
        apply=_apply,
        nodes=_nodes,
        step=each_alone(_apply),
        traffic=lambda op: row_bytes(op, op.in_channels * (op.out_channels + 1)),
        peak=held_bytes,
        input_shape=rows,
    )


def _shapes(op: Operator) -> Shapes:
    width, vocabulary = op.in_channels, op.out_channels
    return {"scale": (width,), "weights": (width, vocabulary)}


def _apply(op: Operator, parameters: Parameters, x: jax.Array, _statistics: Statistics | None) -> Applied:
    (weights,) = typed(parameters, ("weights",), x)
    return rms_norm(parameters, x, epsilon_of(op)) @ weights, {}


def _nodes(graph: Graph, op: Operator, parameters: Parameters, _statistics: Statistics, x: str) -> str:
    weights = graph.constant(parameters["weights"])
    return graph.add("MatMul", add_rms_norm(graph, parameters, x, epsilon_of(op)), weights)
