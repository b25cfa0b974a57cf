"""What kinds of operator on feature maps ``[N, H, W, C]`` are made of: norms, activations, convolutions, fresh weights.

Batch norms use the statistics they are given, or those of the batch, which they return: nothing is updated in passing,
and whoever evaluates a network says on which images its statistics are taken.
"""

from __future__ import annotations

import functools
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from nagjax.operators.kind import Graph, Parameters, Shapes, Statistics, Used, Watch

EPSILON = 1e-5
he_out = jax.nn.initializers.variance_scaling(2.0, "fan_out", "normal")
"""He et al. 2015, fan-out."""

Draw = Callable[[jax.Array, tuple[int, ...]], jax.Array]


class Norm:
    """Batch norms of one operator: takes each one's statistics from where they come, and keeps what was used."""

    def __init__(self, parameters: Parameters, statistics: Statistics | None) -> None:
        self.parameters, self.given = parameters, statistics
        self.used: Used = {}

    def __call__(self, name: str, x: jax.Array) -> jax.Array:
        """Maps normalised by the norm ``name``."""
        if self.given is None:
            mean = x.mean((0, 1, 2), dtype=jnp.float32)
            variance = jnp.maximum((x.astype(jnp.float32) ** 2).mean((0, 1, 2)) - mean**2, 0.0)
        else:
            mean, variance = self.given[name]
        self.used[name] = mean, variance
        factor = self.parameters[f"{name}_scale"] * lax.rsqrt(variance + EPSILON)
        offset = self.parameters[f"{name}_offset"] - mean * factor
        return x * _wide(factor.astype(x.dtype), x) + _wide(offset.astype(x.dtype), x)


def norm_shapes(name: str, channels: int) -> Shapes:
    """Shapes of the parameters of the batch norm ``name``."""
    return {f"{name}_scale": (channels,), f"{name}_offset": (channels,)}


def fresh(key: jax.Array, shapes: Shapes, draw: Draw | None = None) -> dict[str, jax.Array]:
    """Fresh parameters float32: scales of norms 1, other vectors 0, the rest by ``draw``, else by He et al. 2015."""
    out = {}
    for at, (name, shape) in enumerate(shapes.items()):
        own = jax.random.fold_in(key, at)
        if name.endswith("scale"):
            out[name] = jnp.ones(shape)
        elif len(shape) == 1:
            out[name] = jnp.zeros(shape)
        else:
            out[name] = draw(own, shape) if draw else he_out(own, shape, jnp.float32)
    return out


def activate(name: str, x: jax.Array) -> jax.Array:
    """One of the operators' activations."""
    return {"none": lambda v: v, "relu": jax.nn.relu, "relu6": jax.nn.relu6, "h_swish": jax.nn.hard_swish}[name](x)


def activated(watch: Watch | None, name: str, activation: str, x: jax.Array) -> jax.Array:
    """What an activation gives of ``x``, where it is one; it is told to a watch under its name."""
    if watch is None or activation == "none":
        return activate(activation, x)
    return watch(name, functools.partial(activate, activation), x)


def conv2d(x: jax.Array, weights: jax.Array, stride: int) -> jax.Array:
    """A convolution with weights ``[k, k, I, O]``, padded by ``k // 2`` on every side."""
    if weights.shape[0] == 1:
        return x[:, ::stride, ::stride] @ weights[0, 0]
    pad = weights.shape[0] // 2
    return lax.conv_general_dilated(
        x, weights, (stride, stride), ((pad, pad), (pad, pad)), dimension_numbers=("NHWC", "HWIO", "NHWC")
    )


def folded(
    weights: np.ndarray, parameters: Parameters, statistics: Statistics, name: str
) -> tuple[np.ndarray, np.ndarray]:
    """Weights ``[O, ...]`` and bias ``[O]`` of a convolution with the batch norm ``name`` after it folded in."""
    mean, variance = statistics[name]
    factor = parameters[f"{name}_scale"] / np.sqrt(variance + EPSILON)
    wide = factor.reshape(-1, *(1,) * (weights.ndim - 1))
    return (weights * wide).astype(np.float32), (parameters[f"{name}_offset"] - mean * factor).astype(np.float32)


def add_activation(graph: Graph, name: str, x: str) -> str:
    """Add the node of an activation."""
    if name == "none":
        return x
    if name == "relu6":
        return graph.add(
            "Clip", x, graph.constant(np.zeros((), np.float32)), graph.constant(np.full((), 6, np.float32))
        )
    return graph.add({"relu": "Relu", "h_swish": "HardSwish"}[name], x)


def _wide(values: jax.Array, x: jax.Array) -> jax.Array:
    """Values ``[C]`` with as many axes as ``x``: rank promotion stays off."""
    return values.reshape((1,) * (x.ndim - 1) + values.shape)
