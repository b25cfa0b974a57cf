"""The HTML page of a comparison: one file that needs no network and no other file."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from experiments.comparison.answers import DECODES
from experiments.comparison.html_table import html_table, limit_text
from experiments.comparison.rows import NO_LIMIT
from experiments.comparison.table import Section
from nagjax.reports import report_html
from nagjax.reports.escapes import html
from nagjax.reports.report_html import document, facts_table

OWN_CSS = (
    "main { max-width: 1360px } .base td { font-weight: 600 } .base .soft { font-weight: 400 } "
    "figure { max-width: 1180px } .wide table { font-size: 12px } .wide td { padding: 4px 6px 4px 0 } "
    ".wide th { padding-right: 6px }"
)
FIGURES = (
    ("mean regret", "accuracy lost to the best architecture within each budget (exact oracle), mean over the budgets"),
    ("worst regret", "the largest of them"),
    ("regret to best known", "accuracy lost to the best architecture known within each budget, mean over the budgets"),
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
    (
        "difference",
        "to the base, seed by seed, in the figure that decides; with its 95 % bootstrap interval over seeds",
    ),
    ("few seeds", "such an interval is too narrow: that of three seeds is no more than their range"),
    ("better in", "seeds in which it is strictly better than the base"),
)


@dataclasses.dataclass(frozen=True)
class Chapter:
    """What the page says of one problem.

    Attributes:
      problem: its name.
      facts: name and value.
      tables: one a limit.
      quality_svg, progress_svg: plots, and the limit they show.
      bands: whether the plots have the range of seeds.
      left_out: contenders that are not drawn against the budget.
    """

    problem: str
    facts: Sequence[tuple[str, str]]
    tables: Sequence[Section]
    quality_svg: str
    progress_svg: str
    limit: str
    bands: bool
    left_out: int


def page(
    title: str,
    tiles: Sequence[tuple[str, str]],
    chapters: Sequence[Chapter],
    made: Sequence[tuple[str, str]],
    flags: str,
) -> str:
    """The page as text: names and figures of tiles at the top, a chapter a problem, how it was made, and all flags."""
    used = {name for chapter in chapters for table in chapter.tables for line in table.lines for name in [line.side[1]]}
    ways = [(name, text) for name, text in DECODES.items() if name in used]
    parts = [
        f"<h1>{html(title)}</h1><p class='soft'>One row a controller and way of answering; best first.</p>",
        report_html.tiles(tiles),
        *(_chapter(chapter) for chapter in chapters),
        "<h2>What the figures mean</h2>" + facts_table([*FIGURES, *ways]),
        "<h2>How it was made</h2>" + facts_table(made),
        f"<details><summary>All flags</summary><pre>{html(flags)}</pre></details>" if flags else "",
    ]
    return document(title, parts, OWN_CSS)


def _chapter(chapter: Chapter) -> str:
    where = html(limit_text(chapter.limit))
    tables = "".join(html_table(table) for table in chapter.tables)
    bands = "; band: their range" if chapter.bands else ""
    rivals = any(line.limit == NO_LIMIT for table in chapter.tables for line in table.lines)
    grey = " Grey: what the problem itself brings." if rivals else ""
    others = " Drawn are the best and the base, the others stand in the table." if chapter.left_out else ""
    known = any(table.metric == "regret" for table in chapter.tables)
    share = " Right: share of all answers, of all seeds, that lose at most so much to the oracle." if known else ""
    return (
        f"<h2>{html(chapter.problem)}</h2>{facts_table(chapter.facts)}{tables}"
        f"<figure>{chapter.progress_svg}<figcaption>Runs under the limit of {where}, looked at on the way, best "
        f"first. Line: mean over seeds{bands}.{grey}</figcaption></figure>"
        f"<figure>{chapter.quality_svg}<figcaption>Answers to every budget at the end of the same runs, mean "
        f"over seeds; dotted: the best there is, where it is known.{others}{share}</figcaption></figure>"
    )
