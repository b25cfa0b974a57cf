"""Many runs of one controller as one program: seeds and swept parameters, shared among the devices.

Run number r of a call is the run that ``controllers.train`` makes alone with the same seed, parameters and steps: each
draws from keys of its own. On processors a device makes its runs one after another within the program, and their arrays
are those of single runs: a core's caches hold one run's activations, while the gradient of a batch of policies goes
through memory and takes several times as long per run. Elsewhere runs stand side by side (``vmap``), which fills such a
device; small searches without gradients may do so on processors too. Side by side XLA may round sums in another order
than those of one run, which Adam magnifies where a gradient is next to nothing.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from nagjax import arguments, controllers, mesh, plugins
from nagjax.controllers import Artefact, Controller, Limits, Metrics, Params, State, run_chunk
from nagjax.mesh import Placement
from nagjax.problems.problem import Problem
from nagjax.verification import check_metrics


@dataclasses.dataclass(frozen=True, eq=False)
class Moments:
    """Where R runs stand between two chunks.

    Attributes:
      step: updates that each has done.
      metrics: of the last chunk, ``[R, L]``.
      artefacts: makes what each has found so far, in the order of the seeds; to be called before the next chunk.
    """

    step: int
    metrics: Mapping[str, np.ndarray]
    artefacts: Callable[[], list[Artefact]]


Seen = Callable[[Moments], None]
"""Called after every chunk."""
MANY = 64
"""Runs at the same moment where all of a device's stand side by side."""


@functools.partial(jax.jit, static_argnums=(0, 1, 2))
def _init(
    controller: Controller, place: Placement, beside: int, problem: Problem, runs: tuple[jax.Array, Params]
) -> State:  # fmt: skip
    def one(problem: Problem, run: tuple[jax.Array, Params]) -> State:
        key, params = run
        return controller.init(jax.random.fold_in(jax.random.wrap_key_data(key), 2**31), problem, params)

    return _each(place, beside, one, problem, runs)


@functools.partial(jax.jit, static_argnums=(0, 1, 2), donate_argnums=3)
def _chunk(
    controller: Controller, place: Placement, beside: int, states: State, runs: tuple[jax.Array, Params],
    first: jax.Array, problem: Problem, progress: jax.Array,
) -> tuple[State, Metrics]:  # fmt: skip
    def one(shared: Any, run: tuple[State, tuple[jax.Array, Params]]) -> tuple[State, Metrics]:
        (first, problem, progress), (state, (key, params)) = shared, run
        return run_chunk(controller, state, jax.random.wrap_key_data(key), first, problem, params, progress)

    return _each(place, beside, one, (first, problem, progress), (states, runs))


def _each(place: Placement, beside: int, one: Callable[[Any, Any], Any], shared: Any, runs: Any) -> Any:
    """``one(shared, run)`` for each of runs, leaves ``[R, ...]``."""

    def of_device(shared: Any, runs: Any) -> Any:
        return jax.lax.map(functools.partial(one, shared), runs, batch_size=beside if beside > 1 else None)

    return place.by_rows(of_device, shared, runs)


def train_many(
    controller: Controller,
    problem: Problem,
    seeds: Sequence[int],
    limits: Limits,
    params: Sequence[Params] | None = None,
    seen: Seen = lambda _: None,
    beside: int | None = None,
) -> list[Artefact]:
    """Train a controller once for each seed, all in one program.

    Args:
      controller: what to train.
      problem: what it optimises.
      seeds: R of them, one a run; devices share them, as few as make no device do more.
      limits: how many updates; a limit of time is one of a single run.
      params: R of them, from ``controllers.resolve_params``; None for the defaults in every run.
      seen: told of the progress; an exception it raises ends training.
      beside: runs that stand side by side on a device; None for one on a processor, and all elsewhere.

    Returns:
      what each run found, in the order of ``seeds``.

    Raises:
      ValueError: if there is no seed, one is not an integer from 0 to 2^32 - 1, ``params`` are not as many, or limits
        hold a time.
      PluginError: naming the controller, if its code raises or its metrics cannot be true.
    """
    swept = list(params) if params is not None else [controllers.resolve_params(controller)] * len(seeds)
    if not seeds or len(swept) != len(seeds):
        raise ValueError(f"params: {len(swept)} for {len(seeds)} seeds; give one of each a run, and one run at least")
    if limits.max_seconds is not None:
        raise ValueError(f"max_seconds={limits.max_seconds:g}: runs of one program share its time; limit their steps")
    num = len(seeds)
    each = -(-num // mesh.own_devices().size)
    place = mesh.own_devices(-(-num // each))
    if beside is None:
        beside = 1 if jax.default_backend() == "cpu" else each
    beside = min(arguments.count(beside, "beside"), each)
    keys = [np.asarray(jax.random.key_data(jax.random.key(arguments.seed(seed)))) for seed in seeds]
    idle = place.rounded(num) - num
    keys, swept = [*keys, *keys[:1] * idle], [*swept, *swept[:1] * idle]
    runs = place.examples((np.stack(keys), jax.tree.map(lambda *leaves: np.stack(leaves), *swept)))
    everywhere = problem if place.mesh is None else place.everywhere(problem)
    with plugins.raised_by("controllers", controller.name, "init"):
        states = _init(controller, place, beside, everywhere, runs)
    moments = Moments(0, {}, list)
    for first in range(0, limits.steps, limits.length):
        progress = jnp.asarray((first + np.arange(limits.length)) / limits.steps, jnp.float32)
        with plugins.raised_by("controllers", controller.name, "update"):
            states, counted = _chunk(controller, place, beside, states, runs, jnp.int32(first), everywhere, progress)
            metrics = {name: np.asarray(value)[:num] for name, value in counted.items()}
        for row in range(num):
            check_metrics(controller.name, {name: value[row] for name, value in metrics.items()}, limits.length)
        found = functools.partial(_artefacts, controller, problem, states, num)
        moments = Moments(first + limits.length, metrics, found)
        seen(moments)
    return moments.artefacts()


def at_once(beside: int | None = None) -> int:
    """How many runs of a program are made at the same moment: further ones would wait for their turn."""
    if beside is None and jax.default_backend() != "cpu":
        return MANY
    return mesh.own_devices().size * (beside or 1)


def _artefacts(controller: Controller, problem: Problem, states: State, num: int) -> list[Artefact]:
    """What each of the first runs has found, on the default device."""
    # On the host, where a run's part is a view: slices of arrays on devices would be a call for each array and run.
    here = jax.tree.map(
        lambda leaf: leaf if jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key) else np.asarray(leaf), states
    )
    return [controllers.artefact(controller, run_of(here, row), problem) for row in range(num)]


def run_of(tree: Any, row: int) -> Any:
    """One run's part of leaves ``[R, ...]``."""
    return jax.tree.map(lambda leaf: leaf[row], tree)
