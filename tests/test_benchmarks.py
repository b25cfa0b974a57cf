"""The benchmarks measure what they say, on data where there are any; small where size is not the point."""

import dataclasses
import json
from types import SimpleNamespace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from benchmarks import (
    common,
    crash,
    exact,
    exact_budgets,
    golden,
    guarantee,
    one_target,
    profile_validation,
    published_latencies,
    reference,
    supernet_ranking,
)
from experiments import embedded
from nagjax.devices.json_table import read_json
from nagjax.problems.build import make_problem, make_spec
from nagjax.problems.costs import ExactCosts
from nagjax.problems.problem import evaluate
from nagjax.spaces import nas_bench_macro
from tests import tiny


@pytest.fixture(scope="module")
def data_dir(shared_data):
    return shared_data("ofa_mobilenet_v3").parent


@pytest.fixture(scope="module")
def small():
    """NAS-Bench-Macro with random prices and a quality that rises with cost."""
    space = nas_bench_macro.make()
    prices = guarantee.random_prices(space, np.random.default_rng(0), guarantee.dyadic_times)
    return space, prices, *make_problem(space, [prices], guarantee.no_quality(space))


@pytest.mark.data
def test_golden_numbers_are_reproduced(data_dir):
    result = golden.golden(data_dir)
    assert list(result) == ["rows", "latency_error_ms", "error_points", "madds_relative_error"]
    assert result["rows"] == 100
    assert result["latency_error_ms"] <= 1e-4
    assert result["error_points"] <= 1e-3
    assert result["madds_relative_error"] <= 0.005


def test_no_answer_exceeds_its_budget(small):
    with jax.numpy_rank_promotion("allow"):
        result = guarantee.guarantee(samples=1, batch=256, spaces=small[:1])
    assert result == {"samples": len(guarantee.TIMES) * len(guarantee.REDUCES) * 4 * 256, "over_budget": 0}


def test_a_budget_of_one_tick_too_many_is_noticed(monkeypatch, small):
    """With exact ties a mask that is off by one tick must show, or the benchmark shows nothing."""
    space, *_ = small
    honest = guarantee._ticks
    monkeypatch.setattr(guarantee, "_ticks", lambda description, budgets: honest(description, budgets) + 1)
    monkeypatch.setattr(guarantee, "TIMES", (guarantee.dyadic_times,))
    with jax.numpy_rank_promotion("allow"):
        excess = np.concatenate(list(guarantee.trials(space, np.random.default_rng(0), 256)))
    assert (excess > 0).any()


def test_path_cost_is_the_cost_that_the_library_reports(small):
    space, prices, problem, description = small
    tokens = space.sample(np.random.default_rng(1), 100)
    _, ticks = jax.jit(evaluate)(problem, jnp.asarray(tokens))
    ours = guarantee.path_cost(space, prices.values, tokens, "sum")
    np.testing.assert_array_equal(description.costs[0].to_unit(np.asarray(ticks)[:, 0]), ours)


def test_path_cost_refuses_what_is_no_architecture(small):
    space, prices, *_ = small
    with pytest.raises(ValueError, match="decision 4"):
        # After an identity that is not a stage's first layer the others of the stage are identities.
        guarantee.path_cost(space, prices.values, np.array([[1, 1, 1, 0, 1, 1, 1, 1]]), "sum")


def test_the_reference_draws_only_choices_that_exist():
    spec = make_spec(nas_bench_macro.make())
    spec = dataclasses.replace(spec, kinds=("wide", *spec.kinds[1:]), choices=(20, 2, *spec.choices[2:]))
    network = reference.init(jax.random.key(0), spec, hidden=8, anchors=4)
    draw = jax.jit(reference.sample, static_argnums=1)
    tokens = np.asarray(draw(network, spec, jnp.linspace(0.0, 1.0, 500), jax.random.key(1)))
    assert tokens.shape == (500, spec.num_layers)
    assert (tokens.max(0) == np.array(spec.choices) - 1).all()


