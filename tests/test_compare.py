"""The comparison of controllers: figures by hand, runs that are never repeated, and one whole comparison."""

import csv
import dataclasses
import importlib.util
import math
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from experiments import compare
from experiments.comparison import looks as compare_looks
from experiments.comparison import metrics as compare_metrics
from experiments.comparison import parquet as compare_parquet
from experiments.comparison import plot as compare_plot
from experiments.comparison import report as compare_report
from experiments.comparison import searches
from experiments.comparison import study as compare_study
from experiments.comparison import table as compare_table
from experiments.comparison import tasks as compare_tasks
from experiments.comparison.answers import Answers
from experiments.comparison.case import make_case, serve, truth
from experiments.comparison.limits import EVALUATIONS, Limit
from experiments.comparison.metrics import Yardstick
from experiments.comparison.problems import build, check_names
from experiments.comparison.results import RESULTS, Results
from experiments.comparison.rows import COLUMNS, NO_LIMIT, Row, complete, read_rows
from experiments.comparison.run import Options, Reading
from experiments.comparison.tasks import Contender, Task
from experiments.frame import cli
from nagjax import plugins, testing
from nagjax.budgets import even_ticks
from nagjax.populations.cells import Cells
from nagjax.predictors.records.records import Records, write_records
from nagjax.reports.front import best_within

points = st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), min_size=1, max_size=12)


def line(problem="p", contender="a", seed=0, limit="200", decode="greedy", **more):
    """A row; figures that are not given are 0."""
    kinds = {field.name: field.type for field in dataclasses.fields(Row)}
    zero = {"int": 0, "float": 0.0, "str": "", "bool": True}
    given = {"problem": problem, "contender": contender, "seed": seed, "limit": limit, "decode": decode, **more}
    return Row(**{name: given.get(name, zero[kind]) for name, kind in kinds.items()})


@pytest.fixture(scope="module")
def tiny():
    return testing.tiny_problem()


@pytest.fixture(scope="module")
def case(tiny):
    return make_case("tiny", tiny.problem, tiny.description, 20)


# --- figures


