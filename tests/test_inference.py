"""What ``generate`` answers, against the list of all 3,969 architectures of a space priced in float64."""

import csv
import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from nagjax import mesh
from nagjax.controllers import Artefact
from nagjax.inference import nondominated
from nagjax.inference.answering import DECODES, SOURCES, candidates, jit_candidates
from nagjax.inference.asked import read_budgets
from nagjax.inference.distinct import enumerate_within
from nagjax.inference.generator import Generator
from nagjax.inference.scope import CHUNK
from nagjax.predictors.forms.evaluated import with_evaluated
from nagjax.problems.costs import exactly, rounded_up
from nagjax.reports.answers import to_points, to_table
from nagjax.reports.front import write_front_csv
from nagjax.spaces import trellis as tl
from tests.generators import DEVICE, make_generator

ONE = make_generator()
GENERATOR = ONE.generator
LOW, HIGH = GENERATOR.budget_range[0]
MIDDLE = (LOW + HIGH) / 2
LAYERS = GENERATOR.problem.spec.num_layers


def check(known, answer):
    """An answer is an architecture, within its budget by raw float64 sums, with its true cost and quality."""
    row = known.row(answer.tokens)
    space = known.generator.description.space
    np.testing.assert_array_equal(space.parse(answer.text), answer.tokens)
    assert answer.quality == pytest.approx(known.quality[row])
    assert answer.quality_std == 0
    for k, info in enumerate(known.generator.description.costs):
        assert answer.costs[info.name] == pytest.approx(known.raw[row, k], rel=1e-14)
    fits = all(answer.costs[name] <= budget * (1 + 1e-13) for name, budget in answer.budget.items())
    assert answer.guaranteed == fits


@pytest.mark.parametrize("decode", DECODES)
def test_every_answer_is_within_its_budget_and_costs_what_it_says(decode):
    budgets = np.linspace(LOW, HIGH, 17)
    answers = GENERATOR.generate(budgets, decode=decode)
    assert [answer.budget["latency_ms"] for answer in answers] == budgets.tolist()
    for answer in answers:
        check(ONE, answer)
        assert answer.guaranteed
        assert answer.source == decode or decode == "best"


def by_ladder(known=ONE):
    """The same generator, not asked before."""
    return Generator(known.generator.artefact, known.generator.problem, known.generator.description, {})


@pytest.fixture
def large(monkeypatch):
    """No space is small enough to be listed."""
    monkeypatch.setattr(nondominated, "LISTED", 0)
    monkeypatch.setattr(nondominated, "LOOKED_UP", 0)
    monkeypatch.setattr(nondominated, "LADDER", 64)


@pytest.mark.parametrize("decode", ["greedy", "sample"])
def test_two_devices_answer_many_budgets_as_one_does(decode, monkeypatch):
    """Of the second chunk a part is padding; the same budget twice draws twice."""
    budgets = {"latency_ms": np.repeat(np.linspace(LOW, HIGH, CHUNK - 50), 2)}
    assert mesh.own_devices().size == 2
    two = by_ladder().generate_arrays(budgets=budgets, decode=decode, seed=3)
    monkeypatch.setattr(mesh, "own_devices", lambda: mesh.ONE)
    one = by_ladder().generate_arrays(budgets=budgets, decode=decode, seed=3)
    np.testing.assert_array_equal(two.tokens, one.tokens)
    np.testing.assert_array_equal(two.source, one.source)


def test_greedy_beam_and_best_do_not_depend_on_the_seed_of_samples():
    for decode in ("greedy", "beam"):
        one, two = (GENERATOR.generate([MIDDLE, HIGH], decode=decode, seed=seed) for seed in (0, 1))
        assert [a.text for a in one] == [a.text for a in two]


def test_the_seed_decides_what_is_sampled():
    texts = [[a.text for a in GENERATOR.generate([HIGH] * 17, decode="sample", seed=seed)] for seed in (0, 0, 1)]
    assert texts[0] == texts[1] != texts[2]
    assert len(set(texts[0])) > 1


