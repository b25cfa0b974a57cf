"""What ``generate`` answers, against the list of all 3,969 architectures of a space priced in float64."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from nagjax.answering import DECODES, SOURCES, candidates, jit_candidates
from nagjax.inference import CHUNKS
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
        raw, cost = known.raw[row, k], answer.costs[info.name]
        assert raw * (1 - 1e-14) <= cost <= raw + len(space.operators) * 2.0**-info.exponent
    fits = all(answer.costs[name] <= budget for name, budget in answer.budget.items())
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


def test_greedy_beam_and_best_do_not_depend_on_the_seed_of_samples():
    for decode in ("greedy", "beam"):
        one, two = (GENERATOR.generate([MIDDLE, HIGH], decode=decode, seed=seed) for seed in (0, 1))
        assert [a.text for a in one] == [a.text for a in two]


def test_the_seed_decides_what_is_sampled():
    texts = [[a.text for a in GENERATOR.generate([HIGH] * 17, decode="sample", seed=seed)] for seed in (0, 0, 1)]
    assert texts[0] == texts[1] != texts[2]
    assert len(set(texts[0])) > 1


@pytest.mark.parametrize("budget", [LOW * 0.99, np.nextafter(LOW, 0), 0.0, -1.0])
def test_a_budget_below_the_range_is_refused_with_device_and_range(budget):
    with pytest.raises(ValueError, match=rf"below the cheapest architecture on {DEVICE}: possible are .* ms") as caught:
        GENERATOR.generate([HIGH, budget])
    assert f"{LOW:.6g} to {HIGH:.6g} ms" in str(caught.value)
    assert f"latency_ms={budget:g}" in str(caught.value)


@pytest.mark.parametrize(
    ("low", "read"), [(2.0131000001, "2.01311"), (0.5, "0.5"), (123456.7, "123457"), (1234567.0, "1234570")]
)
def test_the_least_budget_that_a_refusal_names_can_be_asked_for(low, read):
    """Costs are rounded up to ticks: 2.0131 in a table is a little more, and six digits would hide that."""
    assert GENERATOR.description.costs[0].span(low, 5e6) == f"{read} to 5e+06 ms"
    assert float(read) >= low


@pytest.mark.parametrize("budget", [HIGH * 1.001, 1e9, 1e300])
def test_a_budget_above_the_range_is_served_as_the_dearest(budget):
    for decode in ("greedy", "best"):
        (above,), (dearest,) = (GENERATOR.generate([b], decode=decode) for b in (budget, HIGH))
        assert above.text == dearest.text
        assert above.budget["latency_ms"] == budget
        assert above.guaranteed


def test_a_budget_equal_to_a_reported_cost_admits_that_architecture():
    for answer in GENERATOR.generate(np.linspace(LOW, HIGH, 5), decode="greedy"):
        only = {f"layer{t + 1}": f"{_operation(t, token)}" for t, token in enumerate(answer.tokens)}
        cost = answer.costs["latency_ms"]
        (again,) = GENERATOR.generate([cost], where=only, decode="greedy")
        assert again.text == answer.text
        assert again.costs["latency_ms"] == cost
        with pytest.raises(ValueError, match="below the cheapest architecture"):
            GENERATOR.generate([np.nextafter(cost, 0)], where=only, decode="greedy")


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


def test_more_samples_than_exist_are_refused_with_their_number():
    where = {f"layer{t}": "identity" for t in range(3, 9)}
    left = [row for row in range(len(ONE.tokens)) if not ONE.tokens[row, 2:].any()]
    dearest = np.sort(ONE.raw[left, 0])
    budget = dearest[4] * (1 + 1e-6)
    assert len({a.text for a in GENERATOR.generate([budget], num_samples=5, where=where)}) == 5
    with pytest.raises(ValueError, match="num_samples=6: only 5 architectures fit"):
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


def test_best_is_monotone_within_a_call_and_no_worse_than_its_parts():
    budgets = np.random.default_rng(0).permutation(np.linspace(LOW, HIGH, 32))
    answers = GENERATOR.generate(budgets)
    quality = np.array([answer.quality for answer in answers])[np.argsort(budgets)]
    assert (np.diff(quality) >= 0).all()
    assert {answer.source for answer in answers} <= {*SOURCES}
    for answer in answers:
        check(ONE, answer)
    greedy = np.array([answer.quality for answer in GENERATOR.generate(budgets, decode="greedy")])
    assert (np.array([answer.quality for answer in answers]) >= greedy).all()
    archive = GENERATOR.artefact.archive
    costs = np.asarray(archive.costs)[:, 0] * 2.0 ** -GENERATOR.description.costs[0].exponent
    held = [np.where(costs <= budget, np.asarray(archive.quality), -np.inf).max() for budget in budgets]
    assert (np.array([answer.quality for answer in answers]) >= np.array(held)).all()


def test_any_number_of_budgets_gives_the_answers_of_one_by_one():
    budgets = np.linspace(LOW, HIGH, 700)
    assert CHUNKS[-1] < 700
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
        ({"budgets_ms": [[20.0, 21.0]]}, "list of the same length"),
        ({"budgets_ms": [float("nan")]}, "latency_ms=nan is not a number"),
        ({"budgets_ms": [float("inf")]}, "latency_ms=inf is not a number"),
        ({"budgets_ms": [MIDDLE], "num_samples": 0}, "num_samples=0: at least 1"),
        ({"budgets_ms": [MIDDLE], "num_samples": 2, "decode": "greedy"}, "greedy has exactly one"),
        ({"budgets_ms": [MIDDLE], "where": {"kernel": 3}}, "'kernel' is not a decision"),
        ({"budgets_ms": [MIDDLE], "where": {"layer1": "conv"}}, r"\['conv'\] is not a choice"),
    ],
)
def test_wrong_arguments_are_refused(arguments, text):
    with pytest.raises(ValueError, match=text):
        GENERATOR.generate(**arguments)


def test_without_a_policy_the_archive_answers_and_the_rest_is_refused():
    known = make_generator(policy=False)
    for answer in known.generator.generate([MIDDLE, HIGH]):
        check(known, answer)
        assert answer.guaranteed
    assert known.generator.generate([HIGH])[0].source == "archive"
    for decode in ("greedy", "sample", "beam"):
        with pytest.raises(ValueError, match=f"decode='{decode}' needs a policy"):
            known.generator.generate([MIDDLE], decode=decode)


def test_an_archive_that_holds_nothing_within_the_budget_still_answers_within_it():
    known = make_generator(policy=False)
    costs = np.asarray(known.generator.artefact.archive.costs)[:, 0]
    assert costs.min() > np.asarray(known.generator.problem.low)[0]
    (answer,) = known.generator.generate([LOW])
    check(known, answer)
    assert answer.guaranteed
    assert answer.source == "random"


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
    with pytest.raises(ValueError, match="same length"):
        generator.generate(budgets={"latency_ms": [30.0, 31.0], "madds_m": [9.0]})
    with pytest.raises(ValueError, match=r"madds_m=.* is below"):
        generator.generate(budgets={"madds_m": [ranges[1, 0] * 0.9]})


def test_a_pair_of_budgets_that_nothing_meets_is_not_called_guaranteed():
    known = make_generator(num_costs=2)
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
    one_by_one = jax.vmap(lambda budget: candidates(artefact, problem, budget[None], keys[0], "greedy").tokens[0])(
        ticks
    )
    together = jit_candidates(artefact, problem, ticks, keys[0], "greedy", 1).tokens
    np.testing.assert_array_equal(np.asarray(one_by_one), np.asarray(together))
