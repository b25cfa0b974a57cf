"""REINFORCE: rewards, baselines and gradients by hand, the budget-blind reward, and the released PNAG update."""

import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from nagjax import controllers, testing
from nagjax.budgets import anchor_weights, fixed_budgets
from nagjax.devices.pricing import Prices
from nagjax.generator import decode
from nagjax.generator.policy import init_policy, policy_tables
from nagjax.generator.training import annealed
from nagjax.generator.walk import masked
from nagjax.operators import Operator
from nagjax.predictors.forms.table import tabular_quality
from nagjax.problems.build import make_problem
from nagjax.problems.problem import evaluate, path_features
from nagjax.ranking import ranker
from nagjax.spaces import trellis as tl
from nagjax.spaces.space import Decision, Space
from nagjax_reinforce import (
    baselines,
    conservative,
    make,
    make_conservative,
    make_pnag,
    make_published,
    make_single,
    objective,
    replay,
)
from nagjax_reinforce.learner import CHOICES, DEFAULTS
from nagjax_reinforce.reinforce import draw
from nagjax_reinforce.rewards import REWARDS, choose, rewards

TINY = testing.tiny_problem()
SOFT, HARD, TUNAS, DOMINANCE, POINTS, MIXED, CONSTRAINED = range(7)
WEIGHT = jnp.float32(0.07)
score, sample, redraw = jax.jit(decode.score), jax.jit(decode.sample), jax.jit(decode.redraw)
remember, log_likelihood = jax.jit(replay.remember), jax.jit(replay.log_likelihood)


def defaults(**changed):
    given = {**DEFAULTS, **changed}
    given |= {name: names.index(given[name]) for name, names in CHOICES.items() if given[name] in names}
    return {name: jnp.float32(value) for name, value in given.items()}


@functools.cache
def two_arms():
    """One decision with two choices: quality 0.25 for 1 ms, 0.75 for 2 ms."""
    decision = Decision("arm", "arm", ({"arm": 0}, {"arm": 1}))
    graph, operators = tl.build(
        1,
        "start",
        lambda t, node: [tl.Edge(c, "end", (Operator("conv", 8, 8, 4, 4 + c),), (f"arm={c}",)) for c in (0, 1)],
        ("arm=0", "arm=1"),
    )
    space = Space(
        name="two arms", version=1, settings={}, decisions=(decision,), trellis=graph, operators=operators,
        feature_names=("arm=0", "arm=1"), parse_text=lambda text: [int(text)],
        format_tokens=lambda tokens: str(tokens[0]), describe_tokens=str,
    )  # fmt: skip
    prices = Prices("latency_ms", "ms", np.array([1.0, 2.0]), graph.valid, device="made up")
    quality = tabular_quality(space, np.array([[0], [1]]), np.array([0.25, 0.75]))
    return make_problem(space, [prices], quality)[0]


# Replay


def test_the_past_is_a_ring_of_the_last_samples():
    past = replay.nothing(TINY.problem.spec, 3)
    rows = jnp.arange(5, dtype=jnp.int32)[:, None]
    tokens, budgets = jnp.broadcast_to(rows, (5, TINY.problem.spec.num_layers)), rows
    past = remember(past, tokens[:2], budgets[:2])
    assert past.budgets[:, 0].tolist() == [0, 1, 0]
    past = remember(past, tokens[2:], budgets[2:])  # 2 to the third place, 3 and 4 over the oldest
    assert past.budgets[:, 0].tolist() == [3, 4, 2]
    assert past.tokens[:, 0].tolist() == [3, 4, 2]
    assert remember(past, tokens, budgets).budgets[:, 0].sum() == 2 + 3 + 4


def test_only_rows_that_hold_a_sample_are_replayed():
    problem = two_arms()
    policy = init_policy(jax.random.key(0), problem.spec, 4, 4)
    past = remember(replay.nothing(problem.spec, 8), jnp.array([[1]], jnp.int32), problem.high[None])
    alone = score(policy, problem, jnp.array([[1]], jnp.int32), problem.high[None]).log_prob[0]
    assert log_likelihood(policy, problem, past) == pytest.approx(float(alone), rel=1e-5)
    assert log_likelihood(policy, problem, replay.nothing(problem.spec, 8)) == 0


