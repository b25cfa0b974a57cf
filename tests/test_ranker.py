"""Dominance and the rankers: worked numbers, brute force over pairs, and what is refused."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from nagjax.budgets import anchor_weights
from nagjax.operators import madds
from nagjax.ranking.dominance import dominance_key, kendall_tau
from nagjax.ranking.ranker import RankerConfig, fit_ranker, pair_loss, score
from nagjax.spaces import nas_bench_macro


def tied_population(seed, num=40):
    """Few distinct values, so that every kind of tie occurs."""
    rng = np.random.default_rng(seed)
    return rng.integers(0, 6, num) / 8, rng.integers(1, 9, num).astype(np.float64)


def brute(q1, c1, q2, c2, budget):
    """Equation 4, with ties."""
    if c1 <= budget and c2 <= budget:
        return int(np.sign(q1 - q2))
    return int(np.sign(c2 - c1))


@pytest.mark.parametrize("budget", [0.5, 3.0, 4.5, 8.0])
def test_the_key_agrees_with_the_equation(budget):
    quality, cost = tied_population(0)
    key = dominance_key(quality, cost, budget)
    expected = [[brute(*pair, budget) for pair in ((a, b, c, d) for c, d in zip(quality, cost, strict=True))]
                for a, b in zip(quality, cost, strict=True)]  # fmt: skip
    np.testing.assert_array_equal(np.sign(key[:, None] - key[None]), expected)
    assert sorted(set(key.tolist())) == list(range(key.max() + 1))


def test_best_key_is_the_best_feasible_architecture():
    quality, cost = tied_population(1)
    for budget in range(1, 9):
        if (cost <= budget).any():
            best = dominance_key(quality, cost, budget).argmax()
            assert cost[best] <= budget
            assert quality[best] == quality[cost <= budget].max()


def test_key_of_several_quality_rows():
    quality, cost = tied_population(2)
    other = quality[::-1].copy()
    both = dominance_key(np.stack([quality, other]), cost, 4.0)
    np.testing.assert_array_equal(both, [dominance_key(quality, cost, 4.0), dominance_key(other, cost, 4.0)])


@pytest.mark.parametrize("seed", range(5))
def test_kendall_tau_equals_counting_all_pairs(seed):
    quality, cost = tied_population(seed)
    scores = np.random.default_rng(seed).integers(0, 9, len(cost)).astype(np.float32)
    right = wrong = untied = 0
    for i, j in itertools.combinations(range(len(cost)), 2):
        truth = brute(quality[i], cost[i], quality[j], cost[j], 4.0)
        agreement = truth * np.sign(scores[i] - scores[j])
        right, wrong, untied = right + (agreement > 0), wrong + (agreement < 0), untied + abs(truth)
    assert kendall_tau(scores, quality, cost, 4.0) == pytest.approx((right - wrong) / untied, abs=1e-12)


def test_kendall_tau_of_constants():
    quality, cost = tied_population(0)
    assert kendall_tau(np.zeros(len(cost)), quality, cost, 4.0) == 0.0
    assert np.isnan(kendall_tau(np.arange(3.0), np.full(3, 0.5), np.ones(3), 4.0))


def test_pair_loss_by_hand():
    scores, ranks = jnp.array([[1.0, 0.5, 3.0]]), jnp.array([[1, 0, 0]])
    # Margins of the pairs that do not tie: 1 - 0.5 and 1 - 3.
    assert pair_loss(scores, ranks, "hinge") == pytest.approx((0.5 + 3.0) / 2)
    assert pair_loss(scores, ranks, "logistic") == pytest.approx((np.log1p(np.exp(-0.5)) + np.log1p(np.exp(2.0))) / 2)
    assert pair_loss(scores, jnp.zeros_like(ranks), "hinge") == 0.0


def synthetic(num=200):
    """Quality and cost that grow with the number of features switched on."""
    rng = np.random.default_rng(0)
    features = rng.integers(0, 2, (num, 12)).astype(np.float32)
    return features, features @ np.linspace(1.0, 2.0, 12) + 1.0, features @ np.linspace(0.08, 0.02, 12)


@pytest.mark.parametrize(("loss", "optimiser", "rate"), [("logistic", "sgd", 0.2), ("hinge", "adam", 1e-2)])
def test_fitted_ranker_ranks_at_and_between_anchors(loss, optimiser, rate):
    features, cost, quality = synthetic()
    config = RankerConfig((32, 32), loss, optimiser, rate, steps=300, batch_size=32)
    seen = []
    fitted = fit_ranker(
        features, cost, quality, np.array([7.0, 10.0, 13.0]), config, 0, anchor_weights, lambda *done: seen.append(done)
    )
    assert fitted.report["kendall_tau"] > 0.6
    assert fitted.report["kendall_tau_between"] > 0.6
    assert (fitted.report["train"], fitted.report["validation"]) == (160, 40)
    assert seen[-1] == (300, 300)
    assert len(seen) == 10


def test_one_seed_gives_one_ranker_and_scores_are_jittable():
    features, cost, quality = synthetic(50)
    anchors = np.array([7.0, 13.0])
    config = RankerConfig((8,), steps=20, batch_size=8)
    first, second = (fit_ranker(features, cost, quality, anchors, config, 3).ranker for _ in range(2))
    jax.tree.map(np.testing.assert_array_equal, first, second)
    weights = anchor_weights(jnp.full(50, 10.0), first.anchors)
    together = jax.jit(score)(first, jnp.asarray(features), weights)
    assert together.shape == (50,)
    grid = first.module.apply(first.params, jnp.asarray(features)[None], jnp.full((1, 1, 2), 0.5))
    np.testing.assert_allclose(together, grid[0], rtol=1e-5, atol=1e-6)
    # The budget enters linearly: what lies midway between two anchors is midway between their first layers.
    assert "bias" not in first.params["params"]["budget"]


@pytest.mark.parametrize(
    ("changes", "settings", "expected"),
    [
        ({}, {"loss": "squared"}, "loss is 'squared'; it is one of hinge, logistic"),
        ({}, {"optimiser": "lbfgs"}, "sgd, adam"),
        ({}, {"steps": 0}, "steps is 0; it must be positive"),
        ({}, {"validation_share": 1.0}, "0 <= share < 1"),
        ({"cost": np.ones(3)}, {}, "differ in length"),
        ({"quality": np.array([0.5, np.nan] * 5)}, {}, "quality: row 1 is not finite"),
        ({"anchors": np.array([3.0, 2.0])}, {}, "increasing budgets"),
    ],
)
def test_refusals(changes, settings, expected):
    features, cost, quality = synthetic(10)
    data = {"features": features, "cost": cost, "quality": quality, "anchors": np.array([7.0, 13.0])} | changes
    with pytest.raises(ValueError, match=expected):
        fit_ranker(**data, config=RankerConfig(**settings))


@pytest.mark.data
def test_nas_bench_macro_ranker_and_oracle(shared_data):
    import json

    space = nas_bench_macro.make()
    published = json.loads(shared_data("nas_bench_macro/cifar10.json").read_text())
    tokens = space.sample(np.random.default_rng(0), 600)
    quality = np.array([published[space.format(row)]["mean_acc"] / 100 for row in tokens])
    cost = space.operator_sum(tokens, np.array([madds(op) for op in space.operators], np.float64)) / 1e6
    anchors = np.quantile(cost, [0.1, 0.4, 0.7, 0.95])
    config = RankerConfig(hidden=(64, 64), steps=300, batch_size=64)
    fitted = fit_ranker(space.features(tokens), cost, quality, anchors, config, 0, anchor_weights)
    assert fitted.report["kendall_tau"] > 0.85
    assert fitted.report["kendall_tau_between"] > 0.85
