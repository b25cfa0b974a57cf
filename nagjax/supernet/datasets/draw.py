"""A seeded draw of images in which every class keeps its share."""

from __future__ import annotations

import numpy as np

from nagjax import arguments
from nagjax.supernet.datasets.images import Images

TEST_SEED = 1797
"""Of the draw of test examples from data that have none of their own."""


def draw_images(images: Images, count: int, seed: int, what: str = "validation") -> tuple[Images, Images]:
    """Take ``count`` images out: what stays, and what was drawn; both in their first order.

    The draw is the same with every version of numpy; ``what`` names the drawn part in errors.

    Raises:
      ValueError: as ``draw_indices``.
    """
    drawn = draw_indices(images.labels, count, seed, what)
    stays = np.ones(len(images), bool)
    stays[drawn] = False
    return images.subset(np.flatnonzero(stays)), images.subset(drawn)


def three_parts(
    classes: np.ndarray, held_out: float, seed: int, what: str
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Indices int64 of training, validation and test examples, each ascending, every class by its share.

    The test examples do not depend on the seed, so that none of one run is a training example of another. ``classes``
    are int32 ``[N]``, from 0, all 0 where examples have none; ``held_out`` is the share for validation, and as much for
    test; ``what`` has these examples, for errors.

    >>> tuple(len(part) for part in three_parts(np.zeros(10, np.int32), 0.2, seed=0, what="mine"))
    (6, 2, 2)

    Raises:
      ValueError: if the share or the seed is out of range, or a class would be without training examples.
    """
    arguments.seed(seed, f"{what}: seed")
    if not 0 < arguments.finite(held_out, f"{what}: held_out") < 0.5:
        raise ValueError(f"{what}: held_out={held_out!r}: must be a fraction above 0 and below 0.5")
    count = round(held_out * len(classes))
    test = draw_indices(classes, count, TEST_SEED, f"{what}: test", "examples")
    rest = np.setdiff1d(np.arange(len(classes)), test)
    validation = rest[draw_indices(classes[rest], count, seed, f"{what}: validation", "examples")]
    return np.setdiff1d(rest, validation), validation, test


def draw_indices(
    labels: np.ndarray, count: int, seed: int, what: str = "validation", things: str = "images"
) -> np.ndarray:
    """Indices int64 ``[count]``, ascending, with each class as often as its share of ``labels`` int32 ``[N]`` says.

    Shares are rounded by largest remainders, so a class has less than one image more or fewer than its exact share.
    Each image has a random number, and a class gives those with the lowest. The numbers are the raw output of PCG64,
    which numpy promises to keep, so that labels of architectures stay labels on the same images. ``what`` names the
    drawn part in errors, ``things`` the examples.

    >>> labels = np.array([0, 0, 0, 0, 1, 1], np.int32)
    >>> labels[draw_indices(labels, 3, seed=0)].tolist()
    [0, 0, 1]

    Raises:
      ValueError: if ``count`` is not 1 to N - 1, the seed is negative, or a class would have no image left.
    """
    if not 0 < count < len(labels):
        raise ValueError(
            f"{what}: {count} {things} of {len(labels)} cannot be drawn; give 1 to {len(labels) - 1}, "
            "for it needs some and training needs the rest"
        )
    if seed < 0:
        raise ValueError(f"{what}: the seed is {seed}; it must be 0 or more")
    arguments.count(count, f"{what}: {things}")
    sizes = np.bincount(labels)
    quotas = _quotas(sizes, count)
    emptied = np.flatnonzero((quotas == sizes) & (sizes > 0))
    if emptied.size:
        raise ValueError(
            f"{what}: {count} {things} of {len(labels)} would be all {sizes[emptied[0]]} of class {emptied[0]}; "
            f"draw fewer, or add {things} of that class"
        )
    keys = np.random.PCG64(seed).random_raw(len(labels))
    order = np.lexsort((keys, labels))
    ranks = np.arange(len(labels)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    return np.sort(order[ranks < quotas[labels[order]]])


def _quotas(sizes: np.ndarray, count: int) -> np.ndarray:
    """How many images each class gives, int64 ``[classes]``; of equal remainders the lower class is first."""
    shares = sizes * count
    quotas = shares // sizes.sum()
    remainders = shares % sizes.sum()
    first = np.argsort(-remainders, kind="stable")[: count - quotas.sum()]
    quotas[first] += 1
    return quotas