def test_what_is_replayed_becomes_likelier():
    """Against a reward that does not care: the choice in the past is taken more often."""
    problem = two_arms()
    controller = make(problem.spec, hidden=4, anchors=4, budgets=2, group=2, replayed=4)
    params = controllers.resolve_params(controller, {"replay": 10.0, "entropy": 0.0, "reward_scale": 0.0})
    state = controllers.init(controller, problem, 0, params)
    budgets = jnp.broadcast_to(problem.high, (4, 1))
    state = dataclasses.replace(state, past=remember(state.past, jnp.ones((4, 1), jnp.int32), budgets))
    before = score(state.policy, problem, jnp.ones((4, 1), jnp.int32), budgets).log_prob
    after, _ = controllers.jit_chunk(controller, state, jax.random.key(0), 0, problem, params, jnp.zeros(1))
    assert (score(after.policy, problem, jnp.ones((4, 1), jnp.int32), budgets).log_prob > before).all()


# The conservative explorer


def test_uncertain_decisions_are_drawn_in_proportion_to_entropy_and_as_many_as_are_wanted():
    entropy = jnp.tile(jnp.array([[0.6, 0.3, 0.1, 0.0]]), (4000, 1))
    one = np.asarray(conservative.uncertain(entropy, jnp.float32(1), jax.random.key(0)))
    np.testing.assert_allclose(one.mean(0), [0.6, 0.3, 0.1, 0.0], atol=0.03)
    assert (np.asarray(conservative.uncertain(entropy, jnp.float32(2), jax.random.key(1))).sum(-1) == 2).all()
    assert np.asarray(conservative.uncertain(entropy, jnp.float32(9), jax.random.key(2))).all()


def test_only_what_was_drawn_teaches_the_conservative_policy():
    """Of a child that is worse than average the drawn choice becomes less likely; kept ones have no gradient."""
    problem = two_arms()
    controller = make_conservative(problem.spec, hidden=4, anchors=4, budgets=2)
    params = controllers.resolve_params(controller, {"entropy": 0.0})
    state = controllers.init(controller, problem, 0, params)
    tokens, budgets = jnp.array([[1], [1]], jnp.int32), jnp.broadcast_to(problem.high, (2, 1))
    before = score(state.policy, problem, tokens, budgets).log_prob

    learn = jax.jit(conservative.learn)

    def after(drawn):
        taught = (jnp.array([-1.0, -1.0]), params, jnp.float32(0))
        policy, _ = learn(state, problem, tokens, jnp.full((2, 1), drawn), budgets, *taught)
        return score(policy, problem, tokens, budgets).log_prob

    assert (after(True) < before).all()
    np.testing.assert_array_equal(after(False), before)


def test_a_conservative_child_differs_from_a_parent_in_what_may_change():
    problem = TINY.problem
    policy = init_policy(jax.random.key(0), problem.spec, 4, 4)
    parents = jnp.asarray(TINY.oracle.tokens)
    budgets = jnp.broadcast_to(problem.high, (len(parents), 1))
    change = jnp.zeros(parents.shape, bool).at[:, -1].set(True)
    tokens, costs = redraw(policy, problem, parents, change, budgets, jax.random.key(1))
    np.testing.assert_array_equal(tokens[:, :-1], parents[:, :-1])
    assert (tokens[:, -1] != parents[:, -1]).any()
    assert TINY.oracle.rows(np.asarray(tokens)).min() >= 0
    assert (costs <= budgets).all()


# Rewards


@pytest.mark.parametrize(
    ("index", "within", "beyond"),
    [
        (SOFT, 0.6 * 0.8**-0.07, 0.6 * 1.6**-0.07),
        (HARD, 0.6, 0.6 / 1.6),
        (TUNAS, 0.6 - 0.07 * 0.2, 0.6 - 0.07 * 0.6),
        (DOMINANCE, 0.6, -0.6),
        (POINTS, -40.0, -160.0),
        (MIXED, 0.93 * 0.6 - 0.07 * 0.8, 0.93 * 0.6 - 0.07 * 1.6),
        (CONSTRAINED, 0.6, 0.0),
    ],
)
def test_rewards_by_hand(index, within, beyond):
    """Quality 0.6 at 80 and at 160 ticks under a budget of 100."""
    costs, budgets = jnp.array([[80], [160], [80]]), jnp.full((3, 1), 100)
    quality = jnp.array([0.6, 0.6, -jnp.inf])
    found = rewards(TINY.problem, jnp.zeros((3, 6), jnp.int32), quality, costs, budgets, jnp.float32(index), WEIGHT)
    np.testing.assert_allclose(found, [within, beyond, -np.inf], rtol=1e-6)


