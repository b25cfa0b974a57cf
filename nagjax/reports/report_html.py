"""The HTML page of a report: one file that needs no network and no other file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from nagjax.devices.pricing import TOKEN
from nagjax.devices.token_rates import rate_of
from nagjax.problems.costs import rounded_up
from nagjax.reports import explorer, surface
from nagjax.reports.escapes import html
from nagjax.reports.front import POINTS, Comparison, Point
from nagjax.reports.report_data import Report
from nagjax.reports.wording import certainty, quality_title, raw_title

CSS = """
:root { --ink: #24292f; --soft: #5c6570; --line: #e1e5ea; --accent: #0b6e99; --paper: #ffffff; --wash: #f6f8fa }
@media (prefers-color-scheme: dark) {
  :root { --ink: #d7dde3; --soft: #98a3ae; --line: #333b44; --accent: #5cb8df; --paper: #171b20; --wash: #1f252c }
  figure svg { filter: invert(1) hue-rotate(180deg) } /* drawn for light paper */
  figure svg image { filter: invert(1) hue-rotate(180deg) } /* colours that mean a figure, as they were */
}
:root { color-scheme: light dark }
* { box-sizing: border-box }
body { margin: 0; background: var(--wash); color: var(--ink); font: 15px/1.55 system-ui, Roboto, sans-serif }
main { max-width: 1080px; margin: 0 auto; padding: 36px 28px 60px; background: var(--paper) }
h1 { font-size: 26px; line-height: 1.25; margin: 0 0 4px } h2 { font-size: 18px; margin: 38px 0 10px }
p { margin: 8px 0; max-width: 76ch } .soft { color: var(--soft) }
.note { color: var(--soft); font-size: 13px; max-width: none }
.tiles { display: grid; grid-template-columns: repeat(auto-fit, minmax(180px, 1fr)); gap: 12px; margin: 22px 0 8px }
.tile { border: 1px solid var(--line); border-radius: 8px; padding: 12px 14px }
.tile b { display: block; font-size: 18px; font-weight: 600; color: var(--accent); font-variant-numeric: tabular-nums }
.tile span { font-size: 13px; color: var(--soft) }
figure { margin: 6px 0 } figure svg { width: 100%; height: auto } figcaption { font-size: 13px; color: var(--soft) }
.wide { overflow-x: auto }
table { border-collapse: collapse; width: 100%; font-size: 13.5px; font-variant-numeric: tabular-nums }
th { text-align: left; font-weight: 600; color: var(--soft); vertical-align: bottom;
  border-bottom: 2px solid var(--line); padding: 6px 10px 6px 0 }
td { border-bottom: 1px solid var(--line); padding: 6px 10px 6px 0; vertical-align: top }
.number { text-align: right } td.number { white-space: nowrap } tr:hover td { background: var(--wash) }
code { font: 12px/1.5 ui-monospace, Menlo, Consolas, monospace; word-break: break-all }
details summary { cursor: pointer } pre { white-space: pre-wrap; font-size: 12px; margin: 6px 0; color: var(--soft) }
.facts td { overflow-wrap: anywhere } .facts td:first-child { width: 220px; color: var(--soft) }
@media (max-width: 600px) { main { padding: 20px 14px 40px } .facts td:first-child { width: 40% } }
@media print { body { background: none } main { padding: 0 } }
"""


def page(report: Report, front_svg: str, curves_svg: str | None, surface_svg: str | None = None) -> str:
    """The page of a report as text, with plots as SVG: the front, training curves and two costs, where there are."""
    parts = [
        f"<h1>{html(report.title)}</h1><p class='soft'>{html(report.subtitle)}</p>",
        tiles(report.tiles),
        f"<figure>{front_svg}<figcaption>{html(report.plot_note)}</figcaption></figure>",
        explorer.section(report.explorer) if report.explorer else "",
        surface.section(surface_svg, report.surface) if surface_svg and report.surface else "",
        "<h2>Architectures by budget</h2>" + _budgets(report),
        "<h2>What was asked</h2>" + facts_table(report.asked),
        _comparison(report),
        "<h2>How far to trust the figures</h2>" + facts_table(report.trust),
        f"<h2>Training</h2><figure>{curves_svg}</figure>" if curves_svg else "",
        "<h2>How it was made</h2>" + facts_table(report.made),
        f"<details><summary>All flags</summary><pre>{html(report.flags)}</pre></details>" if report.flags else "",
    ]
    return document(report.title, parts, explorer.CSS)


def document(title: str, parts: Sequence[str], more_css: str = "") -> str:
    """A page of parts that are HTML, its title data; ``more_css`` is of its own elements."""
    head = (
        "<!doctype html><html lang='en'><head><meta charset='utf-8'>"
        "<meta name='viewport' content='width=device-width, initial-scale=1'>"
        f"<title>{html(title)}</title><style>{CSS}{more_css}</style></head>"
    )
    return f"{head}<body><main>{''.join(parts)}</main></body></html>\n"


def tiles(shown: Sequence[tuple[str, str]]) -> str:
    """Figures in boxes, each of a name and a figure."""
    cells = "".join(f"<div class='tile'><b>{html(figure)}</b><span>{html(what)}</span></div>" for what, figure in shown)
    return f"<div class='tiles'>{cells}</div>"


def facts_table(facts: Sequence[tuple[str, str]]) -> str:
    """Names and values as a table."""
    rows = "".join(f"<tr><td>{html(name)}</td><td>{html(value)}</td></tr>" for name, value in facts)
    return f"<table class='facts'>{rows}</table>"


def _budgets(report: Report) -> str:
    unit, others = report.unit, report.other_costs
    sums = [raw_title(report.level is not None, unit)] if report.shows_raw else []
    head = [
        f"budget, {unit}",
        f"{report.cost_label}, {unit}",
        *sums,
        *others,
        *(["tokens a second"] if TOKEN in (report.cost_name, *others) else []),
        quality_title(report.quality_is, report.quality_name),
        *([f"measured {report.quality_name}, %"] if report.shows_measured else []),
        *(["row"] if report.shows_rows else []),
    ]
    titles = "".join(f"<th class='number'>{html(name)}</th>" for name in head)
    rows = "".join(_budget_row(point, report) for point in report.table)
    return (
        f"<div class='wide'><table><thead><tr>{titles}<th>architecture</th><th>found by</th></tr></thead>"
        f"<tbody>{rows}</tbody></table></div>"
        f"<p class='note'>{html(report.error_note)} {html(report.guarantee_note)}</p>"
    )


def _budget_row(point: Point, report: Report) -> str:
    error = f" ± {report.error_points:.2f}" if report.error_points is not None else ""
    sums = [rounded_up(point.raw_costs[report.cost_name])] if report.shows_raw else []
    others = [rounded_up(point.costs[name]) for name in report.other_costs]
    rate = rate_of(point.costs)
    figures = [rounded_up(point.budget), rounded_up(point.cost), *sums, *others]
    figures += [] if rate is None else [f"{rate:g}"]
    figures.append(f"{POINTS * point.quality:.2f}{error}")
    if report.shows_measured:
        figures.append("" if point.measured is None else f"{POINTS * point.measured:.2f}")
    if report.shows_rows:
        figures.append("" if point.row is None else str(point.row))
    cells = "".join(f"<td class='number'>{figure}</td>" for figure in figures)
    architecture = (
        f"<details><summary><code>{html(point.text)}</code></summary><pre>{html(point.description)}</pre></details>"
    )
    found_by = point.source + certainty(point.guaranteed, point.level)
    return f"<tr>{cells}<td>{architecture}</td><td>{html(found_by)}</td></tr>"


def _comparison(report: Report) -> str:
    if report.reference is None:
        return ""
    title = f"<h2>Against {html(report.reference.name)}</h2>"
    if not report.comparisons:
        return title + "<p>None of its costs is within our range: nothing to compare.</p>"
    heads = ("", "mean gap, points", "wins", "worst, points", "best, points", "hypervolume")
    columns = "".join(f"<th class='number'>{name}</th>" for name in heads)
    rows = "".join(_comparison_row(name, c, report.volumes) for name, c in report.comparisons.items())
    blank = "<td class='number'>&ndash;</td>" * 4
    if report.reference.name in report.volumes:
        volume = report.volumes[report.reference.name]
        rows += f"<tr><td>{html(report.reference.name)}</td>{blank}<td class='number'>{volume:.1f}</td></tr>"
    return f"{title}<table><tr>{columns}</tr>{rows}</table><p class='note'>{html(report.comparison_note)}</p>"


def _comparison_row(name: str, c: Comparison, volumes: Mapping[str, float]) -> str:
    volume = f"{volumes[name]:.1f}" if name in volumes else "&ndash;"
    figures = (f"{c.mean:+.3f}", f"{c.wins} of {c.compared}", f"{c.worst:+.3f}", f"{c.best:+.3f}", volume)
    return f"<tr><td>{html(name)}</td>" + "".join(f"<td class='number'>{figure}</td>" for figure in figures) + "</tr>"
