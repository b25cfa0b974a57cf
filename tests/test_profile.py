"""Profiling with made-up times: what is measured, how often, what is kept, and what the table then says.

Only the last tests run programs, of the smallest operators there are; none of them looks at how long anything took.
"""

import itertools
import json
import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from benchmarks import profile_validation
from experiments import profile_device
from experiments.inputs import profile_machine
from nagjax.devices.json_table import read_json
from nagjax.devices.table import Row
from nagjax.devices.validation import MeasuredNetwork, fit_correction, judge
from nagjax.operators import Operator, madds
from nagjax.profile import networks, programs, subjects, summary
from nagjax.profile.journal import Journal
from nagjax.profile.profiling import About, Plan, profile
from nagjax.profile.rounds import measure, missing
from nagjax.spaces import mobilenet_v3_small28, nas_bench_macro, pretrained_decoder
from tests import tiny

SMALL = nas_bench_macro.make()
ABOUT = About("toy", "none", 1, "float32", "made up")
HEADER = {"device": "toy", "space": SMALL.identity, "batch": 1}


def subject(name, kind="operator"):
    return subjects.Subject(kind, name, ())


def op_seconds(op):
    """A made-up time: from its key, so that every operator has its own."""
    return 1e-6 * (10 + sum(op.key.encode()) % 97)


class Fake:
    """Stopwatches with made-up times: an operator its own; a network 1.5 times their sum and 20 us, with noise."""

    def __init__(self, noise=0.0, interrupt_after=None):
        self.prepared, self.timed = [], []
        self.noise, self.left = noise, interrupt_after
        self.rng = np.random.default_rng(0)

    def __call__(self, subject):
        self.prepared.append(subject.name)

        def stopwatch():
            if self.left is not None:
                self.left -= 1
                if self.left < 0:
                    raise KeyboardInterrupt
            self.timed.append(subject.name)
            total = sum(op_seconds(op) for op in subject.operators) if subject.operators else 1e-6
            total = total if subject.kind == "operator" else 1.5 * total + 20e-6
            return total * (1 + self.noise * self.rng.uniform(-1, 1))

        return stopwatch


def quiet(*_):
    return lambda *_: None


# What is measured


def test_each_operator_once_however_many_resolutions_use_it():
    space = mobilenet_v3_small28.make()
    everything = subjects.used_operators(space, space.trellis.valid)
    assert len({one.key for one in everything}) == len(everything) < len(space.operators)
    assert {one.key for one in everything} == {op.key for op in space.operators if op.kind != "identity"}
    one = subjects.used_operators(space, space.where({"resolution": 20}))
    assert {op.key for op in one} == {op.key for op in space.operators if op.resolution == 20 and op.kind != "identity"}


def test_an_operator_that_no_path_reaches_is_not_measured():
    space = tiny.make_space()
    edges = space.trellis.valid.copy()
    edges[1, :, 1] = False  # depth 2
    names = {one.key for one in subjects.used_operators(space, edges)}
    assert not names & {tiny.block(size, 1, kernel).key for size in tiny.SIZES for kernel in tiny.KERNELS}
    assert names == {
        op.key
        for size in tiny.SIZES
        for op in (tiny.stem(size), tiny.head(size), *(tiny.block(size, 0, kernel) for kernel in tiny.KERNELS))
    }


def test_operators_are_put_in_the_order_in_which_an_image_passes_them():
    """The head of these spaces stands at the first decision."""
    space = mobilenet_v3_small28.make()
    for tokens in space.sample(np.random.default_rng(0), 20):
        ordered = subjects.network(space, tokens).operators
        assert (ordered[0].in_size, ordered[-1].kind) == (ordered[0].resolution, "linear")
        for before, after in itertools.pairwise(ordered):
            assert (before.out_size, before.out_channels) == (after.in_size, after.in_channels)
        plan = mobilenet_v3_small28.plan()
        assert plan.stem(ordered[0].resolution)[0] == ordered[0]


def test_order_finds_its_way_back_from_a_dead_end():
    """From 4 channels one operator goes to 8 and back, another ends: the end must wait."""
    end, away = Operator("conv", 8, 8, 4, 6), Operator("conv", 8, 8, 4, 8)
    back, stay = Operator("conv", 8, 8, 8, 4), Operator("conv", 8, 8, 4, 4, kernel=3)
    start = Operator("conv", 8, 8, 3, 4)
    assert subjects.in_order([end, back, away, stay, start]) == (start, stay, away, back, end)
    with pytest.raises(ValueError, match="2 operators are not a chain"):
        subjects.in_order([start, back])


# Rounds