@pytest.mark.parametrize("budget", [LOW * 0.99, LOW * (1 - 1e-9), 0.0, -1.0])
def test_a_budget_below_the_range_is_refused_with_device_and_range(budget):
    with pytest.raises(ValueError, match=rf"below the cheapest architecture on {DEVICE}: possible are .* ms") as caught:
        GENERATOR.generate([HIGH, budget])
    assert f"{rounded_up(LOW)} to {rounded_up(HIGH)} ms" in str(caught.value)
    assert f"latency_ms={exactly(budget)} is" in str(caught.value)
    assert float(rounded_up(LOW)) >= LOW


@pytest.mark.parametrize(
    ("low", "read"), [(2.0131000001, "2.01311"), (0.5, "0.5"), (123456.7, "123457"), (1234567.0, "1234570")]
)
def test_the_least_budget_that_a_refusal_names_can_be_asked_for(low, read):
    """Six digits of a number would be a little less than the number."""
    assert GENERATOR.description.costs[0].span(low, 5e6) == f"{read} to 5000000 ms"
    assert float(read) >= low


@pytest.mark.parametrize("budget", [HIGH * 1.001, HIGH * 99, np.inf])
def test_a_budget_above_the_range_is_served_as_the_dearest(budget):
    for decode in ("greedy", "best"):
        (above,), (costliest,) = (GENERATOR.generate([b], decode=decode) for b in (budget, HIGH))
        assert above.text == costliest.text
        assert above.budget["latency_ms"] == budget
        assert above.guaranteed


@pytest.mark.parametrize("budget", [HIGH * 1000, 1e300])
def test_a_budget_far_above_the_range_is_remarked_upon(budget):
    with pytest.warns(UserWarning, match=r"latency_ms=.* times or more what the costliest .* is it in another unit\?"):
        (above,) = GENERATOR.generate([budget])
    assert above.guaranteed


def test_impossible_budgets_are_named_all_at_once_or_skipped():
    budgets = [HIGH, LOW / 2, MIDDLE, LOW / 3]
    with pytest.raises(ValueError, match=f"latency_ms={exactly(LOW / 2)}, {exactly(LOW / 3)} is below"):
        GENERATOR.generate(budgets)
    for decode in DECODES:
        answers = GENERATOR.generate(budgets, decode=decode, on_infeasible="skip")
        assert [answer.budget["latency_ms"] for answer in answers] == [HIGH, MIDDLE]
    assert GENERATOR.generate([0.0], on_infeasible="skip") == []
    assert GENERATOR.generate_arrays(budgets, on_infeasible="skip").index.tolist() == [0, 2]
    with pytest.raises(ValueError, match="on_infeasible='ignore' is not one of raise, skip"):
        GENERATOR.generate(budgets, on_infeasible="ignore")


def test_arrays_say_what_the_answers_say():
    budgets = np.linspace(LOW, HIGH, 9)
    for decode in DECODES:
        arrays, steps = GENERATOR.generate_arrays(budgets, decode=decode), []
        answers = GENERATOR.generate(budgets, decode=decode)
        assert arrays.tokens.tolist() == [answer.tokens.tolist() for answer in answers]
        assert arrays.costs[:, 0].tolist() == [answer.costs["latency_ms"] for answer in answers]
        assert arrays.quality.tolist() == pytest.approx([answer.quality for answer in answers])
        assert [SOURCES[number] for number in arrays.source] == [answer.source for answer in answers]
        assert arrays.guaranteed.all()
        GENERATOR.generate_arrays(budgets, decode=decode, on_progress=lambda *step: steps.append(step))  # noqa: B023
        assert steps == ([] if decode == "best" else [(9, 9)])


def test_the_front_is_what_best_answers_to_its_own_costs(large):
    for generator in (GENERATOR, by_ladder()):
        front = generator.front()
        assert (np.diff(front.costs[:, 0]) > 0).all()
        assert (np.diff(front.quality) > 0).all()
        again = generator.generate_arrays(front.costs[:, 0])
        assert again.tokens.tolist() == front.tokens.tolist()


