"""Rivals on decoders, against lists of a small space; and what a file of runs is summed up to."""

import numpy as np
import pytest

from benchmarks import decoder_rivals, hw_gpt
from nagjax.devices.pricing import analytic
from nagjax.posing import flat
from nagjax.problems.build import make_problem
from nagjax.spaces import hw_gpt as spaces
from nagjax.spaces import trellis as tl

SPACE = spaces.space_of("tiny", spaces.Scale((8, 16, 24), (1, 2), (1, 2, 3), 2, {8: 0, 16: 0, 24: 0}))


@pytest.fixture(scope="module")
def posed():
    return make_problem(SPACE, [analytic(SPACE, "params")], flat(SPACE))


def test_draws_within_a_budget_are_equally_likely(posed):
    problem, description = posed
    every = tl.enumerate_paths(SPACE.trellis.target, SPACE.trellis.valid)
    costs = description.costs_of(every)[:, 0]
    budget = float(np.quantile(costs, 0.1))
    within = {row.tobytes() for row in every[costs <= budget]}
    drawn = decoder_rivals.uniform_within(
        description, np.asarray(problem.allowed), budget, 2000 * len(within), np.random.default_rng(0)
    )
    seen, counts = np.unique(drawn, axis=0, return_counts=True)
    assert {row.tobytes() for row in seen} == within
    np.testing.assert_allclose(counts, 2000, rtol=0.12)  # five standard deviations


def test_neighbours_differ_in_one_decision_and_none_is_missing():
    tokens = SPACE.parse("width=16:bias=yes:ratios=3-2:heads=1-3")
    near = decoder_rivals.singles(SPACE, tokens)
    texts = {SPACE.format(row) for row in near}
    assert len(texts) == len(near) == 2 + 1 + 1 + 8 + 8
    assert "width=16:bias=yes:ratios=3:heads=1" in texts
    changed = decoder_rivals.changed(SPACE, np.repeat(tokens[None], 50, 0), 2, np.random.default_rng(0))
    assert 0 < (changed != tokens).sum(1).max() <= 3


def test_a_ridge_finds_the_weights_of_a_sum():
    features = np.eye(4)[np.random.default_rng(0).integers(4, size=400)]
    values = features @ [1.0, 2.0, 4.0, 8.0]
    weights = decoder_rivals.ridge(features, values)
    np.testing.assert_allclose(weights - weights[0], [0, 1, 3, 7], atol=0.05)


def test_regret_is_the_mean_over_budgets_above_the_known_or_the_least():
    def run(*perplexity):
        return {"perplexity": list(perplexity), "evaluations": 7, "violations": 0}

    held = {
        "best_known": {"s/a": [20.0, 30.0], "m/b": []},
        "measured": {
            f"s/a100{bound}": {"violation_share": 0.5, "worst_excess": 0.1, "regret": 0.2}
            for bound in ("", "+p99", "+max")
        },
        "runs": {"s/a/nag/0": run(20.0, 31.0), "s/a/nag/1": run(19.0, 30.0), "m/b/nag/0": run(5.0, 6.0),
                 "m/b/dp/0": run(4.0, 8.0)},
    }  # fmt: skip
    assert hw_gpt.regrets(held) == {"s/a": {"nag": [0.5, -0.5]}, "m/b": {"nag": [0.5], "dp": [1.0]}}
    told = hw_gpt.summary(held)
    assert told["s/a"] == {"regret_to_best_known_perplexity": 0.0, "seeds": 2, "evaluations": 7, "violations": 0}
    assert told["m/b"]["dp_regret"] == 1.0
    assert told["measured_violation_share_s"] == 0.5
