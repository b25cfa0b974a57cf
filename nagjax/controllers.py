"""The protocol of controllers and the one jitted training loop.

A controller is a set of pure functions; this module jits, scans and times them. What users sweep is in ``params`` and
traced; sizes are static. The loop runs in chunks of ``jax.lax.scan``; between chunks it reports, saves and listens for
Ctrl-C.
"""

from __future__ import annotations

import dataclasses
import functools
import time
from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

import flax.struct
import jax
import jax.numpy as jnp
import numpy as np

from nagjax import arguments, mesh, plugins
from nagjax.generator.policy import Policy
from nagjax.mesh import Placement
from nagjax.names import nearest, suggestion
from nagjax.populations.archive import Archive
from nagjax.problems.problem import Problem, Spec
from nagjax.verification import check_metrics

State: TypeAlias = Any
Params: TypeAlias = Mapping[str, Any]
Metrics: TypeAlias = Mapping[str, jax.Array]


@flax.struct.dataclass
class Artefact:
    """What a controller ends in: a policy, an archive, or a policy that carries an archive."""

    policy: Policy | None
    archive: Archive | None


@dataclasses.dataclass(frozen=True, eq=False)
class Controller:
    """What a plugin's factory ``make(spec, **static)`` returns. Two are equal when name, spec and settings are.

    Attributes:
      name: under which it is registered.
      spec: static shape of the problems it takes.
      settings: static arguments of the factory, defaults included; numbers, strings and booleans.
      default_params: ``() -> params``, what users sweep, by name: a number, true or false where it is a switch, or one
        of the parameter's ``choices``. ``init`` and ``update`` get float32 arrays: of a switch 1 or 0, of a choice the
        place of its name among them.
      init: ``(key, problem, params) -> state``, a pytree.
      update: ``(state, key, problem, params, progress) -> (state, metrics)``; progress float32 in 0..1; metrics are
        scalars and hold at least ``evaluations`` (so far) and ``infeasible`` (of this step's evaluations, those over
        the budget they were drawn for, or over ``problem.high`` where for none); all of ours hold ``nonfinite`` as
        well, qualities of this step that were NaN or infinite.
      rebase: ``(state, problem) -> state``: what the state remembers, scored anew under a changed problem.
      artefact: ``(state, problem) -> Artefact``.
      choices: the names that each parameter which is a choice may have, in the order of their place.
    """

    name: str
    spec: Spec
    settings: Mapping[str, Any]
    default_params: Callable[[], Mapping[str, Any]]
    init: Callable[[jax.Array, Problem, Params], State]
    update: Callable[[State, jax.Array, Problem, Params, jax.Array], tuple[State, Metrics]]
    rebase: Callable[[State, Problem], State]
    artefact: Callable[[State, Problem], Artefact]
    choices: Mapping[str, tuple[str, ...]] = dataclasses.field(default_factory=dict)

    @property
    def _identity(self) -> tuple[Any, ...]:
        return (self.name, self.spec, tuple(sorted(self.settings.items())), self.update.__module__)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Controller) and self._identity == other._identity

    def __hash__(self) -> int:
        return hash(self._identity)


def resolve_params(controller: Controller, given: Mapping[str, Any] | None = None) -> Params:
    """The controller's defaults with ``given`` values in their place, as float32 arrays.

    Raises:
      ValueError: if a name is not one of the controller's parameters, with the nearest one, or a value cannot be: it is
        no finite number, for a switch neither true nor false, for a choice none of its names.
    """
    with plugins.raised_by("controllers", controller.name, "default_params"):
        defaults = controller.default_params()
        params = {key: _parameter(controller, key, value, value) for key, value in defaults.items()}
    for key, value in (given or {}).items():
        if key not in params:
            near = nearest(key, params)
            hint = f"; did you mean {near!r}?" if near else "."
            raise ValueError(
                f"controller {controller.name!r} has no parameter {key!r}{hint} It has: {', '.join(params)}"
            )
        params[key] = _parameter(controller, key, value, defaults[key])
    return params


def _parameter(controller: Controller, key: str, value: Any, default: Any) -> jax.Array:
    """A swept value, float32; one that is being traced is taken as it is."""
    if isinstance(value, jax.core.Tracer):
        return jnp.asarray(value, jnp.float32)
    what = f"controller {controller.name!r}: parameter {key}={value}"
    if key in controller.choices:
        names = controller.choices[key]
        if not isinstance(value, str) or value not in names:
            hint = suggestion(str(value), names)
            raise ValueError(f"{what}: must be one of {', '.join(names)}{hint}")
        return jnp.asarray(names.index(value), jnp.float32)
    if isinstance(default, bool):
        if not isinstance(value, bool | np.bool_):
            raise ValueError(f"{what}: is a switch; write {key}=true or {key}=false")
        return jnp.asarray(value, jnp.float32)
    given = np.asarray(value)
    if given.dtype.kind not in "iuf" or not (np.abs(given) <= np.finfo(np.float32).max).all():
        raise ValueError(f"{what}: must be a finite number")
    return jnp.asarray(given, jnp.float32)


