"""A new device from a few measured networks: numbers worked by hand, a space of made-up devices, and the two jobs."""

import csv
import re
import shlex
from pathlib import Path

import numpy as np
import pytest

from experiments import adapt as adapt_job
from experiments import measure_plan
from nagjax.devices.adapting import adapted, doubts, known_devices, planned
from nagjax.devices.json_table import read_json
from nagjax.devices.operator_terms import operator_terms
from nagjax.devices.pricing import price
from nagjax.devices.transfer import (
    PLANNED_NOISE,
    PLANNED_SPREAD,
    SCALE,
    adapt,
    device_weights,
    learn_prior,
    plan,
    shared_evenly,
)
from nagjax.devices.validation import spearman
from nagjax.operators import madds
from nagjax.spaces import mobilenet_v3_small28, tabular

SPACE = mobilenet_v3_small28.make()
ONE = np.array([[1.0, 1.0]])
GRID = np.array([[a, b] for a in range(1, 9) for b in range(1, 9)], float)


def two_devices():
    """Devices of (1, 1) and (1, 3) ms a term; on the reference network they take 2 and 4 ms."""
    return learn_prior([np.array([1.0, 1.0]), np.array([1.0, 3.0])], ONE)


# The prior and the posterior


def test_known_devices_are_relative_to_their_scale():
    prior = two_devices()
    assert prior.devices.tolist() == [[0.5, 0.5], [0.25, 0.75]]
    assert prior.mean.tolist() == [0.375, 0.625]
    assert prior.between.tolist() == [[0.125, -0.125], [-0.125, 0.125]]


def test_a_measurement_that_tells_the_scale_alone_leaves_the_prior():
    """The reference network takes 1 on both devices, and 8 ms on the new one: 8 times the mean device."""
    found = adapt(two_devices(), ONE, np.array([8.0]))
    np.testing.assert_allclose(found.weights, [3.0, 5.0])
    np.testing.assert_allclose(found.likeness, [0.5, 0.5])


def test_a_device_like_a_known_one_is_found_to_be_it():
    """Three times the second device, from three networks."""
    terms = np.array([[1.0, 8.0], [8.0, 1.0], [4.0, 4.0]])
    found = adapt(two_devices(), terms, terms @ [3.0, 9.0])
    assert found.likeness[1] > 0.9
    np.testing.assert_allclose(found.weights, [3.0, 9.0], rtol=0.01)
    np.testing.assert_allclose(found.left_out, terms @ [3.0, 9.0], rtol=0.02)


def test_what_is_left_out_has_no_part_in_its_prediction():
    """Of two measurements the other tells all, the scale too; of four it is what the three others make."""
    pair = adapt(two_devices(), np.concatenate([ONE, ONE]), np.array([8.0, 2.0]))
    np.testing.assert_allclose(pair.left_out, [2.0, 8.0])
    terms, measured = np.array([[1.0, 8.0], [8.0, 1.0], [4.0, 4.0], [2.0, 3.0]]), np.array([20.0, 22.0, 30.0, 12.0])
    found = adapt(two_devices(), terms, measured).left_out
    for row in range(4):
        others = np.arange(4) != row
        again = adapt(two_devices(), terms[others], measured[others])
        np.testing.assert_allclose(found[row], terms[row] @ again.weights)
    assert np.isnan(adapt(two_devices(), ONE, np.array([8.0])).left_out).all()


def test_many_measurements_outweigh_the_prior():
    """Unlike anything known, and measured exactly: least squares, which is exact here."""
    measured = GRID @ [2.0, 20.0]
    np.testing.assert_allclose(adapt(two_devices(), GRID, measured).weights, [2.0, 20.0], rtol=0.01)
    np.testing.assert_allclose(device_weights(GRID, measured), [2.0, 20.0])


def test_no_weight_falls_below_zero():
    """Latency that falls with the second term: the prices nearest to that are 0 for it."""
    prior = learn_prior([np.array([1.0, 1.0]), np.array([1.0, 3.0])], GRID)
    found = adapt(prior, GRID, GRID @ [10.0, -1.0])
    assert (found.weights > 0).all()
    assert found.weights[1] < 0.01 * found.weights[0]


