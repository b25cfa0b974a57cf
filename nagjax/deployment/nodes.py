"""ONNX graphs that are made of the nodes which kinds of operator declare.

Feature maps are ``[N, C, H, W]``. Batch norms are folded into the convolution before them. ``nagjax.blocks.apply`` is
what the nodes must agree with.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from nagjax.devices.timings import OUTSIDE
from nagjax.operators import Operator, OperatorKind, kind_of

Parameters = Mapping[str, np.ndarray]
Statistics = Mapping[str, tuple[np.ndarray, np.ndarray]]


class Graph:
    """Nodes and constants of an ONNX graph, in the order in which they were added.

    Attributes:
      takes: type of its inputs, ``float32`` or ``int32``.
      nodes: of type ``onnx.NodeProto``.
      constants: float32 or int64 arrays by name.
      place: what the names of further nodes begin with: layer and key of an operator, so that what a runtime times by
        name can be attributed to it (``nagjax.devices.timings``).
    """

    def __init__(self, takes: str = "float32") -> None:
        self.takes = takes
        self.nodes: list[Any] = []
        self.constants: dict[str, np.ndarray] = {}
        self.place = OUTSIDE

    def add(self, kind: str, *inputs: str, output: str = "", **attributes: Any) -> str:
        """Add a node; the name of its output, a new one unless ``output`` is given."""
        from onnx import helper

        name = f"{self.place}{kind.lower()}{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, list(inputs), [output or name], name=name, **attributes))
        return output or name

    def constant(self, value: np.ndarray) -> str:
        """Add a constant; its name."""
        name = f"constant{len(self.constants)}"
        self.constants[name] = np.array(value, order="C")
        return name

    def conv(
        self, x: str, weights: np.ndarray, bias: np.ndarray | None = None, stride: int = 1, groups: int = 1
    ) -> str:
        """Add a convolution with weights ``[O, I / groups, k, k]``, padded by ``k // 2`` on every side."""
        size = weights.shape[-1]
        given = [self.constant(weights)] + ([] if bias is None else [self.constant(bias)])
        return self.add(
            "Conv", x, *given, kernel_shape=[size, size], strides=[stride, stride], pads=[size // 2] * 4, group=groups
        )


def add_operator(
    graph: Graph, op: Operator, parameters: Parameters, statistics: Statistics, x: str, kind: OperatorKind | None = None
) -> str:
    """Add an operator that takes ``x``; the name of its output. The kind is the registered one where None.

    Raises:
      ValueError: if its kind declares no nodes.
    """
    nodes = (kind or kind_of(op.kind)).nodes
    if nodes is None:
        raise ValueError(f"operator {op.key}: its kind {op.kind!r} declares no ONNX nodes; export stablehlo alone")
    graph.place = f"{len(graph.nodes)}/{op.key}/"
    return nodes(graph, op, parameters, statistics, x)
