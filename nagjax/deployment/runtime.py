"""onnxruntime, the runtime that ships: sessions, and how long a run takes."""

from __future__ import annotations

from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

from nagjax.deployment.onnx_models import INPUT

Session: TypeAlias = Any
"""An ``onnxruntime.InferenceSession``; the package has no annotations."""


def name() -> str:
    """The runtime and its version, as tables and cards name it.

    Raises:
      ValueError: if it is not installed.
    """
    return f"onnxruntime {onnxruntime().__version__}, CPU"


def session(model: Any, threads: int = 1) -> Session:
    """A session on the processor, with every optimisation of the graph.

    Args:
      model: path of a file, or a ``onnx.ModelProto``.
      threads: that one operator may use.

    Raises:
      ValueError: if onnxruntime is not installed.
    """
    return _open(model, _options(threads))


def session_as_written(model: Any, threads: int = 1) -> Session:
    """A session that runs the nodes of a model as they stand, with no optimisation.

    Args:
      model: path of a file, or a ``onnx.ModelProto``.
      threads: that one operator may use.

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
    """Outputs float32 ``[N, ...]`` of a session for images float32 ``[N, R, R, channels]``, 0..1, in batches."""
    turned = np.ascontiguousarray(images.transpose(0, 3, 1, 2), np.float32)
    parts = [one.run(None, {INPUT: turned[at : at + batch]})[0] for at in range(0, len(turned), batch)]
    return np.concatenate(parts)


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
