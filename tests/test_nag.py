"""The parts of ``nag``: what it remembers, whom it breeds from, what its policy learns from."""

import importlib

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from nagjax import plugins, testing
from nagjax.generator import decode
from nagjax.generator.policy import init_policy
from nagjax.populations.cells import Cells
from nagjax.populations.front import front_gain
from nagjax.problems.problem import evaluate
from nagjax.testing.runs import train
from tests import tiny

MAKE = plugins.load("controllers", "nag")
PACKAGE = MAKE.__module__.partition(".")[0]
evolution, frugal, learning, memory = (
    importlib.import_module(f"{PACKAGE}.{name}") for name in ("evolution", "frugal", "learning", "memory")
)
SMALL = {"hidden": 8, "anchors": 8, "budgets": 4, "group": 4, "imitated": 8, "cells": 32, "tournaments": 0}
breed = jax.jit(evolution.breed, static_argnums=(3, 4))
BREEDING = {"crossover": 0.5, "reach": 0.3, "mutations": 1.5, "budget_noise": 1.0, "elite": 0.0}


def rows(*tokens):
    return jnp.array(tokens, jnp.int32)


def test_memory_knows_what_it_was_told_and_repeats_among_the_asked():
    met = memory.remember(memory.nothing(), rows([0, 1, 2], [2, 1, 0]))
    asked = rows([2, 1, 0], [0, 0, 1], [0, 0, 1], [0, 1, 2], [1, 0, 0])
    assert memory.known(met, asked).tolist() == [True, False, True, True, False]
    assert not memory.known(memory.nothing(), rows([0, 0, 0])).any()


def test_hashes_of_a_whole_space_differ_and_spread():
    tokens = jnp.array(np.stack(np.meshgrid(*[np.arange(3)] * 9, indexing="ij"), -1).reshape(-1, 9), jnp.int32)
    codes = np.asarray(memory.codes(tokens))
    assert len(np.unique(codes)) == 3**9
    assert (codes != 0).all()
    # Of 19,683 balls thrown into 65,536 bins 65,536 * (1 - exp(-0.3)) = 17,002 bins are hit, +- 60 or so.
    assert len(np.unique(codes % memory.SIZE)) == pytest.approx(17002, abs=300)


def test_a_later_one_of_the_same_place_is_remembered_instead():
    tokens = jnp.array(np.random.default_rng(0).integers(0, 9, (3000, 8)), jnp.int32)
    place = np.asarray(memory.codes(tokens) % memory.SIZE)
    first, second = next((i, j) for j in range(3000) for i in np.flatnonzero(place[:j] == place[j])[:1])
    met = memory.remember(memory.remember(memory.nothing(), tokens[first][None]), tokens[second][None])
    assert memory.known(met, tokens[jnp.array([first, second])]).tolist() == [False, True]


def test_spare_children_are_new_while_there_are_new_ones():
    known = testing.tiny_problem(variant="wide")
    archive = Cells.empty(known.problem.spec, 32)
    start = jnp.asarray(known.oracle.tokens[::600], jnp.int32)
    quality, costs = jax.jit(evaluate)(known.problem, start)
    archive = jax.jit(Cells.insert)(archive, known.problem, start, costs, quality)
    met = memory.remember(memory.nothing(), start)
    params = {name: jnp.float32(value) for name, value in BREEDING.items()}

    def repeats(spare):
        brood = breed(archive, met, known.problem, 64, spare, params, jax.random.key(1))
        assert brood.tokens.shape == (64, known.problem.spec.num_layers)
        return int(memory.known(met, brood.tokens).sum())

    assert repeats(1) > 0
    assert repeats(8) == 0


def test_elite_parents_are_of_the_front():
    """Without variation a child is its parent."""
    problem, _ = tiny.make()
    tokens = jnp.asarray(tiny.architectures(), jnp.int32)
    quality, costs = jax.jit(evaluate)(problem, tokens)
    order = np.lexsort((-np.asarray(quality), np.asarray(costs)[:, 0]))
    archive = Cells(tokens[order], costs[order], quality[order])
    front = np.asarray(front_gain(archive.costs, archive.quality)) > 0
    assert 0 < front.sum() < len(front)
    params = {**BREEDING, "mutations": 0.0, "crossover": 0.0, "budget_noise": 0.0, "elite": 1.0}
    params = {name: jnp.float32(value) for name, value in params.items()}

    def bred(elite):
        brood = breed(
            archive, memory.nothing(), problem, 200, 1, {**params, "elite": jnp.float32(elite)}, jax.random.key(0)
        )
        return {tuple(row) for row in brood.tokens.tolist()}

    of_front = {tuple(row) for row in np.asarray(archive.tokens)[front].tolist()}
    assert bred(1.0) == of_front
    assert bred(0.0) > of_front