def test_rounds_are_interleaved_and_programs_made_once(tmp_path):
    every, fake = [subject(name) for name in "abcdefgh"], Fake()
    with Journal(tmp_path / "a.jsonl", HEADER) as journal:
        assert missing(every, 3, journal) == 24
        measure(every, 3, fake, journal)
        assert missing(every, 3, journal) == 0
    orders = ["".join(fake.timed[at : at + 8]) for at in (0, 8, 16)]
    assert sorted(fake.prepared) == list("abcdefgh")
    assert ["".join(sorted(order)) for order in orders] == ["abcdefgh"] * 3
    assert len(set(orders)) == 3


@pytest.mark.parametrize("kept", [0, 1, 5, 8, 13])
def test_what_a_crash_leaves_is_gone_on_with_nothing_lost_and_nothing_twice(tmp_path, kept):
    path, every = tmp_path / "a.jsonl", [subject(name) for name in "abcdefgh"]
    fake = Fake()
    with Journal(path, HEADER) as journal:
        measure(every, 2, fake, journal)
    straight = fake.timed
    lines = path.read_bytes().splitlines(keepends=True)
    torn = lines[kept + 1][:9] if kept + 1 < len(lines) else b""
    path.write_bytes(b"".join(lines[: kept + 1]) + torn)
    again = Fake()
    with Journal(path, HEADER, resume=True) as journal:
        measure(every, 2, again, journal)
        assert {name: len(times) for name, times in journal.seconds.items()} == {
            ("operator", name): 2 for name in "abcdefgh"
        }
    assert again.timed == straight[kept:]
    assert len(path.read_bytes().splitlines()) == 17
    with Journal(path, HEADER, resume=True) as journal:
        assert missing(every, 2, journal) == 0


def test_a_journal_is_not_gone_on_with_by_another_measurement(tmp_path):
    path = tmp_path / "a.jsonl"
    Journal(path, HEADER).__exit__(None, None, None)
    with pytest.raises(ValueError, match=r"a\.jsonl: measurements are there already; go on with --resume"):
        Journal(path, HEADER)
    for name, value in (("device", "other"), ("batch", 8), ("space", "other()/v1")):
        with pytest.raises(ValueError, match=f"was measured with {name} .*, now it is {re.escape(repr(value))}"):
            Journal(path, {**HEADER, name: value}, resume=True)
    with Journal(path, HEADER, resume=True) as journal:
        journal.add("operator", "a", 1.0)
    with Journal(tmp_path / "tokens.jsonl", {**HEADER, "column": "token_ms"}):
        pass
    with pytest.raises(ValueError, match="was measured with column 'token_ms', now it is None"):
        Journal(tmp_path / "tokens.jsonl", HEADER, resume=True)
    path.write_text(path.read_text() + "x\n" + '{"operator": "a", "seconds": 1.0}\n')
    with pytest.raises(ValueError, match=r"a\.jsonl:3: is not a line of a profile"):
        Journal(path, HEADER, resume=True)
    path.write_text('{"format": "else"}\n')
    with pytest.raises(ValueError, match=r"another file; choose another --out"):
        Journal(path, HEADER, resume=True)


# From measurements to rows


def test_rows_are_medians_in_ms_and_do_not_follow_one_disturbed_round():
    op = tiny.block(8, 0, 3)
    rows = summary.rows([subjects.Subject("operator", op.key, (op,))], {("operator", op.key): [1.0, 2.0, 3.0, 99.0]})
    assert rows[op.key].mean == 2500.0
    assert rows[op.key].std == pytest.approx(1482.6)  # deviations 1.5, 0.5, 0.5, 96.5: median 1
    assert rows[op.key].count == 4


def test_outliers_are_the_unsteady_and_those_faster_than_less_work():
    kernels = [tiny.block(8, 0, kernel) for kernel in tiny.KERNELS]
    every = [subjects.Subject("operator", op.key, (op,)) for op in (*kernels, tiny.head(8), tiny.head(16))]
    times = {kernels[0].key: 1.0, kernels[1].key: 2.0, kernels[2].key: 1.5, tiny.head(8).key: 9.0, tiny.head(16).key: 1}
    found = summary.outliers(every, {name: Row(time) for name, time in times.items()})
    assert [one.operator for one in found] == [kernels[2].key]
    assert f"0.75 of the time of {kernels[1].key}" in found[0].reason
    shaky = {name: Row(1.0, 0.2 if name == kernels[0].key else 0.05) for name in times}
    assert [(one.operator, one.reason) for one in summary.outliers(every, shaky)] == [
        (kernels[0].key, "varies by 20 % between rounds")
    ]


# Networks


