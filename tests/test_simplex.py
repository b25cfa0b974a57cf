"""nag_simplex: the multiplicative step by hand, simplexes in a policy, and what an update does to two arms."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from nagjax import controllers
from nagjax.budgets import stratified_budgets
from nagjax.generator import decode
from nagjax.generator.policy import budget_weights
from nagjax.generator.training import standardised
from nagjax.generator.walk import unmasked
from nagjax.problems.problem import evaluate
from nagjax_nag import make_simplex, simplex
from tests import tiny

PROBLEM = tiny.make()[0]
WIDE = tiny.make(sizes=tiny.MANY_SIZES)[0]
"""Nine sizes: its walk has two segments."""


def step(theta, grad, rate=0.5, clip=100.0, floor=0.0, exists=None):
    theta, grad = jnp.array(theta)[None, None], jnp.array(grad)[None, None]
    exists = jnp.ones(theta.shape[1:], bool) if exists is None else jnp.array([exists])
    scalars = (jnp.float32(value) for value in (rate, clip, floor))
    return np.asarray(simplex.exponentiated(theta, grad, *scalars, exists))[0, 0]


def test_exponentiated_gradient_in_closed_form():
    """(0.2, 0.3, 0.5) with gradients ln 4, 0, -ln 4 at rate 1/2: times 1/2, 1, 2 is (0.1, 0.3, 1.0) / 1.4."""
    found = step([0.2, 0.3, 0.5], [np.log(4.0), 0.0, -np.log(4.0)])
    np.testing.assert_allclose(found, np.array([0.1, 0.3, 1.0]) / 1.4, rtol=1e-6)


def test_steps_of_one_gradient_add_up_and_a_constant_changes_nothing():
    grad = np.array([0.3, -1.0, 0.4])
    twice = step(step([0.2, 0.3, 0.5], grad), grad)
    np.testing.assert_allclose(twice, step([0.2, 0.3, 0.5], 2 * grad), rtol=1e-6)
    np.testing.assert_allclose(step([0.2, 0.3, 0.5], grad + 7.0), step([0.2, 0.3, 0.5], grad), rtol=1e-5)


def test_a_step_is_bounded():
    """Gradients of +-1e6: the factors are exp(-1) and exp(1)."""
    low, high = step([0.5, 0.5], [1e6, -1e6], clip=1.0)
    assert high / low == pytest.approx(np.exp(2.0), rel=1e-5)


def test_the_floor_keeps_every_real_choice_away_from_0_and_no_other():
    """Nine tenths of (0, 1) and a tenth of (1/2, 1/2); the third choice does not exist."""
    found = step([0.5, 0.5, 0.0], [1e6, -1e6, -1e6], rate=1.0, floor=0.1, exists=[True, True, False])
    np.testing.assert_allclose(found, [0.05, 0.95, 0.0], atol=1e-6)


@pytest.mark.parametrize("problem", [PROBLEM, WIDE], ids=["one segment", "two"])
def test_a_policy_holds_simplexes_and_chooses_by_their_geometric_mean(problem):
    """Between two anchors weights mix as theta_a^w theta_b^(1-w), renormalised; nothing else matters."""
    controller = make_simplex(problem.spec, anchors=3, budgets=2, group=2)
    policy = controllers.init(controller, problem, 0).policy
    rng = np.random.default_rng(0)
    thetas = []
    for real in simplex.real_choices(problem.spec):
        drawn = np.where(real, rng.uniform(0.1, 1.0, (3, *real.shape)), 0.0)
        thetas.append(jnp.asarray(drawn / drawn.sum(-1, keepdims=True), jnp.float32))
    policy = simplex.with_simplexes(policy, thetas)
    for one, two in zip(simplex.simplexes(policy), thetas, strict=True):
        np.testing.assert_allclose(one, two, atol=1e-6)
    tokens = jnp.array([[1, 1, 2, 0]])
    mixed = ((problem.low + problem.high) // 2)[None]
    weights = np.asarray(budget_weights(policy, problem, mixed))[0]
    assert ((weights > 0.05) & (weights < 0.95)).sum() == 2
    by_hand, rows = 0.0, [row for theta in thetas for row in np.moveaxis(np.asarray(theta), 1, 0)]
    for row, token, choices in zip(rows, tokens[0].tolist(), problem.spec.choices, strict=True):
        logits = weights @ np.log(row[:, :choices])
        by_hand += logits[token] - np.log(np.exp(logits).sum())
    found = jax.jit(decode.score)(policy, unmasked(problem), tokens, mixed)
    assert float(found.log_prob[0]) == pytest.approx(by_hand, rel=1e-4)


def test_it_begins_in_the_middle_of_every_simplex():
    controller = make_simplex(WIDE.spec, anchors=3, budgets=2, group=2)
    policy = controllers.init(controller, WIDE, 0).policy
    for theta, real in zip(simplex.simplexes(policy), simplex.real_choices(WIDE.spec), strict=True):
        np.testing.assert_allclose(theta.sum(-1), 1.0, rtol=1e-6)
        np.testing.assert_allclose(theta, np.broadcast_to(real / real.sum(-1, keepdims=True), theta.shape), rtol=1e-5)


@functools.cache
def updated(**given):
    controller = make_simplex(PROBLEM.spec, anchors=1, budgets=1, group=64)
    params = controllers.resolve_params(controller, dict(given))
    state = controllers.init(controller, PROBLEM, 0, params)
    return state, *jax.jit(controller.update)(state, jax.random.key(3), PROBLEM, params, jnp.float32(0))


def test_an_update_is_the_closed_form_with_the_group_as_baseline():
    """One anchor, theta uniform. Of the first decision dL/dtheta_c = -mean(A (1[c] - 1/2)) / theta_c.

    It is open for every budget the draw can ask, unless the mask leaves one choice: samples at which it does count for
    nothing. Entropy is off and nothing is clipped.
    """
    state, after, _ = updated(entropy=0.0, rate=0.1, clip=50.0, floor=0.0)
    budget_key, sample_key = jax.random.split(jax.random.key(3))
    asked = jnp.repeat(stratified_budgets(budget_key, PROBLEM, 1), 64, 0)
    tokens, _ = jax.jit(decode.sample)(state.policy, PROBLEM, asked, sample_key)
    advantage = np.asarray(standardised(evaluate(PROBLEM, tokens)[0][None]))[0]
    fits = np.asarray(PROBLEM.need[0, 0, 0, :2] <= asked[0, 0])
    assert fits.all()
    chosen = np.eye(2)[np.asarray(tokens)[:, 0]]
    slope = -(advantage[:, None] * (chosen - 0.5)).mean(0) / 0.5
    raised = 0.5 * np.exp(-0.1 * slope)
    assert abs(slope[0]) > 0.01
    (theta,) = simplex.simplexes(after.policy)
    np.testing.assert_allclose(theta[0, 0, :2], raised / raised.sum(), rtol=1e-4)


def test_nothing_but_the_simplexes_is_touched_and_evaluations_are_counted():
    _, after, metrics = updated()
    for name, leaf in after.policy.params.items():
        assert (np.abs(leaf).max() > 0) == name.startswith("anchor_logits")
    assert float(metrics["evaluations"]) == 64
    assert float(metrics["infeasible"]) == 0


def test_of_24_architectures_it_answers_good_ones_for_every_budget():
    controller = make_simplex(PROBLEM.spec, anchors=16)
    limits = controllers.Limits(600, chunk=100)
    moment = controllers.train(controller, PROBLEM, controllers.init(controller, PROBLEM, 0), 0, limits)
    every = jnp.asarray(tiny.architectures())
    quality, costs = (np.asarray(x) for x in evaluate(PROBLEM, every))
    budgets = np.linspace(PROBLEM.low, PROBLEM.high, 30).astype(np.int32)
    tokens, _ = jax.jit(decode.greedy)(moment.state.policy, PROBLEM, jnp.asarray(budgets))
    found = np.asarray(evaluate(PROBLEM, tokens)[0])
    within = np.where(costs[:, 0] <= budgets, quality, np.nan)
    best = np.nanmax(within, 1)
    assert np.mean(best - found) < 0.2 * np.mean(best - np.nanmean(within, 1))


@pytest.mark.parametrize("sizes", [{"anchors": 0}, {"budgets": -1}, {"group": 1}])
def test_sizes_too_small_are_refused(sizes):
    with pytest.raises(ValueError, match="must be an integer of at least"):
        make_simplex(PROBLEM.spec, **sizes)
