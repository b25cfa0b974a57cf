"""The page of a search: what each round chose, what it gave, how well it was predicted, and the front so far."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from scipy import stats

from experiments.comparison.metrics import front, hypervolume
from nagjax import durable
from nagjax.evaluators.journal import Evaluations
from nagjax.reports import plot
from nagjax.reports.escapes import html, plot_text
from nagjax.reports.front import POINTS
from nagjax.reports.report_html import document, tiles
from nagjax.searching import Found

if TYPE_CHECKING:
    from matplotlib.figure import Figure

PAGE, FIGURES = "search.html", "rounds.json"
NOTE = (
    "Each round fits the predictor to all before it, and evaluates what promises the most improvement over the best "
    "that is evaluated within each of as many budgets. Error and tau compare what was predicted for a round's "
    "architectures before they were evaluated with what they turned out to be."
)
EXAMPLES = 3
"""Reasons of failures that the page shows."""


@dataclasses.dataclass(frozen=True)
class Round:
    """What a round gave.

    Attributes:
      number: 0 is the start.
      evaluations, failed: how many.
      cheapest, costliest: of what was chosen, in the unit of the first cost column.
      on_front: how many of the round's are on the front of everything up to it.
      hypervolume: of everything up to it, a share of the box of costs from cheapest to costliest and quality 0 to 1.
      best: highest quality up to it, %.
      error: root mean square of predicted minus evaluated, points; None at the start, and of a predictor of ranks.
      tau: Kendall's tau of predicted and evaluated; None at the start, and where one side does not vary.
    """

    number: int
    evaluations: int
    failed: int
    cheapest: float
    costliest: float
    on_front: int
    hypervolume: float
    best: float
    error: float | None
    tau: float | None


def rounds_of(evaluations: Evaluations, cost: np.ndarray, ends: tuple[float, float]) -> list[Round]:
    """Figures of each round of N evaluations, whose costs are float64 ``[N]``; ``ends`` are those of the space."""
    out = []
    for number in np.unique(evaluations.number).tolist():
        own = evaluations.number == number
        so_far = (evaluations.number <= number) & evaluations.known
        known = own & evaluations.known
        kept, best = front(cost[so_far], evaluations.quality[so_far])
        points = {*zip(kept.tolist(), best.tolist(), strict=True)}
        on_front = sum(pair in points for pair in zip(cost[known], evaluations.quality[known], strict=True))
        area = hypervolume(cost[so_far], evaluations.quality[so_far], (ends[1], 0.0)) / max(ends[1] - ends[0], 1e-300)
        error, tau = _agreement(evaluations.predicted[known], evaluations.quality[known])
        out.append(
            Round(
                number, int(own.sum()), int((own & ~evaluations.known).sum()), float(cost[own].min()),
                float(cost[own].max()), on_front, area, float(POINTS * best.max(initial=0.0)), error, tau,
            )
        )  # fmt: skip
    return out


def _agreement(predicted: np.ndarray, quality: np.ndarray) -> tuple[float | None, float | None]:
    if not len(predicted) or np.isnan(predicted).any():
        return None, None
    error = float(POINTS * np.sqrt(np.mean((predicted - quality) ** 2)))
    if len(quality) < 2 or np.ptp(predicted) == 0 or np.ptp(quality) == 0:
        return error, None
    return error, float(stats.kendalltau(predicted, quality).statistic)


def write(folder: Path, found: Found) -> None:
    """Write the page and its figures into a folder."""
    description, done = found.setup.description, found.evaluations
    info, ends = description.costs[0], description.ranges[0]
    cost = description.costs_of(done.tokens)[:, 0]
    figures = rounds_of(done, cost, (float(ends[0]), float(ends[1])))
    if found.setup.quality is not None and found.setup.quality.predictor.rank_valued:
        figures = [dataclasses.replace(one, error=None) for one in figures]  # a rank is no accuracy
    durable.replace(folder / FIGURES, json.dumps([dataclasses.asdict(one) for one in figures], indent=1) + "\n")
    unit = f"{info.name}, {info.unit}"
    title = f"Search on {description.space.identity}"
    svg = plot.svg(figure_of(done, cost, figures, unit))
    failures = [reason for reason in done.failure if reason]
    parts = [
        f"<h1>{html(title)}</h1><p class='soft'>{html(info.device)}</p>",
        tiles(
            [
                ("true evaluations", f"{len(done.tokens)}"),
                ("of them failed", f"{len(failures)}"),
                ("rounds after the start", f"{figures[-1].number}"),
                ("best quality", f"{figures[-1].best:.2f} %"),
            ]
        ),
        f"<figure>{svg}</figure>",
        "<h2>Rounds</h2>" + _table(figures, unit),
        f"<p class='note'>{html(NOTE)}</p>",
        _failures(failures),
    ]
    durable.replace(folder / PAGE, document(title, parts))


def _table(figures: Sequence[Round], unit: str) -> str:
    heads = (
        "round", "evaluations", "failed", f"chosen from, {unit}", "to", "on the front", "hypervolume", "best, %",
        "error, points", "tau",
    )  # fmt: skip
    rows = ""
    for one in figures:
        cells = (
            f"{one.number}", f"{one.evaluations}", f"{one.failed}", f"{one.cheapest:.4g}", f"{one.costliest:.4g}",
            f"{one.on_front}", f"{one.hypervolume:.4f}", f"{one.best:.2f}",
            "" if one.error is None else f"{one.error:.2f}", "" if one.tau is None else f"{one.tau:.2f}",
        )  # fmt: skip
        rows += "<tr>" + "".join(f"<td class='number'>{html(cell)}</td>" for cell in cells) + "</tr>"
    titles = "".join(f"<th class='number'>{html(name)}</th>" for name in heads)
    return f"<div class='wide'><table><thead><tr>{titles}</tr></thead><tbody>{rows}</tbody></table></div>"


def _failures(reasons: Sequence[str]) -> str:
    if not reasons:
        return ""
    shown = "".join(f"<pre>{html(reason)}</pre>" for reason in reasons[:EXAMPLES])
    return f"<h2>Failures</h2><p>{len(reasons)} evaluations failed, such as:</p>{shown}"


def figure_of(done: Evaluations, cost: np.ndarray, figures: Sequence[Round], unit: str) -> Figure:
    """All that was evaluated, by round, and the hypervolume after each; ``cost`` is float64 ``[N]``."""
    from matplotlib import colormaps
    from matplotlib.colors import ListedColormap
    from matplotlib.ticker import MaxNLocator

    figure, (left, right) = plot.new_figure(2, 10.0, 4.0)
    known = done.known
    legible = ListedColormap(colormaps["viridis"](np.linspace(0, 0.8, 64)))  # yellow does not show on white
    points = left.scatter(cost[known], POINTS * done.quality[known], c=done.number[known], s=14, cmap=legible)
    bar = figure.colorbar(points, ax=left, label="round", ticks=sorted({one.number for one in figures}))
    if bar.solids is not None:  # paths as the points are: dark paper turns their colours, and not those of images
        bar.solids.set_rasterized(False)
        bar.solids.set_edgecolor("face")
    left.set_xlabel(plot_text(unit))
    left.set_ylabel("quality, %")
    total = np.cumsum([one.evaluations for one in figures])
    right.plot(total, [one.hypervolume for one in figures], "o-", color=plot.BEST, markersize=4)
    right.set_xlabel("true evaluations")
    right.set_ylabel("hypervolume of what is evaluated, a share")
    right.xaxis.set_major_locator(MaxNLocator(integer=True))
    return figure
