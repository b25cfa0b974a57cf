"""Networks built from operators: their parameters, and what each does to feature maps ``[N, H, W, C]``.

An operator's parameters are a dict of arrays, so that a supernet can hold the largest and slice the others out of it;
``init`` and ``apply`` are pure. Batch norms use the statistics they are given, or those of the batch, which they
return: nothing is updated in passing, and whoever evaluates a network says on which images its statistics are taken.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax import lax

from nagjax.depthwise import depthwise
from nagjax.operators import Operator

Parameters = Mapping[str, jax.Array]
Statistics = Mapping[str, tuple[jax.Array, jax.Array]]
"""Mean and variance float32 ``[C]`` of each batch norm of an operator, by name."""

EPSILON = 1e-5
_he_out = nn.initializers.variance_scaling(2.0, "fan_out", "normal")


def shapes(op: Operator) -> dict[str, tuple[int, ...]]:
    """Shape of each parameter of an operator.

    >>> shapes(Operator("linear", 1, 1, 128, 10, norm=False))
    {'weights': (128, 10), 'bias': (10,)}
    """
    out: dict[str, tuple[int, ...]] = {}
    if op.kind == "linear":
        return {"weights": (op.in_channels, op.out_channels), "bias": (op.out_channels,)}
    if op.kind == "conv":
        out["weights"] = (op.kernel, op.kernel, op.in_channels, op.out_channels)
        return out | (_norm_shapes("norm", op.out_channels) if op.norm else {})
    if op.kind == "mbconv":
        mid, squeezed = op.mid_channels, op.squeeze_channels
        if expands(op):
            out |= {"expand": (op.in_channels, mid), **_norm_shapes("expand_norm", mid)}
        out |= {"depthwise": (op.kernel, op.kernel, mid), **_norm_shapes("depthwise_norm", mid)}
        if op.squeeze_excite:
            out |= {"squeeze": (mid, squeezed), "squeeze_bias": (squeezed,)}
            out |= {"excite": (squeezed, mid), "excite_bias": (mid,)}
        out |= {"project": (mid, op.out_channels), **_norm_shapes("project_norm", op.out_channels)}
    return out


def expands(op: Operator) -> bool:
    """Whether an ``mbconv`` has an expansion: not where its middle is as wide as its input."""
    return op.mid_channels != op.in_channels


def init(key: jax.Array, op: Operator) -> dict[str, jax.Array]:
    """Fresh parameters float32 of an operator (He et al. 2015, fan-out; norms at scale 1)."""
    out = {}
    for at, (name, shape) in enumerate(shapes(op).items()):
        if name.endswith("scale"):
            out[name] = jnp.ones(shape)
        elif len(shape) == 1:
            out[name] = jnp.zeros(shape)
        elif name == "depthwise":
            out[name] = jax.random.normal(jax.random.fold_in(key, at), shape) * (2.0 / (shape[0] * shape[1])) ** 0.5
        elif op.kind == "linear":
            out[name] = jax.random.normal(jax.random.fold_in(key, at), shape) * 0.01
        else:
            out[name] = _he_out(jax.random.fold_in(key, at), shape, jnp.float32)
    return out


def apply(
    op: Operator, parameters: Parameters, x: jax.Array, statistics: Statistics | None = None
) -> tuple[jax.Array, dict[str, tuple[jax.Array, jax.Array]]]:
    """What an operator does.

    Args:
      op: the operator.
      parameters: its parameters.
      x: feature maps ``[N, H, W, C]``, for ``linear`` of size 1. The type is that of the computation.
      statistics: of its batch norms; those of the batch where None.

    Returns:
      Its output, ``[N, 1, 1, C]`` for ``pool``, ``[N, C]`` for ``linear``, and the statistics that were used.
    """
    norm = _Norm(parameters, statistics)
    if op.kind == "identity":
        return x, norm.used
    if op.kind == "pool":
        return x.mean((1, 2), dtype=jnp.float32).astype(x.dtype)[:, None, None, :], norm.used
    if op.kind == "linear":
        flat = x.reshape(x.shape[0], -1)  # a symbolic batch has no length
        return flat @ parameters["weights"].astype(x.dtype) + parameters["bias"].astype(x.dtype)[None], norm.used
    if op.kind == "conv":
        y = _conv(x, parameters["weights"].astype(x.dtype), op.stride)
        y = norm("norm", y) if op.norm else y
        return activate(op.activation, y), norm.used
    return _mbconv(op, parameters, x, norm), norm.used


class _Norm:
    """Batch norms of one operator: takes each one's statistics from where they come, and keeps what was used."""

    def __init__(self, parameters: Parameters, statistics: Statistics | None) -> None:
        self.parameters, self.given = parameters, statistics
        self.used: dict[str, tuple[jax.Array, jax.Array]] = {}

    def __call__(self, name: str, x: jax.Array) -> jax.Array:
        if self.given is None:
            mean = x.mean((0, 1, 2), dtype=jnp.float32)
            variance = jnp.maximum((x.astype(jnp.float32) ** 2).mean((0, 1, 2)) - mean**2, 0.0)
        else:
            mean, variance = self.given[name]
        self.used[name] = mean, variance
        factor = self.parameters[f"{name}_scale"] * lax.rsqrt(variance + EPSILON)
        offset = self.parameters[f"{name}_offset"] - mean * factor
        return x * _wide(factor.astype(x.dtype), x) + _wide(offset.astype(x.dtype), x)


