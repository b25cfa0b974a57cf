"""What the operators of a transformer are made of: layer norms, bytes, and token numbers; maps are ``[N, L, C]``.

Layer norms are computed of the input alone, so these operators have no statistics. Their parameters are ``scale`` and
``offset``, ``[C]``.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from nagjax.operators.kind import Apply, Graph, Parameters, Shapes, Step
from nagjax.operators.layers import EPSILON, fresh
from nagjax.operators.operator import Operator

BYTES = 4
"""Of a number in single precision."""


def norm_shapes(channels: int) -> Shapes:
    """Shapes of a layer norm."""
    return {"scale": (channels,), "offset": (channels,)}


def layer_norm(parameters: Parameters, x: jax.Array) -> jax.Array:
    """Each row of ``[N, L, C]`` with mean 0 and variance 1, scaled and offset (Ba et al., arXiv 1607.06450)."""
    wide = x.astype(jnp.float32)
    mean = wide.mean(-1, keepdims=True)
    variance = ((wide - mean) ** 2).mean(-1, keepdims=True)
    y = (wide - mean) * lax.rsqrt(variance + EPSILON)
    return (y * parameters["scale"][None, None] + parameters["offset"][None, None]).astype(x.dtype)


def rms_norm(parameters: Parameters, x: jax.Array, epsilon: float) -> jax.Array:
    """Each row of ``[N, L, C]`` over its root mean square, scaled (Zhang and Sennrich, arXiv 1910.07467)."""
    wide = x.astype(jnp.float32)
    y = wide * lax.rsqrt((wide**2).mean(-1, keepdims=True) + epsilon)
    return (y * parameters["scale"][None, None]).astype(x.dtype)


def add_rms_norm(graph: Graph, parameters: Parameters, x: str, epsilon: float) -> str:
    """Add the nodes of ``rms_norm``."""
    squares = graph.add("ReduceMean", graph.add("Mul", x, x), axes=[-1], keepdims=1)
    root = graph.add("Sqrt", graph.add("Add", squares, graph.constant(np.full((), epsilon, np.float32))))
    return graph.add("Mul", graph.add("Div", x, root), graph.constant(parameters["scale"]))


def split_heads(x: jax.Array, heads: int) -> jax.Array:
    """Rows ``[N, L, H * D]`` as ``[N, H, L, D]``."""
    return x.reshape(*x.shape[:2], heads, -1).transpose(0, 2, 1, 3)


def merged_heads(x: jax.Array) -> jax.Array:
    """What ``split_heads`` split, ``[N, L, H * D]``."""
    return x.transpose(0, 2, 1, 3).reshape(x.shape[0], x.shape[2], -1)


def add_split(graph: Graph, x: str, length: int, heads: int, size: int, perm: tuple[int, ...] = (0, 2, 1, 3)) -> str:
    """Add the nodes of ``split_heads``, whose axes ``[N, L, H, D]`` come in another order."""
    parts = graph.add("Reshape", x, graph.constant(np.array([0, length, heads, size], np.int64)))
    return graph.add("Transpose", parts, perm=list(perm))


def add_merged(graph: Graph, x: str, length: int, inner: int) -> str:
    """Add the nodes of ``merged_heads``."""
    turned = graph.add("Transpose", x, perm=[0, 2, 1, 3])
    return graph.add("Reshape", turned, graph.constant(np.array([0, length, inner], np.int64)))


def add_norm(graph: Graph, parameters: Parameters, x: str) -> str:
    """Add the node of a layer norm."""
    given = graph.constant(parameters["scale"]), graph.constant(parameters["offset"])
    return graph.add("LayerNormalization", x, *given, axis=-1, epsilon=EPSILON)


def drawn(key: jax.Array, shapes: Shapes) -> dict[str, jax.Array]:
    """Fresh parameters: matrices of variance 1 / inputs, scales 1, other vectors 0."""
    return fresh(key, shapes, lambda own, shape: jax.random.normal(own, shape) * shape[0] ** -0.5)


def head_shapes(op: Operator) -> Shapes:
    """Shapes of a layer norm and a linear layer."""
    width, classes = op.in_channels, op.out_channels
    return {**norm_shapes(width), "weights": (width, classes), "bias": (classes,)}


def head_init(key: jax.Array, op: Operator) -> dict[str, jax.Array]:
    """Fresh parameters of these; the weights are small, so that a fresh network says little."""
    return fresh(key, head_shapes(op), lambda own, shape: 0.02 * jax.random.normal(own, shape))


def typed(parameters: Parameters, names: tuple[str, ...], x: jax.Array) -> list[jax.Array]:
    """Some parameters in the type of the input."""
    return [parameters[name].astype(x.dtype) for name in names]


def rows(op: Operator, batch: int) -> tuple[int, ...]:
    """Shape ``[N, L, C]`` of what an operator on a sequence takes."""
    return batch, op.in_size, op.in_channels


def row_bytes(op: Operator, params: int) -> int:
    """Bytes of ``params`` weights, of what an operator takes and of what it gives."""
    return BYTES * params + held_bytes(op)


def held_bytes(op: Operator, inner: int = 0) -> int:
    """Bytes of what an operator takes, of what it gives, and of ``inner`` numbers a token."""
    return BYTES * op.in_size * (op.in_channels + op.out_channels + inner)


def each_alone(apply: Apply) -> Step:
    """The step of an operator that does the same to each token, whatever the others are."""
    return lambda op, parameters, x, kept, _: (apply(op, parameters, x, None)[0], kept)


def token_numbers(shape: tuple[int, ...], rng: np.random.Generator) -> np.ndarray:
    """Made-up token numbers int32, 0 or 1, which every vocabulary has."""
    return rng.integers(0, 2, shape, np.int32)
