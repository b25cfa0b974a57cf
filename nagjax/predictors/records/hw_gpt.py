"""Measured decoders of HW-GPT-Bench (Sukthanker et al., arXiv 2405.10299): a .npz file for each scale."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from nagjax.predictors.formats import npz
from nagjax.spaces.hw_gpt import tokens_of
from nagjax.spaces.space import Space


@dataclasses.dataclass(frozen=True, eq=False)
class Measured:
    """Networks that were measured whole.

    Attributes:
      tokens: int32 ``[N, T]``.
      perplexity: float64 ``[N]``, NaN where it was not measured.
      params: int64 ``[N]``.
      memory_mb: float64 ``[N]``, of a forward pass in bfloat16, 10^6 bytes.
      latency_ms: float64 ``[N]`` by device, the median of 10 passes.
      energy_wh: float64 ``[N]`` by device, of a forward pass.
    """

    tokens: np.ndarray
    perplexity: np.ndarray
    params: np.ndarray
    memory_mb: np.ndarray
    latency_ms: Mapping[str, np.ndarray]
    energy_wh: Mapping[str, np.ndarray]


def read_measured(path: str | Path, space: Space) -> Measured:
    """The measured networks of the scale of a space ``hw_gpt``, from a .npz file.

    Its arrays ``embed_dim``, ``n_layer``, ``bias``, ``mlp_ratio`` and ``n_head`` say what a network is.

    Raises:
      FileNotFoundError: if there is no such file.
      ValueError: if it is another file, or of another scale.
    """
    arrays = npz.read_arrays(path)
    needed = ("embed_dim", "n_layer", "bias", "mlp_ratio", "n_head", "params", "perplexity", "bfloat16_memory_MB",
              "latency_devices", "latency_ms_median", "energy_gpu_devices", "energy_gpu_Wh_median")  # fmt: skip
    missing = [name for name in needed if name not in arrays]
    if missing:
        raise ValueError(f"{path}: {missing[0]} is missing; it is no file of measured decoders")
    try:
        tokens = tokens_of(space, *(arrays[name] for name in needed[:5]))
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None
    return Measured(
        tokens=tokens,
        perplexity=arrays["perplexity"].astype(np.float64),
        params=arrays["params"].astype(np.int64),
        memory_mb=arrays["bfloat16_memory_MB"].astype(np.float64),
        latency_ms=_by_device(arrays["latency_devices"], arrays["latency_ms_median"]),
        energy_wh=_by_device(arrays["energy_gpu_devices"], arrays["energy_gpu_Wh_median"]),
    )


def _by_device(names: np.ndarray, values: np.ndarray) -> dict[str, np.ndarray]:
    return {str(name): row.astype(np.float64) for name, row in zip(names, values, strict=True)}
