"""The kind ``embedding``: token numbers int32 ``[N, L]`` to rows ``[N, L, C]``, with a learned row a position."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp

from nagjax.operators.kind import Applied, Graph, Kept, OperatorKind, Parameters, Shapes, Statistics
from nagjax.operators.operator import Operator
from nagjax.operators.sequences import BYTES, token_numbers

SPREAD = 0.5
"""Standard deviation of fresh rows."""


def embedding(length: int, vocabulary: int, width: int) -> Operator:
    """The operator.

    >>> embedding(64, 32, 16).key
    'embedding-64x64x32-64x64x16-k1-s1'
    """
    return Operator("embedding", length, length, vocabulary, width, norm=False)


def make() -> OperatorKind:
    """The kind."""
    return OperatorKind(
        "embedding",
        lambda _: 0,
        _shapes,
        (embedding(6, 5, 8), embedding(3, 9, 4)),
        init=_init,
        apply=_apply,
        nodes=_nodes,
        step=_step,
        traffic=_traffic,
        peak=lambda op: BYTES * op.in_size * (1 + op.out_channels),
        input_shape=lambda op, batch: (batch, op.in_size),
        inputs=token_numbers,
    )


def _shapes(op: Operator) -> Shapes:
    return {"tokens": (op.in_channels, op.out_channels), "positions": (op.in_size, op.out_channels)}


def _traffic(op: Operator) -> int:
    """Of the table of tokens only the rows that are looked up are read."""
    return BYTES * op.in_size * (1 + 3 * op.out_channels)


def _init(key: jax.Array, op: Operator) -> dict[str, jax.Array]:
    keys = jax.random.split(key)
    return {
        name: SPREAD * jax.random.normal(own, shape)
        for own, (name, shape) in zip(keys, _shapes(op).items(), strict=True)
    }


def _apply(_op: Operator, parameters: Parameters, x: jax.Array, _statistics: Statistics | None) -> Applied:
    return jnp.take(parameters["tokens"], x, axis=0) + parameters["positions"][None], {}


def _step(_op: Operator, parameters: Parameters, x: jax.Array, kept: Kept, before: Any) -> tuple[jax.Array, Kept]:
    return jnp.take(parameters["tokens"], x, axis=0) + parameters["positions"][before][None, None], kept


def _nodes(graph: Graph, _op: Operator, parameters: Parameters, _statistics: Statistics, x: str) -> str:
    taken = graph.add("Gather", graph.constant(parameters["tokens"]), x)
    return graph.add("Add", taken, graph.constant(parameters["positions"]))
