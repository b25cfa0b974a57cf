"""The exact solver against lists of all architectures."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nagjax import testing
from nagjax.devices.pricing import Prices
from nagjax.populations import additive
from nagjax.predictors.forms.mlp import MLP, Predictor
from nagjax.problems.build import make_problem
from nagjax.problems.problem import cheapest, evaluate, path_costs, restrict
from nagjax.spaces import trellis as tl
from tests import tiny


def everything(problem):
    """All architectures that the problem allows, by NumPy's own listing of the graph, and their costs."""
    tokens = tl.enumerate_paths(np.asarray(problem.target), np.asarray(problem.allowed))
    return tokens, np.asarray(path_costs(problem, jnp.asarray(tokens)))[:, 0]


def sums(problem, gains, tokens):
    """Sums of gains float64 along paths."""
    nodes, _ = tl.walk(np.asarray(problem.target), np.asarray(problem.allowed), tokens)
    return np.asarray(gains, np.float64)[np.arange(tokens.shape[1]), nodes, tokens].sum(-1)


def random_gains(problem, seed=0):
    return jnp.asarray(np.random.default_rng(seed).normal(size=problem.target.shape), jnp.float32)


def ladder(problem, num=33):
    """Budgets from the cheapest architecture's cost to the highest, both included."""
    low, high = int(problem.low[0]), int(problem.high[0])
    return jnp.asarray(np.linspace(low, high, num).astype(np.int32))[:, None]


def best(costs, values, limits):
    """The largest value among costs within each limit, -inf where none is."""
    return np.where(costs[None] <= np.asarray(limits)[:, None], values[None], -np.inf).max(-1)


def in_whole_ticks(seed=0, most=40):
    """The problem of ``tiny`` with prices of 1 to ``most``, so that a bin can be one tick."""
    space = tiny.make_space()
    values = np.random.default_rng(seed).integers(1, most, len(space.operators)).astype(float)
    problem, _ = make_problem(
        space, [Prices("latency_ms", "ms", values, space.trellis.valid)], tiny.make_quality(space)
    )
    scale = round(1 / float(problem.tick[0]))
    # Ticks as fine as int32 permits: here a tick is a unit.
    coarse = dataclasses.replace(
        problem, cost=problem.cost // scale, high=problem.high // scale, low=problem.low // scale
    )
    return restrict(coarse, jnp.ones_like(problem.allowed))


@pytest.mark.parametrize("seed", range(3))
def test_with_a_bin_a_tick_it_is_the_best_of_all_architectures(seed):
    problem = in_whole_ticks(seed)
    gains, budgets = random_gains(problem, seed), ladder(problem)
    assert int(problem.high[0] - problem.low[0]) <= 256
    tokens, costs = additive.best_paths(problem, gains, budgets, bins=256)
    every, paid = everything(problem)
    np.testing.assert_allclose(
        sums(problem, gains, np.asarray(tokens)), best(paid, sums(problem, gains, every), budgets[:, 0]), rtol=1e-5
    )
    assert (costs <= budgets).all()
    np.testing.assert_array_equal(costs, path_costs(problem, tokens))


DEEP, WIDE = testing.tiny_problem(variant="depth"), testing.tiny_problem(variant="wide")
ALL = {"depth": everything(DEEP.problem), "wide": everything(WIDE.problem)}


