"""The controller ``exact``: its regression against NumPy's, and what it proposes against lists of all architectures."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from nagjax import controllers, testing
from nagjax.controllers import Limits
from nagjax.populations.front import front_gain
from nagjax.predictors.forms.linear import Linear
from nagjax.predictors.kinds.ridge import solve
from nagjax.problems.problem import Spec, evaluate, path_costs
from nagjax.spaces.trellis import walk_nodes
from nagjax_baselines import exact, make_exact, replacement
from tests import tiny

WIDE = testing.tiny_problem(variant="wide")
BINS = 512


def trained(problem, steps, seed=0, **static):
    controller = make_exact(problem.spec, **static)
    params = controllers.resolve_params(controller)
    state = controllers.init(controller, problem, seed, params)
    moment = controllers.train(controller, problem, state, seed, Limits(steps, chunk=steps), params)
    return controllers.artefact(controller, moment.state, problem).archive, moment


def test_a_linear_quality_is_solved_and_not_learned():
    """Every evaluation is a proposal, none is random, and each is the best within its budget."""
    problem, _ = tiny.make()
    archive, moment = trained(problem, 4, children=99, proposals=64, bins=2048, capacity=24)
    assert moment.metrics["evaluations"].tolist() == [64.0, 128.0, 192.0, 256.0]
    assert moment.metrics["infeasible"].tolist() == [0.0] * 4
    quality, costs = jax.jit(evaluate)(problem, jnp.asarray(tiny.architectures()))
    on_front = np.asarray(front_gain(costs, quality)) > 0
    full = np.asarray(archive.occupied)
    assert tiny.rows(np.asarray(archive.tokens)[full]) == tiny.rows(tiny.architectures()[on_front])


def test_an_ensemble_is_learned():
    problem, description = tiny.make()
    several = dataclasses.replace(problem, quality=tiny.make_quality(description.space, members=3))
    assert several.quality.feature_weights is None
    _, moment = trained(several, 2, children=8, proposals=8, bins=32)
    assert moment.metrics["evaluations"].tolist() == [16.0, 32.0]
    assert float(moment.state.sums.number) == 32


def test_sums_in_parts_are_those_of_all_and_leave_out_what_has_no_quality():
    rng = np.random.default_rng(0)
    features, quality = rng.integers(0, 2, (60, 5)).astype(np.float32), rng.random(60).astype(np.float32)
    broken = quality.copy()
    broken[[3, 40]] = [np.nan, -np.inf]
    sums = exact.no_sums(5)
    for part in np.split(np.arange(60), 3):
        sums = exact.add(sums, jnp.asarray(features[part]), jnp.asarray(broken[part]))
    real = np.isfinite(broken)
    above = quality[real] - float(sums.origin)
    assert float(sums.number) == 58
    assert float(sums.origin) == pytest.approx(quality[:20][real[:20]].mean(), rel=1e-5)
    np.testing.assert_allclose(sums.products, features[real].T @ features[real], rtol=1e-5)
    np.testing.assert_allclose(sums.correlation, features[real].T @ above, atol=1e-4)
    assert float(sums.square) == pytest.approx(np.square(above).sum(), rel=1e-4)


@jax.jit
def fitted(features, quality, exploration, seed):
    sums = exact.add(exact.no_sums(features.shape[1]), features, quality)
    return exact.draw_weights(sums, exploration, jax.random.key(seed))


def draw(features, quality, exploration=0.0, seed=0):
    return np.asarray(fitted(jnp.asarray(features, jnp.float32), quality, exploration, seed))


def test_without_noise_the_weights_are_the_ones_that_made_the_quality():
    rng = np.random.default_rng(1)
    features, weights = rng.normal(size=(80, 6)), rng.normal(0, 0.1, 6)
    found = draw(features, (0.7 + features @ weights).astype(np.float32))
    np.testing.assert_allclose(found, weights, atol=1e-4)


def test_with_noise_the_weights_are_those_of_the_penalty_of_least_generalised_error():
    rng = np.random.default_rng(2)
    features = rng.normal(size=(40, 8))
    quality = (0.5 + features[:, 0] * 0.05 + rng.normal(0, 0.1, 40)).astype(np.float32)
    centred, above = features - features.mean(0), quality - quality.mean()
    unit = np.square(centred).sum() / 8
    scores = []
    for penalty in exact.PENALTIES:
        hat = centred @ np.linalg.solve(centred.T @ centred + penalty * unit * np.eye(8), centred.T)
        scores.append(np.square(above - hat @ above).sum() / (40 - 1 - np.trace(hat)) ** 2)
    best = exact.PENALTIES[int(np.argmin(scores))]
    assert best > min(exact.PENALTIES)
    np.testing.assert_allclose(draw(features, quality), solve(features, quality, (best,))[0], atol=1e-4)


def test_draws_differ_by_the_deviation_of_the_regression():
    """With 400 records of noise 0.1 the weight of a feature of variance 1 is known to within 0.1 / 20."""
    rng = np.random.default_rng(3)
    features = rng.normal(size=(400, 3))
    quality = (0.5 + features @ [0.3, -0.2, 0.1] + rng.normal(0, 0.1, 400)).astype(np.float32)
    draws = np.stack([draw(features, quality, 1.0, seed) for seed in range(100)])
    np.testing.assert_allclose(draws.mean(0), [0.3, -0.2, 0.1], atol=0.02)
    np.testing.assert_allclose(draws.std(0), 0.1 / 20, rtol=0.25)


def test_nothing_evaluated_gives_finite_weights():
    sums = exact.no_sums(4)
    model = jax.jit(exact.draw_weights)
    assert np.isfinite(model(sums, jnp.float32(1), jax.random.key(0))).all()
    constant = exact.add(sums, jnp.ones((5, 4)), jnp.full(5, 0.5))
    np.testing.assert_array_equal(model(constant, jnp.float32(1), jax.random.key(0)), 0)


def test_after_a_change_it_forgets_what_it_was_fitted_to_and_keeps_what_it_found():
    controller = make_exact(WIDE.problem.spec, children=8, proposals=8, bins=32, capacity=32)
    _, moment = trained(WIDE.problem, 2, children=8, proposals=8, bins=32, capacity=32)
    changed = testing.tiny_problem(seed=1, device=1, variant="wide")
    state = controllers.rebase(controller, moment.state, changed.problem)
    assert float(state.sums.number) == 0
    archive = state.findings.archive
    full = np.asarray(archive.occupied)
    rows = changed.oracle.rows(np.asarray(archive.tokens)[full])
    np.testing.assert_allclose(np.asarray(archive.quality)[full], changed.oracle.quality[rows], atol=1e-6)


@pytest.mark.parametrize("static", [{"bins": 0}, {"children": 0}])
def test_sizes_below_one_are_refused(static):
    with pytest.raises(ValueError, match="must be an integer of at least 1"):
        make_exact(WIDE.problem.spec, **static)


def test_other_cost_columns_are_refused():
    with pytest.raises(ValueError, match=r"not \['sum', 'max'\]"):
        make_exact(testing.tiny_problem(variant="two_costs").problem.spec)


# Scores of replaced choices


def best_within(costs, quality, budgets):
    """Quality ``[B]`` of the best architecture within budgets ``[B, 1]``, less what bins may lose of them."""
    lost = len(WIDE.problem.spec.choices) * (int(budgets.max() - costs.min()) // BINS + 1)
    return np.where(costs[None, :, 0] <= budgets - lost, quality, -np.inf).max(1)


def test_scores_of_replaced_choices_solve_what_adds_up():
    """Of the parent and its six children 24 architectures follow, where the second block may be closed."""
    problem, description = tiny.make()
    num = len(description.space.feature_names)
    weights = jnp.asarray(np.random.default_rng(0).normal(0, 0.05, num), jnp.float32)
    several = dataclasses.replace(problem, quality=Linear(weights, jnp.float32(0.5), jnp.ones(num, bool)))
    quality, costs = map(np.asarray, jax.jit(evaluate)(several, jnp.asarray(tiny.architectures())))
    tokens, made = replacement.made_children(several, jnp.asarray(replacement.children(problem.spec, False)))
    assert (bool(made[0]), int(made.sum())) == (True, 7)
    value = {tuple(row): one for row, one in zip(tiny.architectures().tolist(), quality, strict=True)}
    seen = jnp.array([value[tuple(row)] for row in tokens.tolist()])
    table = replacement.scores(replacement.State(None, seen, made, jnp.int32(0)), problem.spec, False)
    found, paid = replacement.solve(several, table, jnp.asarray(costs), BINS)
    assert (np.asarray(paid) <= costs).all()
    assert (np.array([value[tuple(row)] for row in found.tolist()]) >= best_within(costs, quality, costs) - 1e-6).all()


def test_scores_of_pairs_solve_what_neighbours_do_together():
    """The wide problem is a sum over neighbours: by pairs each answer is the best but for bins, by one it is not."""
    problem, oracle = WIDE.problem, WIDE.oracle
    _, moment = trained(problem, 1, children=49, proposals=50, bins=16, scores="pairs")
    state = moment.state
    assert (int(state.known.sum()), float(moment.metrics["infeasible"][0])) == (1 + 9 * 2 + 8 * 4, 0)
    single = replacement.State(None, state.quality[:28], state.known[:28], state.done)
    _, costs = jax.jit(evaluate)(problem, jnp.asarray(oracle.tokens))
    budgets = np.linspace(problem.low[0], problem.high[0], 40).astype(np.int32)[:, None]
    best = best_within(np.asarray(costs), oracle.quality, budgets)
    for of, pairs in ((state, True), (single, False)):
        tokens, paid = replacement.solve(
            problem, replacement.scores(of, problem.spec, pairs), jnp.asarray(budgets), BINS
        )
        assert (np.asarray(paid) <= budgets).all()
        quality = oracle.quality[oracle.rows(np.asarray(tokens))]
        assert (quality >= best - 1e-5).all() == pairs


def test_a_graph_that_knows_the_last_choice_has_the_same_paths():
    """Node 4 s + 1 + c is node s behind choice c; behind a closed decision there is none."""
    problem, _ = tiny.make()
    paired, tokens = replacement.with_last_choice(problem), tiny.architectures()
    nodes, larger = (np.asarray(walk_nodes(one.target, jnp.asarray(tokens))) for one in (problem, paired))
    last = np.pad(tokens[:, :-1] + 1, ((0, 0), (1, 0)))
    np.testing.assert_array_equal(larger, 4 * nodes + last)
    np.testing.assert_array_equal(path_costs(paired, jnp.asarray(tokens)), path_costs(problem, jnp.asarray(tokens)))
    np.testing.assert_array_equal(np.asarray(paired.togo)[:, :-1, 0], np.asarray(problem.togo)[:, :-1, 0])


def test_scores_by_hand():
    """Two decisions of two choices, parent (1, 1) of quality 0.8; one child has failed, others are not evaluated."""
    spec = Spec(("a", "b"), (2, 2), ("sum",), 0, 1)
    assert replacement.children(spec, True).tolist()[1:] == [
        [0, -1], [1, -1], [-1, 0], [-1, 1], [0, 0], [0, 1], [1, 0], [1, 1],
    ]  # fmt: skip
    quality = jnp.array([0.8, 0.5, 0, -jnp.inf, 0, 0.4, 0, 0, 0])
    known = jnp.array([True, True, False, True, False, True, False, False, False])
    single, beyond = replacement.scores(replacement.State(None, quality, known, jnp.int32(4)), spec, True)
    np.testing.assert_allclose(single, [[-0.3, 0], [-1, 0]], atol=1e-6)
    np.testing.assert_allclose(beyond[1], [[-0.4 + 0.3 + 1, 0], [0, 0]], atol=1e-6)
    assert not beyond[0].any()


def test_scores_that_cannot_be_had_are_refused():
    with pytest.raises(ValueError, match="scores=pair: must be one of regression, replacement, pairs"):
        make_exact(WIDE.problem.spec, scores="pair")
    large = dataclasses.replace(WIDE.problem.spec, num_nodes=300)
    with pytest.raises(ValueError, match="300 nodes with 3 last choices each are more than the 1024"):
        make_exact(large, scores="pairs")