def test_what_nothing_tells_apart_is_shared_evenly():
    """Two terms that stand once on every network took 3 ms together, all of it with the first."""
    terms = np.concatenate([np.ones((64, 2)), GRID], 1)
    prior = learn_prior([np.array([2.0, 0.0, 1.0, 1.0]), np.array([4.0, 0.0, 1.0, 2.0])], terms)
    even = shared_evenly(prior, np.array([3.0, 0.0, 1.0, 2.0]))
    np.testing.assert_allclose(even, [1.5, 1.5, 1.0, 2.0], rtol=0.001)


def test_where_networks_leave_a_choice_no_operator_is_free():
    """Two terms that always stand together took 3 ms, all of it with the first; a third one took 0.001 ms."""
    terms = np.stack([np.ones(8), np.ones(8), np.arange(8.0)], 1)
    prior = learn_prior([np.array([2.0, 0.0, 0.1]), np.array([4.0, 0.0, 0.1])], terms)
    found = shared_evenly(prior, np.array([3.0, 0.0, 0.001]))
    assert (found >= 0.0099 * found.mean()).all()
    np.testing.assert_allclose(terms @ found, terms @ [3.0, 0.0, 0.001], rtol=0.02)


def test_a_plan_is_the_cheapest_the_costliest_and_then_the_least_certain():
    prior = two_devices()
    order = plan(prior, GRID, 5)
    assert GRID[order[:2]].tolist() == [[1.0, 1.0], [8.0, 8.0]]
    off = GRID / (GRID @ prior.mean)[:, None]
    cov = (off @ prior.between.T) @ (off @ prior.between.T).T + SCALE**2
    cov += (PLANNED_SPREAD * off * prior.sizes) @ (PLANNED_SPREAD * off * prior.sizes).T
    for number in range(2, 5):  # by brute force: the variance that is left given those before
        seen = order[:number]
        inner = cov[np.ix_(seen, seen)] + PLANNED_NOISE**2 * np.eye(number)
        left = np.diag(cov - cov[:, seen] @ np.linalg.solve(inner, cov[seen])).copy()
        left[seen] = -1
        assert left[order[number]] == pytest.approx(left.max())


@pytest.mark.parametrize(
    ("act", "said"),
    [
        (lambda: learn_prior([np.ones(2)], ONE), "1 known devices do not say how devices differ"),
        (lambda: learn_prior([np.ones(2), np.zeros(2)], ONE), "known device 2 has a mean latency of 0"),
        (lambda: adapt(two_devices(), ONE[:0], np.zeros(0)), "no network was measured"),
        (lambda: adapt(two_devices(), 0 * ONE, np.ones(1)), "network 1 of those measured consists of nothing"),
        (lambda: plan(two_devices(), GRID, 1), "1 networks are to be measured; 2 to 64 can be"),
        (lambda: plan(two_devices(), GRID, 65), "65 networks are to be measured; 2 to 64 can be"),
        (lambda: operator_terms(tabular.make({"kernel": [3, 5]})), "declares no operators"),
    ],
)
def test_what_cannot_be_is_refused(act, said):
    with pytest.raises(ValueError, match=re.escape(said)):
        act()


# Operators


def test_terms_add_up_to_the_sum_of_prices():
    terms = operator_terms(SPACE)
    weights = np.random.default_rng(0).random(terms.values.shape[1])
    tokens = SPACE.sample(np.random.default_rng(1), 20)
    np.testing.assert_allclose(terms.of(tokens) @ weights, SPACE.operator_sum(tokens, terms.prices(weights)))
    charged = terms.family >= 0
    np.testing.assert_allclose(terms.values.sum(1), charged)  # straight lines between knots
    first = set(terms.family[np.unique(SPACE.trellis.operators[0, 0])[:-1]])  # the last stands for no operator
    sizes = {number: len(np.unique(terms.size[terms.family == number])) for number in set(terms.family) - {-1}}
    assert terms.values.shape[1] == sum(min(5 if number in first else 2, most) for number, most in sizes.items())