def test_a_budget_equal_to_a_reported_cost_admits_that_architecture():
    for answer in GENERATOR.generate(np.linspace(LOW, HIGH, 5), decode="greedy"):
        only = {f"layer{t + 1}": f"{_operation(t, token)}" for t, token in enumerate(answer.tokens)}
        cost = answer.costs["latency_ms"]
        (again,) = GENERATOR.generate([cost], where=only, decode="greedy")
        assert again.text == answer.text
        assert again.costs["latency_ms"] == cost
        with pytest.raises(ValueError, match="below the cheapest architecture"):
            GENERATOR.generate([cost * (1 - 1e-9)], where=only, decode="greedy")


def _operation(layer, token):
    return GENERATOR.description.space.decisions[layer].choices[token]["operation"]


@pytest.mark.parametrize("decode", ["best", "sample", "beam"])
def test_several_samples_are_distinct_and_within_budget(decode):
    answers = GENERATOR.generate([MIDDLE, HIGH], num_samples=20, decode=decode)
    assert len(answers) == 40
    for budget, some in ((MIDDLE, answers[:20]), (HIGH, answers[20:])):
        assert {answer.budget["latency_ms"] for answer in some} == {budget}
        assert len({answer.text for answer in some}) == 20
        for answer in some:
            check(ONE, answer)
        if decode == "best":
            assert [a.quality for a in some] == sorted((a.quality for a in some), reverse=True)


@pytest.mark.parametrize("columns", [1, 2])
def test_several_of_best_are_the_best_where_all_can_be_listed(columns):
    known = make_generator(columns)
    budgets = np.quantile(known.raw, 0.4, 0)
    names = [info.name for info in known.generator.description.costs]
    found = known.generator.generate(budgets=dict(zip(names, budgets[:, None], strict=True)), num_samples=12)
    fits = (known.raw <= budgets).all(1)
    np.testing.assert_array_equal([a.quality for a in found], np.sort(known.quality[fits])[::-1][:12])


def test_several_of_best_begin_with_what_one_would_be(large):
    known = make_generator(archive=False)
    budgets = np.linspace(LOW, HIGH, 12)[1:]
    one = [answer.quality for answer in by_ladder(known).generate(budgets)]
    several = [answer.quality for answer in by_ladder(known).generate(budgets, num_samples=2)[::2]]
    assert all(np.greater_equal(several, one))


def test_a_file_of_answers_says_every_budget(tmp_path):
    known = make_generator(2)
    low, high = (np.quantile(known.raw, q, 0).tolist() for q in (0.4, 0.6))
    answers = known.generator.generate(budgets={"madds_m": [high[1]] * 2, "latency_ms": [low[0], high[0]]})
    write_front_csv(tmp_path / "a.csv", to_points(known.generator, answers, "madds_m"))
    with (tmp_path / "a.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [(float(row["budget"]), float(row["budget_latency_ms"])) for row in rows] == [
        (high[1], low[0]), (high[1], high[0]),
    ]  # fmt: skip


def test_a_list_that_was_cut_is_not_said_to_be_whole():
    """With two columns the prefixes that stay in a cut list may run into dead ends, and others fit."""
    known = make_generator(2)
    budgets = np.quantile(known.raw, 0.1, 0)
    fits = int((known.raw <= budgets).all(1).sum())
    ticks = np.array([c.offers(budgets[k : k + 1])[0] for k, c in enumerate(known.generator.description.exact)])
    for limit in (1, 4, 16, 64, 256, 1024):
        found, all_of_them = enumerate_within(known.generator.problem, ticks, limit)
        assert not all_of_them or len(found) == fits
    assert all_of_them


def test_more_samples_than_exist_are_refused_with_their_number():
    where = {f"layer{t}": "identity" for t in range(3, 9)}
    left = [row for row in range(len(ONE.tokens)) if not ONE.tokens[row, 2:].any()]
    costliest = np.sort(ONE.raw[left, 0])
    budget = costliest[4] * (1 + 1e-6)
    assert len({a.text for a in GENERATOR.generate([budget], num_samples=5, where=where)}) == 5
    with pytest.raises(ValueError, match="num_samples=6: the architectures that fit the budget are 5"):
        GENERATOR.generate([budget], num_samples=6, where=where)


