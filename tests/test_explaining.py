"""Where an answer's cost goes and what changes next to it, against all 3,969 architectures of a space."""

import dataclasses
import json
import re

import numpy as np
import pytest

from experiments import explain
from nagjax.checkpoint import packing
from nagjax.controllers import Artefact
from nagjax.inference.explaining import edge_costs, parts
from nagjax.inference.generator import Generator
from nagjax.predictors.forms.evaluated import with_evaluated
from nagjax.problems.build import make_problem
from nagjax.reports import explorer
from nagjax.spaces import trellis as tl
from tests import tiny
from tests.generators import make_generator

ONE = make_generator()
GENERATOR = ONE.generator
LOW, HIGH = GENERATOR.budget_range[0]
MIDDLE = float((LOW + HIGH) / 2)


def staircase():
    """Cost and quality of every architecture that is better than all that cost no more, by rising cost."""
    cost, quality = ONE.raw[:, 0], ONE.quality
    order = np.lexsort((-quality, cost))
    kept = [row for i, row in enumerate(order) if i == 0 or quality[row] > quality[order[:i]].max()]
    return cost[kept], quality[kept]


def test_parts_add_up_to_the_cost_and_name_the_operators():
    for answer in GENERATOR.generate([LOW, MIDDLE, HIGH]):
        found = parts(GENERATOR.description, answer.tokens)
        assert sum(part.cost for part in found) == pytest.approx(answer.costs["latency_ms"], rel=1e-12)
        space = GENERATOR.description.space
        keys = {op.key for op in space.operators}
        assert {key for part in found for key in part.operators} <= keys
        nodes, _ = tl.walk(space.trellis.target, space.trellis.valid, answer.tokens[None])
        is_open = space.trellis.open[np.arange(len(space.decisions)), nodes[0]]
        named = [decision.name for decision, on in zip(space.decisions, is_open, strict=True) if on]
        assert [part.decision for part in found] == named


def test_operators_add_up_to_their_decision_and_are_kept_by_a_checkpoint():
    description = GENERATOR.description
    (answer,) = GENERATOR.generate([HIGH])
    found = parts(description, answer.tokens)
    for part in found:
        assert len(part.operator_costs) == len(part.operators)
        assert sum(part.operator_costs) == pytest.approx(part.cost, rel=1e-12)
    tree, config = (
        make(GENERATOR.artefact, GENERATOR.problem, description) for make in (packing.pack, packing.describe)
    )
    *_, again = packing.unpack(config, tree, description.space)
    assert parts(again, answer.tokens) == found
    del tree["operators"]  # a checkpoint of before
    *_, older = packing.unpack(config, tree, description.space)
    assert [part.operator_costs for part in parts(older, answer.tokens)] == [()] * len(found)


def test_the_offset_is_a_part_of_its_own():
    exact = GENERATOR.description.exact[0]
    costlier = dict(exact.edges) | {0: exact.edges[0] + 0.25}
    info = dataclasses.replace(exact.info, offset=0.25)
    description = dataclasses.replace(
        GENERATOR.description, costs=(info,), exact=(dataclasses.replace(exact, info=info, edges=costlier),)
    )
    tokens = ONE.tokens[:5]
    np.testing.assert_allclose(edge_costs(description, tokens), edge_costs(GENERATOR.description, tokens), atol=1e-12)


def test_costs_measured_as_a_whole_have_no_parts():
    info = dataclasses.replace(GENERATOR.description.costs[0], given=True)
    exact = dataclasses.replace(GENERATOR.description.exact[0], info=info)
    assert parts(dataclasses.replace(GENERATOR.description, exact=(exact,)), ONE.tokens[0]) == ()


def test_neighbours_are_the_next_steps_of_the_front():
    cost, quality = staircase()
    at = len(cost) // 2
    found = GENERATOR.explain(float(cost[at]))
    assert found.answer.costs["latency_ms"] == pytest.approx(cost[at])
    for change, there in ((found.cheaper, at - 1), (found.costlier, at + 1)):
        assert change.answer.costs["latency_ms"] == pytest.approx(cost[there])
        assert change.cost == pytest.approx(cost[there] - cost[at])
        assert change.quality == pytest.approx(quality[there] - quality[at])


