"""nag_pathwise: the flow over the trellis against enumeration, straight-through values, two-path gates by hand."""

import functools
import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from nagjax import controllers, testing
from nagjax.budgets import open_budgets
from nagjax.devices.pricing import Prices
from nagjax.generator import decode
from nagjax.generator.policy import init_policy
from nagjax.generator.walk import unmasked
from nagjax.operators import Operator
from nagjax.predictors.forms.table import tabular_quality
from nagjax.problems.build import make_problem
from nagjax.problems.problem import evaluate, path_costs, path_features
from nagjax.spaces import trellis as tl
from nagjax.spaces.space import Decision, Space
from nagjax.spaces.trellis import INFINITE, walk_nodes
from nagjax_nag import edge_flow, gates, gumbel, make_pathwise, pathwise, traced_walk
from tests import tiny

PROBLEM = tiny.make()[0]
FREE = unmasked(PROBLEM)
"""Every choice that exists is open, whatever was spent."""
EVERY = jnp.asarray(tiny.architectures())
walk = jax.jit(traced_walk.walk)
soft = jax.jit(edge_flow.soft)
hard = jax.jit(edge_flow.hard)


def random_scores(seed=0, num=1):
    spec = PROBLEM.spec
    return jnp.asarray(
        np.random.default_rng(seed).normal(0, 1.5, (num, spec.num_layers, spec.num_choices)), jnp.float32
    )


def expected(scores, problem, mask):
    """Expected features and costs by listing all architectures: each node chooses by the softmax of what it may.

    ``scores`` ``[T, C]``; ``mask`` ``[T, S, C]``.
    """
    log_p = jax.nn.log_softmax(jnp.where(mask, scores[:, None], -jnp.inf), -1)
    nodes = walk_nodes(problem.target, EVERY)
    path = log_p[jnp.arange(EVERY.shape[1])[None], nodes, EVERY].sum(-1)
    shares = path_costs(problem, EVERY) / problem.high.astype(jnp.float32)[None]
    return jnp.exp(path) @ path_features(problem, EVERY), jnp.exp(path) @ shares


# The flow


def test_the_flow_is_the_expectation_over_all_architectures():
    scores = random_scores()
    found = soft(FREE, scores, EVERY[:1], open_budgets(PROBLEM, 1))
    features, costs = expected(scores[0], PROBLEM, PROBLEM.need[0] < INFINITE)
    np.testing.assert_allclose(found.features[0], features, rtol=1e-5)
    np.testing.assert_allclose(found.costs[0], costs, rtol=1e-5)


def test_the_gradient_of_the_flow_is_that_of_the_expectation():
    """Of a random sum of features and cost; choices that do not exist have none, depth has one without own features."""
    weights = jnp.asarray(np.random.default_rng(1).normal(0, 1, PROBLEM.spec.num_features), jnp.float32)
    exists, budgets = PROBLEM.need[0] < INFINITE, open_budgets(PROBLEM, 1)

    def by_flow(scores):
        totals = edge_flow.soft(FREE, scores[None], EVERY[:1], budgets)
        return totals.features[0] @ weights + 3 * totals.costs[0, 0]

    def by_listing(scores):
        features, costs = expected(scores, PROBLEM, exists)
        return features @ weights + 3 * costs[0]

    scores = random_scores()[0]
    listed = jax.jit(jax.grad(by_listing))(scores)
    found = jax.jit(jax.grad(by_flow))(scores)
    np.testing.assert_allclose(found, listed, atol=1e-5)
    assert np.abs(np.asarray(found[1, :2])).min() > 1e-3


def test_without_the_flow_depth_has_no_gradient_from_features():
    """All probability stays on the sampled nodes: what another depth would bring is not seen."""
    weights = jnp.arange(1.0, 1 + PROBLEM.spec.num_features)

    def total(scores, spread):
        tokens, budgets = EVERY[-1:], open_budgets(PROBLEM, 1)
        return edge_flow.soft(FREE, scores, tokens, budgets, spread).features[0] @ weights

    slope = jax.jit(jax.grad(total))
    np.testing.assert_allclose(slope(random_scores(), jnp.float32(0))[0, 1], 0.0, atol=1e-7)
    assert np.abs(np.asarray(slope(random_scores(), jnp.float32(1))[0, 1, :2])).min() > 1e-3


