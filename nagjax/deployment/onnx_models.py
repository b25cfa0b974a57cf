"""Networks and single operators as ONNX models, checked by ONNX's own checker.

The graph is made of the nodes that operators declare, by the ``onnx`` package alone. (jax2onnx traces any jitted
function, but pins an older orbax than the library needs; it can only live in an environment of its own.)
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from nagjax import durable
from nagjax.deployment.nodes import Graph, Parameters, Statistics, add_operator
from nagjax.deployment.subnets import Subnet
from nagjax.operators import Operator

OPSET = 17
"""Of the operators; HardSwish needs 14, runtimes of 2022 and later have 17."""

IR_VERSION = 8
"""Of the file, which goes with the opset."""

INPUT, OUTPUT = "images", "logits"


def network_model(subnet: Subnet, batch: int | None = None) -> Any:
    """A network as an ``onnx.ModelProto``.

    Its input ``images`` is float32 ``[batch, channels, R, R]``, pixels 0..1, which the graph standardises; its output
    ``logits`` float32 ``[batch, classes]``.

    Args:
      subnet: the network.
      batch: images of a run; any number where None.

    Raises:
      ValueError: if onnx is not installed.
    """
    _onnx()
    graph = Graph()
    wide = (1, -1, 1, 1)
    x = graph.add("Sub", INPUT, graph.constant(np.asarray(subnet.mean, np.float32).reshape(wide)))
    x = graph.add("Div", x, graph.constant(np.asarray(subnet.std, np.float32).reshape(wide)))
    for op, parameters, statistics in zip(subnet.operators, subnet.parameters, subnet.statistics, strict=True):
        x = add_operator(graph, op, parameters, statistics, x)
    size: int | str = "batch" if batch is None else batch
    shape = (size, subnet.channels, subnet.resolution, subnet.resolution)
    about = {"architecture": subnet.architecture, "space": subnet.space}
    return _model(graph, x, shape, (size, subnet.classes), about)


def operator_model(op: Operator, parameters: Parameters, statistics: Statistics, batch: int, times: int = 1) -> Any:
    """An operator as an ``onnx.ModelProto``, ``times`` of it in a chain where its input and output are alike.

    Raises:
      ValueError: if onnx is not installed, or a chain is asked of an operator that changes the shape.
    """
    _onnx()
    graph, x = Graph(), INPUT
    if times > 1 and (op.in_size, op.in_channels) != (op.out_size, op.out_channels):
        raise ValueError(f"{op.key}: changes the shape of its input, so {times} of it are not a chain")
    for _ in range(times):
        x = add_operator(graph, op, parameters, statistics, x)
    shape = (batch, op.in_channels, op.in_size, op.in_size)
    end = (batch, op.out_channels, op.out_size, op.out_size)
    return _model(graph, x, shape, end[:2] if op.kind == "linear" else end, {"operator": op.key})


def save(model: Any, path: str | Path) -> None:
    """Write a model.

    Raises:
      OSError: if it cannot be written.
    """
    with durable.replacing(path) as file:
        file.write(model.SerializeToString())


def _model(
    graph: Graph, last: str, shape: tuple[int | str, ...], end: tuple[int | str, ...], about: Mapping[str, str]
) -> Any:
    onnx = _onnx()
    helper, numpy_helper, kind = onnx.helper, onnx.numpy_helper, onnx.TensorProto.FLOAT
    if graph.nodes:
        graph.nodes[-1].output[0] = OUTPUT
    else:
        graph.add("Identity", last, output=OUTPUT)
    made = helper.make_graph(
        graph.nodes,
        "network",
        [helper.make_tensor_value_info(INPUT, kind, list(shape))],
        [helper.make_tensor_value_info(OUTPUT, kind, list(end))],
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
