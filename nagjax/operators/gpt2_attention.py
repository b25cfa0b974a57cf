"""The kind ``gpt2_attention``: causal attention with biases after a layer norm, and its residual connection.

That of GPT-2 (Radford et al. 2019; Vaswani et al., arXiv 1706.03762). ``bits`` says how weights are kept, see
``nagjax.operators.stored``.
"""

from __future__ import annotations

from typing import Any

import jax

from nagjax.operators import sequences
from nagjax.operators.attention import PROJECTIONS, add_softmax_mean, heads_of, kept_rows, softmax_mean, softmax_step
from nagjax.operators.kind import Applied, Graph, Kept, OperatorKind, Parameters, Shapes, Statistics
from nagjax.operators.operator import Operator

INWARD = PROJECTIONS[:3]


def gpt2_attention(length: int, width: int, heads: int, head_size: int, bits: int = 32) -> Operator:
    """The operator.

    >>> gpt2_attention(64, 32, 2, 16).key
    'gpt2_attention-64x64x32-64x64x32-k1-s1-m32-skip-heads=2-bits=32'
    """
    about = (("heads", heads), ("bits", bits))
    inner = heads * head_size
    return Operator(
        "gpt2_attention", length, length, width, width, mid_channels=inner, skip=True, norm=False, attributes=about
    )


def make() -> OperatorKind:
    """The kind."""
    return OperatorKind(
        "gpt2_attention",
        lambda op: op.in_size * op.mid_channels * (4 * op.in_channels + 2 * op.in_size),
        _shapes,
        (gpt2_attention(6, 8, 2, 4), gpt2_attention(5, 4, 1, 3, 8)),
        init=lambda key, op: sequences.drawn(key, _shapes(op)),
        apply=_apply,
        nodes=_nodes,
        step=_step,
        kept=lambda op, batch: kept_rows(op, batch, heads_of(op)),
        traffic=lambda op: sequences.row_bytes(
            op, 4 * op.mid_channels * op.in_channels + 3 * (op.mid_channels + op.in_channels)
        ),
        peak=lambda op: sequences.held_bytes(op, 3 * op.mid_channels + heads_of(op) * op.in_size),
        input_shape=sequences.rows,
    )


def mixed(op: Operator, parameters: Parameters, x: jax.Array) -> jax.Array:
    """What the heads give, ``[N, L, H * D]``, before it is projected back."""
    return sequences.merged_heads(softmax_mean(*_inward(op, parameters, x)))


def _inward(op: Operator, parameters: Parameters, x: jax.Array) -> tuple[jax.Array, jax.Array, jax.Array]:
    """Queries, keys and values ``[N, H, L, D]``."""
    normed = sequences.layer_norm(parameters, x)
    biases = sequences.typed(parameters, tuple(f"{name}_bias" for name in INWARD), x)
    given = zip(sequences.typed(parameters, INWARD, x), biases, strict=True)
    query, key, value = (sequences.split_heads(normed @ own + bias[None, None], heads_of(op)) for own, bias in given)
    return query, key, value


def _shapes(op: Operator) -> Shapes:
    width, inner = op.in_channels, op.mid_channels
    inward: Shapes = dict.fromkeys(INWARD, (width, inner))
    biases: Shapes = {f"{name}_bias": (inner,) for name in INWARD}
    return {**sequences.norm_shapes(width), **inward, **biases, "out": (inner, width), "out_bias": (width,)}


def _apply(op: Operator, parameters: Parameters, x: jax.Array, _statistics: Statistics | None) -> Applied:
    return _outward(parameters, x, mixed(op, parameters, x)), {}


def _outward(parameters: Parameters, x: jax.Array, given: jax.Array) -> jax.Array:
    """What the heads give, projected back and added."""
    out, bias = sequences.typed(parameters, ("out", "out_bias"), x)
    return x + given @ out + bias[None, None]


def _step(op: Operator, parameters: Parameters, x: jax.Array, kept: Kept, before: Any) -> tuple[jax.Array, Kept]:
    given, kept = softmax_step(*_inward(op, parameters, x), kept, before)
    return _outward(parameters, x, sequences.merged_heads(given)), kept


def _nodes(graph: Graph, op: Operator, parameters: Parameters, _statistics: Statistics, x: str) -> str:
    length, inner, heads = op.in_size, op.mid_channels, heads_of(op)
    normed = sequences.add_norm(graph, parameters, x)

    def layer(name: str, given: str) -> str:
        y = graph.add("MatMul", given, graph.constant(parameters[name]))
        return graph.add("Add", y, graph.constant(parameters[f"{name}_bias"]))

    def split(name: str, perm: tuple[int, ...]) -> str:
        return sequences.add_split(graph, layer(name, normed), length, heads, inner // heads, perm)

    query, key, value = split("query", (0, 2, 1, 3)), split("key", (0, 2, 3, 1)), split("value", (0, 2, 1, 3))
    flat = sequences.add_merged(graph, add_softmax_mean(graph, op, query, key, value), length, inner)
    return graph.add("Add", x, layer("out", flat))
