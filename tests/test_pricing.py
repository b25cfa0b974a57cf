"""From a table to ticks: the tick, the rounding, what is refused and what is closed."""

import dataclasses
import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from nagjax.devices.correction import Correction
from nagjax.devices.pricing import analytic, price
from nagjax.devices.table import DeviceTable, Row
from nagjax.devices.validation import MeasuredNetwork
from nagjax.problems.build import make_problem
from nagjax.problems.costs import CostInfo
from nagjax.problems.problem import path_costs as problem_costs
from nagjax.problems.ticks import MAX_EXPONENT, edge_ticks
from nagjax.spaces import tabular
from nagjax.spaces import trellis as tl
from tests import tiny

SPACE = tiny.make_space()
TOKENS = tiny.architectures()
some = settings(max_examples=25)


def make_table(leave_out=(), resolutions=True, **others):
    """A table of the tiny space's operators but those left out; identities have no row."""
    rows = {
        (op.key, op.resolution if resolutions else None): Row(0.25 + 0.125 * i)
        for i, op in enumerate(SPACE.operators)
        if op.kind != "identity" and op not in leave_out
    }
    return DeviceTable("toy", "none", 1, "float32", "ms", "made up", rows, source="toy.json", **others)


def info(exponent):
    return CostInfo("latency_ms", "ms", exponent)


def ticks_of(prices, allowed=SPACE.trellis.valid):
    """Ticks of the edges, and the exponent of the tick."""
    cost, exact = edge_ticks(prices, SPACE, allowed)
    return cost, exact.info.exponent


@some
@given(st.integers(0, 10**6), st.sampled_from(["sum", "max"]), st.floats(-25, 25))
def test_ticks_are_exact_and_as_fine_as_they_can_be(seed, reduce, scale):
    prices = tiny.make_prices(SPACE, seed, reduce, 2.0**scale)
    cost, exponent = ticks_of(prices)
    assert cost.dtype == np.int32
    per_edge = SPACE.path_values(TOKENS, cost.astype(np.int64))
    found = per_edge.sum(-1) if reduce == "sum" else per_edge.max(-1)
    assert found.tolist() == tiny.path_costs(SPACE, TOKENS, prices, exponent).tolist()
    assert found.max() < 2**30
    assert tiny.path_costs(SPACE, TOKENS, prices, exponent + 1).max() >= 2**30 or exponent == MAX_EXPONENT


@some
@given(st.integers(0, 10**6))
def test_reported_costs_lie_above_the_raw_sum_by_less_than_a_tick_an_operator(seed):
    prices = tiny.make_prices(SPACE, seed)
    cost, exponent = ticks_of(prices)
    ticks = SPACE.path_values(TOKENS, cost).sum(-1)
    for row, reported, raw in zip(TOKENS.tolist(), info(exponent).to_unit(ticks), tiny.raw_costs(SPACE, TOKENS, prices),
                                  strict=True):  # fmt: skip
        assert 0 <= float(reported) - raw < len(tiny.operators_of(row)) * 2.0**-exponent


@given(st.integers(0, 2**30 - 1), st.integers(0, 40))
def test_a_budget_equal_to_a_reported_cost_admits_it(ticks, exponent):
    column = info(exponent)
    reported = float(column.to_unit(ticks))
    assert column.to_ticks(reported) == ticks
    assert column.to_ticks(math.nextafter(reported, -math.inf)) == ticks - 1
    assert column.to_ticks(math.nextafter(reported, math.inf)) == ticks


def test_closed_edges_neither_cost_nor_decide_the_tick():
    prices = tiny.make_prices(SPACE, 0)
    costly = np.array([op == tiny.block(16, 1, 5) for op in SPACE.operators])
    prices = dataclasses.replace(prices, values=np.where(costly, 300.0, prices.values))
    allowed = SPACE.where({"size": 8})
    cost, exponent = ticks_of(prices, allowed)
    assert not cost[~allowed].any()
    assert exponent > ticks_of(prices)[1] + 5


def test_costs_of_nothing_are_nothing():
    prices = dataclasses.replace(tiny.make_prices(SPACE, 0), values=np.zeros(len(SPACE.operators)))
    cost, exponent = ticks_of(prices)
    assert not cost.any()
    assert exponent == MAX_EXPONENT


def test_price_takes_the_rows_and_lists_what_is_free():
    prices = price(make_table(), SPACE)
    for i, op in enumerate(SPACE.operators):
        assert prices.values[i] == (0.0 if op.kind == "identity" else 0.25 + 0.125 * i)
    assert set(prices.free) == {tiny.identity(size).key for size in tiny.SIZES}
    assert (prices.open_edges == SPACE.trellis.valid).all()
    assert (prices.closed, prices.unit, prices.device, prices.source) == ((), "ms", "toy", "toy.json")


def test_what_the_dialect_does_not_measure_is_free():
    pools = [op for op in SPACE.operators if op.kind == "pool"]
    prices = price(make_table(leave_out=pools, unmeasured=("pool",)), SPACE)
    assert {op.key for op in pools} < set(prices.free)
    with pytest.raises(ValueError, match=r"toy\.json: .* have no row"):
        price(make_table(leave_out=pools, resolutions=False), SPACE, "latency_ms")


