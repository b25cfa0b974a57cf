"""Several devices in one problem: each keeps its best, each has its own budgets, and one never seen keeps its own."""

import dataclasses
import json
import os

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import nagjax
from benchmarks import multi_device
from experiments import explain, export
from nagjax import controllers
from nagjax.budgets import budget_at, budget_position
from nagjax.controllers import Artefact
from nagjax.devices.json_table import write_json
from nagjax.devices.table import DeviceTable, Row
from nagjax.generator import decode
from nagjax.generator.policy import init_policy
from nagjax.inference import portable
from nagjax.inference.answering import candidates
from nagjax.inference.asked import refusal
from nagjax.inference.generator import Generator
from nagjax.populations.archive import Archive
from nagjax.populations.cells import Cells, cell_of
from nagjax.populations.front import Front, front_gain
from nagjax.posing import problem
from nagjax.predictors.forms.behind import Behind
from nagjax.problems import contexts
from nagjax.problems.problem import evaluate, restrict
from nagjax.spaces import trellis as tl
from nagjax_nag import evolution
from nagjax_nag import make as make_nag
from tests import tiny

SPACE = tiny.make_space()
BEHIND = tiny.architectures()
SPEED = {"slow": 1.0, "quick": 0.02, "odd": 0.3}


def make_table(name, seed, scale, sizes=tiny.SIZES):
    """A table whose rows are made up, with more than a few decimals, for some of the sizes."""
    rng = np.random.default_rng(seed)
    rows = {
        (op.key, op.resolution): Row(float(scale * rng.uniform(0.1, 1.0)))
        for op in SPACE.operators
        if op.kind != "identity" and op.resolution in sizes
    }
    return DeviceTable(name, "unknown", 1, "unknown", "ms", "unknown", rows)


TABLES = {name: make_table(name, seed, scale) for seed, (name, scale) in enumerate(SPEED.items())}
TABLES["odd"] = make_table("odd", 2, SPEED["odd"], sizes=(8,))
QUALITY = tiny.make_quality(SPACE, 3)
SETUP = problem(SPACE, table=TABLES, quality=QUALITY)
PROBLEM = SETUP.problem


def by_hand(tokens, table):
    """Cost of architectures of the space behind, row by row."""
    return np.array(
        [
            sum(table.lookup(op).mean for op in tiny.operators_of(row, tiny.SIZES) if op.kind != "identity")
            for row in tokens.tolist()
        ]
    )


def known_sizes(name):
    """Architectures int32 ``[N, 4]`` that a device prices."""
    return BEHIND[BEHIND[:, 0] == 0] if name == "odd" else BEHIND


def whole(tokens, device):
    return np.pad(tokens, ((0, 0), (1, 0)), constant_values=device).astype(np.int32)


EVERY = np.concatenate([whole(known_sizes(name), device) for device, name in enumerate(TABLES)])


def test_each_device_prices_its_own_copy_and_closes_what_its_table_does_not_know():
    found = tl.enumerate_paths(SETUP.space.trellis.target, np.asarray(PROBLEM.allowed))
    np.testing.assert_array_equal(found, EVERY[np.lexsort(EVERY.T[::-1])])
    costs = SETUP.description.costs_of(EVERY)[:, 0]
    by_device = [by_hand(known_sizes(name), table) for name, table in TABLES.items()]
    np.testing.assert_allclose(costs, np.concatenate(by_device), rtol=1e-12)
    quality, ticks = evaluate(PROBLEM, jnp.asarray(EVERY))
    alone = problem(SPACE, table=TABLES["slow"], quality=QUALITY).problem
    np.testing.assert_allclose(quality[:24], evaluate(alone, jnp.asarray(BEHIND))[0], rtol=1e-6)
    for device in range(3):
        own = np.asarray(ticks)[EVERY[:, 0] == device, 0]
        assert (int(own.min()), int(own.max())) == (
            int(PROBLEM.contexts.low[device, 0]),
            int(PROBLEM.contexts.high[device, 0]),
        )


def test_a_budget_has_the_same_place_in_the_range_of_every_device():
    rows = jnp.array([0, 1, 2, 1])
    own = contexts.in_rows(PROBLEM, rows)
    place = jnp.array([[0.0], [0.25], [0.75], [1.0]])
    budgets = budget_at(own, place)
    np.testing.assert_allclose(budget_position(own, budgets), place, atol=1e-4)
    assert int(budgets[0, 0]) == pytest.approx(int(PROBLEM.contexts.low[0, 0]), rel=1e-7)
    assert int(budgets[3, 0]) == int(PROBLEM.contexts.high[1, 0])
    np.testing.assert_array_equal(contexts.turns(PROBLEM, 5), [0, 1, 2, 0, 1])
    two = problem(SPACE, table=TABLES, quality=QUALITY, where={"device": ["slow", "odd"]}).problem
    np.testing.assert_array_equal(contexts.turns(two, 5), [0, 2, 0, 2, 0])


