"""How good an architecture is with the supernet's weights, or with its own.

Batch-norm statistics of one architecture do not fit another, so each is calibrated anew on training examples before it
is evaluated (once-for-all; BigNAS). Without that the ranking is noise.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Hashable, Iterator, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from nagjax import mesh
from nagjax.spaces.space import Space
from nagjax.supernet.forms import Form
from nagjax.supernet.task import Examples, Part, Task
from nagjax.supernet.training import elastic_of

CALIBRATION_SEED = 0


@dataclasses.dataclass(frozen=True)
class Scores:
    """How an architecture did on a set of examples.

    Attributes:
      quality: a fraction, by the task: of images the share that is classified correctly.
      loss: mean of the task's loss, such as cross-entropy in nats.
    """

    quality: float
    loss: float


Apply = Callable[[Any, jax.Array, jax.Array, Any], tuple[jax.Array, Any]]


class Assessor:
    """Evaluates architectures; compiled once a group.

    Args:
      apply: parameters, prepared inputs, tokens ``[T]`` and statistics (None: those of the inputs) to outputs and
        statistics.
      group: tokens to what a compiled program is for.
      task: calibration examples are drawn from ``task.train``.
      calibration: how many examples give the batch-norm statistics; all where there are not twice as many.
      batch: examples a call of the compiled program when scores are taken; as many more as devices share evenly.
      place: where parameters lie, and among which devices examples are shared.
    """

    def __init__(
        self, apply: Apply, group: Callable[[np.ndarray], Hashable], task: Task, calibration: int = 1024,
        batch: int = 250, place: mesh.Placement = mesh.ONE,
    ) -> None:  # fmt: skip
        self._group, self._task, self._batch, self._place = group, task, place.rounded(batch), place
        self._calibration = place.examples(calibration_inputs(task, calibration))

        def calibrate(group: Hashable, parameters: Any, inputs: Any, tokens: Any) -> Any:
            return place.held_everywhere(apply(parameters, task.prepare(inputs, group), tokens, None)[1])

        def score(group: Hashable, parameters: Any, examples: Examples, weight: Any, tokens: Any, used: Any) -> Any:
            outputs, _ = apply(parameters, task.prepare(examples.inputs, group), tokens, used)
            return place.held_everywhere(task.sums(outputs, examples.targets, weight))

        self._calibrate = jax.jit(calibrate, static_argnums=0)
        self._score = jax.jit(score, static_argnums=0)

    def statistics(self, parameters: Any, tokens: np.ndarray) -> Any:
        """Batch-norm statistics of one architecture, tokens int32 ``[T]``, on the calibration examples."""
        return self._calibrate(self._group(tokens), parameters, self._calibration, tokens)

    def scores(self, parameters: Any, tokens: np.ndarray, part: Part) -> Scores:
        """Scores of one architecture, tokens int32 ``[T]``, on ``part``; calibrates first."""
        group, used = self._group(tokens), self.statistics(parameters, tokens)
        totals = [
            self._score(group, parameters, *self._place.examples(batch), tokens, used)
            for batch in _batches(part, self._batch)
        ]
        sums = added(totals)
        return Scores(self._task.quality(sums, len(part)), float(sums["loss"]) / len(part))


def added(totals: Sequence[Any]) -> dict[str, np.ndarray]:
    """Sums of batches added up by name, float64."""
    return {name: np.sum([np.asarray(one[name], np.float64) for one in totals], axis=0) for name in totals[0]}


def calibration_inputs(task: Task, count: int = 1024) -> Any:
    """Training inputs that statistics are taken on: always the same, each class by its share.

    A training part without twice as many is taken whole.
    """
    part = task.train
    if 2 * count <= len(part):
        part = part.draw(count, CALIBRATION_SEED, "calibration")
    return part.at(np.arange(len(part))).inputs


def supernet_assessor(
    space: Space, task: Task, dtype: Any = jnp.float32, place: mesh.Placement = mesh.ONE, form: Form | None = None
) -> Assessor:  # fmt: skip
    """Evaluates architectures with the weights of a supernet, of a form, which lie on devices as ``place`` says."""
    elastic = elastic_of(space, dtype, form)
    return Assessor(lambda *given: elastic.apply(*given)[:2], elastic.group, task, place=place)


def alone_assessor(
    space: Space, tokens: Sequence[int] | np.ndarray, task: Task, dtype: Any = jnp.float32,
    place: mesh.Placement = mesh.ONE,
) -> Assessor:  # fmt: skip
    """Evaluates one architecture with weights of its own, which lie on devices as ``place`` says."""
    elastic = elastic_of(space, dtype)
    alone = elastic.alone(np.asarray(tokens, np.int32))
    return Assessor(
        lambda parameters, inputs, _, statistics: alone.apply(parameters, inputs, statistics), elastic.group, task,
        place=place,
    )  # fmt: skip


def _batches(part: Part, batch: int) -> Iterator[tuple[Examples, np.ndarray]]:
    """Examples in batches of one shape, one in memory at a time; the last is filled up with some of weight 0."""
    for first in range(0, len(part), batch):
        at = np.arange(first, first + batch)
        weight = (at < len(part)).astype(np.float32)
        yield part.at(np.minimum(at, len(part) - 1)), weight
