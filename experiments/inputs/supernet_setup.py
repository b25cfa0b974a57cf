"""Flags that every job around a supernet shares: the task, and the recipe by which weights are trained."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from absl import flags

from experiments.frame import cli, console, runtime, settings
from nagjax import plugins
from nagjax.spaces.space import Space
from nagjax.supernet.datasets.load import DEFAULT_BACKGROUND
from nagjax.supernet.datasets.picture import BACKGROUNDS
from nagjax.supernet.image_tasks import SMOOTHING
from nagjax.supernet.inputs import Augmentation
from nagjax.supernet.recorded import recorded_task
from nagjax.supernet.strategy import Strategy, make_strategy
from nagjax.supernet.task import Task, check_sizes
from nagjax.supernet.training import RATES, Recipe, elastic_of, usual_rate

DTYPES = ("float32", "bfloat16")
DATA = ("data", "validation_images", "data_seed", "image_size")
"""Flags that decide which images stand in which split."""


def define_space_flags(values: flags.FlagValues) -> None:
    """Add the flags that name a space and what of it is used."""
    define = settings.Definer(values)
    define.string("space", "mobilenet_v3_small28", "Search space, by its registered name.")
    define.list("space_settings", [], "Settings of the space, such as classes=100.")
    define.multi_string("where", [], "A condition on architectures, such as resolution=28; may be repeated.")


def define_data_flags(values: flags.FlagValues) -> None:
    """Add the flags of ``load_task``."""
    define = settings.Definer(values)
    define.string("task", None, "Task, by its registered name, in place of --data: what is learned of which data.")
    define.list("task_settings", [], "Settings of --task, such as length=128.")
    define.string("data", "fashion_mnist", "Data set: digits, fashion_mnist, cifar10 ...")
    define.string("data_dir", None, "Folder of the data set's files.")
    define.integer("image_size", None, "Side of the images of --data=folder, pixels.")
    define.enum(
        "image_background", None, list(BACKGROUNDS),
        "What shows where an image of --data=folder is transparent; default white.",
    )  # fmt: skip
    define_cache_flag(values)
    define.integer("validation_images", None, "Images kept from training to label with.")
    settings.define_seed("data_seed", "Seed of the split.", values)


def define_cache_flag(values: flags.FlagValues) -> None:
    """Add the flag that says where images are read from that are more than memory holds."""
    define = settings.Definer(values)
    define.string(
        "image_cache", None,
        "Folder in which the images of --data=folder are kept decoded, and read from instead of memory.",
    )  # fmt: skip


def define_recipe_flags(values: flags.FlagValues, steps: int) -> None:
    """Add the flags of ``recipe``; ``steps`` is the default number of updates."""
    define = settings.Definer(values)
    define.integer("steps", steps, "Updates.", lower_bound=1)
    define.integer("batch", Recipe.batch, "Examples per update.", lower_bound=1)
    define.enum("optimiser", Recipe.optimiser, list(RATES), "How weights are updated.")
    usual = ", ".join(f"{rate:g} for {name}" for name, rate in RATES.items())
    define.float("learning_rate", None, f"The highest; warm-up, then a cosine to 0. Default {usual}.")
    define.float("weight_decay", Recipe.weight_decay, "Of weights; norms and biases have none.")
    define.float("smoothing", SMOOTHING, "Of labels, a fraction.", 0.0, 0.99)
    define.integer("shift", Augmentation.shift, "Augmentation: most pixels an image moves.", lower_bound=0)
    define.bool("flip", Augmentation.flip, "Augmentation: mirror half of the images.")
    settings.define_seed("seed", "Seed of training.", values)
    define.enum("dtype", "float32", DTYPES, "Type of the computation.")


def define_strategy_flag(values: flags.FlagValues) -> None:
    """Add the flags that say how a supernet is taught."""
    define = settings.Definer(values)
    names = ", ".join(plugins.names("strategies"))
    define.string("strategy", "sandwich", f"How the supernet is taught: {names}.")
    define.list("strategy_settings", [], "Settings of --strategy, such as random=3.")


def strategy(values: flags.FlagValues) -> Strategy:
    """How the supernet is taught.

    Raises:
      ValueError: if the strategy or a setting of it is not known.
    """
    try:
        return make_strategy(values.strategy, _strategy_settings(values))
    except ValueError as error:
        raise ValueError(f"--strategy={values.strategy}: {error}") from None


def load_task(values: flags.FlagValues, space: Space) -> Task:
    """What is learned of which data, checked against the space.

    Raises:
      ValueError: if files are missing or wrong, or sizes such as channels or classes are not those of the space.
    """
    if values.task:
        given = [f"--{name}" for name in (*DATA, "image_background", "shift", "flip", "smoothing")
                 if values[name].present]  # fmt: skip
        if given:
            raise ValueError(f"--task={values.task}: leave out {', '.join(given)}; give --task_settings instead")
    elif values.task_settings:
        raise ValueError("--task_settings is given without --task")
    return task_of(_config(values), values.data_dir, space, values.image_cache)


def label_command(folder: Path, data_dir: str | None) -> str:
    """The command that labels architectures by the weights in ``folder``, which do not record where the data are."""
    images = [f"--data_dir={data_dir}"] if data_dir else []
    return cli.command("experiments.label", f"--supernet={folder}", *images, "--out=records.csv")


def task_of(config: Mapping[str, Any], data_dir: str | None, space: Space, image_cache: str | None = None) -> Task:
    """The task that a record of ``identity`` describes, for a space, from the user's own folder.

    Raises:
      ValueError: as ``load_task``.
    """
    if data_dir is not None:
        data_dir = str(settings.user_path(data_dir, "data_dir"))
    with console.counted("reading images" if config["data"].get("data") == "folder" else None) as progress:
        task = recorded_task(config, data_dir, image_cache, progress)
    flag = "task" if "task" in config["data"] else "data"
    what = f"--{flag}={config['data'][flag]}"
    check_sizes(task, elastic_of(space).sizes, space.identity, what, "--space_settings=")
    return task


def recipe(values: flags.FlagValues) -> Recipe:
    """How weights are trained."""
    return Recipe(
        steps=values.steps,
        batch=values.batch,
        learning_rate=usual_rate(values.optimiser) if values.learning_rate is None else values.learning_rate,
        weight_decay=values.weight_decay,
        seed=values.seed,
        optimiser=values.optimiser,
    )


def recorded_recipe(used: Recipe) -> dict[str, Any]:
    """A recipe as JSON values; records were made before there was a choice of optimiser, so the usual one is left out.

    >>> sorted(recorded_recipe(Recipe(5)))
    ['batch', 'clip', 'learning_rate', 'momentum', 'seed', 'steps', 'warmup', 'weight_decay']
    """
    written = dataclasses.asdict(used)
    if used.optimiser == Recipe.optimiser:
        del written["optimiser"]
    return written


def identity(values: flags.FlagValues, space: Space, task: Task) -> dict[str, Any]:
    """What decides the weights, as JSON values: space, task and recipe; a run is continued only under the same."""
    taught = {"strategy": values.strategy} if "strategy" in values else {}
    if taught and values.strategy_settings:
        taught["strategy_settings"] = _strategy_settings(values)
    config = _config(values)
    return {
        "space": {"name": space.name, "version": space.version, "settings": dict(space.settings)},
        "where": settings.parse_pairs(values.where, "where", many=True),
        "data": {**config["data"], **_sizes(values, task)},
        "recipe": {**recorded_recipe(recipe(values)), **config["recipe"], "dtype": values.dtype, **taught},
    }


def _sizes(values: flags.FlagValues, task: Task) -> dict[str, Any]:
    sizes = [len(task.train), len(task.validation), len(task.test)]
    return {"examples": sizes} if values.task else {"images": sizes}


def _strategy_settings(values: flags.FlagValues) -> dict[str, Any]:
    return settings.parse_pairs(values.strategy_settings, "strategy_settings")


def _config(values: flags.FlagValues) -> dict[str, Any]:
    """Values of the flags that decide the task, as a record holds them; the background counts for folders alone."""
    if values.task:
        given = settings.parse_pairs(values.task_settings, "task_settings")
        return {"data": {"task": values.task, "settings": given}, "recipe": {}}
    data = {name: values[name].value for name in DATA}
    background = values.image_background
    if values.data == "folder":
        data["image_background"] = background or DEFAULT_BACKGROUND
    elif background is not None:
        data["image_background"] = background
    varied = {"smoothing": values.smoothing, "augmentation": {"shift": values.shift, "flip": values.flip}}
    return {"data": data, "recipe": varied}


def surroundings() -> dict[str, Any]:
    """Where and with what something was computed."""
    return {"versions": runtime.versions(), "device": runtime.devices(), "commit": runtime.commit()}