def named_params(controller: Controller, params: Params) -> dict[str, Any]:
    """Parameters as users write them, the inverse of ``resolve_params``: numbers, true or false, names."""
    defaults = controller.default_params()
    out = {key: np.asarray(value).tolist() for key, value in params.items()}
    for key, names in controller.choices.items():
        out[key] = names[round(out[key])]
    return {key: value > 0.5 if isinstance(defaults[key], bool) else value for key, value in out.items()}


def run_chunk(
    controller: Controller,
    state: State,
    key: jax.Array,
    first: jax.Array,
    problem: Problem,
    params: Params,
    progress: jax.Array,
) -> tuple[State, Metrics]:
    """A chunk of L updates, pure, for users' own jit and vmap (over ``state`` and ``key``): state and metrics ``[L]``.

    Update number i draws from ``fold_in(key, i)``, so a run does not depend on its chunks. ``first`` is the number of
    the chunk's first update, int32; ``progress`` is float32 ``[L]``. The controller is static. Within
    ``mesh.Placement.context`` devices share the architectures of each update.
    """

    def step(state: State, x: tuple[jax.Array, jax.Array]) -> tuple[State, Metrics]:
        index, share = x
        return controller.update(state, jax.random.fold_in(key, index), problem, params, share)

    return mesh.whole(jax.lax.scan(step, state, (first + jnp.arange(progress.shape[0]), progress)))


jit_chunk = jax.jit(run_chunk, static_argnums=0, donate_argnums=1)
"""``run_chunk``, compiled; the state is given away."""


@functools.partial(jax.jit, static_argnums=0)
def _jit_init(controller: Controller, key: jax.Array, problem: Problem, params: Params) -> State:
    return controller.init(key, problem, params)


@functools.partial(jax.jit, static_argnums=0)
def _jit_rebase(controller: Controller, state: State, problem: Problem) -> State:
    return controller.rebase(state, problem)


@functools.partial(jax.jit, static_argnums=0)
def _jit_artefact(controller: Controller, state: State, problem: Problem) -> Artefact:
    return controller.artefact(state, problem)


def init(controller: Controller, problem: Problem, seed: int, params: Params | None = None) -> State:
    """A fresh state; the same seed gives equal arrays.

    Raises:
      ValueError: if the seed is not an integer from 0 to 2^32 - 1.
    """
    key = jax.random.fold_in(jax.random.key(arguments.seed(seed)), 2**31)
    params = params or resolve_params(controller)
    with plugins.raised_by("controllers", controller.name, "init"):
        return _jit_init(controller, key, problem, params)


def rebase(controller: Controller, state: State, problem: Problem) -> State:
    """The state under a changed problem."""
    with plugins.raised_by("controllers", controller.name, "rebase"):
        return _jit_rebase(controller, state, problem)


def artefact(controller: Controller, state: State, problem: Problem) -> Artefact:
    """What the controller has found."""
    with plugins.raised_by("controllers", controller.name, "artefact"):
        made: Artefact = _jit_artefact(controller, state, problem)
    found = plugins.expect("controllers", controller.name, made, Artefact)
    if not isinstance(found.archive, Archive):
        return found
    # How it was kept, by cells or as a front, ends with the search: what is saved and read are its rows.
    rows = Archive(found.archive.tokens, found.archive.costs, found.archive.quality)
    return Artefact(found.policy, rows)


@dataclasses.dataclass(frozen=True)
class Limits:
    """When training ends: after ``steps`` updates or ``max_seconds`` of time after compilation, whichever is first."""

    steps: int
    max_seconds: float | None = None
    chunk: int = 25

    def __post_init__(self) -> None:
        arguments.count(self.steps, "steps")
        arguments.count(self.chunk, "chunk")
        if self.max_seconds is not None:
            arguments.finite(self.max_seconds, "max_seconds", above=0)

    @property
    def length(self) -> int:
        """Updates in a chunk: the largest divisor of ``steps`` up to ``chunk``, so that every chunk compiles alike."""
        return self._largest(self.steps)

    def length_from(self, step: int) -> int:
        """``length``, or less where a run of other chunks ended on a ``step`` from which it would pass ``steps``."""
        left = self.steps - step
        return self.length if left % self.length == 0 else self._largest(left)

    def _largest(self, steps: int) -> int:
        return max(size for size in range(1, min(self.chunk, steps) + 1) if steps % size == 0)