def test_rewards_of_two_costs_by_hand():
    """0.6 at half of one budget and one and a half times the other."""
    found = {
        name: float(row(jnp.array([0.6]), jnp.array([[50, 150]]), jnp.array([[100, 100]]), WEIGHT)[0])
        for name, row in REWARDS.items()
    }
    by_hand = {
        "mnasnet_soft": 0.6 * 0.75**-0.07,
        "mnasnet_hard": 0.4,
        "tunas": 0.6 - 0.07 * (0.5 + 0.5),
        "dominance": -0.5,
        "error_points": -150.0,
        "mixed": 0.93 * 0.6 - 0.07 * 2.0,
        "constrained": 0.0,
    }
    assert found == pytest.approx(by_hand, rel=1e-6)


def test_dominance_counts_a_single_tick_that_float32_does_not_see():
    costs, budgets = jnp.array([[2**29 + 1], [2**29]]), jnp.full((2, 1), 2**29)
    found = REWARDS["dominance"](jnp.array([0.9, 0.5]), costs, budgets, WEIGHT)
    assert float(found[1]) == 0.5
    assert float(found[0]) < 0


@pytest.mark.parametrize(("index", "row"), [(0.4, 0), (1.0, 1), (1.6, None), (-1.0, None), (5.0, None)])
def test_an_index_without_a_row_is_nan_and_no_other_row(index, row):
    found = choose(jnp.array([[1.0], [2.0]]), jnp.float32(index))
    assert np.isnan(found[0]) if row is None else float(found[0]) == [1.0, 2.0][row]


BUDGETS = np.linspace(TINY.problem.low, TINY.problem.high, 13).astype(np.int32)


@jax.jit
def best_rows(weight):
    """The oracle's row of highest reward, by each of the table's rows ``[R]`` and under each budget ``[13]``."""
    tokens = jnp.asarray(TINY.oracle.tokens)
    quality, costs = evaluate(TINY.problem, tokens)

    def best(index, budget):
        asked = jnp.broadcast_to(budget, costs.shape)
        return jnp.argmax(rewards(TINY.problem, tokens, quality, costs, asked, index, weight))

    each_budget = jax.vmap(best, (None, 0))
    return jax.vmap(each_budget, (0, None))(jnp.arange(4.0), jnp.asarray(BUDGETS))


@pytest.mark.parametrize("weight", [0.07, 0.5, 1.0])
def test_the_soft_reward_is_blind_to_the_budget_and_the_others_are_not(weight):
    """Of all 351 architectures the soft reward prefers the same one under every budget, whatever its weight."""
    rows = np.asarray(best_rows(jnp.float32(weight)))
    different = [len(set(row)) for row in rows]
    assert different[SOFT] == 1
    assert min(different[HARD], different[TUNAS], different[DOMINANCE]) > 1
    best = TINY.oracle.best(testing.runs.raw_of(TINY, BUDGETS))
    np.testing.assert_array_equal(TINY.oracle.quality[rows[DOMINANCE]], best)
    # Nor is the hard reward a bound: at small budgets a good architecture far beyond them is worth more.
    assert (TINY.oracle.quality[rows[HARD]] > best).any()


def test_a_learned_ranker_takes_the_place_of_dominance_alone():
    module = ranker.RankerNetwork((4,))
    anchors = jnp.array([1.0, 2.0, 4.0])
    tokens, costs = jnp.asarray(TINY.oracle.tokens[:5]), jnp.full((5, 1), 7)
    features = path_features(TINY.problem, tokens)
    learned = ranker.Ranker(module.init(jax.random.key(0), features, jnp.eye(3)[:1]), anchors, module)
    problem = dataclasses.replace(TINY.problem, ranker=learned)
    budgets = jnp.linspace(TINY.problem.low[0], TINY.problem.high[0], 5).astype(jnp.int32)[:, None]
    quality = jnp.linspace(0.1, 0.5, 5)
    call = functools.partial(rewards, tokens=tokens, quality=quality, costs=costs, budgets=budgets, weight=WEIGHT)
    in_ms = budgets[:, 0] * float(TINY.problem.tick[0])
    expected = ranker.score(learned, features, anchor_weights(in_ms, anchors))
    np.testing.assert_allclose(call(problem, index=jnp.float32(DOMINANCE)), expected, rtol=1e-6)
    np.testing.assert_allclose(call(problem, index=jnp.float32(POINTS)), expected, rtol=1e-6)
    np.testing.assert_array_equal(call(problem, index=jnp.float32(TUNAS)), call(TINY.problem, index=jnp.float32(TUNAS)))
    two = dataclasses.replace(testing.tiny_problem(variant="two_costs").problem, ranker=learned)
    with pytest.raises(ValueError, match="knows one cost column, this problem has 2"):
        rewards(two, tokens, quality, costs, budgets, jnp.float32(DOMINANCE), WEIGHT)