def _mbconv(op: Operator, parameters: Parameters, x: jax.Array, norm: _Norm) -> jax.Array:
    """An inverted bottleneck; squeeze-excite stands after the depthwise activation (Howard et al. 2019)."""
    weights = {name: value.astype(x.dtype) for name, value in parameters.items()}
    y = x
    if expands(op):
        y = activate(op.activation, norm("expand_norm", y @ weights["expand"]))
    y = activate(op.activation, norm("depthwise_norm", depthwise(y, weights["depthwise"], op.stride)))
    if op.squeeze_excite:
        pooled = y.mean((1, 2), dtype=jnp.float32).astype(y.dtype)
        hidden = jax.nn.relu(pooled @ weights["squeeze"] + weights["squeeze_bias"][None])
        gate = jax.nn.hard_sigmoid(hidden @ weights["excite"] + weights["excite_bias"][None])
        y = y * gate[:, None, None, :]
    y = norm("project_norm", y @ weights["project"])
    return y + x if op.skip else y


def _wide(values: jax.Array, x: jax.Array) -> jax.Array:
    """Values ``[C]`` with as many axes as ``x``: rank promotion stays off."""
    return values.reshape((1,) * (x.ndim - 1) + values.shape)


def activate(name: str, x: jax.Array) -> jax.Array:
    """One of the operators' activations."""
    return {"none": lambda v: v, "relu": jax.nn.relu, "relu6": jax.nn.relu6, "h_swish": jax.nn.hard_swish}[name](x)


def _conv(x: jax.Array, weights: jax.Array, stride: int) -> jax.Array:
    if weights.shape[0] == 1 and stride == 1:
        return x @ weights[0, 0]
    pad = weights.shape[0] // 2
    return lax.conv_general_dilated(
        x, weights, (stride, stride), ((pad, pad), (pad, pad)), dimension_numbers=("NHWC", "HWIO", "NHWC")
    )


def _norm_shapes(name: str, channels: int) -> dict[str, tuple[int, ...]]:
    return {f"{name}_scale": (channels,), f"{name}_offset": (channels,)}


class Network(nn.Module):
    """Operators one after another, as a flax module.

    Attributes:
      operators: what an image passes, in order.
      dtype: of the computation; parameters and statistics are float32.
    """

    operators: Sequence[Operator]
    dtype: jnp.dtype = jnp.dtype("float32")

    def setup(self) -> None:
        """Declare the parameters: one dict an operator, ``op0``, ``op1`` and so on."""
        self.parts = [self.param(f"op{at}", lambda key, op=op: init(key, op)) for at, op in enumerate(self.operators)]

    def __call__(
        self, x: jax.Array, statistics: Sequence[Statistics] | None = None
    ) -> tuple[jax.Array, tuple[Statistics, ...]]:
        """Output of the last operator for images ``[N, H, W, C]``, and the batch norms' statistics, one an operator."""
        x = x.astype(self.dtype)
        used = []
        for at, (op, parameters) in enumerate(zip(self.operators, self.parts, strict=True)):
            x, taken = apply(op, parameters, x, None if statistics is None else statistics[at])
            used.append(taken)
        return x, tuple(used)


def block(op: Operator) -> Network:
    """A network of one operator."""
    return Network((op,))


def input_shape(op: Operator, batch: int) -> tuple[int, int, int, int]:
    """Shape of the feature maps that an operator takes.

    >>> input_shape(Operator("pool", 7, 1, 960, 960, 7, norm=False), 2)
    (2, 7, 7, 960)
    """
    return batch, op.in_size, op.in_size, op.in_channels
