"""Runs side by side are the runs one by one, on one device and on several."""

import dataclasses
import os
import subprocess
import sys
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from nagjax import controllers, many_runs, plugins, testing
from nagjax.controllers import Limits
from nagjax.populations.archive import Archive

LIMITS = Limits(6, chunk=3)
PROBLEM = testing.tiny_problem(variant="depth").problem
SEEDS = (3, 0)


def evolution():
    return plugins.load("controllers", "regularised_evolution")(PROBLEM.spec)


def alone(controller, seed, params):
    state = controllers.init(controller, PROBLEM, seed, params)
    last = controllers.train(controller, PROBLEM, state, seed, LIMITS, params)
    return controllers.artefact(controller, last.state, PROBLEM)


def test_each_run_is_its_single_run():
    made, told = evolution(), []
    params = [controllers.resolve_params(made)] * 2
    found = many_runs.train_many(made, PROBLEM, SEEDS, LIMITS, params, lambda step, metrics: told.append(step))
    assert told == [3, 6]
    for one, seed in zip(found, SEEDS, strict=True):
        jax.tree.map(np.testing.assert_array_equal, one, alone(made, seed, params[0]))
    assert (np.asarray(found[0].archive.tokens) != np.asarray(found[1].archive.tokens)).any()


def test_each_run_has_its_own_parameters():
    def update(state, key, problem, params, progress):
        del key, problem, progress
        return state, {"evaluations": jnp.float32(0), "infeasible": jnp.float32(0)}

    def init(key, problem, params):
        del key
        empty = Archive.empty(problem.spec, 1)
        return dataclasses.replace(empty, quality=empty.quality.at[0].set(params["level"]))

    made = dataclasses.replace(
        evolution(), name="level", default_params=lambda: {"level": 0.0}, init=init, update=update,
        artefact=lambda state, problem: controllers.Artefact(None, state),
    )  # fmt: skip
    params = [controllers.resolve_params(made, {"level": level}) for level in (0.25, 0.75)]
    found = many_runs.train_many(made, PROBLEM, (0, 0), LIMITS, params)
    assert [one.archive.quality[0].item() for one in found] == [0.25, 0.75]


def test_runs_are_spread_over_devices():
    code = (
        "import jax; from nagjax.many_runs import _placed; import jax.numpy as jnp;"
        "print([len(_placed(jnp.zeros((n, 2)), n).sharding.device_set) for n in (4, 3, 2, 6)])"
    )
    flags = "--xla_force_host_platform_device_count=4"
    env = {**os.environ, "XLA_FLAGS": flags, "JAX_PLATFORMS": "cpu"}
    root = Path(__file__).resolve().parent.parent
    out = subprocess.run([sys.executable, "-c", code], env=env, cwd=root, check=True, capture_output=True, text=True)
    assert out.stdout.strip() == "[4, 3, 2, 3]"


def test_what_cannot_be_run_side_by_side_is_refused():
    made = evolution()
    with pytest.raises(ValueError, match="params: 1 for 2 seeds"):
        many_runs.train_many(made, PROBLEM, SEEDS, LIMITS, [controllers.resolve_params(made)])
    with pytest.raises(ValueError, match="max_seconds=1: runs side by side share their time"):
        many_runs.train_many(made, PROBLEM, SEEDS, Limits(6, max_seconds=1.0))
