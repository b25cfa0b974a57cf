"""The kind ``attention``: attention of several heads after a layer norm, with its residual connection.

Two mixers share their projections. ``softmax`` is that of Vaswani et al. (arXiv 1706.03762): a token looks at all
before it, so keys and values of all are kept while text is made. ``linear`` is that of Katharopoulos et al. (arXiv
2006.16236, equations 7 to 12) with ``elu + 1``: sums of keys and values are all it keeps, whatever the length. They are
computed in chunks of ``CHUNK`` tokens, as a product of matrices within one and from the sums of those before it.

Where attention is not causal every token looks at all: softmax without a mask, and one sum of all keys and values.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from nagjax.operators import sequences
from nagjax.operators.kind import Applied, Graph, Kept, OperatorKind, Parameters, Shapes, Statistics
from nagjax.operators.operator import Operator

CHUNK = 32
LEAST = 1e-6
"""What is added to the sum that a linear mixer divides by."""

PROJECTIONS = ("query", "key", "value", "out")
MIXERS = ("softmax", "linear")


def attention(length: int, width: int, heads: int, head_size: int, mixer: str, causal: bool = True) -> Operator:
    """The operator.

    >>> attention(64, 32, 2, 16, "linear").key
    'attention-64x64x32-64x64x32-k1-s1-m32-skip-mixer=linear-heads=2'
    >>> attention(16, 32, 2, 16, "softmax", causal=False).key
    'attention-16x16x32-16x16x32-k1-s1-m32-skip-mixer=softmax-heads=2-causal=0'
    """
    about: tuple[tuple[str, int | str], ...] = (("mixer", mixer), ("heads", heads))
    about += () if causal else (("causal", 0),)
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
        (
            attention(6, 8, 2, 4, "softmax"),
            attention(6, 8, 2, 4, "linear"),
            attention(CHUNK + 9, 4, 1, 2, "linear"),
            attention(5, 4, 2, 2, "softmax", causal=False),
            attention(5, 4, 2, 2, "linear", causal=False),
        ),
        init=lambda key, op: sequences.drawn(key, _shapes(op)),
        apply=_apply,
        nodes=_nodes,
        step=_step,
        kept=_kept,
        traffic=lambda op: sequences.row_bytes(op, sum(int(np.prod(shape)) for shape in _shapes(op).values())),
        peak=lambda op: sequences.held_bytes(op, 3 * op.mid_channels + heads_of(op) * _seen(op)) + _sum_bytes(op),
        input_shape=sequences.rows,
    )


def heads_of(op: Operator) -> int:
    """Number of heads."""
    return int(dict(op.attributes)["heads"])


def mixer_of(op: Operator) -> str:
    """One of ``MIXERS``."""
    return str(dict(op.attributes)["mixer"])


def is_causal(op: Operator) -> bool:
    """Whether a token looks only at those before it."""
    return bool(dict(op.attributes).get("causal", 1))


def step_madds(op: Operator) -> int:
    """Multiply-adds of one more token of a text, behind ``length - 1`` others.

    >>> step_madds(attention(64, 32, 2, 16, "softmax")), step_madds(attention(64, 32, 2, 16, "linear"))
    (8192, 5120)
    """
    size = op.mid_channels // heads_of(op)
    return op.mid_channels * (4 * op.in_channels + 2 * (op.in_size if mixer_of(op) == "softmax" else size))


def _seen(op: Operator) -> int:
    """Tokens that a token is compared with."""
    if mixer_of(op) == "softmax":
        return op.in_size
    return min(CHUNK, op.in_size) if is_causal(op) else 0


def _is_summed(op: Operator) -> bool:
    """Whether sums of keys and values are computed."""
    return mixer_of(op) == "linear" and (op.in_size > CHUNK or not is_causal(op))


def _sum_bytes(op: Operator) -> int:
    """Bytes of the one sum of all keys and values; those of chunks are fewer than the scores within them."""
    size = op.mid_channels // heads_of(op)
    return 0 if is_causal(op) or not _is_summed(op) else sequences.BYTES * op.mid_channels * (size + 1)


def _madds(op: Operator) -> int:
    """Of projections and mixer, as it is computed: masked scores are."""
    size = op.mid_channels // heads_of(op)
    summed = size if _is_summed(op) else 0
    return op.in_size * op.mid_channels * (4 * op.in_channels + 2 * _seen(op) + 2 * summed)


def _shapes(op: Operator) -> Shapes:
    width, inner = op.in_channels, op.mid_channels
    inward = dict.fromkeys(PROJECTIONS[:3], (width, inner))
    return {**sequences.norm_shapes(width), **inward, "out": (inner, width)}


def _apply(op: Operator, parameters: Parameters, x: jax.Array, _statistics: Statistics | None) -> Applied:
    mixed = _MIX[mixer_of(op), is_causal(op)](*_projected(parameters, x, heads_of(op)))
    return x + sequences.merged_heads(mixed) @ parameters["out"].astype(x.dtype), {}


def relations(parameters: Parameters, x: jax.Array, heads: int) -> jax.Array:
    """Of queries, keys and values how alike those of two tokens are, logarithms float32 ``[N, 3, heads, L, L]``.

    A row is the logarithm of the softmax of scaled products of a token with all (MiniLMv2, Wang et al., arXiv
    2012.15828, equation 6). The heads of relations need not be those of the mixer, which has no part in them: any
    number into which the channels can be split. Tokens that come later are related as well.
    """
    return jnp.stack([jax.nn.log_softmax(_scores(y, y)) for y in _projected(parameters, x, heads)], 1)


def _projected(parameters: Parameters, x: jax.Array, heads: int) -> list[jax.Array]:
    """Queries, keys and values ``[N, H, L, D]``."""
    normed = sequences.layer_norm(parameters, x)
    return [
        sequences.split_heads(normed @ weights, heads) for weights in sequences.typed(parameters, PROJECTIONS[:3], x)
    ]


def _kept(op: Operator, batch: int) -> Shapes | None:
    """Keys and values of all, or sums of values and of ones, each times keys; a token that looks at all has no step."""
    if not is_causal(op):
        return None
    if mixer_of(op) == "softmax":
        return kept_rows(op, batch, heads_of(op))
    size = op.mid_channels // heads_of(op)
    return {"sums": (batch, heads_of(op), size, size + 1)}


def kept_rows(op: Operator, batch: int, groups: int) -> Shapes:
    """Shapes ``[N * G, L, D]`` of keys and values of all tokens, in G groups of heads.

    As the products take them: with an axis more, XLA copies all on a processor where one row is written.
    """
    shape = batch * groups, op.in_size, op.mid_channels // heads_of(op)
    return {"key": shape, "value": shape}


def _step(op: Operator, parameters: Parameters, x: jax.Array, kept: Kept, before: Any) -> tuple[jax.Array, Kept]:
    *inward, out = sequences.typed(parameters, PROJECTIONS, x)
    normed, heads = sequences.layer_norm(parameters, x), heads_of(op)
    query, key, value = (sequences.split_heads(normed @ weights, heads) for weights in inward)
    if mixer_of(op) == "softmax":
        mixed, kept = softmax_step(query, key, value, kept, before)
    else:
        mixed, kept = _linear_step(query, key, value, kept)
    return x + sequences.merged_heads(mixed) @ out, kept


def softmax_step(query: jax.Array, key: jax.Array, value: jax.Array, kept: Kept, before: Any) -> tuple[jax.Array, Kept]:
    """A token's row ``[N, H, 1, D]`` of ``softmax_mean``, and keys and values kept with its own, ``[N, G, 1, D]``.

    Heads may share keys and values, in G groups of as many: those of a group are rows of one product.
    """
    own = {"key": key, "value": value}
    kept = {
        name: lax.dynamic_update_slice(kept[name], one.reshape(-1, 1, one.shape[3]), (0, before, 0))
        for name, one in own.items()
    }
    keys, values = kept["key"], kept["value"]
    scores = lax.dot_general(query.reshape(len(keys), -1, query.shape[3]), keys, (((2,), (2,)), ((0,), (0,))))
    seen = (jnp.arange(keys.shape[1]) <= before)[None, None]
    weights = jax.nn.softmax(jnp.where(seen, scores.astype(jnp.float32) * query.shape[3] ** -0.5, -jnp.inf))
    return (weights.astype(value.dtype) @ values).reshape(query.shape), kept


def _linear_step(query: jax.Array, key: jax.Array, value: jax.Array, kept: Kept) -> tuple[jax.Array, Kept]:
    """A token's row of ``_linear``, and the sums with its own."""
    sums = kept["sums"] + _positive(key).swapaxes(2, 3) @ _counted(value)
    return _mean(_positive(query) @ sums), {"sums": sums}