def test_networks_tell_of_operators_between_the_sizes_that_they_have():
    terms = operator_terms(SPACE)
    assert terms.told(SPACE.sample(np.random.default_rng(1), 500)).all()
    one = SPACE.sample(np.random.default_rng(1), 1)
    nodes = terms.told(one)
    assert not nodes.all()
    assert SPACE.operator_sum(one, (~nodes).astype(int)) == 0


# Devices that are made up: each takes some time to start an operator, and some for its multiply-adds


def made_up(start, speed, tokens):
    values = np.array([0.0 if op.kind in SPACE.free else start + speed * madds(op) / 1e6 for op in SPACE.operators])
    return SPACE.operator_sum(tokens, values)


def known_of(num=300):
    tokens = SPACE.sample(np.random.default_rng(2), num)
    return {f"device{i}": (tokens, made_up(*pair, tokens)) for i, pair in enumerate(((1, 1), (0.2, 3), (0.05, 0.4)))}


def test_a_device_of_ten_measurements_prices_the_space():
    known = known_devices(SPACE, known_of())
    tokens = planned(known, SPACE.trellis.valid, 10, seed=3)
    assert len(np.unique(tokens, axis=0)) == 10
    times = made_up(0.3, 1.0, tokens)
    assert times[0] == times.min() < times[1] == times.max()
    table, found = adapted(known, tokens, times, "new")
    prices = price(table, SPACE)
    judged = SPACE.sample(np.random.default_rng(4), 200)
    predicted, truth = SPACE.operator_sum(judged, prices.values), made_up(0.3, 1.0, judged)
    assert spearman(predicted, truth) > 0.99
    assert np.abs(predicted / truth - 1).max() < 0.05
    assert spearman(found.left_out, times) > 0.95
    assert table.measured == "adapted from device0, device1, device2 by 10 measured networks"


def test_measurements_in_another_unit_or_far_from_the_others_are_doubted():
    known = known_devices(SPACE, known_of())
    tokens = SPACE.sample(np.random.default_rng(5), 20)
    times = made_up(0.3, 1.0, tokens)
    assert doubts(known, tokens, times) == []
    (unit,) = doubts(known, tokens, 1000 * times)
    assert "is the unit right? latency_ms is in ms" in unit
    spoilt = np.where(np.arange(20) == 7, 80 * times, times)
    (far,) = doubts(known, tokens, spoilt)
    assert far.startswith("1 of 20 networks are far from")
    assert f"{SPACE.format(tokens[7])}: {80 * times[7]:.4g} ms" in far


def test_a_network_measured_twice_with_other_times_is_doubted():
    """Halved and doubled it is four times apart, each within the factor of five that one alone may be off."""
    known = known_devices(SPACE, known_of())
    tokens = SPACE.sample(np.random.default_rng(5), 12)
    times = made_up(0.3, 1.0, tokens)
    both, twice = np.concatenate([tokens, tokens[:2]]), np.concatenate([times, times[:2]])
    near = np.concatenate([np.full(12, 1.0), [1.4, 0.7]])
    assert doubts(known, both, near * twice) == []
    near[[0, 12]] = 0.5, 2.0
    (apart,) = doubts(known, both, near * twice)
    assert apart.startswith("1 network is given several times with latencies that are far apart")
    assert f"{SPACE.format(tokens[0])}: {times[0] / 2:.4g} to {2 * times[0]:.4g} ms; measure again" in apart


def test_a_network_unlike_all_known_ones_is_refused():
    tokens = SPACE.sample(np.random.default_rng(2), 60)
    narrow = tokens[tokens[:, 1] == tokens[0, 1]][:4]
    known = known_devices(SPACE, {name: (narrow, made_up(1, speed, narrow)) for name, speed in (("a", 1), ("b", 2))})
    strange = tokens[SPACE.operator_sum(tokens, (~known.priced).astype(int)) > 0][:1]
    with pytest.raises(ValueError, match="operators that not every known device was measured on"):
        adapted(known, strange, np.ones(1))


# The jobs


def write(path, tokens, times):
    with path.open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["architecture", "latency_ms"])
        for row, time in zip(tokens, times, strict=True):
            rows.writerow([SPACE.format(row), "" if time is None else repr(float(time))])
    return path


def listed(path):
    return np.stack([SPACE.parse(row) for row, *_ in list(csv.reader(path.read_text().splitlines()))[1:]])


