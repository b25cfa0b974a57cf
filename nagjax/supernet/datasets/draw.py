"""A seeded draw of images in which every class keeps its share."""

from __future__ import annotations

import numpy as np

from nagjax import arguments
from nagjax.supernet.datasets.images import Images


def draw_images(images: Images, count: int, seed: int, what: str = "validation") -> tuple[Images, Images]:
    """Take ``count`` images out: what stays, and what was drawn; both in their first order.

    Args:
      images: to draw from.
      count: how many.
      seed: 0 or more; the draw is the same with every version of numpy.
      what: the drawn part, for errors.

    Raises:
      ValueError: as ``draw_indices``.
    """
    drawn = draw_indices(images.labels, count, seed, what)
    stays = np.ones(len(images), bool)
    stays[drawn] = False
    return images.subset(np.flatnonzero(stays)), images.subset(drawn)


def draw_indices(labels: np.ndarray, count: int, seed: int, what: str = "validation") -> np.ndarray:
    """Indices int64 ``[count]``, ascending, with each class as often as its share of ``labels`` says.

    Shares are rounded by largest remainders, so a class has less than one image more or fewer than its exact share.
    Each image has a random number, and a class gives those with the lowest. The numbers are the raw output of PCG64,
    which numpy promises to keep, so that labels of architectures stay labels on the same images.

    Args:
      labels: int32 ``[N]``, classes from 0.
      count: how many to draw.
      seed: 0 or more.
      what: the drawn part, for errors.

    >>> labels = np.array([0, 0, 0, 0, 1, 1], np.int32)
    >>> labels[draw_indices(labels, 3, seed=0)].tolist()
    [0, 0, 1]

    Raises:
      ValueError: if ``count`` is not 1 to N - 1, the seed is negative, or a class would have no image left.
    """
    if not 0 < count < len(labels):
        raise ValueError(
            f"{what}: {count} images of {len(labels)} cannot be drawn; give 1 to {len(labels) - 1}, "
            "for it needs some and training needs the rest"
        )
    if seed < 0:
        raise ValueError(f"{what}: the seed is {seed}; it must be 0 or more")
    arguments.count(count, f"{what}: images")
    sizes = np.bincount(labels)
    quotas = _quotas(sizes, count)
    emptied = np.flatnonzero((quotas == sizes) & (sizes > 0))
    if emptied.size:
        raise ValueError(
            f"{what}: {count} images of {len(labels)} would be all {sizes[emptied[0]]} of class {emptied[0]}; "
            "draw fewer, or add images of that class"
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
