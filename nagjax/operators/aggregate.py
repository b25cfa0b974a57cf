"""The kind ``aggregate``: a layer of message passing on trees of neighbours, rows ``[N, V, C]``, level by level.

It takes 1 + k V nodes and gives the first V: the children of the node at place i stand at 1 + i k to k + i k. A node
gets ``relu(own @ W + near @ U + b)``, where near is the mean, maximum or sum of its children (Hamilton et al.,
GraphSAGE, arXiv 1706.02216, algorithm 1 without the normalisation).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import jax
import jax.numpy as jnp
import numpy as np

from nagjax.operators.kind import Applied, Graph, OperatorKind, Parameters, Shapes, Statistics, Watch
from nagjax.operators.layers import activated
from nagjax.operators.operator import Operator
from nagjax.operators.sequences import BYTES, drawn, rows, typed

OUT = "out"
"""What its activation is watched by."""

HOWS: Mapping[str, Callable[[jax.Array, int], jax.Array]] = {"mean": jnp.mean, "max": jnp.max, "sum": jnp.sum}
"""How values of neighbours become one, along an axis."""


def aggregate(nodes: int, neighbours: int, inputs: int, outputs: int, how: str) -> Operator:
    """The operator that gives ``nodes`` nodes.

    >>> aggregate(9, 8, 64, 16, "max").key
    'aggregate-73x73x64-9x9x16-k1-s1-relu-how=max'
    """
    about = (("how", how),)
    taken = 1 + neighbours * nodes
    return Operator("aggregate", taken, nodes, inputs, outputs, activation="relu", norm=False, attributes=about)


def make() -> OperatorKind:
    """The kind."""
    return OperatorKind(
        "aggregate",
        lambda op: 2 * op.out_size * op.in_channels * op.out_channels,
        _shapes,
        (aggregate(4, 3, 5, 6, "mean"), aggregate(1, 3, 6, 2, "max"), aggregate(3, 2, 4, 4, "sum")),
        init=lambda key, op: drawn(key, _shapes(op)),
        apply=_apply,
        nodes=_nodes,
        traffic=lambda op: BYTES * (2 * op.in_channels * op.out_channels + op.out_channels) + _held(op),
        peak=lambda op: _held(op) + BYTES * op.out_size * op.in_channels,
        input_shape=rows,
        watched=lambda op, parameters, x, watch: _apply(op, parameters, x, None, watch)[0],
    )


def gathered(x: jax.Array, nodes: int, how: str) -> jax.Array:
    """Of the first nodes of ``[N, 1 + k V, C]`` what their children become, ``[N, V, C]``."""
    children = x[:, 1:].reshape(x.shape[0], nodes, (x.shape[1] - 1) // nodes, x.shape[2])
    return HOWS[how](children, 2)


def combined(parameters: Parameters, x: jax.Array, seen: jax.Array, watch: Watch | None = None) -> jax.Array:
    """What nodes ``[N, V, C]`` become, the first of ``x``, of what their children have become."""
    own, near, bias = typed(parameters, ("own", "near", "bias"), x)
    return activated(watch, OUT, "relu", x[:, : seen.shape[1]] @ own + seen @ near + bias[None, None])


def _held(op: Operator) -> int:
    return BYTES * (op.in_size * op.in_channels + op.out_size * op.out_channels)


def _shapes(op: Operator) -> Shapes:
    shape = op.in_channels, op.out_channels
    return {"own": shape, "near": shape, "bias": shape[1:]}


def _apply(
    op: Operator, parameters: Parameters, x: jax.Array, _statistics: Statistics | None, watch: Watch | None = None
) -> Applied:
    return combined(parameters, x, gathered(x, op.out_size, str(dict(op.attributes)["how"])), watch), {}


def _nodes(graph: Graph, op: Operator, parameters: Parameters, _statistics: Statistics, x: str) -> str:
    def cut(first: int, end: int) -> str:
        return graph.add("Slice", x, *(graph.constant(np.array([value], np.int64)) for value in (first, end, 1)))

    children = [0, op.out_size, (op.in_size - 1) // op.out_size, op.in_channels]
    parts = graph.add("Reshape", cut(1, op.in_size), graph.constant(np.array(children, np.int64)))
    how = dict(op.attributes)["how"]
    if how == "sum":
        seen = graph.add("ReduceSum", parts, graph.constant(np.array([2], np.int64)), keepdims=0)
    else:
        seen = graph.add({"mean": "ReduceMean", "max": "ReduceMax"}[str(how)], parts, axes=[2], keepdims=0)
    pair = [
        graph.add("MatMul", rows, graph.constant(parameters[name]))
        for name, rows in (("own", cut(0, op.out_size)), ("near", seen))
    ]
    return graph.add("Relu", graph.add("Add", graph.add("Add", *pair), graph.constant(parameters["bias"])))
