"""Budgets and exact costs: a number that stands in the file, that is summed or that is shown works as a budget."""

import dataclasses
import itertools
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nagjax.predictors.records.records import Records
from nagjax.problems.build import make_problem
from nagjax.problems.costs import decimal_places, exactly, rounded_up
from nagjax.problems.ticks import edge_ticks
from nagjax.spaces import trellis as tl
from nagjax.tabular import from_records
from tests import tiny

SPACE = tiny.make_space()
TOKENS = tiny.architectures()
VALID = SPACE.trellis.valid
some = settings(max_examples=40)


def priced(values, reduce="sum", **others):
    """A column of the tiny space with these values of its operators that are not identities, repeated as needed."""
    prices = tiny.make_prices(SPACE, 0, reduce)
    busy = np.array([op.kind != "identity" for op in SPACE.operators])
    column = np.zeros(len(SPACE.operators))
    column[busy] = list(itertools.islice(itertools.cycle(values), int(busy.sum())))
    return dataclasses.replace(prices, values=column, **others)


def path_ticks(cost, reduce="sum"):
    per_edge = SPACE.path_values(TOKENS, cost.astype(np.int64))
    return per_edge.sum(-1) if reduce == "sum" else per_edge.max(-1)


def sums(prices, shuffle):
    """Cost of each architecture as a user adds it up: float64, operators in any order, then the offset."""
    value = dict(zip(SPACE.operators, prices.values.tolist(), strict=True))
    out = []
    for row in TOKENS.tolist():
        parts = [value[op] for op in tiny.operators_of(row)]
        shuffle.shuffle(parts)
        out.append(sum(parts, prices.offset) if prices.reduce == "sum" else max(parts))
    return np.array(out)


numbers = st.one_of(
    st.lists(st.floats(1e-6, 1e3), min_size=1, max_size=12),
    st.lists(st.integers(1, 9999).map(lambda n: n / 1000), min_size=1, max_size=12),
    st.lists(st.integers(1, 64).map(lambda n: n / 8), min_size=1, max_size=12),
    st.lists(st.sampled_from([0.1, 0.2, 0.3, 1e9, 99999.0, 0.7]), min_size=1, max_size=12),
)


@some
@given(numbers, st.sampled_from(["sum", "max"]), st.floats(0, 3), st.randoms(use_true_random=False))
def test_a_budget_equal_to_a_sum_in_any_order_offers_the_architecture(values, reduce, offset, shuffle):
    prices = priced(values, reduce, offset=offset if reduce == "sum" else 0.0)
    cost, exact = edge_ticks(prices, SPACE, VALID)
    ticks, budgets = path_ticks(cost, reduce), sums(prices, shuffle)
    offered = exact.offers(budgets)
    assert (offered >= np.minimum(ticks, exact.offers(np.array([np.inf]))[0])).all()
    nodes, _ = tl.walk(SPACE.trellis.target, VALID, TOKENS)
    costs = exact.of(nodes, TOKENS)
    np.testing.assert_allclose(costs, budgets, rtol=1e-14)
    assert exact.within(costs, budgets).all()
    # Strict ticks leave nothing open that costs more than the budget, by an independent exact sum.
    true = [Fraction(one) for one in costs.tolist()]
    asked = np.concatenate([budgets, budgets * (1 - 1e-12)])
    assert not exact.within(costs, asked[len(budgets) :]).any()
    for budget, strict in zip(asked.tolist(), exact.strict(asked), strict=True):
        left = [cost for cost, tick in zip(true, ticks, strict=True) if tick <= strict]
        assert all(cost <= Fraction(budget) * (1 + Fraction(1, 10**13)) for cost in left)
    low, high = exact.span(SPACE.trellis.target, VALID)
    assert low == pytest.approx(costs.min(), rel=1e-14)
    assert exact.info.filler is not None or high == pytest.approx(costs.max(), rel=1e-14)


@pytest.mark.parametrize(
    ("values", "decimals", "slack"),
    [
        ([0.25, 0.5, 1.75], 0, 0),
        ([2.5, 3.1, 3.7, 5.3], 1, 0),
        ([0.012, 3.4], 3, 0),
        ([1 / 3, 0.1], 0, None),
        ([1.23456789, 1.98765431], 0, None),  # so many decimals leave no room for sums of them
    ],
)
def test_ticks_are_exact_where_numbers_are_binary_or_decimal(values, decimals, slack):
    cost, exact = edge_ticks(priced(values), SPACE, VALID)
    assert exact.info.decimals == decimals
    assert exact.info.slack == slack or (slack is None and exact.info.slack > 0)
    ticks = path_ticks(cost)
    assert ticks.max() < 2**30 <= 2 * ticks.max()
    if slack == 0:
        by_hand = [sum(Fraction(str(v)) for v in row) for row in operator_values(priced(values))]
        assert exact.info.to_unit(ticks).tolist() == [float(cost) for cost in by_hand]
        assert exact.span(SPACE.trellis.target, VALID) == (float(min(by_hand)), float(max(by_hand)))
        budgets = exact.info.to_unit(ticks)
        assert exact.offers(budgets).tolist() == exact.strict(budgets).tolist()
        below = budgets * (1 - 1e-12)
        admitted = [(ticks <= strict).sum() for strict in exact.offers(below)]
        assert admitted == [sum(c <= Fraction(b) for c in by_hand) for b in below.tolist()]


