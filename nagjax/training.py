"""Training: from a problem to a generator that answers any budget.

A shell over ``nagjax.controllers``; the job ``experiments.run`` is another one, with flags and a folder::

    generator = nagjax.train(problem, controller="nag", steps=12_000, seed=0)
    generator.save("runs/note10")
    generator.generate(budgets_ms=[15, 20, 30])
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeAlias

import jax

from nagjax import controllers, mesh, plugins
from nagjax.checkpoint import checkpoint
from nagjax.controllers import Artefact, Controller, Limits, Moment
from nagjax.inference.generator import Generator, Training
from nagjax.posing import Setup

Factory: TypeAlias = Callable[..., Controller]


def train(
    setup: Setup,
    controller: str | Factory = "nag",
    *,
    steps: int = 2000,
    seed: int = 0,
    max_seconds: float | None = None,
    sizes: Mapping[str, Any] | None = None,
    params: Mapping[str, float] | None = None,
    chunk: int = 25,
    resume: str | Path | None = None,
    start: str | Path | None = None,
    ignore_hash: bool = False,
    on_chunk: Callable[[Moment], None] | None = None,
    progress: bool = True,
    shard_updates: bool = False,
) -> Generator:
    """Train a generator of architectures.

    Args:
      setup: from ``problem``.
      controller: registered name of the search method, or a factory ``make(spec, **sizes)`` of your own.
      steps: updates; fewer where ``max_seconds`` ends them.
      seed: of the random numbers; the same one gives the same generator, chunk by chunk, as the job does.
      max_seconds: end after this time, compilation not counted.
      sizes: static settings of the controller.
      params: swept values of the controller.
      chunk: updates between two looks.
      resume: folder that ``Generator.save`` or the job wrote, with fewer updates done: training goes on from there.
      start: folder of another run on the same space, whose state is scored anew under this problem to begin with.
      ignore_hash: believe the checkpoint of that folder although it is not as it was written, after an edit on purpose.
      on_chunk: called after each chunk; an exception it raises ends training.
      progress: show a bar.
      shard_updates: the devices of this process share the architectures of each update.

    Returns:
      A generator, which also holds what is needed to save it and to go on.

    Raises:
      ValueError: if a name, size or parameter is unknown or out of range, or a folder is of another run.
    """
    made = make_controller(controller, setup, sizes or {})
    swept = controllers.resolve_params(made, params)
    limits = Limits(steps, max_seconds, chunk)
    state, step, seconds = _begin(made, setup, seed, swept, resume, start, ignore_hash)
    metrics: dict[str, list[float]] = {}
    with _Bar(shown=progress) as bar:

        def looked(moment: Moment) -> None:
            bar.update(moment)
            for name, value in moment.row.items():
                metrics.setdefault(name, []).append(value)
            if on_chunk is not None:
                on_chunk(moment)

        place = mesh.own_devices() if shard_updates else mesh.ONE
        last = controllers.train(made, setup.problem, state, seed, limits, swept, step, seconds, looked, place)
    artefact: Artefact = controllers.artefact(made, last.state, setup.problem)
    training = Training(made, swept, last.state, last.step, {"seed": seed, "seconds": last.seconds}, metrics)
    return Generator(artefact, setup.problem, setup.description, {}, training)


def make_controller(of: str | Factory, setup: Setup, sizes: Mapping[str, Any]) -> Controller:
    """The controller registered under a name, or that of a factory, for a problem.

    Raises:
      ValueError: if it is not registered (the nearest name is suggested), or refuses a size.
    """
    name = of if isinstance(of, str) else getattr(of, "__qualname__", repr(of))
    make = plugins.load("controllers", of) if isinstance(of, str) else of
    made = plugins.checked_call(make, f"controller {name}", sizes, setup.problem.spec)
    found: Controller = plugins.expect("controllers", name, made, Controller)
    return found


def warm_start(folder: str | Path, controller: Controller, setup: Setup, ignore_hash: bool = False) -> Any:
    """The state of another run's last checkpoint, scored anew under this problem.

    Raises:
      ValueError: if the run was on other decisions or with another controller.
    """
    wanted = setup.space
    written = checkpoint.read_config(folder, ignore_hash=ignore_hash)["space"]
    if (written["name"], written["version"]) != (wanted.name, wanted.version):
        raise ValueError(
            f"{folder}: was trained on {written['name']} version {written['version']}, this run is on "
            f"{wanted.name} version {wanted.version}; start from a run on the same space"
        )
    same = written["settings"] == dict(wanted.settings)  # then it need not be registered
    if not same and plugins.load("spaces", written["name"])(**written["settings"]).decisions != wanted.decisions:
        raise ValueError(
            f"{folder}: was trained on decisions or choices other than those of {wanted.identity}, so its "
            "tokens mean something else; start from a run with the same ones"
        )
    state, _, _ = checkpoint.read_state(folder, controller, template(controller, setup), ignore_hash=ignore_hash)
    return controllers.rebase(controller, state, setup.problem)


def template(controller: Controller, setup: Setup) -> Any:
    """Shapes of the controller's state, without computing one."""
    return jax.eval_shape(lambda: controllers.init(controller, setup.problem, 0))


def _begin(
    controller: Controller, setup: Setup, seed: int, params: Mapping[str, Any], resume: str | Path | None,
    start: str | Path | None, ignore_hash: bool,
) -> tuple[Any, int, float]:  # fmt: skip
    if resume is not None:
        state, step, run = checkpoint.read_state(
            resume, controller, template(controller, setup), ignore_hash=ignore_hash
        )
        if run["seed"] != seed:
            raise ValueError(f"{resume}: was begun with seed={run['seed']}, seed={seed} is given; give the same one")
        return state, step, float(run["seconds"])
    if start is not None:
        return warm_start(start, controller, setup, ignore_hash), 0, 0.0
    return controllers.init(controller, setup.problem, seed, params), 0, 0.0


class _Bar:
    """A progress bar of a training; numbers alone stand in it."""

    def __init__(self, shown: bool) -> None:
        from rich.progress import Progress

        self._bar = Progress(disable=not shown, transient=True)
        self._task = self._bar.add_task("compiling", total=1.0)

    def __enter__(self) -> _Bar:
        self._bar.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._bar.stop()

    def update(self, moment: Moment) -> None:
        rate = moment.step / max(moment.seconds, 1e-9)
        text = f"{moment.step} of {moment.limits.steps} steps, {rate:.1f}/s"
        self._bar.update(self._task, completed=moment.progress, description=text)
