"""Rows of a device table that are hard to believe: fillers, odd rows, units, keys that no operator of the space has."""

import dataclasses
import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import nagjax
from nagjax import operators as ops
from nagjax import posing
from nagjax.devices.cost_doubts import cost_doubts
from nagjax.devices.pricing import price
from nagjax.devices.table import DeviceTable, Row
from nagjax.devices.table_doubts import disagreement, odd_rows, table_doubts, unused_rows
from nagjax.devices.units import unit_doubt
from nagjax.spaces import mobilenet_v3_small28
from nagjax.tabular import read_tabular

SPACE = mobilenet_v3_small28.make()
OPERATORS = list({op.key: op for op in SPACE.operators}.values())
KEYS = [op.key for op in OPERATORS]


def size(op):
    return ops.madds(op) + ops.params(op) + op.in_size**2 * op.in_channels + op.out_size**2 * op.out_channels


TIMES = np.array([1e-3 + 1e-6 * size(op) for op in OPERATORS])
"""A microsecond a call and a picosecond a unit of size: networks of 0.5 to 4 ms."""


def make_table(changes=None, scale=1.0, **fields):
    """One row an operator; ``changes`` by key, None leaves the row out."""
    times = {**dict(zip(KEYS, scale * TIMES, strict=True)), **(changes or {})}
    rows = {(key, None): Row(time, source=f"phone.json: row {i} ({key})")
            for i, (key, time) in enumerate(times.items(), 1) if time is not None}  # fmt: skip
    given = {"device": "toy", "runtime": "none", "batch": 1, "dtype": "float32", "unit": "ms", "measured": "made up"}
    return DeviceTable(**{**given, "rows": rows, "source": "phone.json", **fields})


def found(table, space=SPACE):
    return table_doubts(table, space, space.trellis.valid)


def says(sentence, *parts):
    assert re.search("(?s)" + ".*".join(re.escape(str(part)) for part in parts), sentence), sentence


def test_a_sound_table_has_no_doubts():
    assert found(make_table()) == ()


@pytest.mark.parametrize("value", [1e9, 99.999, 1e-9])
def test_an_odd_row_is_named_with_its_place_and_value(value):
    (sentence,) = found(make_table({KEYS[7]: value}))
    says(
        sentence, "1 of 114 rows are implausible", f"phone.json: row 8 ({KEYS[7]}): {value:g} ms", "measure", "--where"
    )


def test_fillers_are_not_what_others_are_compared_with():
    """Every second row of the space is a filler: the others are still not odd."""
    (sentence,) = found(make_table(dict.fromkeys(KEYS[::2], 1e9)))
    says(sentence, "57 of 114 rows are implausible", "and 54 more")
    assert odd_rows(OPERATORS, np.where(np.arange(114) % 2, TIMES, 1e9)).tolist() == list(range(0, 114, 2))


@given(st.lists(st.floats(-0.9, 0.9), min_size=len(KEYS), max_size=len(KEYS)), st.floats(-6, 6))
def test_scatter_is_not_odd_in_any_unit_and_a_thousandfold_is(logs, unit):
    """Each time is off by up to a factor of 8 either way, so two differ by up to 64 where sizes are equal."""
    times = TIMES * 10.0 ** (np.array(logs) + unit)
    assert not len(odd_rows(OPERATORS, times))
    times[40] = np.median(times) * 1e6
    assert odd_rows(OPERATORS, times).tolist() == [40]


def test_too_few_rows_are_not_judged():
    assert not len(odd_rows(OPERATORS[:3], np.array([1.0, 40.0, 1e-4])))
    assert not len(odd_rows([], np.zeros(0)))


# Units


