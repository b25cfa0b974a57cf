"""Figures of a comparison: quality against budget, regret against evaluations, hypervolume against wall time.

Some sixteen contenders must stay apart: each has a colour and a marker that are the same in all figures of a page, the
legend stands beside the panels in the order of the results, and bands of seeds are drawn only where few would overlap.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from experiments.comparison.looks import BANDS, log_ticks, looks, side_legend, symlog
from experiments.comparison.rows import NO_LIMIT, Row
from experiments.comparison.table import SMALLER, Side, deciding, primary
from nagjax.reports import plot
from nagjax.reports.escapes import plot_text
from nagjax.reports.front import POINTS

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

SHOWN = 6
"""Contenders whose answers are drawn against the budget, the base beside them: of more, stairs cannot be told apart."""

Answered = Mapping[Side, Sequence[tuple[np.ndarray, np.ndarray]]]
"""Cost and quality ``[B]`` of the answers that runs ended with, one a seed."""


def sides(rows: Sequence[Row]) -> list[Side]:
    """One side of each contender, best first; those of the problem itself last."""
    found = [primary(rows, contender) for contender in dict.fromkeys(row.contender for row in rows)]
    metric = deciding(rows)
    sign = 1.0 if SMALLER[metric] else -1.0

    def place(side: Side) -> tuple[bool, float]:
        last = [getattr(row, metric) for row in _of(rows, side) if row.final]
        return _is_rival(rows, side[0]), sign * float(np.mean(last))

    return sorted((side for side in found if side is not None), key=place)


def shown(rows: Sequence[Row], base: str) -> list[Side]:
    """The sides that are drawn against the budget: the best ``SHOWN``, the base, and what the problem brings."""
    ours = [side for side in sides(rows) if not _is_rival(rows, side[0])]
    kept = {*ours[:SHOWN], *(side for side in ours if side[0] == base)}
    return [side for side in sides(rows) if side in kept or _is_rival(rows, side[0])]


def quality_figure(
    rows: Sequence[Row], budgets: np.ndarray, answered: Answered, unit: str, oracle: np.ndarray | None, base: str
) -> Figure:
    """Mean quality over seeds of the answer to each budget; beside it how many answers lose how much to the oracle.

    Rows are of one problem, under one limit, and what the problem itself brings. Budgets are float64 ``[B]`` in
    ``unit``, the oracle fractions ``[B]``, None where it is not known.
    """
    figure, panels = plot.new_figure(1 if oracle is None else 2, 12.0, 4.6)
    _qualities(panels[0], rows, budgets, [side for side in shown(rows, base) if answered.get(side)], answered)
    panels[0].set_xlabel(plot_text(f"budget, {unit}"))
    panels[0].set_ylabel("quality, %")
    if oracle is not None:
        panels[0].plot(budgets, POINTS * oracle, ":", color=plot.INK, label="oracle", drawstyle="steps-post")
        _shares(panels[1], rows, answered, oracle)
    side_legend(figure, panels)
    return figure


def progress_figure(rows: Sequence[Row]) -> Figure:
    """The deciding figure against evaluations (labels included), and hypervolume against wall time.

    Rows are of one problem: all readings of one limit, and what the problem itself brings.
    """
    figure, (left, right) = plot.new_figure(2, 12.0, 4.6)
    metric = deciding(rows)
    labels = {"regret": "mean regret, points", "hypervolume": "hypervolume, points"}
    heights = _curves(left, rows, lambda row: float(row.counted), metric)
    left.set_xlabel("evaluations, labels included")
    left.set_ylabel(labels[metric])
    if metric == "regret":
        symlog(left, "y", heights)
    _curves(right, rows, lambda row: row.seconds, "hypervolume")
    right.set_xlabel("wall time without compilation, s")
    right.set_ylabel(labels["hypervolume"])
    side_legend(figure, [left])
    return figure


def has_bands(rows: Sequence[Row]) -> bool:
    """Whether the range of seeds is drawn around each curve."""
    return len(sides(rows)) <= BANDS


def _qualities(axes: Axes, rows: Sequence[Row], budgets: np.ndarray, drawn: Sequence[Side], answered: Answered) -> None:
    """Stairs of the mean over seeds, the best widest: where others meet it, it still shows at the edge."""
    styles = looks(rows)
    for number, side in enumerate(drawn):
        color, style, _ = styles[side[0]]
        quality = POINTS * np.stack([one for _, one in answered[side]]).mean(0)
        width = 2.6 - 1.4 * number / len(drawn)
        axes.plot(
            budgets, quality, style, color=color, linewidth=width, drawstyle="steps-post", label=_name(side)
        )  # fmt: skip


def _shares(axes: Axes, rows: Sequence[Row], answered: Answered, oracle: np.ndarray) -> None:
    """Performance profiles (Dolan and More, Mathematical Programming 2002) over budgets and seeds, in points lost."""
    styles, losses = looks(rows), {}
    for side in sides(rows):
        if answered.get(side):
            lost = POINTS * np.concatenate([oracle - one for _, one in answered[side]])
            losses[side] = np.sort(np.maximum(lost, 0.0))
    highest = max((float(lost[-1]) for lost in losses.values()), default=1.0)
    for side, lost in losses.items():
        color, style, marker = styles[side[0]]
        share = POINTS * np.arange(1, len(lost) + 1) / len(lost)
        # The last answer that loses so much stands for all that do; the line goes on to the edge.
        last = np.append(np.flatnonzero(np.diff(lost)), len(lost) - 1)
        axes.plot(
            [*lost[last], highest], [*share[last], POINTS], style, color=color, linewidth=1.3, label=_name(side),
            drawstyle="steps-post", marker=marker, markersize=5, markevery=0.2,
        )  # fmt: skip
    symlog(axes, "x", np.concatenate([np.zeros(1), *losses.values()]))
    axes.set_xlabel("points below the oracle, at most")
    axes.set_ylabel("answers, %")
    axes.set_ylim(0.0, 102.0)


def _curves(axes: Axes, rows: Sequence[Row], place: Callable[[Row], float], metric: str) -> np.ndarray:
    """Mean over seeds at each reading, perhaps with the range of seeds; a rival is a level. Returns all heights."""
    styles, places, heights = looks(rows), [], []
    for side in sides(rows):
        color, style, marker = styles[side[0]]
        held = _of(rows, side)
        if held[0].limit == NO_LIMIT:
            heights.append(np.array([np.mean([getattr(row, metric) for row in held])]))
            axes.axhline(float(heights[-1][0]), color=color, linestyle=style, linewidth=1.2, label=_name(side))
            continue
        x, y = _aligned(held, place), _aligned(held, lambda row: float(getattr(row, metric)))
        places.append(x.mean(0))
        heights.append(y.mean(0))
        axes.plot(
            places[-1], heights[-1], style, color=color, linewidth=1.3, marker=marker, markersize=5, label=_name(side),
            clip_on=False,
        )  # fmt: skip
        if len(y) > 1 and has_bands(rows):
            axes.fill_between(places[-1], y.min(0), y.max(0), color=color, alpha=0.12, linewidth=0)
    log_ticks(axes, np.concatenate([np.zeros(0), *places]))
    return np.concatenate(heights)


def _of(rows: Sequence[Row], side: Side) -> list[Row]:
    return [row for row in rows if (row.contender, row.decode) == side]


def _aligned(rows: Sequence[Row], value: Callable[[Row], float]) -> np.ndarray:
    """Values ``[seeds, readings]``; where seeds have different numbers of readings, the last ones of each."""
    by_seed: dict[int, list[float]] = {}
    for row in rows:
        by_seed.setdefault(row.seed, []).append(value(row))
    shortest = min(len(values) for values in by_seed.values())
    return np.array([values[-shortest:] for values in by_seed.values()])


def _is_rival(rows: Sequence[Row], contender: str) -> bool:
    return all(row.limit == NO_LIMIT for row in rows if row.contender == contender)


def _name(side: Side) -> str:
    return plot_text(side[0] if side[1] in ("archive", "reference") else f"{side[0]}, {side[1]}")
