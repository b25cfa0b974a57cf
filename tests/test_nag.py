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
evolution, learning, memory = (
    importlib.import_module(f"{PACKAGE}.{name}") for name in ("evolution", "learning", "memory")
)
SMALL = {"hidden": 8, "anchors": 8, "budgets": 4, "group": 4, "imitated": 8, "cells": 32, "tournaments": 0}
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
    quality, costs = evaluate(known.problem, start)
    archive = archive.insert(known.problem, start, costs, quality)
    met = memory.remember(memory.nothing(), start)
    params = {name: jnp.float32(value) for name, value in BREEDING.items()}

    def repeats(spare):
        brood = evolution.breed(archive, met, known.problem, 64, spare, params, jax.random.key(1))
        assert brood.tokens.shape == (64, known.problem.spec.num_layers)
        return int(memory.known(met, brood.tokens).sum())

    assert repeats(1) > 0
    assert repeats(8) == 0


def test_elite_parents_are_of_the_front():
    """Without variation a child is its parent."""
    problem, _ = tiny.make()
    tokens = jnp.asarray(tiny.architectures(), jnp.int32)
    quality, costs = evaluate(problem, tokens)
    order = np.lexsort((-np.asarray(quality), np.asarray(costs)[:, 0]))
    archive = Cells(tokens[order], costs[order], quality[order])
    front = np.asarray(front_gain(archive.costs, archive.quality)) > 0
    assert 0 < front.sum() < len(front)
    params = {**BREEDING, "mutations": 0.0, "crossover": 0.0, "budget_noise": 0.0, "elite": 1.0}
    params = {name: jnp.float32(value) for name, value in params.items()}

    def bred(elite):
        brood = evolution.breed(
            archive, memory.nothing(), problem, 200, 1, {**params, "elite": jnp.float32(elite)}, jax.random.key(0)
        )
        return {tuple(row) for row in brood.tokens.tolist()}

    of_front = {tuple(row) for row in np.asarray(archive.tokens)[front].tolist()}
    assert bred(1.0) == of_front
    assert bred(0.0) > of_front


@pytest.fixture(scope="module")
def sampled():
    """A policy, its samples for four budgets on the wide tiny problem."""
    problem = testing.tiny_problem(variant="wide").problem
    policy = init_policy(jax.random.key(0), problem.spec, 8, 8)
    low, high = np.asarray(problem.low), np.asarray(problem.high)
    budgets = jnp.asarray(low + (high - low) * np.array([[0.1], [0.9], [0.3], [0.6]]), jnp.int32)
    tokens, costs = decode.sample(policy, problem, jnp.repeat(budgets, 4, 0), jax.random.key(1))
    quality, _ = evaluate(problem, tokens)
    return problem, policy, learning.Samples(tokens, costs, quality, budgets)


def test_a_budget_learns_from_the_samples_of_all_others(sampled):
    """Pair by pair: of two groups each sample weighs pi / (pi + pi'), and 0 where it does not fit."""
    problem, policy, samples = sampled
    found, _ = learning.surrogate(policy, problem, samples, shared=3)
    quality, costs = np.asarray(samples.quality, np.float64), np.asarray(samples.costs)[:, 0]
    budgets = np.asarray(samples.budgets)[:, 0]
    fits = costs[None] <= budgets[:, None]
    log_prob = np.full((4, 16), -np.inf)
    for k, budget in enumerate(budgets):
        tokens = jnp.where(fits[k][:, None], samples.tokens, samples.tokens[4 * k])
        asked = jnp.full((16, 1), budget, jnp.int32)
        log_prob[k] = np.where(fits[k], decode.score(policy, problem, tokens, asked).log_prob, -np.inf)
    assert 16 < fits.sum() < 64, "some pairs fit and some do not"
    wanted = []
    for k in range(4):
        for other in set(range(4)) - {k}:
            both = [row for group in (k, other) for row in range(4 * group, 4 * group + 4) if fits[k, row]]
            share = np.array([1 / (1 + np.exp(log_prob[other, row] - log_prob[k, row])) for row in both])
            mean = np.average(quality[both], weights=share)
            deviation = np.sqrt(np.average((quality[both] - mean) ** 2, weights=share))
            wanted.append((share * (quality[both] - mean) / (deviation + 1e-6) * log_prob[k, both]).sum() / 4)
    assert float(found) == pytest.approx(np.mean(wanted), rel=1e-3)
    alone, _ = learning.surrogate(policy, problem, samples, shared=0)
    grouped = quality.reshape(4, 4)
    advantage = (grouped - grouped.mean(1, keepdims=True)) / (grouped.std(1, keepdims=True) + 1e-6)
    own = np.concatenate([log_prob[k, 4 * k : 4 * k + 4] for k in range(4)])
    assert float(alone) == pytest.approx(np.mean(advantage.ravel() * own), rel=1e-3)


def test_what_has_no_quality_teaches_nothing_wherever_it_is_shared(sampled):
    problem, policy, samples = sampled
    broken = learning.Samples(samples.tokens, samples.costs, samples.quality.at[5].set(-jnp.inf), samples.budgets)
    gradient = jax.grad(lambda weights: learning.surrogate(policy.replace(params=weights), problem, broken, 3)[0])
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(gradient(policy.params)))


def test_more_imitations_learn_the_archive_at_no_evaluations():
    known = testing.tiny_problem(variant="wide")
    moments = [train(MAKE(known.problem.spec, children=16, imitations=n, **SMALL), known.problem) for n in (1, 8)]
    one, many = (moment.metrics for moment in moments)
    assert one["evaluations"].tolist() == many["evaluations"].tolist()
    assert many["imitation"][-1] < 0.7 * one["imitation"][-1]


@pytest.mark.parametrize(
    ("sizes", "says"),
    [({"group": 0}, "at least 1"), ({"children": 6, "tournaments": 4}, "divisor of children=6"),
     ({"children": 64, "tournaments": 4, "members": 8}, "at most members=8"),
     ({"budgets": 4, "shared": 4}, "shared=4 must lie in 0..3")],
)  # fmt: skip
def test_sizes_that_cannot_be_are_refused(sizes, says):
    with pytest.raises(ValueError, match=says):
        MAKE(testing.tiny_problem().problem.spec, **sizes)