def test_the_next_costlier_keeps_the_other_budget():
    """What is next on the front of both costs may be over the second budget, or worse and merely of fewer madds."""
    two = make_generator(2)
    budgets = {"latency_ms": MIDDLE, "madds_m": float(np.quantile(two.raw[:, 1], 0.3))}
    found = two.generator.explain(budgets=budgets)
    better = (two.raw[:, 1] <= budgets["madds_m"]) & (two.quality > two.quality[two.row(found.answer.tokens)])
    assert found.costlier.answer.costs["latency_ms"] == pytest.approx(two.raw[better, 0].min(), rel=1e-12)


def test_a_change_lists_the_decisions_that_differ():
    found = GENERATOR.explain(MIDDLE, step=0.2)
    for change, factor in ((found.less, 0.8), (found.more, 1.2)):
        (other,) = GENERATOR.generate([MIDDLE * factor])
        assert change.answer.text == other.text
        differ = np.flatnonzero(found.answer.tokens != other.tokens)
        names = [GENERATOR.description.space.decisions[t].name for t in differ]
        assert [name for name, _, _ in change.decisions] == names
        assert all(ours != theirs for _, ours, theirs in change.decisions)


def test_the_ends_have_one_neighbour():
    cheapest, costliest = GENERATOR.explain(float(LOW)), GENERATOR.explain(float(HIGH))
    assert cheapest.cheaper is None
    assert cheapest.less is None
    assert costliest.costlier is None
    assert costliest.more is None


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({}, "give one budget"),
        ({"budget_ms": 3.0, "budgets": {"latency_ms": 3.0}}, "give one budget"),
        ({"budget_ms": 0.0}, "below the cheapest"),
        ({"budget_ms": MIDDLE, "step": 1.0}, "step is 1.0"),
        ({"budgets": {"energy_mj": 3.0}}, "energy_mj"),
    ],
)
def test_what_cannot_be_explained_is_refused(arguments, said):
    with pytest.raises(ValueError, match=re.escape(said)):
        GENERATOR.explain(**arguments)


def test_the_job_draws_a_bar_for_each_part():
    found = GENERATOR.explain(MIDDLE)
    text = explain.lines(found, 0.05)
    bars = [line for line in text if re.search(r"^\S.* ms( +#+)?$", line)]
    assert len(bars) == len(found.parts)
    several = [part for part in found.parts if len(part.operators) > 1]
    assert sum(line.startswith("  ") and " ms" in line for line in text) >= sum(len(part.operators) for part in several)
    assert max(line.count("#") for line in bars) == explain.BAR
    told = json.loads(json.dumps(explain.to_json(found)))
    assert told["answer"]["text"] == found.answer.text
    assert len(told["parts"]) == len(found.parts)


# Answers that are compared by quality less its deviation


def careful_generator():
    """A generator whose third answer was evaluated: a deviation below the second's quality, which is worth two less."""

    def made(quality):
        space = tiny.make_space()
        problem, description = make_problem(space, [tiny.make_prices(space, 0)], quality, pessimism=2.0)
        return Generator(Artefact(None, None), problem, description, {})

    quality = tiny.make_quality(tiny.make_space(), members=3)
    front = made(quality).front()
    return made(with_evaluated(quality, front.tokens[2:3], (front.quality - front.quality_std)[1:2]))


def test_the_page_of_careful_answers_holds_those_of_generate():
    """The best mean within a budget may be no answer: what is less certain is worth less."""
    careful = careful_generator()
    front = careful.front()
    assert (np.diff(front.quality) < 0).any()  # so the front is none of the quality alone
    found = explorer.data(careful.description, explorer.members(careful, []), ("latency", "accuracy, %"), 2.0)
    for member in found["members"]:
        (answer,) = careful.generate([member["at"]])
        assert member["text"] == answer.text
    assert len(found["members"]) == len(front.quality)


