"""The HTML page of a comparison: one file that needs no network and no other file."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from html import escape

from experiments.compare_answers import DECODES
from experiments.compare_rows import NO_LIMIT
from experiments.compare_table import SMALLER, Line, Section, Side, Spread
from experiments.report_html import CSS

COLUMNS = (
    ("regret", "mean regret, points", 4), ("regret_worst", "worst regret, points", 3),
    ("gap", "gap to reference, points", 3), ("hypervolume", "hypervolume, points", 3), ("igd_plus", "IGD+", 4),
    ("infeasible", "infeasible, %", 2), ("distinct", "distinct", 1), ("evaluations", "evaluations", 0),
    ("labels", "labels", 0), ("seconds", "seconds", 2), ("compile_seconds", "compiling, s", 1),
)  # fmt: skip
"""Figures of the table: name, heading, digits; those that no line knows are left out."""

OWN_CSS = "main { max-width: 1360px } .base td { font-weight: 600 } figure { max-width: 1080px }"
PERCENT = ("infeasible",)
OVERRUN = 1.1
"""A run that used more than this times its limit is said to have done so."""

FIGURES = (
    ("mean regret", "accuracy lost to the best architecture within each budget (exact oracle), mean over the budgets"),
    ("worst regret", "the largest of them"),
    ("gap to reference", "quality minus what the reference has within the same budget, mean over the budgets"),
    ("hypervolume", "mean height of the answers' front above the reference point over the range of costs, in points"),
    (
        "IGD+",
        "mean distance from the front to the nearest answer, counting what the answer lacks; scaled to its ranges",
    ),
    ("infeasible", "answers over their budget; they count as quality 0"),
    ("distinct", "different architectures among the answers"),
    ("evaluations", "calls of the quality function, repeats included, where the run ended; a limit is of these"),
    ("labels", "that a predictor was fitted to; spent beside the evaluations and, in the plots, added to them"),
    ("seconds", "wall time without compilation and without looking at the run"),
    ("compiling", "the longest of any seed: the first run compiles for all that have the same sizes, here or above"),
    ("difference", "to the base, seed by seed, in the figure that decides; 95 % interval by bootstrap over seeds"),
)


@dataclasses.dataclass(frozen=True)
class Chapter:
    """What the page says of one problem.

    Attributes:
      problem: its name.
      facts: name and value.
      tables: one a limit.
      quality_svg, progress_svg: plots, and the limit they show.
    """

    problem: str
    facts: Sequence[tuple[str, str]]
    tables: Sequence[Section]
    quality_svg: str
    progress_svg: str
    limit: str


def page(
    title: str,
    tiles: Sequence[tuple[str, str]],
    chapters: Sequence[Chapter],
    made: Sequence[tuple[str, str]],
    flags: str,
) -> str:
    """The page as text.

    Args:
      title: what was compared.
      tiles: name and figure of what stands at the top.
      chapters: one a problem.
      made: name and value of how it was made.
      flags: all flags, one a line.
    """
    cells = "".join(
        f"<div class='tile'><b>{escape(value)}</b><span>{escape(name)}</span></div>" for name, value in tiles
    )
    used = {name for chapter in chapters for table in chapter.tables for line in table.lines for name in [line.side[1]]}
    ways = [(name, text) for name, text in DECODES.items() if name in used]
    parts = [
        f"<h1>{escape(title)}</h1><p class='soft'>One row a controller and way of answering; best first.</p>",
        f"<div class='tiles'>{cells}</div>",
        *(_chapter(chapter) for chapter in chapters),
        "<h2>What the figures mean</h2>" + facts_table([*FIGURES, *ways]),
        "<h2>How it was made</h2>" + facts_table(made),
        f"<details><summary>All flags</summary><pre>{escape(flags)}</pre></details>" if flags else "",
    ]
    head = (
        "<!doctype html><html lang='en'><head><meta charset='utf-8'>"
        "<meta name='viewport' content='width=device-width, initial-scale=1'>"
        f"<title>{escape(title)}</title><style>{CSS}{OWN_CSS}</style></head>"
    )
    return f"{head}<body><main>{''.join(parts)}</main></body></html>\n"


def facts_table(facts: Sequence[tuple[str, str]]) -> str:
    """Names and values as a table."""
    rows = "".join(f"<tr><td>{escape(name)}</td><td>{escape(value)}</td></tr>" for name, value in facts)
    return f"<table class='facts'>{rows}</table>"


def limit_text(limit: str) -> str:
    """A limit in words.

    >>> limit_text("2000"), limit_text("60s")
    ('2,000 evaluations', '60 s')
    """
    return f"{limit[:-1]} s" if limit.endswith("s") else f"{float(limit):,.0f} evaluations"


def side_text(side: Side | None) -> str:
    """A contender and how it answers, in words."""
    return "none" if side is None else side[0] + (f", {side[1]}" if side[1] != "reference" else "")


def _chapter(chapter: Chapter) -> str:
    where = escape(limit_text(chapter.limit))
    tables = "".join(_table(table) for table in chapter.tables)
    return (
        f"<h2>{escape(chapter.problem)}</h2>{facts_table(chapter.facts)}{tables}"
        f"<figure>{chapter.progress_svg}<figcaption>Runs under the limit of {where}, looked at on the way. Line: mean "
        "over seeds; band: their range. Dashed: what the problem itself brings.</figcaption></figure>"
        f"<figure>{chapter.quality_svg}<figcaption>Answers to every budget at the end of the same runs; "
        "dotted: the best there is, where it is known.</figcaption></figure>"
    )


def _table(table: Section) -> str:
    known = sorted(_columns(table), key=lambda column: column[0] != table.metric)
    first, others = known[0], known[1:]
    heads = "".join(f"<th class='number'>{title}</th>" for _, title, _ in others)
    rows = "".join(_row(line, table, first, others) for line in table.lines)
    which = "less" if SMALLER[table.metric] else "more"
    return (
        f"<h3>{escape(table.problem)}, limit {escape(limit_text(table.limit))}</h3><div class='wide'><table>"
        f"<thead><tr><th>controller, answers</th><th class='number'>seeds</th><th class='number'>{first[1]}</th>"
        f"<th class='number'>difference</th>{heads}</tr></thead><tbody>{rows}</tbody></table></div>"
        f"<p class='note'>Mean ± standard deviation over seeds. The {table.metric} decides: {which} is better. "
        f"Differences are to {escape(side_text(table.base))}.{_overruns(table)}</p>"
    )


def _columns(table: Section) -> list[tuple[str, str, int]]:
    """What somebody knows, without labels where nobody has any."""
    found = []
    for column in COLUMNS:
        means = [line.spreads[column[0]].mean for line in table.lines if column[0] in line.spreads]
        if means and (column[0] != "labels" or any(means)):
            found.append(column)
    return found


def _row(line: Line, table: Section, first: tuple[str, str, int], others: Sequence[tuple[str, str, int]]) -> str:
    def cell(column: tuple[str, str, int]) -> str:
        return f"<td class='number'>{_spread(line.spreads.get(column[0]), column[0], column[2])}</td>"

    seeds = max(one.count for one in line.spreads.values())
    mark = " class='base'" if line.side == table.base else ""
    return (
        f"<tr{mark}><td>{escape(side_text(line.side))}</td><td class='number'>{seeds}</td>{cell(first)}"
        f"<td class='number'>{_versus(line)}</td>{''.join(map(cell, others))}</tr>"
    )


def _spread(one: Spread | None, name: str, digits: int) -> str:
    if one is None:
        return "&ndash;"
    scale = 100.0 if name in PERCENT else 1.0
    text = f"{scale * one.mean:,.{digits}f}"
    return text if one.std != one.std or one.std == 0 else f"{text} ± {scale * one.std:,.{digits}f}"


def _versus(line: Line) -> str:
    found = line.difference
    if found is None:
        return "&ndash;"
    interval = "" if found.low != found.low else f" [{found.low:+.4f}, {found.high:+.4f}]"
    return f"{found.mean:+.4f}{interval}<br><span class='soft'>better in {found.better} of {found.count}</span>"


def _overruns(table: Section) -> str:
    """Who used more than the limit: its updates are too large for it."""
    unit = "seconds" if table.limit.endswith("s") else "evaluations"
    value = float(table.limit.removesuffix("s"))
    over = [
        f"{side_text(line.side)} used {line.spreads[unit].mean:,.0f}"
        for line in table.lines
        if line.limit != NO_LIMIT and line.spreads[unit].mean > OVERRUN * value and line.side[1] != "best"
    ]
    return f" Over the limit, as updates are not cut: {escape('; '.join(over))}." if over else ""
