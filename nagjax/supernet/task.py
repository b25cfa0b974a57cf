"""A task: data, and what outputs for them are judged by; inputs, targets and outputs of any rank and type.

The quality of any task is a fraction: the share of images classified correctly, exp(-nats per token) of a language
model, mIoU, or max(0, R2). ``nagjax.testing.check_task`` checks the contract.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Hashable, Mapping
from typing import Any, NamedTuple

import jax
import numpy as np

from nagjax import plugins
from nagjax.supernet.datasets.draw import draw_indices

DATA_DIR = "data_dir"
"""The setting of a task that says where its files are on this machine; it is not recorded."""


class Examples(NamedTuple):
    """Inputs and targets, NumPy arrays or trees of them; the first axis of all counts the examples."""

    inputs: Any
    targets: Any


@dataclasses.dataclass(frozen=True, eq=False)
class Part:
    """One of the three parts of a task's data.

    Attributes:
      size: number of examples.
      at: indices int ``[M]`` to these examples.
      classes: int ``[N]``, by which a draw takes as large a share of each; None where a draw is uniform.
    """

    size: int
    at: Callable[[np.ndarray], Examples]
    classes: np.ndarray | None = None

    def __len__(self) -> int:
        return self.size

    def subset(self, indices: np.ndarray) -> Part:
        """The examples at indices int ``[M]``, in that order."""
        classes = None if self.classes is None else self.classes[indices]
        return Part(len(indices), lambda rows: self.at(indices[rows]), classes)

    def draw(self, count: int, seed: int, what: str) -> Part:
        """``count`` different examples, each class by its share; always the same.

        Raises:
          ValueError: if there are not so many; it says ``what`` they are for.
        """
        if self.classes is not None:
            return self.subset(draw_indices(self.classes, count, seed, what, "examples"))
        if not 1 <= count <= self.size:
            raise ValueError(
                f"{what}: {count} examples are wanted, there are {self.size}; give at least 1, at most all"
            )
        return self.subset(np.sort(np.random.default_rng([seed, 4]).permutation(self.size)[:count]))


@dataclasses.dataclass(frozen=True, eq=False)
class Task:
    """Data and what is judged on them.

    Attributes:
      name, settings: what makes it again, JSON; without the folder of its files (``data_dir``).
      sizes: what a space has to have too, by name, such as ``{"image_channels": 1, "classes": 10}``.
      train, validation, test: what weights are trained on; what labels and every choice are of; what final networks
        are judged on alone.
      batch: ``batch(step, size, seed)``, the examples of a step of training: a function of its arguments alone.
      prepare: ``prepare(inputs, group)``, what a network of that group takes; jitted.
      aims: targets to what outputs are to be in training, of their shape, such as smoothed shares of classes; jitted.
      loss: ``loss(outputs, aims)``, float32 ``[N]``; jitted.
      answers: outputs of a teacher to the aims of who learns from it; jitted.
      sums: ``sums(outputs, targets, weight)``, what quality is of, added up over examples, each times its weight
        float32 ``[N]``; by name, ``loss`` among them; jitted.
      quality: sums over all examples and their number to a fraction, 0 to 1.
      relabelled: ``relabelled(seed)``, the task with other labels for its training examples, each drawn evenly among
        the classes; None where there are no classes.
      group: one for which inputs can be prepared, for the suite.
      given: ``given(inputs, group)``, what a deployed network takes; prepared inputs where None.
      mean, std: by which a deployed network standardises the last axis of what it is given; empty where it does not.
      takes: what a deployed network takes, for its card.
      quality_name, examples_name: what quality and examples are called on cards, in plots and messages, such as
        ``accuracy`` of ``images``.
    """

    name: str
    settings: Mapping[str, Any]
    sizes: Mapping[str, int]
    train: Part
    validation: Part
    test: Part
    batch: Callable[[int, int, int], Examples]
    prepare: Callable[[Any, Any], jax.Array]
    aims: Callable[[Any], Any]
    loss: Callable[[jax.Array, Any], jax.Array]
    answers: Callable[[jax.Array], Any]
    sums: Callable[[jax.Array, Any, jax.Array], Mapping[str, jax.Array]]
    quality: Callable[[Mapping[str, Any], int], float]
    relabelled: Callable[[int], Task] | None = None
    group: Hashable = None
    given: Callable[[Any, Any], jax.Array] | None = None
    mean: tuple[float, ...] = ()
    std: tuple[float, ...] = ()
    takes: str = "as the task prepares it"
    quality_name: str = "quality"
    examples_name: str = "examples"

    def percent(self, quality: float) -> str:
        """A quality for a person: ``93.50 %``, with its name where it is not an accuracy, ``41.03 % (R2)``."""
        shown = f"{100 * quality:.2f} %"
        return shown if self.quality_name == "accuracy" else f"{shown} ({self.quality_name})"

    def deployed(self, inputs: Any, group: Any) -> np.ndarray:
        """Inputs as a deployed network of a group takes them."""
        return np.asarray((self.given or self.prepare)(inputs, group))


def arrays(inputs: Any, targets: Any, classes: np.ndarray | None = None) -> Part:
    """A part whose examples are in memory: trees of NumPy arrays ``[N, ...]``.

    >>> arrays(np.arange(6).reshape(3, 2), np.arange(3)).at(np.array([2])).inputs.tolist()
    [[4, 5]]
    """
    held = Examples(inputs, targets)
    size = len(jax.tree.leaves(targets)[0])
    return Part(size, lambda rows: jax.tree.map(lambda array: array[rows], held), classes)


def epochs(part: Part) -> Callable[[int, int, int], Examples]:
    """``batch(step, size, seed)`` that goes through a part in a new order each epoch; what is left of one is left out.

    Raises:
      ValueError: when a batch is larger than the part.
    """

    @functools.lru_cache(maxsize=2)
    def order(epoch: int, seed: int) -> np.ndarray:
        return np.random.default_rng([seed, 1, epoch]).permutation(part.size)

    def batch(step: int, size: int, seed: int) -> Examples:
        if not 1 <= size <= part.size:
            raise ValueError(f"batch is {size}; it must be between 1 and the {part.size} training examples")
        epoch, place = divmod(step, part.size // size)
        return part.at(np.sort(order(epoch, seed)[place * size : (place + 1) * size]))

    return batch


def make_task(name: str, settings: Mapping[str, Any], data_dir: str | None = None) -> Task:
    """A registered task with settings; ``data_dir`` is given to those that take it.

    Raises:
      ValueError: if the name or a setting is not known, or the data cannot be read.
    """
    make = plugins.load("tasks", name)
    given = {**settings, **({DATA_DIR: data_dir} if data_dir else {})}
    return plugins.expect("tasks", name, plugins.checked_call(make, f"task {name}", given), Task)


def check_sizes(task: Task, wanted: Mapping[str, int], space: str, what: str = "", flag: str = "") -> None:
    """Refuse a task whose sizes are not those that a network needs (``Elastic.sizes``).

    For the error: the space's identity, the task as the user gave it (its name where empty), and how settings of the
    space are given.

    Raises:
      ValueError: with both numbers, and what to do.
    """
    named = what or f"task {task.name}"
    for name, value in wanted.items():
        found = task.sizes.get(name)
        if found is None:
            has = ", ".join(task.sizes) or "no sizes"
            raise ValueError(
                f"{named} has no {name}, which the space {space} needs ({name}={value}); it has {has}: choose another "
                "task or space"
            )
        if found != value:
            raise ValueError(
                f"{named} has {name}={found}, the space {space} has {value}; give {flag}{name}={found}, or other data"
            )
