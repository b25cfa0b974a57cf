"""The comparison with rivals: chances by hand, when rivals move and to what, and what an update tells of them."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from nagjax import controllers, testing
from nagjax.budgets import fixed_budgets
from nagjax.problems.problem import evaluate, path_costs
from nagjax_reinforce import make_ctnas
from nagjax_reinforce.judges import Rivals, Sampled, chance, comparison

TINY = testing.tiny_problem()
PROBLEM = TINY.problem


def sampled(rows, budgets):
    tokens = jnp.asarray(TINY.oracle.tokens[rows])
    quality, costs = evaluate(PROBLEM, tokens)
    return Sampled(tokens, quality, costs, jnp.asarray(budgets, jnp.int32))


def test_the_chance_of_a_quality_without_deviation_is_its_order_within_the_budget():
    order = np.argsort(TINY.oracle.quality)
    low, middle, high = order[[5, 60, 120]]
    dear = int(path_costs(PROBLEM, jnp.asarray(TINY.oracle.tokens)).max())
    asked = sampled([low, middle, high, high], [[dear], [dear], [dear], [1]])
    others = jnp.repeat(jnp.asarray(TINY.oracle.tokens[middle])[None], 4, 0)
    np.testing.assert_array_equal(chance(PROBLEM, asked, others), [0.0, 0.5, 1.0, 0.0])
    broken = asked.replace(quality=asked.quality.at[2].set(-jnp.inf))
    assert float(chance(PROBLEM, broken, others)[2]) == -np.inf


@pytest.mark.parametrize(("period", "moves"), [(0.0, False), (1.0, True), (2.0, False)])
def test_rivals_move_to_the_best_of_their_budget_when_it_is_due(period, moves):
    def draw(problem):
        return fixed_budgets(problem, 2)

    cost = np.asarray(path_costs(PROBLEM, jnp.asarray(TINY.oracle.tokens)))[:, 0]
    cheap, quality = int(np.argmin(cost)), TINY.oracle.quality
    best, second = np.argsort(-quality)[:2]
    budgets = np.repeat(np.asarray(draw(PROBLEM)), 2, 0)
    # Within the smallest budget there is the cheapest alone; a sample beyond it is no rival, however good.
    samples = sampled([best, cheap, second, cheap], budgets)
    judge = comparison(draw)
    before = Rivals(jnp.asarray(TINY.oracle.tokens[[cheap, cheap]]), jnp.int32(0))
    after = judge.follow(before, PROBLEM, samples, {"period": jnp.float32(period)})
    expected = TINY.oracle.tokens[[cheap, second if moves else cheap]]
    np.testing.assert_array_equal(after.tokens, expected)
    assert int(after.updates) == 1
    kept = Rivals(jnp.asarray(TINY.oracle.tokens[[cheap, best]]), jnp.int32(0))
    np.testing.assert_array_equal(judge.follow(kept, PROBLEM, samples, {"period": jnp.float32(1)}).tokens, kept.tokens)


def test_a_rival_that_stays_is_soon_beaten_by_nearly_all_and_one_that_moves_is_not():
    controller = make_ctnas(PROBLEM.spec, hidden=16, anchors=4)

    def end(period):
        params = controllers.resolve_params(controller, {"period": period})
        state = controllers.init(controller, PROBLEM, 0, params)
        moment = controllers.train(controller, PROBLEM, state, 0, controllers.Limits(150), params)
        return float(moment.metrics["certain"].mean()), np.asarray(moment.state.judged.tokens)

    stays, first = end(0)
    moves, last = end(10)
    assert stays > 0.5 > moves
    quality = np.asarray(jax.jit(evaluate)(PROBLEM, jnp.asarray(np.concatenate([first, last])))[0])
    assert quality[4:].sum() > quality[:4].sum()


def test_the_first_rivals_are_counted_and_those_that_were_samples_are_not_counted_again():
    controller = make_ctnas(PROBLEM.spec, hidden=8, anchors=3, samples=2)
    params = controllers.resolve_params(controller, {"period": 1})
    state = controllers.init(controller, PROBLEM, 0, params)
    assert int(state.evaluations) == 3
    moment = controllers.train(controller, PROBLEM, state, 0, controllers.Limits(2), params)
    # Two updates of 3 x 2 samples; under another problem three rivals are drawn anew.
    assert moment.metrics["evaluations"].tolist() == [9.0, 15.0]
    assert int(controllers.rebase(controller, moment.state, PROBLEM).evaluations) == 18
