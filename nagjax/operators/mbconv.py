"""The kind ``mbconv``: an inverted bottleneck (Sandler et al. 2018; squeeze-excite as Howard et al. 2019)."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np

from nagjax.depthwise import depthwise
from nagjax.operators.kind import Applied, Graph, OperatorKind, Parameters, Shapes, Statistics, Watch
from nagjax.operators.layers import Norm, activated, add_activation, folded, fresh, he_out, norm_shapes
from nagjax.operators.operator import Operator


def make() -> OperatorKind:
    """The kind."""
    examples = (
        Operator("mbconv", 8, 8, 8, 8, kernel=3, mid_channels=8, activation="relu", skip=True),
        Operator("mbconv", 7, 4, 8, 16, kernel=5, stride=2, mid_channels=24, squeeze_excite=True, activation="h_swish"),
        Operator("mbconv", 5, 5, 8, 8, kernel=3, mid_channels=64, squeeze_excite=True, skip=True),
    )
    return OperatorKind(
        "mbconv", _madds, _shapes, examples, init=_init, apply=_apply, nodes=_nodes, peak=_peak,
        watched=lambda op, parameters, x, watch: _apply(op, parameters, x, None, watch)[0],
    )  # fmt: skip


def expands(op: Operator) -> bool:
    """Whether it has an expansion: not where its middle is as wide as its input."""
    return op.mid_channels != op.in_channels


def _madds(op: Operator) -> int:
    expand = op.in_channels * op.mid_channels * op.in_size**2 if expands(op) else 0
    depthwise = op.kernel**2 * op.mid_channels * op.out_size**2
    squeeze = 2 * op.mid_channels * op.squeeze_channels if op.squeeze_excite else 0
    return expand + depthwise + squeeze + op.mid_channels * op.out_channels * op.out_size**2


def _peak(op: Operator) -> int:
    """Bytes of what its widest step takes and gives, and of the input where it is added at the end."""
    taken, given = op.in_size**2 * op.in_channels, op.out_size**2 * op.out_channels
    wide, narrowed = op.in_size**2 * op.mid_channels, op.out_size**2 * op.mid_channels
    kept = taken if op.skip else 0
    first = [taken + wide, kept + wide + narrowed] if expands(op) else [taken + narrowed]
    return 4 * max(*first, kept + narrowed + given)


def _shapes(op: Operator) -> Shapes:
    mid, squeezed = op.mid_channels, op.squeeze_channels
    out: Shapes = {}
    if expands(op):
        out |= {"expand": (op.in_channels, mid), **norm_shapes("expand_norm", mid)}
    out |= {"depthwise": (op.kernel, op.kernel, mid), **norm_shapes("depthwise_norm", mid)}
    if op.squeeze_excite:
        out |= {"squeeze": (mid, squeezed), "squeeze_bias": (squeezed,)}
        out |= {"excite": (squeezed, mid), "excite_bias": (mid,)}
    return out | {"project": (mid, op.out_channels), **norm_shapes("project_norm", op.out_channels)}


def _init(key: jax.Array, op: Operator) -> dict[str, jax.Array]:
    def draw(own: jax.Array, shape: tuple[int, ...]) -> jax.Array:
        if len(shape) == 3:  # the depthwise weights
            return jax.random.normal(own, shape) * (2.0 / (shape[0] * shape[1])) ** 0.5
        return he_out(own, shape, jnp.float32)

    return fresh(key, _shapes(op), draw)


def _apply(
    op: Operator, parameters: Parameters, x: jax.Array, statistics: Statistics | None, watch: Watch | None = None
) -> Applied:
    norm = Norm(parameters, statistics)
    weights = {name: value.astype(x.dtype) for name, value in parameters.items()}
    y = x
    if expands(op):
        y = activated(watch, "expand", op.activation, norm("expand_norm", y @ weights["expand"]))
    y = norm("depthwise_norm", depthwise(y, weights["depthwise"], op.stride))
    y = activated(watch, "depthwise", op.activation, y)
    if op.squeeze_excite:
        pooled = y.mean((1, 2), dtype=jnp.float32).astype(y.dtype)
        hidden = activated(watch, "squeeze", "relu", pooled @ weights["squeeze"] + weights["squeeze_bias"][None])
        gate = jax.nn.hard_sigmoid(hidden @ weights["excite"] + weights["excite_bias"][None])
        y = y * gate[:, None, None, :]
    y = norm("project_norm", y @ weights["project"])
    return (y + x if op.skip else y), norm.used


def _nodes(graph: Graph, op: Operator, parameters: Parameters, statistics: Statistics, x: str) -> str:
    y = x
    if expands(op):
        expand = _pointwise(parameters["expand"])
        y = graph.conv(y, *folded(expand, parameters, statistics, "expand_norm"))
        y = add_activation(graph, op.activation, y)
    depthwise = parameters["depthwise"].transpose(2, 0, 1)[:, None]
    y = graph.conv(y, *folded(depthwise, parameters, statistics, "depthwise_norm"), op.stride, op.mid_channels)
    y = add_activation(graph, op.activation, y)
    if op.squeeze_excite:
        gate = graph.add("GlobalAveragePool", y)
        gate = graph.conv(gate, _pointwise(parameters["squeeze"]), parameters["squeeze_bias"])
        gate = graph.conv(graph.add("Relu", gate), _pointwise(parameters["excite"]), parameters["excite_bias"])
        y = graph.add("Mul", y, graph.add("HardSigmoid", gate, alpha=1 / 6, beta=0.5))
    y = graph.conv(y, *folded(_pointwise(parameters["project"]), parameters, statistics, "project_norm"))
    return graph.add("Add", y, x) if op.skip else y


def _pointwise(weights: np.ndarray) -> np.ndarray:
    """Weights ``[I, O]`` as those of a convolution of size 1, ``[O, I, 1, 1]``."""
    return weights.T[:, :, None, None]
