"""The NAS-Bench-201 cell space (Dong and Yang, arXiv 2001.00326): a cell of 4 nodes, 6 edges, one of 5 operations each.

Text as the benchmark writes it: for each node after the first the operations on the edges from all earlier nodes,
``|nor_conv_3x3~0|+|none~0|skip_connect~1|+|none~0|none~1|avg_pool_3x3~2|``. All 15,625 strings are kept apart, those
that compute the same function included, because the benchmark has trained and timed every one by itself.

The network has three stages of equal cells, with a residual block of stride 2 between stages. An edge has the
operators of all cells, so multiply-adds and parameters are those of the published file. Its measured costs come from a
table of whole networks (``nagjax.tabular``). Settings make smaller networks, which are trained as one set of weights.
"""

from __future__ import annotations

import dataclasses
import itertools
import re
from collections.abc import Sequence
from typing import Any

import numpy as np

from nagjax import arguments
from nagjax.elastic import Elastic
from nagjax.names import nearest
from nagjax.operators import Operator, madds
from nagjax.operators.cell import OPERATIONS, cell, edges_of, on_a_path, operator_on
from nagjax.operators.reduction import reduction
from nagjax.spaces import trellis as tl
from nagjax.spaces.space import Decision, Space

NODES, STAGES = 4, 3
EDGES = edges_of(NODES)
"""Edges in the order of the text: (node, the node it takes its input from)."""

NAMES = tuple(f"node{node}.from{source}" for node, source in EDGES)
FEATURES = tuple(f"{name}.{operation}" for name in NAMES for operation in OPERATIONS)
EXAMPLE = "|nor_conv_3x3~0|+|none~0|skip_connect~1|+|none~0|none~1|avg_pool_3x3~2|"
_EDGE = re.compile(r"\|([^|~+]*)~\d")


@dataclasses.dataclass(frozen=True)
class Plan:
    """Sizes of the networks; the defaults are the benchmark's.

    Attributes:
      channels: of the first stage; each further one has twice as many.
      cells: of a stage.
      image_size: side of the input, pixels; each stage after the first halves it.
      image_channels, classes: of the data set.
    """

    channels: int = 16
    cells: int = 5
    image_size: int = 32
    image_channels: int = 3
    classes: int = 10

    def stage(self, stage: int) -> tuple[int, int]:
        """Side and channels of a stage, from 0."""
        return self.image_size >> stage, self.channels << stage

    @property
    def stem(self) -> Operator:
        """What an image passes first."""
        return Operator("conv", self.image_size, self.image_size, self.image_channels, self.channels, kernel=3)

    @property
    def reductions(self) -> tuple[Operator, ...]:
        """What stands before each stage after the first."""
        stages = [self.stage(stage) for stage in range(STAGES)]
        return tuple(reduction(side, channels, after) for (side, channels), (_, after) in itertools.pairwise(stages))

    @property
    def head(self) -> tuple[Operator, ...]:
        """What follows the last stage."""
        side, channels = self.stage(STAGES - 1)
        return (
            Operator("norm", side, side, channels, channels, activation="relu"),
            Operator("pool", side, 1, channels, channels, kernel=side, norm=False),
            Operator("linear", 1, 1, channels, self.classes, norm=False),
        )


def make(
    channels: int = Plan.channels,
    cells: int = Plan.cells,
    image_size: int = Plan.image_size,
    image_channels: int = Plan.image_channels,
    classes: int = Plan.classes,
) -> Space:
    """The space of 15,625 cells; what its networks are made of follows from the settings, see ``Plan``.

    >>> make(channels=8, cells=1).identity
    'nas_bench_201(cells=1,channels=8)/v1'

    Raises:
      ValueError: if a setting is out of range.
    """
    given = {
        "channels": channels, "cells": cells, "image_size": image_size, "image_channels": image_channels,
        "classes": classes,
    }  # fmt: skip
    plan = Plan(**{name: arguments.count(value, f"nas_bench_201: {name}") for name, value in given.items()})
    most = 1 << (STAGES - 1)
    if image_size % most:
        raise ValueError(f"nas_bench_201: image_size={image_size}: must be a multiple of {most}, it is halved twice")
    graph, operators = tl.build(len(EDGES), "any", lambda t, _: _edges(plan, t), FEATURES)
    choices = tuple({"operation": operation} for operation in OPERATIONS)

    def elastic(dtype: Any = "float32") -> Elastic:
        from nagjax.spaces import nas_bench_201_elastic  # it needs the plan

        return nas_bench_201_elastic.elastic(plan, dtype)

    return Space(
        name="nas_bench_201",
        version=1,
        settings={name: value for name, value in given.items() if value != getattr(Plan, name)},
        decisions=tuple(Decision(name, "edge", choices) for name in NAMES),
        trellis=graph,
        operators=operators,
        feature_names=FEATURES,
        parse_text=_parse,
        format_tokens=_format,
        describe_tokens=_describe,
        elastic=elastic,
        edge_sizes=np.broadcast_to(_sizes(plan), graph.shape),
    )


