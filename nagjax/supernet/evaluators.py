"""The evaluators ``supernet`` and ``alone``: quality with a supernet's weights, or those trained from scratch."""

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
from nagjax.supernet.evaluation import alone_assessor, supernet_assessor
from nagjax.supernet.recorded import recorded_task
from nagjax.supernet.task import Task, check_sizes, make_task


def make_supernet(space: Space, folder: str, data_dir: str = "", images: int = 0) -> Evaluator:
    """Quality on the validation examples with the weights of a supernet, batch norms calibrated for each architecture.

    Args:
      space: the space that the supernet was trained for.
      folder: of the trained supernet.
      data_dir: folder of the data set's files, where it needs one.
      images: how many validation examples; 0 for all.

    Raises:
      ValueError: if the folder holds no supernet of this space, or the data cannot be read.
    """
    weights = storage.read_weights(Path(folder))
    storage.check_space(weights, space, folder)
    task = recorded_task(weights.config, data_dir or None)
    assessor = supernet_assessor(space, task, jnp.dtype(weights.config["recipe"]["dtype"]), form=weights.form)
    shown = labelling.label_part(task, images or None)

    def evaluate(tokens: np.ndarray) -> Mapping[str, np.ndarray]:
        return {QUALITY: np.array([assessor.scores(weights.parameters, row, shown).quality for row in tokens])}

    decisive = {name: weights.config[name] for name in ("space", "where", "data", "recipe", "step")}
    identity = json.loads(json.dumps({"supernet": decisive, "images": images}))
    return Evaluator("supernet", {"folder": str(folder), "data_dir": data_dir, "images": images}, identity, evaluate)


def make_alone(
    space: Space,
    data: str = "fashion_mnist",
    data_dir: str = "",
    steps: int = 2000,
    batch: int = 128,
    learning_rate: float | None = None,
    seed: int = 0,
    optimiser: str = training.Recipe.optimiser,
    **task_settings: Any,
) -> Evaluator:
    """Quality on the validation examples of an architecture that is trained from scratch.

    Args:
      space: a space with an elastic network.
      data: name of a task, such as a data set.
      data_dir: folder of its files, where it needs one.
      steps: updates of training.
      batch: examples per update.
      learning_rate: the highest; that of ``training.RATES`` where None.
      seed: of training.
      optimiser: one of ``training.RATES``.
      **task_settings: settings of the task.

    Raises:
      ValueError: if a number is out of range, or the data cannot be read or does not suit the space.
    """
    rate = training.usual_rate(optimiser) if learning_rate is None else learning_rate
    recipe = training.Recipe(steps=steps, batch=batch, learning_rate=rate, seed=seed, optimiser=optimiser)
    chosen = {} if optimiser == training.Recipe.optimiser else {"optimiser": optimiser}
    settings = {
        "data": data, "data_dir": data_dir, "steps": steps, "batch": batch, "learning_rate": rate, "seed": seed,
        **chosen, **task_settings,
    }  # fmt: skip
    task = make_task(data, task_settings, data_dir or None)
    check_sizes(task, training.elastic_of(space).sizes, space.identity)

    def evaluate(tokens: np.ndarray) -> Mapping[str, np.ndarray]:
        return {QUALITY: np.array([_trained_quality(space, row, task, recipe) for row in tokens])}

    identity = {name: value for name, value in settings.items() if name != "data_dir"}
    return Evaluator("alone", settings, identity, evaluate)


def _trained_quality(space: Space, tokens: np.ndarray, task: Task, recipe: training.Recipe) -> float:
    state = training.train_whole(training.alone_learner(space, tokens), task, recipe)
    return alone_assessor(space, tokens, task).scores(state.parameters, tokens, task.validation).quality
