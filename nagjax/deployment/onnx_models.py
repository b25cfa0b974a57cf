"""Networks and single operators as ONNX models, checked by ONNX's own checker.

The graph is made of the nodes that operators declare, by the ``onnx`` package alone. (jax2onnx traces any jitted
function, but pins an older orbax than the library needs; it can only live in an environment of its own.)
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

from nagjax import blocks, durable
from nagjax.deployment.nodes import Graph, Parameters, Statistics, add_operator
from nagjax.deployment.subnets import Subnet
from nagjax.operators import Operator, OperatorKind

OPSET = 17
"""Of the operators; HardSwish needs 14, runtimes of 2022 and later have 17."""

IR_VERSION = 8
"""Of the file, which goes with the opset."""

RUNTIMES_OWN = "com.microsoft"
"""Domain of the nodes that onnxruntime fuses others into."""

INPUT, TOKENS, OUTPUT = "images", "tokens", "logits"
"""Names of what a model takes, numbers of tokens apart, and gives; files of earlier versions call tokens images."""

MAPS = 4
"""Axes of feature maps."""

Shape: TypeAlias = tuple[int | str, ...]


def network_model(subnet: Subnet, batch: int | None = None) -> Any:
    """A network as an ``onnx.ModelProto`` for runs of ``batch`` images, any number where None.

    Its input ``images`` is float32 ``[batch, channels, R, R]``, pixels 0..1, which the graph standardises, or what the
    first operator takes where the network has no mean: ``tokens`` int32 ``[batch, length]`` where these are numbers of
    tokens. Its output ``logits`` is float32 ``[batch, classes]``.

    Raises:
      ValueError: if onnx is not installed.
    """
    _onnx()
    first, last = subnet.operators[0], subnet.operators[-1]
    name = x = input_name(first)
    graph = Graph(takes(first))
    given, end = turned(blocks.input_shape(first, 1)), turned(blocks.output_shape(last, 1))
    if subnet.mean.size:
        wide = (1, -1, 1, 1) if len(given) == MAPS else (1,) * (len(given) - 1) + (-1,)
        x = graph.add("Sub", x, graph.constant(np.asarray(subnet.mean, np.float32).reshape(wide)))
        x = graph.add("Div", x, graph.constant(np.asarray(subnet.std, np.float32).reshape(wide)))
    for op, parameters, statistics in zip(subnet.operators, subnet.parameters, subnet.statistics, strict=True):
        x = add_operator(graph, op, parameters, statistics, x)
    size: int | str = "batch" if batch is None else batch
    about = {"architecture": subnet.architecture, "space": subnet.space}
    _name_output(graph, x)
    return _model(graph, {name: (size, *given[1:])}, {OUTPUT: (size, *end[1:])}, about)


def operators_model(op: Operator, copies: Sequence[tuple[Parameters, Statistics]], batch: int) -> Any:
    """Copies of an operator side by side as an ``onnx.ModelProto``, each with weights and statistics of its own.

    All take the input; maps that one gives are pooled, and the outputs are ``logits0 [batch, C, 1, 1]`` and so on.

    Raises:
      ValueError: if onnx is not installed.
    """
    _onnx()
    graph, outputs, name = Graph(takes(op)), {}, input_name(op)
    for number, (parameters, statistics) in enumerate(copies):
        y = add_operator(graph, op, parameters, statistics, name)
        end: Shape = turned(blocks.output_shape(op, batch))
        if len(end) == MAPS:
            y, end = graph.add("GlobalAveragePool", y), (*end[:2], 1, 1)
        graph.nodes[-1].output[0] = f"{OUTPUT}{number}"
        outputs[f"{OUTPUT}{number}"] = end
    return _model(graph, {name: turned(blocks.input_shape(op, batch))}, outputs, {"operator": op.key})


def pools_model(shape: Shape, number: int) -> Any:
    """``number`` global average pools side by side as an ``onnx.ModelProto``, each with its own input ``[N, C, H, W]``.

    Raises:
      ValueError: if onnx is not installed.
    """
    _onnx()
    graph = Graph()
    for at in range(number):
        graph.add("GlobalAveragePool", f"{INPUT}{at}", output=f"{OUTPUT}{at}")
    inputs = {f"{INPUT}{at}": shape for at in range(number)}
    return _model(graph, inputs, {f"{OUTPUT}{at}": (*shape[:2], 1, 1) for at in range(number)}, {})


def int8_pools_model(shape: Shape, number: int, channels_last: bool) -> Any:
    """``pools_model`` as onnxruntime makes it of int8 copies: integers are pooled, and the layout is changed once.

    Its nodes are the runtime's own, so it is to be run as it is written (``runtime.session_as_written``). Inputs are
    uint8 in the layout that int8 convolutions take, ``[N, H, W, C]``; it is changed behind the pool if
    ``channels_last``, else before it.

    Raises:
      ValueError: if onnx is not installed.
    """
    helper, numpy_helper, kinds = _onnx().helper, _onnx().numpy_helper, _onnx().TensorProto
    nodes, scale = [], ("scale", "zero")
    for at in range(number):
        names = f"{INPUT}{at}", f"between{at}", f"ended{at}"
        pool, turn = ((0, 1), (1, 2)) if channels_last else ((1, 2), (0, 1))
        pair = [
            helper.make_node(
                "QLinearGlobalAveragePool", [names[pool[0]], *scale, *scale], [names[pool[1]]],
                domain=RUNTIMES_OWN, channels_last=int(channels_last),
            ),
            helper.make_node("Transpose", [names[turn[0]]], [names[turn[1]]], perm=[0, 3, 1, 2]),
        ]  # fmt: skip
        nodes += pair if channels_last else pair[::-1]
        nodes.append(helper.make_node("DequantizeLinear", [names[2], *scale], [f"{OUTPUT}{at}"]))
    end = (shape[0], shape[3], 1, 1)
    made = helper.make_graph(
        nodes,
        "pools",
        [helper.make_tensor_value_info(f"{INPUT}{at}", kinds.UINT8, list(shape)) for at in range(number)],
        [helper.make_tensor_value_info(f"{OUTPUT}{at}", kinds.FLOAT, list(end)) for at in range(number)],
        [
            numpy_helper.from_array(np.array(0.01, np.float32), "scale"),
            numpy_helper.from_array(np.array(128, np.uint8), "zero"),
        ],
    )
    opsets = [helper.make_opsetid("", OPSET), helper.make_opsetid(RUNTIMES_OWN, 1)]
    return helper.make_model(made, opset_imports=opsets, ir_version=IR_VERSION, producer_name="nagjax")


def operator_model(
    op: Operator, parameters: Parameters, statistics: Statistics, batch: int, kind: OperatorKind | None = None
) -> Any:
    """An operator by itself as an ``onnx.ModelProto``; its kind is the registered one where None.

    Raises:
      ValueError: if onnx is not installed.
    """
    _onnx()
    graph, name = Graph(takes(op)), input_name(op)
    _name_output(graph, add_operator(graph, op, parameters, statistics, name, kind))
    given, end = turned(blocks.input_shape(op, batch)), turned(blocks.output_shape(op, batch))
    return _model(graph, {name: given}, {OUTPUT: end}, {"operator": op.key})


def takes(op: Operator) -> str:
    """Type of what an operator takes: ``float32``, or ``int32`` where it takes numbers of tokens.

    >>> takes(Operator("linear", 1, 1, 3, 2))
    'float32'
    """
    return "float32" if blocks.made_up_input(op, 1, np.random.default_rng(0)).dtype.kind == "f" else "int32"


def input_name(op: Operator) -> str:
    """What the input of a model that begins with an operator is called.

    >>> input_name(Operator("linear", 1, 1, 3, 2))
    'images'
    """
    return INPUT if takes(op) == "float32" else TOKENS


def turned(shape: Sequence[int]) -> tuple[int, ...]:
    """A shape as it is in ONNX: of maps ``[N, H, W, C]`` that is ``[N, C, H, W]``, others are what they are.

    >>> turned((2, 7, 5, 3)), turned((2, 10))
    ((2, 3, 7, 5), (2, 10))
    """
    if len(shape) != MAPS:
        return tuple(shape)
    return shape[0], shape[3], shape[1], shape[2]


def save(model: Any, path: str | Path) -> None:
    """Write a model.

    Raises:
      OSError: if it cannot be written.
    """
    with durable.replacing(path) as file:
        file.write(model.SerializeToString())


def _name_output(graph: Graph, last: str) -> None:
    """Let ``last``, what the newest node gives, be the output; where there is no node, what the input gives."""
    if graph.nodes:
        graph.nodes[-1].output[0] = OUTPUT
    else:
        graph.add("Identity", last, output=OUTPUT)


def _model(graph: Graph, inputs: Mapping[str, Shape], outputs: Mapping[str, Shape], about: Mapping[str, str]) -> Any:
    onnx = _onnx()
    helper, numpy_helper, kind = onnx.helper, onnx.numpy_helper, onnx.TensorProto.FLOAT
    given = kind if graph.takes == "float32" else onnx.TensorProto.INT32
    made = helper.make_graph(
        graph.nodes,
        "network",
        [helper.make_tensor_value_info(name, given, list(shape)) for name, shape in inputs.items()],
        [helper.make_tensor_value_info(name, kind, list(end)) for name, end in outputs.items()],
        [numpy_helper.from_array(array, name) for name, array in graph.constants.items()],
    )
    model = helper.make_model(
        made, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR_VERSION, producer_name="nagjax"
    )
    helper.set_model_props(model, dict(about))
    onnx.checker.check_model(model, full_check=True)
    return model


def _onnx() -> Any:
    try:
        import onnx
    except ImportError as error:
        raise ValueError("ONNX files need the onnx package: pip install 'nagjax[deploy]'") from error
    return onnx
