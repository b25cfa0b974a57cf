"""Saving and loading a fitted predictor: one .npz file, arrays and a JSON header, no pickle.

The header names the space and the form (of a network its hidden sizes and members), so a file that does not fit is
refused before it is used. The file depends on no library but NumPy.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from nagjax import durable
from nagjax.predictors.fitted import FittedPredictor
from nagjax.predictors.formats import npz
from nagjax.predictors.forms import registry
from nagjax.predictors.forms.form import Form
from nagjax.predictors.forms.mlp import MLP, Predictor
from nagjax.predictors.forms.scores import KNOTS
from nagjax.spaces.space import Space

HEADER = "nagjax_predictor"
VERSION, RANKED, FORMED = 1, 2, 3
"""Of the header: of a network; of one that gives normal scores, which an older reader would take for qualities; and of
any form, by name."""

PREFIX = "predictor/"


def save_predictor(fitted: FittedPredictor, space: Space, path: str | Path) -> None:
    """Write a fitted predictor to a .npz file (the name is kept as it is given).

    Raises:
      ValueError: if the predictor is none of the library's forms.
    """
    predictor: Any = registry.check_form(fitted.predictor)
    # Networks are written as they always were, so that older readers still read them.
    of_old = predictor.form == Predictor.form and predictor.values == "quality"
    header, arrays = _network(predictor) if of_old else _any_form(predictor)
    header |= {"space": space.identity, "report": dict(fitted.report)}
    text = json.dumps(header, sort_keys=True, allow_nan=False).encode()
    arrays[HEADER] = np.frombuffer(text, np.uint8)
    with durable.replacing(path) as file:
        np.savez(file, **arrays)


def _network(predictor: Predictor) -> tuple[dict[str, Any], dict[str, Any]]:
    header = {
        "version": RANKED if "levels" in predictor.params else VERSION,
        "hidden": list(predictor.module.features),
        "members": int(predictor.params["offset"].shape[0]),
    }
    arrays: dict[str, Any] = {"known": np.asarray(predictor.known)}
    arrays |= {key: np.asarray(value) for key, value in predictor.params.items() if key != "network"}
    for name, layer in predictor.params["network"]["params"].items():
        arrays |= {f"{name}_{part}": np.asarray(value) for part, value in layer.items()}
    return header, arrays


def _any_form(predictor: Form) -> tuple[dict[str, Any], dict[str, Any]]:
    arrays = {f"{PREFIX}{key}": np.asarray(value) for key, value in _leaves(predictor.arrays())}
    return {"version": FORMED, "predictor": registry.describe(predictor)}, arrays


def _leaves(tree: Mapping[str, Any], place: str = "") -> Iterator[tuple[str, Any]]:
    """Arrays of nested dictionaries by path, keys joined by slashes."""
    for key, value in tree.items():
        if isinstance(value, Mapping):
            yield from _leaves(value, f"{place}{key}/")
        else:
            yield f"{place}{key}", value


def _nested(path: str | Path, arrays: Mapping[str, np.ndarray]) -> dict[str, Any]:
    """The inverse of ``_leaves``, of the keys that begin with ``PREFIX``."""
    tree: dict[str, Any] = {}
    for name, value in arrays.items():
        if not name.startswith(PREFIX):
            continue
        if value.dtype.kind == "f":
            npz.require_float(path, dict(arrays), name, value.shape)
        *parents, last = name.removeprefix(PREFIX).split("/")
        here = tree
        for parent in parents:
            here = here.setdefault(parent, {})
        here[last] = jax.device_put(value)
    return tree


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
    predictor = (_load_form if header["version"] == FORMED else _load_network)(path, header, arrays, space)
    return FittedPredictor(predictor, header["report"])


def _load_form(path: str | Path, header: Mapping[str, Any], arrays: dict[str, np.ndarray], space: Space) -> Form:
    tokens = space.sample(np.random.default_rng(0), 2)
    try:
        predictor = registry.restore(header["predictor"], _nested(path, arrays))
        shapes = [value.shape for value in predictor(jnp.asarray(tokens), jnp.asarray(space.features(tokens)))]
        if shapes != [(2,), (2,)]:
            raise ValueError(f"it gives shapes {shapes} for 2 architectures")
    except Exception as error:  # whatever arrays of other shapes lead to
        raise ValueError(
            f"{path}: its header and arrays do not make a predictor of {space.identity} ({type(error).__name__}: "
            f"{error}); write the file again"
        ) from error
    return predictor


def _load_network(
    path: str | Path, header: Mapping[str, Any], arrays: dict[str, np.ndarray], space: Space
) -> Predictor:
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
    return Predictor(params, _known(path, arrays, num), MLP(hidden))


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
    if version not in (VERSION, RANKED, FORMED):
        raise ValueError(
            f"{path}: {HEADER} has version {version!r}; this library reads {VERSION} to {FORMED}: update it"
        )
    for key, fine in (_FORM_FIELDS if version == FORMED else _FIELDS).items():
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

_FORM_FIELDS: Mapping[str, Callable[[Any], bool]] = {
    "space": _FIELDS["space"],
    "report": _FIELDS["report"],
    "predictor": lambda value: isinstance(value, dict) and isinstance(value.get("form"), str),
}