def test_conditions_hold_for_every_decode_and_for_the_archive():
    for where in ({"layer1": "ratio3_kernel3"}, {"layer": ["identity", "ratio6_kernel5"]}):
        fine = GENERATOR.description.space.where(where)
        low = ONE.raw[tl.walk(GENERATOR.description.space.trellis.target, fine, ONE.tokens)[1], 0].min()
        for decode in DECODES:
            for answer in GENERATOR.generate([low * (1 + 1e-6), HIGH], where=where, decode=decode):
                check(ONE, answer)
                assert tl.walk(GENERATOR.description.space.trellis.target, fine, answer.tokens[None])[1].all()
        with pytest.raises(ValueError, match=r"below the cheapest .* where"):
            GENERATOR.generate([low * (1 - 1e-6)], where=where)


def test_best_takes_the_archive_only_within_the_conditions():
    (free,) = GENERATOR.generate([HIGH])
    other = next(c["operation"] for i, c in enumerate(_choices()) if i != free.tokens[0])
    (bound,) = GENERATOR.generate([HIGH], where={"layer1": other})
    assert _operation(0, bound.tokens[0]) == other
    assert free.quality >= bound.quality


def _choices():
    return GENERATOR.description.space.decisions[0].choices


def archived(budgets):
    """Quality of the best that the archive holds within each budget."""
    archive = GENERATOR.artefact.archive
    rows = np.flatnonzero(np.isfinite(np.asarray(archive.quality)))
    costs = np.array([ONE.raw[ONE.row(tokens), 0] for tokens in np.asarray(archive.tokens)[rows]])
    quality = np.asarray(archive.quality)[rows]
    return np.array([quality[costs <= budget].max(initial=-np.inf) for budget in budgets])


def test_best_of_what_can_be_listed_is_the_best_there_is():
    budgets = np.random.default_rng(0).permutation(np.linspace(LOW, HIGH, 32))
    for budget, answer in zip(budgets, GENERATOR.generate(budgets), strict=True):
        check(ONE, answer)
        assert answer.quality == ONE.quality[ONE.raw[:, 0] <= budget].max()
        assert answer.source == "listed"


def test_best_answers_with_what_the_predictor_was_told(large):
    row = int(np.argmin(ONE.quality))  # nobody answers with it otherwise
    told = with_evaluated(GENERATOR.problem.quality, ONE.tokens[[row]], np.array([0.875]))
    problem = dataclasses.replace(GENERATOR.problem, quality=told)
    generator = Generator(GENERATOR.artefact, problem, GENERATOR.description, {})
    below, at = generator.generate([ONE.raw[row, 0] * 0.999, ONE.raw[row, 0]])
    assert (at.source, at.quality) == ("evaluated", 0.875)
    np.testing.assert_array_equal(at.tokens, ONE.tokens[row])
    assert below.quality < 0.875


def test_best_is_monotone_and_no_worse_than_the_archive(large):
    generator = by_ladder()
    budgets = np.random.default_rng(0).permutation(np.linspace(LOW, HIGH, 32))
    answers = generator.generate(budgets)
    quality = np.array([answer.quality for answer in answers])
    assert (np.diff(quality[np.argsort(budgets)]) >= 0).all()
    assert {answer.source for answer in answers} <= {*SOURCES}
    for answer in answers:
        check(ONE, answer)
        (again,) = generator.generate([answer.costs["latency_ms"]])
        assert again.quality >= answer.quality
    assert (quality >= archived(budgets)).all()
    greedy = generator.generate([HIGH], decode="greedy")[0].quality
    assert generator.generate([HIGH])[0].quality >= greedy, "the ladder ends at the top of the range"