def test_a_missing_operator_is_refused_with_its_key_and_the_file():
    missing = tiny.block(16, 1, 5)
    with pytest.raises(ValueError, match=rf"toy\.json: 1 operators .*{missing.key} at resolution 16.*--where"):
        price(make_table(leave_out=[missing]), SPACE)


def test_a_size_that_was_not_measured_at_all_is_closed():
    prices = price(make_table(leave_out=[op for op in SPACE.operators if op.resolution == 8]), SPACE)
    assert prices.closed == ("size=8",)
    left = tl.enumerate_paths(SPACE.trellis.target, prices.open_edges)
    assert tiny.rows(left) == {row for row in tiny.rows(TOKENS) if row[0] == 1}


def test_a_table_of_something_else_is_refused():
    table = DeviceTable("toy", "none", 1, "float32", "ms", "made up", {("else", None): Row(1.0)}, source="toy.json")
    with pytest.raises(ValueError, match=r"toy\.json: prices no choice of tiny\(\)/v1"):
        price(table, SPACE)


def test_analytic_costs_come_from_shapes():
    prices = analytic(SPACE, "madds")
    assert prices.values[SPACE.operators.index(tiny.block(8, 0, 3))] == 9 * 4 * 4 * 64 / 1e6
    assert (prices.name, prices.unit) == ("madds_m", "M")
    with pytest.raises(ValueError, match=r"energy.*madds, params"):
        analytic(SPACE, "energy")


def test_all_that_is_reachable_is_open():
    valid = tl.walk(SPACE.trellis.target, SPACE.trellis.valid, TOKENS)[1]
    assert valid.all()
    assert SPACE.count() == len(TOKENS) == 24


# Corrected sums


def raw_sums(table):
    """Sum of the rows of every architecture, in exact arithmetic."""
    return [
        sum(Fraction(table.lookup(op).mean) for op in tiny.operators_of(row) if op.kind != "identity")
        for row in TOKENS.tolist()
    ]


@pytest.mark.parametrize(("scale", "offset"), [(1.25, 0.5), (0.3, 0.0), (1.0, 7.0)])
def test_reported_costs_are_the_corrected_sums(scale, offset):
    table = make_table(correction=Correction(scale, offset))
    prices = price(table, SPACE)
    problem, description = make_problem(SPACE, [prices], tiny.make_quality(SPACE))
    column = description.costs[0]
    ticks = np.asarray(problem_costs(problem, TOKENS))[:, 0]
    bound = (len(SPACE.decisions) + 4) * 2.0**-column.exponent
    for reported, raw in zip(column.to_unit(ticks), raw_sums(table), strict=True):
        assert -1e-12 <= float(reported) - (Fraction(scale) * raw + Fraction(offset)) < bound
        assert -1e-9 <= column.to_raw(float(reported)) - raw < bound / scale + 1e-9
    assert column.corrected
    low = tl.cost_to_go(SPACE.trellis.target, SPACE.trellis.valid, np.asarray(problem.cost[0]))[0, 0]
    assert int(low) == ticks.min() == int(problem.low[0])
    assert int(problem.high[0]) == ticks.max() < 2**30


def test_a_table_without_correction_is_priced_as_it_is():
    prices = price(make_table(), SPACE)
    assert (prices.scale, prices.offset, prices.quantile) == (1.0, 0.0, None)
    _, description = make_problem(SPACE, [prices], tiny.make_quality(SPACE))
    assert not description.costs[0].corrected
    assert description.costs[0].to_raw(1.7) == 1.7
    assert "never compared" in description.costs[0].doubts[0]


def test_headroom_multiplies_scale_and_offset():
    networks = tuple(MeasuredNetwork(str(i), 2.0, 2.0 + 0.5 * i) for i in range(9))
    table = make_table(correction=Correction(0.5, 1.0, 3, SPACE.identity), validation=networks)
    prices = price(table, SPACE, quantile=0.9)
    assert (prices.scale, prices.offset, prices.quantile) == (0.5 * 3, 1.0 * 3, 0.9)
    np.testing.assert_array_equal(prices.values, price(make_table(), SPACE).values * 1.5)
    with pytest.raises(ValueError, match=r"toy\.json: cost quantile 0\.95 needs 19"):
        price(table, SPACE, quantile=0.95)


def test_an_offset_means_nothing_for_a_maximum():
    prices = dataclasses.replace(tiny.make_prices(SPACE, 0, "max"), offset=1.0)
    with pytest.raises(ValueError, match="offset of 1, which means nothing for a maximum"):
        edge_ticks(prices, SPACE, SPACE.trellis.valid)


def test_a_space_without_operators_counts_nothing():
    with pytest.raises(ValueError, match="declares no operators, so madds cannot be computed"):
        analytic(tabular.make({"kernel": [3, 5]}), "madds")
