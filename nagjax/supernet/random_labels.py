"""Training on random labels (RLNAS, Zhang et al., arXiv 2101.11834), and the score that is read from it.

A supernet is trained on labels that say nothing of the images. How far the weights of an architecture have turned from
where they began then says how easily it is trained: the angle between the two. The accuracy of such weights is chance.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jax
import numpy as np

from nagjax.evaluators.evaluator import QUALITY, Evaluator
from nagjax.spaces.space import Space
from nagjax.supernet import storage, training
from nagjax.supernet.strategy import Strategy, make_strategy
from nagjax.supernet.task import Task


def make(lessons: str = "single_path") -> Strategy:
    """The strategy ``random_labels``: another one, on labels that are drawn once, by the seed of the training.

    Args:
      lessons: the other, with its defaults; it has no random labels of its own.

    Raises:
      ValueError: if it is not known; when training begins, if the task cannot be given other labels.
    """
    base = make_strategy(lessons)
    if base.task is not None:
        raise ValueError(f"random_labels: lessons={lessons}: changes the task itself; give single_path or sandwich")
    return dataclasses.replace(base, name="random_labels", settings={"lessons": lessons}, task=relabelled)


def relabelled(task: Task, seed: int) -> Task:
    """The task with random labels for its training examples.

    Raises:
      ValueError: if it has no labels that could be others.
    """
    if task.relabelled is None:
        raise ValueError(
            f"strategy random_labels: the task {task.name} has no classes that could be drawn; give it relabelled=..., "
            "or another task, such as digits"
        )
    return task.relabelled(seed)


def make_angle(space: Space, folder: str) -> Evaluator:
    """The evaluator ``angle``: how far training has turned an architecture's weights, as a share of half a turn.

    The angle is between all weights that the architecture reads, put one after another, before and after. Those before
    are drawn again from the seed. It is a score to rank by, and no accuracy: fit it with a ranking loss. The folder is
    that of the trained supernet.

    Raises:
      ValueError: if the folder holds no supernet of this space, or its strategy is not known here.
    """
    weights = storage.read_weights(Path(folder))
    storage.check_space(weights, space, folder)
    recipe = weights.config["recipe"]
    strategy = make_strategy(recipe["strategy"], recipe.get("strategy_settings"))
    learner = training.supernet_learner(space, space.where(weights.config["where"]), strategy)
    begun = training.start(learner, training.Recipe(steps=1, seed=recipe["seed"])).parameters
    elastic = training.elastic_of(space, form=weights.form)

    def evaluate(tokens: np.ndarray) -> Mapping[str, np.ndarray]:
        pairs = [[elastic.used(tree, row) for tree in (begun, weights.parameters)] for row in tokens]
        return {QUALITY: np.array([angle(first, last) for first, last in pairs]) / np.pi}

    decisive = {name: weights.config[name] for name in ("space", "where", "data", "recipe", "step")}
    return Evaluator("angle", {"folder": str(folder)}, json.loads(json.dumps({"angle": decisive})), evaluate)


def angle(first: Any, last: Any) -> float:
    """The angle between two trees of arrays as vectors, radians, 0 to pi; 0 where one of them is 0.

    >>> round(angle({"a": np.array([1.0, 0.0])}, {"a": np.array([1.0, 1.0])}), 6)
    0.785398
    """
    one, other = (np.concatenate([np.ravel(leaf) for leaf in jax.tree.leaves(tree)]) for tree in (first, last))
    one, other = one.astype(np.float64), other.astype(np.float64)
    length = np.linalg.norm(one) * np.linalg.norm(other)
    return float(np.arccos(np.clip(one @ other / length, -1.0, 1.0))) if length else 0.0