def test_networks_are_distinct_and_reach_over_the_range_of_costs():
    space = mobilenet_v3_small28.make()
    values = np.array([op_seconds(op) for op in space.operators])
    edges = space.where({"resolution": [20, 28]})
    drawn = networks.draw(space, edges, values, {"fit": 20, "validate": 40}, seed=0)
    assert {name: len(texts) for name, texts in drawn.items()} == {"fit": 20, "validate": 40}
    texts = [*drawn["fit"], *drawn["validate"]]
    assert len(set(texts)) == 60
    assert {text.split(":")[-1] for text in texts} == {"20", "28"}
    tokens = space.sample(np.random.default_rng(1), 60)
    plain = space.operator_sum(tokens, values)
    for some in drawn.values():
        costs = space.operator_sum(np.stack([space.parse(text) for text in some]), values)
        assert np.ptp(costs) > 1.2 * np.ptp(plain), "uniform draws stay in the middle"
    assert networks.draw(space, edges, values, {"fit": 20, "validate": 40}, seed=0) == drawn


def test_a_space_with_too_few_architectures_is_refused():
    space = tiny.make_space()
    values = np.ones(len(space.operators))
    assert len(networks.draw(space, space.trellis.valid, values, {"fit": 24}, 0)["fit"]) == 24
    with pytest.raises(ValueError, match=r"25 networks are to be measured, tiny\(\)/v1 has 24"):
        networks.draw(space, space.trellis.valid, values, {"fit": 5, "validate": 20}, 0)


def made(raw, measured):
    return [MeasuredNetwork(str(i), float(r), float(m)) for i, (r, m) in enumerate(zip(raw, measured, strict=True))]


def test_the_correction_is_found_and_a_disturbed_network_does_not_bend_it():
    raw = np.linspace(1, 5, 11)
    measured = 1.5 * raw + 0.25
    measured[4] *= 3
    found = fit_correction(made(raw, measured), "toy()/v1")
    assert (found.scale, found.offset) == (pytest.approx(1.5), pytest.approx(0.25))
    assert (found.networks, found.space) == (11, "toy()/v1")


def test_no_other_correction_has_a_smaller_mean_relative_error():
    rng = np.random.default_rng(0)
    raw = rng.uniform(1, 5, 15)
    measured = (0.8 * raw + 0.1) * rng.lognormal(0, 0.1, 15)
    found = fit_correction(made(raw, measured), "toy()/v1")

    def error(scale, offset):
        return np.abs((scale * raw + offset) / measured - 1).mean()

    least = error(found.scale, found.offset)
    for scale, offset in itertools.product(np.linspace(0.4, 1.4, 101), np.linspace(0, 1, 101)):
        assert least <= error(scale, offset) + 1e-9


def test_the_offset_is_never_negative_and_a_sum_that_says_nothing_is_refused():
    raw = np.linspace(1, 5, 9)
    found = fit_correction(made(raw, 2 * raw - 0.5), "a")
    assert found.offset == 0
    assert 2 - 0.5 < found.scale < 2 - 0.5 / 5, "the best through 0, not the best line without its offset"
    with pytest.raises(ValueError, match="do not rise with the sum"):
        fit_correction(made(raw, 9 - raw), "a")
    with pytest.raises(ValueError, match="1 networks fit no correction"):
        fit_correction(made(raw, raw)[:1], "a")


# The whole way


def test_weights_kept_in_fewer_bits_take_the_time_that_is_measured_once(tmp_path):
    """Two heads and two sizes of MLP in 4, 8 and 32 bits, and the ends: 6 of 14 rows are timed."""
    space = pretrained_decoder.make(length=4, layers=1, heads=2, keep_heads="1-2", keep_hidden="8-256", bits="4-8-32")
    fake = Fake()
    with Journal(tmp_path / "a.jsonl", HEADER) as journal:
        table, _ = profile(space, space.trellis.valid, Plan(3, 0, 0), ABOUT, fake, journal, quiet)
    assert len(fake.prepared) == 6
    assert {key for key, _ in table.rows} == {op.key for op in space.operators}
    for op in space.operators:
        whole = op.key.replace("bits=4", "bits=32").replace("bits=8", "bits=32")
        assert table.rows[op.key, None].mean == table.rows[whole, None].mean


def run_profile(path, fake, plan, resume=False):
    with Journal(path, HEADER, resume) as journal:
        return profile(SMALL, SMALL.trellis.valid, plan, ABOUT, fake, journal, quiet)


