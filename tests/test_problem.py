"""A problem against lists made by hand: what is allowed, costs, cost to go and need, quality, refusals."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from nagjax.predictors.forms.table import tabular_quality
from nagjax.problems import problem as pb
from nagjax.problems.build import make_problem, make_spec
from nagjax.spaces import trellis as tl
from tests import tiny

SPACE = tiny.make_space()
TOKENS = tiny.architectures()
BOTH = ("sum", "max")
several = pytest.mark.parametrize("seed", range(3))
evaluate = jax.jit(pb.evaluate)
path_costs = jax.jit(pb.path_costs)
path_features = jax.jit(pb.path_features)
restrict = jax.jit(pb.restrict)


def by_hand(seed, description):
    """Costs int64 ``[N, K]`` of all architectures, ticks."""
    columns = []
    for k, info in enumerate(description.costs):
        prices = tiny.make_prices(SPACE, seed + 100 * k, info.reduce)
        columns.append(tiny.path_costs(SPACE, TOKENS, prices, info.exponent))
    return np.stack(columns, -1)


@several
def test_costs_and_range_of_a_sum_and_a_maximum(seed):
    problem, description = tiny.make(seed, BOTH)
    costs = by_hand(seed, description)
    np.testing.assert_array_equal(path_costs(problem, TOKENS), costs)
    np.testing.assert_array_equal(problem.low, costs.min(0))
    np.testing.assert_array_equal(problem.high, costs.max(0))
    np.testing.assert_array_equal(pb.cheapest(problem), costs.min(0))
    exponents = np.array([info.exponent for info in description.costs])
    columns = [tiny.make_prices(SPACE, seed + 100 * k, reduce) for k, reduce in enumerate(BOTH)]
    exact = np.array([[float(cost) for cost in tiny.raw_costs(SPACE, TOKENS, column)] for column in columns]).T
    np.testing.assert_allclose(description.costs_of(TOKENS), exact, rtol=1e-15)
    np.testing.assert_allclose(description.ranges.T, [exact.min(0), exact.max(0)], rtol=1e-15)
    np.testing.assert_array_equal(problem.tick, np.ldexp(1.0, -exponents))


@several
@pytest.mark.parametrize("where", [None, {"size": 8}, {"kernel": [1, 5]}, {"depth": 1, "size": 16}])
def test_need_and_togo_are_the_cheapest_completions(seed, where):
    """Of every prefix of every architecture: what its suffixes cost, listed."""
    whole, _ = tiny.make(seed, BOTH)
    problem = whole if where is None else restrict(whole, jnp.asarray(SPACE.where(where)))
    nodes = np.asarray(tl.walk_nodes(problem.target, jnp.asarray(TOKENS)))
    allowed = np.asarray(problem.allowed)[np.arange(4), nodes, TOKENS]
    edges = np.asarray(problem.cost)[:, np.arange(4), nodes, TOKENS].astype(np.int64)
    for k, combine in enumerate((np.sum, np.max)):
        for t in range(4):
            after = combine(edges[k][:, t:], -1)
            for s in set(nodes[:, t].tolist()):
                here = (nodes[:, t] == s) & allowed[:, t:].all(-1)
                assert problem.togo[k, t, s] == min(after[here], default=tl.INFINITE)
                for c in range(3):
                    taken = here & (TOKENS[:, t] == c)
                    assert problem.need[k, t, s, c] == min(after[taken], default=tl.INFINITE)


def test_features_and_quality():
    problem, _ = tiny.make(3)
    features = path_features(problem, TOKENS)
    np.testing.assert_array_equal(features, SPACE.features(TOKENS))
    for row, (size, depth, first, second) in zip(np.asarray(features), TOKENS.tolist(), strict=True):
        on = [size, 2 + first] + ([5 + second] if depth else [])
        assert np.flatnonzero(row).tolist() == on
    weights = np.asarray(problem.quality.params["network"]["params"]["Dense_0"]["kernel"])[0, :, 0]
    objective, costs = evaluate(problem, TOKENS)
    np.testing.assert_allclose(objective, 0.5 + 0.1 * np.asarray(features) @ weights, rtol=1e-5)
    np.testing.assert_array_equal(costs, path_costs(problem, TOKENS))


def test_pessimism_takes_the_deviation_off():
    quality = tiny.make_quality(SPACE, members=3)
    problem, _ = make_problem(SPACE, [tiny.make_prices(SPACE, 0)], quality, pessimism=2.0)
    mean, std = quality(jnp.asarray(TOKENS), path_features(problem, TOKENS))
    assert (np.asarray(std) > 0).all()
    np.testing.assert_allclose(pb.evaluate(problem, jnp.asarray(TOKENS))[0], mean - 2.0 * std, rtol=1e-5)


@pytest.mark.parametrize("bad", [jnp.nan, jnp.inf, -jnp.inf])
def test_a_quality_that_is_no_number_is_the_worst(bad):
    values = np.linspace(0.1, 0.9, len(TOKENS))
    quality = tabular_quality(SPACE, TOKENS, values)
    quality = dataclasses.replace(quality, values=quality.values.at[12:].set(bad))
    problem, _ = make_problem(SPACE, [tiny.make_prices(SPACE, 0)], quality)
    objective, costs = evaluate(problem, TOKENS)
    np.testing.assert_array_equal(np.asarray(objective) == -np.inf, TOKENS[:, 0] == 1)
    assert np.isfinite(objective).sum() == 12
    assert (np.asarray(costs) < tl.INFINITE).all()


def test_a_table_of_qualities_is_looked_up():
    values = np.linspace(0.1, 0.9, len(TOKENS)).astype(np.float32)
    order = np.random.default_rng(0).permutation(len(TOKENS))
    quality = tabular_quality(SPACE, TOKENS[order], values[order])
    problem, _ = make_problem(SPACE, [tiny.make_prices(SPACE, 0)], quality)
    np.testing.assert_array_equal(pb.evaluate(problem, jnp.asarray(TOKENS))[0], values)
    with pytest.raises(ValueError, match="2 of 24 architectures of tiny have no quality"):
        tabular_quality(SPACE, TOKENS[2:], values[2:])


def test_what_table_or_predictor_do_not_know_is_closed():
    known = [False] + [True] * 7
    problem, _ = make_problem(SPACE, [tiny.make_prices(SPACE, 0)], tiny.make_quality(SPACE, known=known))
    left = tl.enumerate_paths(SPACE.trellis.target, np.asarray(problem.allowed))
    assert tiny.rows(left) == {row for row in tiny.rows(TOKENS) if row[0] == 1}
    # A choice that is not optional stays, whatever the predictor has seen.
    known = [True] * 7 + [False]
    problem, _ = make_problem(SPACE, [tiny.make_prices(SPACE, 0)], tiny.make_quality(SPACE, known=known))
    assert (np.asarray(problem.allowed) == SPACE.trellis.valid).all()


def test_nothing_left_names_what_each_side_knows():
    prices = dataclasses.replace(tiny.make_prices(SPACE, 0), open_edges=SPACE.where({"size": 16}), source="toy.json")
    quality = tiny.make_quality(SPACE, known=[True, False] + [True] * 6)
    with pytest.raises(ValueError, match="no architecture of tiny") as error:
        make_problem(SPACE, [prices], quality)
    text = str(error.value)
    for part in ("size known to toy.json: [16]", "size known to predictor: [8]", "size known to all of them: []"):
        assert part in text
    with pytest.raises(ValueError, match=r"\{'size': 8\} was asked; size known to toy.json: \[16\]"):
        make_problem(SPACE, [prices], tiny.make_quality(SPACE), where={"size": 8})


def test_where_limits_a_problem_and_its_range():
    whole, _ = tiny.make()
    problem, description = make_problem(
        SPACE, [tiny.make_prices(SPACE, 0)], tiny.make_quality(SPACE), where={"size": 8, "depth": 2}
    )
    rows = TOKENS[(TOKENS[:, 0] == 0) & (TOKENS[:, 1] == 1)]
    costs = tiny.path_costs(SPACE, rows, tiny.make_prices(SPACE, 0), description.costs[0].exponent)
    assert (int(problem.low[0]), int(problem.high[0])) == (costs.min(), costs.max())
    assert description.where == {"size": 8, "depth": 2}
    restricted = restrict(whole, jnp.asarray(SPACE.where({"size": 8, "depth": 2})))
    np.testing.assert_array_equal(restricted.low, whole.low)
    np.testing.assert_array_equal(restricted.allowed, problem.allowed)
    assert pb.cheapest(restricted)[0] == np.asarray(path_costs(whole, rows)).min()
    nothing = restrict(whole, jnp.zeros_like(whole.allowed))
    assert pb.cheapest(nothing)[0] == tl.INFINITE


def test_another_table_of_the_space_has_the_same_static_parts():
    one, two = tiny.make(0)[0], tiny.make(1)[0]
    assert jax.tree.structure(one) == jax.tree.structure(two)
    assert one.spec == make_spec(SPACE)
    assert hash(one.spec) == hash(two.spec)
    assert (one.spec.num_layers, one.spec.num_choices, one.spec.num_costs) == (4, 3, 1)
