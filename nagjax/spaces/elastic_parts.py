"""What elastic networks of chains of operators share: weights cut out of the largest, and a chain by itself."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from nagjax import blocks
from nagjax.elastic import Alone
from nagjax.operators import Operator


def cut(op: Operator, parameters: Mapping[str, jax.Array]) -> dict[str, jax.Array]:
    """Parameters of an operator as the first part of those of the largest of its kind."""
    return {
        name: parameters[name][tuple(slice(0, length) for length in shape)] for name, shape in blocks.shapes(op).items()
    }


def chain(operators: Sequence[Operator], names: Sequence[str], parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Parameters of a chain, ``op0`` and so on: cut out of the first of ``names``, and for the last out of ``head``."""
    parts = [*names[: len(operators) - 1], "head"]
    return {f"op{at}": cut(op, parameters[name]) for at, (name, op) in enumerate(zip(parts, operators, strict=True))}


def first(channels: Sequence[int], token: jax.Array, dtype: Any) -> jax.Array:
    """Ones for the channels that a choice has and zeros for the others, ``[C]`` of the last, largest choice.

    ``channels`` are how many each choice has, ascending; the token is traced.
    """
    return (jnp.arange(channels[-1]) < jnp.asarray(channels)[token]).astype(dtype)


def mixed_first(channels: Sequence[int], shares: jax.Array, dtype: Any) -> jax.Array:
    """Of each channel the share of the choices that have it, ``[C]`` of the last, largest choice.

    Shares are float32 of at least as many as there are choices. Where one has all, it is ``first`` of that choice.
    """
    has = np.arange(channels[-1])[None] < np.asarray(channels)[:, None]
    return (shares[: len(channels), None] * has).sum(0).astype(dtype)


def alone(operators: tuple[Operator, ...], dtype: Any) -> Alone:
    """A chain of operators on inputs of floating point as a network of its own."""
    network = blocks.Network(operators, jnp.dtype(dtype))

    def apply(parameters: Any, inputs: jax.Array, statistics: Any) -> tuple[jax.Array, Any]:
        outputs, used = network.apply({"params": parameters}, inputs, statistics)
        return outputs.astype(jnp.float32), used

    return Alone(functools.partial(_init, operators), apply, operators)


def skipped(_part: Mapping[str, jax.Array], x: jax.Array, _: Any) -> tuple[jax.Array, tuple[()]]:
    """The branch of what is left out."""
    return x, ()


def alone_embedded(operators: tuple[Operator, ...], dtype: Any) -> Alone:
    """A chain of operators without statistics, the first of which embeds its input, as a network of its own."""

    def apply(parameters: Any, inputs: jax.Array, _statistics: Any) -> tuple[jax.Array, Any]:
        x = inputs
        for at, op in enumerate(operators):
            x = blocks.apply(op, parameters[f"op{at}"], x)[0]
            x = x.astype(dtype) if at == 0 else x
        return x.astype(jnp.float32), tuple({} for _ in operators)

    return Alone(functools.partial(_init, operators), apply, operators)


def _init(operators: Sequence[Operator], key: jax.Array) -> Any:
    return blocks.init_named(key, {f"op{at}": op for at, op in enumerate(operators)})
