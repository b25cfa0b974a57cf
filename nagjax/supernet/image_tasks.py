"""Classification of images as a task: the data sets that the library reads, and any other ``Splits``."""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Mapping
from typing import Any

import numpy as np

from nagjax.supernet.datasets.images import Images, Splits
from nagjax.supernet.datasets.load import load
from nagjax.supernet.inputs import Augmentation, Batches, scaled, standardise
from nagjax.supernet.task import Examples, Part, Task
from nagjax.supernet.usual_tasks import classification

SMOOTHING = 0.1
"""Of labels, unless told."""

PIXELS = "float32, pixels 0..1 scaled bilinearly to the resolution: ONNX [N, C, R, R], StableHLO [N, R, R, C]"
"""What a deployed network takes."""


def image_task(
    splits: Splits,
    augmentation: Augmentation | None = None,
    smoothing: float = SMOOTHING,
    settings: Mapping[str, Any] | None = None,
) -> Task:
    """The task of telling the classes of images apart; quality is the share that is right.

    ``augmentation`` varies training images, ``smoothing`` of labels is a fraction; the settings make the task again.

    Raises:
      ValueError: if smoothing is no fraction below 1.
    """
    how = augmentation or Augmentation()

    @functools.lru_cache(maxsize=2)
    def batches(size: int, seed: int) -> Batches:
        return Batches(splits.train, size, seed, how)

    def batch(step: int, size: int, seed: int) -> Examples:
        images = batches(size, seed).at(step)
        return Examples(images.pixels, images.labels)

    def relabelled(seed: int) -> Task:
        drawn = np.random.default_rng([seed, 5]).integers(0, splits.classes, len(splits.train), np.int32)
        train = Images(splits.train.pixels, drawn)
        return image_task(dataclasses.replace(splits, train=train), how, smoothing, settings)

    parts = [image_part(part) for part in (splits.train, splits.validation, splits.test)]
    sizes = {"image_channels": splits.train.pixels.shape[3], "classes": splits.classes}
    return dataclasses.replace(
        classification(splits.name, settings or {}, parts, sizes, splits.classes, smoothing),
        batch=batch,
        prepare=lambda pixels, resolution: standardise(pixels, splits, resolution),
        relabelled=relabelled,
        group=splits.train.pixels.shape[1],
        given=scaled,
        mean=splits.mean,
        std=splits.std,
        takes=PIXELS,
        examples_name="images",
    )


def image_part(images: Images) -> Part:
    """Images as a part of a task."""
    return Part(len(images), lambda rows: Examples(images.pixels[rows], images.labels[rows]), images.labels)


def make_images(
    data: str,
    *,
    data_dir: str = "",
    validation_images: int = 0,
    data_seed: int = 0,
    shift: int = Augmentation.shift,
    flip: bool = Augmentation.flip,
    smoothing: float = SMOOTHING,
) -> Task:
    """The task of a data set.

    Args:
      data: name of the data set.
      data_dir: folder of its files, where it needs one.
      validation_images: how many training images are for validation; 0 for the usual number.
      data_seed: of the draw of these.
      shift: most pixels by which a training image moves.
      flip: mirror half of them.
      smoothing: of the labels, a fraction.

    Raises:
      ValueError: if the files cannot be read, or a setting is out of range.
    """
    settings = {
        "validation_images": validation_images, "data_seed": data_seed, "shift": shift, "flip": flip,
        "smoothing": smoothing,
    }  # fmt: skip
    splits = load(data, data_dir or None, validation_images or None, data_seed)
    return image_task(splits, Augmentation(shift, flip), smoothing, settings)


make_cifar10 = functools.partial(make_images, "cifar10")
make_cifar100 = functools.partial(make_images, "cifar100")
make_digits = functools.partial(make_images, "digits")
make_fashion_mnist = functools.partial(make_images, "fashion_mnist")
make_mnist = functools.partial(make_images, "mnist")


def make_folder(
    data_dir: str = "",
    image_size: int = 0,
    image_background: str = "white",
    validation_images: int = 0,
    data_seed: int = 0,
    shift: int = Augmentation.shift,
    flip: bool = Augmentation.flip,
    smoothing: float = SMOOTHING,
) -> Task:
    """The task ``folder``: images in folders below ``data_dir``, one a class.

    Images are resized to a side of ``image_size`` pixels; ``image_background`` shows where they are transparent. By
    default a tenth of the training images is for validation. Other arguments as of ``make_images``.

    Raises:
      ValueError: if the images cannot be read, or a setting is out of range.
    """
    settings = {
        "image_size": image_size, "image_background": image_background, "validation_images": validation_images,
        "data_seed": data_seed, "shift": shift, "flip": flip, "smoothing": smoothing,
    }  # fmt: skip
    splits = load(
        "folder", data_dir or None, validation_images or None, data_seed, image_size or None, image_background
    )
    return image_task(splits, Augmentation(shift, flip), smoothing, settings)
