"""The front in two budgets against all 3,969 architectures: best of each pair, blank where there is none."""

import csv

import numpy as np
import pytest

import nagjax
from nagjax import posing
from nagjax.operators import peak_memory
from nagjax.profile.subjects import network
from nagjax.reports import report_html, surface
from nagjax.reports.report import Options, write_report
from tests.generators import make_generator
from tests.test_report import blank

AXES = {"latency_ms": [7.0, 12.0, 15.0], "madds_m": [8.0, 20.0, 45.0, 100.0]}


def test_each_cell_is_the_best_within_both_budgets():
    known = make_generator(2)
    found = known.generator.surface(AXES)
    for i, latency in enumerate(AXES["latency_ms"]):
        for j, madds in enumerate(AXES["madds_m"]):
            fits = (known.raw <= [latency, madds]).all(1)
            expected = known.quality[fits].max() if fits.any() else np.nan
            np.testing.assert_array_equal(found.quality[i, j], expected)
    assert np.isnan(found.quality).any(), "the smallest pair is impossible"
    assert found.answers.guaranteed.all()


def test_a_column_that_is_left_out_does_not_bind():
    known = make_generator(2)
    found = known.generator.surface({"madds_m": [20.0, 45.0]})
    assert found.quality.tolist() == [known.quality[known.raw[:, 1] <= budget].max() for budget in (20.0, 45.0)]


def test_a_grid_pairs_every_budget_with_every_other():
    pairs = nagjax.grid(AXES)
    assert list(zip(*(values.tolist() for values in pairs.values()), strict=True)) == [
        (latency, madds) for latency in AXES["latency_ms"] for madds in AXES["madds_m"]
    ]
    for wrong in ({}, {"latency_ms": "7"}):
        with pytest.raises(ValueError, match="budgets"):
            nagjax.grid(wrong)


def test_the_report_shows_it_and_keeps_its_figures(tmp_path, monkeypatch):
    monkeypatch.setattr(surface, "SIDE", 4)
    known = make_generator(2)
    write_report(known.generator, Options(), tmp_path)
    with (tmp_path / "surface.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert 0 < len(rows) < 16
    for row in rows:
        assert float(row["latency_ms"]) <= float(row["budget_latency_ms"])
        assert float(row["madds_m"]) <= float(row["budget_madds_m"])
        budgets = np.array([float(row["budget_latency_ms"]), float(row["budget_madds_m"])])
        fits = (known.raw <= budgets * (1 + 1e-12)).all(1)
        assert float(row["predicted_quality"]) == pytest.approx(known.quality[fits].max())
    assert "Two budgets at once" in (tmp_path / "report.html").read_text()
    assert (tmp_path / "surface.png").stat().st_size > 5_000


def test_the_memory_of_the_largest_operator_is_a_column_beside_a_sum():
    space = nagjax.space("nas_bench_macro")
    setup = nagjax.problem(space, quality=posing.flat(space), costs=["madds", "peak_memory"])
    tokens = space.sample(np.random.default_rng(0), 20)
    assert [info.name for info in setup.description.costs] == ["madds_m", "peak_memory_mb"]
    for one, (_, memory) in zip(tokens, setup.description.costs_of(tokens), strict=True):
        held = [peak_memory(op) for op in network(space, space.canonical(one[None])[0]).operators]
        assert memory == pytest.approx(max(held) / 1e6)


def test_one_column_has_no_surface():
    assert surface.take(make_generator(1).generator) is None
    assert "Two budgets" not in report_html.page(blank(), "<svg></svg>", None)
