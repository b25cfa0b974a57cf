"""A report from a generator: its front as CSV and PNG, and one HTML page."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from nagjax import durable
from nagjax.problems.costs import rounded_up
from nagjax.problems.problem import Description
from nagjax.reports import explorer, judge, plot, report_html, surface
from nagjax.reports.answers import to_points
from nagjax.reports.front import (
    POINTS,
    Comparison,
    Point,
    Reference,
    compare,
    distinct_front,
    hypervolumes,
    log_spaced,
    read_reference,
    write_front_csv,
)
from nagjax.reports.made import curves, made_facts, train_seconds
from nagjax.reports.report_data import Report, asked_facts, cost_label, trust_facts
from nagjax.reports.wording import compared_by, quality_is, quality_title

if TYPE_CHECKING:
    from nagjax.inference.generator import Generator

CURVE_BUDGETS, TABLE_BUDGETS = 160, 20


@dataclasses.dataclass(frozen=True)
class Options:
    """What a report is asked to show.

    Attributes:
      quality_name: what the quality is.
      budgets: budgets for the table beside the evenly spaced ones, in the unit of the first cost column.
      reference: a front to compare with.
      made: how the run was made, name and value.
      curves: training metrics, x and y by name.
      flags: the run's flags, one a line.
      train_seconds: wall time of training; None where it is not known.
    """

    quality_name: str = "quality"
    budgets: Sequence[float] = ()
    reference: Reference | None = None
    made: Sequence[tuple[str, str]] = ()
    curves: Mapping[str, tuple[Sequence[float], Sequence[float]]] = dataclasses.field(default_factory=dict)
    flags: str = ""
    train_seconds: float | None = None


def report(
    generator: Generator,
    folder: str | Path,
    *,
    quality_name: str = "quality",
    budgets: Sequence[float] = (),
    reference_front: str | Path | Reference | None = None,
    reference_name: str | None = None,
    reference_cost_column: str = "latency_ms",
    reference_quality_column: str = "quality",
    reference_quality_unit: str = "fraction",
) -> Report:
    """Write report.html, front.csv, budgets.csv and front.png of a generator into a folder.

    With several cost columns also surface.csv and surface.png, the quality over budgets of the first two.

    Args:
      generator: as trained or loaded; curves of training are shown while the one that was trained is at hand.
      folder: is made where there is none; files of these names in it are replaced.
      quality_name: what the quality is, such as ``"ImageNet top-1"``.
      budgets: shown in the table beside evenly spaced ones, in the unit of the first cost column.
      reference_front: a front to compare with, or a .csv or .parquet file of one.
      reference_name: what the report calls it; by default its file's name.
      reference_cost_column: the file's column of costs, in the unit of the first cost column.
      reference_quality_column: its column of quality.
      reference_quality_unit: ``"fraction"``, ``"percent"``, or ``"error_percent"``: 100 % minus quality.

    Returns:
      What the report says; ``comparisons`` are gaps to the reference front, ``best`` the answers that are plotted.

    Raises:
      ValueError: if nothing meets a budget, or the file cannot be read: with its row, and the remedy.
    """
    reference = reference_front
    if isinstance(reference, str | Path):
        columns = reference_cost_column, reference_quality_column
        reference = read_reference(Path(reference), *columns, reference_quality_unit, reference_name)
    metrics = {} if generator.training is None else generator.training.metrics
    made, drawn = made_facts(generator, metrics), curves(metrics)
    options = Options(quality_name, budgets, reference, made, drawn, train_seconds=train_seconds(generator))
    return write_report(generator, options, Path(folder))


def write_report(generator: Generator, options: Options, folder: Path) -> Report:
    """Ask a generator over its whole range; write the files of ``report`` into a folder."""
    report = collect(generator, options)
    folder.mkdir(parents=True, exist_ok=True)
    write_front_csv(folder / "front.csv", distinct_front(report.best, float(generator.problem.pessimism)))
    write_front_csv(folder / "budgets.csv", report.table)
    label, quality = f"{report.cost_label} budget, {report.unit}", quality_title(report.quality_is, report.quality_name)
    figure = plot.front_figure(report.best, report.greedy, report.reference, label, quality)
    plot.save_png(figure, folder / "front.png")
    curves = plot.svg(plot.curves_figure(report.curves, "step")) if report.curves else None
    over_both = _write_surface(report, generator.description, quality, folder)
    page = report_html.page(report, plot.svg(figure), curves, over_both)
    durable.replace(folder / "report.html", page)
    return report


def _write_surface(report: Report, description: Description, quality: str, folder: Path) -> str | None:
    """Write surface.csv and surface.png; the plot as SVG, or None where there is one cost column."""
    if report.surface is None:
        return None
    surface.write_csv(folder / "surface.csv", report.surface, description)
    figure = surface.figure(report.surface, description, quality)
    plot.save_png(figure, folder / "surface.png")
    return plot.svg(figure)


def _title(description: Description) -> str:
    """Space and device; of several devices the one that is asked about."""
    space, first = description.space, description.space.decisions[0]
    device = description.where.get(first.name) if space.behind is not None else None
    return f"{(space.behind or space).name} on {device or description.costs[0].device}"


def collect(generator: Generator, options: Options) -> Report:
    """Ask a generator for everything that a report shows: two calls, one a way of decoding.

    Raises:
      ValueError: if a budget of ``options`` is below the generator's range.
    """
    description = generator.description
    info, pessimism = description.costs[0], float(generator.problem.pessimism)
    low, high = (float(value) for value in description.ranges[0])
    curve = log_spaced(low, high, CURVE_BUDGETS)
    table = sorted({*log_spaced(low, high, TABLE_BUDGETS), *options.budgets})
    reference = options.reference
    asked = [] if reference is None else reference.cost[description.exact[0].within(low, reference.cost)].tolist()
    best = _ask(generator, [*curve, *table, *asked], "best")
    # A controller may end in an archive alone: then there is nothing to decode greedily.
    greedy = _ask(generator, [*curve, *asked], "greedy") if generator.artefact.policy is not None else []
    comparisons, volumes, corner = _compare(best[len(curve) + len(table) :], greedy[len(curve) :], reference)
    error = description.quality_report.get("rmse_points")
    which = quality_is(description.quality_report)
    labels = cost_label(info.name), quality_title(which, options.quality_name)
    judged = _judged(generator, {"best": best[: len(curve)], "greedy": greedy[: len(curve)]})
    return Report(
        title=_title(description),
        subtitle=f"One generator, any {cost_label(info.name)} budget from {info.span(low, high)}.",
        cost_name=info.name,
        unit=info.unit,
        other_costs=tuple(other.name for other in description.costs[1:]),
        quality_name=options.quality_name,
        best=best[: len(curve)],
        greedy=greedy[: len(curve)],
        table=best[len(curve) : len(curve) + len(table)],
        error_points=None if error is None else float(error),
        asked=asked_facts(description),
        trust=[*compared_by(pessimism), *trust_facts(description), *judged],
        made=options.made,
        tiles=_tiles(best[: len(curve)], comparisons, description, options.train_seconds),
        reference=reference,
        comparisons=comparisons,
        volumes=volumes,
        volume_reference=corner,
        curves=options.curves,
        flags=options.flags,
        quality_is=which,
        explorer=explorer.data(description, explorer.members(generator, curve), labels, pessimism),
        surface=surface.take(generator),
    )


def _ask(generator: Generator, budgets: Sequence[float], decode: str) -> list[Point]:
    """Answers at budgets of the first cost column; the other columns do not bind."""
    first = generator.description.costs[0].name
    return to_points(generator, generator.generate(budgets={first: budgets}, decode=decode), first)


def _judged(generator: Generator, ways: Mapping[str, Sequence[Point]]) -> list[tuple[str, str]]:
    """What the measured quality of answers lacks, by way of decoding, name and value; none where it is not known."""
    facts, first = [], generator.description.costs[0].name
    for name, points in ways.items():
        regret = judge.regrets(generator, {first: [p.budget for p in points]}, [p.measured for p in points])
        if regret is not None:
            facts.append((f"answers ({name}) against measured quality", judge.regret_text(regret)))
    return facts


def _compare(
    best: Sequence[Point], greedy: Sequence[Point], reference: Reference | None
) -> tuple[dict[str, Comparison], dict[str, float], tuple[float, float]]:
    if reference is None or not best:
        return {}, {}, (math.nan, math.nan)
    fronts = {"best": best, "greedy": greedy} if greedy else {"best": best}
    found = {name: compare(points, reference) for name, points in fronts.items()}
    arrays = [(np.array([p.cost for p in points]), np.array([p.quality for p in points])) for points in fronts.values()]
    volumes, corner = hypervolumes([*arrays, (reference.cost, reference.quality)])
    named = dict(zip([*fronts, reference.name], volumes, strict=True))
    return {name: figures for name, figures in found.items() if figures is not None}, named, corner


def _tiles(
    best: Sequence[Point], comparisons: Mapping[str, Comparison], description: Description, seconds: float | None
) -> list[tuple[str, str]]:
    info, which = description.costs[0], quality_is(description.quality_report)
    low, high = rounded_up(best[0].budget, 3), rounded_up(best[-1].budget, 3)
    tiles = [
        (f"range of {cost_label(info.name)}", f"{low} to {high} {info.unit}"),
        (
            f"{which} quality over it" if which != "ranked" else quality_title(which),
            f"{POINTS * best[0].quality:.1f} to {POINTS * best[-1].quality:.1f}" + " %" * (which != "ranked"),
        ),
    ]
    if "rmse_points" in description.quality_report:
        figure = f"± {description.quality_report['rmse_points']:.2f} points"
        tiles.append(("predictor's error, held out", figure))
    for name, figures in comparisons.items():
        tiles.append((f"{name}: mean gap, {figures.wins} of {figures.compared} won", f"{figures.mean:+.3f} points"))
    if seconds is not None:
        tiles.append(("training", f"{seconds / 60:.1f} min" if seconds >= 90 else f"{seconds:.0f} s"))
    return tiles