# Baselines

REWARD = jnp.array([[1.0, 3.0], [5.0, -jnp.inf]])
AT = jnp.array([[1.0, 0.0, 0.0], [0.0, 0.5, 0.5]])
POSITION = jnp.array([[0.0], [0.75]])


def remembering(total, count):
    memory = baselines.init_memory(jax.random.key(0), 3, 1)
    return dataclasses.replace(memory, total=jnp.array(total), count=jnp.array(count))


@pytest.mark.parametrize(
    ("changed", "by_hand"),
    [
        ({"baseline": "none"}, [[1, 3], [5, 0]]),
        # Anchors stand at 2 and 4; the third was never asked for and has no say.
        ({"baseline": "moving"}, [[-1, 1], [1, 0]]),
        ({"baseline": "group"}, [[-1, 1], [0, 0]]),
        ({"baseline": "group", "reward_scale": 0.25}, [[-0.25, 0.25], [0, 0]]),
        # A group without spread is not scaled.
        ({"baseline": "none", "standardise": True, "reward_scale": 2}, [[2, 6], [10, 0]]),
        ({"baseline": 7}, [[0, 0], [0, 0]]),
    ],
)
def test_advantages_by_hand(changed, by_hand):
    memory = remembering([2.0, 8.0, 0.0], [1.0, 2.0, 0.0])
    params = defaults(**{"standardise": False, **changed})
    found, finite = baselines.advantages(memory, REWARD, AT, POSITION, params)
    np.testing.assert_allclose(found, by_hand, atol=1e-6)
    assert finite.tolist() == ([[True, True], [True, False]] if changed["baseline"] != 7 else [[False] * 2] * 2)


def test_standardised_advantages_have_deviation_1_in_their_group():
    reward = jnp.array([[0.1, 0.2, 0.6], [5.0, 5.0, 5.0]])
    found, _ = baselines.advantages(remembering([0.0] * 3, [0.0] * 3), reward, AT, POSITION, defaults())
    deviation = np.std([0.1, 0.2, 0.6])
    np.testing.assert_allclose(found, [(np.array([0.1, 0.2, 0.6]) - 0.3) / deviation, [0, 0, 0]], atol=1e-5)


def test_the_moving_average_by_hand():
    """Two rewards at the first anchor; one, halved, at the others; what was not asked for keeps what it knows."""
    memory = remembering([2.0, 8.0, 0.0], [1.0, 2.0, 0.0])
    params = defaults(baseline_decay=0.5)
    after = baselines.remember(memory, REWARD, AT, POSITION, params)
    np.testing.assert_allclose(after.total, [0.5 * 2 + 4, 0.5 * 8 + 2.5, 2.5])
    np.testing.assert_allclose(after.count, [0.5 * 1 + 2, 0.5 * 2 + 0.5, 0.5])
    np.testing.assert_allclose(baselines.moving_average(after, AT), [5 / 2.5, (6.5 / 1.5 + 2.5 / 0.5) / 2], rtol=1e-6)
    again = baselines.remember(after, REWARD[:1], AT[:1], POSITION[:1], params)
    np.testing.assert_array_equal(again.total[1:], after.total[1:])
    forgotten = baselines.forget(again)
    assert baselines.moving_average(forgotten, AT).tolist() == [0.0, 0.0]