def flags_of(tmp_path):
    files = [write(tmp_path / f"{name}.csv", *pair) for name, pair in known_of(200).items()]
    return ["--space=mobilenet_v3_small28", "--known=" + ",".join(map(str, files))]


def test_a_plan_is_filled_in_and_becomes_a_table(tmp_path, capsys):
    given, path, out = flags_of(tmp_path), tmp_path / "plan.csv", tmp_path / "table.json"
    assert measure_plan.main([*given, "--networks=12", f"--out={path}"]) == 0
    assert adapt_job.main([*given, f"--measured={path}", f"--out={out}"]) == 2
    assert "no row has a latency_ms" in capsys.readouterr().err
    tokens = listed(path)
    assert len(tokens) == 12
    write(path, tokens, [*made_up(0.3, 1.0, tokens)[:10], None, None])  # the first ones are measured
    assert adapt_job.main([*given, f"--measured={path}", f"--out={out}", "--device=mine"]) == 0
    said = capsys.readouterr().out
    assert "from 10 measured networks" in said
    assert "most like: device" in said
    table = read_json(out)
    assert table.device == "mine"
    assert not any("implausible" in doubt for doubt in price(table, SPACE).doubts)
    write(path, tokens[:1], made_up(0.3, 1.0, tokens[:1]))
    assert adapt_job.main([*given, f"--measured={path}", f"--out={tmp_path / 'one.json'}"]) == 0
    assert "by the others" not in capsys.readouterr().out, "there are none"
    write(path, tokens, [*made_up(0.3, 1.0, tokens)[:9], 999.0, None, None])
    assert adapt_job.main([*given, f"--measured={path}", f"--out={tmp_path / 'spoilt.json'}"]) == 0
    assert "warning: 1 of 10 networks are far from what" in capsys.readouterr().err
    judged = SPACE.sample(np.random.default_rng(4), 100)
    assert spearman(SPACE.operator_sum(judged, price(table, SPACE).values), made_up(0.3, 1.0, judged)) > 0.99


def test_the_example_of_the_page_runs(tmp_path, monkeypatch):
    """Its files are made up; its commands, but for the run at the end, are run as they stand."""
    monkeypatch.chdir(tmp_path)
    page = (Path(__file__).parent.parent / "docs" / "bring_your_own_device.md").read_text(encoding="utf-8")
    section = page.partition("## A new device from ten measurements")[2].partition("\n## ")[0]
    commands = [shlex.split(line) for line in section.splitlines() if line.startswith("nagjax ")]
    assert [command[1] for command in commands] == ["measure-plan", "adapt", "run"]
    for name, pair in zip(("phone1", "phone2", "tablet"), known_of(200).values(), strict=True):
        write(tmp_path / f"{name}.csv", *pair)
    assert measure_plan.main(commands[0][2:]) == 0
    tokens = listed(tmp_path / "plan.csv")
    write(tmp_path / "plan.csv", tokens, made_up(0.3, 1.0, tokens))
    assert adapt_job.main(commands[1][2:]) == 0
    assert "--table=table.json" in commands[2]
    assert read_json("table.json").device == "Acme Phone 3"


@pytest.mark.parametrize(
    ("job", "flags", "said"),
    [
        (measure_plan, ["--out={}/p.csv"], "--known is not given"),
        (measure_plan, ["--out={}/p.csv", "--known={}/device0.csv,{}/device0.csv"], "'device0' stands twice"),
        (measure_plan, ["--out={}/p.csv", "--known={}/device0.csv"], "1 known devices do not say"),
        (measure_plan, ["--out={}/p.csv", "--known={}/absent.csv"], "no such file"),
        (measure_plan, ["--out={}/device0.csv"], "exists"),
        (adapt_job, ["--out={}/t.json"], "--measured is not given"),
    ],
)
def test_the_jobs_refuse_flags_that_cannot_be(job, flags, said, tmp_path, capsys):
    flags_of(tmp_path)
    given = ["--space=mobilenet_v3_small28", *(flag.replace("{}", str(tmp_path)) for flag in flags)]
    assert job.main(given) == 2
    assert said in capsys.readouterr().err
