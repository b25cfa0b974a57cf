"""What most tasks are: telling classes apart, or saying numbers; a task of one's own is its parts given to one of them.

What they do not say, such as how inputs are prepared, is set by ``dataclasses.replace``.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

import jax
import jax.numpy as jnp
import numpy as np
import optax

from nagjax.supernet.task import Part, Task, epochs

Parts: TypeAlias = Sequence[Part]
"""Three: for training, validation and test."""

LEAST_DEVIATION = 1e-6
"""A feature that varies less than this, relative to its largest value, is only moved to 0."""


def task_of(name: str, settings: Mapping[str, Any], parts: Parts, sizes: Mapping[str, int], **judged: Any) -> Task:
    """A task of three parts: batches of all training examples in an order of each epoch, inputs as they are.

    ``judged`` are other fields of ``Task``; by default the largest of outputs ``[N, ..., classes]`` is meant.
    """
    train, validation, test = parts
    usual = {"prepare": lambda inputs, _: jnp.asarray(inputs), "answers": jax.nn.softmax}
    return Task(
        name=name, settings=settings, sizes=sizes, train=train, validation=validation, test=test, batch=epochs(train),
        **{**usual, **judged},
    )  # fmt: skip


def classification(
    name: str, settings: Mapping[str, Any], parts: Parts, sizes: Mapping[str, int], classes: int, smoothing: float = 0.0
) -> Task:
    """The task of telling classes apart: targets are classes int ``[N]``, outputs logits ``[N, classes]``.

    Quality is the share that is right, loss the cross-entropy with labels smoothed by a fraction, in nats. Settings
    make the task again; a space has to have its sizes too.

    Raises:
      ValueError: if smoothing is no fraction below 1.
    """
    if not 0 <= smoothing < 1:
        raise ValueError(f"smoothing={smoothing!r}: must be a fraction, at least 0 and below 1")
    return task_of(
        name, settings, parts, sizes,
        aims=lambda targets: optax.smooth_labels(jax.nn.one_hot(targets, classes), smoothing),
        loss=optax.softmax_cross_entropy,
        sums=class_sums,
        quality=lambda sums, number: float(sums["right"]) / number,
        quality_name="accuracy",
    )  # fmt: skip


def class_sums(logits: jax.Array, labels: jax.Array, weight: jax.Array) -> dict[str, jax.Array]:
    """How many of logits ``[N, classes]`` are right, and their cross-entropies, nats; each times its weight ``[N]``."""
    right = (logits.argmax(-1) == labels) * weight
    losses = -jnp.take_along_axis(jax.nn.log_softmax(logits), labels[:, None], 1)[:, 0] * weight
    return {"right": right.sum(), "loss": losses.sum()}


def regression(name: str, settings: Mapping[str, Any], parts: Parts, sizes: Mapping[str, int]) -> Task:
    """The task of saying numbers: targets and outputs are float32 ``[N, D]``.

    Outputs are in deviations of the training targets from their mean, so that rates and losses fit any unit. Quality is
    max(0, R2), with squares summed over D; loss the mean square. Settings and sizes as of ``classification``.
    """
    mean, std = (jnp.asarray(value)[None] for value in moments(np.asarray(_whole(parts[0]).targets)))

    def aims(targets: Any) -> jax.Array:
        return (jnp.asarray(targets, jnp.float32) - mean) / std

    def loss(outputs: jax.Array, aims: jax.Array) -> jax.Array:
        return ((outputs - aims) ** 2).mean(1)

    def sums(outputs: jax.Array, targets: Any, weight: jax.Array) -> dict[str, jax.Array]:
        wanted = aims(targets)
        each = weight[:, None]
        missed, total = loss(outputs, wanted) * weight, (wanted * each).sum(0)
        return {"loss": missed.sum(), "total": total, "squares": (wanted**2 * each).sum(0)}

    def quality(sums: Mapping[str, Any], number: int) -> float:
        spread = float((sums["squares"] - sums["total"] ** 2 / number).mean())
        return max(0.0, 1.0 - float(sums["loss"]) / spread) if spread > 0 else 0.0

    return task_of(
        name, settings, parts, sizes,
        aims=aims, loss=loss, answers=lambda outputs: outputs, sums=sums, quality=quality, quality_name="R2",
    )  # fmt: skip


def standardising(task: Task) -> Task:
    """A task whose networks are given features as they are, and standardise each as the training part has it.

    Inputs are float32 ``[N, ..., F]``; mean and deviation are of each of the F features. Deployed networks do it
    themselves, so they take what stands in the data.
    """
    mean, std = moments(np.asarray(_whole(task.train).inputs))

    def given(inputs: Any, _: Any) -> jax.Array:
        return jnp.asarray(inputs, jnp.float32)

    def prepare(inputs: Any, group: Any) -> jax.Array:
        x = given(inputs, group)
        wide = (1,) * (x.ndim - 1) + (-1,)
        return (x - jnp.asarray(mean).reshape(wide)) / jnp.asarray(std).reshape(wide)

    return dataclasses.replace(
        task, prepare=prepare, given=given, mean=tuple(mean.tolist()), std=tuple(std.tolist()),
        takes="float32, as the data have them",
    )  # fmt: skip


def moments(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean and standard deviation float32 ``[F]`` of values ``[..., F]``; of what does not vary the deviation is 1.

    >>> moments(np.array([[1.0, 5.0], [3.0, 5.0]]))
    (array([2., 5.], dtype=float32), array([1., 1.], dtype=float32))
    """
    rows = np.asarray(values, np.float64).reshape(-1, values.shape[-1])
    std = rows.std(0)
    return rows.mean(0).astype(np.float32), np.where(std > LEAST_DEVIATION * np.abs(rows).max(0), std, 1.0).astype(
        np.float32
    )


def _whole(part: Part) -> Any:
    return part.at(np.arange(len(part)))