def test_masks_of_all_nodes_are_those_of_the_budget_by_hand():
    """One cost column: what fits, and where nothing fits the cheapest way on; for every node of every layer."""
    for t, (left, budget) in itertools.product(range(4), ((2**28, 2**29), (2**29, 2**29), (-5, 2**29), (0, 2**20))):
        need = np.asarray(PROBLEM.need[0, t])
        found = edge_flow.node_masks(PROBLEM.need[:, t], jnp.array([[left]]), jnp.array([[budget]]))[..., 0]
        for node, row in enumerate(need):
            exists = row < INFINITE
            fits = exists & (row <= left)
            by_hand = fits if fits.any() or not exists.any() else exists & (row == row[exists].min())
            np.testing.assert_array_equal(found[node], by_hand)


def test_sampled_nodes_have_the_mask_of_the_walk():
    """The flow at temperature 0 is the sampled path itself, at any budget: so its masks contain the choices taken."""
    low, high = int(PROBLEM.low[0]), int(PROBLEM.high[0])
    budgets = jnp.asarray(np.linspace(low, high, 40).astype(np.int32)[:, None])
    noise = traced_walk.gumbel_noise(jax.random.key(0), PROBLEM.spec, 40)
    trace = walk(tiny.make_policy(PROBLEM.spec), PROBLEM, budgets, noise)
    assert (np.asarray(trace.costs) <= np.asarray(budgets)).all()
    cold = 1e6 * (trace.logits + jnp.moveaxis(noise, 0, 1))
    found, real = soft(PROBLEM, cold, trace.tokens, budgets), hard(PROBLEM, trace.tokens)
    np.testing.assert_allclose(found.features, real.features, atol=1e-6)
    np.testing.assert_allclose(found.costs, real.costs, atol=1e-6)


def test_scores_far_apart_neither_overflow_nor_leave_nan():
    scores = 1e4 * random_scores(3, 8)
    budgets = jnp.repeat(PROBLEM.low[None], 8, 0)
    cheapest = walk(tiny.make_policy(PROBLEM.spec), PROBLEM, budgets, jnp.zeros((4, 8, PROBLEM.spec.num_choices)))
    slope = jax.jit(jax.grad(lambda s: edge_flow.soft(PROBLEM, s, cheapest.tokens, budgets).costs.sum()))(scores)
    assert np.isfinite(slope).all()


def test_straight_through_is_exactly_the_sampled_architecture_with_the_gradient_of_the_flow():
    tokens, budgets = EVERY, open_budgets(PROBLEM, len(EVERY))
    scores = random_scores(2, len(EVERY))

    @jax.jit
    def both(scores):
        relaxed = edge_flow.soft(PROBLEM, scores, tokens, budgets)
        return edge_flow.straight_through(edge_flow.hard(PROBLEM, tokens), relaxed), relaxed

    mixed, _ = both(scores)
    np.testing.assert_array_equal(mixed.features, path_features(PROBLEM, tokens))
    np.testing.assert_array_equal(mixed.costs, path_costs(PROBLEM, tokens) / PROBLEM.high.astype(jnp.float32)[None])
    slopes = [jax.jit(jax.grad(lambda s, i=i: both(s)[i].features[:, :3].sum()))(scores) for i in (0, 1)]
    np.testing.assert_allclose(slopes[0], slopes[1], atol=1e-6)
    halves = edge_flow.straight_through(mixed, both(scores)[1], 0.0)
    np.testing.assert_array_equal(halves.features, both(scores)[1].features)


