"""Budgets: where they lie in a problem's range, by hand and by what has to hold for any range."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nagjax import budgets
from nagjax.budgets import anchor_weights, budget_at, budget_position
from nagjax.spaces.trellis import INFINITE
from tests import tiny

KEY = jax.random.key(0)
PROBLEM, _ = tiny.make(0, ("sum", "max"))
LOW, HIGH = np.asarray(PROBLEM.low), np.asarray(PROBLEM.high)


@pytest.mark.parametrize("seed", range(3))
def test_positions_and_budgets_are_inverse(seed):
    problem, _ = tiny.make(seed, ("sum", "max"))
    share = jnp.asarray(np.random.default_rng(seed).random((16, 2)), jnp.float32)
    np.testing.assert_allclose(budget_position(problem, budget_at(problem, share)), share, atol=1e-5)
    ends = jnp.stack([problem.low, problem.high])
    at = budget_at(problem, jnp.array([[0.0, 0.0], [1.0, 1.0]]))
    np.testing.assert_allclose(at, ends, rtol=2e-7)  # float32 does not hold every tick
    assert ((at >= ends[:1]) & (at <= ends[1:])).all()
    np.testing.assert_allclose(budget_position(problem, ends), [[0.0, 0.0], [1.0, 1.0]], atol=1e-6)
    beyond = jnp.stack([problem.low // 2, jnp.full(2, INFINITE - 1)])
    np.testing.assert_allclose(budget_position(problem, beyond), [[0.0, 0.0], [1.0, 1.0]], atol=1e-6)


@settings(max_examples=20)
@given(st.lists(st.floats(0, 1, width=32), min_size=5, max_size=5))
def test_anchor_weights_interpolate(budgets):
    anchors = jnp.array([0.1, 0.2, 0.5, 0.9])
    weights = np.asarray(anchor_weights(jnp.array(budgets, jnp.float32), anchors))
    assert (weights >= 0).all()
    assert ((weights > 0).sum(-1) <= 2).all()
    np.testing.assert_allclose(weights.sum(-1), 1.0, rtol=1e-6)
    np.testing.assert_allclose(weights @ np.asarray(anchors), np.clip(budgets, 0.1, 0.9), atol=1e-6)


def test_one_anchor_answers_for_all():
    assert anchor_weights(jnp.array([0.0, 3.0]), jnp.array([1.0])).tolist() == [[1.0], [1.0]]


@pytest.mark.parametrize("place", [budgets.spread_budgets, budgets.stratified_budgets])
def test_one_budget_lies_in_each_part_of_the_logarithmic_scale(place):
    found = np.asarray(place(KEY, PROBLEM, 4)).astype(float)
    # A budget is rounded down to a tick: one more may lie in the next part.
    parts = np.floor(4 * np.log((found + 1) / LOW) / np.log((HIGH + 1) / LOW))
    assert np.sort(parts, 0).tolist() == [[k, k] for k in range(4)]


def test_fixed_budgets_are_even_in_the_unit_and_keep_their_ends():
    found = np.asarray(budgets.fixed_budgets(PROBLEM, 3))
    np.testing.assert_array_equal(found[[0, 2]], np.stack([LOW, HIGH]))
    np.testing.assert_allclose(found[1], (LOW + HIGH) / 2, rtol=1e-7)  # float32 does not hold every tick
    np.testing.assert_array_equal(budgets.fixed_budgets(PROBLEM, 1), HIGH[None])
    np.testing.assert_allclose(budgets.upper_budgets(PROBLEM, 2), found[1:], rtol=1e-7)


def test_shuffled_budgets_are_the_same_under_any_key_but_for_their_order():
    one, other = (np.asarray(budgets.shuffled_budgets(jax.random.key(seed), PROBLEM, 5)) for seed in (0, 3))
    assert (one != other).any()
    np.testing.assert_array_equal(np.sort(one, 0), np.sort(other, 0))
    np.testing.assert_allclose([one.min(0), one.max(0)], [LOW, HIGH], rtol=2e-7)


def test_random_budgets_differ_and_stay_in_the_range():
    found = np.asarray(budgets.random_budgets(KEY, PROBLEM, 50))
    assert ((found >= LOW) & (found <= HIGH)).all()
    assert len(np.unique(found[:, 0])) > 10
