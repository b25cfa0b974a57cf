"""A data set by its name, as three splits."""

from __future__ import annotations

import difflib
from pathlib import Path

from nagjax.supernet.datasets import cifar, digits, folders, idx
from nagjax.supernet.datasets.cache import Progress
from nagjax.supernet.datasets.draw import draw_images
from nagjax.supernet.datasets.images import Images, Splits, make_splits

VALIDATION = {"cifar10": 5000, "cifar100": 5000, "digits": 300, "fashion_mnist": 5000, "mnist": 5000, "folder": None}
"""Names of the data sets, and how many training images are for validation unless told; none: a tenth of them."""

DEFAULT_BACKGROUND = "white"
DIGITS_TEST = 300
_DIGITS_TEST_SEED = 1797


def load(
    name: str,
    data_dir: str | Path | None = None,
    validation: int | None = None,
    seed: int = 0,
    image_size: int | None = None,
    image_background: str | None = None,
    image_cache: str | Path | None = None,
    progress: Progress | None = None,
) -> Splits:
    """Read a data set and draw its validation images from its training images, every class by its share.

    Args:
      name: ``"digits"``, ``"fashion_mnist"``, ``"mnist"``, ``"cifar10"``, ``"cifar100"`` or ``"folder"``.
      data_dir: where its files are; digits needs none, Fashion-MNIST has a default.
      validation: how many training images are for validation; without it 5,000, of digits 300, of folders a tenth.
      seed: of that draw, 0 or more. The test images of digits, which have no test file, do not depend on it, so that
        no test image of one run is a training image of another.
      image_size: side in pixels that images in folders are resized to; the other data sets have one of their own.
      image_background: of transparent images in folders, ``"white"`` (where None) or ``"black"``.
      image_cache: folder in which decoded images of folders are kept and read from; without it they are in memory.
      progress: told how many images of folders are read, and of how many.

    Raises:
      ValueError: for an unknown name, a wrong number, and everything that can be wrong with the files: the message
        names the file and says what to do.
    """
    if name not in VALIDATION:
        near = difflib.get_close_matches(name.lower(), sorted(VALIDATION), 1, 0.5)
        hint = f" (did you mean {near[0]!r}?)" if near else ""
        raise ValueError(f"unknown data set {name!r}{hint}; known: {', '.join(sorted(VALIDATION))}")
    of_folders = {"image_size": image_size, "image_background": image_background, "image_cache": image_cache}
    for what, value in of_folders.items():
        if value is not None and name != "folder":
            raise ValueError(f"{name}: {what} is {value}, but only images in folders are resized; leave it out")
    if name == "folder":
        background = image_background or DEFAULT_BACKGROUND
        given, test, names = folders.read_folders(data_dir, image_size, background, image_cache, progress)
        classes = len(names)
    else:
        given, test, classes = _read(name, data_dir)
    count = validation if validation is not None else VALIDATION[name] or max(1, len(given) // 10)
    train, drawn = draw_images(given, count, seed, f"{name}: validation")
    return make_splits(name, classes, train, drawn, test)


def _read(name: str, data_dir: str | Path | None) -> tuple[Images, Images, int]:
    """Images to train on or validate with, test images, and the number of classes."""
    if name == "digits":
        given, test = draw_images(digits.read_digits(), DIGITS_TEST, _DIGITS_TEST_SEED, "digits: test")
        return given, test, digits.CLASSES
    if name in ("cifar10", "cifar100"):
        given, test = cifar.read_cifar(name, data_dir)
        return given, test, cifar.CLASSES[name]
    return *idx.read_mnist(name, data_dir), idx.CLASSES
