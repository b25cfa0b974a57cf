"""Flags that every job around a supernet shares: the images, and the recipe by which weights are trained."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from absl import flags

from experiments.frame import console, runtime, settings
from nagjax.spaces.space import Space
from nagjax.supernet.datasets.images import Splits
from nagjax.supernet.datasets.load import DEFAULT_BACKGROUND, load
from nagjax.supernet.datasets.picture import BACKGROUNDS
from nagjax.supernet.inputs import Augmentation
from nagjax.supernet.strategies import STRATEGIES
from nagjax.supernet.training import Recipe, checked_plan

DTYPES = ("float32", "bfloat16")
DATA = ("data", "validation_images", "data_seed", "image_size")
"""Flags that decide which images stand in which split."""


def define_space_flags(values: flags.FlagValues) -> None:
    """Add the flags that name a space and what of it is used."""
    flags.DEFINE_string("space", "mobilenet_v3_small28", "Search space, by its registered name.", flag_values=values)
    flags.DEFINE_list("space_settings", [], "Settings of the space, such as classes=100.", flag_values=values)
    flags.DEFINE_multi_string(
        "where", [], "A condition on architectures, such as resolution=28; may be repeated.", flag_values=values
    )


def define_data_flags(values: flags.FlagValues) -> None:
    """Add the flags of ``load_splits``."""
    flags.DEFINE_string("data", "fashion_mnist", "Data set: digits, fashion_mnist, cifar10 ...", flag_values=values)
    flags.DEFINE_string("data_dir", None, "Folder of the data set's files.", flag_values=values)
    flags.DEFINE_integer("image_size", None, "Side of the images of --data=folder, pixels.", flag_values=values)
    flags.DEFINE_enum(
        "image_background", None, list(BACKGROUNDS),
        "What shows where an image of --data=folder is transparent; default white.", flag_values=values,
    )  # fmt: skip
    define_cache_flag(values)
    flags.DEFINE_integer("validation_images", None, "Images kept from training to label with.", flag_values=values)
    settings.define_seed("data_seed", "Seed of the split.", values)


def define_cache_flag(values: flags.FlagValues) -> None:
    """Add the flag that says where images are read from that are more than memory holds."""
    flags.DEFINE_string(
        "image_cache",
        None,
        "Folder in which the images of --data=folder are kept decoded, and read from instead of memory.",
        flag_values=values,
    )


def define_recipe_flags(values: flags.FlagValues, steps: int) -> None:
    """Add the flags of ``recipe``; ``steps`` is the default number of updates."""
    flags.DEFINE_integer("steps", steps, "Updates.", lower_bound=1, flag_values=values)
    flags.DEFINE_integer("batch", Recipe.batch, "Images per update.", lower_bound=1, flag_values=values)
    rate = Recipe.learning_rate
    flags.DEFINE_float("learning_rate", rate, "The highest; warm-up, then a cosine to 0.", flag_values=values)
    flags.DEFINE_float(
        "weight_decay", Recipe.weight_decay, "Of weights; norms and biases have none.", flag_values=values
    )
    flags.DEFINE_float("smoothing", Recipe.smoothing, "Of labels, a fraction.", 0.0, 0.99, flag_values=values)
    flags.DEFINE_integer(
        "shift", Augmentation.shift, "Augmentation: most pixels an image moves.", lower_bound=0, flag_values=values
    )
    flags.DEFINE_bool("flip", Augmentation.flip, "Augmentation: mirror half of the images.", flag_values=values)
    settings.define_seed("seed", "Seed of training.", values)
    flags.DEFINE_enum("dtype", "float32", DTYPES, "Type of the computation.", flag_values=values)


def define_strategy_flag(values: flags.FlagValues) -> None:
    """Add the flag that says how a supernet is taught."""
    flags.DEFINE_enum("strategy", "sandwich", list(STRATEGIES), "How the supernet is taught.", flag_values=values)


def load_splits(values: flags.FlagValues, space: Space) -> Splits:
    """The data set, checked against the space.

    Raises:
      ValueError: if files are missing or wrong, or channels or classes are not those of the space.
    """
    return splits_of(_data(values), values.data_dir, space, values.image_cache)


def splits_of(data: Mapping[str, Any], data_dir: str | None, space: Space, image_cache: str | None = None) -> Splits:
    """The data set that a record of ``identity`` describes, from the user's own folder.

    Args:
      data: of the record.
      data_dir: folder of its files.
      space: what is to be trained or labelled on it.
      image_cache: see ``nagjax.supernet.datasets.load.load``.

    Raises:
      ValueError: as ``load_splits``.
    """
    if data_dir is not None:
        data_dir = str(settings.user_path(data_dir, "data_dir"))
    name, size, background = data["data"], data["image_size"], data.get("image_background")
    with console.counted("reading images" if name == "folder" else None) as progress:
        splits = load(
            name, data_dir, data["validation_images"], data["data_seed"], size, background, image_cache, progress
        )  # fmt: skip
    plan = checked_plan(space)
    found = {"image_channels": splits.train.pixels.shape[3], "classes": splits.classes}
    for name, value in found.items():
        wanted = getattr(plan, name)
        if wanted != value:
            raise ValueError(
                f"--data={data['data']} has {name}={value}, the space {space.identity} has {wanted}; "
                f"give --space_settings={name}={value}, or another data set"
            )
    return splits


def recipe(values: flags.FlagValues) -> Recipe:
    """How weights are trained."""
    return Recipe(
        steps=values.steps,
        batch=values.batch,
        learning_rate=values.learning_rate,
        weight_decay=values.weight_decay,
        smoothing=values.smoothing,
        augmentation=Augmentation(values.shift, values.flip),
        seed=values.seed,
    )


def identity(values: flags.FlagValues, space: Space, splits: Splits) -> dict[str, Any]:
    """What decides the weights, as JSON values: space, data and recipe; a run is continued only under the same."""
    data = _data(values)
    strategy = {"strategy": values.strategy} if "strategy" in values else {}
    return {
        "space": {"name": space.name, "version": space.version, "settings": dict(space.settings)},
        "where": settings.parse_pairs(values.where, "where", many=True),
        "data": {**data, "images": [len(splits.train), len(splits.validation), len(splits.test)]},
        "recipe": {**dataclasses.asdict(recipe(values)), "dtype": values.dtype, **strategy},
    }


def _data(values: flags.FlagValues) -> dict[str, Any]:
    """Values of the flags that decide the images; the background counts for folders alone."""
    data = {name: values[name].value for name in DATA}
    background = values.image_background
    if values.data == "folder":
        return {**data, "image_background": background or DEFAULT_BACKGROUND}
    return data if background is None else {**data, "image_background": background}


def surroundings() -> dict[str, Any]:
    """Where and with what something was computed."""
    return {"versions": runtime.versions(), "device": runtime.devices(), "commit": runtime.commit()}
