"""onnxruntime, the runtime that ships: sessions, and how long a run takes."""

from __future__ import annotations

from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

from nagjax.deployment.onnx_models import MAPS

Session: TypeAlias = Any
"""An ``onnxruntime.InferenceSession``; the package has no annotations."""


def name() -> str:
    """The runtime and its version, as tables and cards name it.

    Raises:
      ValueError: if it is not installed.
    """
    return f"onnxruntime {onnxruntime().__version__}, CPU"


def session(model: Any, threads: int = 1) -> Session:
    """A session on the processor of a file or an ``onnx.ModelProto``, with every optimisation of the graph.

    An operator runs on at most ``threads`` threads.

    Raises:
      ValueError: if onnxruntime is not installed.
    """
    return _open(model, _options(threads))


def session_as_written(model: Any, threads: int = 1) -> Session:
    """``session`` without any optimisation: it runs the nodes of a model as they stand.

    Raises:
      ValueError: if onnxruntime is not installed.
    """
    options = _options(threads)
    options.graph_optimization_level = onnxruntime().GraphOptimizationLevel.ORT_DISABLE_ALL
    return _open(model, options)


def _options(threads: int) -> Any:
    runtime = onnxruntime()
    options = runtime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    options.execution_mode = runtime.ExecutionMode.ORT_SEQUENTIAL
    options.log_severity_level = 3
    return options


def _open(model: Any, options: Any) -> Session:
    source = str(model) if isinstance(model, str | Path) else model.SerializeToString()
    return onnxruntime().InferenceSession(source, options, providers=["CPUExecutionProvider"])


def run(one: Session, images: np.ndarray, batch: int = 250) -> np.ndarray:
    """Outputs float32 ``[N, ...]`` of a session for images float32 ``[N, R, R, channels]``, 0..1, in batches.

    Inputs that are not maps are taken as they are.
    """
    given, name = turned(images), one.get_inputs()[0].name
    parts = [one.run(None, {name: given[at : at + batch]})[0] for at in range(0, len(given), batch)]
    return np.concatenate(parts)


def turned(inputs: np.ndarray) -> np.ndarray:
    """Inputs as sessions take them: maps ``[N, H, W, C]`` become ``[N, C, H, W]``; float32, or int32."""
    laid_out = inputs.transpose(0, 3, 1, 2) if inputs.ndim == MAPS else inputs
    return np.ascontiguousarray(laid_out, np.float32 if inputs.dtype.kind == "f" else np.int32)


def made_up(given: Any, batch: int) -> np.ndarray:
    """A batch for an input of a session: made-up numbers 0..1, their bytes 0..255, or tokens 0."""
    shape = [batch, *given.shape[1:]]
    if "int32" in given.type:
        return np.zeros(shape, np.int32)
    made = np.random.default_rng(0).random(shape, np.float32)
    return (255 * made).astype(np.uint8) if "uint8" in given.type else made


def onnxruntime() -> Any:
    """The package.

    Raises:
      ValueError: if it is not installed.
    """
    try:
        import onnxruntime
    except ImportError as error:
        raise ValueError("timing and checking ONNX files needs onnxruntime: pip install 'nagjax[deploy]'") from error
    return onnxruntime