def test_nsga2_finds_the_front_of_a_small_space(small):
    nsga2 = pytest.importorskip("benchmarks.nsga2")
    space, _, problem, description = small
    found = nsga2.run(problem, description, seed=0, seconds=0.3, settings=nsga2.Settings(population=32))
    assert found.evaluations > 32
    assert found.costs[0] == problem.low[0]
    assert (np.diff(found.costs) > 0).all() or len(found.costs) == 1
    _, ticks = jax.jit(evaluate)(problem, jnp.asarray(found.tokens))
    np.testing.assert_array_equal(np.asarray(ticks)[:, 0], found.costs)
    space.check(found.tokens)


def test_genes_of_a_decision_or_of_its_attributes_name_the_same_architectures(small):
    pytest.importorskip("pymoo")
    from benchmarks.genome import genome_of

    space, _, problem, _ = small
    genome = genome_of(space, problem, split=False)
    genes = np.random.default_rng(0).integers(0, genome.high + 1, (50, len(genome.high)))
    np.testing.assert_array_equal(genome.decode(genes), genes)


def test_a_difference_in_the_last_bit_is_a_difference():
    some = [np.array([1.0, np.nan]), np.array(3)]
    assert crash.equal(some, [array.copy() for array in some])
    assert not crash.equal(some, [np.nextafter(some[0], 2), some[1]])
    assert not crash.equal(some, some[:1])


def test_the_last_line_is_the_result(capsys):
    common.report({"rows": 100, "error": 0.5})
    assert json.loads(capsys.readouterr().out.splitlines()[-1]) == {"rows": 100, "error": 0.5}


def test_gaps_are_summed_up_in_points_and_percent():
    assert common.gap_summary(np.array([0.5, -0.1, 0.2, 0.0]), "greedy") == pytest.approx(
        {"greedy_mean": 0.15, "greedy_wins": 50.0, "greedy_worst": -0.1}
    )


def test_the_shipped_table_reaches_the_goals_of_profiling():
    result = profile_validation.profile_validation(read_json(embedded.find() / embedded.TABLE))
    assert list(result) == ["spearman", "median_relative_error", "networks"]
    assert result["spearman"] >= 0.97
    assert result["median_relative_error"] <= 0.07


def test_the_committed_study_is_what_its_networks_say():
    """Tau is computed anew, pair by pair, from the networks and labels that the study lists."""
    study = json.loads(supernet_ranking.RESULT.read_text())
    result = supernet_ranking.supernet_ranking(study)
    alone = np.array([[run["accuracy"] for run in network["alone"].values()] for network in study["networks"]])
    first, second = np.triu_indices(len(alone), 1)

    def tau(one, other):
        signs = [np.sign(values[first] - values[second]) for values in (np.asarray(one), np.asarray(other))]
        return np.sum(signs[0] * signs[1]) / np.sqrt(np.count_nonzero(signs[0]) * np.count_nonzero(signs[1]))

    counted = [network["madds"] for network in study["networks"]]
    assert result["flops_kendall_tau"] == pytest.approx(tau(counted, alone.mean(1)))
    assert result["ceiling_tau"] == pytest.approx(tau(alone[:, 0], alone[:, 1]))
    for way, found in result["strategies"].items():
        labels = [run["label"] for run in study["shared"] if run["way"] == way]
        assert found["tau"] == pytest.approx(np.mean([tau(label, alone.mean(1)) for label in labels]))
    assert result["kendall_tau"] == result["strategies"][supernet_ranking.USUAL]["tau"]
    assert result["standalone_networks"] == len(alone)


def study_rows():
    """Rows of a study, by hand: two seeds of two limits."""
    from experiments.comparison.rows import NO_LIMIT, Row

    def row(problem, contender, decode, seed, regret, limit="2000"):
        figures = (True, 2001, 0, 1, 0, 1.0, 1.0, regret, regret, 0.0, 0.0, 0.0, 0.0, 1.0)
        return Row(problem, contender, seed, limit, decode, *figures, "{}", "hash", "commit", "machine", "2026-01-01")

    return [
        row("macro", "nag", "greedy", 0, 0.01),
        row("macro", "nag", "greedy", 1, 0.03),
        row("macro", "nag", "greedy", 0, 9.0, "200"),
        row("macro", "nag", "archive", 0, 9.0),
        row("macro", "pymoo_nsga2", "archive", 0, 0.05),
        row("macro_200", "best label", "reference", 0, 0.4, NO_LIMIT),
    ]