@pytest.mark.parametrize(
    ("scale", "parts"),
    [
        (
            1e3,
            ["multiply-adds a second: is the unit right?", "1000 times smaller (us instead of ms, or ms instead of s)"],
        ),
        (1e-3, ["less than 10 us: is the unit right?", "1000 times larger (s instead of ms, or ms instead of us)"]),
        (1e6, ["1e+06 times smaller (ns instead of ms)"]),
        (1e-6, ["1e+06 times larger (s instead of us)"]),
    ],
)
def test_a_unit_declared_for_another_is_asked_about(scale, parts):
    (sentence,) = found(make_table(scale=scale))
    says(sentence, "networks take", *parts)


def test_a_filler_does_not_make_the_unit_strange():
    (sentence,) = found(make_table({KEYS[3]: 1e9}))
    assert "implausible" in sentence


@pytest.mark.parametrize(
    ("low", "high", "rate", "part"),
    [
        (0.0003, 0.002, 0.0, "take 300 ns to 2 us, less than 10 us: is the unit right? One 1000 times larger"),
        (0.0003, 0.0101, 0.0, ""),
        (1.08e7, 2e7, 0.0, "take 3 h to 5.56 h, more than 10 min: is the unit right? One 1000 times smaller"),
        (6e5, 2e6, 0.0, ""),
        (0.01, 0.05, 2e12, "2.0e+12 multiply-adds a second"),
        (0.01, 0.05, 5e11, ""),
        (0.5, 4.0, 1e7, ""),
        (900.0, 2000.0, 1e7, "1.0e+07 multiply-adds a second"),
        (1e-9, 1e10, 1.0, "is the unit right? Declare the unit of the times"),
    ],
)
def test_units_by_hand(low, high, rate, part):
    sentence = unit_doubt(low, high, rate)
    assert part in sentence
    assert bool(part) == bool(sentence)


# Measured costs of whole networks


def rows(index):
    return f"row {index + 2}"


def test_values_far_from_the_others_are_named_by_row():
    cost = np.array([5.0, 1e9, 7.0, 6.0, 0.0049])
    (sentence,) = cost_doubts(cost, "ms", rows)
    says(sentence, "2 of 5 values are implausible", "5 to 7 ms", "1e+09 (row 3), 0.0049 (row 6)", "leave such rows out")
    assert cost_doubts(np.array([5.0, 7.0, 0.051]), "ms", rows) == ()
    (many,) = cost_doubts(np.append(np.linspace(1, 2, 20), np.full(9, 99999.0)), "mJ", rows)
    says(many, "9 of 29 values", "(row 26) and 4 more")


def test_a_column_in_another_unit_is_asked_about_and_only_for_times():
    cost = np.array([0.002, 0.0045])
    (sentence,) = cost_doubts(cost, "ms", rows)
    says(sentence, "networks take 2 us to 4.5 us", "s instead of ms")
    assert cost_doubts(cost, "mJ", rows) == ()


@given(st.lists(st.floats(0.02, 5e4), min_size=1, max_size=40))
def test_costs_without_a_gap_are_not_doubted(costs):
    steps = 10.0 ** np.arange(-1.5, 4.6, 0.5)
    assert cost_doubts(np.concatenate([costs, steps]), "ms", rows) == ()


def test_a_benchmark_carries_the_doubts_about_its_costs(tmp_path):
    path = tmp_path / "bench.csv"
    path.write_text("kernel,quality,latency_ms\n3,0.5,5.5\n5,0.6,1e9\n7,0.7,7.5\n", encoding="utf-8")
    (prices,) = read_tabular(path, {"latency_ms": "latency_ms"}, decision_columns=["kernel"]).prices
    (doubt,) = prices.doubts
    says(doubt, "1 of 3 values are implausible", "1e+09 (")


# Keys


BLOCK = next(op for op in OPERATORS if op.kernel == 5 and op.mid_channels == 32)


