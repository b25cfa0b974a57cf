"""Many runs of one controller as one program: seeds and swept parameters side by side, sharded over the devices.

Run number r of a call is the run that ``controllers.train`` makes alone with the same seed, parameters and steps: each
draws from keys of its own. XLA may round sums of a batch in another order than those of one run, which Adam magnifies
where a gradient is next to nothing; what is not trained by gradients is the same to the bit.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from nagjax import arguments, controllers, plugins
from nagjax.controllers import Artefact, Controller, Limits, Metrics, Params, State, run_chunk
from nagjax.problems.problem import Problem
from nagjax.verification import check_metrics

RUNS = "runs"
"""Name of the mesh's axis."""

Seen = Callable[[int, Mapping[str, np.ndarray]], None]
"""Called after every chunk with the updates done and the chunk's metrics ``[R, L]``."""


@functools.partial(jax.jit, static_argnums=0)
def _init(controller: Controller, keys: jax.Array, problem: Problem, params: Params) -> State:
    return jax.vmap(controller.init, (0, None, 0))(keys, problem, params)


@functools.partial(jax.jit, static_argnums=0, donate_argnums=1)
def _chunk(
    controller: Controller, states: State, keys: jax.Array, first: jax.Array, problem: Problem, params: Params,
    progress: jax.Array,
) -> tuple[State, Metrics]:  # fmt: skip
    over_runs = jax.vmap(functools.partial(run_chunk, controller), (0, 0, None, None, 0, None))
    return over_runs(states, keys, first, problem, params, progress)


def train_many(
    controller: Controller,
    problem: Problem,
    seeds: Sequence[int],
    limits: Limits,
    params: Sequence[Params] | None = None,
    seen: Seen = lambda *_: None,
) -> list[Artefact]:
    """Train a controller once for each seed, all at the same time.

    Args:
      controller: what to train.
      problem: what it optimises.
      seeds: R of them, one a run.
      limits: how many updates; a limit of time is one of a single run.
      params: R of them, from ``controllers.resolve_params``; None for the defaults in every run.
      seen: told of the progress; an exception it raises ends training.

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
        raise ValueError(f"max_seconds={limits.max_seconds:g}: runs side by side share their time; limit their steps")
    keys = jnp.stack([jax.random.key(arguments.seed(seed)) for seed in seeds])
    keys, stacked = _placed((keys, jax.tree.map(lambda *leaves: jnp.stack(leaves), *swept)), len(seeds))
    with plugins.raised_by("controllers", controller.name, "init"):
        states = _init(controller, jax.vmap(lambda key: jax.random.fold_in(key, 2**31))(keys), problem, stacked)
    for first in range(0, limits.steps, limits.length):
        progress = jnp.asarray((first + np.arange(limits.length)) / limits.steps, jnp.float32)
        with plugins.raised_by("controllers", controller.name, "update"):
            states, counted = _chunk(controller, states, keys, jnp.int32(first), problem, stacked, progress)
            metrics = {name: np.asarray(value) for name, value in counted.items()}
        for row in range(len(seeds)):
            check_metrics(controller.name, {name: value[row] for name, value in metrics.items()}, limits.length)
        seen(first + limits.length, metrics)
    return [controllers.artefact(controller, run_of(states, row), problem) for row in range(len(seeds))]


def run_of(tree: Any, row: int) -> Any:
    """One run's part of what stands side by side, leaves ``[R, ...]``."""
    return jax.tree.map(lambda leaf: leaf[row], tree)


def _placed(tree: Any, runs: int) -> Any:
    """Arrays ``[R, ...]`` over as many devices as divide the runs; on one device as they are."""
    devices = jax.devices()
    num = max(count for count in range(1, len(devices) + 1) if runs % count == 0)
    if num == 1:
        return tree
    mesh = Mesh(np.array(devices[:num]), (RUNS,))
    return jax.device_put(tree, NamedSharding(mesh, PartitionSpec(RUNS)))
