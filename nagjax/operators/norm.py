"""The kind ``norm``: a batch norm and an activation, which end networks whose blocks begin with one."""

from __future__ import annotations

import jax
import numpy as np

from nagjax.operators.kind import Applied, Graph, OperatorKind, Parameters, Shapes, Statistics
from nagjax.operators.layers import EPSILON, Norm, activate, add_activation, fresh, norm_shapes
from nagjax.operators.operator import Operator


def make() -> OperatorKind:
    """The kind."""
    examples = (Operator("norm", 4, 4, 8, 8, activation="relu"), Operator("norm", 5, 5, 3, 3))
    return OperatorKind("norm", lambda _: 0, _shapes, examples, init=_init, apply=_apply, nodes=_nodes)


def _shapes(op: Operator) -> Shapes:
    return norm_shapes("norm", op.in_channels)


def _init(key: jax.Array, op: Operator) -> dict[str, jax.Array]:
    return fresh(key, _shapes(op))


def _apply(op: Operator, parameters: Parameters, x: jax.Array, statistics: Statistics | None) -> Applied:
    norm = Norm(parameters, statistics)
    return activate(op.activation, norm("norm", x)), norm.used


def _nodes(graph: Graph, op: Operator, parameters: Parameters, statistics: Statistics, x: str) -> str:
    mean, variance = statistics["norm"]
    factor = parameters["norm_scale"] / np.sqrt(variance + EPSILON)
    offset = parameters["norm_offset"] - mean * factor
    wide = [graph.constant(part.reshape(1, -1, 1, 1).astype(np.float32)) for part in (factor, offset)]
    return add_activation(graph, op.activation, graph.add("Add", graph.add("Mul", x, wide[0]), wide[1]))