def test_of_two_costs_the_page_compares_by_quality_less_deviations():
    two = make_generator(2).generator
    every = two.front()
    order = np.argsort(every.costs[:, 0], kind="stable")[[0, 9, 19]]
    quality, deviation = np.float32([0.5, 0.75, 0.625]), np.float32([0.0, 0.25, 0.0])
    fields = {field.name: getattr(every, field.name)[order] for field in dataclasses.fields(every)}
    found = dataclasses.replace(every, **fields | {"quality": quality, "quality_std": deviation})
    for pessimism, kept in ((0.0, [50.0, 75.0]), (1.0, [50.0, 62.5])):
        members = explorer.data(two.description, found, ("latency", "accuracy, %"), pessimism)["members"]
        assert [member["quality"] for member in members] == kept


def test_the_job_says_what_careful_answers_are_compared_by():
    careful = careful_generator()
    front = careful.front()
    at = int(np.flatnonzero(np.diff(front.quality) < 0)[0]) + 1  # of less quality than the next cheaper
    text = "\n".join(explain.lines(careful.explain(float(front.costs[at, 0])), 0.05))
    assert "answers are compared by quality less 2 times its deviation" in text
    assert f"quality {100 * front.quality[at]:.2f} ± {100 * front.quality_std[at]:.2f}" in text
    lower = f"points to quality {100 * front.quality[at - 1]:.2f} ± {100 * front.quality_std[at - 1]:.2f}"
    assert lower in text
    told = explain.to_json(careful.explain(float(front.costs[at, 0])))
    assert (told["answer"]["quality_std"], told["pessimism"]) == (float(front.quality_std[at]), 2.0)
    plain = "\n".join(explain.lines(GENERATOR.explain(MIDDLE), 0.05))
    assert "compared by" not in plain
    assert "±" not in plain


# The part of a report that can be asked


def test_the_page_of_two_costs_holds_the_whole_front_of_the_first():
    cost, _ = staircase()
    two = make_generator(2).generator
    found = explorer.data(two.description, explorer.members(two, [LOW, HIGH]), ("latency", "accuracy, %"))
    assert [member["at"] for member in found["members"]] == pytest.approx(cost.tolist(), rel=1e-12)


def test_the_page_holds_the_whole_front():
    found = explorer.data(GENERATOR.description, explorer.members(GENERATOR, []), ("latency", "accuracy, %"))
    cost, quality = staircase()
    assert [member["at"] for member in found["members"]] == pytest.approx(cost.tolist())
    assert [member["quality"] for member in found["members"]] == pytest.approx(100 * quality, abs=1e-3)
    for member in found["members"]:
        assert sum(member["parts"]) == pytest.approx(member["at"], rel=1e-5)
        assert float(member["cost"]) >= member["at"]
    assert found["left"] == 0


def test_of_a_long_front_even_steps_with_both_ends_are_kept(monkeypatch):
    monkeypatch.setattr(explorer, "MOST", 5)
    found = explorer.data(GENERATOR.description, explorer.members(GENERATOR, []), ("latency", "accuracy, %"))
    cost, _ = staircase()
    costs = [member["at"] for member in found["members"]]
    assert (costs[0], costs[-1], len(costs)) == (pytest.approx(cost[0]), pytest.approx(cost[-1]), 5)
    assert found["left"] == len(cost) - 5


def test_closed_decisions_have_no_choice():
    description = GENERATOR.description
    found = explorer.data(description, explorer.members(GENERATOR, []), ("latency", "accuracy, %"))
    trellis = description.space.trellis
    for member in found["members"]:
        tokens = description.space.parse(member["text"])
        nodes, _ = tl.walk(trellis.target, trellis.valid, tokens[None])
        is_open = [trellis.open[t, nodes[0, t]] for t in range(len(tokens))]
        assert [choice >= 0 for choice in member["choices"]] == is_open


def test_no_name_ends_the_data_of_the_page():
    section = explorer.section({"members": [], "unit": "</script><script>alert(1)</script>"})
    assert section.count("</script>") == 2
    assert "alert(1)\\u003c" in section
