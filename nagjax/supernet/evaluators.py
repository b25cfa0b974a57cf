"""The evaluators ``supernet`` and ``alone``: accuracy with a supernet's weights, or those trained from scratch."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jax.numpy as jnp
import numpy as np

from nagjax.evaluators.evaluator import QUALITY, Evaluator
from nagjax.spaces.space import Space
from nagjax.supernet import labelling, storage, training
from nagjax.supernet.datasets.images import Splits
from nagjax.supernet.datasets.load import load
from nagjax.supernet.evaluation import alone_assessor, supernet_assessor


def make_supernet(space: Space, folder: str, data_dir: str = "", images: int = 0) -> Evaluator:
    """Accuracy on the validation images with the weights of a supernet, batch norms calibrated for each architecture.

    Args:
      space: the space that the supernet was trained for.
      folder: of the trained supernet.
      data_dir: folder of the data set's files, where it needs one.
      images: how many validation images; 0 for all.

    Raises:
      ValueError: if the folder holds no supernet of this space, or the data cannot be read.
    """
    weights = storage.read_weights(Path(folder))
    written = weights.config["space"]
    if (written["name"], written["version"], written["settings"]) != (space.name, space.version, dict(space.settings)):
        raise ValueError(
            f"{folder}: is a supernet of {written['name']}({written['settings']}), not of {space.identity}"
        )
    data = weights.config["data"]
    splits = load(
        data["data"], data_dir or None, data["validation_images"], data["data_seed"], data["image_size"],
        data.get("image_background"),
    )  # fmt: skip
    assessor = supernet_assessor(space, splits, jnp.dtype(weights.config["recipe"]["dtype"]))
    shown = labelling.label_images(splits, images or None)

    def evaluate(tokens: np.ndarray) -> Mapping[str, np.ndarray]:
        return {QUALITY: np.array([assessor.scores(weights.parameters, row, shown).accuracy for row in tokens])}

    decisive = {name: weights.config[name] for name in ("space", "where", "data", "recipe", "step")}
    identity = json.loads(json.dumps({"supernet": decisive, "images": images}))
    return Evaluator("supernet", {"folder": str(folder), "data_dir": data_dir, "images": images}, identity, evaluate)


def make_alone(
    space: Space,
    data: str = "fashion_mnist",
    data_dir: str = "",
    steps: int = 2000,
    batch: int = 128,
    learning_rate: float = 0.3,
    seed: int = 0,
) -> Evaluator:
    """Accuracy on the validation images of an architecture that is trained from scratch.

    Args:
      space: a space whose networks the library can build.
      data: name of the data set.
      data_dir: folder of its files, where it needs one.
      steps: updates of training.
      batch: images per update.
      learning_rate: the highest.
      seed: of training.

    Raises:
      ValueError: if a number is out of range, or the data cannot be read or does not suit the space.
    """
    settings = {
        "data": data, "data_dir": data_dir, "steps": steps, "batch": batch, "learning_rate": learning_rate,
        "seed": seed,
    }  # fmt: skip
    recipe = training.Recipe(steps=steps, batch=batch, learning_rate=learning_rate, seed=seed)
    splits = load(data, data_dir or None)
    _check_suits(splits, space)

    def evaluate(tokens: np.ndarray) -> Mapping[str, np.ndarray]:
        return {QUALITY: np.array([_trained_accuracy(space, row, splits, recipe) for row in tokens])}

    identity = {name: value for name, value in settings.items() if name != "data_dir"}
    return Evaluator("alone", settings, identity, evaluate)


def _trained_accuracy(space: Space, tokens: np.ndarray, splits: Splits, recipe: training.Recipe) -> float:
    learner = training.alone_learner(space, tokens)
    state = training.start(learner, recipe)
    for reached, _ in training.train(learner, splits, recipe, state):
        state = reached
    return alone_assessor(space, tokens.tolist(), splits).scores(state.parameters, tokens, splits.validation).accuracy


def _check_suits(splits: Splits, space: Space) -> None:
    plan: Any = training.checked_plan(space)
    for name, value in (("image_channels", splits.train.pixels.shape[3]), ("classes", splits.classes)):
        if getattr(plan, name) != value:
            raise ValueError(
                f"data={splits.name} has {name}={value}, the space {space.identity} has {getattr(plan, name)}; make "
                f"the space with {name}={value}, or give other data"
            )