def test_macro_reads_its_keys_from_a_study():
    from benchmarks import macro

    found = macro.summary(study_rows())
    assert list(found) == [
        "seeds", "evaluations", "nag_mean_regret", "nag_regret_std", "nsga2_mean_regret", "infeasible",
        "lookup_200_labels_regret", "nag_200_labels_regret",
    ]  # fmt: skip
    assert (found["seeds"], found["evaluations"], found["infeasible"]) == (2, 2001, 0.0)
    assert found["nag_mean_regret"] == pytest.approx(0.02)
    assert found["nag_regret_std"] == pytest.approx(np.sqrt(2e-4))
    assert (found["nsga2_mean_regret"], found["lookup_200_labels_regret"]) == (0.05, 0.4)
    assert found["nag_200_labels_regret"] is None
    assert macro.summary([])["nag_mean_regret"] is None


def test_a_comparison_counts_what_every_controller_has():
    from benchmarks import compare_controllers

    found = compare_controllers.summary(study_rows())
    assert found == {"controllers": 2, "problems": 1, "seeds": 1}
    assert compare_controllers.summary([]) == {"controllers": 0, "problems": 0, "seeds": 0}


def test_nsga2_is_a_contender_at_a_limit_of_evaluations(small):
    pytest.importorskip("pymoo")
    from benchmarks import studies
    from experiments.comparison.case import make_case
    from experiments.comparison.limits import EVALUATIONS, Limit
    from experiments.comparison.tasks import Contender, Task

    _, _, problem, description = small
    with jax.numpy_rank_promotion("allow"):
        case = make_case("small", problem, description, 20)
        task = Task("small", Contender(studies.NSGA2, studies.NSGA2), 0, Limit(EVALUATIONS, 100))
        (reading,) = studies.nsga2(task, case)
    assert 100 <= reading.evaluations < 111
    assert reading.answers.tokens.shape == (20, problem.spec.num_layers)


def test_what_a_contender_has_at_the_latencies_of_a_front():
    """Answers of 10 and 20 ms; within 15 ms 0.70 counts against 0.72, within 20 ms 0.80 against 0.75."""
    kept = published_latencies.Kept("mine", np.array([20.0, 10.0]), np.array([0.80, 0.70]))
    front = common.Front(("a", "b"), np.array([15.0, 20.0]), np.array([0.72, 0.75]))
    assert published_latencies.gap(kept, front) == pytest.approx((-2.0 + 5.0) / 2)
    assert published_latencies.bands(kept, (10.0, 20.0, 30.0)) == pytest.approx([70.0, 80.0])
    with pytest.raises(ValueError, match=r"mine: no answer within 9\.5 ms"):
        published_latencies.gap(kept, dataclasses.replace(front, latency_ms=np.array([9.5, 20.0])))


def test_every_cost_works_as_a_budget():
    with jax.numpy_rank_promotion("allow"):
        result = exact_budgets.exact_budgets(cases=1)
    assert result.pop("cases") > 1000
    assert result == {"refused": 0, "worse": 0, "over": 0}


def test_budgets_that_are_rounded_down_show_in_the_benchmark(monkeypatch):
    rng = np.random.default_rng(0)
    monkeypatch.setattr(ExactCosts, "tolerance", property(lambda self: -1e-9))
    with jax.numpy_rank_promotion("allow"):
        found = exact_budgets.count(next(exact_budgets.listed_tables(rng)), "best", rng, 10_000)
    assert found["worse"] > 0


