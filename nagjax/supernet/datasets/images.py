"""Labelled images in memory, and the three splits of a data set."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator
from typing import Any

import numpy as np

_BLOCK_BYTES = 2**23
"""Pixels that are squared at a time, so that sums over large data sets take little memory."""

_ROWS = 2**16
"""The sum of the squares of so many bytes does not overflow 32 bits."""


@dataclasses.dataclass(frozen=True, eq=False)
class Stored:
    """Some rows of an array that stays where it is, such as in a file; what is indexed is copied into memory.

    Attributes:
      base: uint8 ``[M, H, W, C]``.
      rows: integer ``[N]``, indices into ``base``.
      sums: int64 ``[M, 2, C]``, ``image_sums`` of the base, so that nobody has to read all of it for them.
    """

    base: np.ndarray
    rows: np.ndarray
    sums: np.ndarray

    @property
    def shape(self) -> tuple[int, ...]:
        """``(N, H, W, C)``."""
        return len(self.rows), *self.base.shape[1:]

    @property
    def ndim(self) -> int:
        """Number of axes."""
        return self.base.ndim

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of the base."""
        return self.base.dtype

    @property
    def size(self) -> int:
        """Number of values."""
        return math.prod(self.shape)

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, key: Any) -> np.ndarray:
        return np.array(self.base[self.rows[key]])


Pixels = np.ndarray | Stored


@dataclasses.dataclass(frozen=True, eq=False)
class Images:
    """Images and their labels.

    Attributes:
      pixels: uint8 ``[N, H, W, C]``, 0 to 255; in memory, or ``Stored`` elsewhere.
      labels: int32 ``[N]``, classes from 0.
    """

    pixels: Pixels
    labels: np.ndarray

    def __post_init__(self) -> None:
        if self.pixels.ndim != 4 or 0 in self.pixels.shape or self.pixels.dtype != np.uint8:
            raise ValueError(
                f"pixels have shape {self.pixels.shape} and type {self.pixels.dtype}; "
                "they must be uint8 [N, H, W, C], none of the four 0"
            )
        if self.labels.shape != self.pixels.shape[:1] or self.labels.dtype != np.int32:
            raise ValueError(
                f"labels have shape {self.labels.shape} and type {self.labels.dtype}; "
                f"they must be int32 [{len(self.pixels)}], one for each image"
            )
        if self.labels.min() < 0:
            index = int(np.argmax(self.labels < 0))
            raise ValueError(f"the label of image {index} is {self.labels[index]}; classes count from 0")

    def __len__(self) -> int:
        return len(self.pixels)

    def take(self, indices: np.ndarray) -> Images:
        """The images at some indices, an integer ``[M]``, in that order; a copy."""
        return Images(self.pixels[indices], self.labels[indices])

    def subset(self, indices: np.ndarray) -> Images:
        """As ``take``; pixels that are stored elsewhere stay there."""
        if isinstance(self.pixels, Stored):
            rows = dataclasses.replace(self.pixels, rows=self.pixels.rows[indices])
            return Images(rows, self.labels[indices])
        return self.take(indices)


@dataclasses.dataclass(frozen=True, eq=False)
class Splits:
    """A data set in three parts; which is for what keeps the numbers that are reported honest.

    Attributes:
      name: what `load` calls the data set.
      classes: how many; labels are below it.
      mean: of each channel over ``train``, in units of pixel / 255.
      std: standard deviation of each channel over ``train``, in the same units; above 0.
      train: what networks are trained on.
      validation: for labelling architectures, fitting and every selection.
      test: for stand-alone comparison and final networks only.
    """

    name: str
    classes: int
    mean: tuple[float, ...]
    std: tuple[float, ...]
    train: Images
    validation: Images
    test: Images

    def __post_init__(self) -> None:
        shape = self.train.pixels.shape[1:]
        for part in ("train", "validation", "test"):
            images: Images = getattr(self, part)
            if images.pixels.shape[1:] != shape:
                raise ValueError(
                    f"{self.name}: images of {part} have shape {images.pixels.shape[1:]}, those of train {shape}; "
                    "all images of a data set have one shape"
                )
            check_labels(images.labels, self.classes, f"{self.name}: {part}")
        if not len(self.mean) == len(self.std) == shape[-1]:
            raise ValueError(
                f"{self.name}: mean {self.mean} and std {self.std} must have a number for each of {shape[-1]} channels"
            )
        if not all(math.isfinite(m) for m in self.mean) or not all(0 < s < math.inf for s in self.std):
            raise ValueError(
                f"{self.name}: mean {self.mean}, std {self.std}: a std is not above 0, so in train a channel has "
                "the same value everywhere; check the images"
            )


def make_splits(name: str, classes: int, train: Images, validation: Images, test: Images) -> Splits:
    """The three splits, with mean and std of ``train``.

    Raises:
      ValueError: as ``Splits``.
    """
    mean, std = channel_statistics(train.pixels)
    return Splits(name, classes, mean, std, train, validation, test)


def channel_statistics(pixels: Pixels) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Mean and standard deviation of each channel of pixels uint8 ``[N, H, W, C]``, in units of pixel / 255.

    The sums are integers, so the result depends neither on the order of images nor on the machine.

    >>> channel_statistics(np.array([0, 255], np.uint8).reshape(1, 1, 2, 1))
    ((0.5,), (0.5,))
    """
    channels = pixels.shape[-1]
    if isinstance(pixels, Stored):
        sums, squares = pixels.sums[pixels.rows].sum(0)
    else:
        sums, squares = np.sum([image_sums(block).sum(0) for block in blocks(pixels)], axis=0)
    count = pixels.size // channels
    pairs = list(zip(sums.tolist(), squares.tolist(), strict=True))
    mean = tuple(total / (255 * count) for total, _ in pairs)
    return mean, tuple(math.sqrt(count * square - total**2) / (255 * count) for total, square in pairs)


def blocks(pixels: np.ndarray) -> Iterator[np.ndarray]:
    """Parts of ``pixels``, in order, whose squares take little memory."""
    step = max(1, _BLOCK_BYTES * len(pixels) // pixels.size)
    for start in range(0, len(pixels), step):
        yield pixels[start : start + step]


def image_sums(pixels: np.ndarray) -> np.ndarray:
    """Sum and sum of squares of each channel of each image of uint8 ``[N, H, W, C]``, int64 ``[N, 2, C]``.

    >>> image_sums(np.array([3, 4], np.uint8).reshape(1, 1, 2, 1)).tolist()
    [[[7], [25]]]
    """
    count, height, width, channels = pixels.shape
    lines = pixels.reshape(count, height, width * channels)
    squares = lines.astype(np.uint16)
    squares *= squares
    # Over rows first, in narrow integers: many times quicker than over all pixels of a channel in wide ones.
    narrow = np.uint32 if height <= _ROWS else np.int64
    both = np.stack([lines.sum(1, dtype=narrow), squares.sum(1, dtype=narrow)], 1)
    return both.reshape(count, 2, width, channels).sum(2, dtype=np.int64)


def check_labels(labels: np.ndarray, classes: int, where: str) -> None:
    """Refuse labels, integers ``[N]``, outside 0 to classes - 1; ``where`` is their file or split, for the error.

    Raises:
      ValueError: it names the first image, its label and what is allowed.
    """
    wrong = np.flatnonzero((labels < 0) | (labels >= classes))
    if wrong.size:
        raise ValueError(
            f"{where}: the label of image {wrong[0]} (the first is 0) is {labels[wrong[0]]}, but with {classes} "
            f"classes labels are 0 to {classes - 1}; check that these are the files of this data set"
        )
