"""The kind ``identity``: gives what it takes."""

from __future__ import annotations

import jax

from nagjax.operators.kind import Applied, Graph, OperatorKind, Parameters, Statistics
from nagjax.operators.operator import Operator


def make() -> OperatorKind:
    """The kind."""
    examples = (Operator("identity", 5, 5, 8, 8), Operator("identity", 7, 7, 9, 9))
    return OperatorKind("identity", lambda _: 0, lambda _: {}, examples, init=lambda *_: {}, apply=_apply, nodes=_nodes)


def _apply(op: Operator, parameters: Parameters, x: jax.Array, statistics: Statistics | None) -> Applied:
    del op, parameters, statistics
    return x, {}


def _nodes(graph: Graph, op: Operator, parameters: Parameters, statistics: Statistics, x: str) -> str:
    del graph, op, parameters, statistics
    return x
