"""The operator kind ``perceptron``: two linear layers with a ReLU between them, on vectors ``[N, C]``."""

import jax
import jax.numpy as jnp

from nagjax.authoring import Operator, OperatorKind


def perceptron(inputs, hidden, outputs):
    """The operator; with as many outputs as inputs it has a residual connection."""
    return Operator("perceptron", 1, 1, inputs, outputs, mid_channels=hidden, norm=False, skip=inputs == outputs)


def make() -> OperatorKind:
    """The kind."""
    return OperatorKind(
        name="perceptron",
        madds=lambda op: (op.in_channels + op.out_channels) * op.mid_channels,
        shapes=shapes,
        examples=(perceptron(4, 8, 12), perceptron(12, 8, 12)),
        init=init,
        apply=apply,
        nodes=nodes,
        input_shape=lambda op, batch: (batch, op.in_channels),
    )


def shapes(op):
    """Shapes of the two layers."""
    hidden, outputs = op.mid_channels, op.out_channels
    return {"up": (op.in_channels, hidden), "up_bias": (hidden,), "down": (hidden, outputs), "down_bias": (outputs,)}


def init(key, op):
    """Weights of variance 2 / inputs, biases 0."""
    drawn = {}
    for at, (name, shape) in enumerate(shapes(op).items()):
        normal = jax.random.normal(jax.random.fold_in(key, at), shape) * (2 / shape[0]) ** 0.5
        drawn[name] = normal if len(shape) == 2 else jnp.zeros(shape)
    return drawn


def apply(op, parameters, x, statistics):
    """What it does; it has no batch norms, so it uses no statistics."""
    own = {name: value.astype(x.dtype) for name, value in parameters.items()}
    y = jax.nn.relu(x @ own["up"] + own["up_bias"][None]) @ own["down"] + own["down_bias"][None]
    return (y + x if op.skip else y), {}


def nodes(graph, op, parameters, statistics, x):
    """Its nodes in ONNX."""
    hidden = graph.add("Gemm", x, graph.constant(parameters["up"]), graph.constant(parameters["up_bias"]))
    down = graph.constant(parameters["down"]), graph.constant(parameters["down_bias"])
    y = graph.add("Gemm", graph.add("Relu", hidden), *down)
    return graph.add("Add", y, x) if op.skip else y
