"""From the results of a comparison to its table, plots and page."""

from __future__ import annotations

import json
from collections.abc import Sequence

from experiments.comparison.case import Case
from experiments.comparison.html_table import limit_text, side_text, spent_text
from experiments.comparison.limits import Limit
from experiments.comparison.metrics import points_below
from experiments.comparison.page import Chapter, page
from experiments.comparison.plot import Answered, has_bands, progress_figure, quality_figure, shown, sides
from experiments.comparison.results import Results
from experiments.comparison.rows import NO_LIMIT, Row
from experiments.comparison.table import Lost, Section, sections, write_csv
from nagjax import durable
from nagjax.problems.costs import rounded_up
from nagjax.reports import plot
from nagjax.reports.front import POINTS
from nagjax.reports.report_data import asked_facts, error_text

TABLE, PAGE = "table.csv", "comparison.html"


def write(
    results: Results, cases: Sequence[Case], base: str, flags: str, title: str = "Controllers compared"
) -> list[Section]:
    """Write table.csv and comparison.html into the folder of the results; the tables.

    ``cases`` are one of each problem, for what is said of it.
    """
    rows = [row for row in results.rows if row.problem in {case.name for case in cases}]
    lost = {name: regret for case in cases for name, regret in _lost(results, case).items()}
    tables = sections(rows, base, lost)
    write_csv(results.folder / TABLE, tables)
    chapters = [_chapter(results, case, [t for t in tables if t.problem == case.name], base) for case in cases]
    text = page(title, _tiles(rows, tables), chapters, _made(rows), flags)
    durable.replace(results.folder / PAGE, text)
    return tables


def lines(tables: Sequence[Section]) -> list[str]:
    """The tables for a terminal: what decides, best first, and what was used by those that did not use the limit."""
    out = []
    for table in tables:
        out.append(f"{table.problem}, {limit_text(table.limit)}: {table.metric}, points")
        for line in table.lines:
            one = line.spreads[table.metric]
            spread = "" if one.std != one.std else f" ± {one.std:.4f}"
            versus = f"  ({line.difference.mean:+.4f} to {side_text(table.base)})" if line.difference else ""
            used = spent_text(line, Limit.read(table.limit))
            told = f"{versus}  {used}" if used else versus
            out.append(f"  {side_text(line.side):32s} {one.mean:.4f}{spread}{told}")
    return out


def _chapter(results: Results, case: Case, tables: Sequence[Section], base: str) -> Chapter:
    limit = tables[-1].limit
    rows = [row for row in results.rows if row.problem == case.name and row.limit in (limit, NO_LIMIT)]
    info = case.description.costs[0]
    budgets = info.to_unit(case.budgets[:, 0].astype("int64"))
    figure = quality_figure(rows, budgets, _answered(results, rows), info.unit, case.yardstick.oracle, base)
    svgs = (plot.svg(figure), plot.svg(progress_figure(rows)))
    left_out = len(sides(rows)) - len(shown(rows, base))
    return Chapter(case.name, _facts(case), tables, *svgs, limit, has_bands(rows), left_out)


def _answered(results: Results, rows: Sequence[Row]) -> Answered:
    out = {}
    for side in sides(rows):
        keys = [row.key for row in rows if (row.contender, row.decode) == side and row.final]
        held = [results.answers(key, side[1]) for key in keys]
        out[side] = [one for one in held if one is not None]
    return out


def _lost(results: Results, case: Case) -> Lost:
    """Regret to the best known of the runs whose answers are there; none where the problem names no such front."""
    best, info = case.yardstick.best_known, case.description.costs[0]
    if best is None:
        return {}
    budgets = info.to_unit(case.budgets[:, 0].astype("int64"))
    out = {}
    for row in results.rows:
        held = results.answers(row.key, row.decode) if row.final and row.problem == case.name else None
        if held is not None:
            out[row.key, row.decode] = points_below(best, held[1], held[0] <= budgets)
    return out


def _facts(case: Case) -> list[tuple[str, str]]:
    yard, info = case.yardstick, case.description.costs[0]
    cost = float(info.to_unit(int(yard.corner[0])))
    costliest = f"{rounded_up(cost, 5)} {info.unit} (the costliest architecture)"
    corner = f"{costliest}, {POINTS * yard.corner[1]:.3f} % (the cheapest one's)"
    oracle = "exact, every architecture enumerated" if yard.oracle is not None else "not known: too many architectures"
    if yard.oracle is not None and yard.front_cost is not None:
        front = f"the exact front, {len(yard.front_cost)} architectures"
    elif yard.front_cost is not None:
        front = f"{next(iter(case.rivals))}, {len(yard.front_cost)} points; it is not the best possible"
    else:
        front = "none"
    facts = [
        *asked_facts(case.description),
        ("budgets", f"{len(yard.budgets)}, evenly spaced in cost from the cheapest to the costliest architecture"),
        ("oracle", oracle),
        ("reference point of the hypervolume", corner),
        ("front that IGD+ is measured to", front),
    ]
    if case.rivals:
        facts.append(("reference of the gap", next(iter(case.rivals))))
    if case.judge is not case.problem:
        facts.append(("what controllers see", f"a predictor fitted to {case.labels} labels, other ones for every seed"))
        facts.append(("its error (first seed)", error_text(case.description.quality_report)))
        facts.append(("what answers are judged by", "the true quality"))
    return facts


def _tiles(rows: Sequence[Row], tables: Sequence[Section]) -> list[tuple[str, str]]:
    last = [row for row in rows if row.final and row.limit != NO_LIMIT]
    tiles = [
        ("controllers", str(len({row.contender for row in last}))),
        ("runs", f"{len({row.key for row in last}):,}"),
        ("answers over budget", f"{100 * sum(row.infeasible for row in last) / max(len(last), 1):.4g} %"),
    ]
    for problem in dict.fromkeys(table.problem for table in tables):
        table = [one for one in tables if one.problem == problem][-1]
        best = table.lines[0]
        value = f"{best.spreads[table.metric].mean:.4f} points"
        tiles.append((f"{problem}: best {table.metric}, {side_text(best.side)}, {limit_text(table.limit)}", value))
    return tiles


def _made(rows: Sequence[Row]) -> list[tuple[str, str]]:
    facts = []
    for name, values in (
        ("commit", {row.commit for row in rows}),
        ("machine", {row.machine for row in rows}),
        ("date", {row.date for row in rows}),
    ):
        facts.append((name, ", ".join(sorted(values))))
    for contender in dict.fromkeys(row.contender for row in rows if row.limit != NO_LIMIT):
        by_settings: dict[str, list[str]] = {}
        for row in rows:
            if row.contender == contender and row.limit not in by_settings.setdefault(row.settings, []):
                by_settings[row.settings].append(row.limit)
        for text, limits in by_settings.items():
            facts.append((f"{contender}, {', '.join(map(limit_text, limits))}", settings_text(text)))
    return facts


def settings_text(text: str) -> str:
    """The settings of a row in words: the controller, its sizes and its parameters."""
    given = json.loads(text)
    pairs = [pair for kind in ("static", "params") for pair in given.get(kind, {}).items()]
    parts = [f"{key} {str(value).lower() if isinstance(value, bool) else value}" for key, value in pairs]
    return f"{given.get('controller', '')}: {', '.join(parts) or 'its defaults'}"
