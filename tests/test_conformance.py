"""Every registered controller keeps the protocol, and the suite that says so finds what breaks it."""

import inspect

import jax.numpy as jnp
import numpy as np
import pytest

from nagjax import controllers, plugins, testing
from nagjax.generator import walk

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
}
"""Sizes that make a test fast; each factory gets those that it has an argument for."""

CONTROLLERS = plugins.names("controllers")


def small_settings(make):
    return {key: value for key, value in SMALL.items() if key in inspect.signature(make).parameters}


@pytest.mark.parametrize("check", testing.CHECKS, ids=lambda check: check.__name__)
@pytest.mark.parametrize("name", CONTROLLERS)
def test_registered_controllers_conform(name, check):
    make = plugins.load("controllers", name)
    check(make, **small_settings(make))


def test_nag_never_samples_over_budget_while_it_trains():
    """The suite judges answers only, as the paper's method trains unmasked; nag's samples are masked from the first."""
    make = plugins.load("controllers", "nag")
    tiny = testing.tiny_problem()
    controller = make(tiny.problem.spec, **small_settings(make))
    infeasible = []
    controllers.train(
        controller,
        tiny.problem,
        controllers.init(controller, tiny.problem, 0),
        0,
        controllers.Limits(40, chunk=20),
        on_chunk=lambda moment: infeasible.append(float(moment.metrics["infeasible"].sum())),
    )
    assert infeasible == [0.0, 0.0]


def test_what_the_paper_trains_on_has_every_real_choice_open_however_much_is_spent():
    problem = testing.tiny_problem().problem
    relaxed = walk.unmasked(problem)
    spent, budgets = jnp.full((1, 1), 2**29, jnp.int32), jnp.ones((1, 1), jnp.int32)
    for t in range(problem.spec.num_layers):
        for node in np.flatnonzero(np.asarray(problem.allowed[t]).any(-1)):
            exists = np.asarray(problem.need[0, t, node] < 2**30)
            fits = walk.feasible(problem.spec, relaxed.need[:, t, node][:, None], spent, budgets)
            np.testing.assert_array_equal(fits[0], exists)
