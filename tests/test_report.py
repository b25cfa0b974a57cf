"""Fronts, their comparison and the page, on figures worked by hand."""

import dataclasses

import numpy as np
import pytest

from nagjax.problems.costs import CostInfo
from nagjax.reports import plot, report_html
from nagjax.reports.front import (
    Point,
    Reference,
    compare,
    distinct_front,
    hypervolumes,
    log_spaced,
    read_reference,
    write_front_csv,
)
from nagjax.reports.report_data import Report, correction_facts


def point(budget, cost, quality, text="a<b"):
    return Point(budget, cost, quality, 0.0, text, "for a person", True, "archive", {"latency_ms": cost})


def blank(**more):
    points = [point(1.0, 1.0, 0.5), point(2.0, 1.5, 0.75)]
    return Report(
        "a & b",
        "sub",
        "latency_ms",
        "ms",
        (),
        "top-1",
        points,
        points,
        points,
        None,
        [],
        [],
        [],
        [("tile", "1")],
        **more,
    )


def test_gaps_are_points_and_costs_below_ours_are_left_out():
    reference = Reference("r", np.array([0.5, 1.0, 2.0]), np.array([0.1, 0.51, 0.7]))
    found = compare([point(1.0, 1.0, 0.5), point(2.0, 1.5, 0.75)], reference)
    assert (found.mean, found.worst, found.best) == (2.0, -1.0, 5.0)
    assert (found.wins, found.compared, found.skipped) == (1, 2, 1)
    assert compare([], reference) is None


def test_hypervolume_by_hand():
    ours = np.array([1.0, 2.0]), np.array([0.5, 0.75])
    theirs = np.array([3.0]), np.array([0.5])
    volumes, corner = hypervolumes([ours, theirs])
    assert corner == (3.0, 0.5)
    assert volumes == pytest.approx([25.0, 0.0])


def test_a_dominated_answer_is_not_of_the_front():
    front = distinct_front(
        [point(1, 1.0, 0.5, "a"), point(2, 2.0, 0.4, "b"), point(3, 3.0, 0.6, "c"), point(4, 3.0, 0.6, "c")]
    )
    assert [p.text for p in front] == ["a", "c"]


def test_careful_answers_are_not_dominated_by_quality_alone():
    """0.6 with a deviation of 0.2 is worth 0.4, less than what costs less, and than 0.55 for certain."""
    points = [point(1, 1.0, 0.5, "a"), point(2, 2.0, 0.6, "b"), point(3, 3.0, 0.55, "c")]
    points[1] = dataclasses.replace(points[1], quality_std=0.2)
    assert [p.text for p in distinct_front(points)] == ["a", "b"]
    assert [p.text for p in distinct_front(points, 1.0)] == ["a", "c"]


def test_budgets_keep_their_ends():
    budgets = log_spaced(9.89034736, 92.39803922, 20)
    assert (budgets[0], budgets[-1], len(budgets)) == (9.89034736, 92.39803922, 20)
    assert budgets == sorted(budgets)
    assert log_spaced(0.0, 1.0, 5) == [0.0, 1.0]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("ms,q\n1,x\n", "row 2, column 'q'"),
        ("ms,q\n1,\n", "row 2, column 'q'"),
        ("ms,q\n", "no rows"),
        ("ms,top1\n1,0.5\n", "no column 'q'"),
        ("ms,q\n1,50\n", "reference_quality_unit"),
        ("ms,q\n-1,0.5\n", "row 2"),
    ],
)
def test_a_bad_reference_names_its_place(tmp_path, text, says):
    path = tmp_path / "front.csv"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ValueError, match=r"front\.csv") as error:
        read_reference(path, "ms", "q", "fraction")
    assert says in str(error.value)


def test_units_of_a_reference(tmp_path):
    path = tmp_path / "front.csv"
    path.write_text("ms,q\n2,25\n1,40\n", encoding="utf-8")
    front = read_reference(path, "ms", "q", "error_percent")
    np.testing.assert_allclose(front.cost, [1, 2])
    np.testing.assert_allclose(front.quality, [0.6, 0.75])


def test_the_page_escapes_and_says_what_it_does_not_know():
    page = report_html.page(blank(), "<svg></svg>", None)
    assert "a &amp; b" in page
    assert "a&lt;b" in page
    assert "not known" in page
    assert "±" not in page
    known = report_html.page(dataclasses.replace(blank(), error_points=0.3), "<svg></svg>", None)
    assert "75.00 ± 0.30" in known


def test_the_raw_sum_stands_beside_a_corrected_cost(tmp_path):
    corrected = [dataclasses.replace(one, raw_costs={"latency_ms": 0.625}) for one in blank().table]
    page = report_html.page(dataclasses.replace(blank(), table=corrected), "<svg></svg>", None)
    assert "raw sum, ms" in page
    assert "0.625" in page
    assert "corrected by measured networks" in page
    assert "raw sum" not in report_html.page(blank(), "<svg></svg>", None)
    write_front_csv(tmp_path / "a.csv", corrected)
    write_front_csv(tmp_path / "b.csv", blank().table)
    assert (tmp_path / "a.csv").read_text().splitlines()[0].endswith("source,raw_latency_ms")
    assert (tmp_path / "b.csv").read_text().splitlines()[0].endswith(",source")


def test_doubts_stand_in_the_report_and_are_said_aloud():
    info = CostInfo(
        "latency_ms", "ms", 20, offset=0.5, scale=1.25, quantile=0.9, validation="Spearman 0.8", doubts=("a doubt",)
    )
    facts = dict(correction_facts(info))
    assert facts["latency_ms: corrected cost"] == "1.25 x sum of rows + 0.5 ms, with headroom for 90 % of networks"
    assert facts["latency_ms: against measured networks"] == "Spearman 0.8"
    assert facts["latency_ms: warning"] == "a doubt"


def test_figures_draw_without_pyplot():
    report = blank(reference=Reference("r", np.array([1.0]), np.array([0.5])))
    figure = plot.front_figure(report.best, [], report.reference, "latency, ms", "top-1, %")
    assert plot.svg(figure).startswith("<svg")
    assert plot.svg(plot.curves_figure({"entropy": ([1, 2], [3.0, 2.0])}, "step")).startswith("<svg")
