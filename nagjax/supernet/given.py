"""The strategy ``given``: trained weights become elastic while they are fine-tuned (InstaTune, arXiv 2308.15609).

It begins from the weights of an earlier supernet, such as one of which the largest network alone was trained. A step
teaches the largest from the labels, and random ones from the largest: as it is by now, or as it was given.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from nagjax import arguments
from nagjax.elastic import Elastic
from nagjax.spaces.space import Space
from nagjax.supernet import storage
from nagjax.supernet.relations import related
from nagjax.supernet.strategy import FIRST, HELD, Lesson, Memory, Strategy, random_path

TEACHERS = ("running", "given")


def make(weights: str = "", random: int = 1, teacher: str = "running", relations: float = 0.0) -> Strategy:
    """The strategy.

    Args:
      weights: folder of the trained supernet that it begins from; none where empty, which is for comparisons.
      random: how many random architectures a step teaches beside the largest.
      teacher: who teaches them: ``running``, the largest as it is in this step; ``given``, the largest with the weights
        that training began from.
      relations: weight of its relations beside its answers (``nagjax.supernet.relations``).

    Raises:
      ValueError: if a setting is out of range, or the folder holds no trained weights; when training begins, if these
        are of another network.
    """
    arguments.count(random, "given: random", 0)
    if teacher not in TEACHERS:
        raise ValueError(f"given: teacher={teacher!r}: must be one of {', '.join(TEACHERS)}")
    if weights and not storage.has_weights(Path(weights)):
        raise ValueError(f"given: weights={weights}: holds no trained weights; give the --out of a training run")

    def lessons(
        rng: np.random.Generator, space: Space, edges: np.ndarray, _progress: float, _memory: Memory
    ) -> Sequence[Lesson]:
        largest, others = space.largest(edges), [random_path(rng, space, edges) for _ in range(random)]
        if teacher == "given":
            return [Lesson(largest), *(Lesson(tokens, HELD, of=largest) for tokens in others)]
        return [Lesson(largest), *(Lesson(tokens, FIRST) for tokens in others)]

    def begin(_key: jax.Array, _elastic: Elastic, parameters: Any) -> tuple[Any, Memory]:
        first = _read(weights, parameters) if weights else parameters
        return first, first if teacher == "given" else ()

    own = Strategy(
        "given",
        {"weights": weights, "random": random, "teacher": teacher, "relations": relations},
        lessons,
        begin,
        held=(lambda memory: memory) if teacher == "given" else None,
    )
    return related(own, relations)


def _read(folder: str, like: Any) -> Any:
    """The parameters in a folder, of the tree and shapes of ``like``.

    Raises:
      ValueError: if they are others, with the first that differs.
    """
    found = storage.read_weights(Path(folder))
    wanted, held = (_shapes(tree) for tree in (like, found.parameters))
    if wanted != held:
        name = min(name for name in {*wanted, *held} if wanted.get(name) != held.get(name))
        raise ValueError(
            f"given: weights={folder}: are those of another network: {name} is {held.get(name, 'not there')}, here "
            f"{wanted.get(name, 'not there')}; give weights that were trained for the same space and settings"
        )
    return jax.tree.map(jnp.asarray, found.parameters)


def _shapes(tree: Any) -> dict[str, tuple[int, ...]]:
    return {jax.tree_util.keystr(path): np.shape(leaf) for path, leaf in jax.tree_util.tree_leaves_with_path(tree)}
