"""A learned cost with a residual above a sum: nothing within a budget is masked, and no answer is over it."""

import dataclasses
import json

import jax.numpy as jnp
import numpy as np
import pytest

import nagjax
from nagjax import testing
from nagjax.controllers import Artefact
from nagjax.inference.explaining import parts
from nagjax.inference.generator import Generator
from nagjax.inference.portable import Generator as Portable
from nagjax.learned.bound import Bound
from nagjax.learned.fit import SETTINGS
from nagjax.learned.prices import additive_prices
from nagjax.predictors.fitted import asked
from nagjax.predictors.forms.additive import Additive
from nagjax.predictors.forms.residual import Residual
from nagjax.predictors.forms.table import tabular_quality
from nagjax.predictors.kinds.registry import fit, make
from nagjax.predictors.kinds.residual import lower_factor
from nagjax.predictors.records.records import Records
from nagjax.problems.build import make_problem
from nagjax.problems.costs import rounded_up
from tests.test_learned import quality_file

TINY = testing.tiny_problem()
SPACE, TOKENS = TINY.space, TINY.oracle.tokens
NUM = len(SPACE.feature_names)
BOUND = Bound(1.25, 0.5, 0.1, 100, 0.1, ())
SMALL = nagjax.space("mobilenet_v3_small28")


@dataclasses.dataclass(frozen=True)
class Case:
    """The tiny space, all of its 135 architectures priced by a sum and a share of 0 to 0.6 above it, each its own."""

    sums: np.ndarray
    costs: np.ndarray
    setup: nagjax.Setup


@pytest.fixture(scope="module")
def case():
    return priced()


def priced(highest=()):
    """The case; the architectures of these rows lie as far above their sums as any."""
    rng = np.random.default_rng(11)
    edges = np.where(SPACE.trellis.valid, rng.uniform(0.01, 0.1, SPACE.trellis.shape), 0.0)
    wild = rng.uniform(-0.2, 1.2, len(TOKENS)).astype(np.float32)  # below 0 and above 1 do not count
    wild[list(highest)] = 1.0
    inner = tabular_quality(SPACE, TOKENS, wild)
    base = Additive(jnp.asarray(SPACE.trellis.target), jnp.asarray(edges, jnp.float32), jnp.ones(NUM, bool))
    form = Residual(inner, base, jnp.float32(0.6), jnp.float32(0.0))
    sums = 10 * SPACE.path_values(TOKENS, edges.astype(np.float32)).sum(-1)
    costs = 1.25 * sums * (1 + 0.6 * np.clip(wild, 0, 1)) + 0.5
    prices = additive_prices(SPACE, form, 10.0, bound=BOUND)
    problem, description = make_problem(SPACE, [prices], TINY.problem.quality)
    setup = nagjax.Setup(SPACE, problem, description, None, None)
    return Case(sums, costs, setup)


@pytest.fixture(scope="module")
def generator(case):
    return nagjax.train(case.setup, controller="nag", steps=30, seed=0)


def within(case, budget):
    return case.costs <= budget * (1 + 1e-6)


def test_the_mask_closes_nothing_that_is_within_the_budget(case):
    """All of 135 architectures, at their own costs and between: brute force."""
    column = case.setup.description.exact[0]
    np.testing.assert_allclose(case.setup.description.costs_of(TOKENS)[:, 0], case.costs, rtol=1e-6)
    ticks = SPACE.path_values(TOKENS, np.asarray(case.setup.problem.cost[0])).sum(-1)
    lowest = 1.25 * case.sums + 0.5
    assert (case.costs >= lowest).all()
    assert (case.costs > 1.3 * lowest).sum() > 20
    masked = 0
    for budget in [*case.costs, *np.linspace(case.costs.min(), case.costs.max(), 50)]:
        is_open = ticks <= column.offers(np.array([budget]))[0]
        assert is_open[within(case, budget)].all()
        assert not is_open[lowest > budget * 1.001].any()
        masked += int((~is_open).sum())
    assert masked > 1000
    info = case.setup.description.costs[0]
    np.testing.assert_allclose([info.to_raw(cost) for cost in case.costs], (case.costs - 0.5) / 1.25)