def test_the_learned_value_becomes_the_mean_reward_of_each_budget():
    position = jnp.array([[0.0], [0.5], [1.0]])
    reward = jnp.array([[0.0, 1.0], [2.0, jnp.nan], [-1.0, -3.0]])

    def step(memory, _):
        return baselines.remember(memory, reward, jnp.eye(3), position, defaults()), None

    memory, _ = jax.lax.scan(step, baselines.init_memory(jax.random.key(0), 3, 1), None, 1500)
    found, _ = baselines.advantages(memory, reward, jnp.eye(3), position, defaults(baseline="value", standardise=False))
    np.testing.assert_allclose(found, [[-0.5, 0.5], [0.0, 0.0], [1.0, -1.0]], atol=0.02)


# The gradient


def test_the_surrogate_by_hand():
    """Ratios 2 and 0.5: a sample that has already moved the right way far enough counts no more."""
    ratio = jnp.log(jnp.array([2.0, 2.0, 0.5, 0.5]))
    advantage = jnp.array([1.0, -1.0, 1.0, -1.0])
    each = jax.grad(lambda x: objective.surrogate(x, jnp.zeros(4), advantage, jnp.float32(0.2)))(ratio)
    np.testing.assert_allclose(4 * each, [0.0, -2.0, 0.5, 0.0], atol=1e-6)
    free = jax.grad(lambda x: objective.surrogate(x, jnp.zeros(4), advantage, jnp.float32(0.0)))(ratio)
    np.testing.assert_allclose(4 * free, [2.0, -2.0, 0.5, -0.5], atol=1e-6)


@pytest.mark.parametrize("clip", [0.0, 0.2])
def test_at_ratio_1_the_gradient_is_the_plain_one(clip):
    log_prob, advantage = jnp.array([-1.5, -0.25, -3.0]), jnp.array([0.5, -2.0, 0.0])
    found = jax.grad(objective.surrogate)(log_prob, log_prob, advantage, jnp.float32(clip))
    np.testing.assert_allclose(found, advantage / 3, rtol=1e-6)


def test_schedules_begin_and_end_where_they_should():
    params = defaults(entropy=0.5, final_entropy=0.1, entropy_power=2, learning_rate=0.02, final_learning_rate=0.01)
    weights = [float(objective.entropy_weight(params, jnp.float32(share))) for share in (0, 0.5, 1)]
    ends = params["learning_rate"], params["final_learning_rate"]
    rates = [float(annealed(*ends, jnp.float32(share))) for share in (0, 0.5, 1)]
    assert weights == pytest.approx([0.5, 0.4, 0.1])
    assert rates == pytest.approx([0.02, 0.015, 0.01])


ARMS = jnp.array([[0], [1]])
descend = jax.jit(objective.descend, static_argnames="epochs")


@functools.cache
def tilted():
    """A policy on two arms that prefers arm 1, budgets for both arms, a fresh state of Adam, and p0 and p1."""
    problem = two_arms()
    policy = init_policy(jax.random.key(0), problem.spec, 4, 1)
    policy = dataclasses.replace(policy, params={**policy.params, "layer_bias_0": jnp.array([[0.0, 0.7]])})
    budgets = jnp.repeat(problem.high[None], 2, 0)
    low, high = np.exp(np.asarray(score(policy, problem, ARMS, budgets).log_prob, np.float64))
    return policy, budgets, optax.scale_by_adam().init(policy.params), low, high


def followed(optimiser):
    """The gradient that Adam was given in its first step, uphill: its first moment is a tenth of it."""
    return jax.tree.map(lambda leaf: -leaf / 0.1, optimiser.mu)


def test_the_gradient_of_two_arms_is_the_analytic_one():
    """d E[R] / d logit 1 = p0 p1 (r1 - r0), from both arms weighted with their probabilities."""
    policy, budgets, start, low, high = tilted()
    assert low + high == pytest.approx(1.0)
    samples = objective.Samples(ARMS, budgets, 2 * jnp.array([low * 0.25, high * 0.75], jnp.float32))
    params = defaults(entropy=0, clip=0.2)
    _, optimiser, terms = descend(policy, start, two_arms(), samples, params, jnp.float32(0), epochs=1)
    slope = low * high * 0.5
    np.testing.assert_allclose(followed(optimiser)["layer_bias_0"], [[-slope, slope]], rtol=1e-5)
    assert float(terms["entropy"]) == pytest.approx(-np.log(low) * low - np.log(high) * high, rel=1e-5)
    assert float(terms["drift"]) == 0.0