@settings(max_examples=25)
@given(st.integers(0, 10_000), st.sampled_from([16, 200]), st.sampled_from(["depth", "wide"]))
def test_every_answer_fits_and_loses_no_more_than_a_bin_a_decision(seed, bins, variant):
    known = WIDE if variant == "wide" else DEEP
    problem = known.problem
    gains, budgets = random_gains(problem, seed), ladder(problem)
    tokens, costs = additive.best_paths(problem, gains, budgets, bins=bins)
    assert (costs <= budgets).all()
    assert (known.oracle.rows(np.asarray(tokens)) >= 0).all()
    every, paid = ALL[variant]
    found, values = sums(problem, gains, np.asarray(tokens)), sums(problem, gains, every)
    limits = np.asarray(budgets)[:, 0]
    a_bin = -(-int(problem.high[0] - problem.low[0]) // bins)
    assert (found >= best(paid, values, limits - problem.spec.num_layers * a_bin) - 1e-4).all()
    assert (found <= best(paid, values, limits) + 1e-4).all()


def test_with_many_bins_it_is_the_best_for_nearly_every_budget():
    problem = WIDE.problem
    gains, budgets = random_gains(problem, 3), ladder(problem)
    tokens, _ = additive.best_paths(problem, gains, budgets, bins=4096)
    every, paid = ALL["wide"]
    lost = best(paid, sums(problem, gains, every), budgets[:, 0]) - sums(problem, gains, np.asarray(tokens))
    assert (lost > 1e-4).sum() <= 2


def test_the_cheapest_budget_gives_the_cheapest_architecture_and_less_does_too():
    problem = WIDE.problem
    asked = jnp.full((33, 1), problem.low[0]).at[:5].set(0)
    _, costs = additive.best_paths(problem, random_gains(problem), asked, bins=200)
    np.testing.assert_array_equal(costs, [[int(problem.low[0])]] * 33)


def test_one_budget_uses_all_bins_for_itself():
    """Bins of the whole range are coarse near its low end; asked alone a small budget has fine ones."""
    problem = WIDE.problem
    gains = random_gains(problem, 1)
    low, high = int(problem.low[0]), int(problem.high[0])
    small = jnp.full((33, 1), low + (high - low) // 20, jnp.int32)
    every, paid = ALL["wide"]
    alone, _ = additive.best_paths(problem, gains, small, bins=200)
    exact = best(paid, sums(problem, gains, every), small[:, 0])
    np.testing.assert_allclose(sums(problem, gains, np.asarray(alone)), exact, rtol=1e-5)


def test_what_is_closed_is_never_taken():
    problem, _ = tiny.make()
    closed = restrict(problem, problem.allowed.at[1, :, 0].set(False).at[2, :, 2].set(False))
    gains = random_gains(problem).at[1, :, 0].set(100.0).at[2, :, 2].set(100.0)
    tokens, costs = additive.best_paths(closed, gains, ladder(closed), bins=256)
    assert (np.asarray(tokens)[:, 1] == 1).all()
    assert (np.asarray(tokens)[:, 2] != 2).all()
    # The range of budgets stays that of the whole problem: below the cheapest that is left, the cheapest answers.
    assert (costs <= jnp.maximum(ladder(closed), cheapest(closed)[None])).all()
    assert int(costs[0, 0]) == int(cheapest(closed)[0]) > int(closed.low[0])


def test_it_also_serves_layers_of_very_unlike_width():
    problem, _ = tiny.make(sizes=tiny.MANY_SIZES)
    gains, budgets = random_gains(problem, 2), ladder(problem)
    tokens, costs = additive.best_paths(problem, gains, budgets, bins=4096)
    every, paid = everything(problem)
    exact = best(paid, sums(problem, gains, every), budgets[:, 0])
    assert (costs <= budgets).all()
    assert np.isclose(sums(problem, gains, np.asarray(tokens)), exact, rtol=1e-5).mean() > 0.9


def test_gains_of_a_linear_quality_add_up_to_it():
    problem, _ = tiny.make()
    gains = additive.known_gains(problem)
    tokens = tiny.architectures()
    quality, _ = evaluate(problem, jnp.asarray(tokens))
    np.testing.assert_allclose(sums(problem, gains, tokens) + 0.5, quality, atol=1e-6)


def test_a_quality_that_is_not_linear_has_no_gains():
    space = tiny.make_space()
    problem, _ = tiny.make()
    assert additive.known_gains(testing.tiny_problem().problem) is None
    ensemble = dataclasses.replace(problem, quality=tiny.make_quality(space, members=2))
    assert additive.known_gains(ensemble) is None
    deep = MLP((4,))
    network = deep.init(jax.random.key(0), jnp.zeros((1, len(space.feature_names))))
    params = {"network": jax.tree.map(lambda x: x[None], network), "offset": jnp.zeros(1), "scale": jnp.ones(1)}
    known = problem.quality.known
    assert additive.known_gains(dataclasses.replace(problem, quality=Predictor(params, known, deep))) is None


def test_other_cost_columns_are_refused():
    for reduces in (("sum", "sum"), ("max",)):
        problem, _ = tiny.make(reduces=reduces)
        with pytest.raises(ValueError, match="takes one cost column that adds up"):
            additive.best_paths(problem, random_gains(problem), problem.high[None], bins=8)
