"""The kind ``llama_attention``: causal attention with rotated queries and keys after an RMS norm, and its residual.

That of LLaMA (Touvron et al., arXiv 2302.13971) without biases. Queries and keys are turned by their positions (Su et
al., arXiv 2104.09864, equation 34), the first half of a head's channels with the second, as published files lay them
out. Groups of query heads may share keys and values (Ainslie et al., arXiv 2305.13245).
"""

from __future__ import annotations

from typing import Any, TypeAlias

import jax
import jax.numpy as jnp
import numpy as np

from nagjax.operators import sequences
from nagjax.operators.attention import PROJECTIONS, add_softmax_mean, heads_of, kept_rows, softmax_mean, softmax_step
from nagjax.operators.kind import Applied, Graph, Kept, OperatorKind, Parameters, Shapes, Statistics
from nagjax.operators.operator import Operator

Turns: TypeAlias = tuple[np.ndarray | jax.Array, np.ndarray | jax.Array]
"""Cosine and sine float32 ``[L, D / 2]`` by which each position turns each pair of channels."""

THETA = 10_000
NORM = 5


def llama_attention(
    length: int,
    width: int,
    heads: int,
    groups: int,
    head_size: int,
    bits: int = 32,
    theta: int = THETA,
    norm: int = NORM,
) -> Operator:
    """The operator; ``10**-norm`` is what its norm adds to mean squares.

    >>> llama_attention(64, 32, 4, 2, 8).key
    'llama_attention-64x64x32-64x64x32-k1-s1-m32-skip-heads=4-groups=2-theta=10000-norm=5-bits=32'
    """
    about = (("heads", heads), ("groups", groups), ("theta", theta), ("norm", norm), ("bits", bits))
    inner = heads * head_size
    return Operator(
        "llama_attention", length, length, width, width, mid_channels=inner, skip=True, norm=False, attributes=about
    )


def make() -> OperatorKind:
    """The kind."""
    return OperatorKind(
        "llama_attention",
        _madds,
        _shapes,
        (llama_attention(6, 8, 2, 2, 4), llama_attention(5, 6, 4, 2, 2, 8, 100, 6)),
        init=lambda key, op: sequences.drawn(key, _shapes(op)),
        apply=_apply,
        nodes=_nodes,
        step=_step,
        kept=lambda op, batch: kept_rows(op, batch, groups_of(op)),
        traffic=lambda op: sequences.row_bytes(op, op.in_channels * (2 * (op.mid_channels + _shared(op)) + 1)),
        peak=lambda op: sequences.held_bytes(op, op.mid_channels + 2 * _shared(op) + heads_of(op) * op.in_size),
        input_shape=sequences.rows,
    )


def _madds(op: Operator) -> int:
    return op.in_size * (2 * op.in_channels * (op.mid_channels + _shared(op)) + 2 * op.in_size * op.mid_channels)


def groups_of(op: Operator) -> int:
    """Number of heads of keys and values."""
    return int(dict(op.attributes)["groups"])


def epsilon_of(op: Operator) -> float:
    """What an operator's RMS norm adds to mean squares."""
    return 10.0 ** -int(dict(op.attributes)["norm"])


