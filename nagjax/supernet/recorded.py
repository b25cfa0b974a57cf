"""The task that weights were trained on, as the record of a run describes it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from nagjax.supernet.datasets.cache import Progress
from nagjax.supernet.datasets.images import Splits
from nagjax.supernet.datasets.load import load
from nagjax.supernet.image_tasks import SMOOTHING, image_task
from nagjax.supernet.inputs import Augmentation
from nagjax.supernet.task import Task, make_task


def recorded_task(
    config: Mapping[str, Any],
    data_dir: str | None = None,
    image_cache: str | None = None,
    progress: Progress | None = None,
) -> Task:
    """The task of a record of weights or of a run: a registered one, or images as ``--data`` names them.

    ``data_dir`` is the folder of the files on this machine; ``image_cache`` and ``progress`` are of image folders, see
    ``nagjax.supernet.datasets.load.load``.

    Raises:
      ValueError: if the task is not registered, or its data cannot be read.
    """
    data, recipe = config["data"], config["recipe"]
    if "task" in data:
        return make_task(data["task"], data["settings"], data_dir)
    splits = recorded_images(data, data_dir, image_cache, progress)
    augmentation = Augmentation(**recipe.get("augmentation", {}))
    return image_task(splits, augmentation, recipe.get("smoothing", SMOOTHING))


def recorded_images(
    data: Mapping[str, Any],
    data_dir: str | None = None,
    image_cache: str | None = None,
    progress: Progress | None = None,
) -> Splits:
    """The images of a record, as ``--data`` names them; a record of earlier versions names no background.

    Raises:
      ValueError: if they cannot be read.
    """
    return load(
        data["data"], data_dir, data["validation_images"], data["data_seed"], data["image_size"],
        data.get("image_background"), image_cache, progress,
    )  # fmt: skip
