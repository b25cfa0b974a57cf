"""The kind ``identity``: gives what it takes."""

from __future__ import annotations

import jax

from nagjax.operators.kind import Applied, Graph, OperatorKind, Parameters, Statistics
from nagjax.operators.operator import Operator


def make() -> OperatorKind:
    """The kind."""
    examples = (Operator("identity", 5, 5, 8, 8), Operator("identity", 7, 7, 9, 9))
    return OperatorKind("identity", lambda _: 0, lambda _: {}, examples, init=lambda *_: {}, apply=_apply, nodes=_nodes)


def _apply(_op: Operator, _parameters: Parameters, x: jax.Array, _statistics: Statistics | None) -> Applied:
    return x, {}


def _nodes(_graph: Graph, _op: Operator, _parameters: Parameters, _statistics: Statistics, x: str) -> str:
    return x