def mixed(op: Operator, parameters: Parameters, x: jax.Array) -> jax.Array:
    """What the heads give, ``[N, L, H * D]``, before it is projected back."""
    query, *shared = _inward(op, parameters, x, _turns(op))
    repeated = (jnp.repeat(one, heads_of(op) // groups_of(op), axis=1) for one in shared)
    return sequences.merged_heads(softmax_mean(query, *repeated))


def _inward(op: Operator, parameters: Parameters, x: jax.Array, turns: Turns) -> tuple[jax.Array, jax.Array, jax.Array]:
    """Queries ``[N, H, L, D]``, keys and values ``[N, G, L, D]``; queries and keys are turned."""
    normed, groups = sequences.rms_norm(parameters, x, epsilon_of(op)), groups_of(op)
    query, key, value = (normed @ own for own in sequences.typed(parameters, PROJECTIONS[:3], x))
    turned = _turned(sequences.split_heads(query, heads_of(op)), turns)
    return turned, _turned(sequences.split_heads(key, groups), turns), sequences.split_heads(value, groups)


def _shared(op: Operator) -> int:
    """Channels of keys, and of values."""
    return op.mid_channels // heads_of(op) * groups_of(op)


def _shapes(op: Operator) -> Shapes:
    width, inner, shared = op.in_channels, op.mid_channels, _shared(op)
    inward: Shapes = {"query": (width, inner), "key": (width, shared), "value": (width, shared)}
    return {"scale": (width,), **inward, "out": (inner, width)}


def _turns(op: Operator) -> tuple[np.ndarray, np.ndarray]:
    half = op.mid_channels // heads_of(op) // 2
    rates = float(dict(op.attributes)["theta"]) ** (-np.arange(half) / half)
    angles = np.arange(op.in_size)[:, None] * rates
    return np.cos(angles).astype(np.float32), np.sin(angles).astype(np.float32)


def _turned(x: jax.Array, turns: Turns) -> jax.Array:
    cosine, sine = (jnp.asarray(one, x.dtype)[None, None] for one in turns)
    first, second = jnp.split(x, 2, axis=-1)
    return jnp.concatenate([first * cosine - second * sine, second * cosine + first * sine], -1)


def _apply(op: Operator, parameters: Parameters, x: jax.Array, _statistics: Statistics | None) -> Applied:
    (out,) = sequences.typed(parameters, ("out",), x)
    return x + mixed(op, parameters, x) @ out, {}


def _step(op: Operator, parameters: Parameters, x: jax.Array, kept: Kept, before: Any) -> tuple[jax.Array, Kept]:
    cosine, sine = (jnp.asarray(one)[before][None] for one in _turns(op))
    given, kept = softmax_step(*_inward(op, parameters, x, (cosine, sine)), kept, before)
    (out,) = sequences.typed(parameters, ("out",), x)
    return x + sequences.merged_heads(given) @ out, kept


def _nodes(graph: Graph, op: Operator, parameters: Parameters, _statistics: Statistics, x: str) -> str:
    length, inner, heads, groups = op.in_size, op.mid_channels, heads_of(op), groups_of(op)
    size = inner // heads
    normed = sequences.add_rms_norm(graph, parameters, x, epsilon_of(op))
    cosine, sine = (graph.constant(one) for one in _turns(op))
    whose = graph.constant(np.repeat(np.arange(groups), heads // groups).astype(np.int64))

    def split(name: str, own: int) -> str:
        return sequences.add_split(
            graph, graph.add("MatMul", normed, graph.constant(parameters[name])), length, own, size
        )

    def half(y: str, at: int) -> str:
        place = graph.constant(np.arange(at * size // 2, (at + 1) * size // 2, dtype=np.int64))
        return graph.add("Gather", y, place, axis=3)

    def turned(y: str) -> str:
        first, second = half(y, 0), half(y, 1)
        one = graph.add("Sub", graph.add("Mul", first, cosine), graph.add("Mul", second, sine))
        other = graph.add("Add", graph.add("Mul", second, cosine), graph.add("Mul", first, sine))
        return graph.add("Concat", one, other, axis=3)

    key = graph.add("Gather", turned(split("key", groups)), whose, axis=1)
    value = graph.add("Gather", split("value", groups), whose, axis=1)
    flipped = graph.add("Transpose", key, perm=[0, 1, 3, 2])
    means = add_softmax_mean(graph, op, turned(split("query", heads)), flipped, value)
    flat = sequences.add_merged(graph, means, length, inner)
    return graph.add("Add", x, graph.add("MatMul", flat, graph.constant(parameters["out"])))
