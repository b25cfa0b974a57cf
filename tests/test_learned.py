"""Costs learned from measured networks: prices of edges by brute force, the noise floor, and bounds that hold."""

import json

import jax.numpy as jnp
import numpy as np
import pytest

import nagjax
from experiments import generate, run
from nagjax import testing
from nagjax.devices.table import DeviceTable, Row
from nagjax.inference.portable import Generator as Portable
from nagjax.learned import bound as bounds
from nagjax.learned.bound import Bound, best_within, choices, fit_bound
from nagjax.learned.fit import SETTINGS, learn_cost
from nagjax.learned.measured import Measured, networks, read_measured
from nagjax.learned.noise import by_neighbours, by_repeats
from nagjax.learned.prices import additive_prices, nonnegative
from nagjax.predictors.fitted import asked
from nagjax.predictors.forms.linear import Linear
from nagjax.predictors.kinds.registry import fit, make
from nagjax.predictors.records.records import Records
from nagjax.problems.build import make_problem
from nagjax.spaces.terms import make_terms

TINY = testing.tiny_problem()
SPACE, TOKENS = TINY.space, TINY.oracle.tokens
NUM = len(SPACE.feature_names)
SMALL = nagjax.space("mobilenet_v3_small28")
RNG = np.random.default_rng(7)


def path_sums(space, edges, tokens):
    return space.path_values(tokens, edges).sum(-1)


def linear(offset):
    """Weights of either sign."""
    return Linear(jnp.asarray(np.linspace(-0.03, 0.05, NUM), jnp.float32), jnp.float32(offset), jnp.ones(NUM, bool))


def small_costs(tokens):
    """Cost of networks of ``SMALL``: what each block adds grows with the square of the resolution."""
    ratio = (np.array([20.0, 24.0, 28.0])[tokens[:, 0]] / 24) ** 2
    features = SMALL.features(tokens)
    weight = np.linspace(0.05, 0.3, features.shape[1])
    weight[[name.startswith("resolution") for name in SMALL.feature_names]] = 0.0
    return 0.4 + 0.2 * ratio + features @ weight * ratio


def test_terms_add_up_over_a_path_and_know_the_number_that_it_carries():
    terms = make_terms(SMALL)
    tokens = SMALL.sample(RNG, 50)
    assert terms.numbers.tolist() == [20.0, 24.0, 28.0]
    weights = RNG.normal(size=(terms.num, 3))
    by_hand = (terms.of(tokens) * weights[:, tokens[:, 0]].T).sum(1)
    np.testing.assert_allclose(path_sums(SMALL, terms.edges(weights), tokens), by_hand)
    assert (terms.of(tokens)[:, 0] == 1).all()
    assert make_terms(SPACE).numbers.tolist() == [0.0]  # no node of the tiny space keeps a number


def test_negative_edge_values_become_prices_of_the_same_paths():
    """The tiny space, all of its 135 architectures: sums stay, and only the first layer carries what all pay."""
    values = np.where(SPACE.trellis.valid, RNG.normal(size=SPACE.trellis.shape), 0.0)
    values[0] += 20.0
    edges, least = nonnegative(SPACE, values, SPACE.trellis.valid)
    sums = path_sums(SPACE, values, TOKENS)
    np.testing.assert_allclose(path_sums(SPACE, edges, TOKENS), sums)
    assert least == pytest.approx(sums.min())
    assert (edges >= 0).all()
    assert (values[1:] < 0).any()


def test_a_linear_form_is_prices_and_what_does_not_add_up_is_refused():
    prices = additive_prices(SPACE, linear(0.4), 10.0, bound=Bound(1.5, 0.25, 0.1, 100, 0.1, ()))
    predicted = 10 * (0.4 + SPACE.features(TOKENS) @ np.linspace(-0.03, 0.05, NUM))
    _, description = make_problem(SPACE, [prices], TINY.problem.quality)
    costs = description.costs_of(TOKENS)[:, 0]
    np.testing.assert_allclose(costs, 1.5 * predicted + 0.25, rtol=1e-6)
    info = description.costs[0]
    np.testing.assert_allclose([info.to_raw(cost) for cost in costs], predicted, rtol=1e-6)
    assert (info.learned, info.quantile, info.level) == (True, 0.9, 0.1)
    with pytest.raises(ValueError, match="cheapest architecture is predicted to take -"):
        additive_prices(SPACE, linear(-0.1), 10.0)
    with pytest.raises(ValueError, match=r"form table does not add up over edges.*kind additive or ridge"):
        additive_prices(SPACE, TINY.problem.quality)


