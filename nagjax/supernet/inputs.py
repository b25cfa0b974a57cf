"""From stored images to what a network takes: which ones a step sees, how they are varied and scaled."""

from __future__ import annotations

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np

from nagjax.supernet.datasets.images import Images, Splits


@dataclasses.dataclass(frozen=True)
class Augmentation:
    """How training images are varied.

    Attributes:
      shift: most pixels by which an image moves in either direction; what comes in is 0.
      flip: mirror half of the images.
    """

    shift: int = 2
    flip: bool = True


class Batches:
    """Training batches: a function of seed and step alone, so that a resumed run sees what an unbroken one sees."""

    def __init__(self, images: Images, batch: int, seed: int, augmentation: Augmentation) -> None:
        if not 1 <= batch <= len(images):
            raise ValueError(f"batch is {batch}; it must be between 1 and the {len(images)} training images")
        self._images, self._batch, self._seed, self._augmentation = images, batch, seed, augmentation
        self._epoch, self._order = -1, np.zeros(0, np.int64)

    @property
    def per_epoch(self) -> int:
        """Whole batches in one pass over the images."""
        return len(self._images) // self._batch

    def at(self, step: int) -> Images:
        """The batch of a step, augmented."""
        epoch, place = divmod(step, self.per_epoch)
        if epoch != self._epoch:
            self._epoch, self._order = (
                epoch,
                np.random.default_rng([self._seed, 1, epoch]).permutation(len(self._images)),
            )
        chosen = np.sort(self._order[place * self._batch : (place + 1) * self._batch])
        rng = np.random.default_rng([self._seed, 2, step])
        pixels = augment(rng, self._images.pixels[chosen], self._augmentation)
        return Images(pixels, self._images.labels[chosen])


def augment(rng: np.random.Generator, pixels: np.ndarray, how: Augmentation) -> np.ndarray:
    """Images uint8 ``[N, H, W, C]``, each moved and perhaps mirrored."""
    count, height, width, _ = pixels.shape
    padded = np.pad(pixels, ((0, 0), (how.shift, how.shift), (how.shift, how.shift), (0, 0)))
    down, right = rng.integers(0, 2 * how.shift + 1, (2, count))
    rows, columns = down[:, None] + np.arange(height), right[:, None] + np.arange(width)
    if how.flip:
        mirrored = rng.random(count) < 0.5
        columns = np.where(np.asarray(mirrored)[:, None], columns[:, ::-1], columns)
    return padded[np.arange(count)[:, None, None], rows[:, :, None], columns[:, None, :]]


def standardise(pixels: jax.typing.ArrayLike, splits: Splits, resolution: int) -> jax.Array:
    """Images float32 ``[N, R, R, C]`` of mean 0 and variance 1 over the training split, scaled to a resolution.

    Pixels are uint8 ``[N, H, W, C]``; scaling is bilinear, smoothed where it shrinks.
    """
    scaled: jax.Array = jnp.asarray(pixels, jnp.float32) / 255.0
    mean, std = (jnp.asarray(values).reshape(1, 1, 1, -1) for values in (splits.mean, splits.std))
    x = (scaled - mean) / std
    if x.shape[1:3] == (resolution, resolution):
        return x
    return jax.image.resize(x, (len(x), resolution, resolution, x.shape[3]), "linear")


def scaled(pixels: jax.typing.ArrayLike, resolution: int) -> jax.Array:
    """Pixels uint8 ``[N, H, W, C]`` as deployed networks take them: float32 ``[N, R, R, C]``, 0..1, smoothed."""
    x: jax.Array = jnp.asarray(pixels, jnp.float32) / 255.0
    if x.shape[1:3] == (resolution, resolution):
        return x
    return jax.image.resize(x, (len(x), resolution, resolution, x.shape[3]), "linear")