def test_a_profile_gives_a_table_that_prices_networks(tmp_path):
    table, _ = run_profile(tmp_path / "a.jsonl", Fake(), Plan(3, 15, 20))
    keys = {op.key for op in SMALL.operators}
    assert {key for key, _ in table.rows} == keys
    for op in SMALL.operators:
        assert table.rows[op.key, None].mean == pytest.approx(1000 * op_seconds(op))
    assert table.correction.scale == pytest.approx(1.5)
    assert table.correction.offset == pytest.approx(0.02)
    assert (table.correction.networks, table.correction.space) == (15, SMALL.identity)
    assert len(table.validation) == 20
    verdict = judge(table.correction, table.validation)
    assert verdict.spearman == pytest.approx(1)
    assert verdict.median_relative_error < 1e-6
    assert verdict.raw_bias < -0.3


def test_no_network_that_judges_was_fitted_to(tmp_path):
    path = tmp_path / "a.jsonl"
    table, _ = run_profile(path, Fake(), Plan(3, 15, 20))
    chosen = [json.loads(line)["chosen"] for line in path.read_text().splitlines() if "chosen" in line]
    assert len(chosen) == 1
    assert {one.architecture for one in table.validation} == set(chosen[0]["validate"])
    assert not set(chosen[0]["fit"]) & set(chosen[0]["validate"])


@pytest.mark.parametrize("stop", [0, 40, 100, 170])
def test_an_interrupted_profile_ends_as_one_that_was_not(tmp_path, stop):
    """17 operators and 35 networks, 3 rounds: 156 measurements or so; the networks that were drawn stay."""
    plan = Plan(3, 15, 20)
    straight, _ = run_profile(tmp_path / "a.jsonl", Fake(), plan)
    fake = Fake(interrupt_after=stop)
    if stop < len(SMALL.operators) * 3 + 105:
        with pytest.raises(KeyboardInterrupt):
            run_profile(tmp_path / "b.jsonl", fake, plan)
    resumed, _ = run_profile(tmp_path / "b.jsonl", Fake(), plan, resume=True)
    assert resumed.content_hash == straight.content_hash
    assert sorted((tmp_path / "a.jsonl").read_text().splitlines()) == sorted(
        (tmp_path / "b.jsonl").read_text().splitlines()
    )


def test_more_networks_can_be_asked_for_later(tmp_path):
    path = tmp_path / "a.jsonl"
    first, _ = run_profile(path, Fake(), Plan(3, 0, 0))
    assert (first.correction, first.validation) == (None, ())
    fake = Fake()
    table, _ = run_profile(path, fake, Plan(3, 10, 12), resume=True)
    assert not set(fake.timed) & {op.key for op in SMALL.operators}, "operators are not measured again"
    assert (table.correction.networks, len(table.validation)) == (10, 12)


# Programs


def test_a_stopwatch_divides_by_calls_and_turns():
    """A clock that each call moves on by a second: 10 calls of 4 inferences are needed for 10 seconds."""
    calls, clock = [], lambda: float(len(calls))
    timed = programs.stopwatch(lambda: calls.append(1), 4, 10.0, clock)
    calls.clear()
    assert timed() == 0.25
    assert len(calls) == 10


def test_an_accelerator_is_waited_for_once_a_timing():
    """A device that takes a second for what it was given; asking it to begin takes none."""
    begun, ended, waits = [], [], []

    def wait(found):
        waits.append(found)
        ended.extend(begun[len(ended) :])

    timed = programs.stopwatch(lambda: begun.append(1) or len(begun), 4, 10.0, lambda: float(len(ended)), wait)
    waits.clear()
    assert timed() == 0.25
    assert waits == [len(begun)] == [12], "two calls told how many are needed"


def test_loops_are_longer_where_an_operator_is_small():
    small, large = Operator("linear", 1, 1, 8, 8, norm=False), Operator("conv", 224, 224, 64, 64, kernel=3)
    assert programs.loop_turns(madds(small), 1) == programs.LONGEST_LOOP
    assert programs.loop_turns(madds(large), 1) == programs.SHORTEST_LOOP
    middle = 4_200_000  # 48 turns, so 64 or 32
    assert programs.loop_turns(middle, 1) in (32, 64)
    assert programs.loop_turns(middle, 8) == programs.loop_turns(middle, 1) // 8