def test_the_kind_finds_what_adds_up_and_is_not_bent_by_what_was_disturbed():
    tokens = SMALL.sample(np.random.default_rng(1), 500)
    others = SMALL.sample(np.random.default_rng(2), 200)
    true, whole = small_costs(tokens), 20.0
    disturbed = np.where(np.arange(500) % 12 == 0, 1.6, 1.0) * true
    off = {}
    for name, robust in (("plain", False), ("robust", True)):
        kind = make("additive", {**SETTINGS, "robust": robust})
        form = fit(kind, SMALL, Records(tokens, disturbed / whole), 0).predictor
        off[name] = np.abs(asked(form, others, SMALL.features(others)) * whole / small_costs(others) - 1).mean()
    exact = fit(make("additive", SETTINGS), SMALL, Records(tokens, true / whole), 0).predictor
    np.testing.assert_allclose(asked(exact, others, SMALL.features(others)) * whole, small_costs(others), rtol=2e-3)
    assert off["plain"] > 0.02
    assert off["robust"] < 0.8 * off["plain"]


def test_resolutions_between_those_measured_are_open_and_those_beyond_are_not():
    tokens = SMALL.sample(np.random.default_rng(1), 200)
    for kept, wanted in (([0, 2], [True] * 3), ([0, 1], [True, True, False])):
        some = tokens[np.isin(tokens[:, 0], kept)]
        form = fit(make("additive", SETTINGS), SMALL, Records(some, small_costs(some) / 20), 0).predictor
        prices = additive_prices(SMALL, form, 20.0)
        assert prices.open_edges[0, 0, :3].tolist() == wanted
        assert not prices.open_edges[0, 0, 3:].any()


def test_the_floor_is_what_was_put_in():
    rng = np.random.default_rng(0)
    true = rng.uniform(1, 3, 2000)
    places = rng.normal(size=(2000, 6))
    measured = true * (1 + 0.05 * rng.normal(size=2000))
    found = by_neighbours(places, measured, true)
    assert found.deviation == pytest.approx(0.05, rel=0.1)
    assert found.explained < 0.1
    assert found.spearman == pytest.approx(np.corrcoef(*np.argsort(np.argsort([true, measured])))[0, 1], abs=0.005)
    # What the model misses, and depends smoothly on the place, is not noise.
    missed = by_neighbours(places[:, :1], true * (1 + 0.05 * np.sin(places[:, 0])), true)
    assert missed.explained > 0.9
    twice = np.repeat(np.arange(500), 2)
    again = by_repeats(twice, true[:500][twice] * np.exp(0.05 * rng.normal(size=1000)), true[:500])
    assert again.how == "repeats"
    assert again.deviation == pytest.approx(0.05, rel=0.1)
    assert by_repeats(np.arange(500), true[:500], true[:500]) is None


def test_a_bound_by_hand():
    """Of 19 networks at a level of 0.1 the 18th smallest score is the scale: one of 19 exceeds it."""
    predicted = np.ones(19)
    measured = 1 + np.arange(19) / 100
    found = fit_bound(predicted, measured, 0.1)
    assert found.of(predicted)[0] == pytest.approx(1.17)
    assert found.exceeding == pytest.approx(1 / 19)
    # The one that exceeds it is what is chosen: 1 of 40 choices, and one more, are fewer than a tenth; 4 are not.
    for weight, bound in ((1.0, 1.17), (4.0, 1.18)):
        chosen = np.append(np.full(18, (40 - weight) / 18), weight)[None]
        assert fit_bound(predicted, measured, 0.1, chosen).of(predicted)[0] == pytest.approx(bound)
    with pytest.raises(ValueError, match="needs 99 measured networks, there are 19: measure more"):
        fit_bound(predicted, measured, 0.01)


def test_bands_of_cost_exceed_their_bound_alike():
    """Noise of one size at all costs: a bound that is a multiple would fail for the cheap ones."""
    rng = np.random.default_rng(3)
    predicted = rng.uniform(1, 10, 4000)
    found = fit_bound(predicted, predicted + 0.5 * rng.exponential(size=4000), 0.05)
    assert found.offset > 0.5
    assert max(found.bands) < 0.08


def test_a_bound_holds_for_what_is_chosen():
    """Half of the networks are good and predicted too low: the marginal bound fails among the chosen."""
    rng = np.random.default_rng(4)

    def draw(num):
        predicted, good = rng.uniform(1, 3, num), rng.random(num) < 0.05
        return predicted, predicted * (1 + 0.03 * rng.normal(size=num) + 0.1 * good), good + 0.1 * predicted

    predicted, measured, quality = draw(4000)
    often = choices(predicted, quality, 1000)[None]
    plain, mended = fit_bound(predicted, measured, 0.1), fit_bound(predicted, measured, 0.1, often)
    over = {"plain": 0.0, "mended": 0.0}
    for _ in range(20):
        cost, true, good = draw(1000)
        order = np.argsort(cost)
        picked = order[best_within(cost[order], good[order], 100)]
        for name, one in (("plain", plain), ("mended", mended)):
            over[name] += float((true[picked] > one.of(cost[picked])).mean()) / 20
    assert over["plain"] > 0.5
    assert over["mended"] < 0.13
    assert mended.chosen <= 0.1
    assert bounds.fit_bound(predicted, measured, 0.1).pools == 0


