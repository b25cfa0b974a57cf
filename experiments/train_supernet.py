"""Train a supernet: one set of weights for every architecture of a space.

``python -m experiments.train_supernet --data=fashion_mnist --out=runs/supernet``

Ctrl-C and SIGTERM save, and ``--resume`` goes on as if nothing had happened. All devices are used, and with
``--coordinator`` those of several processes.
"""

from __future__ import annotations

import contextlib
import json
import sys
import time
from pathlib import Path
from typing import Any

import jax.numpy as jnp
import numpy as np
from absl import flags

from experiments.frame import cli, console, life, output, processes, record_file, runtime, settings
from experiments.inputs import setup, supernet_setup
from experiments.training.monitor import Monitor, forget_metrics
from nagjax import mesh
from nagjax.controllers import Limits, Moment
from nagjax.supernet import forms, storage, training
from nagjax.supernet.evaluation import supernet_assessor
from nagjax.supernet.task import Task

RECORD = "supernet.json"
JOB = "experiments.train_supernet"


def define_flags(values: flags.FlagValues) -> None:
    """Add the flags of this job."""
    define = settings.Definer(values)
    supernet_setup.define_space_flags(values)
    supernet_setup.define_data_flags(values)
    supernet_setup.define_strategy_flag(values)
    supernet_setup.define_recipe_flags(values, steps=6000)
    runtime.define_flags(values)
    processes.define_flags(values)
    define.integer("chunk", 20, "Updates between two looks at the run.", lower_bound=1)
    define.float("save_seconds", 120.0, "Time between two checkpoints, s.", lower_bound=0.0)
    define.string("out", None, "Folder that the run writes.")
    define.bool("resume", False, "Continue the run in --out.")


def job(values: flags.FlagValues) -> int:
    """Check everything, then train, then say how good the largest and the smallest are."""
    with processes.joined(values) as place, processes.taken(values.out, "runs/supernet", output.folder) as folder:
        return _train(values, folder, place)


def _train(values: flags.FlagValues, folder: Path, place: mesh.Placement) -> int:
    runtime.use_compilation_cache(values.compilation_cache)
    if mesh.is_first():
        output.try_checkpoints(folder)
    life.doing("reading the data")
    space = setup.load_space(values)
    valid = space.where(settings.parse_pairs(values.where, "where", many=True))
    strategy = supernet_setup.strategy(values)
    task = supernet_setup.load_task(values, space)
    recipe = supernet_setup.recipe(values)
    place.check_batch(recipe.batch, "--batch")
    learner = training.supernet_learner(space, valid, strategy, jnp.dtype(values.dtype))
    config = {**supernet_setup.identity(values, space, task), **forms.written(strategy.form)}
    mesh.first_does(lambda: claim(folder, config, values.resume), None)
    try:
        state = run(folder, learner, task, recipe, config, values, place)
    except KeyboardInterrupt as stopped:
        console.say(f"interrupted; the weights so far are in {folder}; to go on: {cli.again(JOB, values)}")
        return cli.exit_status(stopped)
    life.doing("evaluating the largest and the smallest")
    assessor = supernet_assessor(space, task, jnp.dtype(values.dtype), place, strategy.form)
    for name, tokens in (("largest", space.largest(valid)), ("smallest", space.smallest(valid))):
        scores = assessor.scores(state.parameters, tokens, task.validation)
        console.say(f"{name}: {task.percent(scores.quality)} on the validation examples ({space.format(tokens)})")
    console.say(f"weights: {folder}; to label: {supernet_setup.label_command(folder, values.data_dir)}")
    return 0


def claim(folder: Path, config: dict[str, Any], resume: bool) -> None:
    """Record a run in its folder, or check that it is this run's; of several processes one records it.

    Raises:
      ValueError: if it holds something else, or a run with other settings, or there is nothing to resume.
    """
    path = folder / RECORD
    if path.is_file():
        _refuse_other(path, config)
        if not resume:
            raise ValueError(f"--out={folder}: holds this run already; give --resume to continue it")
        return
    if resume:
        raise ValueError(f"--out={folder}: holds no run to resume; leave --resume out to begin one")
    if output.contents(folder):
        raise ValueError(f"--out={folder}: holds other files; give a new or an empty folder")
    folder.mkdir(parents=True, exist_ok=True)
    if not record_file.create(path, {"config": config, **supernet_setup.surroundings()}):
        _refuse_other(path, config)


def _refuse_other(path: Path, config: dict[str, Any]) -> None:
    recorded = recorded_config(path)
    differing = [name for name in config if json.loads(json.dumps(config[name])) != recorded.get(name)]
    if differing:
        shown = "; ".join(f"{name} was {recorded.get(name)}, is {config[name]}" for name in differing)
        raise ValueError(f"--out={path.parent}: holds a run with other settings ({shown}); give another folder")


def recorded_config(path: Path) -> dict[str, Any]:
    """The configuration in the record of a run.

    Raises:
      ValueError: if the file is damaged or of another kind.
    """
    record = record_file.read(path, {"config": dict}, "restore it from a copy, or give another --out")
    config: dict[str, Any] = record["config"]
    return config


def run(
    folder: Path, learner: training.Learner, task: Task, recipe: training.Recipe, config: dict[str, Any],
    values: flags.FlagValues, place: mesh.Placement,
) -> training.TrainState:  # fmt: skip
    """Train from the last checkpoint of the folder, or from the beginning, to the end.

    Raises:
      KeyboardInterrupt: on Ctrl-C, after saving; ``cli.Terminated`` where one of several processes was sent SIGTERM.
      ValueError: if weights are no numbers any more; they are not saved.
    """
    state, seconds = training.start(learner, recipe, place), 0.0
    if mesh.agreed(storage.has_weights(folder)):
        fresh = state
        state, seconds = mesh.first_does(lambda: storage.read_state(folder, fresh), (fresh, seconds))
        state, seconds = training.placed(state, place), float(seconds)
    limits, first = Limits(recipe.steps, chunk=values.chunk), mesh.is_first()
    with contextlib.ExitStack() as stack:
        writer = stack.enter_context(storage.Writer(folder, config)) if first else None
        if first:
            forget_metrics(folder, state.step)

        def save(moment: Moment) -> None:
            host = mesh.on_host(moment.state)._replace(step=moment.step)
            if writer is not None:
                writer.save(host, moment.seconds)

        monitor = stack.enter_context(Monitor(
            folder if first else None, save, values.save_seconds, quiet=not first,
            finish=writer.finish if writer else lambda: None, agreed=mesh.agreed,
        ))  # fmt: skip
        began, losses = time.monotonic() - seconds, []
        for reached, loss in training.train(learner, task, recipe, state, place):
            state = reached
            losses.append(loss)
            if mesh.preempted(state.step):
                monitor.interrupt(cli.Terminated)
            if monitor.interrupted or state.step % values.chunk == 0 or state.step == recipe.steps:
                metrics = {"loss": np.asarray(losses)}
                _check_numbers(state, recipe, folder)
                monitor.on_chunk(Moment(state, state.step, time.monotonic() - began, metrics, limits))
                losses = []
    return state


def _check_numbers(state: training.TrainState, recipe: training.Recipe, folder: Path) -> None:
    if not training.are_finite(state.parameters):
        raise ValueError(
            f"training diverged: after step {state.step} weights are infinite or no numbers. {folder} keeps the last "
            f"checkpoint before that, if there is one. Train anew with --learning_rate below {recipe.learning_rate:g} "
            f"or --clip below {recipe.clip:g}"
        )


main = cli.entry(__doc__, define_flags, job)

if __name__ == "__main__":
    sys.exit(main())
