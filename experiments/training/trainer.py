"""The flags of training, and a run of it: a controller from the registry, checkpoints, resuming, a warm start."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from absl import flags

from experiments.frame import runtime, settings
from experiments.training.monitor import Monitor, forget_metrics
from nagjax import controllers, mesh, training
from nagjax.checkpoint import checkpoint
from nagjax.posing import Setup


def define_flags(values: flags.FlagValues) -> None:
    """Add the flags that ``prepare`` reads."""
    define = settings.Definer(values)
    define.string("controller", "nag", "Controller, by its registered name.")
    define.multi_string(
        "controller_params", [], "Swept values of the controller, key=value,key=value; may be repeated."
    )
    define.multi_string("controller_static", [], "Sizes of the controller, key=value,key=value; may be repeated.")
    define.integer("steps", 2000, "Updates.", lower_bound=1)
    define.float("max_seconds", None, "End after this time, compilation not counted.")
    define.integer("chunk", 25, "Updates between two looks at the run.", lower_bound=1)
    settings.define_seed("seed", "Seed of training.", values)
    define.string("init_from", None, "Run whose last checkpoint training starts from.")
    define.bool("ignore_hash", False, "Believe a checkpoint that was edited on purpose, although its hash differs.")
    define.bool(
        "shard_updates", False,
        "All devices share the architectures of each update; each core is one without an accelerator.",
    )  # fmt: skip
    define.float("save_seconds", 60.0, "Time between two checkpoints, s.", lower_bound=0.0)


def use_devices(values: flags.FlagValues) -> None:
    """Make each core a device where updates are to be shared; before jax begins."""
    if values.shard_updates:
        runtime.use_cores()


@dataclasses.dataclass(frozen=True, eq=False)
class Trainer:
    """Everything that a run of training needs.

    Attributes:
      built: the problem.
      controller, params: what trains, and its swept values.
      limits: when it ends.
      seed: of the random numbers.
      save_seconds: time between two checkpoints.
      start: state of a warm start, under this problem; None for a fresh one.
      resume: continue from the folder's last checkpoint, if it has one.
      ignore_hash: believe that checkpoint although it is not as it was written.
      place: devices that share the architectures of each update.
    """

    built: Setup
    controller: controllers.Controller
    params: Mapping[str, Any]
    limits: controllers.Limits
    seed: int
    save_seconds: float
    start: Any
    resume: bool
    ignore_hash: bool = False
    place: mesh.Placement = mesh.ONE

    def run(self, folder: Path) -> controllers.Moment:
        """Train, saving into ``folder``.

        Raises:
          KeyboardInterrupt: on Ctrl-C, after saving.
          ValueError: if the folder's checkpoint is of another run.
        """
        state, step, seconds = self._state(folder)
        forget_metrics(folder, step)
        with checkpoint.Writer(folder) as writer:

            def save(moment: controllers.Moment) -> None:
                self._save(writer, moment)

            with Monitor(folder, save, self.save_seconds, finish=writer.finish) as monitor:
                return controllers.train(
                    self.controller, self.built.problem, state, self.seed, self.limits, self.params, step, seconds,
                    monitor.on_chunk, self.place,
                )  # fmt: skip

    def _state(self, folder: Path) -> tuple[Any, int, float]:
        if self.resume and checkpoint.latest_step(folder) is not None:
            template = training.template(self.controller, self.built)
            state, step, run = checkpoint.read_state(folder, self.controller, template, ignore_hash=self.ignore_hash)
            return state, step, float(run["seconds"])
        if self.start is not None:
            return self.start, 0, 0.0
        return controllers.init(self.controller, self.built.problem, self.seed, self.params), 0, 0.0

    def _save(self, writer: checkpoint.Writer, moment: controllers.Moment) -> None:
        problem = self.built.problem
        artefact = controllers.artefact(self.controller, moment.state, problem)
        run = {"seed": self.seed, "seconds": moment.seconds}
        writer.save(
            moment.step, self.controller, self.params, moment.state, artefact, problem, self.built.description, run
        )


def prepare(values: flags.FlagValues, built: Setup) -> Trainer:
    """Everything for a run, checked; nothing is trained or written.

    Raises:
      ValueError: if the controller or a setting of it is unknown, a limit is out of range or --init_from does not fit.
    """
    sizes = settings.parse_settings(values.controller_static, "controller_static")
    controller = training.make_controller(values.controller, built, sizes)
    params = controllers.resolve_params(
        controller, settings.parse_settings(values.controller_params, "controller_params")
    )
    limits = controllers.Limits(values.steps, values.max_seconds, values.chunk)
    try:
        start = (
            training.warm_start(values.init_from, controller, built, values.ignore_hash) if values.init_from else None
        )
    except ValueError as error:
        raise ValueError(f"--init_from: {error}") from error
    place = mesh.own_devices() if values.shard_updates else mesh.ONE
    return Trainer(
        built, controller, params, limits, values.seed, values.save_seconds, start, values.resume, values.ignore_hash,
        place,
    )  # fmt: skip