def test_the_cheapest_by_the_whole_cost_can_be_asked_and_exported(case, tmp_path):
    """It is not that of the least sum, where the range begins."""
    raised = priced([case.sums.argmin()])
    generator = Generator(Artefact(None, None), raised.setup.problem, raised.setup.description, {})
    cheapest = float(raised.costs.min())
    assert cheapest < 0.95 * generator.budget_range[0, 0]
    (answer,) = generator.generate([cheapest])
    assert answer.costs["latency_ms"] == pytest.approx(cheapest)
    with pytest.raises(ValueError, match="latency_ms=1 is below the cheapest") as refused:
        generator.generate([cheapest, 1.0])
    assert f"possible are {rounded_up(answer.costs['latency_ms'])} " in str(refused.value)
    generator.export(tmp_path / "served")
    served = Portable(tmp_path / "served" / "generator.npz")
    assert served.answer([cheapest])[0]["architecture"] == answer.text
    with pytest.raises(ValueError, match=f"possible are {answer.costs['latency_ms']!r}"):
        served.answer([1.0])


@pytest.mark.parametrize("decode", ["greedy", "sample", "beam", "best"])
def test_no_answer_is_over_its_budget(case, generator, decode):
    low, high = generator.budget_range[0]
    budgets = np.linspace(low, high, 40)
    for answer in generator.generate(budgets, decode=decode):
        row = int(TINY.oracle.rows(answer.tokens[None])[0])
        assert answer.costs["latency_ms"] == pytest.approx(case.costs[row], rel=1e-6)
        assert within(case, answer.budget["latency_ms"])[row]
        assert answer.within
        assert not answer.guaranteed


def test_best_is_the_best_of_all_that_fit(case, generator):
    for answer in generator.generate(np.sort(case.costs)):
        best = TINY.oracle.quality[within(case, answer.budget["latency_ms"])].max()
        assert answer.quality == pytest.approx(best)
    with pytest.raises(ValueError, match="below the cheapest"):
        generator.generate(case.costs.min() * 0.99)
    distinct = generator.generate(float(np.sort(case.costs)[9]), num_samples=10)
    assert set(TINY.oracle.rows(np.stack([one.tokens for one in distinct])).tolist()) == set(
        np.argsort(case.costs)[:10]
    )


@pytest.mark.parametrize("decode", ["best", "greedy"])
def test_where_not_all_is_listed_a_budget_of_the_range_has_an_answer(case, generator, decode, monkeypatch):
    monkeypatch.setattr("nagjax.inference.nondominated.LOOKED_UP", 10)
    monkeypatch.setattr("nagjax.inference.nondominated.CHUNK", 4)
    large = dataclasses.replace(generator, _scopes={})
    low, high = large.budget_range[0]
    found = large.generate_arrays(np.linspace(low, high, 20), decode=decode)
    assert found.within.all()
    again = large.generate_arrays(found.costs[:, 0], decode="best")
    assert again.within.all()
    assert (again.quality >= found.quality - 1e-7).all()


def test_it_is_kept_with_a_checkpoint_explained_and_exported(case, generator, tmp_path):
    generator.save(tmp_path / "run")
    kept = nagjax.load(tmp_path / "run", space=SPACE)
    budgets = np.linspace(*generator.budget_range[0], 9)
    for decode in ("greedy", "best"):
        one, other = (each.generate_arrays(budgets, decode=decode) for each in (generator, kept))
        np.testing.assert_array_equal(one.tokens, other.tokens)
        np.testing.assert_array_equal(one.costs, other.costs)
    answers = kept.generate(budgets)
    told = parts(kept.description, answers[4].tokens)
    assert 0.5 + sum(part.cost for part in told) == pytest.approx(answers[4].costs["latency_ms"])
    kept.export(tmp_path / "export")
    portable = Portable(tmp_path / "export" / "generator.npz")
    assert portable.header["decodes"] == ["best"]
    for one, answer in zip(portable.answer(budgets), answers, strict=True):
        assert one["tokens"] == answer.tokens.tolist()
        assert one["costs"] == pytest.approx(answer.costs)


