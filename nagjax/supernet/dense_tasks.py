"""Segmentation as a task: ``shapes_seg``, small images pasted on a canvas, and the class of each pixel to be said."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from nagjax import arguments
from nagjax.supernet.datasets.images import Images
from nagjax.supernet.datasets.load import load
from nagjax.supernet.task import Part, Task, arrays
from nagjax.supernet.usual_tasks import Parts, classification

ITEMS = {"digits": 8, "fashion_mnist": 14}
"""What is pasted, and its side in pixels; Fashion-MNIST at half its size."""

CLASSES = 10
LEAST_BRIGHT = 32
"""A pixel of an item, 0 to 255, belongs to it from here on; darker ones are seen through."""


def segmentation(name: str, settings: Mapping[str, Any], parts: Parts, sizes: Mapping[str, int], classes: int) -> Task:
    """The task of saying the class of each pixel: targets int ``[N, H, W]``, outputs logits ``[N, H, W, classes]``.

    Quality is mIoU: of each class the pixels that are it and are said to be it, by those of which one is so, over all
    examples; the mean over classes that are there or are said. Loss is the mean cross-entropy of a pixel, in nats. The
    background is a class too.
    """
    flat = classification(name, settings, parts, sizes, classes)

    def loss(logits: jax.Array, aims: jax.Array) -> jax.Array:
        return flat.loss(logits, aims).mean((1, 2))

    def sums(logits: jax.Array, targets: Any, weight: jax.Array) -> dict[str, jax.Array]:
        said, true = (jax.nn.one_hot(found, classes) for found in (logits.argmax(-1), targets))
        each = weight[:, None, None, None]
        both = (said * true * each).sum((0, 1, 2))
        return {
            "loss": (loss(logits, flat.aims(targets)) * weight).sum(),
            "both": both,
            "either": ((said + true) * each).sum((0, 1, 2)) - both,
        }

    def quality(sums: Mapping[str, Any], _number: int) -> float:
        there = np.asarray(sums["either"]) > 0
        return float(np.mean(np.asarray(sums["both"])[there] / np.asarray(sums["either"])[there]))

    return dataclasses.replace(
        flat, loss=loss, sums=sums, quality=quality, quality_name="mIoU", examples_name="images"
    )  # fmt: skip


def make_shapes_seg(
    *,
    items: str = "digits",
    data_dir: str = "",
    canvas: int = 24,
    least: int = 2,
    most: int = 4,
    training: int = 2000,
    validation: int = 300,
    test: int = 300,
    seed: int = 0,
) -> Task:
    """Items on a canvas: each pixel is of the background, class 0, or of an item, 1 + its class; quality is mIoU.

    Items are scikit-learn's digits of 8 pixels, or Fashion-MNIST's clothes at half their size. Those of training,
    validation and test canvases are of their parts, so no item is in two of them. They lie anywhere; a later one covers
    an earlier one where it is bright. Sides are in pixels; a canvas has ``least`` to ``most`` items;
    ``training``, ``validation`` and ``test`` are numbers of canvases. Files of Fashion-MNIST are looked for where their
    Debian package puts them, unless ``data_dir`` says where.

    Raises:
      ValueError: if a setting is out of range, or items cannot be read.
    """
    if items not in ITEMS:
        raise ValueError(f"shapes_seg: items={items!r} is not one of {', '.join(ITEMS)}")
    arguments.count(canvas, f"shapes_seg: canvas (items have {ITEMS[items]} pixels)", ITEMS[items])
    arguments.count(least, "shapes_seg: least")
    arguments.count(most, "shapes_seg: most (not below least)", least)
    arguments.seed(seed, "shapes_seg: seed")
    counts = {"training": training, "validation": validation, "test": test}
    for name, value in counts.items():
        arguments.count(value, f"shapes_seg: {name}")
    splits = load(items, data_dir or None)
    parts = [
        canvases(np.random.default_rng([seed, own]), count, halved(images, ITEMS[items]), canvas, (least, most))
        for own, (images, count) in enumerate(
            zip((splits.train, splits.validation, splits.test), counts.values(), strict=True)
        )
    ]
    settings = {"items": items, "canvas": canvas, "least": least, "most": most, **counts, "seed": seed}
    sizes = {"side": canvas, "image_channels": 1, "classes": CLASSES + 1}
    made = segmentation("shapes_seg", settings, parts, sizes, CLASSES + 1)
    pixels = np.asarray(parts[0].at(np.arange(len(parts[0]))).inputs, np.float32) / 255
    mean, std = float(pixels.mean()), float(pixels.std())
    return dataclasses.replace(
        made,
        prepare=lambda inputs, _: (scaled(inputs) - mean) / std,
        given=lambda inputs, _: scaled(inputs),
        mean=(mean,),
        std=(std,),
        takes="float32, pixels 0..1: ONNX [N, 1, S, S], StableHLO [N, S, S, 1]",
    )


def scaled(pixels: Any) -> jax.Array:
    """Pixels uint8 as float32, 0..1."""
    return jnp.asarray(pixels, jnp.float32) / 255


def halved(images: Images, side: int) -> Images:
    """Images with half the sides, each pixel the mean of four, where they are twice as large as wanted."""
    pixels = np.asarray(images.pixels[np.arange(len(images))])
    if pixels.shape[1] == side:
        return Images(pixels, images.labels)
    fours = pixels.reshape(len(pixels), side, 2, side, 2, 1).mean((2, 4))
    return Images(np.rint(fours).astype(np.uint8), images.labels)


def canvases(rng: np.random.Generator, count: int, images: Images, canvas: int, items: tuple[int, int]) -> Part:
    """Canvases uint8 ``[N, S, S, 1]`` with ``items[0]`` to ``items[1]`` images each; classes int32 ``[N, S, S]``."""
    side = images.pixels.shape[1]
    pixels = np.zeros((count, canvas, canvas, 1), np.uint8)
    classes = np.zeros((count, canvas, canvas), np.int32)
    for at, number in enumerate(rng.integers(items[0], items[1] + 1, count)):
        chosen = rng.integers(len(images), size=number)
        for one, (down, right) in zip(chosen, rng.integers(canvas - side + 1, size=(number, 2)), strict=True):
            place = at, slice(down, down + side), slice(right, right + side)
            item = images.pixels[one]
            bright = item[..., 0] >= LEAST_BRIGHT
            pixels[place] = np.where(bright[..., None], item, pixels[place])
            classes[place] = np.where(bright, 1 + images.labels[one], classes[place])
    return arrays(pixels, classes)