@pytest.mark.parametrize("decode", DECODES)
def test_an_answer_does_not_depend_on_what_else_is_asked(decode, large):
    generator = by_ladder()
    budgets = np.random.default_rng(1).uniform(LOW, HIGH, CHUNK + 40)
    together = generator.generate_arrays(budgets, decode=decode).tokens
    for row in (0, 7, CHUNK - 1, CHUNK, CHUNK + 39):
        assert generator.generate_arrays(budgets[row], decode=decode).tokens.tolist() == [together[row].tolist()]
    reverse = generator.generate_arrays(budgets[::-1], decode=decode).tokens
    assert reverse.tolist() == together[::-1].tolist()


def test_any_number_of_budgets_gives_the_answers_of_one_by_one():
    budgets = np.linspace(LOW, HIGH, 700)
    assert CHUNK < 700
    every = [answer.text for answer in GENERATOR.generate(budgets, decode="greedy")]
    assert len(every) == 700
    assert len(set(every)) > 5
    picks = [0, 1, 350, 511, 512, 698, 699]
    assert [GENERATOR.generate([budgets[i]], decode="greedy")[0].text for i in picks] == [every[i] for i in picks]
    assert [a.text for a in GENERATOR.generate(budgets[:3], decode="greedy")] == every[:3]
    assert GENERATOR.generate(budgets[5], decode="greedy")[0].text == every[5]


def test_no_budgets_give_no_answers():
    assert GENERATOR.generate([]) == []
    assert GENERATOR.generate([], num_samples=3) == []


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ({"budgets_ms": [20], "decode": "gredy"}, "decode='gredy' is not one of best, greedy, sample, beam"),
        ({}, "give either budgets_ms or budgets"),
        ({"budgets_ms": [20], "budgets": {"latency_ms": [20]}}, "give either budgets_ms or budgets"),
        ({"budgets": {"energy_mj": [20]}}, "energy_mj.* costs are latency_ms"),
        ({"budgets": {}}, "costs are latency_ms"),
        ({"budgets_ms": [[20.0, 21.0]]}, r"latency_ms of the shape \(1, 2\); give each column as a flat list"),
        ({"budgets_ms": [float("nan")]}, "latency_ms=nan is not a number"),
        ({"budgets_ms": [-float("inf")]}, "latency_ms=-inf is below"),
        ({"budgets_ms": "20"}, "a str is not a list of numbers"),
        ({"budgets_ms": True}, "a bool is not a list of numbers"),
        ({"budgets_ms": {20.0, 30.0}}, "a set is not a list of numbers"),
        ({"budgets_ms": {"a": 20.0}}, "a dict is not a list of numbers"),
        ({"budgets_ms": (b for b in [20.0])}, "a generator is not a list of numbers"),
        ({"budgets_ms": ["20"]}, "holds something that is not a number"),
        ({"budgets_ms": [20.0, None]}, "holds something that is not a number"),
        ({"budgets_ms": [True, False]}, "holds something that is not a number"),
        ({"budgets_ms": [20.0, [21.0]]}, "not a list of numbers of equal depth"),
        ({"budgets": [20.0]}, "budgets is a list; give a dict"),
        ({"budgets_ms": [MIDDLE], "num_samples": 2.0}, "num_samples=2.0: must be an integer"),
        ({"budgets_ms": [MIDDLE], "num_samples": True}, "num_samples=True: must be an integer"),
        ({"budgets_ms": [MIDDLE], "seed": 2**32}, "seed=4294967296: a seed is an integer"),
        ({"budgets_ms": [MIDDLE], "seed": -1}, "seed=-1: a seed is"),
        ({"budgets_ms": [MIDDLE], "seed": 0.5}, "seed=0.5: a seed is"),
        ({"budgets_ms": [MIDDLE], "num_samples": 0}, "num_samples=0: must be an integer, at least 1"),
        ({"budgets_ms": [MIDDLE], "num_samples": 2, "decode": "greedy"}, "greedy has exactly one"),
        ({"budgets_ms": [MIDDLE], "where": {"kernel": 3}}, "'kernel' is not a decision"),
        ({"budgets_ms": [MIDDLE], "where": {"layer1": "conv"}}, r"\['conv'\] is not a choice"),
        ({"budgets_ms": [MIDDLE], "where": {"layer1": {1: 2}}}, r"\[\{1: 2\}\] is not a choice"),
        ({"budgets_ms": [MIDDLE], "where": {1: 2, "layer1": 3}}, "give a dict of names and values"),
        ({"budgets_ms": [MIDDLE], "where": 3}, "where=3: give a dict"),
        ({"budgets_ms": [MIDDLE], "where": [("layer1", 3)]}, "give a dict"),
        ({"budgets_ms": b"20"}, "a bytes is not a list of numbers"),
        ({"budgets_ms": bytearray(b"20")}, "a bytearray is not a list of numbers"),
    ],
)
def test_wrong_arguments_are_refused(arguments, text):
    with pytest.raises(ValueError, match=text):
        GENERATOR.generate(**arguments)


