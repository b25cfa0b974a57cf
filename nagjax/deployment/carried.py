"""A supernet to carry to a machine without its images: weights, and the few images that norms are calibrated on.

Labels and accuracies need the data set. A network that is taken out, exported and timed needs the statistics of its
norms alone, which are of always the same training images (``nagjax.supernet.evaluation.calibration_inputs``).
"""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING

import jax
import numpy as np

from nagjax import durable
from nagjax.supernet import storage
from nagjax.supernet.datasets.images import Images, Splits
from nagjax.supernet.evaluation import calibration_inputs
from nagjax.supernet.image_tasks import image_task
from nagjax.supernet.task import Task

if TYPE_CHECKING:
    from nagjax.deployment.supernets import TrainedSupernet

FILE = "calibration.npz"
SIZES = {"image_channels", "classes"}
"""What a task of telling images apart has to agree on with a space, and no other task."""


def write(supernet: TrainedSupernet, folder: Path) -> int:
    """Write the weights and the images of a supernet to a folder that is new or empty; the size of both, bytes.

    Raises:
      ValueError: if its task is not one of images.
      OSError: if the folder cannot be written.
    """
    task = supernet.task
    if not task.mean or set(task.sizes) != SIZES:
        raise ValueError(
            f"{task.name}: only images are carried; deploy where the data of this task are, or where it makes them"
        )
    pixels = np.asarray(calibration_inputs(task))
    storage.keep(folder, supernet.weights)
    with durable.replacing(folder / FILE) as file:
        np.savez_compressed(
            file, pixels=pixels, mean=np.asarray(task.mean, np.float64), std=np.asarray(task.std, np.float64),
            classes=np.int64(task.sizes["classes"]),
        )  # fmt: skip
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def has_images(folder: Path) -> bool:
    """Whether a folder carries its images."""
    return (folder / FILE).is_file()


def read_task(folder: Path, name: str) -> Task:
    """The task ``name`` with the images that are carried as its training part; nothing is left to judge by.

    Raises:
      ValueError: if the file cannot be read or holds something else.
    """
    path = folder / FILE
    try:
        with np.load(path, allow_pickle=False) as stored:
            pixels, mean, std = (stored[part] for part in ("pixels", "mean", "std"))
            classes = int(stored["classes"])
    except (OSError, ValueError, KeyError, EOFError) as error:
        raise ValueError(f"{path}: cannot be read ({error}); carry the supernet anew by experiments.export") from error
    if pixels.dtype != np.uint8 or pixels.ndim != 4 or not len(pixels):
        raise ValueError(
            f"{path}: pixels are {pixels.dtype} {list(pixels.shape)}, not uint8 [N, H, W, C]; carry the supernet anew"
        )
    images = Images(pixels, np.zeros(len(pixels), np.int32))
    splits = Splits(name, classes, tuple(mean.tolist()), tuple(std.tolist()), images, images, images)
    task = image_task(splits)
    none = task.train.subset(np.zeros(0, np.int64))
    return dataclasses.replace(task, validation=none, test=none)


def is_carried(task: Task) -> bool:
    """Whether a task has nothing to judge by."""
    return not len(task.validation) and not len(task.test)


def inputs_to_compare(task: Task, most: int) -> np.ndarray | jax.Array:
    """Examples on which outputs are compared: of the validation part, or of what is carried."""
    part = task.train if is_carried(task) else task.validation
    inputs: np.ndarray = part.at(np.arange(min(most, len(part)))).inputs
    return inputs
