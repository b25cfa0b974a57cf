"""The kind ``cell``: nodes that are sums of what operators make of earlier nodes (Dong and Yang, arXiv 2001.00326).

Node 0 is the input, the last node the output. There is an edge from every node to every later one, with one of
``OPERATIONS`` on it; which, the attribute ``edges`` says, in the order of ``edges_of``. An edge that no path from
input to output passes is not computed, and has no weights. (Where the benchmark computes a convolution of a node that
nothing reaches, it adds what the norm adds, one number a channel; here it adds nothing.)
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, TypeAlias, TypeVar

import jax

from nagjax.operators import average_pool, relu_conv
from nagjax.operators.kind import Applied, Graph, OperatorKind, Parameters, Shapes, Statistics, Used
from nagjax.operators.operator import Operator

OPERATIONS = ("none", "skip_connect", "nor_conv_1x1", "nor_conv_3x3", "avg_pool_3x3")
KERNELS: Mapping[str, int] = {"nor_conv_1x1": 1, "nor_conv_3x3": 3}

Edge: TypeAlias = tuple[int, int]
"""The node that an edge leads to, and the one that it comes from."""

Bit = TypeVar("Bit")
"""A truth value, of Python or an array."""


def edges_of(nodes: int) -> tuple[Edge, ...]:
    """Edges in their order.

    >>> edges_of(3)
    ((1, 0), (2, 0), (2, 1))
    """
    return tuple((node, source) for node in range(1, nodes) for source in range(node))


def edge_name(edge: Edge) -> str:
    """What its parameters are called by.

    >>> edge_name((2, 0))
    'node2_from0'
    """
    return f"node{edge[0]}_from{edge[1]}"


def operator_on(operation: str, side: int, channels: int) -> Operator | None:
    """The operator of an edge; None where it computes nothing."""
    if operation in KERNELS:
        return relu_conv.relu_conv(side, channels, KERNELS[operation])
    return average_pool.average_pool(side, channels) if operation == "avg_pool_3x3" else None


def cell(side: int, channels: int, operations: Sequence[str]) -> Operator:
    """The operator of a cell.

    >>> cell(8, 16, ["nor_conv_3x3", "none", "skip_connect"]).key
    'cell-8x8x16-8x8x16-k1-s1-bn-edges=nor_conv_3x3.none.skip_connect'

    Raises:
      ValueError: if an operation is not known, the number of edges is not that of a cell, or no path leads through it.
    """
    op = Operator("cell", side, side, channels, channels, attributes=(("edges", ".".join(operations)),))
    list(_live(op))
    return op


def on_a_path(there: Sequence[Bit], nodes: int) -> list[Bit]:
    """Which edges of a cell a path from input to output passes; ``there`` says which carry anything, and may be traced.

    >>> on_a_path([True, False, True], 3)
    [True, False, True]
    >>> on_a_path([True, True, False], 3)
    [False, True, False]
    """
    edges: Any = list(zip(edges_of(nodes), there, strict=True))
    reached: list[Any] = [True] + [False] * (nodes - 1)
    leads: list[Any] = [False] * (nodes - 1) + [True]
    for (node, source), on in edges:
        reached[node] = reached[node] | (on & reached[source])
    for (node, source), on in reversed(edges):
        leads[source] = leads[source] | (on & leads[node])
    return [on & reached[source] & leads[node] for (node, source), on in edges]


def make() -> OperatorKind:
    """The kind."""
    examples = (
        cell(5, 4, ["nor_conv_3x3", "avg_pool_3x3", "nor_conv_1x1"]),
        cell(4, 8, ["nor_conv_1x1", "none", "skip_connect", "skip_connect", "nor_conv_3x3", "none"]),
    )
    return OperatorKind("cell", _madds, _shapes, examples, init=_init, apply=_apply, nodes=_nodes)


def _live(op: Operator) -> Iterator[tuple[Edge, Operator | None]]:
    """The edges that a path passes, and the operator on each; None where it hands on what it takes."""
    operations = str(dict(op.attributes).get("edges", "")).split(".")
    unknown = sorted(set(operations) - set(OPERATIONS))
    if unknown:
        raise ValueError(f"operator {op.key}: edges names {unknown[0]!r}; operations: {', '.join(OPERATIONS)}")
    nodes = next((nodes for nodes in range(2, 99) if len(edges_of(nodes)) == len(operations)), 0)
    if not nodes:
        raise ValueError(f"operator {op.key}: a cell of 2, 3, 4 nodes has 1, 3, 6 edges, not {len(operations)}")
    live = on_a_path([operation != "none" for operation in operations], nodes)
    if not any(live):
        raise ValueError(f"operator {op.key}: no path leads through the cell; leave its network out")
    for edge, operation, on in zip(edges_of(nodes), operations, live, strict=True):
        if on:
            yield edge, operator_on(operation, op.in_size, op.in_channels)


def _kind(op: Operator) -> OperatorKind:
    return RELU_CONV if op.kind == RELU_CONV.name else AVERAGE_POOL


RELU_CONV, AVERAGE_POOL = relu_conv.make(), average_pool.make()


def _madds(op: Operator) -> int:
    return sum(_kind(own).madds(own) for _, own in _live(op) if own)


def _shapes(op: Operator) -> Shapes:
    return {
        f"{edge_name(edge)}.{name}": shape
        for edge, own in _live(op)
        if own
        for name, shape in _kind(own).shapes(own).items()
    }


def _init(key: jax.Array, op: Operator) -> dict[str, jax.Array]:
    out: dict[str, jax.Array] = {}
    for at, (edge, own) in enumerate(_live(op)):
        if own:
            init = _kind(own).init
            assert init is not None
            fresh = init(jax.random.fold_in(key, at), own)
            out |= {f"{edge_name(edge)}.{name}": value for name, value in fresh.items()}
    return out


def _own(edge: Edge, given: Mapping[str, Any]) -> dict[str, Any]:
    """What is given of an edge, by the names that its operator knows."""
    prefix = f"{edge_name(edge)}."
    return {name.removeprefix(prefix): value for name, value in given.items() if name.startswith(prefix)}


def _apply(op: Operator, parameters: Parameters, x: jax.Array, statistics: Statistics | None) -> Applied:
    nodes = {0: x}
    told: Used = {}
    for edge, own in _live(op):
        y = nodes[edge[1]]
        if own:
            apply = _kind(own).apply
            assert apply is not None
            y, used = apply(own, _own(edge, parameters), y, None if statistics is None else _own(edge, statistics))
            told |= {f"{edge_name(edge)}.{name}": pair for name, pair in used.items()}
        nodes[edge[0]] = nodes[edge[0]] + y if edge[0] in nodes else y
    return nodes[max(nodes)], told


def _nodes(graph: Graph, op: Operator, parameters: Parameters, statistics: Statistics, x: str) -> str:
    names = {0: x}
    for edge, own in _live(op):
        y = names[edge[1]]
        if own:
            nodes = _kind(own).nodes
            assert nodes is not None
            y = nodes(graph, own, _own(edge, parameters), _own(edge, statistics), y)
        names[edge[0]] = graph.add("Add", names[edge[0]], y) if edge[0] in names else y
    return names[max(names)]