def test_entropy_alone_is_climbed_with_its_weight():
    """d H / d logit 1 = -p0 p1 (l1 - l0)."""
    policy, budgets, start, low, high = tilted()
    samples = objective.Samples(ARMS, budgets, jnp.zeros(2))
    params = defaults(entropy=0.5)
    _, optimiser, _ = descend(policy, start, two_arms(), samples, params, jnp.float32(0), epochs=1)
    slope = -0.5 * low * high * np.log(high / low)
    np.testing.assert_allclose(followed(optimiser)["layer_bias_0"], [[-slope, slope]], rtol=1e-4)


def test_an_update_follows_the_gradient_of_what_it_sampled():
    """With the group's mean as baseline and a share f of arm 1 it is f (1 - f) (r1 - r0), exactly."""
    problem = two_arms()
    controller = make_single(problem.spec, hidden=4, group=64)
    params = controllers.resolve_params(controller, {"budget": 1.0, "standardise": False, "entropy": 0.0})
    state = controllers.init(controller, problem, 0, params)
    after, metrics = jax.jit(controller.update)(state, jax.random.key(1), problem, params, jnp.float32(0))
    share = (float(metrics["reward"]) - 0.25) / 0.5
    assert 0.25 < share < 0.75
    slope = share * (1 - share) * 0.5
    np.testing.assert_allclose(followed(after.optimiser)["layer_bias_0"], [[-slope, slope]], rtol=1e-4)
    assert float(metrics["evaluations"]) == 64


def test_a_second_epoch_follows_ratios_to_the_policy_that_drew():
    policy, budgets, start, _, _ = tilted()
    problem, samples = two_arms(), objective.Samples(ARMS, budgets, jnp.array([-1.0, 3.0]))
    params = defaults(entropy=0.0, clip=0.9, learning_rate=0.01)
    run = functools.partial(descend, policy, start, problem, samples, params, jnp.float32(0))
    found, _, terms = run(epochs=2)
    once, optimiser, _ = run(epochs=1)
    old = score(policy, problem, ARMS, budgets).log_prob

    @jax.jit
    def second(weights, optimiser):
        def loss(weights):
            now = decode.score(dataclasses.replace(policy, params=weights), problem, ARMS, budgets).log_prob
            return -jnp.mean(jnp.exp(now - old) * samples.advantage)

        updates, _ = optax.scale_by_adam().update(jax.grad(loss)(weights), optimiser)
        return jax.tree.map(lambda leaf, step: leaf - 0.01 * step, weights, updates)

    expected = second(once.params, optimiser)
    for one, two in zip(jax.tree.leaves(found.params), jax.tree.leaves(expected), strict=True):
        np.testing.assert_allclose(one, two, atol=1e-6)
    moved = score(once, problem, ARMS, budgets).log_prob - old
    assert float(terms["drift"]) == pytest.approx(float(jnp.abs(moved).mean()), rel=1e-3)


# The controllers


def test_the_published_controller_is_a_policy_gradient_at_fixed_budgets():
    """Two updates, written down: -log pi (R - mean R of the budget) - 1e-3 H, unmasked, Adam at 3e-4."""
    problem = TINY.problem
    controller = make_published(problem.spec, hidden=4, anchors=3, samples=4)
    params = controllers.resolve_params(controller)
    state, update = controllers.init(controller, problem, 0), jax.jit(controller.update)
    adam = optax.adam(3e-4)
    policy, optimiser = state.policy, adam.init(state.policy.params)
    asked, free = jnp.repeat(fixed_budgets(problem, 3), 4, 0), masked(problem, jnp.float32(0))

    @jax.jit
    def written(policy, optimiser, key):
        tokens, costs = decode.sample(policy, free, asked, jax.random.split(key)[1])
        excess = (costs - asked)[:, 0] / asked[:, 0]
        reward = jnp.where(excess <= 0, evaluate(problem, tokens)[0], -excess).reshape(3, 4)
        advantage = (reward - reward.mean(-1, keepdims=True)).ravel()

        def loss(weights):
            scores = decode.score(dataclasses.replace(policy, params=weights), free, tokens, asked)
            return -jnp.mean(scores.log_prob * advantage) - 1e-3 * scores.entropy.mean()

        updates, optimiser = adam.update(jax.grad(loss)(policy.params), optimiser, policy.params)
        return dataclasses.replace(policy, params=optax.apply_updates(policy.params, updates)), optimiser

    for number in range(2):
        key = jax.random.key(number)
        state, metrics = update(state, key, problem, params, jnp.float32(number / 2))
        policy, optimiser = written(policy, optimiser, key)
    for one, two in zip(jax.tree.leaves(state.optimiser.mu), jax.tree.leaves(optimiser[0].mu), strict=True):
        np.testing.assert_allclose(one, two, rtol=1e-4, atol=1e-6)
    assert float(metrics["evaluations"]) == 24
    assert float(metrics["infeasible"]) > 0