def test_budgets_are_even_and_keep_their_ends():
    budgets = even_ticks(7, 1_000_000_007, 400)
    assert (budgets[0], budgets[-1], len(budgets)) == (7, 1_000_000_007, 400)
    assert set(np.diff(budgets)) <= {1_000_000_000 // 399, 1_000_000_000 // 399 + 1}


@given(points=points, budget=st.integers(-1, 10))
def test_the_best_within_a_budget_is_what_a_search_through_all_gives(points, budget):
    cost, quality = np.array(points, float).T
    row = best_within(cost, quality, np.array([budget]))[0]
    within = [q for c, q in points if c <= budget]
    assert (row == -1) == (not within)
    if within:
        assert quality[row] == max(within)
        assert cost[row] == min(c for c, q in points if c <= budget and q == max(within))


@given(points=points)
def test_hypervolume_is_the_number_of_cells_that_a_point_dominates(points):
    """Costs and qualities are whole, so the area is a number of unit cells; points beyond the corner add nothing."""
    cost, quality = np.array(points, float).T
    cells = [(c, q) for c in range(7) for q in range(2, 9)]
    area = sum(any(own[0] <= c and own[1] >= q + 1 for own in points) for c, q in cells)
    assert compare_metrics.hypervolume(cost, quality, (7.0, 2.0)) == pytest.approx(area)


@given(points=points, reference=points)
def test_igd_plus_is_its_definition(points, reference):
    def short(own, other):
        return math.hypot(max(own[0] - other[0], 0) / 4.0, max(other[1] - own[1], 0) / 0.5)

    expected = np.mean([min(short(own, other) for own in points) for other in reference])
    found = compare_metrics.igd_plus(*np.array(points, float).T, *np.array(reference, float).T, (4.0, 0.5))
    assert found == pytest.approx(expected)


def test_nothing_found_is_a_hypervolume_of_zero():
    assert compare_metrics.hypervolume(np.zeros(0), np.zeros(0), (1.0, 0.0)) == 0.0


def test_all_figures_of_four_answers_by_hand():
    yardstick = Yardstick(
        budgets=np.array([1.0, 2.0, 3.0, 5.0]),
        corner=(5.0, 0.5),
        oracle=np.array([0.5, 0.6, 0.7, 0.8]),
        front_cost=np.array([1.0, 3.0]),
        front_quality=np.array([0.5, 0.7]),
        reference=np.array([0.5, 0.5, 0.6, 0.6]),
    )
    cost, quality = np.array([1.0, 2.5, 2.0, 4.0]), np.array([0.5, 0.9, 0.6, 0.75])
    within = np.array([True, False, True, True])
    tokens = np.array([[0, 0], [1, 1], [1, 0], [0, 1]])
    found = compare_metrics.measure(yardstick, cost, quality, within, tokens)
    # The second answer is over its budget: quality 0 and no part of the front.
    assert found["regret"] == pytest.approx((0 + 60 + 10 + 5) / 4)
    assert found["regret_worst"] == pytest.approx(60)
    assert found["gap"] == pytest.approx((0 - 50 + 0 + 15) / 4)
    # From 2 to 4 the front is 10 points above the corner, from 4 to 5 it is 25: over a range of 4.
    assert found["hypervolume"] == pytest.approx((2 * 10 + 1 * 25) / 4)
    # The first point of the front is met; the second is nearest to (4, 0.75), 1 of 4 costlier, none worse.
    assert found["igd_plus"] == pytest.approx((0 + 0.25) / 2)
    assert found["infeasible"] == 0.25
    assert found["distinct"] == 4


def test_what_is_not_known_is_nan():
    yardstick = Yardstick(np.array([1.0, 2.0]), (2.0, 0.5))
    found = compare_metrics.measure(yardstick, np.ones(2), np.full(2, 0.6), np.ones(2, bool), None)
    assert all(np.isnan(found[name]) for name in ("regret", "regret_worst", "gap", "igd_plus"))
    assert found["hypervolume"] == pytest.approx(10.0)
    assert found["distinct"] == 1


# --- problems


def test_the_oracle_of_a_case_is_brute_force(tiny, case):
    info = tiny.description.costs[0]
    raw = info.to_unit(case.budgets[:, :1])
    np.testing.assert_allclose(case.yardstick.oracle, tiny.oracle.best(raw), atol=1e-7)
    assert case.yardstick.corner[1] == pytest.approx(tiny.oracle.quality[np.argmin(tiny.oracle.costs[:, 0])])
    regret = compare_metrics.measure(
        case.yardstick, np.zeros(20), case.yardstick.oracle, np.ones(20, bool), np.zeros((20, 1))
    )["regret"]
    assert regret == 0.0


def test_a_rival_answers_small_budgets_with_the_cheapest():
    cost, quality = serve(np.array([5.0, 3.0]), np.array([0.9, 0.7]), np.array([2.0, 4.0, 6.0]), (1.0, 0.2))
    assert cost.tolist() == [1.0, 3.0, 5.0]
    assert quality.tolist() == [0.2, 0.7, 0.9]


@pytest.mark.parametrize(
    ("entries", "says"),
    [
        (["makro"], "did you mean 'macro'"),
        (["macro_0"], "not a problem"),
        (["macro", "macro"], "each problem once"),
        (["mine=absent.flags"], "no such flagfile"),
        (["note10=x.flags"], "must be a new name"),
        ([], "name each problem once"),
    ],
)
def test_unknown_problems_are_refused(entries, says):
    with pytest.raises(ValueError, match="problems") as error:
        check_names(entries)
    assert says in str(error.value)


def test_a_flagfile_of_the_main_job_is_a_problem(tmp_path):
    space = plugins.load("spaces", "nas_bench_macro")()
    rng = np.random.default_rng(0)
    tokens = np.unique(space.sample(rng, 40), axis=0)
    quality = 0.5 + 0.02 * (tokens > 0).sum(1) + rng.normal(0, 0.005, len(tokens))
    write_records(Records(tokens, quality), space, tmp_path / "records.csv")
    (tmp_path / "front.csv").write_text("madds,accuracy\n20,40\n60,70\n", encoding="utf-8")
    lines = [
        "--space=nas_bench_macro", "--costs=madds", "--records=records.csv", "--reference_front=front.csv",
        "--reference_cost_column=madds", "--reference_quality_column=accuracy",
        "--reference_quality_unit=percent", "--predictor_kind=ridge",
    ]  # fmt: skip
    (tmp_path / "mine.flags").write_text("\n".join(lines) + "\n", encoding="utf-8")
    found = build(f"mine={tmp_path / 'mine.flags'}", str(tmp_path), 0, 30)
    assert (found.name, found.labels) == ("mine", len(tokens))
    # All 3,969 architectures are enumerated: the oracle is of the predictor, and the front is a rival.
    assert found.yardstick.oracle.shape == (30,)
    assert list(found.rivals) == ["front.csv"]
    info = found.description.costs[0]
    middle = np.searchsorted(info.to_unit(found.budgets[:, 0].astype(np.int64)), [20, 60])
    assert found.yardstick.reference[middle] == pytest.approx([0.4, 0.7])


@pytest.mark.data
def test_macro_with_true_accuracies(shared_data):
    found = build("macro", str(shared_data("nas_bench_macro/cifar10.json").parent.parent), 0, 400)
    assert found.labels == 0
    assert found.yardstick.oracle.shape == (400,)
    assert (np.diff(found.yardstick.oracle) >= 0).all()
    # The best published mean, of 22212220.
    assert found.yardstick.oracle[-1] == pytest.approx(0.9312666, abs=1e-6)
    _, costs = truth(found.judge, found.cheapest[None])
    assert costs[0, 0] == found.budgets[0, 0]


def test_a_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(ValueError, match=r"cifar10\.json: no such file; --data_dir"):
        build("macro", str(tmp_path), 0, 10)
    (tmp_path / "nas_bench_macro").mkdir()
    (tmp_path / "nas_bench_macro" / "cifar10.json").write_text('{"00000000": {"test_acc": [1]}}')
    with pytest.raises(ValueError, match=r"not the published NAS-Bench-Macro file \(KeyError"):
        build("macro", str(tmp_path), 0, 10)


# --- rows


def test_rows_come_back_as_they_were_written(tmp_path):
    rows = [
        line(final=False, regret=float("nan"), settings='{"a": "b, c"}'),
        line(regret=0.1 + 0.2, seconds=1e-7, settings='{"a": "b, c"}'),
    ]
    Results(tmp_path).add(rows)
    back = read_rows(tmp_path / RESULTS)
    assert np.isnan(back[0].regret)
    assert back[1] == dataclasses.replace(rows[1], regret=0.3)
    assert dataclasses.replace(back[0], regret=0.0) == dataclasses.replace(rows[0], regret=0.0)


def test_a_torn_line_is_left_out_and_overwritten(tmp_path):
    Results(tmp_path).add([line(seed=0)])
    path = tmp_path / RESULTS
    whole = path.read_text()
    path.write_text(whole + whole.splitlines()[1][:20])
    again = Results(tmp_path)
    assert [row.seed for row in again.rows] == [0]
    again.add([line(seed=1)])
    assert [row.seed for row in read_rows(path)] == [0, 1]


def test_parquet_holds_the_same_rows(tmp_path):
    parquet = pytest.importorskip("pyarrow.parquet")
    rows = [line(regret=float("nan"), settings='{"a": "b, c"}'), line(seed=3, regret=0.5, final=False)]
    compare_parquet.write(tmp_path / "results.parquet", rows)
    back = parquet.read_table(tmp_path / "results.parquet")
    assert tuple(back.column_names) == COLUMNS
    assert [str(back.schema.field(name).type) for name in ("problem", "seed", "final", "gap")] == [
        "string", "int64", "bool", "double",
    ]  # fmt: skip
    first, second = back.to_pylist()
    assert first["regret"] is None
    assert Row(**{**first, "regret": 0.0}) == dataclasses.replace(rows[0], regret=0.0)
    assert Row(**second) == rows[1]
    assert [path.name for path in tmp_path.iterdir()] == ["results.parquet"]


def test_parquet_without_pyarrow_is_refused_before_anything_is_run(tmp_path, capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    out = tmp_path / "out"
    flags = ["--controllers=nag", "--problems=tiny", "--evaluations=200", "--compilation_cache=", f"--out={out}"]
    assert compare.main([*flags, "--parquet"]) == cli.EXIT_ERROR
    text = capsys.readouterr().err
    assert "--parquet needs pyarrow: pip install 'nagjax[parquet]'" in text
    assert "Traceback" not in text
    assert not out.exists()


def test_only_runs_that_ended_count():
    first, last = line(final=False, updates=1), line(updates=2)
    assert complete([first]) == []
    assert complete([first, last]) == [first, last]
    # A crash in the middle, then the whole run.
    assert complete([first, first, last]) == [first, last]
    assert complete([dataclasses.replace(first, updates=1), line(seed=1), first, last]) == [line(seed=1), first, last]


def test_a_damaged_file_names_its_place(tmp_path):
    Results(tmp_path).add([line()])
    path = tmp_path / RESULTS
    text = path.read_text()
    path.write_text(text.replace(",true,", ",perhaps,"))
    with pytest.raises(ValueError, match=r"results\.csv: row 2, column 'final': 'perhaps'"):
        Results(tmp_path)
    path.write_text("a,b\n1,2\n")
    with pytest.raises(ValueError, match=r"row 1: not the results"):
        Results(tmp_path)


# --- runs


class FakeRunner:
    """Counts what it is asked, and answers every budget with the cheapest architecture."""

    def __init__(self):
        self.asked = []

    def __call__(self, task, case):
        self.asked.append(task.key)
        answers = Answers(np.repeat(case.cheapest[None], len(case.budgets), 0))
        return [Reading("greedy", answers, 10 * n, n, 0.1 * n, 1.0, 0, final=n == 2) for n in (1, 2)]


def tasks_of(labels, seeds, **settings):
    contenders = [Contender(label, "nag", static={"": settings}) for label in labels]
    return compare_tasks.all_tasks(["tiny"], contenders, seeds, [Limit(EVALUATIONS, 20)])


def test_resuming_computes_nothing_twice(tmp_path, case):
    runner, quiet = FakeRunner(), lambda text: None

    def missing(tasks):
        return compare_study.run_missing(tasks, lambda entry, seed: case, runner, Results(tmp_path), quiet)

    assert missing(tasks_of(["a"], [0, 1])) == 2
    assert missing(tasks_of(["a"], [0, 1])) == 0
    assert missing(tasks_of(["a", "b"], [0, 1, 2])) == 4
    assert len(runner.asked) == len(set(runner.asked)) == 6
    rows = Results(tmp_path).rows
    assert len(rows) == 12
    assert {row.evaluations for row in rows if row.final} == {20}
    worst = 100 * float(np.mean(case.yardstick.oracle - case.yardstick.corner[1]))
    assert all(row.regret == pytest.approx(worst) for row in rows)
    assert all(row.hypervolume == 0.0 for row in rows)
    assert all(row.commit and row.machine and row.date for row in rows)


def test_a_run_that_fails_leaves_no_row(tmp_path, case):
    class Failing(FakeRunner):
        def __call__(self, task, case):
            if task.seed == 1:
                raise KeyboardInterrupt
            return super().__call__(task, case)

    with pytest.raises(KeyboardInterrupt):
        compare_study.run_missing(
            tasks_of(["a"], [0, 1, 2]), lambda entry, seed: case, Failing(), Results(tmp_path), lambda text: None
        )
    assert {row.seed for row in Results(tmp_path).rows} == {0}


def test_other_settings_or_another_problem_are_not_mixed(tmp_path, case):
    results = Results(tmp_path)
    compare_study.run_missing(tasks_of(["a"], [0]), lambda e, s: case, FakeRunner(), results, lambda text: None)
    with pytest.raises(ValueError, match=r"a on tiny, seed 0, limit 20 was run with .* another label"):
        compare_study.run_missing(
            tasks_of(["a"], [0], hidden=8), lambda e, s: case, FakeRunner(), results, lambda text: None
        )
    changed = dataclasses.replace(case, content_hash="other")
    with pytest.raises(ValueError, match="holds runs on another tiny"):
        compare_study.run_missing(tasks_of(["a"], [1]), lambda e, s: changed, FakeRunner(), results, lambda t: None)


def test_rivals_stand_beside_the_runs_once(tmp_path, tiny):
    quality, costs = truth(tiny.problem, tiny.oracle.tokens[:50])
    rival = make_case("tiny", tiny.problem, tiny.description, 20, rivals={"labels": (costs[:, 0], quality)})
    results = Results(tmp_path)
    for labels in (["a"], ["a", "b"]):
        compare_study.run_missing(tasks_of(labels, [0]), lambda e, s: rival, FakeRunner(), results, lambda text: None)
    found = [row for row in results.rows if row.limit == NO_LIMIT]
    assert [(row.contender, row.decode, row.evaluations) for row in found] == [("labels", "reference", 0)]
    assert found[0].gap == 0.0
    assert found[0].regret >= 0.0


def test_a_rival_of_any_name_stays_in_the_folder_and_is_shown_escaped(tmp_path, tiny):
    """A reference named ../../x wrote a file outside; names stand in page and plots as they are."""
    name = "../../x <script> $y_ \x1b[2J"
    quality, costs = truth(tiny.problem, tiny.oracle.tokens[:50])
    device = dataclasses.replace(tiny.description.costs[0], device=name, doubts=(name,))
    description = dataclasses.replace(tiny.description, costs=(device, *tiny.description.costs[1:]))
    rival = make_case("tiny", tiny.problem, description, 20, rivals={name: (costs[:, 0], quality)})
    results = Results(tmp_path / "deep" / "study")
    compare_study.run_missing(tasks_of(["a"], [0]), lambda e, s: rival, FakeRunner(), results, lambda text: None)
    tables = compare_report.write(results, [rival], "a", f"--reference_name={name}")
    assert {path.parent.name for path in tmp_path.rglob("*") if path.is_file()} == {"study", "answers"}
    assert results.answers(("tiny", name, 0, NO_LIMIT), "reference") is not None
    page = (results.folder / compare_report.PAGE).read_text(encoding="utf-8")
    assert "<script" not in page
    assert "\x1b" not in page
    # In table, facts and flags, and in the legend of the plots, where > is no less text.
    assert page.count("../../x &lt;script&gt; $y_ \\x1b[2J") > 4
    assert any(name in text for text in compare_report.lines(tables))


# --- the table


def test_differences_are_paired_by_seed():
    rows = [
        *(line(contender="a", seed=s, regret=r) for s, r in ((0, 1.0), (1, 2.0), (2, 4.0))),
        *(line(contender="b", seed=s, regret=r) for s, r in ((1, 1.5), (2, 4.5), (3, 0.0))),
        line(contender="labels", limit=NO_LIMIT, decode="reference", regret=9.0),
    ]
    (table,) = compare_table.sections(rows, "a")
    assert (table.metric, table.base) == ("regret", ("a", "greedy"))
    assert [one.side[0] for one in table.lines] == ["b", "a", "labels"]
    ours, base, _ = table.lines
    assert base.difference is None
    assert base.spreads["regret"].mean == pytest.approx(7 / 3)
    assert base.spreads["regret"].std == pytest.approx(np.std([1, 2, 4], ddof=1))
    found = ours.difference
    assert (found.mean, found.low, found.high, found.better, found.count) == (0.0, -0.5, 0.5, 1, 2)


def test_the_terminal_says_what_was_used_where_it_is_not_the_limit():
    rows = [
        *(line(contender="a", seed=s, regret=1.0, evaluations=n) for s, n in ((0, 520), (1, 536))),
        line(contender="b", regret=2.0, evaluations=200),
        line(contender="c", regret=3.0, evaluations=150),
        line(contender="a", limit="60s", regret=1.0, evaluations=900, seconds=61.0),
        line(contender="b", limit="60s", regret=2.0, evaluations=900, seconds=75.24),
        line(contender="labels", limit=NO_LIMIT, decode="reference", regret=9.0),
    ]
    told = compare_report.lines(compare_table.sections(rows, "a"))
    assert [text.partition("  used ")[2] for text in told] == [
        *("", "528 evaluations", "", "150 evaluations", ""),
        *("", "", "75.2 s", ""),
    ]


def test_without_an_oracle_the_hypervolume_decides_and_more_is_better():
    rows = [line(contender=name, regret=float("nan"), hypervolume=v) for name, v in (("a", 1.0), ("b", 2.0))]
    (table,) = compare_table.sections(rows, "a")
    assert table.metric == "hypervolume"
    assert [one.side[0] for one in table.lines] == ["b", "a"]
    assert table.lines[0].difference.better == 1


def test_limits_are_ordered_by_size():
    rows = [line(limit=limit) for limit in ("2000", "60s", "200", "5s")]
    assert [one.limit for one in compare_table.sections(rows, "a")] == ["200", "2000", "5s", "60s"]


# --- the figures


def many(count):
    """Rows of ``count`` contenders, the last the best; one that the problem brings is the best of all."""
    rows = [line(contender=f"c{i:02d}", regret=float(count - i), evaluations=200, seconds=1.0) for i in range(count)]
    return [*rows, line(contender="labels", limit=NO_LIMIT, decode="reference", regret=0.0)]


def test_figures_put_the_best_first_and_what_the_problem_brings_last():
    assert compare_plot.sides(many(3)) == [
        ("c02", "greedy"), ("c01", "greedy"), ("c00", "greedy"), ("labels", "reference"),
    ]  # fmt: skip
    better = [line(contender=name, regret=float("nan"), hypervolume=v) for name, v in (("a", 1.0), ("b", 2.0))]
    assert [name for name, _ in compare_plot.sides(better)] == ["b", "a"]


def test_stairs_are_drawn_of_the_best_and_the_base():
    names = [name for name, _ in compare_plot.shown(many(16), "c00")]
    assert names == [*(f"c{i:02d}" for i in range(15, 15 - compare_plot.SHOWN, -1)), "c00", "labels"]
    assert [name for name, _ in compare_plot.shown(many(3), "c00")] == ["c02", "c01", "c00", "labels"]
    assert compare_plot.has_bands(many(3))
    assert not compare_plot.has_bands(many(16))


def test_sixteen_contenders_look_different():
    found = compare_looks.looks(many(16))
    assert len(set(found.values())) == 17
    assert len({(color, marker) for color, _, marker in found.values()}) == 17
    # The look says who it is and not how good: it is the same where others do well.
    assert compare_looks.looks([dataclasses.replace(row, regret=1 / (1 + row.regret)) for row in many(16)]) == found


def test_the_legend_names_everybody_once_in_the_order_of_the_results():
    rows = many(16)
    budgets, oracle = np.array([1.0, 2.0, 3.0]), np.array([0.5, 0.6, 0.7])
    answered = {side: [(budgets, oracle - 0.01 * i)] for i, side in enumerate(compare_plot.sides(rows))}
    names = [name for name, _ in compare_plot.sides(rows)]
    (legend,) = compare_plot.quality_figure(rows, budgets, answered, "ms", oracle, "c00").legends
    found = [text.get_text().partition(",")[0] for text in legend.get_texts()]
    assert found == [*names, "oracle"]
    (legend,) = compare_plot.progress_figure(rows).legends
    assert [text.get_text().partition(",")[0] for text in legend.get_texts()] == names


def test_the_share_of_answers_by_what_they_lose():
    """By hand: two seeds, two budgets, losses of 0, 1, 1 and 4 points."""
    rows = [line(contender="a", seed=seed) for seed in (0, 1)]
    budgets, oracle = np.array([1.0, 2.0]), np.array([0.5, 0.75])
    runs = [(budgets, oracle - np.array([0.0, 0.01])), (budgets, oracle - np.array([0.01, 0.04]))]
    figure = compare_plot.quality_figure(rows, budgets, {("a", "greedy"): runs}, "ms", oracle, "a")
    drawn = figure.axes[1].get_lines()[0]
    np.testing.assert_allclose(drawn.get_xdata()[:3], [0.0, 1.0, 4.0], atol=1e-9)
    np.testing.assert_allclose(drawn.get_ydata()[:3], [25.0, 75.0, 100.0])
    left = figure.axes[0].get_lines()[0]
    np.testing.assert_allclose(left.get_ydata(), [49.5, 72.5])


def test_rounds_spend_what_they_are_given_and_answer_with_what_they_evaluated(case):
    settings = {"predictor_kind": "ridge", "start": 12, "per_round": 8, "predictor.validation_share": 0.0}
    task = Task("tiny", Contender("a", "rounds:top_predicted", {"": settings}), 0, Limit(EVALUATIONS, 24))
    *_, first, _, last, best = searches.Searcher(Options(["archive", "best"], checkpoints=2))(task, case)
    assert [r.evaluations for r in (first, last, best)] == [12, 24, 24]
    assert [r.final for r in (first, last, best)] == [False, True, True]
    assert last.updates == 2  # rounds after the start
    served = {when: truth(case.judge, reading.answers.tokens)[0] for when, reading in ((12, first), (24, last))}
    assert (served[24] >= served[12]).all()
    assert served[24].sum() > served[12].sum()
    # The best evaluated is among the cheapest and what was looked up, no more than 24 in all.
    assert len(np.unique(last.answers.tokens, axis=0)) <= 25
    assert (truth(case.judge, best.answers.tokens)[1] <= case.budgets).all()


def test_rounds_are_not_compared_where_controllers_see_a_predictor(case, tiny):
    other = dataclasses.replace(case, judge=dataclasses.replace(tiny.problem))
    contender = Contender("a", "rounds:ucb")
    searches.check(contender, Limit(EVALUATIONS, 100), case)
    with pytest.raises(ValueError, match="controllers see a predictor there and 'a' would see the truth"):
        searches.check(contender, Limit(EVALUATIONS, 100), other)
    with pytest.raises(ValueError, match="'a' has no policy; add archive"):
        searches.Searcher(Options(["greedy"], checkpoints=1))(
            Task(
                "tiny",
                Contender("a", "rounds:ucb", {"": {"start": 10, "predictor_kind": "ridge"}}),
                0,
                Limit(EVALUATIONS, 10),
            ),
            case,
        )


# --- flags

LIMITS = [Limit(EVALUATIONS, 200), Limit(EVALUATIONS, 2000)]


def test_settings_hold_for_a_label_and_for_a_limit():
    pairs = ["slow:children=8", "slow@200:children=4,spare=1"]
    plain, slow = compare_tasks.parse_contenders(["nag", "slow=nag"], pairs, ["nag:entropy=0.05"], LIMITS)
    assert (plain.label, plain.name, slow.label, slow.name) == ("nag", "nag", "slow", "nag")
    assert slow.settings(LIMITS[0])["static"] == {"children": 4, "spare": 1}
    assert slow.settings(LIMITS[1])["static"] == {"children": 8}
    assert plain.settings(LIMITS[1]) == {"controller": "nag", "static": {}, "params": {"entropy": 0.05}}


@pytest.mark.parametrize(
    ("flags", "says"),
    [
        (["--controllers=nga"], "did you mean 'nag'"),
        (["--controllers=nag,nag"], "other=nag"),
        (["--controllers=a:b=nag"], "letters"),
        (["--controllers="], "--controllers is empty"),
        (["--controller_static=nag=8"], "LABEL:key=value"),
        (["--controller_static=nag:hidden=8,12"], "--controller_static=12: write"),
        (["--controller_static=nagg:hidden=8"], "did you mean 'nag'"),
        (["--controller_static=nag@20:hidden=8"], "did you mean '200'"),
        (["--controller_static=nag:hiden=8"], "did you mean 'hidden'"),
        (["--controller_params=nag:entropi=1"], "did you mean 'entropy'"),
        (["--controller_params=nag:entropy=much"], "entropy=much: must be a finite number"),
        (["--problems=tinny"], "did you mean 'tiny'"),
        (["--evaluations=", "--max_seconds="], "no limit is given"),
        (["--evaluations=1.5"], "whole numbers"),
        (["--evaluations=200,200"], "given twice"),
        (["--max_seconds=soon"], "not a positive number"),
        (["--seeds=a"], "--seeds"),
        (["--decodes=gredy"], "did you mean 'greedy'"),
        (["--base=other"], "--base=other"),
        (["--controllers=rounds:improvment"], "did you mean 'improvement'"),
        (["--controllers=rounds:ucb", "--controller_static=rounds_ucb:deviation=1"], "did you mean 'deviations'"),
        (["--controllers=rounds:ucb", "--controller_static=rounds_ucb:predictor_kind=gpp"], "did you mean 'gp'"),
        (["--controllers=rounds:ucb", "--controller_params=rounds_ucb:a=1"], "has none; its settings are --contr"),
        (["--controllers=rounds:ucb", "--max_seconds=5"], "counts true evaluations; give --evaluations"),
        (["--controllers=rounds:ucb", "--evaluations=20"], "start=25 is more than evaluations=20"),
        (["--out="], "--out is not given"),
        (["--resume"], "no comparison to resume"),
        (["--budgets=1"], "budgets"),
    ],
)
def test_bad_flags_are_refused_before_anything_is_written(tmp_path, capsys, flags, says):
    out = tmp_path / "out"
    given = ["--controllers=nag", "--problems=tiny", "--evaluations=200", "--compilation_cache=", f"--out={out}"]
    assert compare.main([*given, *flags]) == cli.EXIT_ERROR
    text = capsys.readouterr().err
    assert says in text
    assert "Traceback" not in text
    assert not out.exists()


def test_a_folder_of_other_files_is_refused(tmp_path, capsys):
    (tmp_path / "notes.txt").write_text("mine")
    given = ["--controllers=nag", "--problems=tiny", "--evaluations=200", "--compilation_cache="]
    assert compare.main([*given, f"--out={tmp_path}"]) == cli.EXIT_ERROR
    assert "other files" in capsys.readouterr().err


# --- end to end


@pytest.fixture
def local_search(monkeypatch):
    """The example plugin of the documentation, registered beside ours."""
    path = Path(__file__).parent / "example_plugin" / "nagjax_local_search.py"
    spec = importlib.util.spec_from_file_location("nagjax_local_search", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    names, load = plugins.names, plugins.load
    monkeypatch.setattr(plugins, "names", lambda kind: [*names(kind), "local_search"])
    monkeypatch.setattr(plugins, "load", lambda kind, name: module.make if name == "local_search" else load(kind, name))


def test_a_whole_comparison_from_flags_to_the_page(tmp_path, capsys, local_search):
    out = tmp_path / "out"
    flags = [
        "--problems=tiny", "--seeds=0,1", "--evaluations=60,120", "--budgets=30", "--checkpoints=3",
        "--compilation_cache=", f"--out={out}",
    ]  # fmt: skip
    sizes = {"hidden": 4, "anchors": 4, "budgets": 2, "group": 2, "imitated": 2, "children": 8, "cells": 16}
    sizes["tournaments"] = 2
    flags += [f"--controller_static=nag:{key}={value}" for key, value in sizes.items()]
    flags += ["--controller_static=search:children=20", "--controller_static=search:cells=32"]
    assert compare.main([*flags, "--controllers=nag,search=local_search"]) == 0
    assert "[8/8]" in capsys.readouterr().out
    more = [*flags, "--controllers=nag,search=local_search,other=local_search", "--controller_static=other:children=30"]
    assert compare.main(more) == cli.EXIT_ERROR
    assert "--resume" in capsys.readouterr().err
    assert compare.main([*more, "--resume"]) == 0
    assert "8 of 12 runs are there already" in capsys.readouterr().out

    rows = Results(out).rows
    assert {row.key for row in rows} == {
        ("tiny", name, seed, limit) for name in ("nag", "search", "other") for seed in (0, 1) for limit in ("60", "120")
    }
    last = [row for row in rows if row.final]
    assert {(row.contender, row.decode) for row in last} == {
        ("nag", "greedy"), ("nag", "archive"), ("search", "archive"), ("other", "archive"),
    }  # fmt: skip
    # An update of search is 20 evaluations, its start another 20: the limits are met exactly.
    assert {(row.limit, row.evaluations) for row in last if row.contender == "search"} == {("60", 60), ("120", 120)}
    assert all(row.infeasible == 0.0 and row.regret >= 0.0 for row in rows)
    assert all(int(row.limit) <= row.evaluations < int(row.limit) + 30 for row in last)

    page = (out / "comparison.html").read_text()
    assert page.count("<svg") == 2
    assert "search" in page
    assert "120 evaluations" in page
    assert "the costliest architecture" in page
    for address in ("http://www.w3.org", "http://purl.org", "http://creativecommons.org"):
        page = page.replace(address, "")
    assert "http" not in page
    assert "src=" not in page
    with (out / "table.csv").open() as file:
        table = list(csv.DictReader(file))
    assert {(row["contender"], row["limit"], row["seeds"]) for row in table} >= {("nag", "60", "2")}


def test_a_limit_of_time_ends_a_run(tmp_path, local_search):
    flags = [
        "--controllers=local_search", "--problems=tiny", "--max_seconds=0.02", "--chunk=2", "--checkpoints=1",
        "--budgets=30", "--compilation_cache=", f"--out={tmp_path / 'out'}",
    ]  # fmt: skip
    assert compare.main(flags) == 0
    (row,) = Results(tmp_path / "out").rows
    assert row.seconds >= 0.02
    assert row.compile_seconds > 0
    assert (row.limit, row.updates % 2) == ("0.02s", 0)


def test_a_controller_that_evaluates_nothing_more_ends(tmp_path, monkeypatch, case):
    """As a table lookup does: everything is spent at the start."""
    from experiments.comparison.run import Trainer
    from nagjax.controllers import Artefact, Controller

    def make(spec):
        def update(state, key, problem, params, progress):
            return state, {"evaluations": np.float32(7), "infeasible": np.float32(0)}

        return Controller(
            "still", spec, {}, dict, lambda key, problem, params: Cells.empty(spec, 4), update,
            lambda state, problem: state, lambda state, problem: Artefact(None, state),
        )  # fmt: skip

    monkeypatch.setattr(plugins, "load", lambda kind, name: make)
    task = Task("tiny", Contender("still", "still"), 0, Limit(EVALUATIONS, 100))
    *_, last = Trainer(Options(["archive"], idle=5))(task, case)
    assert (last.evaluations, last.updates, last.final) == (7, 6, True)
    # Nothing was kept, so that every budget gets the cheapest.
    assert (last.answers.tokens == case.cheapest).all()
    with pytest.raises(ValueError, match="'still' answers in none of these ways"):
        Trainer(Options(["greedy"], idle=5))(task, case)
