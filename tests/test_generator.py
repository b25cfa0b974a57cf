"""Every way of choosing an architecture under a budget, against the list of all architectures of a tiny space."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from nagjax.budgets import open_budgets
from nagjax.generator import decode, latent, policy, walk
from nagjax.populations import vary
from nagjax.problems.problem import path_costs
from nagjax.spaces.trellis import INFINITE
from tests import tiny

TOKENS = tiny.architectures()
BATCH = 32
several = pytest.mark.parametrize("seed", range(3))
sample, greedy, score = jax.jit(decode.sample), jax.jit(decode.greedy), jax.jit(decode.score)
beam = jax.jit(decode.beam, static_argnums=3)
repair, reroll, decode_scores = jax.jit(walk.repair), jax.jit(vary.reroll), jax.jit(walk.decode_scores)
children, random_architectures = jax.jit(vary.children), jax.jit(vary.random_architectures)


def setup(seed, reduces=("sum",), sizes=tiny.SIZES):
    """Problem, policy, costs int64 ``[N, K]`` of all architectures, and budgets ``[BATCH, K]``, half of them ties."""
    problem, _ = tiny.make(seed, reduces, sizes)
    costs = np.asarray(path_costs(problem, jnp.asarray(tiny.architectures(sizes))), np.int64)
    rng = np.random.default_rng(seed)
    low, high = np.asarray(problem.low), np.asarray(problem.high)
    budgets = rng.integers(low, high + 1, (BATCH, len(reduces)))
    budgets[::2] = costs[rng.integers(0, len(costs), BATCH // 2)]
    budgets[:2] = [low, high]
    return problem, tiny.make_policy(problem.spec, seed), costs, budgets.astype(np.int32)


def check(tokens, spent, costs, budgets, sizes=tiny.SIZES):
    """Tokens ``[B, T]`` are architectures, cost what is said, and keep their budgets."""
    known = dict(zip(map(tuple, tiny.architectures(sizes).tolist()), costs.tolist(), strict=True))
    for row, paid, budget in zip(
        np.asarray(tokens).tolist(), np.asarray(spent).tolist(), budgets.tolist(), strict=True
    ):
        assert known[tuple(row)] == paid
        assert all(p <= b for p, b in zip(paid, budget, strict=True))


@pytest.mark.parametrize("sizes", [tiny.SIZES, tiny.MANY_SIZES], ids=["one segment", "two segments"])
@several
def test_everything_chosen_is_an_architecture_within_budget(sizes, seed):
    problem, generator, costs, budgets = setup(seed, sizes=sizes)
    key = jax.random.key(seed)
    rng = np.random.default_rng(seed)
    junk = rng.integers(-5, 12, (BATCH, 4)).astype(np.int32)
    other = rng.integers(-5, 12, (BATCH, 4)).astype(np.int32)
    scores = rng.normal(size=(BATCH, 4, problem.spec.num_choices)).astype(np.float32)
    scores[rng.random(scores.shape) < 0.3] = rng.choice([np.nan, np.inf, -np.inf])
    rates = np.full(BATCH, 0.3, np.float32)
    for tokens, spent in (
        sample(generator, problem, budgets, key),
        greedy(generator, problem, budgets),
        decode_scores(problem, scores, budgets),
        repair(problem, junk, budgets, key),
        reroll(problem, junk, rng.random((BATCH, 4)) < 0.5, budgets, key),
        children(problem, junk, other, budgets, rates, key),
        random_architectures(problem, budgets, key),
    ):
        check(tokens, spent, costs, budgets, sizes)


@several
def test_a_maximum_is_kept_as_well_as_a_sum(seed):
    """Each column bound alone; the other one admits everything."""
    problem, generator, costs, budgets = setup(seed, ("sum", "max"))
    budgets[: BATCH // 2, 1] = INFINITE - 1
    budgets[BATCH // 2 :, 0] = INFINITE - 1
    key = jax.random.key(seed)
    for tokens, spent in (
        sample(generator, problem, budgets, key),
        greedy(generator, problem, budgets),
        repair(problem, np.zeros((BATCH, 4), np.int32), budgets, key),
    ):
        check(tokens, spent, costs, budgets)


def test_with_budgets_that_exclude_each_other_an_architecture_still_comes_out():
    problem, generator, costs, _ = setup(4, ("sum", "max"))
    tight = np.broadcast_to(np.asarray(problem.low), (BATCH, 2))
    assert not (costs <= tight[0]).all(1).any()
    tokens, spent = sample(generator, problem, tight, jax.random.key(0))
    check(tokens, spent, costs, np.full((BATCH, 2), INFINITE))


def test_a_broken_policy_cannot_leave_the_mask():
    problem, generator, costs, budgets = setup(0)
    broken = policy.Policy(jax.tree.map(lambda x: x * jnp.nan, generator.params), generator.anchors, generator.network)
    check(*sample(broken, problem, budgets, jax.random.key(0)), costs, budgets)
    check(*greedy(broken, problem, budgets), costs, budgets)


def probabilities(problem, generator, costs, budget):
    """Probability of every architecture within a budget ``[K]``, by ``score``, 0 for the others."""
    fits = (costs <= budget).all(1)
    budgets = np.repeat(budget[None], len(TOKENS), 0)
    scores = score(generator, problem, TOKENS, budgets)
    return np.where(fits, np.exp(np.asarray(scores.log_prob, np.float64)), 0.0), np.asarray(scores.entropy), fits


@several
def test_scores_are_the_log_probabilities_of_one_distribution(seed):
    problem, generator, costs, budgets = setup(seed)
    for budget in budgets[:4]:
        chance, _, _ = probabilities(problem, generator, costs, budget)
        assert chance.sum() == pytest.approx(1.0, abs=1e-5)


def test_scores_of_decisions_add_up_to_the_score():
    problem, _ = tiny.make(sizes=tiny.MANY_SIZES)  # walked in two segments
    generator = tiny.make_policy(problem.spec)
    tokens = tiny.architectures(tiny.MANY_SIZES)
    budgets = jnp.broadcast_to(problem.high, (len(tokens), 1))
    whole = score(generator, problem, tokens, budgets)
    parts = jax.jit(decode.score_decisions)(generator, problem, jnp.asarray(tokens), budgets)
    np.testing.assert_allclose(parts.log_prob.sum(-1), whole.log_prob, atol=1e-5)
    np.testing.assert_allclose(parts.entropy.sum(-1), whole.entropy, atol=1e-5)
    assert (np.asarray(parts.log_prob)[tokens[:, 1] == 0, 3] == 0).all()  # the second block is closed at depth 1


def test_distances_of_states_that_count_differences_agree_with_them():
    """A policy whose states are far apart where decisions differ has a correlation of nearly 1; a blind one none."""
    problem, _ = tiny.make()
    blind = tiny.make_policy(problem.spec, noise=0.0)
    still = {**blind.params, "tokens": 0 * blind.params["tokens"], "slack": 0 * blind.params["slack"]}
    assert np.isnan(latent.distance_correlation(dataclasses.replace(blind, params=still), problem, TOKENS))
    found = latent.distance_correlation(tiny.make_policy(problem.spec), problem, TOKENS)
    assert 0 < found <= 1


def prefix_chances(chance, row):
    """Conditional probability of each choice at each layer along an architecture, from those of all architectures."""
    for t in range(4):
        same = (TOKENS[:, :t] == row[:t]).all(1)
        yield np.array([chance[same & (TOKENS[:, t] == c)].sum() for c in range(3)]) / chance[same].sum()


@several
def test_entropy_is_that_of_the_choices_along_the_path(seed):
    problem, generator, costs, budgets = setup(seed)
    chance, entropy, fits = probabilities(problem, generator, costs, budgets[3])
    for index in np.flatnonzero(fits):
        wanted = 0.0
        for share in prefix_chances(chance, TOKENS[index]):
            wanted -= (share[share > 0] * np.log(share[share > 0])).sum()
        assert entropy[index] == pytest.approx(wanted, abs=1e-4)


def test_closed_decisions_do_not_count():
    """With every decision but the closed one fixed there is nothing to choose: no surprise, no entropy."""
    problem, _, _, _ = setup(0)
    row = np.array([[1, 0, 2, 0]], np.int32)
    masks, slack, is_open = walk.follow(problem, jnp.asarray(row), problem.high[None])
    assert is_open.tolist() == [[True, True, True, False]]
    assert [mask.shape for mask in masks] == [(1, 4, 3)]
    assert masks[0][0, 3].tolist() == [True, False, False]
    assert slack.shape == (1, 4, 1)
    assert float(slack[0, 0, 0]) == problem.high[0] - problem.low[0]


@several
def test_greedy_takes_the_most_likely_choice_each_time(seed):
    problem, generator, costs, budgets = setup(seed)
    tokens = np.asarray(greedy(generator, problem, budgets)[0])
    for budget, row in zip(budgets[:4], tokens[:4], strict=True):
        chance, _, _ = probabilities(problem, generator, costs, budget)
        for share, token in zip(prefix_chances(chance, row), row, strict=True):
            assert share[token] >= share.max() - 1e-6


def test_samples_come_as_often_as_their_score_says():
    problem, generator, costs, _ = setup(1)
    budget = np.sort(costs[:, 0])[[17]].astype(np.int32)
    chance, _, _ = probabilities(problem, generator, costs, budget)
    draws = 40_000
    tokens, _ = sample(generator, problem, np.repeat(budget[None], draws, 0), jax.random.key(0))
    count = (np.asarray(tokens)[:, None] == TOKENS[None]).all(-1).sum(0)
    # A frequency's standard deviation is at most 0.0025 here.
    np.testing.assert_allclose(count / draws, chance, atol=0.01)
    assert not count[chance == 0].any()


def test_random_architectures_are_uniform_at_each_decision():
    problem, _, _, _ = setup(1)
    draws = 20_000
    tokens = np.asarray(random_architectures(problem, open_budgets(problem, draws), jax.random.key(0))[0])
    for t, width in enumerate((2, 2, 3, 3)):
        rows = tokens[tokens[:, 1] == 1] if t == 3 else tokens
        np.testing.assert_allclose(np.bincount(rows[:, t], minlength=width) / len(rows), 1 / width, atol=0.02)


@several
def test_a_wide_beam_lists_everything_in_order(seed):
    problem, generator, costs, budgets = setup(seed)
    tokens, spent, log_prob = beam(generator, problem, budgets[:4], 24)
    assert tokens.shape == (4, 24, 4)
    for row in range(4):
        chance, _, fits = probabilities(problem, generator, costs, budgets[row])
        found = int((np.asarray(log_prob[row]) > -np.inf).sum())
        assert found == fits.sum()
        assert tiny.rows(tokens[row, :found]) == tiny.rows(TOKENS[fits])
        np.testing.assert_allclose(np.exp(log_prob[row, :found]), np.sort(chance[fits])[::-1], atol=1e-5)
        check(tokens[row, :found], spent[row, :found], costs, np.repeat(budgets[[row]], found, 0))
        # Even what fills up the beam is an architecture of the budget.
        check(tokens[row], spent[row], costs, np.repeat(budgets[[row]], 24, 0))


def test_a_beam_over_two_segments_agrees_with_score():
    problem, generator, costs, budgets = setup(2, sizes=tiny.MANY_SIZES)
    tokens, spent, log_prob = beam(generator, problem, budgets[:4], 6)
    for row in range(4):
        live = np.asarray(log_prob[row]) > -np.inf
        check(tokens[row], spent[row], costs, np.repeat(budgets[[row]], 6, 0), tiny.MANY_SIZES)
        scores = score(generator, problem, tokens[row], np.repeat(budgets[[row]], 6, 0))
        np.testing.assert_allclose(scores.log_prob[live], log_prob[row][live], atol=1e-4)
        assert len(tiny.rows(tokens[row][live])) == live.sum()


@several
def test_repair_and_reroll_leave_what_fits_alone(seed):
    problem, _, costs, _ = setup(seed)
    tight = costs.astype(np.int32)
    key = jax.random.key(seed)
    np.testing.assert_array_equal(repair(problem, TOKENS, tight, key)[0], TOKENS)
    np.testing.assert_array_equal(reroll(problem, TOKENS, np.zeros(TOKENS.shape, bool), tight, key)[0], TOKENS)
    np.testing.assert_array_equal(children(problem, TOKENS, TOKENS, tight, np.zeros(24, np.float32), key)[0], TOKENS)
    # One tick less, and they have to go.
    tighter = np.maximum(tight - 1, problem.low[None])
    check(*repair(problem, TOKENS, tighter, key), costs, tighter)
    check(*reroll(problem, TOKENS, np.zeros(TOKENS.shape, bool), tighter, key), costs, tighter)


def test_decoding_takes_the_best_score_that_is_open():
    problem, _, _, _ = setup(0)
    wanted = np.eye(3, dtype=np.float32)[TOKENS]
    tokens, _ = decode_scores(problem, wanted, open_budgets(problem, len(TOKENS)))
    np.testing.assert_array_equal(tokens, TOKENS)


def test_the_gradient_of_a_score_is_finite():
    problem, generator, costs, _ = setup(0)

    def loss(params):
        one = policy.Policy(params, generator.anchors, generator.network)
        scores = decode.score(one, problem, jnp.asarray(TOKENS), jnp.asarray(costs, jnp.int32))
        return scores.log_prob.sum() + scores.entropy.sum()

    gradient = jax.tree.leaves(jax.jit(jax.grad(loss))(generator.params))
    assert all(np.isfinite(leaf).all() for leaf in gradient)
    assert any(np.any(leaf != 0) for leaf in gradient)


@pytest.mark.parametrize(
    ("choices", "runs"),
    [
        ((2, 2, 3, 3), [(0, 4, 3)]),
        ((9, 2, 3, 3), [(0, 1, 9), (1, 4, 3)]),
        ((8, 2, 3), [(0, 3, 8)]),
        ((2, 8, 9), [(0, 2, 8), (2, 3, 9)]),
        ((5,), [(0, 1, 5)]),
        ((3, 41, 3), [(0, 1, 3), (1, 2, 41), (2, 3, 3)]),
    ],
)
def test_segments_pad_no_layer_more_than_fourfold(choices, runs):
    assert walk.segments(choices) == runs


def test_the_slack_code_rises_from_nothing_to_ones():
    problem, _, _, _ = setup(0)
    span = int(problem.high[0] - problem.low[0])
    code = np.asarray(policy.encode_slack(problem, jnp.array([[0], [span // 2], [span], [2 * span]], jnp.int32)))
    assert code.shape == (4, len(policy.KNOTS) - 1)
    assert (code[0] == 0).all()
    assert (code[2:] == 1).all()
    assert (np.diff(code, axis=0) >= 0).all()