@dataclasses.dataclass(frozen=True)
class Moment:
    """Where training stands between two chunks: updates done, seconds spent, and metrics of the last chunk ``[L]``."""

    state: State
    step: int
    seconds: float
    metrics: Mapping[str, np.ndarray]
    limits: Limits

    @property
    def done(self) -> bool:
        """Whether a limit is reached."""
        return self.step >= self.limits.steps or self.seconds >= (self.limits.max_seconds or float("inf"))

    @property
    def progress(self) -> float:
        """Share of the limits used, 0..1."""
        by_time = self.seconds / self.limits.max_seconds if self.limits.max_seconds else 0.0
        return min(1.0, max(self.step / self.limits.steps, by_time))

    @property
    def row(self) -> dict[str, float]:
        """The moment as a row of a table: step, seconds, and the mean of each metric over the chunk."""
        means = {name: float(np.mean(value)) for name, value in self.metrics.items()}
        return {"step": self.step, "seconds": round(self.seconds, 4), **means}


def train(
    controller: Controller,
    problem: Problem,
    state: State,
    seed: int,
    limits: Limits,
    params: Params | None = None,
    step: int = 0,
    seconds: float = 0.0,
    on_chunk: Callable[[Moment], None] | None = None,
    place: Placement = mesh.ONE,
) -> Moment:
    """Train until a limit is reached.

    Args:
      controller: what to train.
      problem: what it optimises.
      state: where to start, from ``init`` or a checkpoint; its buffers are given away.
      seed: of the random numbers; with the same state, seed and step limit the result is the same, chunk by chunk.
      limits: when to end; compilation does not count as time.
      params: from ``resolve_params``.
      step: updates that a resumed run has done.
      seconds: time that it has spent.
      on_chunk: called after every chunk, to report and save; an exception it raises (KeyboardInterrupt) ends training.
      place: devices that share the architectures of each update; each holds state and problem whole.

    Returns:
      the last moment.

    Raises:
      ValueError: if the seed is not an integer from 0 to 2^32 - 1.
      PluginError: naming the controller, if its code raises or its metrics cannot be true.
    """
    key = jax.random.key(arguments.seed(seed))
    params = params or resolve_params(controller)
    moment = Moment(state, step, seconds, {}, limits)
    if moment.done:
        return moment
    length = limits.length_from(step)
    if place.mesh is not None:
        state, problem, params = place.everywhere((state, problem, params))
        moment = dataclasses.replace(moment, state=state)
    with place.context():
        _warm_up(controller, moment, length, key, problem, params)
    while not moment.done:
        started = time.perf_counter()
        schedule = _schedule(moment, length)
        with plugins.raised_by("controllers", controller.name, "update"), place.context():
            state, counted = jit_chunk(controller, moment.state, key, jnp.int32(moment.step), problem, params, schedule)
            metrics = {name: np.asarray(value) for name, value in counted.items()}
        check_metrics(controller.name, metrics, length)
        spent = time.perf_counter() - started
        moment = Moment(state, moment.step + length, moment.seconds + spent, metrics, limits)
        if on_chunk is not None:
            on_chunk(moment)
    return moment


def _warm_up(
    controller: Controller, moment: Moment, length: int, key: jax.Array, problem: Problem, params: Params
) -> None:
    """Compile before the clock starts, by a chunk whose result is thrown away."""
    copied = _copied(moment.state)
    schedule = _schedule(moment, length)
    with plugins.raised_by("controllers", controller.name, "update"):
        warm = jit_chunk(controller, copied, key, jnp.int32(moment.step), problem, params, schedule)
        jax.tree.map(lambda leaf: leaf.block_until_ready(), warm)


@jax.jit
def _copied(state: State) -> State:
    """In one program, where each shape would be one alone."""
    return jax.tree.map(jnp.copy, state)


def _schedule(moment: Moment, length: int) -> jax.Array:
    """Progress float32 ``[length]`` of the next updates; under a time limit the pace so far tells how far they get."""
    limits = moment.limits
    by_step = (moment.step + np.arange(length)) / limits.steps
    if limits.max_seconds is None:
        return jnp.asarray(by_step, jnp.float32)
    pace = moment.seconds / max(moment.step, 1)
    by_time = (moment.seconds + pace * np.arange(length)) / limits.max_seconds
    return jnp.asarray(np.clip(np.maximum(by_step, by_time), 0.0, 1.0), jnp.float32)
