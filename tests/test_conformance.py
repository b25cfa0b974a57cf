"""Every registered controller keeps the protocol, and the suite that says so finds what breaks it."""

import dataclasses
import inspect
import json
from collections import defaultdict
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from experiments.frame import settings
from nagjax import controllers, plugins, testing
from nagjax.checkpoint import checkpoint
from nagjax.controllers import Artefact
from nagjax.generator import walk
from tests.tiny import make_quality

SMALL = {
    "hidden": 8,
    "anchors": 8,
    "children": 32,
    "cells": 32,
    "capacity": 32,
    "population": 32,
    "tournaments": 4,
    "members": 8,
    "labels": 128,
    "budgets": 4,
    "group": 4,
    "imitated": 8,
    "bins": 64,
}
"""Sizes that make a test fast; each factory gets those that it has an argument for."""

OTHER = {"pnag": {"hidden": 16, "anchors": 3}}
"""``pnag`` learns from a sample an update: with few budgets ``check_improvement`` sees enough in half the time."""

CONTROLLERS = plugins.names("controllers")
FLAGFILES = sorted((Path(__file__).resolve().parent.parent / "experiments" / "flags").glob("*.flags"))


def documented(path):
    """Controller and sizes, as JSON, of every contender and limit in a flagfile."""
    labels, given = {}, defaultdict(dict)
    for line in path.read_text(encoding="utf-8").splitlines():
        flag, _, value = line.strip().partition("=")
        if flag == "--controllers":
            labels |= {entry.partition("=")[0]: entry.rpartition("=")[2] for entry in value.split(",")}
        elif flag == "--controller":
            labels[""] = value
        elif flag == "--controller_static":
            place, _, pairs = value.rpartition(":")
            given[place] |= settings.parse_settings([pairs], "controller_static")
    for place in {*labels, *given}:
        label = place.partition("@")[0]
        yield labels[label], json.dumps({**given[label], **given[place]}, sort_keys=True)


DOCUMENTED = sorted({*((name, "{}") for name in CONTROLLERS), *(one for path in FLAGFILES for one in documented(path))})


def small_settings(make):
    return {key: value for key, value in SMALL.items() if key in inspect.signature(make).parameters}


@pytest.mark.parametrize("check", testing.CHECKS, ids=lambda check: check.__name__)
@pytest.mark.parametrize("name", CONTROLLERS)
def test_registered_controllers_conform(name, check):
    make = plugins.load("controllers", name)
    check(make, **{**small_settings(make), **OTHER.get(name, {})})


def test_nag_never_samples_over_budget_while_it_trains():
    """The suite judges answers only, as the paper's method trains unmasked; nag's samples are masked from the first."""
    make = plugins.load("controllers", "nag")
    tiny = testing.tiny_problem(variant="deep")
    controller = make(tiny.problem.spec, **small_settings(make))
    infeasible = []
    controllers.train(
        controller,
        tiny.problem,
        controllers.init(controller, tiny.problem, 0),
        0,
        controllers.Limits(40, chunk=testing.runs.CHUNK),
        on_chunk=lambda moment: infeasible.append(float(moment.metrics["infeasible"].sum())),
    )
    assert infeasible == [0.0] * 8


def test_what_the_paper_trains_on_has_every_real_choice_open_however_much_is_spent():
    problem = testing.tiny_problem().problem
    relaxed = walk.unmasked(problem)
    spent, budgets = jnp.full((1, 1), 2**29, jnp.int32), jnp.ones((1, 1), jnp.int32)
    for t in range(problem.spec.num_layers):
        for node in np.flatnonzero(np.asarray(problem.allowed[t]).any(-1)):
            exists = np.asarray(problem.need[0, t, node] < 2**30)
            fits = walk.feasible(problem.spec, relaxed.need[:, t, node][:, None], spent, budgets)
            np.testing.assert_array_equal(fits[0], exists)


@pytest.fixture(scope="module")
def wide():
    """A problem whose quality is looked up, with room for thousands of labels."""
    return testing.tiny_problem(variant="wide")


@pytest.mark.parametrize(("name", "static"), DOCUMENTED)
def test_states_of_every_documented_size_are_saved_and_read(name, static, tmp_path, wide):
    """At the sizes themselves, which takes only shapes: what is in them, the suite trains at small ones."""
    controller = plugins.load("controllers", name)(wide.problem.spec, **json.loads(static))
    params, problem = controllers.resolve_params(controller), wide.problem
    if controller.settings.get("estimator") == "gumbel":  # it differentiates a predictor
        problem = dataclasses.replace(problem, quality=make_quality(wide.space))
    shapes = jax.eval_shape(lambda: controller.init(jax.random.key(0), problem, params))
    state = jax.tree.map(lambda leaf: np.ones(leaf.shape, leaf.dtype), shapes)
    with checkpoint.Writer(tmp_path) as writer:
        nothing = Artefact(None, None)
        writer.save(3, controller, params, state, nothing, problem, wide.description, {"seed": 0})
    read, step, _ = checkpoint.read_state(tmp_path, controller, shapes)
    assert step == 3
    for one, two in zip(jax.tree.leaves(state), jax.tree.leaves(read), strict=True):
        assert one.dtype == two.dtype
        np.testing.assert_array_equal(one, two)


FEW = {"children": 8, "spare": 16, "tournaments": 0, "budgets": 1, "group": 2, "imitations": 2}
"""Sizes of ``nag`` for few evaluations (docs/controllers.md), with fewer imitations."""


@pytest.mark.parametrize(
    ("name", "sizes"),
    [("nag", FEW), ("reinforce", {"replayed": 8}), ("regularised_evolution", {"workers": 8})],
)
def test_other_forms_of_a_controller_are_saved_and_go_on(name, sizes):
    """Settings that give a controller another state than its defaults."""
    make = plugins.load("controllers", name)
    testing.check_resume(make, **{**small_settings(make), **sizes})
