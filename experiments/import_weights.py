"""Make a supernet of a model that is trained already: its weights, put in order, as shared weights to choose from.

``python -m experiments.import_weights --weights=model.safetensors --task=char_lm --out=runs/mine``

The layout is that of GPT-2 or of LLaMA. ``config.json`` beside the file is read where it is there; what else decides
the space, such as ``keep_heads=4-8-12`` or ``bits=4-8-32``, stands in --space_settings. The folder is like one that
``train_supernet`` wrote: ``label``, ``search`` and ``deploy`` take it.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from absl import flags

from experiments.frame import cli, console, full_disk, life, output, record_file, runtime, settings
from experiments.inputs import supernet_setup
from experiments.train_supernet import RECORD
from nagjax import posing
from nagjax.pretrained import importance, loading, maps, reading
from nagjax.pretrained.loading import Given
from nagjax.spaces.pretrained_decoder import plan_of
from nagjax.spaces.space import Space
from nagjax.supernet import storage
from nagjax.supernet.evaluation import calibration_inputs, supernet_assessor
from nagjax.supernet.task import Task, make_task
from nagjax.supernet.training import TrainState, elastic_of

SPACE = "pretrained_decoder"


def define_flags(values: flags.FlagValues) -> None:
    """Add the flags of this job."""
    define = settings.Definer(values)
    runtime.define_flags(values)
    define.string("weights", None, "A .safetensors file, or the folder of them.")
    define.string(
        "weight_map", None, f"JSON file of names and slots; one of {', '.join(maps.MAPS)} where it is left out."
    )
    define.list("space_settings", [], f"Settings of {SPACE}, such as keep_heads=4-8-12.")
    define.string("task", "char_lm", "Task, by its registered name: the text.")
    define.list("task_settings", [], "Settings of --task, such as length=128.")
    define.string("data_dir", None, "Folder of the task's files.")
    define.enum("order", "contributions", list(importance.ORDERS), "What heads and hidden units are worth.")
    define.integer("calibration", 64, "Sequences of training text that worth is of.", 1)
    define.string("out", None, "Folder that the job writes.")


def job(values: flags.FlagValues) -> int:
    """Check everything, then write, then say how good the given model is."""
    if not values.weights:
        raise ValueError("give --weights, a .safetensors file")
    with output.folder(values.out, "runs/pretrained") as folder:
        return _import(values, folder)


def _import(values: flags.FlagValues, folder: Path) -> int:
    if (folder / RECORD).exists() or output.contents(folder):
        raise ValueError(f"--out={values.out}: holds files already; give a new or an empty folder")
    runtime.use_compilation_cache(values.compilation_cache)
    life.doing("reading weights and data")
    path = settings.user_path(values.weights, "weights")
    names = maps.read_map(settings.user_path(values.weight_map, "weight_map")) if values.weight_map else None
    found = loading.given(str(path), reading.read_tensors(path), names)
    task = _task(values)
    space = _space(values, found, reading.read_config(path), task)
    plan = plan_of(space)
    given = loading.parameters(found, plan)
    life.doing("putting heads and hidden units in order")
    text = calibration_inputs(task, min(values.calibration, len(task.train)))[: values.calibration]
    parameters = importance.ordered(plan, given, importance.ORDERS[values.order](plan, given, text))
    config = _config(values, space, task, path)
    folder.mkdir(parents=True, exist_ok=True)
    record_file.create(folder / RECORD, {"config": config, **supernet_setup.surroundings()})
    with storage.Writer(folder, config) as writer:
        full_disk.persist(lambda: writer.save(TrainState(parameters, (), 0), 0.0), "the weights")
        writer.finish()
    life.doing("evaluating the given model")
    assessor = supernet_assessor(space, task)
    whole = space.largest()
    scores = assessor.scores(parameters, whole, task.validation)
    console.say(f"the given model: {scores.loss:.4f} nats a token on the validation examples ({space.format(whole)})")
    console.say(f"{space.count():.3g} architectures; weights: {folder}", *_next(space, folder, values.data_dir))
    return 0


def _next(space: Space, folder: Path, data_dir: str | None) -> list[str]:
    """The commands that follow, with the settings that the model gave the space."""
    given = ",".join(f"{name}={value}" for name, value in space.settings.items())
    posed = [f"--space={space.name}", f"--space_settings={given}"]
    return [
        f"to profile: {cli.command('experiments.profile_device', *posed, '--out=table.json')}",
        f"to label: {supernet_setup.label_command(folder, data_dir)}",
        f"then: {cli.command('experiments.run', *posed, '--table=table.json', '--records=records.csv')}",
    ]


def _task(values: flags.FlagValues) -> Task:
    data_dir = str(settings.user_path(values.data_dir, "data_dir")) if values.data_dir else None
    return make_task(values.task, settings.parse_pairs(values.task_settings, "task_settings"), data_dir)


def _space(values: flags.FlagValues, found: Given, config: dict[str, Any], task: Task) -> Space:
    """The space of the model, whose sequences are as long as the task's.

    Raises:
      ValueError: if model, settings and task contradict each other.
    """
    wanted = settings.parse_pairs(values.space_settings, "space_settings")
    if "length" in task.sizes:
        wanted.setdefault("length", task.sizes["length"])
    space = posing.space(SPACE, **loading.settings_of(found, config, wanted))
    for name, value in elastic_of(space).sizes.items():
        if task.sizes.get(name) != value:
            raise ValueError(
                f"--task={values.task}: has {name}={task.sizes.get(name)}, the model {value}; give --task_settings="
                f"{name}={value}, or the task whose numbers of tokens the model was trained with"
            )
    return space


def _config(values: flags.FlagValues, space: Space, task: Task, path: Path) -> dict[str, Any]:
    """What decides the weights, as ``train_supernet`` records it."""
    return {
        "space": {"name": space.name, "version": space.version, "settings": dict(space.settings)},
        "where": {},
        "data": {
            "task": values.task,
            "settings": settings.parse_pairs(values.task_settings, "task_settings"),
            "examples": [len(task.train), len(task.validation), len(task.test)],
        },
        "recipe": {
            "dtype": "float32",
            "weights": {"name": path.name, "sha256": reading.digest(path)},
            "order": values.order,
            "calibration": values.calibration,
        },
    }


main = cli.entry(__doc__, define_flags, job)

if __name__ == "__main__":
    sys.exit(main())
