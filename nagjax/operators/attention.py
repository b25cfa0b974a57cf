"""The kind ``attention``: causal attention of several heads after a layer norm, with its residual connection.

Two mixers share their projections. ``softmax`` is that of Vaswani et al. (arXiv 1706.03762): a token looks at all
before it, so keys and values of all are kept while text is made. ``linear`` is that of Katharopoulos et al. (arXiv
2006.16236, equations 7 to 12) with ``elu + 1``: sums of keys and values are all it keeps, whatever the length. They are
computed in chunks of ``CHUNK`` tokens, as a product of matrices within one and from the sums of those before it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import jax
import jax.numpy as jnp
import numpy as np

from nagjax.operators.kind import Graph, OperatorKind, Parameters, Shapes, Statistics
from nagjax.operators.operator import Operator
from nagjax.operators.sequences import (
    BYTES,
    add_merged,
    add_norm,
    add_split,
    drawn,
    held_bytes,
    layer_norm,
    merged_heads,
    norm_shapes,
    row_bytes,
    rows,
    split_heads,
    typed,
)

CHUNK = 32
LEAST = 1e-6
"""What is added to the sum that a linear mixer divides by."""

PROJECTIONS = ("query", "key", "value", "out")
MIXERS = ("softmax", "linear")


def attention(length: int, width: int, heads: int, head_size: int, mixer: str) -> Operator:
    """The operator.

    >>> attention(64, 32, 2, 16, "linear").key
    'attention-64x64x32-64x64x32-k1-s1-m32-skip-mixer=linear-heads=2'
    """
    about = (("mixer", mixer), ("heads", heads))
    return Operator(
        "attention",
        length,
        length,
        width,
        width,
        mid_channels=heads * head_size,
        skip=True,
        norm=False,
        attributes=about,
    )


def make() -> OperatorKind:
    """The kind."""
    return OperatorKind(
        "attention",
        _madds,
        _shapes,
        (attention(6, 8, 2, 4, "softmax"), attention(6, 8, 2, 4, "linear"), attention(CHUNK + 9, 4, 1, 2, "linear")),
        init=lambda key, op: drawn(key, _shapes(op)),
        apply=_apply,
        nodes=_nodes,
        traffic=lambda op: row_bytes(op, sum(int(np.prod(shape)) for shape in _shapes(op).values())),
        peak=lambda op: held_bytes(op, 3 * op.mid_channels + heads_of(op) * _seen(op)),
        input_shape=rows,
    )


def heads_of(op: Operator) -> int:
    """Number of heads."""
    return int(dict(op.attributes)["heads"])


def mixer_of(op: Operator) -> str:
    """One of ``MIXERS``."""
    return str(dict(op.attributes)["mixer"])


def cache_bytes(op: Operator) -> int:
    """Bytes that are kept of the tokens before, when text is made token by token, in single precision.

    >>> cache_bytes(attention(64, 32, 2, 16, "softmax")), cache_bytes(attention(64, 32, 2, 16, "linear"))
    (16384, 2176)
    """
    size = op.mid_channels // heads_of(op)
    kept = 2 * op.in_size if mixer_of(op) == "softmax" else size + 1
    return BYTES * op.mid_channels * kept


def _seen(op: Operator) -> int:
    """Tokens that a token is compared with."""
    return op.in_size if mixer_of(op) == "softmax" else min(CHUNK, op.in_size)


def _madds(op: Operator) -> int:
    """Of projections and mixer, as it is computed: masked scores are."""
    size = op.mid_channels // heads_of(op)
    summed = size if mixer_of(op) == "linear" and op.in_size > CHUNK else 0
    return op.in_size * op.mid_channels * (4 * op.in_channels + 2 * _seen(op) + 2 * summed)


def _shapes(op: Operator) -> Shapes:
    width, inner = op.in_channels, op.mid_channels
    inward = dict.fromkeys(PROJECTIONS[:3], (width, inner))
    return {**norm_shapes(width), **inward, "out": (inner, width)}


def _apply(
    op: Operator, parameters: Parameters, x: jax.Array, statistics: Statistics | None
) -> tuple[jax.Array, dict[str, tuple[jax.Array, jax.Array]]]:
    del statistics
    *inward, out = typed(parameters, PROJECTIONS, x)
    normed, heads = layer_norm(parameters, x), heads_of(op)
    mixed = _MIX[mixer_of(op)](*(split_heads(normed @ weights, heads) for weights in inward))
    return x + merged_heads(mixed) @ out, {}


def softmax_mean(query: jax.Array, key: jax.Array, value: jax.Array) -> jax.Array:
    """Mean of values ``[N, H, L, D]`` weighted by the softmax of scaled products."""
    length, size = query.shape[2:]
    scores = (query @ key.swapaxes(2, 3)).astype(jnp.float32) * size**-0.5
    masked = jnp.where(_causal(length), scores, -jnp.inf)
    return jax.nn.softmax(masked).astype(value.dtype) @ value


def _linear(query: jax.Array, key: jax.Array, value: jax.Array) -> jax.Array:
    """Mean of values ``[N, H, L, D]`` weighted by products of ``elu + 1``, in chunks."""
    batch, heads, length, size = query.shape
    chunk = min(CHUNK, length)
    number = -(-length // chunk)
    ones = jnp.ones((*value.shape[:3], 1), value.dtype)  # sums weights beside weighted values

    def cut(y: jax.Array) -> jax.Array:
        padded = jnp.pad(y, ((0, 0), (0, 0), (0, number * chunk - length), (0, 0)))
        return padded.reshape(batch, heads, number, chunk, -1)

    q, k, v = cut(jax.nn.elu(query) + 1), cut(jax.nn.elu(key) + 1), cut(jnp.concatenate([value, ones], 3))
    near = jnp.where(_causal(chunk)[None], q @ k.swapaxes(3, 4), 0) @ v
    sums = jnp.cumsum(k.swapaxes(3, 4) @ v, 2)
    far = q @ jnp.pad(sums[:, :, :-1], ((0, 0), (0, 0), (1, 0), (0, 0), (0, 0)))
    total = (near + far).reshape(batch, heads, number * chunk, size + 1)[:, :, :length]
    return total[..., :size] / (total[..., size:] + LEAST)


_MIX: Mapping[str, Callable[[jax.Array, jax.Array, jax.Array], jax.Array]] = {
    "softmax": softmax_mean,
    "linear": _linear,
}


def _causal(length: int) -> jax.Array:
    """Bool ``[1, 1, L, L]``, what a token may look at."""
    return jnp.tri(length, dtype=bool)[None, None]


def _nodes(graph: Graph, op: Operator, parameters: Parameters, statistics: Statistics, x: str) -> str:
    """Of the linear mixer one chunk that is as long as the sequence: equal numbers, another price."""
    del statistics
    length, inner, heads = op.in_size, op.mid_channels, heads_of(op)
    normed = add_norm(graph, parameters, x)

    def split(name: str, perm: tuple[int, ...]) -> str:
        y = graph.add("MatMul", normed, graph.constant(parameters[name]))
        return add_split(graph, y, length, heads, inner // heads, perm)

    query, key, value = split("query", (0, 2, 1, 3)), split("key", (0, 2, 3, 1)), split("value", (0, 2, 1, 3))
    mixed = add_softmax_mean(graph, op, query, key, value) if mixer_of(op) == "softmax" else _add_linear(
        graph, op, query, key, value
    )  # fmt: skip
    flat = add_merged(graph, mixed, length, inner)
    return graph.add("Add", x, graph.add("MatMul", flat, graph.constant(parameters["out"])))


def add_softmax_mean(graph: Graph, op: Operator, query: str, key: str, value: str) -> str:
    """Add the nodes of ``softmax_mean``; keys are ``[N, H, D, L]``, and heads stand in the operator's attributes."""
    size = op.mid_channels // heads_of(op)
    scaled = graph.add("Mul", graph.add("MatMul", query, key), graph.constant(np.full((), size**-0.5, np.float32)))
    hidden = np.triu(np.full((op.in_size, op.in_size), -1e9, np.float32), 1)
    shares = graph.add("Softmax", graph.add("Add", scaled, graph.constant(hidden)), axis=-1)
    return graph.add("MatMul", shares, value)


def _add_linear(graph: Graph, op: Operator, query: str, key: str, value: str) -> str:
    one = graph.constant(np.ones((), np.float32))
    query, key = (graph.add("Add", graph.add("Elu", y), one) for y in (query, key))
    causal = graph.constant(np.tri(op.in_size, dtype=np.float32))
    weights = graph.add("Mul", graph.add("MatMul", query, key), causal)
    total = graph.add("ReduceSum", weights, graph.constant(np.array([-1], np.int64)), keepdims=1)
    safe = graph.add("Add", total, graph.constant(np.full((), LEAST, np.float32)))
    return graph.add("Div", graph.add("MatMul", weights, value), safe)
