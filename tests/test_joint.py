"""Two budgets at once, against all architectures of a tiny space: nothing over, and nothing lost but by bins."""

import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from nagjax.controllers import Artefact
from nagjax.generator import walk
from nagjax.generator.decode import beam, sample
from nagjax.inference.generator import Generator
from nagjax.problems import joint
from nagjax.problems.problem import close_jointly, met_together, path_costs, restrict
from tests import tiny

TOKENS = tiny.architectures()
REDUCES = [("sum", "sum"), ("sum", "max"), ("max", "sum"), ("max", "max")]


@functools.cache
def make(reduces, bins=joint.MOST):
    """A problem of costs of some hundred ticks, so that a bin can be a tick; and the costs of its 24 architectures."""
    problem, _ = tiny.make(3, reduces)
    coarse = dataclasses.replace(problem, cost=problem.cost >> 20, high=(problem.high >> 20) + 1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(joint, "MOST", bins)
        coarse = close_jointly(coarse)
    return coarse, np.asarray(path_costs(coarse, jnp.asarray(TOKENS)))


@jax.jit
def through(problem, budgets):
    """Architectures that the mask lets through, bool ``[P, N]``: every token of theirs is open on their way."""
    num, rows = len(TOKENS), jnp.tile(jnp.asarray(TOKENS), (len(budgets), 1))
    masks, _, _ = walk.follow(problem, rows, jnp.repeat(budgets, num, 0))
    taken = [
        jnp.take_along_axis(mask, rows[:, first:last, None], 2)[..., 0]
        for mask, (first, last, _) in zip(masks, walk.segments(problem.spec.choices), strict=True)
    ]
    return jnp.concatenate(taken, 1).all(1).reshape(len(budgets), num)


def pairs(costs):
    """Every pair of an architecture's cost by the first column and of one's by the second, int32 ``[N * N, 2]``."""
    return np.stack(np.meshgrid(costs[:, 0], costs[:, 1]), -1).reshape(-1, 2)


@pytest.mark.parametrize("reduces", REDUCES)
def test_with_a_bin_for_every_cost_the_mask_lets_through_what_meets_both_budgets_and_nothing_else(reduces):
    problem, costs = make(reduces)
    budgets = jnp.asarray(pairs(costs), jnp.int32)
    fits = (costs[None] <= np.asarray(budgets)[:, None]).all(-1)
    met = np.asarray(met_together(problem, budgets))
    np.testing.assert_array_equal(met, fits.any(1))
    np.testing.assert_array_equal(np.asarray(through(problem, budgets))[met], fits[met])


def test_with_few_bins_nothing_is_over_and_little_is_lost():
    problem, costs = make(("sum", "sum"), bins=40)
    budgets = jnp.asarray(pairs(costs), jnp.int32)
    met = np.asarray(met_together(problem, budgets))
    found, fits = np.asarray(through(problem, budgets))[met], (costs[None] <= np.asarray(budgets)[met, None]).all(-1)
    assert not (found & ~fits).any()
    assert 0 < (fits & ~found).sum() < 0.1 * fits.sum()


def test_every_way_of_decoding_meets_both_budgets():
    problem, costs = make(("sum", "sum"))
    budgets = jnp.asarray(pairs(costs), jnp.int32)
    budgets = budgets[met_together(problem, budgets)][::7]
    policy = tiny.make_policy(problem.spec)
    tokens, _ = jax.jit(sample)(policy, problem, budgets, jax.random.key(1))
    beams, _, log_prob = jax.jit(beam, static_argnums=3)(policy, problem, budgets, 3)
    for found, alive in ((tokens[:, None], jnp.ones((len(budgets), 1), bool)), (beams, log_prob > -jnp.inf)):
        paid = np.asarray(path_costs(problem, found.reshape(-1, found.shape[-1]))).reshape(*found.shape[:2], 2)
        assert (paid <= np.asarray(budgets)[:, None]).all(-1)[np.asarray(alive)].all()


def test_a_column_of_many_values_is_cut_into_levels_that_close_more():
    rng = np.random.default_rng(6)
    cost = rng.integers(1, 2**20, (4, 3, 2000)).astype(np.int32)
    levels = joint.make_levels(cost, np.ones(cost.shape, bool), "max", 2**20)
    assert len(levels) == joint.MOST
    assert (levels[0], levels[-1]) == (0, cost.max())
    assert (np.diff(levels) > 0).all()


def test_a_graph_too_large_for_bins_has_none(monkeypatch):
    monkeypatch.setattr(joint, "ROOM", 100)
    problem, _ = tiny.make(3, ("sum", "sum"))
    assert problem.joint is None
    assert problem.spec.num_costs == 2


def test_conditions_are_part_of_what_finishes():
    problem, _ = make(("sum", "sum"))
    allowed = np.asarray(problem.allowed).copy()
    allowed[2, :, 0] = False
    narrowed = restrict(problem, jnp.asarray(allowed))
    again = close_jointly(dataclasses.replace(problem, allowed=jnp.asarray(allowed)))
    np.testing.assert_array_equal(narrowed.joint.within, again.joint.within)
    assert (np.asarray(narrowed.joint.within[0, 0]) >= np.asarray(problem.joint.within[0, 0])).all()


def test_a_generator_answers_pairs_of_budgets_greedily_within_both():
    problem, description = tiny.make(3, ("sum", "sum"))
    generator = Generator(Artefact(tiny.make_policy(problem.spec), None), problem, description, {})
    names, costs = [info.name for info in description.costs], description.costs_of(TOKENS)
    budgets = pairs(costs)
    budgets = budgets[(costs[None] <= budgets[:, None]).all(-1).sum(1) > 4]  # so that bins leave something
    answers = generator.generate(budgets={name: budgets[:, k] for k, name in enumerate(names)}, decode="greedy")
    assert len(answers) > 50
    assert all(answer.guaranteed for answer in answers)