def overlapping(tokens):
    """A cost that no sum is: the larger of two sums, as where two units work at the same time."""
    features = SMALL.features(tokens)
    first = np.random.default_rng(3).uniform(0.3, 1.0, features.shape[1])
    first[::2] *= 0.3
    sums = 3 + np.stack([features @ first, features @ first[::-1]])
    return (sums / sums.mean(1, keepdims=True)).max(0)


def test_the_kind_tells_what_no_sum_can_and_its_sum_lies_below():
    tokens, others = (SMALL.sample(np.random.default_rng(seed), 600) for seed in (1, 2))
    costs, true = overlapping(tokens), overlapping(others)
    whole = 1.25 * costs.max()
    records = Records(tokens, costs / whole)
    sums = fit(make("additive", SETTINGS), SMALL, records, 0).predictor
    both = fit(make("residual", {"validation_share": 0.0}), SMALL, records, 0).predictor
    off = [np.median(np.abs(asked(form, others, SMALL.features(others)) * whole / true - 1)) for form in (sums, both)]
    assert off[1] < 0.6 * off[0]  # 0.31 of it when this was written
    lower, predicted = asked(both.base, others, SMALL.features(others)), asked(both, others, SMALL.features(others))
    assert (predicted >= lower).all()
    assert 0.01 < np.mean(true / whole < lower) < 0.12  # 0.05 was asked


def test_the_factor_by_hand():
    """Of 19 ratios at 0.1 the second least: two of twenty lie at or below it, the next network is one of them."""
    ratios = np.random.default_rng(0).permutation(np.arange(1.0, 20.0))
    assert lower_factor(ratios, 0.1) == 2.0
    assert lower_factor(ratios, 0.05) == 1.0
    assert lower_factor(ratios, 0.01) == 1.0


def test_from_a_file_of_measured_networks_by_flags(tmp_path):
    from experiments import generate, run

    rng = np.random.default_rng(5)
    tokens = SMALL.sample(rng, 300)
    costs = overlapping(tokens) * (1 + 0.01 * rng.normal(size=300))
    rows = [f'"{SMALL.format(row)}",{cost!r}' for row, cost in zip(tokens, costs.tolist(), strict=True)]
    (tmp_path / "phone.csv").write_text("\n".join(["architecture,latency_ms", *rows, ""]), encoding="utf-8")
    records = quality_file(tmp_path / "quality.csv")
    flags = ["--space=mobilenet_v3_small28", f"--records={records}", "--predictor_kind=ridge", "--cost_quantile=0.9"]
    flags += [f"--measured={tmp_path / 'phone.csv'}", "--cost_kind=residual", "--cost_settings=rest=ridge"]
    assert run.main([*flags, "--controller=random", "--steps=2", f"--out={tmp_path / 'run'}"]) == 0
    generator = nagjax.load(tmp_path / "run")
    assert generator.description.exact[0].residual.form.inner.form == "linear"
    low, high = generator.budget_range[0]
    asked_for = f"--budgets_ms={(low + high) / 2}"
    assert generate.main([f"--checkpoint={tmp_path / 'run'}", asked_for, f"--json={tmp_path / 'a.json'}"]) == 0
    said = json.loads((tmp_path / "a.json").read_text())["answers"][0]
    assert (said["guaranteed"], said["within"], said["levels"]) == (False, True, {"latency_ms": 0.1})
