"""What each kind of operator is in ONNX: the nodes that it declares.

Feature maps are ``[N, C, H, W]``. Batch norms are folded into the convolution before them. A new kind of operator is a
new function and a line in ``NODES``; ``nagjax.blocks.apply`` is what it must agree with.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from nagjax import blocks
from nagjax.devices.timings import OUTSIDE
from nagjax.operators import Operator

Parameters = Mapping[str, np.ndarray]
Statistics = Mapping[str, tuple[np.ndarray, np.ndarray]]


class Graph:
    """Nodes and constants of an ONNX graph, in the order in which they were added.

    Attributes:
      nodes: of type ``onnx.NodeProto``.
      constants: float32 or int64 arrays by name.
      place: what the names of further nodes begin with: layer and key of an operator, so that what a runtime times by
        name can be attributed to it (``nagjax.devices.timings``).
    """

    def __init__(self) -> None:
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


def add_operator(graph: Graph, op: Operator, parameters: Parameters, statistics: Statistics, x: str) -> str:
    """Add an operator that takes ``x``; the name of its output."""
    graph.place = f"{len(graph.nodes)}/{op.key}/"
    return NODES[op.kind](graph, op, parameters, statistics, x)


def folded(
    weights: np.ndarray, parameters: Parameters, statistics: Statistics, name: str
) -> tuple[np.ndarray, np.ndarray]:
    """Weights ``[O, ...]`` and bias ``[O]`` of a convolution with the batch norm ``name`` after it folded in."""
    mean, variance = statistics[name]
    factor = parameters[f"{name}_scale"] / np.sqrt(variance + blocks.EPSILON)
    wide = factor.reshape(-1, *(1,) * (weights.ndim - 1))
    return (weights * wide).astype(np.float32), (parameters[f"{name}_offset"] - mean * factor).astype(np.float32)


def _conv(graph: Graph, op: Operator, parameters: Parameters, statistics: Statistics, x: str) -> str:
    weights, bias = parameters["weights"].transpose(3, 2, 0, 1), None
    if op.norm:
        weights, bias = folded(weights, parameters, statistics, "norm")
    return _activate(graph, op.activation, graph.conv(x, weights, bias, op.stride))


def _mbconv(graph: Graph, op: Operator, parameters: Parameters, statistics: Statistics, x: str) -> str:
    y = x
    if blocks.expands(op):
        expand = _pointwise(parameters["expand"])
        y = graph.conv(y, *folded(expand, parameters, statistics, "expand_norm"))
        y = _activate(graph, op.activation, y)
    depthwise = parameters["depthwise"].transpose(2, 0, 1)[:, None]
    y = graph.conv(y, *folded(depthwise, parameters, statistics, "depthwise_norm"), op.stride, op.mid_channels)
    y = _activate(graph, op.activation, y)
    if op.squeeze_excite:
        gate = graph.add("GlobalAveragePool", y)
        gate = graph.conv(gate, _pointwise(parameters["squeeze"]), parameters["squeeze_bias"])
        gate = graph.conv(graph.add("Relu", gate), _pointwise(parameters["excite"]), parameters["excite_bias"])
        y = graph.add("Mul", y, graph.add("HardSigmoid", gate, alpha=1 / 6, beta=0.5))
    y = graph.conv(y, *folded(_pointwise(parameters["project"]), parameters, statistics, "project_norm"))
    return graph.add("Add", y, x) if op.skip else y


def _pool(graph: Graph, op: Operator, parameters: Parameters, statistics: Statistics, x: str) -> str:
    del op, parameters, statistics
    return graph.add("GlobalAveragePool", x)


def _linear(graph: Graph, op: Operator, parameters: Parameters, statistics: Statistics, x: str) -> str:
    del op, statistics
    given = graph.constant(parameters["weights"]), graph.constant(parameters["bias"])
    return graph.add("Gemm", graph.add("Flatten", x), *given)


def _identity(graph: Graph, op: Operator, parameters: Parameters, statistics: Statistics, x: str) -> str:
    del graph, op, parameters, statistics
    return x


NODES: Mapping[str, Callable[[Graph, Operator, Parameters, Statistics, str], str]] = {
    "conv": _conv,
    "mbconv": _mbconv,
    "pool": _pool,
    "linear": _linear,
    "identity": _identity,
}
"""The nodes of each kind of operator."""


def _pointwise(weights: np.ndarray) -> np.ndarray:
    """Weights ``[I, O]`` as those of a convolution of size 1, ``[O, I, 1, 1]``."""
    return weights.T[:, :, None, None]


def _activate(graph: Graph, name: str, x: str) -> str:
    if name == "none":
        return x
    if name == "relu6":
        return graph.add(
            "Clip", x, graph.constant(np.zeros((), np.float32)), graph.constant(np.full((), 6, np.float32))
        )
    return graph.add({"relu": "Relu", "h_swish": "HardSwish"}[name], x)