def test_cells_keep_the_best_of_each_context():
    tokens = jnp.asarray(EVERY)
    quality, costs = evaluate(PROBLEM, tokens)
    archive = Cells.empty(PROBLEM.spec, 3 * 4).insert(PROBLEM, tokens, costs, quality)
    cell = np.asarray(cell_of(PROBLEM, costs, 12, tokens[:, 0]))
    np.testing.assert_array_equal(cell // 4, EVERY[:, 0])
    for number in range(12):
        held = np.asarray(quality)[cell == number]
        expected = held.max() if len(held) else -np.inf
        assert archive.quality[number] == pytest.approx(expected)
    budgets = jnp.repeat(PROBLEM.contexts.high, 2, 0)
    rows, best = archive.best_within(budgets, jnp.repeat(jnp.arange(3), 2))
    for device, row, one in zip(np.repeat(np.arange(3), 2), rows, best, strict=True):
        assert archive.tokens[row, 0] == device
        assert one == pytest.approx(float(quality[EVERY[:, 0] == device].max()))
    # By cost alone the slow device would keep what no other is as slow as.
    assert (archive.tokens[jnp.isfinite(archive.quality), 0] == 1).sum() >= 3


@pytest.mark.parametrize("columns", [1, 2])
def test_a_front_is_kept_of_each_context(columns):
    rng = np.random.default_rng(columns)
    costs, quality = rng.integers(1, 6, (40, columns)), rng.integers(0, 6, 40).astype(np.float32)
    of = rng.integers(0, 3, 40)
    found = np.asarray(front_gain(jnp.asarray(costs), jnp.asarray(quality), jnp.asarray(of)))
    for context in range(3):
        here = of == context
        alone = front_gain(jnp.asarray(costs[here]), jnp.asarray(quality[here]))
        np.testing.assert_array_equal(found[here], np.asarray(alone))
    tokens = jnp.asarray(EVERY)
    held = Front.empty(PROBLEM.spec, 40).insert(tokens, *evaluate(PROBLEM, tokens)[::-1])
    assert set(np.asarray(held.tokens)[np.asarray(held.occupied), 0].tolist()) == {0, 1, 2}


def test_children_and_tournaments_stay_in_their_context_and_within_its_budgets():
    population = evolution.start(PROBLEM, 16, 6, 4, 24, jax.random.key(0))
    params = controllers.resolve_params(make_nag(PROBLEM.spec, tournaments=6, children=12, members=4))
    homes = np.asarray(evolution.homes(PROBLEM, population.places))
    assert sorted(homes.tolist()) == [0, 0, 1, 1, 2, 2]
    compete = jax.jit(evolution.compete, static_argnums=2)
    for seed in range(6):
        population = compete(population, PROBLEM, 12, params, jax.random.key(seed))
    members = np.asarray(population.tournaments.tokens)
    assert (members[:, :, 0] == homes[:, None]).all()
    costs = np.asarray(evaluate(PROBLEM, jnp.asarray(members.reshape(-1, 5)))[1]).reshape(6, 4)
    asked = np.asarray(budget_at(contexts.in_rows(PROBLEM, jnp.asarray(homes)), population.places))
    assert (costs <= asked).all()
    breed = jax.jit(evolution.breed, static_argnums=(3, 4))
    brood = breed(population.archive, population.met, PROBLEM, 60, 1, params, jax.random.key(1))
    own = np.asarray(brood.tokens[:, 0])
    assert set(own.tolist()) == {0, 1, 2}
    assert (np.asarray(brood.costs[:, 0]) <= np.asarray(PROBLEM.contexts.high[own, 0])).all()


def test_a_context_is_given_and_not_scored():
    policy = init_policy(jax.random.key(0), PROBLEM.spec, 6, 3, contexts.num_traits(PROBLEM))
    rng = np.random.default_rng(0)
    params = jax.tree.map(lambda leaf: leaf + jnp.asarray(rng.normal(0, 0.5, leaf.shape), jnp.float32), policy.params)
    policy = dataclasses.replace(policy, params=params)
    for device in range(3):
        here = EVERY[EVERY[:, 0] == device]
        rows = jnp.full(len(here), device)
        own = contexts.in_rows(PROBLEM, rows)
        budgets = jnp.broadcast_to(PROBLEM.contexts.high[device], (len(here), 1))
        # All architectures of the device add up to 1.
        scores = jax.jit(decode.score)(policy, own, jnp.asarray(here), budgets)
        assert float(jnp.exp(scores.log_prob).sum()) == pytest.approx(1.0, abs=1e-4)
        one = contexts.fixed(PROBLEM, device)
        alone = jax.jit(decode.score)(policy, one, jnp.asarray(here), budgets)
        np.testing.assert_allclose(scores.log_prob, alone.log_prob, rtol=1e-5)
    with pytest.raises(ValueError, match="say which"):
        decode.score(policy, PROBLEM, jnp.asarray(EVERY), jnp.broadcast_to(PROBLEM.high, (len(EVERY), 1)))


def make_generator(setup=SETUP):
    controller = make_nag(
        setup.problem.spec, hidden=8, anchors=4, budgets=6, group=2, imitated=12, children=24, cells=16, tournaments=0
    )
    state = controllers.init(controller, setup.problem, 0)
    state = controllers.train(controller, setup.problem, state, 0, controllers.Limits(20, chunk=20)).state
    found = controllers.artefact(controller, state, setup.problem)
    training = nagjax.inference.generator.Training(
        controller, controllers.resolve_params(controller), state, 20, {"seed": 0, "seconds": 1.0}
    )
    return Generator(found, setup.problem, setup.description, {}, training)


@pytest.fixture(scope="module")
def generator():
    return make_generator()


def texts(answers):
    return [answer.text for answer in answers]


@pytest.mark.parametrize("how", ["best", "greedy", "sample"])
def test_device_is_where(generator, how):
    for name, table in TABLES.items():
        costs = by_hand(known_sizes(name), table)
        budgets = np.linspace(costs.min(), costs.max(), 5).tolist()
        asked = generator.generate(budgets, device=name, decode=how)
        assert texts(asked) == texts(generator.generate(budgets, where={"device": name}, decode=how))
        assert texts(asked) == texts(generator.on(name).generate(budgets, decode=how))
        assert all(answer.text.startswith(f"{name}/") for answer in asked)
        assert all(a.guaranteed and a.costs["latency_ms"] <= a.budget["latency_ms"] * (1 + 1e-12) for a in asked)


def test_a_budget_without_its_device_is_refused(generator):
    assert generator.devices == tuple(TABLES)
    with pytest.raises(ValueError, match=r"serves several of 'device': say which.*slow, quick, odd"):
        generator.generate([1.0])
    with pytest.raises(ValueError, match=r"device='quik'.*quick"):
        generator.generate([1.0], device="quik")
    with pytest.raises(ValueError, match="leave one of the two out"):
        generator.generate([1.0], device="slow", where={"device": "odd"})
    with pytest.raises(ValueError, match="give a dict of names and values"):
        generator.generate([1.0], device="slow", where="layer=8")
    for nothing in (3, {"slow": 1}):
        with pytest.raises(ValueError, match=r"device=.*give the name of a device"):
            generator.generate([1.0], device=nothing)
        with pytest.raises(ValueError, match=r"device=.*give the name of a device"):
            generator.on(nothing)


def test_a_refusal_names_the_devices_that_were_asked(generator):
    for given in ({"device": "slow"}, {"where": {"device": "slow"}}, {"where": {"device": ["slow"]}}):
        with pytest.raises(ValueError, match=r"below the cheapest architecture on slow: possible are \S+ to \S+ ms;"):
            generator.generate([0.0], **given)
    with pytest.raises(ValueError, match=r"on slow: possible are \S+ to \S+ ms where \{'size': 8\};"):
        generator.generate([0.0], device="slow", where={"size": 8})
    with pytest.raises(ValueError, match=r"below the cheapest architecture on new:"):
        generator.on(make_table("new", 10, 1.0)).generate([0.0])
    whole, two = SETUP.description, problem(SPACE, table=TABLES, quality=QUALITY, where={"device": ["slow", "odd"]})
    asked = {"latency_ms": np.zeros(1)}
    assert "below the cheapest architecture on slow, quick and odd: possible" in refusal(whole, asked)
    assert "below the cheapest architecture on slow and odd: possible" in refusal(two.description, asked)


@pytest.mark.parametrize("seed", range(4))
def test_a_device_never_seen_keeps_its_own_budgets(generator, seed):
    """Every answer of every way of decoding is within the new table's sum, and best is the best of all."""
    table = make_table("new", 10 + seed, 10.0 ** (seed - 2))
    costs = by_hand(BEHIND, table)
    quality = np.asarray(evaluate(SETUP.problem, jnp.asarray(whole(BEHIND, 0)))[0])
    budgets = np.append(np.sort(np.random.default_rng(seed).uniform(costs.min(), costs.max(), 12)), costs.min())
    there = generator.on(table)
    for how in ("best", "greedy", "sample", "beam"):
        answers = there.generate(budgets.tolist(), decode=how)
        tokens = np.array([answer.tokens[1:] for answer in answers])
        assert (by_hand(tokens, table) <= budgets * (1 + 1e-12)).all()
        assert all(answer.text.startswith("new/") and answer.guaranteed for answer in answers)
        if how == "best":
            best = [quality[costs <= budget * (1 + 1e-12)].max() for budget in budgets]
            np.testing.assert_allclose([answer.quality for answer in answers], best, rtol=1e-6)


def test_a_known_device_by_its_table_is_told_as_it_was_in_training(generator):
    there = generator.on(TABLES["quick"])
    np.testing.assert_allclose(there.problem.traits, PROBLEM.contexts.traits[1], atol=1e-4)
    costs = by_hand(BEHIND, TABLES["quick"])
    budgets = np.linspace(costs.min(), costs.max(), 6).tolist()
    assert texts(there.generate(budgets, decode="greedy")) == texts(
        generator.generate(budgets, device="quick", decode="greedy")
    )


def test_a_checkpoint_keeps_its_devices(generator, tmp_path):
    generator.save(tmp_path / "run")
    again = nagjax.load(tmp_path / "run", space=SETUP.space)
    table = make_table("new", 30, 0.5)
    budgets = np.linspace(*by_hand(BEHIND, table)[[0, -1]], 4).clip(by_hand(BEHIND, table).min()).tolist()
    for device in ("slow", "quick", table):
        low = again.on(device).budget_range[0, 0]
        asked = [max(budget, low) for budget in budgets]
        for how in ("best", "greedy"):
            assert texts(again.generate(asked, device=device, decode=how)) == texts(
                generator.generate(asked, device=device, decode=how)
            )


def test_a_table_that_is_measured_again_is_read_again(generator, tmp_path):
    """At a tenth of the speed the cheapest architecture costs ten times as much."""
    path = tmp_path / "new.json"
    for time, scale in ((1, 0.5), (2, 5.0)):
        write_json(make_table("new", 30, scale), path, overwrite=True)
        os.utime(path, ns=(time, time))
        costs = by_hand(BEHIND, make_table("new", 30, scale))
        (answer,) = generator.generate([costs.max()], device=str(path))
        own = BEHIND.tolist().index(answer.tokens[-BEHIND.shape[1] :].tolist())
        assert answer.costs["latency_ms"] == pytest.approx(costs[own])


def test_jobs_explain_and_export_one_of_several_devices(generator, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr("nagjax.inference.generator.load", lambda *_, **__: generator)
    budget = float(generator.on("quick").budget_range[0].mean())
    (answer,) = generator.generate([budget], device="quick")
    asked = ["--checkpoint=run", "--compilation_cache=", "--device=quick"]
    assert explain.main([*asked, f"--budget_ms={budget}", f"--json={tmp_path / 'why.json'}"]) == 0
    assert json.loads((tmp_path / "why.json").read_text())["answer"]["text"] == answer.text
    assert export.main([*asked, f"--out={tmp_path / 'served'}"]) == 0
    assert portable.Generator(tmp_path / "served" / "generator.npz").answer(budget)[0]["architecture"] == answer.text
    assert explain.main([*asked[:2], f"--budget_ms={budget}"]) == 2
    assert "say which by --device=NAME, one of slow, quick, odd" in capsys.readouterr().err


def test_what_a_condition_closes_is_no_candidate_of_an_archive():
    made, description = tiny.make()
    tokens = jnp.asarray(BEHIND)
    quality, costs = evaluate(made, tokens)
    artefact = Artefact(None, Archive(tokens, costs, quality))
    left = restrict(made, jnp.asarray(description.space.where({"depth": 1})))
    found = candidates(artefact, left, jnp.full((1, 1), 2**30 - 1), jax.random.key(0))
    assert (np.asarray(found.tokens)[np.isfinite(np.asarray(found.objective))][:, 1] == 0).all()
    best = np.asarray(quality)[BEHIND[:, 1] == 0].max()
    assert float(found.objective.max()) == pytest.approx(float(best))


def test_gaps_are_to_the_dedicated_generator_of_the_same_seed_and_device():
    def row(way, seed, device, best, over="0", seconds="10"):
        return dict(zip(multi_device.COLUMNS, (way, seed, device, best, best, over, seconds), strict=True))

    rows = [row("dedicated", "0", "a", "80"), row("dedicated", "0", "b", "70")]
    rows += [row("together", "0", "b", "69", "2", "5"), row("together", "0", "a", "80.5", "1", "5")]
    rows += [row("together", "1", "a", "0")]
    assert multi_device.gaps(rows, "together", "best") == [1.0, -0.5]
    told = multi_device.summary(rows[:4])
    assert (told["dedicated_gap_points"], told["violations"], told["train_s_ratio"]) == (0.25, 3, 0.5)
    assert told["unseen_gap_points"] is None


def test_what_differs_in_quality_is_known_by_name():
    from nagjax.predictors.forms.table import tabular_quality
    from nagjax.spaces.compose import prefix

    space = prefix(SPACE, "task", ["a", "b"])
    every = np.concatenate([whole(BEHIND, 0), whole(BEHIND, 1)])
    quality = tabular_quality(space, every, np.linspace(0, 1, len(every)))
    setup = problem(space, quality=quality, costs=["madds"])
    np.testing.assert_array_equal(setup.problem.contexts.traits, np.eye(2))


def test_what_cannot_be_several_devices_is_refused():
    with pytest.raises(ValueError, match="name it"):
        problem(SPACE, table=TABLES, quality=QUALITY, costs=["madds"])
    with pytest.raises(ValueError, match="at least one table"):
        problem(SPACE, table={}, quality=QUALITY)
    for name in ("a/b", " "):
        with pytest.raises(ValueError, match=f"device '{name}': its name"):
            problem(SPACE, table={"quick": TABLES["quick"], name: TABLES["slow"]}, quality=QUALITY)
    decisions = (SPACE.decisions[0], dataclasses.replace(SPACE.decisions[1], context=True), *SPACE.decisions[2:])
    with pytest.raises(ValueError, match="only the first decision can be"):
        dataclasses.replace(SPACE, decisions=decisions)


def test_several_devices_leave_the_choice_to_the_generator():
    changed = problem(SPACE, table=TABLES, quality=QUALITY, quality_change={"quick": -0.05})
    generator = Generator(Artefact(None, None), changed.problem, changed.description, {})
    costs = changed.description.costs_of(EVERY)[:, 0]
    quality = np.asarray(QUALITY(jnp.asarray(EVERY[:, 1:]), jnp.asarray(SPACE.features(EVERY[:, 1:])))[0])
    quality = quality + np.where(EVERY[:, 0] == 1, -0.05, 0.0)
    budgets = [float(costs.min()), float(np.quantile(costs, 0.3)), float(costs.max())]
    some = EVERY[:, 0] < 2
    found = generator.generate(budgets, device=["slow", "quick"])
    best = [quality[some & (costs <= budget)].max() for budget in budgets]
    np.testing.assert_allclose([answer.quality for answer in found], best, rtol=1e-6)
    assert found[0].text.startswith("quick/")
    assert found[-1].text.startswith("slow/")
    with pytest.raises(ValueError, match=r"nothing is within latency_ms=\S+ on slow or odd, nor within 1 more of the"):
        generator.generate(budgets, device=("slow", "odd"))
    with pytest.raises(ValueError, match=r"nothing is within latency_ms=\S+ on odd; on_infeasible=skip"):
        generator.generate(budgets[:1], device=["odd"])
    skipped = generator.generate_arrays(budgets, device=("slow", "odd"), on_infeasible="skip")
    assert 0 not in skipped.index
    with pytest.raises(ValueError, match="give names of devices"):
        generator.generate(budgets, device=["slow", "swift"])
    with pytest.raises(ValueError, match="num_samples=2"):
        generator.generate(budgets, device=["slow", "quick"], num_samples=2)


def test_what_quality_gains_on_a_device_is_checked_and_kept():
    for change, said in (({"quik": 0.1}, "did you mean 'quick'|quick"), ({"quick": 2.0}, "quick gains 2.0")):
        with pytest.raises(ValueError, match=said):
            problem(SPACE, table=TABLES, quality=QUALITY, quality_change=change)
    with pytest.raises(ValueError, match="a dict of several"):
        problem(SPACE, table=TABLES["slow"], quality=QUALITY, quality_change={"slow": 0.1})
    form = problem(SPACE, table=TABLES, quality=QUALITY, quality_change={"odd": -0.25}).problem.quality
    again = Behind.restore(form.static(), form.arrays())
    tokens, features = jnp.asarray(EVERY), jnp.asarray(SETUP.space.features(EVERY))
    plain = np.asarray(PROBLEM.quality(tokens, features)[0])
    np.testing.assert_allclose(again(tokens, features)[0], plain - 0.25 * (EVERY[:, 0] == 2), rtol=1e-6)
