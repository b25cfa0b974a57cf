"""The HTML table of one problem under one limit."""

from __future__ import annotations

from collections.abc import Sequence

from experiments.comparison.limits import EVALUATIONS, UPDATES, Limit
from experiments.comparison.rows import NO_LIMIT
from experiments.comparison.table import SMALLER, Line, Section, Side, Spread
from nagjax.reports.escapes import html

COLUMNS = (
    ("regret", "mean regret, points", 4), ("regret_worst", "worst regret, points", 3),
    ("regret_to_best_known", "regret to best known, points", 4), ("gap", "gap to reference, points", 3),
    ("hypervolume", "hypervolume, points", 3), ("igd_plus", "IGD+", 4),
    ("infeasible", "infeasible, %", 2), ("distinct", "distinct", 1), ("evaluations", "evaluations", 0),
    ("labels", "labels", 0), ("seconds", "seconds", 2), ("compile_seconds", "compiling, s", 1),
)  # fmt: skip
"""Figures of the table: name, heading, digits; those that no line knows are left out."""

PERCENT = ("infeasible",)
OVERRUN = 1.1
"""A run that used more than this times its limit is said to have done so."""


def limit_text(limit: str) -> str:
    """A limit in words.

    >>> limit_text("2000"), limit_text("60s")
    ('2,000 evaluations', '60 s')
    """
    return Limit.read(limit).words


def side_text(side: Side | None) -> str:
    """A contender and how it answers, in words."""
    return "none" if side is None else side[0] + (f", {side[1]}" if side[1] != "reference" else "")


def html_table(table: Section) -> str:
    """Heading, table and note; one line a contender and way of answering, best first."""
    known = sorted(_columns(table), key=lambda column: column[0] != table.metric)
    first, others = known[0], known[1:]
    heads = "".join(f"<th class='number'>{title}</th>" for _, title, _ in others)
    rows = "".join(_row(line, table, first, others) for line in table.lines)
    which = "less" if SMALLER[table.metric] else "more"
    return (
        f"<h3>{html(table.problem)}, limit {html(limit_text(table.limit))}</h3><div class='wide'><table>"
        f"<thead><tr><th>controller, answers</th><th class='number'>seeds</th><th class='number'>{first[1]}</th>"
        f"<th class='number'>difference</th><th class='number'>better in</th>{heads}</tr></thead>"
        f"<tbody>{rows}</tbody></table></div>"
        f"<p class='note'>Mean ± standard deviation over seeds. The {table.metric} decides: {which} is better. "
        f"Differences are to {html(side_text(table.base))}.{html(overruns(table))}</p>"
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
        f"<tr{mark}><td>{html(side_text(line.side))}</td><td class='number'>{seeds}</td>{cell(first)}"
        f"<td class='number'>{_versus(line)}</td><td class='number'>{_wins(line)}</td>{''.join(map(cell, others))}</tr>"
    )


def _spread(one: Spread | None, name: str, digits: int) -> str:
    if one is None:
        return "&ndash;"
    scale = 100.0 if name in PERCENT else 1.0
    text = f"{scale * one.mean:,.{digits}f}"
    if one.std != one.std or one.std == 0:
        return text
    return f"{text}<br><span class='soft'>± {scale * one.std:,.{digits}f}</span>"


def _versus(line: Line) -> str:
    found = line.difference
    if found is None:
        return "&ndash;"
    interval = "" if found.low != found.low else f"<br><span class='soft'>{found.low:+.3f} to {found.high:+.3f}</span>"
    return f"{found.mean:+.4f}{interval}"


def _wins(line: Line) -> str:
    found = line.difference
    return "&ndash;" if found is None else f"{found.better} of {found.count}"


def spent_text(line: Line, limit: Limit) -> str:
    """What a line used, in words, where that is not its limit; of seconds, where it used far more."""
    if line.limit == NO_LIMIT or limit.unit == UPDATES:
        return ""
    used = round(line.spreads[limit.unit].mean, 0 if limit.unit == EVALUATIONS else 1)
    off = used != limit.value if limit.unit == EVALUATIONS else used > OVERRUN * limit.value
    return f"used {Limit(limit.unit, used).words}" if off else ""


def overruns(table: Section) -> str:
    """A sentence on who used more than the limit, as its updates are too large for it; empty for nobody."""
    limit = Limit.read(table.limit)
    if limit.unit == UPDATES:  # of which nobody takes more
        return ""
    over = [
        f"{side_text(line.side)} used {line.spreads[limit.unit].mean:,.0f}"
        for line in table.lines
        if line.limit != NO_LIMIT and line.spreads[limit.unit].mean > OVERRUN * limit.value and line.side[1] != "best"
    ]
    return f" Over {limit.words}, as updates are not cut: {'; '.join(over)}." if over else ""
