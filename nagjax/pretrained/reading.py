"""Tensors of safetensors files, and what a model's ``config.json`` says."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from nagjax import files

WHAT = "the weights (.safetensors, or a folder of them)"
CONFIG = "config.json"
TYPES = {"F64": np.float64, "F32": np.float32, "F16": np.float16}
BFLOAT16 = "BF16"


def weight_files(path: Path) -> list[Path]:
    """The files that a path names: itself, or all ``*.safetensors`` of a folder, by name.

    Raises:
      ValueError: if there is none.
    """
    if not files.is_folder(path):
        return [path]
    found = sorted(path.glob("*.safetensors"))
    if not found:
        raise ValueError(f"{path}: no *.safetensors in it; give {WHAT}")
    return found


def read_tensors(path: Path) -> dict[str, np.ndarray]:
    """Arrays float32 by name, of a file or of all files of a folder. Integers, which are no weights, are left out.

    Raises:
      ValueError: if safetensors is not installed, a file is damaged, a tensor stands in two, is of a type of fewer than
        16 bits, or holds numbers that are not finite.
    """
    tensors: dict[str, np.ndarray] = {}
    for file in weight_files(path):
        for name, about in _parts(file):
            if name in tensors:
                raise ValueError(f"{file}: {name} stands in another file of {path} too; remove one of them")
            if about["dtype"].startswith(("I", "U", "B")) and about["dtype"] != BFLOAT16:
                continue
            tensors[name] = _array(file, name, about)
    return tensors


def digest(path: Path) -> str:
    """SHA-256 of the files of a path, one after another."""
    found = hashlib.sha256()
    for file in weight_files(path):
        found.update(files.read_bytes(file, WHAT))
    return found.hexdigest()


def read_config(path: Path) -> dict[str, Any]:
    """The object in ``config.json`` beside the weights; empty where there is none.

    Raises:
      ValueError: if it is damaged.
    """
    place = (path if files.is_folder(path) else path.parent) / CONFIG
    if not place.exists():
        return {}
    try:
        found = json.loads(files.read_text(place, "the model's configuration"))
    except json.JSONDecodeError as error:
        raise ValueError(f"{place}: is no JSON ({error}); fetch it again, or remove it") from None
    if not isinstance(found, dict):
        raise ValueError(f"{place}: is no object; fetch it again, or remove it")
    return found


def _parts(file: Path) -> list[tuple[str, Mapping[str, Any]]]:
    try:
        import safetensors
    except ImportError as error:
        raise ValueError("weights are read from safetensors: pip install 'nagjax[deploy]'") from error
    data = files.read_bytes(file, WHAT)
    try:
        return list(safetensors.deserialize(data))
    except Exception as error:  # the library has an error class of its own for each language
        raise ValueError(f"{file}: is not a whole safetensors file ({error}); write or fetch it again") from None


def _array(file: Path, name: str, about: Mapping[str, Any]) -> np.ndarray:
    kind, shape = about["dtype"], about["shape"]
    if kind == BFLOAT16:  # the upper half of a float32
        wide = np.frombuffer(about["data"], np.uint16).astype(np.uint32) << 16
        array = wide.view(np.float32).reshape(shape)
    elif kind in TYPES:
        array = np.frombuffer(about["data"], TYPES[kind]).reshape(shape).astype(np.float32)
    else:
        raise ValueError(f"{file}: {name} is of type {kind}; give weights as {', '.join(TYPES)} or {BFLOAT16}")
    if not np.isfinite(array).all():
        raise ValueError(f"{file}: {name} holds numbers that are not finite; write or fetch it again")
    return array
