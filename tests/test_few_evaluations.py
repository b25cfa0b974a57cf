"""The study of searchers by what they evaluated: figures by hand, and what a controller evaluates is heard in order."""

import jax.numpy as jnp
import numpy as np
import pytest

from benchmarks import few_evaluations, result_tables
from benchmarks.rounds import Macro
from nagjax import plugins, testing
from nagjax.predictors.records.records import Records
from nagjax.problems.problem import path_costs
from nagjax.spaces import nas_bench_macro
from nagjax.spaces import trellis as tl


@pytest.fixture(scope="module")
def macro():
    """Qualities that rise with cost, so that the best within a budget is the costliest."""
    space = nas_bench_macro.make()
    tokens = tl.enumerate_paths(space.trellis.target, space.trellis.valid).astype(np.int32)
    cost = np.arange(len(tokens), dtype=np.float64)
    return Macro(space, Records(tokens, 0.5 + 0.4 * cost / cost.max(), source="made up"), cost)


def test_figures_by_hand(macro):
    least, most = macro.records.tokens[0], macro.records.tokens[-1]
    found = few_evaluations.figures(macro, np.stack([least, most, most]))
    # Within every budget but the last the cheapest answers: it loses 40 points times the budget's share of the range.
    shares = np.linspace(0, 1, 400)[:-1]
    assert found["regret"] == pytest.approx(40 * shares.sum() / 400, abs=0.02)
    assert found["below"] == pytest.approx(10, abs=0.1)
    # The best at the highest cost dominates nothing within it.
    assert found["hypervolume"] == 0
    assert found["distinct"] == 2
    assert found["trained"] == pytest.approx(2 * macro.cost[-1] / 3)


def test_what_a_controller_evaluates_is_heard_in_order():
    known = testing.tiny_problem()
    controller = plugins.load("controllers", "nsga2")(known.problem.spec, population=8)
    tokens, state = few_evaluations.evaluated_by(controller, known.problem, 0, {})
    assert int(state.findings.evaluations) == len(tokens) == 304  # 8 at first, 8 an update, until 300 are reached
    # The first of the first population is the cheapest, which tells the order.
    assert path_costs(known.problem, jnp.asarray(tokens[:1]))[0, 0] == known.problem.low[0]
    again, _ = few_evaluations.evaluated_by(controller, known.problem, 0, {})
    np.testing.assert_array_equal(tokens, again)


def test_the_table_has_paired_differences_and_what_needs_no_evaluation(tmp_path):
    file = tmp_path / "few.csv"
    file.write_text(
        "searcher,seed,evaluations,regret,below\nmadds,0,0,2.5,\n"
        "nsga2,0,100,0.5,1\nnsga2,1,100,0.7,1\nother,0,100,0.4,2\nother,1,100,0.8,2\n"
    )
    table, blind = result_tables.few_evaluations(file)
    assert "| `nsga2` | 0.600 ± 0.141 | 1.000 ± 0.000 | - |" in table
    assert "1 of 2 |" in table
    assert blind == "`madds`, without an evaluation: regret 2.500."