def operators_of(plan: Plan, tokens: Sequence[int]) -> tuple[Operator, ...]:
    """What an image passes, in order; nothing where no path leads through the cell."""
    if not any(on_a_path([token > 0 for token in tokens], NODES)):
        return ()
    operations = [OPERATIONS[token] for token in tokens]
    stages = [[cell(*plan.stage(stage), operations)] * plan.cells for stage in range(STAGES)]
    between = [op for down, cells in zip(plan.reductions, stages[1:], strict=True) for op in (down, *cells)]
    return (plan.stem, *stages[0], *between, *plan.head)


def _edges(plan: Plan, t: int) -> list[tl.Edge]:
    frame = (plan.stem, *plan.reductions, *plan.head) if t == 0 else ()
    return [
        tl.Edge(c, "any", (*_placed(plan, operation), *frame), (f"{NAMES[t]}.{operation}",))
        for c, operation in enumerate(OPERATIONS)
    ]


def _placed(plan: Plan, operation: str) -> tuple[Operator, ...]:
    """The operators of an operation on one edge, in all cells."""
    stages = [operator_on(operation, *plan.stage(stage)) for stage in range(STAGES)]
    return tuple(op for op in stages if op for _ in range(plan.cells))


def _sizes(plan: Plan) -> np.ndarray:
    """Sizes of the operations, float64 ``[5]``: multiply-adds, and of those that have none skips are the smallest.

    So the smallest cell hands on what it takes. One of ``none`` alone would see no image.
    """
    order = {"skip_connect": 0.0, "none": 0.1, "avg_pool_3x3": 0.2}
    return np.array([order.get(name, float(sum(map(madds, _placed(plan, name))))) for name in OPERATIONS])


def _parse(text: str) -> list[int]:
    operations = _EDGE.findall(text)
    if len(operations) != len(EDGES) or _join(operations) != text:
        raise ValueError(f"architecture {text!r} is not of the form {EXAMPLE}")
    tokens = []
    for name, operation in zip(NAMES, operations, strict=True):
        if operation not in OPERATIONS:
            near = nearest(operation, OPERATIONS)
            hint = f"did you mean {near!r}? " if near else ""
            raise ValueError(
                f"architecture {text!r}: {name} is {operation!r}, which is not an operation; {hint}"
                f"operations: {', '.join(OPERATIONS)}"
            )
        tokens.append(OPERATIONS.index(operation))
    return tokens


def _format(tokens: Sequence[int]) -> str:
    return _join([OPERATIONS[token] for token in tokens])


def _join(operations: Sequence[str]) -> str:
    """The text of operations on the edges, in their order."""
    nodes: dict[int, str] = {}
    for (node, source), operation in zip(EDGES, operations, strict=True):
        nodes[node] = nodes.get(node, "") + f"|{operation}~{source}"
    return "+".join(f"{text}|" for text in nodes.values())


def _describe(tokens: Sequence[int]) -> str:
    lines = []
    for node in (1, 2, 3):
        inputs = [
            f"{OPERATIONS[token]} of node {source}"
            for token, (end, source) in zip(tokens, EDGES, strict=True)
            if end == node and OPERATIONS[token] != "none"
        ]
        lines.append(f"node {node}: {' + '.join(inputs) or 'nothing'}")
    return "\n".join(lines)