def test_only_what_exceeds_a_budget_is_priced_and_maxima_are_not():
    problem = testing.tiny_problem(variant="two_costs").problem
    tokens = jnp.array([[2, 2, 2, 2, 2]])
    totals = edge_flow.hard(problem, tokens)
    cost = int(path_costs(problem, tokens)[0, 0])
    budgets = jnp.array([[cost, 1], [cost // 2, 1]])
    both = jax.tree.map(lambda leaf: jnp.repeat(leaf, 2, 0), totals)
    np.testing.assert_allclose(edge_flow.excess(problem, both, budgets), [0.0, 1.0], atol=1e-5)


# The traced walk


def test_the_walk_with_noise_draws_from_the_policy():
    """Frequencies of 20,000 samples against exp(log pi) by ``decode.score``, and the greedy walk against ``greedy``."""
    policy, num = tiny.make_policy(PROBLEM.spec), 20_000
    budgets = jnp.repeat(((PROBLEM.low + PROBLEM.high) // 2)[None], num, 0)
    trace = walk(policy, PROBLEM, budgets, traced_walk.gumbel_noise(jax.random.key(1), PROBLEM.spec, num))
    drawn, counts = np.unique(np.asarray(trace.tokens), axis=0, return_counts=True)
    scores = jax.jit(decode.score)(policy, PROBLEM, jnp.asarray(drawn), budgets[: len(drawn)])
    np.testing.assert_allclose(counts / num, np.exp(scores.log_prob), atol=0.012)
    again = jax.jit(decode.score)(policy, PROBLEM, trace.tokens[:50], budgets[:50])
    np.testing.assert_allclose(traced_walk.entropy(trace)[:50], again.entropy, rtol=1e-4)
    zeros = jnp.zeros((PROBLEM.spec.num_layers, 3, PROBLEM.spec.num_choices))
    best, _ = jax.jit(decode.greedy)(policy, PROBLEM, budgets[:3])
    np.testing.assert_array_equal(walk(policy, PROBLEM, budgets[:3], zeros).tokens, best)


# Gates


@functools.cache
def three_arms():
    """One decision: quality 0.2, 0.5, 0.6 for 1, 2, 3 ms."""
    decision = Decision("arm", "arm", tuple({"arm": arm} for arm in range(3)))
    graph, operators = tl.build(
        1,
        "start",
        lambda t, node: [tl.Edge(c, "end", (Operator("conv", 8, 8, 4, 4 + c),), (f"{c}",)) for c in range(3)],
        "012",
    )
    space = Space(
        name="arms", version=1, settings={}, decisions=(decision,), trellis=graph, operators=operators,
        feature_names=("0", "1", "2"), parse_text=lambda text: [int(text)],
        format_tokens=lambda tokens: str(tokens[0]), describe_tokens=str,
    )  # fmt: skip
    prices = Prices("latency_ms", "ms", np.array([1.0, 2.0, 3.0]), graph.valid, device="made up")
    return make_problem(space, [prices], tabular_quality(space, np.arange(3)[:, None], np.array([0.2, 0.5, 0.6])))[0]


def trace_of(logits, tokens, mask=None):
    """A made-up trace of one decision a row, with as many choices as logits."""
    logits = jnp.asarray(logits)[:, None]
    mask = jnp.ones(logits.shape, bool) if mask is None else mask
    return traced_walk.Trace(jnp.asarray(tokens)[:, None], jnp.zeros((len(logits), 1), int), logits, mask, mask[..., 0])


def test_two_gates_by_hand():
    """Three choices with logits 0, 1, 2; choices 0 and 2 compete: p_0 = 1 / (1 + e^2), gain R_0 - R_2 = 3.

    d (p_0 R_0 + p_2 R_2) / d logit_0 = p_0 p_2 (R_0 - R_2), the opposite for choice 2, nothing for choice 1.
    """

    def climbed(logits):
        trace = trace_of(logits, [0])
        pairs = gates.Pairs(jnp.array([[0]]), jnp.array([[2]]), jnp.array([[3.0]]), jnp.zeros(2), jnp.zeros((2, 1)))
        return gates.objective(trace, pairs)

    value, slope = jax.value_and_grad(climbed)(jnp.array([[0.0, 1.0, 2.0]]))
    first = 1 / (1 + np.exp(2.0))
    assert float(value) == pytest.approx(3 * first, rel=1e-5)
    np.testing.assert_allclose(slope[0], [3 * first * (1 - first), 0.0, -3 * first * (1 - first)], atol=1e-6)


@functools.cache
def drawn(gaps=0.0, pairs=3, num=64):
    problem = testing.tiny_problem(gaps=gaps).problem
    policy = init_policy(jax.random.key(0), problem.spec, 4, 3)
    budgets = jnp.repeat((problem.low + (problem.high - problem.low) // 3)[None], num, 0)
    noise = traced_walk.gumbel_noise(jax.random.key(1), problem.spec, num)

    @jax.jit
    def run(key):
        trace = traced_walk.walk(policy, problem, budgets, noise)
        return trace, gates.draw(problem, trace, budgets, noise, pairs, 8, key)

    return problem, budgets, *run(jax.random.key(2))


def test_every_second_choice_is_another_open_one_and_what_is_evaluated_keeps_the_budget():
    problem, budgets, trace, pairs = drawn()
    decision, other = np.asarray(pairs.decision), np.asarray(pairs.other)
    rows = np.arange(len(decision))[:, None]
    assert all(len(set(row)) == 3 for row in decision.tolist())
    used = np.asarray(trace.decided)[rows, decision]
    assert used.mean() > 0.8
    assert (other != np.asarray(trace.tokens)[rows, decision])[used].all()
    assert np.asarray(trace.mask)[rows, decision, other][used].all()
    assert pairs.quality.shape == (64 * 4,)
    assert (np.asarray(pairs.costs) <= int(budgets[0, 0])).all()
    quality, costs = evaluate(problem, trace.tokens)
    np.testing.assert_array_equal(pairs.quality[:64], quality)
    np.testing.assert_array_equal(pairs.costs[:64], costs)


def test_gains_are_differences_of_standardised_quality():
    """Groups of 8 architectures with three second choices each: 32 qualities per budget."""
    _, _, trace, pairs = drawn()
    table = np.concatenate([np.asarray(pairs.quality[:64, None]), np.asarray(pairs.quality[64:]).reshape(64, 3)], 1)
    deviation = table.reshape(8, 32).std(1).repeat(8)[:, None]
    used = np.asarray(trace.decided)[np.arange(64)[:, None], np.asarray(pairs.decision)]
    by_hand = np.where(used, (table[:, :1] - table[:, 1:]) / deviation, 0.0)
    np.testing.assert_allclose(pairs.gain, by_hand, atol=1e-3)


def test_what_is_not_finite_has_no_gain():
    _, _, _, pairs = drawn(gaps=0.4)
    bad = ~np.isfinite(np.asarray(pairs.quality))
    table = np.concatenate([bad[:64, None], bad[64:].reshape(64, 3)], 1)
    assert 8 < bad.sum() < 248
    assert np.isfinite(pairs.gain).all()
    np.testing.assert_array_equal(np.asarray(pairs.gain)[table[:, :1] | table[:, 1:]], 0.0)
    assert (np.asarray(pairs.gain) != 0).any()


def test_the_second_choice_is_drawn_by_the_policy_among_the_others():
    """Probabilities 0.5, 0.3, 0.2: after choice 0 the second is 1 with 0.3 / 0.5, after 1 it is 0 with 5 / 7."""
    num = 30_000
    logits = jnp.broadcast_to(jnp.log(jnp.array([0.5, 0.3, 0.2])), (num, 3))
    problem = three_arms()
    noise = jax.random.gumbel(jax.random.key(0), (1, num, 3))
    tokens = jnp.argmax(logits + noise[0], -1).astype(jnp.int32)
    budgets = jnp.repeat(problem.high[None], num, 0)
    pairs = jax.jit(gates.draw, static_argnums=(4, 5))(
        problem, trace_of(logits, tokens), budgets, noise, 1, 1, jax.random.key(1)
    )
    first, second = np.asarray(tokens), np.asarray(pairs.other)[:, 0]
    assert (second[first == 0] == 1).mean() == pytest.approx(0.6, abs=0.02)
    assert (second[first == 1] == 0).mean() == pytest.approx(5 / 7, abs=0.02)


# The controller


@pytest.fixture(scope="module")
def small():
    """Both estimators on the problem of 24 architectures, one compiled update each."""
    out = {}
    for estimator in pathwise.ESTIMATORS:
        controller = make_pathwise(PROBLEM.spec, estimator, hidden=4, anchors=4, budgets=4, group=4, pairs=2)
        out[estimator] = controller, jax.jit(controller.init), jax.jit(controller.update)
    return out


@pytest.mark.parametrize(("estimator", "each"), [("gates", 3), ("gumbel", 1)])
def test_evaluations_are_counted_and_only_the_relaxed_samples_leave_the_budget(small, estimator, each):
    controller, init, update = small[estimator]
    params = controllers.resolve_params(controller)
    state, over = init(jax.random.key(0), PROBLEM, params), 0.0
    for number in range(3):
        state, metrics = update(state, jax.random.key(number), PROBLEM, params, jnp.float32(0))
        over += float(metrics["infeasible"])
    assert float(metrics["evaluations"]) == 3 * 16 * each
    assert (over > 0) == (estimator == "gumbel")


def test_the_mask_keeps_relaxed_samples_within_the_budget(small):
    controller, init, update = small["gumbel"]
    params = controllers.resolve_params(controller, {"mask": True})
    state = init(jax.random.key(0), PROBLEM, params)
    for number in range(3):
        state, metrics = update(state, jax.random.key(number), PROBLEM, params, jnp.float32(0))
        assert float(metrics["infeasible"]) == 0


def test_the_reward_of_gumbel_by_hand(small):
    """Minus the mean of quality less price times the excess, whatever the temperature: the values are the samples'."""
    del small
    policy = tiny.make_policy(PROBLEM.spec)
    budgets = jnp.repeat(PROBLEM.low[None], 32, 0)
    noise = traced_walk.gumbel_noise(jax.random.key(3), PROBLEM.spec, 32)
    params = {name: jnp.float32(value) for name, value in {**gumbel.DEFAULTS, "price": 0.5}.items()}
    total, seen = jax.jit(gumbel.loss)(policy, PROBLEM, budgets, noise, params, jnp.float32(0.5))
    tokens = walk(policy, FREE, budgets, noise).tokens
    quality, costs = evaluate(PROBLEM, tokens)
    excess = np.maximum(np.asarray(costs)[:, 0] / float(PROBLEM.low[0]) - 1, 0)
    assert excess.max() > 0.1
    np.testing.assert_allclose(seen.quality, quality, rtol=1e-6)
    assert float(total) == pytest.approx(float(-np.mean(np.asarray(quality) - 0.5 * excess)), rel=1e-5)


def test_the_temperature_falls_by_the_same_factor():
    params = {"temperature": jnp.float32(5.0), "final_temperature": jnp.float32(0.05)}
    found = [float(gumbel.temperature(params, jnp.float32(share))) for share in (0, 0.5, 1)]
    assert found == pytest.approx([5.0, 0.5, 0.05])


def test_a_gradient_is_scaled_down_to_the_bound():
    grads = {"a": jnp.array([3.0, jnp.nan]), "b": jnp.array([[4.0]])}
    for bound, factor in ((0.0, 1.0), (10.0, 1.0), (0.5, 0.1)):
        found, norm = pathwise.clipped(grads, jnp.float32(bound))
        assert float(norm) == pytest.approx(5.0)
        np.testing.assert_allclose(found["a"], [3 * factor, 0.0], rtol=1e-6)
        np.testing.assert_allclose(found["b"], [[4 * factor]], rtol=1e-6)


def test_a_table_has_no_gradient_and_gumbel_says_what_to_do():
    table = testing.tiny_problem().problem
    controller = make_pathwise(table.spec, "gumbel", hidden=4)
    with pytest.raises(ValueError, match=r"form table.*estimator=gates, or fit a predictor"):
        controllers.init(controller, table, 0)


@pytest.mark.parametrize(
    ("sizes", "text"),
    [
        ({"estimator": "score"}, "estimator='score' is not one of gates, gumbel"),
        ({"group": 0}, "at least 1"),
        ({"pairs": 5}, "at most the 4 decisions"),
    ],
)
def test_impossible_settings_are_refused(sizes, text):
    with pytest.raises(ValueError, match=text):
        make_pathwise(PROBLEM.spec, **sizes)
