"""How good an architecture is with the supernet's weights, or with its own.

Batch-norm statistics of one architecture do not fit another, so each is calibrated anew on training images before it is
evaluated (once-for-all; BigNAS). Without that the ranking is noise.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from nagjax import blocks
from nagjax.spaces import mobilenet_v3
from nagjax.spaces.space import Space
from nagjax.supernet.datasets.draw import draw_indices
from nagjax.supernet.datasets.images import Images, Splits
from nagjax.supernet.inputs import standardise
from nagjax.supernet.network import Supernet
from nagjax.supernet.training import checked_plan

CALIBRATION_SEED = 0


@dataclasses.dataclass(frozen=True)
class Scores:
    """How an architecture did on a set of images.

    Attributes:
      accuracy: share of images classified correctly.
      loss: mean cross-entropy, nats.
    """

    accuracy: float
    loss: float


Apply = Callable[[Any, jax.Array, jax.Array, Any], tuple[jax.Array, Any]]


class Assessor:
    """Evaluates architectures; compiled once a resolution.

    Args:
      apply: parameters, images ``[N, R, R, C]``, tokens ``[T]`` and statistics (None: those of the images) to logits
        and statistics.
      resolution: tokens to R.
      splits: calibration images are drawn from ``splits.train``.
      calibration: how many images give the batch-norm statistics; all where there are not twice as many.
      batch: images a call of the compiled program when scores are taken.
    """

    def __init__(
        self, apply: Apply, resolution: Callable[[np.ndarray], int], splits: Splits, calibration: int = 1024,
        batch: int = 250,
    ) -> None:  # fmt: skip
        self._resolution, self._splits, self._batch = resolution, splits, batch
        self._calibration = calibration_pixels(splits, calibration)

        def calibrate(resolution: int, parameters: Any, pixels: Any, tokens: Any) -> Any:
            return apply(parameters, standardise(pixels, splits, resolution), tokens, None)[1]

        def score(resolution: int, parameters: Any, images: Any, tokens: Any, statistics: Any) -> Any:
            pixels, labels, weight = images
            logits, _ = apply(parameters, standardise(pixels, splits, resolution), tokens, statistics)
            right = (logits.argmax(-1) == labels) * weight
            losses = -jnp.take_along_axis(jax.nn.log_softmax(logits), labels[:, None], 1)[:, 0] * weight
            return right.sum(), losses.sum()

        self._calibrate = jax.jit(calibrate, static_argnums=0)
        self._score = jax.jit(score, static_argnums=0)

    def statistics(self, parameters: Any, tokens: np.ndarray) -> Any:
        """Batch-norm statistics of one architecture, tokens int32 ``[T]``, on the calibration images."""
        return self._calibrate(self._resolution(tokens), parameters, self._calibration, tokens)

    def scores(self, parameters: Any, tokens: np.ndarray, images: Images) -> Scores:
        """Scores of one architecture, tokens int32 ``[T]``, on ``images``; calibrates first."""
        resolution, statistics = self._resolution(tokens), self.statistics(parameters, tokens)
        totals = [self._score(resolution, parameters, part, tokens, statistics) for part in _parts(images, self._batch)]
        right, loss = (
            float(sum(np.asarray(value, np.float64) for value in values)) for values in zip(*totals, strict=True)
        )
        return Scores(right / len(images), loss / len(images))


def calibration_pixels(splits: Splits, count: int = 1024) -> np.ndarray:
    """Training images uint8 ``[N, H, W, C]`` that statistics are taken on: always the same, each class by its share.

    A training split without twice as many is taken whole.
    """
    if 2 * count > len(splits.train):
        return splits.train.pixels[np.arange(len(splits.train))]
    return splits.train.pixels[draw_indices(splits.train.labels, count, CALIBRATION_SEED, "calibration")]


def supernet_assessor(space: Space, splits: Splits, dtype: Any = jnp.float32) -> Assessor:
    """Evaluates architectures with the weights of a supernet."""
    plan = checked_plan(space)
    network = Supernet(plan, dtype)

    def apply(parameters: Any, images: jax.Array, tokens: jax.Array, statistics: Any) -> Any:
        return network.apply({"params": parameters}, images, tokens, statistics)

    return Assessor(apply, lambda tokens: int(plan.resolutions[tokens[0]]), splits)


def alone_assessor(space: Space, tokens: Sequence[int], splits: Splits, dtype: Any = jnp.float32) -> Assessor:
    """Evaluates one architecture with weights of its own."""
    plan = checked_plan(space)
    network = blocks.Network(mobilenet_v3.operators(plan, [int(token) for token in tokens]), dtype)

    def apply(parameters: Any, images: jax.Array, tokens: jax.Array, statistics: Any) -> Any:
        del tokens
        logits, used = network.apply({"params": parameters}, images, statistics)
        return logits.astype(jnp.float32), used

    return Assessor(apply, lambda tokens: int(plan.resolutions[tokens[0]]), splits)


def _parts(images: Images, batch: int) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Images in batches of one shape, one in memory at a time; the last is filled up with images of weight 0."""
    for first in range(0, len(images), batch):
        at = np.arange(first, first + batch)
        weight = (at < len(images)).astype(np.float32)
        at = np.minimum(at, len(images) - 1)
        yield images.pixels[at], images.labels[at], weight
