"""Two budgets at once, against all architectures of tiny spaces: nothing over, and nothing lost but by bins."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from nagjax.devices.pricing import Prices
from nagjax.generator import walk
from nagjax.generator.decode import beam, sample
from nagjax.generator.policy import init_policy
from nagjax.predictors.forms.linear import Linear
from nagjax.problems import joint
from nagjax.problems.build import make_problem
from nagjax.problems.problem import close_jointly, path_costs, restrict
from nagjax.spaces import nas_bench_macro
from nagjax.spaces import trellis as tl
from tests.generators import make_generator

SPACE = nas_bench_macro.make()
TOKENS = tl.enumerate_paths(SPACE.trellis.target, SPACE.trellis.valid)
REDUCES = [("sum", "sum"), ("sum", "max"), ("max", "sum"), ("max", "max")]


def make(reduces, seed=0, top=60):
    """A problem whose operators cost small whole numbers: bins of one tick lose nothing."""
    rng = np.random.default_rng(seed)
    prices = [
        Prices(f"cost{k}_m", "M", rng.integers(1, top, len(SPACE.operators)).astype(float), SPACE.trellis.valid,
               device="toy", source="toy", reduce=reduce)
        for k, reduce in enumerate(reduces)
    ]  # fmt: skip
    num = len(SPACE.feature_names)
    problem, _ = make_problem(SPACE, prices, Linear(jnp.zeros(num), jnp.float32(0), jnp.ones(num, bool)))
    return problem


def reachable(problem, budgets):
    """Architectures that the mask lets through, bool ``[N]``: every token of theirs is open on their way."""
    tokens = jnp.asarray(TOKENS, jnp.int32)
    masks, _, _ = walk.follow(problem, tokens, jnp.broadcast_to(jnp.asarray(budgets, jnp.int32), (len(tokens), 2)))
    taken = [
        np.take_along_axis(np.asarray(mask), TOKENS[:, first:last, None], 2)[..., 0]
        for mask, (first, last, _) in zip(masks, walk.segments(problem.spec.choices), strict=True)
    ]
    return np.concatenate(taken, 1).all(1)


def pairs(costs, number, seed=1):
    """Budgets of which some are tight by both columns: costs of two architectures, the first of the one."""
    rng = np.random.default_rng(seed)
    one, two = costs[rng.integers(0, len(costs), number)], costs[rng.integers(0, len(costs), number)]
    return np.stack([one[:, 0], two[:, 1]], 1)


@pytest.mark.parametrize("reduces", REDUCES)
def test_the_mask_lets_through_what_meets_both_budgets_and_nothing_else(reduces):
    problem = make(reduces)
    # Ticks are finer than whole numbers: a bin of one whole number is exact.
    costs = np.asarray(path_costs(problem, jnp.asarray(TOKENS, jnp.int32)))
    unit = int(np.gcd.reduce(np.asarray(problem.cost[1])[np.asarray(problem.allowed)]))
    levels = np.asarray(problem.joint.levels)
    if reduces[1] == "sum":
        levels = unit * np.arange(int(problem.high[1]) // unit + 1)
    exact = dataclasses.replace(
        problem, joint=joint.recursion(jnp.asarray(levels), problem.target, problem.allowed, problem.cost, reduces)
    )
    for budgets in pairs(costs, 12):
        fits = (costs <= budgets).all(1)
        together = bool(joint.feasible_together(exact.joint, jnp.asarray(budgets)[None], reduces)[0])
        assert together == fits.any()
        if together:
            np.testing.assert_array_equal(reachable(exact, budgets), fits)


@pytest.mark.parametrize("reduces", REDUCES)
def test_with_bins_nothing_is_over_and_little_is_lost(reduces):
    problem = make(reduces, seed=2)
    costs = np.asarray(path_costs(problem, jnp.asarray(TOKENS, jnp.int32)))
    lost = total = 0
    for budgets in pairs(costs, 12, seed=3):
        if not bool(joint.feasible_together(problem.joint, jnp.asarray(budgets)[None], reduces)[0]):
            continue
        found, fits = reachable(problem, budgets), (costs <= budgets).all(1)
        assert not (found & ~fits).any()
        lost, total = lost + int((fits & ~found).sum()), total + int(fits.sum())
    assert total > 0
    assert lost == 0 if reduces[1] == "max" else lost < 0.02 * total


@pytest.mark.parametrize("reduces", REDUCES)
def test_every_way_of_decoding_meets_both_budgets(reduces):
    problem = make(reduces, seed=4)
    costs = np.asarray(path_costs(problem, jnp.asarray(TOKENS, jnp.int32)))
    budgets = jnp.asarray(pairs(costs, 64, seed=5), jnp.int32)
    budgets = budgets[joint.feasible_together(problem.joint, budgets, reduces)]
    assert len(budgets) > 10
    policy = init_policy(jax.random.key(0), problem.spec, 8, 8)
    tokens, _ = sample(policy, problem, budgets, jax.random.key(1))
    beams, _, log_prob = beam(policy, problem, budgets, 3)
    for found, alive in ((tokens[:, None], jnp.ones((len(budgets), 1), bool)), (beams, log_prob > -jnp.inf)):
        paid = np.asarray(path_costs(problem, found.reshape(-1, found.shape[-1]))).reshape(*found.shape[:2], 2)
        assert (paid <= np.asarray(budgets)[:, None]).all(-1)[np.asarray(alive)].all()


def test_a_column_of_many_values_is_cut_into_levels_that_close_more():
    rng = np.random.default_rng(6)
    cost = rng.integers(1, 2**20, (4, 3, 2000)).astype(np.int32)
    levels = joint.make_levels(cost, np.ones(cost.shape, bool), "max", 2**20)
    assert len(levels) == joint.MOST
    assert (levels[0], levels[-1]) == (0, cost.max())
    assert (np.diff(levels) > 0).all()


def test_a_graph_too_large_for_bins_has_none(monkeypatch):
    monkeypatch.setattr(joint, "ROOM", 100)
    problem = make(("sum", "sum"))
    assert problem.joint is None
    assert problem.spec.num_costs == 2


def test_conditions_are_part_of_what_finishes():
    problem = make(("sum", "sum"))
    allowed = np.asarray(problem.allowed).copy()
    allowed[2, :, 0] = False
    narrowed = restrict(problem, jnp.asarray(allowed))
    again = close_jointly(dataclasses.replace(problem, allowed=jnp.asarray(allowed)))
    np.testing.assert_array_equal(narrowed.joint.within, again.joint.within)
    assert (np.asarray(narrowed.joint.within[0, 0]) >= np.asarray(problem.joint.within[0, 0])).all()


def test_a_generator_answers_pairs_of_budgets_greedily_within_both():
    known = make_generator(num_costs=2)
    rng = np.random.default_rng(7)
    rows = rng.integers(0, len(known.tokens), (2, 40))
    budgets = np.stack([known.raw[rows[0], 0], known.raw[rows[1], 1]], 1)
    fits = (known.raw[:, None] <= budgets[None]).all(-1).sum(0)
    budgets = budgets[fits > 20]  # what is left by bins
    answers = known.generator.generate(budgets={"latency_ms": budgets[:, 0], "madds_m": budgets[:, 1]}, decode="greedy")
    assert len(answers) > 10
    assert all(answer.guaranteed for answer in answers)