def test_without_a_policy_the_archive_answers_and_the_rest_is_refused(large):
    known = make_generator(policy=False)
    generator = by_ladder(known)
    for answer in generator.generate([MIDDLE, HIGH]):
        check(known, answer)
        assert answer.guaranteed
        assert answer.source in ("archive", "random")
    for decode in ("greedy", "sample", "beam"):
        with pytest.raises(ValueError, match=f"decode='{decode}' needs a policy"):
            generator.generate([MIDDLE], decode=decode)


def test_an_archive_that_holds_nothing_within_the_budget_still_answers_within_it(large):
    known = make_generator(policy=False)
    costs = np.asarray(known.generator.artefact.archive.costs)[:, 0]
    assert costs.min() > np.asarray(known.generator.problem.low)[0]
    (answer,) = by_ladder(known).generate([LOW])
    check(known, answer)
    assert answer.guaranteed


def test_costs_that_an_archive_claims_are_not_believed(large):
    artefact = GENERATOR.artefact
    free = dataclasses.replace(artefact.archive, costs=jnp.ones_like(artefact.archive.costs))
    lying = Generator(Artefact(artefact.policy, free), GENERATOR.problem, GENERATOR.description, {})
    for answer in lying.generate(np.linspace(LOW, HIGH, 9)):
        check(ONE, answer)
        assert answer.guaranteed


def test_two_cost_columns_bind_together_or_alone():
    known = make_generator(num_costs=2)
    generator = known.generator
    ranges = generator.budget_range
    budgets = {"latency_ms": np.linspace(*ranges[0], 9).tolist(), "madds_m": [ranges[1, 1]] * 9}
    for answer in generator.generate(budgets=budgets):
        check(known, answer)
        assert answer.guaranteed
    tight = {"latency_ms": [ranges[0, 1]] * 9, "madds_m": np.linspace(*ranges[1], 9).tolist()}
    for answer in generator.generate(budgets=tight):
        check(known, answer)
        assert answer.guaranteed
    both = {"latency_ms": [ranges[0].mean()] * 2, "madds_m": [ranges[1].mean()] * 2}
    for answer in generator.generate(budgets=both):
        check(known, answer)
        assert set(answer.costs) == {"latency_ms", "madds_m"}
    one = generator.generate(budgets={"latency_ms": budgets["latency_ms"]}, decode="greedy")
    two = generator.generate(budgets=budgets, decode="greedy")
    assert [a.text for a in one] == [a.text for a in two]
    with pytest.raises(ValueError, match=r"2 of latency_ms, 1 of madds_m; .*--grid.*leave a column out"):
        generator.generate(budgets={"latency_ms": [30.0, 31.0], "madds_m": [9.0]})
    headers = [str(column.header) for column in to_table(one, generator.description).columns]
    assert headers[:3] == ["latency_ms budget, ms", "latency_ms, ms", "madds_m, M"]
    with pytest.raises(ValueError, match=r"madds_m=.* is below"):
        generator.generate(budgets={"madds_m": [ranges[1, 0] * 0.9]})


