"""Reader of the perplexity networks of HW-GPT-Bench (Sukthanker et al., arXiv 2405.10299).

A network takes the one-hot choices of width, depth, MLP ratios, heads and bias, which are the path features of
``hw_gpt`` in their order, and gives the perplexity. Keys of the file are ``layer1_weight`` (output x input) and
``layer1_bias`` to the last layer; a ReLU stands between two.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import jax
import numpy as np

from nagjax.predictors.fitted import FittedPredictor
from nagjax.predictors.formats import npz
from nagjax.predictors.forms.mlp import MLP, Predictor
from nagjax.spaces.space import Space


def read(path: str | Path, space: Space) -> FittedPredictor:
    """Read the .npz file of a perplexity network, fitted to the scale of the space ``hw_gpt``.

    Quality is 1 / perplexity, ``exp`` of minus the loss in nats per token.

    Raises:
      FileNotFoundError: if there is no such file.
      ValueError: if the file or the space is another one; it names the key, what was found and what is expected.
    """
    if space.name != "hw_gpt":
        raise ValueError(
            f"{path}: a perplexity network reads architectures of hw_gpt, not of {space.name}; fit a predictor from "
            "records"
        )
    arrays = npz.read_arrays(path)
    number = sum(f"layer{k}_weight" in arrays for k in range(1, len(arrays) + 1))
    sizes = [len(space.feature_names)]
    layers: dict[str, Any] = {}
    for index in range(number or 1):
        name = f"layer{index + 1}"
        outputs = arrays[f"{name}_weight"].shape[0] if arrays.get(f"{name}_weight", np.zeros(())).ndim == 2 else 1
        wanted = (1 if index == number - 1 else outputs, sizes[-1])
        _refuse_scale(path, space, arrays, index)
        kernel = npz.require_float(path, arrays, f"{name}_weight", wanted).T
        bias = npz.require_float(path, arrays, f"{name}_bias", wanted[:1])
        layers[f"Dense_{index}"] = {
            "kernel": np.asarray(kernel, np.float32)[None],
            "bias": np.asarray(bias, np.float32)[None],
        }
        sizes.append(wanted[0])
    one = {"offset": np.zeros(1, np.float32), "scale": np.ones(1, np.float32)}
    params, known = jax.device_put(({"network": {"params": layers}, **one}, np.ones(len(space.feature_names), bool)))
    predictor = Predictor(params, known, MLP(tuple(sizes[1:-1])), values="perplexity")
    return FittedPredictor(predictor, {"source": f"HW-GPT-Bench perplexity network {Path(path).name}"})


def _refuse_scale(path: str | Path, space: Space, arrays: dict[str, np.ndarray], index: int) -> None:
    """Refuse a first layer of another number of inputs in the words of the space."""
    first = arrays.get("layer1_weight")
    if index or first is None or first.ndim != 2 or first.shape[1] == len(space.feature_names):
        return
    raise ValueError(
        f"{path}: the network has {first.shape[1]} inputs, {space.identity} has {len(space.feature_names)}: it is of "
        "another scale, or predicts another figure than perplexity; give the file of this scale"
    )