def softmax_mean(query: jax.Array, key: jax.Array, value: jax.Array) -> jax.Array:
    """Mean of values ``[N, H, L, D]`` weighted by the softmax of scaled products."""
    masked = jnp.where(_causal(query.shape[2]), _scores(query, key), -jnp.inf)
    return jax.nn.softmax(masked).astype(value.dtype) @ value


def _softmax_of_all(query: jax.Array, key: jax.Array, value: jax.Array) -> jax.Array:
    """As ``softmax_mean``, of all tokens."""
    return jax.nn.softmax(_scores(query, key)).astype(value.dtype) @ value


def _scores(query: jax.Array, key: jax.Array) -> jax.Array:
    """Scaled products float32 ``[N, H, L, L]``."""
    return (query @ key.swapaxes(2, 3)).astype(jnp.float32) * query.shape[3] ** -0.5


def _linear(query: jax.Array, key: jax.Array, value: jax.Array) -> jax.Array:
    """Mean of values ``[N, H, L, D]`` weighted by products of ``elu + 1``, in chunks."""
    batch, heads, length, size = query.shape
    chunk = min(CHUNK, length)
    number = -(-length // chunk)

    def cut(y: jax.Array) -> jax.Array:
        padded = jnp.pad(y, ((0, 0), (0, 0), (0, number * chunk - length), (0, 0)))
        return padded.reshape(batch, heads, number, chunk, -1)

    q, k, v = cut(_positive(query)), cut(_positive(key)), cut(_counted(value))
    near = jnp.where(_causal(chunk)[None], q @ k.swapaxes(3, 4), 0) @ v
    sums = jnp.cumsum(k.swapaxes(3, 4) @ v, 2)
    far = q @ jnp.pad(sums[:, :, :-1], ((0, 0), (0, 0), (1, 0), (0, 0), (0, 0)))
    return _mean((near + far).reshape(batch, heads, number * chunk, size + 1)[:, :, :length])


def _linear_of_all(query: jax.Array, key: jax.Array, value: jax.Array) -> jax.Array:
    """As ``_linear``, of all tokens: one sum."""
    return _mean(_positive(query) @ (_positive(key).swapaxes(2, 3) @ _counted(value)))


def _positive(y: jax.Array) -> jax.Array:
    return jax.nn.elu(y) + 1


def _counted(value: jax.Array) -> jax.Array:
    """Values with a column of ones, which sums weights beside weighted values."""
    return jnp.concatenate([value, jnp.ones((*value.shape[:3], 1), value.dtype)], 3)


def _mean(total: jax.Array) -> jax.Array:
    """Weighted sums, whose last column is that of the weights, as means."""
    return total[..., :-1] / (total[..., -1:] + LEAST)


_MIX: Mapping[tuple[str, bool], Callable[[jax.Array, jax.Array, jax.Array], jax.Array]] = {
    ("softmax", True): softmax_mean,
    ("softmax", False): _softmax_of_all,
    ("linear", True): _linear,
    ("linear", False): _linear_of_all,
}
"""By mixer, and whether it is causal."""


def _causal(length: int) -> jax.Array:
    """Bool ``[1, 1, L, L]``, what a token may look at."""
    return jnp.tri(length, dtype=bool)[None, None]


def _nodes(graph: Graph, op: Operator, parameters: Parameters, _statistics: Statistics, x: str) -> str:
    """Of the causal linear mixer one chunk that is as long as the sequence: equal numbers, another price."""
    length, inner, heads = op.in_size, op.mid_channels, heads_of(op)
    normed = sequences.add_norm(graph, parameters, x)

    def split(name: str, perm: tuple[int, ...]) -> str:
        y = graph.add("MatMul", normed, graph.constant(parameters[name]))
        return sequences.add_split(graph, y, length, heads, inner // heads, perm)

    query, key, value = split("query", (0, 2, 1, 3)), split("key", (0, 2, 3, 1)), split("value", (0, 2, 1, 3))
    add = add_softmax_mean if mixer_of(op) == "softmax" else _add_linear if is_causal(op) else _add_linear_of_all
    mixed = add(graph, op, query, key, value)
    flat = sequences.add_merged(graph, mixed, length, inner)
    return graph.add("Add", x, graph.add("MatMul", flat, graph.constant(parameters["out"])))


def add_softmax_mean(graph: Graph, op: Operator, query: str, key: str, value: str) -> str:
    """Add the nodes of ``softmax_mean``; keys are ``[N, H, D, L]``, and heads stand in the operator's attributes."""
    size = op.mid_channels // heads_of(op)
    scaled = graph.add("Mul", graph.add("MatMul", query, key), graph.constant(np.full((), size**-0.5, np.float32)))
    if is_causal(op):
        hidden = np.triu(np.full((op.in_size, op.in_size), -1e9, np.float32), 1)
        scaled = graph.add("Add", scaled, graph.constant(hidden))
    return graph.add("MatMul", graph.add("Softmax", scaled, axis=-1), value)


def _add_linear(graph: Graph, op: Operator, query: str, key: str, value: str) -> str:
    query, key = _add_positive(graph, query), _add_positive(graph, key)
    causal = graph.constant(np.tri(op.in_size, dtype=np.float32))
    weights = graph.add("Mul", graph.add("MatMul", query, key), causal)
    return _add_mean(graph, graph.add("MatMul", weights, value), _add_sum(graph, weights))


def _add_linear_of_all(graph: Graph, _op: Operator, query: str, key: str, value: str) -> str:
    query, key = _add_positive(graph, query), _add_positive(graph, key)
    weighted = graph.add("MatMul", query, graph.add("MatMul", key, value))
    return _add_mean(graph, weighted, graph.add("MatMul", query, _add_sum(graph, key)))


def _add_positive(graph: Graph, y: str) -> str:
    return graph.add("Add", graph.add("Elu", y), graph.constant(np.ones((), np.float32)))


def _add_sum(graph: Graph, y: str) -> str:
    return graph.add("ReduceSum", y, graph.constant(np.array([-1], np.int64)), keepdims=1)


def _add_mean(graph: Graph, weighted: str, total: str) -> str:
    return graph.add("Div", weighted, graph.add("Add", total, graph.constant(np.full((), LEAST, np.float32))))