@pytest.mark.parametrize("within", [jax.jit, jax.vmap, jax.grad])
def test_a_generator_says_that_it_is_compiled_itself(within):
    with pytest.raises(ValueError, match=r"budgets of latency_ms are traced.*outside of jax.jit"):
        within(lambda budgets: GENERATOR.generate_arrays(budgets).quality)(jnp.array([MIDDLE]))


def test_budgets_ms_of_a_checkpoint_without_latency_ms_name_its_columns():
    description = GENERATOR.description
    renamed = dataclasses.replace(description, costs=(dataclasses.replace(description.costs[0], name="pixel_ms"),))
    with pytest.raises(ValueError, match=r"are of latency_ms\).*costs are pixel_ms: write --budgets=pixel_ms="):
        read_budgets(renamed, [3.0], None)


def test_a_pair_of_budgets_that_nothing_meets_is_refused_with_what_is_possible():
    known = make_generator(num_costs=2)
    generator = known.generator
    rng, ranges = np.random.default_rng(0), generator.budget_range
    pairs = rng.uniform(ranges[:, 0], ranges[:, 1], (200, 2))
    fits = (known.raw[None] <= pairs[:, None]).all(2)
    met = fits.any(1)
    assert 0 < met.sum() < len(met)
    asked = {"latency_ms": pairs[:, 0], "madds_m": pairs[:, 1]}
    answers = generator.generate(budgets=asked, on_infeasible="skip")
    assert len(answers) == met.sum()
    for answer, row in zip(answers, fits[met], strict=True):
        check(known, answer)
        assert answer.guaranteed
        assert answer.quality == known.quality[row].max()
    one = {name: values[~met][:1] for name, values in asked.items()}
    with pytest.raises(
        ValueError, match=r"nothing is within latency_ms=.*, madds_m=.* together; possible are"
    ) as caught:
        generator.generate(budgets=one)
    text = str(caught.value).split("possible are ")[1].split(" or ")[0].split(";")[0]
    offered = {part.split("=")[0]: [float(part.split("=")[1])] for part in text.split(", ")}
    assert generator.generate(budgets=offered)[0].guaranteed


def test_a_pair_of_budgets_that_nothing_meets_is_not_called_guaranteed(large):
    known = make_generator(num_costs=2)
    known = known._replace(generator=by_ladder(known))
    cheapest = [row for row in range(len(known.tokens)) if known.raw[row, 0] == known.raw[:, 0].min()]
    low = known.generator.budget_range[:, 0]
    if (known.raw[cheapest, 1] <= low[1]).any():
        pytest.skip("one architecture is the cheapest by both columns")
    (answer,) = known.generator.generate(budgets={"latency_ms": [low[0]], "madds_m": [low[1]]}, decode="greedy")
    check(known, answer)
    assert not answer.guaranteed


def test_the_function_underneath_works_in_a_users_jit_and_vmap():
    artefact, problem = GENERATOR.artefact, GENERATOR.problem
    ticks = jnp.linspace(problem.low[0], problem.high[0], 6).astype(jnp.int32)[:, None]

    @functools.partial(jax.jit, static_argnums=3)
    def cheapest_of(artefact, problem, key, how):
        found = candidates(artefact, problem, ticks, key, how, draws=4)
        return found.tokens, found.costs.min(1)

    keys = jax.random.split(jax.random.key(0), 3)
    tokens, costs = jax.vmap(lambda key: cheapest_of(artefact, problem, key, "sample"))(keys)
    assert tokens.shape == (3, 6, 4, LAYERS)
    assert (np.asarray(costs) <= np.asarray(ticks)[None]).all()
    for i, key in enumerate(keys):
        direct = jit_candidates(artefact, problem, ticks, key, "sample", 4)
        np.testing.assert_array_equal(np.asarray(direct.tokens), np.asarray(tokens[i]))
    greedily = jax.vmap(lambda budget: candidates(artefact, problem, budget[None], keys[0], "greedy").tokens[0])
    one_by_one = jax.jit(greedily)(ticks)
    together = jit_candidates(artefact, problem, ticks, keys[0], "greedy", 1).tokens
    np.testing.assert_array_equal(np.asarray(one_by_one), np.asarray(together))
