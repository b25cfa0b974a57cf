"""A strategy: which architectures a training step of shared weights teaches, and from whom each learns.

It may have a memory, a tree of arrays that training carries along and checkpoints keep.
``nagjax.testing.check_strategy`` checks the contract.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias

import jax
import numpy as np
import optax

from nagjax import plugins
from nagjax.elastic import Elastic
from nagjax.spaces.space import Space
from nagjax.supernet.forms import Form
from nagjax.supernet.task import Task

Memory: TypeAlias = Any
"""A tree of arrays whose shapes never change; ``()`` where there is none."""

LABELS = "labels"
"""A lesson's teacher: the targets."""
FIRST = "first"
"""A lesson's teacher: the answers of the step's first lesson."""
HELD = "held"
"""A lesson's teacher: the answers of the weights that the strategy holds."""
TEACHERS = (LABELS, FIRST, HELD)


@dataclasses.dataclass(frozen=True, eq=False)
class Lesson:
    """One architecture to teach in a step.

    Attributes:
      tokens: int32 ``[T]``, canonical.
      teacher: ``labels``: the targets; ``first``: the answers of the step's first lesson; ``held``: those of the
        weights that the strategy holds (``Strategy.held``).
      of: int32 ``[T]``, the architecture whose answers with the held weights those are; its own where None.
      regularised: its weights decay, where the strategy lets lessons decide.
      given: a tree of arrays for the strategy's own loss (``Strategy.loss``), such as this step's noise.
    """

    tokens: np.ndarray
    teacher: str = LABELS
    of: np.ndarray | None = None
    regularised: bool = True
    given: Any = ()

    def __post_init__(self) -> None:
        if self.teacher not in TEACHERS:
            raise ValueError(f"a lesson's teacher is {self.teacher!r}; it must be one of {', '.join(TEACHERS)}")


Lessons: TypeAlias = Callable[[np.random.Generator, Space, np.ndarray, float, Memory], Sequence[Lesson]]


def unchanged(_key: jax.Array, _elastic: Elastic, parameters: Any) -> tuple[Any, Memory]:
    """The fresh parameters as they are, and no memory."""
    return parameters, ()


@dataclasses.dataclass(frozen=True, eq=False)
class Strategy:
    """How shared weights are trained. The gradients of a step's lessons are averaged.

    Attributes:
      name, settings: what makes it again, JSON.
      lessons: ``lessons(rng, space, edges, progress, memory)``, those of a step: random numbers of the step, the space,
        the edges bool ``[T, S, C]`` that it may use, and the progress 0 to 1. On the host.
      begin: ``begin(key, elastic, parameters)``, fresh parameters as it changes them, and its memory; jitted.
      after: ``after(memory, parameters, progress)``, its memory after an update that gave these parameters; jitted.
        None where it keeps what it has.
      held: memory to the weights that teach lessons of the teacher ``held``; jitted.
      form: what the parameters are; None where they are those of the space's network.
      revise: ``revise(memory, parameters, progress)``, the parameters after an update as it changes them; jitted.
      task: ``task(given, seed)``, what is learned, made of the task that was given; None where it is that.
      loss: ``loss(elastic, task, parameters, inputs, aims, tokens, given)``, what a lesson loses, and outputs, of which
        the task makes answers; inputs are prepared, ``given`` is the lesson's; jitted. None: the mean of the task's
        loss of the architecture.
      taps: points of the network; where there are some, outputs are pairs of them and of what the points tell, by name,
        for the strategy's own task (``Strategy.task``).
      rule: how updates follow from gradients, made of the recipe's rule; None where it is that.
      final_rate: the learning rate at the end, a share of the highest.
      lessons_decay: weights decay by the lessons that are ``regularised``, and not all weights at every update.
    """

    name: str
    settings: Mapping[str, Any]
    lessons: Lessons
    begin: Callable[[jax.Array, Elastic, Any], tuple[Any, Memory]] = unchanged
    after: Callable[[Memory, Any, Any], Memory] | None = None
    held: Callable[[Memory], Any] | None = None
    form: Form | None = None
    revise: Callable[[Memory, Any, Any], Any] | None = None
    task: Callable[[Task, int], Task] | None = None
    loss: Callable[..., tuple[jax.Array, jax.Array]] | None = None
    taps: tuple[str, ...] = ()
    rule: Callable[[optax.GradientTransformation], optax.GradientTransformation] | None = None
    final_rate: float = 0.0
    lessons_decay: bool = False


def make_strategy(name: str, settings: Mapping[str, Any] | None = None) -> Strategy:
    """A registered strategy with settings; those left out keep their defaults.

    Raises:
      ValueError: if the name or a setting is not known, or a value is out of range.
    """
    make = plugins.load("strategies", name)
    return plugins.expect("strategies", name, plugins.checked_call(make, f"strategy {name}", settings or {}), Strategy)


def random_path(rng: np.random.Generator, space: Space, edges: np.ndarray) -> np.ndarray:
    """Tokens int32 ``[T]``: each decision uniform over what edges bool ``[T, S, C]`` allow.

    Not uniform over architectures: those are mostly deep, and shallow ones would hardly be taught.
    """
    node, tokens = 0, np.zeros(len(space.decisions), np.int32)
    for t in range(len(tokens)):
        tokens[t] = rng.choice(np.flatnonzero(edges[t, node]))
        node = int(space.trellis.target[t, node, tokens[t]])
    return tokens
