"""The kind ``pool``: a global average pool, ``[N, H, W, C]`` to ``[N, 1, 1, C]``."""

from __future__ import annotations

import jax
import jax.numpy as jnp

from nagjax.operators.kind import Applied, Graph, OperatorKind, Parameters, Statistics
from nagjax.operators.operator import Operator


def make() -> OperatorKind:
    """The kind."""
    examples = (
        Operator("pool", 7, 1, 9, 9, kernel=7, norm=False),
        Operator("pool", 4, 1, 16, 16, kernel=4, norm=False),
    )
    return OperatorKind("pool", lambda _: 0, lambda _: {}, examples, init=lambda *_: {}, apply=_apply, nodes=_nodes)


def _apply(_op: Operator, _parameters: Parameters, x: jax.Array, _statistics: Statistics | None) -> Applied:
    return x.mean((1, 2), dtype=jnp.float32).astype(x.dtype)[:, None, None, :], {}


def _nodes(graph: Graph, _op: Operator, _parameters: Parameters, _statistics: Statistics, x: str) -> str:
    return graph.add("GlobalAveragePool", x)