def test_reinforce_compares_the_samples_of_a_budget():
    problem = testing.tiny_problem(variant="wide").problem
    policy = init_policy(jax.random.key(0), problem.spec, 8, 8)
    low, high = np.asarray(problem.low), np.asarray(problem.high)
    asked = jnp.repeat(jnp.asarray(low + (high - low) * np.array([[0.1], [0.9], [0.3]]), jnp.int32), 4, 0)
    tokens, _ = jax.jit(decode.sample)(policy, problem, asked, jax.random.key(1))
    quality = np.asarray(jax.jit(evaluate)(problem, tokens)[0], np.float64).reshape(3, 4)
    found, _ = jax.jit(learning.surrogate)(policy, problem, tokens, asked, jnp.asarray(quality, jnp.float32))
    advantage = (quality - quality.mean(1, keepdims=True)) / (quality.std(1, keepdims=True) + 1e-6)
    log_prob = np.asarray(jax.jit(decode.score)(policy, problem, tokens, asked).log_prob)
    assert float(found) == pytest.approx(np.mean(advantage.ravel() * log_prob), rel=1e-3)


def test_what_has_no_quality_teaches_nothing():
    problem = testing.tiny_problem(variant="wide").problem
    policy = init_policy(jax.random.key(0), problem.spec, 8, 8)
    asked = jnp.repeat(problem.high[None], 4, 0)
    tokens, _ = jax.jit(decode.sample)(policy, problem, asked, jax.random.key(1))
    quality = jnp.array([[0.5, -jnp.inf, 0.7, jnp.nan]])

    def climbed(weights):
        return learning.surrogate(policy.replace(params=weights), problem, tokens, asked, quality)[0]

    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(jax.jit(jax.grad(climbed))(policy.params)))


def test_more_imitations_learn_the_archive_at_no_evaluations():
    known = testing.tiny_problem(variant="wide")
    moments = [train(MAKE(known.problem.spec, children=16, imitations=n, **SMALL), known.problem) for n in (1, 8)]
    one, many = (moment.metrics for moment in moments)
    assert one["evaluations"].tolist() == many["evaluations"].tolist()
    assert many["imitation"][-1] < 0.7 * one["imitation"][-1]


@pytest.mark.parametrize(
    ("sizes", "says"),
    [({"group": 0}, "at least 1"), ({"children": 6, "tournaments": 4}, "divisor of children=6"),
     ({"children": 16}, "tournaments=64 .* beside children=16 give tournaments=0, which holds none, or tournaments=16"),
     ({"children": 64, "tournaments": 4, "members": 8}, "at most members=8"),
     ({"tournaments": -1}, "tournaments=-1: must be an integer of at least 0")],
)  # fmt: skip
def test_sizes_that_cannot_be_are_refused(sizes, says):
    with pytest.raises(ValueError, match=says):
        MAKE(testing.tiny_problem().problem.spec, **sizes)


@pytest.mark.parametrize(
    ("evaluations", "steps", "cells", "fill", "mutations", "crossover"),
    [(200, 120, 64, 0.9, 0.25, 1.0), (500, 50, 1024, 0.8, 0.5, 0.9), (1000, 25, 1024, 0.8, 0.5, 0.9),
     (2000, 20, 1024, 0.8, 0.5, 0.9), (1, 120, 64, 0.9, 0.25, 1.0), (10**6, 20, 1024, 0.8, 0.5, 0.9)],
)  # fmt: skip
def test_the_rule_for_few_evaluations_meets_what_was_tuned(evaluations, steps, cells, fill, mutations, crossover):
    found = frugal.rule(evaluations)
    assert found[:2] == (steps, cells)
    varied = [found[2][name] for name in ("fill", "mutations", "crossover")]
    assert varied == pytest.approx([fill, mutations, crossover])
