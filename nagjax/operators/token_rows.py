"""The kind ``token_rows``: token numbers int32 ``[N, L]`` to rows ``[N, L, C]``, and nothing for their positions."""

from __future__ import annotations

import jax
import jax.numpy as jnp

from nagjax.operators.embedding import SPREAD
from nagjax.operators.kind import Applied, Graph, OperatorKind, Parameters, Shapes, Statistics
from nagjax.operators.operator import Operator
from nagjax.operators.sequences import BYTES, each_alone, token_numbers


def token_rows(length: int, vocabulary: int, width: int) -> Operator:
    """The operator.

    >>> token_rows(64, 32, 16).key
    'token_rows-64x64x32-64x64x16-k1-s1'
    """
    return Operator("token_rows", length, length, vocabulary, width, norm=False)


def make() -> OperatorKind:
    """The kind."""
    return OperatorKind(
        "token_rows",
        lambda _: 0,
        _shapes,
        (token_rows(6, 5, 8), token_rows(3, 9, 4)),
        init=lambda key, op: {"tokens": SPREAD * jax.random.normal(key, _shapes(op)["tokens"])},
        apply=_apply,
        nodes=_nodes,
        step=each_alone(_apply),
        traffic=lambda op: BYTES * op.in_size * (1 + 2 * op.out_channels),
        peak=lambda op: BYTES * op.in_size * (1 + op.out_channels),
        input_shape=lambda op, batch: (batch, op.in_size),
        inputs=token_numbers,
    )


def _shapes(op: Operator) -> Shapes:
    return {"tokens": (op.in_channels, op.out_channels)}


def _apply(_op: Operator, parameters: Parameters, x: jax.Array, _statistics: Statistics | None) -> Applied:
    return jnp.take(parameters["tokens"], x, axis=0), {}


def _nodes(graph: Graph, _op: Operator, parameters: Parameters, _statistics: Statistics, x: str) -> str:
    return graph.add("Gather", graph.constant(parameters["tokens"]), x)