def measured_file(path, num=300, seed=5, noise=0.02):
    rng = np.random.default_rng(seed)
    tokens = SMALL.sample(rng, num)
    cost = small_costs(tokens) * (1 + noise * rng.normal(size=num))
    rows = [f'"{SMALL.format(row)}",{value!r}' for row, value in zip(tokens, cost.tolist(), strict=True)]
    path.write_text("\n".join(["architecture,phone", *rows, ""]), encoding="utf-8")
    return path


def quality_file(path):
    tokens = SMALL.sample(np.random.default_rng(6), 60)
    quality = 0.5 + 0.3 * small_costs(tokens) / small_costs(tokens).max()
    rows = [f'"{SMALL.format(row)}",{value!r}' for row, value in zip(tokens, quality.tolist(), strict=True)]
    path.write_text("\n".join(["architecture,quality", *rows, ""]), encoding="utf-8")
    return path


def test_from_a_file_of_measured_networks_to_answers_that_say_their_level(tmp_path):
    """In Python and by flags: bounds as budgets, kept in checkpoint and export; nothing is called guaranteed."""
    measured, records = measured_file(tmp_path / "phone.csv"), quality_file(tmp_path / "quality.csv")
    asked_for = {"records": records, "predictor_kind": "ridge", "cost_quantile": 0.9}
    setup = nagjax.problem(SMALL, measured=measured, measured_columns={"latency_ms": "phone"}, **asked_for)
    learned = setup.learned["latency_ms"]
    assert learned.report["spearman"] > 0.95
    assert learned.report["within_10_percent"] > 98
    assert learned.floor.spearman > learned.report["spearman"] - 0.02
    info = setup.description.costs[0]
    assert (info.learned, info.device, info.level, info.doubts) == (True, "phone.csv", 0.1, ())
    assert info.validation.startswith("Spearman 0.9")
    assert "noise floor by neighbours" in info.validation
    flags = ["--space=mobilenet_v3_small28", f"--records={records}", "--predictor_kind=ridge", "--cost_quantile=0.9"]
    flags += [f"--measured={measured}", "--measured_columns=latency_ms=phone", "--controller=random", "--steps=2"]
    assert run.main([*flags, f"--out={tmp_path / 'run'}"]) == 0
    generator = nagjax.load(tmp_path / "run")
    low, high = generator.budget_range[0]
    assert [low, high] == setup.description.ranges[0].tolist()
    budgets = np.linspace(low, high, 7)
    answers = generator.generate(budgets)
    for answer in answers:
        assert answer.within
        assert not answer.guaranteed
        assert answer.levels == {"latency_ms": 0.1}
        assert answer.costs["latency_ms"] <= answer.budget["latency_ms"] * (1 + 1e-12)
        predicted = asked(learned.form, answer.tokens[None], SMALL.features(answer.tokens[None]))[0] * learned.whole
        assert answer.raw_costs["latency_ms"] == pytest.approx(predicted, rel=1e-5)
        assert answer.costs["latency_ms"] == pytest.approx(learned.bound.of(predicted), rel=1e-5)
    assert (
        generate.main([f"--checkpoint={tmp_path / 'run'}", f"--budgets_ms={high}", f"--json={tmp_path / 'a.json'}"])
        == 0
    )
    said = json.loads((tmp_path / "a.json").read_text())["answers"][0]
    assert (said["guaranteed"], said["within"], said["levels"]) == (False, True, {"latency_ms": 0.1})
    generator.export(tmp_path / "export")
    for one, answer in zip(Portable(tmp_path / "export" / "generator.npz").answer(budgets), answers, strict=True):
        assert one["costs"] == pytest.approx(answer.costs)
        assert (one["guaranteed"], one["within"]) == (False, True)
    parts = generator.explain(float(high)).parts
    assert sum(part.cost for part in parts) + info.offset == pytest.approx(answers[-1].costs["latency_ms"], rel=1e-6)