def test_the_published_controller_takes_one_cost():
    with pytest.raises(ValueError, match="one cost column"):
        make_published(testing.tiny_problem(variant="two_costs").problem.spec)


def test_pnag_is_the_released_update():
    """Three updates, written down: -log pi * 1e-3 R - 1e-3 H, R in points, a sample each, Adam at 3e-4, no baseline."""
    problem, weight = TINY.problem, 1e-3
    controller = make_pnag(problem.spec, hidden=4, anchors=3)
    params = controllers.resolve_params(controller)
    state = controllers.init(controller, problem, 0)
    update = jax.jit(controller.update)
    adam = optax.adam(3e-4)
    policy, optimiser = state.policy, adam.init(state.policy.params)
    low, high = int(problem.low[0]), int(problem.high[0])
    three = np.array([[low], [(low + high) // 2], [high]])
    np.testing.assert_allclose(fixed_budgets(problem, 3), three, atol=2)
    np.testing.assert_allclose(state.policy.anchors[0], np.log(three[:, 0] / low) / np.log(high / low), atol=1e-5)

    @jax.jit
    def written(policy, optimiser, key):
        budget_key, sample_key = jax.random.split(key)
        budget = fixed_budgets(problem, 3)[jax.random.randint(budget_key, (1,), 0, 3)]
        free = masked(problem, jnp.float32(0))
        tokens, costs = decode.sample(policy, free, budget, sample_key)
        quality, _ = evaluate(problem, tokens)
        reward = jnp.where(costs[0, 0] <= budget[0, 0], quality[0], 1.0 - costs[0, 0] / budget[0, 0])

        def loss(weights):
            scores = decode.score(dataclasses.replace(policy, params=weights), free, tokens, budget)
            return -scores.log_prob[0] * weight * 100 * (reward - 1) - weight * scores.entropy[0]

        updates, optimiser = adam.update(jax.grad(loss)(policy.params), optimiser, policy.params)
        return dataclasses.replace(policy, params=optax.apply_updates(policy.params, updates)), optimiser

    for number in range(3):
        key = jax.random.key(number)
        state, metrics = update(state, key, problem, params, jnp.float32(number / 3))
        policy, optimiser = written(policy, optimiser, key)
    for one, two in zip(jax.tree.leaves(state.optimiser.mu), jax.tree.leaves(optimiser[0].mu), strict=True):
        np.testing.assert_allclose(one, two, rtol=1e-4, atol=1e-7)
    for name, weights in policy.params.items():
        # Rows of an anchor not drawn yet get a gradient of rounding errors, which Adam enlarges.
        if name != "embedding" and not name.startswith("anchor_logits"):
            np.testing.assert_allclose(state.policy.params[name], weights, atol=3e-6)
    assert float(metrics["evaluations"]) == 3


def test_without_the_mask_every_choice_stays_open_beyond_the_budget():
    """At the cheapest budget nearly every prefix overspends; choices and entropy are those of no budget at all."""
    problem = TINY.problem
    free = masked(problem, jnp.float32(0))
    policy = init_policy(jax.random.key(0), problem.spec, 4, 1)
    policy = dataclasses.replace(policy, params=jax.tree.map(jnp.zeros_like, policy.params))
    tokens, costs = sample(policy, free, jnp.repeat(problem.low[None], 256, 0), jax.random.key(0))
    assert (np.asarray(costs) > np.asarray(problem.low)).mean() > 0.9
    assert (TINY.oracle.rows(np.asarray(tokens)) >= 0).all()
    shares = np.bincount(np.asarray(tokens[:, 3]), minlength=3) / 256
    np.testing.assert_allclose(shares, 1 / 3, atol=0.1)
    scores = score(policy, free, tokens, jnp.repeat(problem.low[None], 256, 0))
    # A decision of depth and as many layers as it says.
    decisions = 4 + np.asarray(tokens[:, 0])
    np.testing.assert_allclose(scores.entropy, decisions * np.log(3), rtol=1e-5)
    np.testing.assert_allclose(scores.log_prob, -decisions * np.log(3), rtol=1e-5)
    held = masked(problem, jnp.float32(1))
    np.testing.assert_array_equal(held.need, problem.need)


@pytest.fixture(scope="module")
def conditioned():
    controller = make(two_arms().spec, hidden=4, anchors=4, budgets=4, group=4)
    return controller, controllers.init(controller, two_arms(), 0), jax.jit(controller.update)


def test_rewards_of_another_problem_are_forgotten_and_the_policy_is_not(conditioned):
    controller, state, update = conditioned
    params = controllers.resolve_params(controller)
    after, _ = update(state, jax.random.key(0), two_arms(), params, jnp.float32(0))
    assert np.asarray(after.memory.count).sum() > 0
    moved = controller.rebase(after, two_arms())
    assert np.asarray(moved.memory.count).tolist() == [0.0] * 4
    assert int(moved.evaluations) == int(after.evaluations) == 16
    for one, two in zip(jax.tree.leaves(moved.policy), jax.tree.leaves(after.policy), strict=True):
        np.testing.assert_array_equal(one, two)


@pytest.mark.parametrize(
    ("given", "infeasible", "nonfinite"),
    [({}, False, 0), ({"mask": False}, True, 0), ({"reward": jnp.float32(9)}, False, 16)],
)
def test_the_mask_and_what_is_counted(conditioned, given, infeasible, nonfinite):
    controller, state, update = conditioned
    params = {**controllers.resolve_params(controller), **{name: jnp.float32(value) for name, value in given.items()}}
    after, metrics = update(state, jax.random.key(0), two_arms(), params, jnp.float32(0))
    assert (float(metrics["infeasible"]) > 0) == infeasible
    assert float(metrics["nonfinite"]) == nonfinite
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(after.policy.params))


def test_one_search_a_budget_side_by_side_and_blind_to_any_other():
    """Within the cheapest budget lies one arm, so there is nothing to learn; within the costliest lie both."""
    problem = two_arms()
    controller = make_single(problem.spec, hidden=4, group=64)
    state, params = controllers.init(controller, problem, 0), controllers.resolve_params(controller)

    def update(share):
        return controller.update(state, jax.random.key(0), problem, {**params, "budget": share}, jnp.float32(0))

    after, metrics = jax.jit(jax.vmap(update))(jnp.array([0.0, 1.0]))
    assert metrics["infeasible"].tolist() == [0.0, 0.0]
    assert float(metrics["reward"][0]) == 0.25
    cheapest, costliest = np.asarray(after.optimiser.mu["layer_bias_0"])
    np.testing.assert_allclose(cheapest, 0.0, atol=1e-7)
    assert np.abs(costliest).max() > 1e-3
    tables = policy_tables(state.policy, problem, jnp.stack([problem.low, problem.high]))
    np.testing.assert_array_equal(tables.budget[0], tables.budget[1])


@pytest.mark.parametrize(
    ("factory", "sizes"),
    [(make, {"group": 0}), (make, {"epochs": -1}), (make_single, {"hidden": 0}), (make_pnag, {"anchors": 0})],
)
def test_sizes_below_1_are_refused(factory, sizes):
    (name,) = sizes
    with pytest.raises(ValueError, match=f"{name}=.*must be an integer of at least 1"):
        factory(TINY.problem.spec, **sizes)


def test_without_jitter_every_update_trains_at_the_same_budgets():
    """Three budgets from 16 to 4,096 ticks on a logarithmic scale: 16, 256, 4,096."""
    problem = dataclasses.replace(TINY.problem, low=jnp.array([16]), high=jnp.array([4096]))
    for seed in range(3):
        fixed = draw(jax.random.key(seed), problem, 3, jnp.float32(0))
        np.testing.assert_allclose(np.sort(fixed[:, 0]), [16, 256, 4096], atol=1)
        anywhere = np.sort(draw(jax.random.key(seed), problem, 2, jnp.float32(1))[:, 0])
        assert 16 <= anywhere[0] <= 256 <= anywhere[1] <= 4096
        assert anywhere[0] > 17
    assert draw(jax.random.key(0), problem, 1, jnp.float32(0)).tolist() == [[4096]]
