"""Saving and loading a fitted predictor: one .npz file, arrays and a JSON header, no pickle.

The header names the space, the hidden sizes and the number of members, so a file that does not fit is refused before it
is used. The file depends on no library but NumPy.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import jax.numpy as jnp
import numpy as np

from nagjax import durable
from nagjax.predictors import npz
from nagjax.predictors.predictor import KNOTS, MLP, FittedPredictor, Predictor
from nagjax.spaces.space import Space

HEADER = "nagjax_predictor"
VERSION, RANKED = 1, 2
"""Of the header; the second where a network gives normal scores, which an older reader would take for qualities."""


def save_predictor(fitted: FittedPredictor, space: Space, path: str | Path) -> None:
    """Write a fitted predictor to a .npz file (the name is kept as it is given)."""
    predictor = fitted.predictor
    header = {
        "version": RANKED if "levels" in predictor.params else VERSION,
        "space": space.identity,
        "hidden": list(predictor.module.features),
        "members": int(predictor.params["offset"].shape[0]),
        "report": dict(fitted.report),
    }
    arrays: dict[str, Any] = {"known": np.asarray(predictor.known)}
    arrays |= {key: np.asarray(value) for key, value in predictor.params.items() if key != "network"}
    for name, layer in predictor.params["network"]["params"].items():
        arrays |= {f"{name}_{part}": np.asarray(value) for part, value in layer.items()}
    text = json.dumps(header, sort_keys=True, allow_nan=False).encode()
    arrays[HEADER] = np.frombuffer(text, np.uint8)
    with durable.replacing(path) as file:
        np.savez(file, **arrays)


def load_predictor(path: str | Path, space: Space) -> FittedPredictor:
    """Read what ``save_predictor`` wrote.

    Raises:
      FileNotFoundError: if there is no such file.
      ValueError: if the file is broken, another kind of file, or was fitted to another space.
    """
    arrays = npz.read_arrays(path)
    header = _header(path, arrays)
    if header["space"] != space.identity:
        raise ValueError(
            f"{path}: this predictor was fitted to {header['space']}, not to {space.identity}; "
            "give its space, or fit one to yours"
        )
    hidden, members, num = tuple(header["hidden"]), header["members"], len(space.feature_names)
    sizes = (num, *hidden, 1)
    layers = {}
    for index, (inputs, outputs) in enumerate(itertools.pairwise(sizes)):
        name = f"Dense_{index}"
        kernel = npz.require_float(path, arrays, f"{name}_kernel", (members, inputs, outputs))
        bias = npz.require_float(path, arrays, f"{name}_bias", (members, outputs))
        layers[name] = {"kernel": jnp.asarray(kernel), "bias": jnp.asarray(bias)}
    params: dict[str, Any] = {"network": {"params": layers}}
    params |= {key: jnp.asarray(npz.require_float(path, arrays, key, (members,))) for key in ("offset", "scale")}
    if header["version"] == RANKED:
        levels = npz.require_float(path, arrays, "levels", (members, KNOTS))
        params["levels"] = jnp.asarray(levels)
    return FittedPredictor(Predictor(params, _known(path, arrays, num), MLP(hidden)), header["report"])


def _known(path: str | Path, arrays: Mapping[str, np.ndarray], num: int) -> Any:
    known = arrays.get("known", np.zeros(0))
    if known.shape != (num,) or known.dtype != np.bool_:
        raise ValueError(f"{path}: known has shape {known.shape} and type {known.dtype}, not ({num},) and bool")
    return jnp.asarray(known)


def _header(path: str | Path, arrays: Mapping[str, np.ndarray]) -> dict[str, Any]:
    if HEADER not in arrays:
        held = ", ".join(sorted(arrays)[:8])
        raise ValueError(f"{path}: {HEADER} is missing, so this library did not write the file; it holds {held}")
    try:
        header = json.loads(arrays[HEADER].tobytes())
    except ValueError as error:
        raise ValueError(f"{path}: {HEADER} is not JSON ({error}); write the file again") from None
    version = header.get("version") if isinstance(header, dict) else None
    if version not in (VERSION, RANKED):
        raise ValueError(
            f"{path}: {HEADER} has version {version!r}; this library reads {VERSION} and {RANKED}: update it"
        )
    for key, fine in _FIELDS.items():
        if not fine(header.get(key)):
            raise ValueError(f"{path}: {HEADER}: {key} is {header.get(key)!r}; write the file again")
    return header


def _is_size(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 < value < 2**20


_FIELDS: Mapping[str, Callable[[Any], bool]] = {
    "space": lambda value: isinstance(value, str),
    "hidden": lambda value: isinstance(value, list) and all(map(_is_size, value)),
    "members": _is_size,
    "report": lambda value: isinstance(value, dict),
}
