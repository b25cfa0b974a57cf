"""int8 by onnxruntime's own tool: static, per channel, as QDQ nodes, calibrated on images."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from nagjax import durable
from nagjax.deployment.runtime import onnxruntime, turned

PRODUCTS = ("Conv", "Gemm", "MatMul")
"""Kinds of nodes that are quantised in networks of tokens."""


def quantise(model: str | Path, out: str | Path, images: np.ndarray, batch: int = 128) -> None:
    """Write the int8 version of an ONNX file.

    Weights are int8 with a scale for each channel, activations uint8 with one for each tensor, from their least and
    greatest values on the calibration images. These are training examples float32 ``[N, R, R, channels]``, 0..1, or
    what else the network takes. In networks of tokens, which have products of matrices (``MatMul``), only products are
    int8: what hides later tokens stands 1e9 below all scores, and one scale for both tells no two scores apart.

    Raises:
      ValueError: if onnxruntime is not installed.
    """
    onnxruntime()
    from onnxruntime import quantization as tool
    from onnxruntime.quantization.shape_inference import quant_pre_process

    given, name = turned(images), _graph(model).input[0].name

    class Reader(tool.CalibrationDataReader):  # type: ignore[misc]
        """Hands out the images, a batch at a time."""

        def __init__(self) -> None:
            self._left: Iterator[np.ndarray] = iter(given[at : at + batch] for at in range(0, len(given), batch))

        def get_next(self) -> dict[str, Any] | None:
            """The next batch; None at the end."""
            part = next(self._left, None)
            return None if part is None else {name: part}

    with tempfile.TemporaryDirectory() as folder:
        prepared, made = Path(folder) / "prepared.onnx", Path(folder) / "int8.onnx"
        quant_pre_process(str(model), str(prepared), skip_symbolic_shape=True)
        tool.quantize_static(
            str(prepared),
            str(made),
            Reader(),
            quant_format=tool.QuantFormat.QDQ,
            per_channel=True,
            activation_type=tool.QuantType.QUInt8,
            weight_type=tool.QuantType.QInt8,
            op_types_to_quantize=kinds(model),
        )

        with durable.replacing(out) as file:
            file.write(made.read_bytes())


def kinds(model: str | Path) -> list[str] | None:
    """Kinds of nodes of an ONNX file that are quantised; None for all that the tool knows."""
    return list(PRODUCTS) if any(node.op_type == "MatMul" for node in _graph(model).node) else None


def _graph(model: str | Path) -> Any:
    import onnx

    return onnx.load(str(model), load_external_data=False).graph
