"""Weights kept in few bits: their bytes, and what rounding makes of them.

Symmetric, with a scale for each output channel, as post-training quantisation of weights does it (Krishnamoorthi, arXiv
1806.08342, section 3.1). Vectors stay as they are. What is computed is computed with the rounded numbers: an operator
whose weights are kept in fewer bits has the attribute ``bits``, so that a device table can price it.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping

import jax
import jax.numpy as jnp
from jax import lax

from nagjax.operators.operator import Operator
from nagjax.operators.registry import kind_of
from nagjax.operators.sequences import BYTES

WHOLE = 32
"""Bits of weights that are kept as they are."""


def bits_of(op: Operator) -> int:
    """Bits of an operator's weights."""
    return int(dict(op.attributes).get("bits", WHOLE))


def as_computed(op: Operator) -> Operator:
    """The operator that takes the same time here: what is computed is computed with weights as they are.

    >>> from nagjax.operators.gpt2_mlp import gpt2_mlp
    >>> as_computed(gpt2_mlp(6, 8, 12, bits=8)) == gpt2_mlp(6, 8, 12)
    True
    """
    about = tuple((name, WHOLE if name == "bits" else value) for name, value in op.attributes)
    return dataclasses.replace(op, attributes=about)


def levels_of(bits: int) -> int:
    """Values above 0 that a weight of so many bits can have; 0 where it is kept as it is.

    >>> levels_of(8), levels_of(WHOLE)
    (127, 0)
    """
    return 0 if bits == WHOLE else 2 ** (bits - 1) - 1


def stored_bytes(op: Operator) -> int:
    """Bytes of an operator's weights as they are kept: matrices in its bits and a scale an output channel.

    Vectors, and all of what is kept whole, are in single precision.

    >>> from nagjax.operators.gpt2_mlp import gpt2_mlp
    >>> stored_bytes(gpt2_mlp(6, 8, 12, bits=8)) == 2 * 8 * 12 + 4 * (12 + 8) + 4 * (8 + 8 + 12 + 8)
    True
    """
    bits, total = bits_of(op), 0
    for shape in kind_of(op.kind).shapes(op).values():
        if len(shape) == 1 or bits == WHOLE:
            total += BYTES * math.prod(shape)
        else:
            total += -(-math.prod(shape) * bits // 8) + BYTES * shape[-1]
    return total


def rounded(parameters: Mapping[str, jax.Array], levels: jax.Array | int) -> dict[str, jax.Array]:
    """Parameters whose matrices ``[in, out]`` hold at most ``levels`` values above 0 an output channel, and below.

    Gradients pass as if nothing was rounded (the straight-through estimator of Bengio et al., arXiv 1308.3432).
    ``levels`` as of ``levels_of`` may be traced; all stays as it is where 0.
    """
    return {name: _rounded(value, levels) if value.ndim > 1 else value for name, value in parameters.items()}


def _rounded(weights: jax.Array, levels: jax.Array | int) -> jax.Array:
    step = jnp.abs(weights).max(0, keepdims=True) / jnp.maximum(levels, 1)
    step = jnp.where(step > 0, step, 1.0)
    moved = jnp.round(weights / step) * step - weights
    return weights + lax.stop_gradient(jnp.where(levels > 0, moved, 0.0))  # type: ignore[operator]
