"""The kind ``llama_mlp``: a gated MLP (SwiGLU) after an RMS norm, with a residual connection.

That of LLaMA (Touvron et al., arXiv 2302.13971; Shazeer, arXiv 2002.05202, equation 6), without biases.
"""

from __future__ import annotations

import jax

from nagjax.operators.kind import Applied, Graph, OperatorKind, Parameters, Shapes, Statistics
from nagjax.operators.llama_attention import NORM, epsilon_of
from nagjax.operators.operator import Operator
from nagjax.operators.sequences import add_rms_norm, drawn, each_alone, held_bytes, rms_norm, row_bytes, rows, typed


def llama_mlp(length: int, width: int, hidden: int, bits: int = 32, norm: int = NORM) -> Operator:
    """The operator; ``10**-norm`` is what its norm adds to mean squares.

    >>> llama_mlp(64, 32, 96).key
    'llama_mlp-64x64x32-64x64x32-k1-s1-m96-skip-norm=5-bits=32'
    """
    about = (("norm", norm), ("bits", bits))
    return Operator(
        "llama_mlp", length, length, width, width, mid_channels=hidden, skip=True, norm=False, attributes=about
    )


def make() -> OperatorKind:
    """The kind."""
    return OperatorKind(
        "llama_mlp",
        lambda op: 3 * op.in_size * op.in_channels * op.mid_channels,
        _shapes,
        (llama_mlp(6, 8, 12), llama_mlp(3, 4, 10, 8, 6)),
        init=lambda key, op: drawn(key, _shapes(op)),
        apply=_apply,
        nodes=_nodes,
        step=each_alone(_apply),
        traffic=lambda op: row_bytes(op, op.in_channels * (3 * op.mid_channels + 1)),
        peak=lambda op: held_bytes(op, 2 * op.mid_channels),
        input_shape=rows,
    )


def hidden(op: Operator, parameters: Parameters, x: jax.Array) -> jax.Array:
    """What the hidden units give, ``[N, L, F]``: gate times value."""
    gate, up = typed(parameters, ("gate", "up"), x)
    normed = rms_norm(parameters, x, epsilon_of(op))
    return jax.nn.silu(normed @ gate) * (normed @ up)


def _shapes(op: Operator) -> Shapes:
    width, inner = op.in_channels, op.mid_channels
    return {"scale": (width,), "gate": (width, inner), "up": (width, inner), "down": (inner, width)}


def _apply(op: Operator, parameters: Parameters, x: jax.Array, _statistics: Statistics | None) -> Applied:
    (down,) = typed(parameters, ("down",), x)
    return x + hidden(op, parameters, x) @ down, {}


def _nodes(graph: Graph, op: Operator, parameters: Parameters, _statistics: Statistics, x: str) -> str:
    gate, up, down = (graph.constant(parameters[name]) for name in ("gate", "up", "down"))
    normed = add_rms_norm(graph, parameters, x, epsilon_of(op))
    raw = graph.add("MatMul", normed, gate)
    gated = graph.add("Mul", graph.add("Mul", raw, graph.add("Sigmoid", raw)), graph.add("MatMul", normed, up))
    return graph.add("Add", x, graph.add("MatMul", gated, down))
