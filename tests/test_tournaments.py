"""Tournaments by hand: who wins, who dies, what is drawn anew; and those that ``nag`` holds."""

import importlib

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from nagjax import plugins, testing
from nagjax.budgets import budget_at
from nagjax.populations import tournaments, vary
from nagjax.populations.archive import allowed_rows
from nagjax.problems.problem import evaluate
from tests import tiny


@pytest.mark.parametrize(("size", "chances"), [(1.0, [1 / 3, 1 / 3, 1 / 3]), (2.0, [5 / 9, 3 / 9, 1 / 9])])
def test_tournaments_are_won_as_often_as_the_best_of_so_many_draws(size, chances):
    """Of 3 members drawn twice: the best wins 1 - (2/3)^2 of the tournaments, the worst (1/3)^2."""
    held = tournaments.Tournaments(jnp.array([[[0], [1], [2]]]), jnp.array([[0.2, 0.9, 0.5]]), jnp.int32(0))
    tokens, quality = tournaments.winners(held, 9000, jnp.float32(size), jax.random.key(0))
    share = np.bincount(np.asarray(tokens)[0, :, 0], minlength=3)[[1, 2, 0]] / 9000
    np.testing.assert_allclose(share, chances, atol=0.02)
    np.testing.assert_array_equal(quality[0], held.quality[0][tokens[0, :, 0]])


def test_the_oldest_dies_however_good_it_is():
    """Two populations of three; each newcomer takes the place of the oldest, so after three all are replaced."""
    quality = jnp.array([[0.9, 0.1, 0.2], [0.3, 0.8, 0.4]])
    held = tournaments.Tournaments(jnp.arange(6).reshape(2, 3, 1), quality, jnp.int32(0))

    def birth(held, number, quality):
        return tournaments.succeed(held, jnp.full((2, 1, 1), number), jnp.full((2, 1), quality))

    first = birth(held, 10, 0.0)
    assert first.tokens[..., 0].tolist() == [[10, 1, 2], [10, 4, 5]]
    np.testing.assert_allclose(first.quality, [[0.0, 0.1, 0.2], [0.0, 0.8, 0.4]])
    third = birth(birth(first, 11, 0.5), 12, 0.5)
    assert third.tokens[..., 0].tolist() == [[10, 11, 12], [10, 11, 12]]
    fourth = birth(third, 13, 0.5)
    assert fourth.tokens[0, :, 0].tolist() == [13, 11, 12]


@pytest.mark.parametrize("mutations", [1.0, 2.0])
def test_so_many_open_decisions_are_drawn_anew(mutations):
    problem, _ = tiny.make()
    tokens = jnp.asarray(np.repeat(tiny.architectures(), 50, 0))
    change = np.asarray(vary.few_open(problem, tokens, jnp.float32(mutations), jax.random.key(0)))
    assert (change.sum(1) == mutations).all()
    assert not change[np.asarray(tokens)[:, 1] == 0, 3].any(), "a closed decision has nothing to draw"
    assert change.any(0).all()


@pytest.fixture(scope="module")
def evolution():
    factory = plugins.load("controllers", "nag")
    return importlib.import_module(f"{factory.__module__.partition('.')[0]}.evolution")


def competed(evolution, problem, generations, num=32, seed=0):
    """Populations of 4 x 8 after so many generations of ``num`` children, and what there was before each."""
    params = {"tournament": jnp.float32(8)}
    start = jax.jit(evolution.start, static_argnums=(1, 2, 3, 4))
    population = start(problem, 32, 4, 8, 16, jax.random.key(seed))
    generation = jax.jit(evolution.compete, static_argnums=2)
    before = []
    for step in range(generations):
        before.append(population)
        population = generation(population, problem, num, params, jax.random.key(step))
    return population, before


def test_each_population_of_nag_lives_within_a_budget_of_its_own(evolution):
    problem = testing.tiny_problem(variant="wide").problem
    population, _ = competed(evolution, problem, 10)
    budgets = np.asarray(budget_at(problem, population.places))
    assert sorted(population.places[:, 0].tolist()) == [0.25, 0.5, 0.75, 1.0]
    assert budgets.max() == problem.high
    members = population.tournaments
    quality, costs = evaluate(problem, members.tokens.reshape(32, -1))
    assert (np.asarray(costs).reshape(4, 8) <= budgets).all()
    np.testing.assert_array_equal(members.quality.reshape(32), quality)
    # 16 at first, then 32 in every generation; all of them are in the archive, or something better in their cell.
    assert int(population.evaluations) == 16 + 10 * 32
    _, best = population.archive.best_within(jnp.asarray(budgets))
    assert (np.asarray(best) >= np.asarray(members.quality).max(1)).all()


def test_a_child_differs_from_a_member_by_one_decision_and_what_that_forces(evolution):
    """Where every architecture fits and no decision closes another, nothing is forced."""
    problem = testing.tiny_problem(variant="wide").problem
    population, before = competed(evolution, problem, 12, num=4)
    parents = np.asarray(before[-1].tournaments.tokens)[np.argmax(np.asarray(population.places)[:, 0])]
    place = (int(population.tournaments.oldest) - 1) % 8
    child = np.asarray(population.tournaments.tokens)[np.argmax(np.asarray(population.places)[:, 0]), place]
    assert ((parents != child).sum(1) <= 1).any()
    assert (before[-1].tournaments.quality > -np.inf).all()


def test_populations_without_members_begin_with_random_architectures(evolution):
    problem = testing.tiny_problem(variant="wide").problem
    population, _ = competed(evolution, problem, 1)
    assert np.isfinite(population.tournaments.quality).all()
    assert len(tiny.rows(population.tournaments.tokens.reshape(32, -1))) > 16


def test_what_a_changed_problem_no_longer_fits_wins_no_tournament(evolution):
    before = testing.tiny_problem().problem
    after = testing.tiny_problem(seed=1, device=2, where={"layer1": [8, 24], "layer3": [8, 16]}).problem
    population, _ = competed(evolution, before, 6)
    moved = evolution.rescore(population, after)
    tokens = moved.tournaments.tokens.reshape(32, -1)
    quality, costs = evaluate(after, tokens)
    budgets = np.repeat(np.asarray(budget_at(after, moved.places)), 8, 0)
    fits = np.asarray(allowed_rows(after, tokens)) & (np.asarray(costs) <= budgets).all(-1)
    np.testing.assert_array_equal(moved.tournaments.quality.reshape(32), np.where(fits, quality, -np.inf))
    assert 0 < fits.sum() < 32
    assert int(moved.evaluations) == int(population.evaluations) + 32 + 32


def test_where_no_tournaments_are_held_a_changed_problem_rescores_the_archive_alone(evolution):
    before, after = (testing.tiny_problem(device=device).problem for device in (0, 2))
    population = evolution.start(before, 16, 0, 4, 8, jax.random.key(0))
    moved = evolution.rescore(population, after)
    assert moved.tournaments.quality.shape == (0, 4)
    assert int(moved.evaluations) == 8 + 16
