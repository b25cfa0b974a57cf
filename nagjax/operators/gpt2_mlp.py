"""The kind ``gpt2_mlp``: two linear layers with a GELU between them after a layer norm, with a residual connection.

That of GPT-2 (Radford et al. 2019), with the GELU's approximation by tanh (Hendrycks and Gimpel, arXiv 1606.08415,
section 2). ``bits`` says how weights are kept, see ``nagjax.operators.stored``.
"""

from __future__ import annotations

import math

import jax
import numpy as np

from nagjax.operators import sequences
from nagjax.operators.feed_forward import NAMES
from nagjax.operators.kind import Applied, Graph, OperatorKind, Parameters, Shapes, Statistics
from nagjax.operators.operator import Operator


def gpt2_mlp(length: int, width: int, hidden: int, bits: int = 32) -> Operator:
    """The operator.

    >>> gpt2_mlp(64, 32, 128).key
    'gpt2_mlp-64x64x32-64x64x32-k1-s1-m128-skip-bits=32'
    """
    about = (("bits", bits),)
    return Operator(
        "gpt2_mlp", length, length, width, width, mid_channels=hidden, skip=True, norm=False, attributes=about
    )


def make() -> OperatorKind:
    """The kind."""
    return OperatorKind(
        "gpt2_mlp",
        lambda op: 2 * op.in_size * op.in_channels * op.mid_channels,
        _shapes,
        (gpt2_mlp(6, 8, 12), gpt2_mlp(3, 4, 16, 8)),
        init=lambda key, op: sequences.drawn(key, _shapes(op)),
        apply=_apply,
        nodes=_nodes,
        step=sequences.each_alone(_apply),
        traffic=lambda op: sequences.row_bytes(op, op.mid_channels * (2 * op.in_channels + 1) + 3 * op.in_channels),
        peak=lambda op: sequences.held_bytes(op, op.mid_channels),
        input_shape=sequences.rows,
    )


def hidden(_op: Operator, parameters: Parameters, x: jax.Array) -> jax.Array:
    """What the hidden units give, ``[N, L, F]``."""
    up, bias = sequences.typed(parameters, ("up", "up_bias"), x)
    return jax.nn.gelu(sequences.layer_norm(parameters, x) @ up + bias[None, None], approximate=True)


def _shapes(op: Operator) -> Shapes:
    width, inner = op.in_channels, op.mid_channels
    layers = {"up": (width, inner), "up_bias": (inner,), "down": (inner, width), "down_bias": (width,)}
    return {**sequences.norm_shapes(width), **layers}


def _apply(op: Operator, parameters: Parameters, x: jax.Array, _statistics: Statistics | None) -> Applied:
    down, bias = sequences.typed(parameters, ("down", "down_bias"), x)
    return x + hidden(op, parameters, x) @ down + bias[None, None], {}


def _nodes(graph: Graph, _op: Operator, parameters: Parameters, _statistics: Statistics, x: str) -> str:
    up, up_bias, down, down_bias = (graph.constant(parameters[name]) for name in NAMES)
    y = graph.add("Add", graph.add("MatMul", sequences.add_norm(graph, parameters, x), up), up_bias)

    def times(value: str, factor: float) -> str:
        return graph.add("Mul", value, graph.constant(np.full((), factor, np.float32)))

    cubed = times(graph.add("Mul", graph.add("Mul", y, y), y), 0.044715)
    bent = graph.add("Tanh", times(graph.add("Add", y, cubed), math.sqrt(2 / math.pi)))
    raised = graph.add("Add", bent, graph.constant(np.ones((), np.float32)))
    given = graph.add("Mul", times(y, 0.5), raised)
    return graph.add("Add", x, graph.add("Add", graph.add("MatMul", given, down), down_bias))