def test_a_row_that_no_operator_uses_is_named_with_what_it_may_mean():
    other = BLOCK.key.replace("-m32-", "-m33-")
    extra = make_table({other: 0.5})
    (sentence,) = found(extra)
    says(sentence, "1 of 115 rows are used by no operator of mobilenet_v3_small28", f"'{other}'; correct the key")
    assert unused_rows(extra, SPACE) == [(other, None)]
    lacking = make_table({BLOCK.key: None, other: 0.5})
    says(found(lacking)[-1], f"'{other}' (did you mean '{BLOCK.key}', which has no row?)")
    with pytest.raises(ValueError, match="have no row") as caught:
        price(lacking, SPACE)
    says(str(caught.value), BLOCK.key, "--write_template", f"did you mean '{BLOCK.key}'")


def test_a_table_of_several_spaces_is_no_mistake():
    many = {f"conv-{i}x{i}x3-{i}x{i}x8-k1-s1": 0.1 for i in range(1, 30)}
    assert found(make_table(many)) == ()
    assert len(unused_rows(make_table(many), SPACE)) == 29


def test_two_tables_of_one_device_that_disagree_are_named():
    first, slower = make_table(), make_table({KEYS[3]: 5.0}, scale=1.5, source="again.json")
    sentence = disagreement(first, slower)
    says(sentence, "two tables of toy disagree", f"of {len(KEYS)} rows", "again.json", "1.5 times as long")
    assert f"{KEYS[3]} is {TIMES[3]:g} ms in one and 5 ms" in sentence
    assert disagreement(first, make_table(scale=1.15)) == "", "a little noise is no disagreement"
    assert disagreement(first, make_table({KEYS[3]: 5.0})) == "", "one row is for the other checks"
    assert disagreement(first, make_table(scale=1.5, batch=8)) == "", "another batch takes another time"
    assert disagreement(first, make_table(scale=1.5, device="other")) == ""


def test_a_problem_of_several_devices_carries_the_disagreement():
    tables = {"monday": make_table(), "friday": make_table(scale=2.0)}
    made = nagjax.problem(SPACE, table=tables, quality=posing.flat(SPACE))
    assert any("two tables of toy disagree" in doubt for doubt in made.description.costs[0].doubts)


def test_doubts_reach_the_prices():
    assert any("implausible" in doubt for doubt in price(make_table({KEYS[7]: 1e9}), SPACE).doubts)


# Conditions


def test_only_what_the_conditions_leave_has_to_be_priced():
    kernels = {op.key: None for op in OPERATORS if op.kernel == 5}
    table = make_table(kernels)
    with pytest.raises(ValueError, match=rf"{len(kernels)} operators|operators of .* have no row"):
        price(table, SPACE)
    allowed = SPACE.where({"kernel": 3, "resolution": 28})
    prices = price(table, SPACE, allowed=allowed)
    assert (prices.open_edges <= allowed).all()
    full = price(make_table(), SPACE)
    tokens = SPACE.parse("1,1,1:3,0,0,3,0,0,3,0,0:2,0,0,2,0,0,2,0,0:28")[None]
    assert SPACE.operator_sum(tokens, prices.values) == SPACE.operator_sum(tokens, full.values)
    stem = next(op.key for op in OPERATORS if op.kind == "conv" and op.in_size == 28)
    with pytest.raises(ValueError, match=f"1 operators of .* have no row: {re.escape(stem)} at resolution 28"):
        price(make_table({**kernels, stem: None}), SPACE, allowed=allowed)


def test_every_path_left_is_priced_and_no_other_is_open():
    """What is open by itself is what conditions and table leave together, of a whole path."""
    table = make_table({op.key: None for op in OPERATORS if op.kernel == 5 and op.kind == "mbconv"})
    prices = price(table, SPACE, allowed=SPACE.where({"kernel": 3}))
    rows = np.array([table.lookup(op) is not None for op in SPACE.operators] + [True])
    assert rows[SPACE.trellis.operators[prices.open_edges]].all()


def test_kinds_that_are_free_are_not_judged():
    pools = {op.key: None for op in OPERATORS if op.kind == "pool"}
    table = dataclasses.replace(make_table(pools), unmeasured=("pool",))
    assert found(table) == ()