@pytest.fixture(scope="module")
def additive_case():
    """A problem of 24 architectures whose quality is linear, asked for 30 budgets, with the best within each."""
    problem, description = tiny.make(seed=4)
    tokens = tiny.architectures()
    quality, ticks = jax.jit(evaluate)(problem, jnp.asarray(tokens))
    budgets = np.linspace(int(problem.low[0]), int(problem.high[0]), 30).astype(np.int32)
    fits = np.asarray(ticks)[:, 0][None] <= budgets[:, None]
    goal = np.where(fits, np.asarray(quality, np.float64)[None], -np.inf).max(1)
    limits = description.costs[0].to_unit(budgets)
    return exact.Asked(description.space, problem, description, jnp.asarray(budgets)[:, None], limits, goal)


@pytest.mark.parametrize("gains_of", [exact.edge_regression, lambda asked, tokens: exact.regression(asked, tokens, 0)])
def test_every_regression_solves_a_linear_quality_exactly(additive_case, gains_of):
    found = exact.solved(additive_case, gains_of(additive_case, tiny.architectures()))
    assert found.points == pytest.approx(0, abs=1e-3)
    assert found.over == 0


def test_scores_of_replaced_choices_are_the_differences_they_make(additive_case):
    """Of a linear quality that is the weight of the choice less that of the last one, wherever it stands."""
    scores, evaluations = exact.replacement_scores(additive_case)
    assert evaluations == 1 + 2 + 2 + 3 + 3
    kernel = np.asarray(additive_case.problem.quality.params["network"]["params"]["Dense_0"]["kernel"])
    weights = 0.1 * kernel[0, :, 0]
    np.testing.assert_allclose(scores[2, 0], weights[2:5] - weights[4], atol=1e-6)
    np.testing.assert_allclose(scores[0, 0, :2], weights[:2] - weights[1], atol=1e-6)
    # Without the second block the whole block goes, and a closed decision adds nothing.
    np.testing.assert_allclose(scores[1, 0, 0], -weights[7], atol=1e-6)
    assert (scores[3][~additive_case.space.trellis.open[3]] == 0).all()


def test_an_answer_over_its_limit_is_counted(additive_case):
    strict = dataclasses.replace(additive_case, limits=additive_case.limits * 0)
    gains = exact.linear_gains(strict, strict.problem.quality)
    assert exact.solved(strict, gains).over == 30


def test_answers_to_targets_are_judged_as_worked_by_hand():
    """Costs 10, 60, 110 have 50, 40, 90 %; the targets are 20, 40, 60, 80, 100."""
    macro = SimpleNamespace(
        cost=np.array([10.0, 60.0, 110.0]), records=SimpleNamespace(quality=np.array([0.5, 0.4, 0.9]))
    )
    found = one_target.judged(SimpleNamespace(macro=macro), np.array([0, 1, 1, 2, 2]))
    assert found["off"] == pytest.approx([50, 50, 0, 37.5, 10])
    assert found["behind"] == pytest.approx([0, 10, 10, 0, 0])
    assert found["at_target"] == pytest.approx([0, 10, 10, -40, -40])


def test_the_largest_rewards_under_targets_are_those_worked_by_hand():
    """At 60 costs are 1/6, 1 and 11/6 of the target: 1.22, 0.4 and 0.66 softly, w = 0.5; 0.5, 0.4 and 0.49 hard."""
    macro = SimpleNamespace(
        cost=np.array([10.0, 60.0, 110.0]), records=SimpleNamespace(quality=np.array([0.5, 0.4, 0.9]))
    )
    study, halves = SimpleNamespace(macro=macro), (0.5,) * 5
    off = {reward: one_target.highest(study, one_target.Way(reward, halves))["off"][2] for reward in one_target.REWARDS}
    assert off == pytest.approx({"mnasnet_soft": 100 * 5 / 6, "mnasnet_hard": 100 * 5 / 6, "tunas": 100 * 5 / 6})
    # 0.5 - 0.5 * 5 / 6 = 0.08, 0.4 and 0.9 - 0.5 * 5 / 6 = 0.48: with w = 1 the second has the most.
    ones = one_target.Way("tunas", (1.0,) * 5)
    assert one_target.highest(study, ones)["off"][2] == 0