def operator_values(prices):
    value = dict(zip(SPACE.operators, prices.values.tolist(), strict=True))
    return [[value[op] for op in tiny.operators_of(row)] for row in TOKENS.tolist()]


@pytest.mark.parametrize("filler", [1e9, 99999.0])
def test_a_filler_does_not_coarsen_the_ticks_and_is_never_cheap(filler):
    values = priced([0.34, 0.52, 0.11]).values
    broken = np.where([op == tiny.block(16, 1, 5) for op in SPACE.operators], filler, values)
    cost, exact = edge_ticks(dataclasses.replace(priced([1.0]), values=broken), SPACE, VALID)
    assert exact.info.filler == filler
    assert exact.info.tick < 1e-6
    uses = np.array([tiny.block(16, 1, 5) in tiny.operators_of(row) for row in TOKENS.tolist()])
    ticks = path_ticks(cost)
    assert (ticks[uses] > exact.top).all()
    assert ticks[~uses].max() == exact.top
    assert exact.strict(np.array([1e12]))[0] == exact.top
    assert exact.offers(np.array([filler * 2]))[0] > ticks.max()
    assert exact.span(SPACE.trellis.target, VALID)[1] < 10


def table(costs, qualities=None):
    """A file with the cost of every architecture of the tiny space."""
    qualities = np.linspace(0.1, 0.9, len(costs)) if qualities is None else qualities
    records = Records(TOKENS[: len(costs)], np.asarray(qualities), {"latency_ms": np.asarray(costs, float)}, "t.csv", 0)
    found = from_records(SPACE, records)
    return make_problem(found.space, found.prices, found.quality)


def test_the_four_rows_of_a_decimal_file():
    problem, description = table([2.5, 3.1, 3.7, 5.3])
    column = description.exact[0]
    assert description.ranges.tolist() == [[2.5, 5.3]]
    ticks = np.asarray(problem.cost)[0, -1].max()
    assert column.offers(np.array([5.3]))[0] == ticks == column.top
    assert column.offers(np.array([2.5]))[0] == int(problem.low[0])
    assert column.offers(np.array([2.49999]))[0] < int(problem.low[0])
    assert description.costs_of(TOKENS[:4])[:, 0].tolist() == [2.5, 3.1, 3.7, 5.3]


@some
@given(st.lists(st.floats(1e-3, 1e12), min_size=2, max_size=len(TOKENS), unique=True))
def test_ticks_of_a_file_are_in_the_order_of_its_costs(costs):
    problem, description = table(costs)
    column = description.exact[0]
    rows = TOKENS[: len(costs)]
    ticks = description.space.path_values(rows, np.asarray(problem.cost[0], np.int64)).sum(1)
    assert np.argsort(ticks).tolist() == np.argsort(costs).tolist()
    assert len(set(ticks.tolist())) == len(costs)
    assert column.within(np.array(costs), np.array(costs)).all()
    for cost in costs:
        for budget in (cost, np.nextafter(cost, np.inf), cost * (1 - 1e-12)):
            offered = ticks <= column.offers(np.array([budget]))[0]
            assert offered.tolist() == [one <= budget * (1 + column.tolerance) for one in costs]


def test_a_filler_in_a_file_leaves_the_others_apart():
    problem, description = table([1.25, 1.26, 5.5, 5.75, 1e9, 1e9])
    ticks = np.unique(np.asarray(problem.cost[0, -1])[np.asarray(problem.allowed[-1])])
    assert np.diff(ticks)[0] > 1e6
    assert int(problem.high[0]) == ticks[3] == ticks[4] - 1
    assert description.costs[0].filler == 1e9
    assert description.ranges.tolist() == [[1.25, 5.75]]


def test_costs_out_of_no_numbers():
    cost, exact = edge_ticks(priced([0.0]), SPACE, VALID)
    assert not cost.any()
    assert exact.span(SPACE.trellis.target, VALID) == (0.0, 0.0)
    assert exact.offers(np.array([0.0, 1.0])).tolist() == [0, 0]
    assert exact.offers(np.array([-1.0])).tolist() == [-1]


@given(st.floats(1e-9, 1e12))
def test_what_is_shown_is_enough(value):
    assert float(rounded_up(value)) >= value
    assert float(rounded_up(value)) <= value * (1 + 1e-5)
    assert float(exactly(value)) == value


@given(st.integers(0, 10**9), st.integers(0, 9))
def test_decimal_places_are_those_that_are_written(number, places):
    assert decimal_places(np.array([number / 10**places, 1.0])) <= places


def test_a_number_of_sixteen_digits_has_more_decimals_than_are_counted():
    assert decimal_places(np.array([0.1234567890123456])) is None
    assert decimal_places(np.array([0.123456789012345, 2.0])) == 15
    assert decimal_places(np.array([1 / 3])) is None
