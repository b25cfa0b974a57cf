"""The kind ``patch_embedding``: maps ``[N, H, W, C]`` to rows ``[N, L, C]``, a row a patch.

Each patch of ``kernel`` by ``kernel`` pixels goes through a linear layer, and a learned row a position is added
(Dosovitskiy et al., arXiv 2010.11929, equation 1, without a class token).
"""

from __future__ import annotations

import jax
import numpy as np

from nagjax.operators.kind import Applied, Graph, OperatorKind, Parameters, Shapes, Statistics
from nagjax.operators.operator import Operator
from nagjax.operators.sequences import BYTES, drawn, typed

SPREAD = 0.02
"""Standard deviation of fresh positions."""


def patch_embedding(side: int, channels: int, patch: int, width: int) -> Operator:
    """The operator; ``patch`` divides the side.

    >>> patch_embedding(28, 1, 7, 32).key
    'patch_embedding-28x28x1-16x16x32-k7-s7'
    """
    return Operator(
        "patch_embedding", side, (side // patch) ** 2, channels, width, kernel=patch, stride=patch, norm=False
    )


def make() -> OperatorKind:
    """The kind."""
    return OperatorKind(
        "patch_embedding",
        lambda op: op.out_size * _numbers(op) * op.out_channels,
        _shapes,
        (patch_embedding(4, 3, 2, 5), patch_embedding(6, 1, 2, 4)),
        init=_init,
        apply=_apply,
        nodes=_nodes,
        traffic=lambda op: BYTES * (_numbers(op) + op.out_size) * op.out_channels + _maps(op),
        peak=_maps,
    )


def _numbers(op: Operator) -> int:
    """Of a patch."""
    return op.kernel**2 * op.in_channels


def _maps(op: Operator) -> int:
    """Bytes of what it takes and gives."""
    return BYTES * (op.in_size**2 * op.in_channels + op.out_size * op.out_channels)


def _shapes(op: Operator) -> Shapes:
    return {"weights": (_numbers(op), op.out_channels), "positions": (op.out_size, op.out_channels)}


def _init(key: jax.Array, op: Operator) -> dict[str, jax.Array]:
    made = drawn(key, _shapes(op))
    return {**made, "positions": SPREAD * op.out_size**0.5 * made["positions"]}


def _apply(op: Operator, parameters: Parameters, x: jax.Array, _statistics: Statistics | None) -> Applied:
    weights, positions = typed(parameters, ("weights", "positions"), x)
    side = op.in_size // op.kernel
    cut = x.reshape(x.shape[0], side, op.kernel, side, op.kernel, op.in_channels).transpose(0, 1, 3, 2, 4, 5)
    return cut.reshape(x.shape[0], op.out_size, -1) @ weights + positions[None], {}


def _nodes(graph: Graph, op: Operator, parameters: Parameters, _statistics: Statistics, x: str) -> str:
    size, width = op.kernel, op.out_channels
    weights = parameters["weights"].reshape(size, size, op.in_channels, width).transpose(3, 2, 0, 1)
    maps = graph.add("Conv", x, graph.constant(weights), kernel_shape=[size, size], strides=[size, size])
    flat = graph.add("Reshape", maps, graph.constant(np.array([0, width, op.out_size], np.int64)))
    rows = graph.add("Transpose", flat, perm=[0, 2, 1])
    return graph.add("Add", rows, graph.constant(parameters["positions"]))