def test_several_devices_are_learned_side_by_side(tmp_path):
    """Each from its own networks; its answers cost what its own bound says of them."""
    tokens = SMALL.sample(np.random.default_rng(5), 200)
    files = {}
    for name, factor in (("fast", 1.0), ("slow", 3.0)):
        noise = 1 + 0.02 * np.random.default_rng(len(files)).normal(size=200)
        files[name] = Measured(tokens, {"latency_ms": factor * small_costs(tokens) * noise}, f"{name}.csv")
    asked_for = {"records": quality_file(tmp_path / "quality.csv"), "predictor_kind": "ridge", "cost_quantile": 0.9}
    setup = nagjax.problem(SMALL, measured=files, **asked_for)
    assert list(setup.learned) == ["fast: latency_ms", "slow: latency_ms"]
    info = setup.description.costs[0]
    assert (info.learned, info.level, info.device) == (True, 0.1, "fast, slow")
    for place, name in enumerate(files):
        learned = setup.learned[f"{name}: latency_ms"]
        bounds_of = learned.bound.of(asked(learned.form, tokens, SMALL.features(tokens)) * learned.whole)
        there = np.column_stack([np.full(len(tokens), place), tokens])
        np.testing.assert_allclose(setup.description.costs_of(there)[:, 0], bounds_of, rtol=1e-5)
    with pytest.raises(ValueError, match="take no residual"):
        nagjax.problem(SMALL, measured=files, cost_kind="residual", **asked_for)
    with pytest.raises(ValueError, match="either a table or measured networks of each"):
        nagjax.problem(SMALL, {"fast": "a.json"}, measured=files, **asked_for)
    other = Measured(tokens, {"energy_mj": small_costs(tokens)})
    with pytest.raises(ValueError, match="devices differ in their costs"):
        nagjax.problem(SMALL, measured={**files, "other": other}, **asked_for)


def test_measurements_that_say_nothing_are_named(tmp_path):
    tokens = SMALL.sample(np.random.default_rng(1), 200)
    noise = np.random.default_rng(2).uniform(1, 3, 200)
    found = learn_cost(SMALL, Measured(tokens, {"latency_ms": noise}), "latency_ms", "ms")
    assert "too noisy to tell networks apart" in found.prices.doubts[-1]
    tokens, mean, group = networks(np.array([[1, 2], [0, 1], [1, 2]]), np.array([1.0, 5.0, 2.0]))
    assert (tokens.tolist(), mean.tolist(), group.tolist()) == ([[1, 2], [0, 1]], [1.5, 5.0], [0, 1, 0])
    path = measured_file(tmp_path / "phone.csv", 30)
    with pytest.raises(ValueError, match=r"phone.csv: no column 'latency_ms'.*architecture, phone"):
        nagjax.problem(SMALL, measured=path, quality=nagjax.posing.flat(SMALL))
    with pytest.raises(ValueError, match=r"does not say its unit"):
        nagjax.problem(SMALL, measured=path, measured_columns={"phone": "phone"}, quality=nagjax.posing.flat(SMALL))
    with pytest.raises(ValueError, match=r"measured_columns: nothing is learned.*give measured=FILE"):
        nagjax.problem(SMALL, costs=["madds"], measured_columns={"a_ms": "a"}, quality=nagjax.posing.flat(SMALL))
    path.write_text('architecture,phone\n"1,1,1:3,0,0,3,0,0,3,0,0:2,0,0,2,0,0,2,0,0:28",-1\n')
    with pytest.raises(ValueError, match=r"row 2, column 'phone': cost -1.0 is not positive"):
        read_measured(path, SMALL, {"latency_ms": "phone"})


def test_a_table_whose_sums_cannot_predict_measured_networks_is_named_before_training():
    """The times of a table are shuffled; beside networks that were measured by the true ones it is doubted."""
    rng = np.random.default_rng(0)
    keys = [(op.key, None) for op in SMALL.operators]
    true = np.exp(rng.normal(-3, 1, len(set(keys))))
    tables = []
    for times in (true, rng.permutation(true)):
        rows = {key: Row(float(t)) for key, t in zip(dict.fromkeys(keys), times, strict=True)}
        tables.append(DeviceTable("phone", "none", 1, "float32", "ms", "never", rows))
    tokens = SMALL.sample(rng, 100)
    values = np.array([tables[0].rows[key].mean for key in keys])
    measured = Measured(tokens, {"latency_ms": 1.1 * SMALL.operator_sum(tokens, values) + 0.2})
    flat = nagjax.posing.flat(SMALL)
    fine, wrong = (
        nagjax.problem(SMALL, table, measured=measured, quality=flat).description.costs[0] for table in tables
    )
    assert (fine.scale, fine.offset) == pytest.approx((1.1, 0.2))
    assert not [doubt for doubt in fine.doubts if "not to be trusted" in doubt]
    assert "rank correlation with measured networks" in " ".join(wrong.doubts)
