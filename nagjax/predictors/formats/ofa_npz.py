"""Importer of the official once-for-all accuracy predictor (Cai et al., arXiv 1908.09791), a 128-400-400-400-1 network.

Its inputs are 20 x onehot(kernel), 20 x onehot(ratio) and onehot((resolution - 112) / 16); keys of the file are
``{0,2,4,6}_{weight,bias}``, weights are output x input, the output is ImageNet top-1, 0..1.
"""

from __future__ import annotations

from pathlib import Path

import jax.numpy as jnp
import numpy as np

from nagjax.predictors.fitted import FittedPredictor
from nagjax.predictors.formats import npz
from nagjax.predictors.forms.mlp import MLP, Predictor
from nagjax.spaces.space import Space

HIDDEN = (400, 400, 400)
KEYS = ("0", "2", "4", "6")
SLOTS = 20
INPUTS = tuple(
    [f"slot{slot}.kernel{kernel}" for slot in range(SLOTS) for kernel in (3, 5, 7)]
    + [f"slot{slot}.ratio{ratio}" for slot in range(SLOTS) for ratio in (3, 4, 6)]
    + [f"resolution{112 + 16 * step}" for step in range(8)]
)
"""Names of the 128 inputs of the file."""


def import_ofa(path: str | Path, space: Space) -> FittedPredictor:
    """Read the official predictor of ``ofa_mobilenet_v3`` from its .npz file, for either width.

    It knows resolutions 112 to 224 in steps of 16; ``known`` is False at every other. The file does not say which width
    it was fitted to, and its inputs do not depend on it: trust the order of its values, not their level. At width 1.2
    they lie 3.84 points above the measured ImageNet top-1 of 500 networks (Spearman 0.980).

    Raises:
      FileNotFoundError: if there is no such file.
      ValueError: if the file or the space is another one; it names the key, what was found and what is expected.
    """
    if space.name != "ofa_mobilenet_v3":
        raise ValueError(
            f"{path}: the once-for-all predictor reads architectures of ofa_mobilenet_v3, not of {space.name}; "
            "fit a predictor from records"
        )
    arrays = npz.read_arrays(path)
    sizes = (len(INPUTS), *HIDDEN, 1)
    layers = {}
    for index, key in enumerate(KEYS):
        kernel = npz.require_float(path, arrays, f"{key}_weight", (sizes[index + 1], sizes[index])).T
        bias = npz.require_float(path, arrays, f"{key}_bias", (sizes[index + 1],))
        layers[f"Dense_{index}"] = {"kernel": jnp.asarray(kernel)[None], "bias": jnp.asarray(bias)[None]}
    unused = sorted(set(arrays) - {f"{key}_{part}" for key in KEYS for part in ("weight", "bias")})
    if unused:
        raise ValueError(f"{path}: key {unused[0]} is not part of the once-for-all predictor, layers {', '.join(KEYS)}")
    first, known = _by_name(np.asarray(layers["Dense_0"]["kernel"][0]), space.feature_names)
    layers["Dense_0"]["kernel"] = jnp.asarray(first)[None]
    params = {"network": {"params": layers}, "offset": jnp.zeros(1), "scale": jnp.ones(1)}
    predictor = Predictor(params, jnp.asarray(known), MLP(HIDDEN))
    source = f"official once-for-all predictor {Path(path).name}: ImageNet top-1, 3.84 points too high at width 1.2"
    return FittedPredictor(predictor, {"source": source})


def _by_name(kernel: np.ndarray, names: tuple[str, ...]) -> tuple[np.ndarray, np.ndarray]:
    """First layer ``[F, 400]`` in the order of the space's features, 0 where unknown; and bool ``[F]``, known."""
    rows = dict(zip(INPUTS, kernel, strict=True))
    zero = np.zeros(kernel.shape[1], np.float32)
    return np.stack([rows.get(name, zero) for name in names]), np.array([name in rows for name in names])