def test_a_loop_runs_its_body_in_every_turn_and_computes_all_of_its_output():
    """y becomes 2 x + 1 of an x whose first element grows by a millionth of the y before."""
    run = programs.looped(lambda x: 2 * x + 1, 3)
    x = np.array([1e6, 5.0])
    expected, first = np.zeros(2), 1e6
    for _ in range(3):
        first += 1e-6 * expected[0]
        expected = 2 * np.array([first, 5.0]) + 1
    np.testing.assert_allclose(np.asarray(jax.jit(run)(jnp.asarray(x, jnp.float32))), expected, rtol=1e-6)
    assert expected[0] > 2e6 + 4.9


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_every_kind_of_operator_and_a_network_can_be_timed(dtype):
    every = (
        Operator("conv", 4, 2, 1, 8, kernel=3, stride=2, activation="h_swish"),
        Operator("mbconv", 2, 2, 8, 8, 3, 1, 16, True, "relu", skip=True),
        Operator("pool", 2, 1, 8, 8, kernel=2, norm=False),
        Operator("linear", 1, 1, 8, 3, norm=False),
    )
    prepare = programs.preparation(2, dtype, 0.1)
    whole = subjects.Subject("network", "all", every)
    with jax.numpy_rank_promotion("allow"):
        for op in every:
            assert prepare(subjects.Subject("operator", op.key, (op,)))() > 0
        assert prepare(whole)() > 0
        out = programs.compiled(whole, 2, dtype, 1)()
    assert (out.shape, out.dtype) == ((2, 3), jnp.dtype(dtype))
    assert np.isfinite(np.asarray(out, np.float32)).all()


# The command


@pytest.fixture
def fake_device(monkeypatch):
    """The command with made-up times."""
    fake = Fake()
    monkeypatch.setattr(profile_device, "preparation", lambda *_: fake)
    return fake


def arguments(tmp_path, *more):
    return ["--space=nas_bench_macro", f"--out={tmp_path / 'table.json'}", "--compilation_cache=", *more]


def test_the_command_writes_a_table_and_says_how_far_to_trust_it(tmp_path, capsys, fake_device):
    assert profile_device.main(arguments(tmp_path, "--validate=20", "--validate_fit=15", "--rounds=3")) == 0
    text = capsys.readouterr().out
    assert "correction: 1.5 x sum + 0.02 ms, fitted to 15 networks" in text
    assert "judged: Spearman 1.000, median error 0.0 %" in text
    table = read_json(tmp_path / "table.json")
    assert "--space=nas_bench_macro" in table.measured
    assert "--validate=20" in table.measured
    assert str(tmp_path) not in table.measured
    assert profile_validation.profile_validation(table) == {
        "spearman": pytest.approx(1),
        "median_relative_error": pytest.approx(0, abs=1e-6),
        "networks": 20,
    }
    assert profile_device.main(arguments(tmp_path)) == 2
    assert "--resume" in capsys.readouterr().err


def test_ctrl_c_keeps_what_was_measured(tmp_path, capsys, fake_device):
    fake_device.left = 30
    assert profile_device.main(arguments(tmp_path, "--rounds=3")) == 130
    assert "--resume" in capsys.readouterr().out
    assert not (tmp_path / "table.json").exists()
    assert len((tmp_path / "table.json.rounds.jsonl").read_text().splitlines()) == 31
    fake_device.left = None
    assert profile_device.main(arguments(tmp_path, "--rounds=3", "--resume", "--batch=2")) == 2
    assert "measured with batch 1, now it is 2" in capsys.readouterr().err
    assert profile_device.main(arguments(tmp_path, "--rounds=3", "--resume")) == 0
    assert "never compared with whole networks" in capsys.readouterr().out
    assert len(fake_device.timed) == 3 * len({op.key for op in SMALL.operators})


@pytest.mark.parametrize(
    ("more", "says"),
    [
        (["--validate=5"], "fewer than 10"),
        (["--validate=50", "--validate_fit=2"], "fewer than 10"),
        (["--out=table.txt"], "must end in .json"),
        (["--space=nowhere"], "nowhere"),
        (["--where=colour=red"], "colour"),
        (["--column=token_ms", "--runtime=onnxruntime"], "single tokens are timed with --runtime=jax"),
    ],
)
def test_the_command_refuses(tmp_path, capsys, fake_device, more, says):
    assert profile_device.main(arguments(tmp_path, *more)) == 2
    assert says in capsys.readouterr().err
    assert not fake_device.timed
    assert not list(tmp_path.iterdir())


def test_the_machine_is_named(tmp_path):
    file = tmp_path / "cpuinfo"
    file.write_text("processor : 0\nmodel name\t: Acme 9000\nmodel name\t: Acme 9000\n")
    assert profile_machine.processor(file) == "Acme 9000"
    assert profile_machine.processor(tmp_path / "none")
    assert profile_machine.busy_warnings(lambda: (2.0, 0.0, 0.0), 2) == []
    assert len(profile_machine.busy_warnings(lambda: (2.1, 0.0, 0.0), 2)) == 1
