"""Many runs as one program are the runs one by one, on one device and on several."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from nagjax import controllers, many_runs, plugins, testing
from nagjax.controllers import Limits
from nagjax.populations.archive import Archive

LIMITS = Limits(6, chunk=3)
PROBLEM = testing.tiny_problem(variant="depth").problem
SEEDS = (3, 0, 2**32 - 1)


def evolution():
    return plugins.load("controllers", "regularised_evolution")(PROBLEM.spec)


def alone(controller, seed, params):
    state = controllers.init(controller, PROBLEM, seed, params)
    last = controllers.train(controller, PROBLEM, state, seed, LIMITS, params)
    return controllers.artefact(controller, last.state, PROBLEM)


def test_each_run_is_its_single_run_on_two_devices_of_which_one_idles_at_the_end():
    made, told = evolution(), []
    params = [controllers.resolve_params(made)] * 3

    def seen(moments):
        told.append((moments.step, len(moments.artefacts()), moments.metrics["evaluations"].shape))

    found = many_runs.train_many(made, PROBLEM, SEEDS, LIMITS, params, seen)
    assert told == [(3, 3, (3, 3)), (6, 3, (3, 3))]
    for one, seed in zip(found, SEEDS, strict=True):
        jax.tree.map(np.testing.assert_array_equal, one, alone(made, seed, params[0]))
    assert (np.asarray(found[0].archive.tokens) != np.asarray(found[1].archive.tokens)).any()


def test_side_by_side_a_search_without_gradients_is_its_single_run():
    made = evolution()
    found = many_runs.train_many(made, PROBLEM, SEEDS, LIMITS, beside=2)
    jax.tree.map(np.testing.assert_array_equal, found[2], alone(made, SEEDS[2], controllers.resolve_params(made)))


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


def test_what_cannot_be_run_side_by_side_is_refused():
    made = evolution()
    with pytest.raises(ValueError, match="params: 1 for 3 seeds"):
        many_runs.train_many(made, PROBLEM, SEEDS, LIMITS, [controllers.resolve_params(made)])
    with pytest.raises(ValueError, match="max_seconds=1: runs of one program share its time"):
        many_runs.train_many(made, PROBLEM, SEEDS, Limits(6, max_seconds=1.0))
