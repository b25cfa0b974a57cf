"""Figures of a report: quality against cost, and training curves; without pyplot and its global state."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from nagjax import durable
from nagjax.reports.escapes import plot_text
from nagjax.reports.front import POINTS, Point, Reference

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.axis import Axis
    from matplotlib.figure import Figure

BEST, GREEDY, REFERENCE, INK = "#0b6e99", "#d9822b", "#8a8f98", "#24292f"


def front_figure(
    best: Sequence[Point], greedy: Sequence[Point], reference: Reference | None, budget_label: str, quality_label: str
) -> Figure:
    """Quality against budget: what the generator answers, greedily and at best; the reference front at its costs."""
    figure, (axes,) = new_figure(1, 8.4, 4.8)
    if reference is not None:
        axes.plot(
            reference.cost,
            POINTS * reference.quality,
            ".",
            color=REFERENCE,
            markersize=5,
            label=plot_text(reference.name),
        )
    _steps(axes, greedy, GREEDY, "greedy (one pass of the policy)", 1.2)
    _steps(axes, best, BEST, "best (default)", 1.8)
    axes.set_xscale("log")
    plain_ticks(axes.xaxis)
    axes.set_xlabel(plot_text(budget_label))
    axes.set_ylabel(plot_text(quality_label))
    axes.legend(frameon=False, loc="lower right")
    return figure


def curves_figure(curves: Mapping[str, tuple[Sequence[float], Sequence[float]]], x_label: str) -> Figure:
    """Training curves side by side: for each name its x and y values."""
    figure, panels = new_figure(len(curves), 3.4 * max(len(curves), 1), 2.6)
    for axes, (name, (x, y)) in zip(panels, curves.items(), strict=True):
        axes.plot(x, y, color=BEST, linewidth=1.2)
        axes.set_title(plot_text(name), fontsize=10, loc="left")
        axes.set_xlabel(plot_text(x_label))
    return figure


def scatter_figure(panels: Mapping[str, tuple[np.ndarray, np.ndarray]], y_label: str) -> Figure:
    """Panels side by side: x ``[N]`` against several measurements y ``[N, seeds]`` of each, and their mean."""
    figure, axes = new_figure(len(panels), 4.4 * max(len(panels), 1), 4.2)
    for panel, (x_label, (x, y)) in zip(axes, panels.items(), strict=True):
        panel.vlines(x, y.min(1), y.max(1), color=REFERENCE, linewidth=1.0)
        panel.plot(x, y.mean(1), "o", color=BEST, markersize=5)
        panel.set_xlabel(plot_text(x_label))
    axes[0].set_ylabel(plot_text(y_label))
    return figure


def save_png(figure: Figure, path: Path) -> None:
    """Write a figure as PNG."""
    with durable.replacing(path) as file:
        figure.savefig(file, format="png", dpi=150)


def svg(figure: Figure) -> str:
    """A figure as SVG to stand inside an HTML page, whose paper shows through; text stays text."""
    from matplotlib import rc_context

    buffer = io.StringIO()
    # The salt makes ids, and so the whole file, equal from one run to the next.
    with rc_context({"svg.fonttype": "none", "svg.hashsalt": "nagjax"}):
        figure.savefig(buffer, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
    text = buffer.getvalue()
    return text[text.index("<svg") :]


def new_figure(count: int, width: float, height: float) -> tuple[Figure, list[Axes]]:
    """An empty figure of ``count`` panels side by side, width and height in inches, in the style of all of ours."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    row = figure.subplots(1, max(count, 1), squeeze=False)[0]
    for axes in row:
        axes.grid(visible=True, color="#e4e7eb", linewidth=0.7)
        axes.set_axisbelow(True)
        axes.tick_params(colors=INK, labelsize=9)
        for side, spine in axes.spines.items():
            spine.set_visible(side in ("left", "bottom"))
            spine.set_color("#b6bcc4")
    return figure, list(row)


def _steps(axes: Axes, points: Sequence[Point], color: str, label: str, width: float) -> None:
    """Quality of the answer to each budget: what one gets, not what an architecture costs."""
    if points:
        budgets, quality = [p.budget for p in points], [POINTS * p.quality for p in points]
        axes.plot(budgets, quality, color=color, linewidth=width, label=label, drawstyle="steps-post", alpha=0.95)


def plain_ticks(axis: Axis) -> None:
    """Ticks of a logarithmic axis as 10, 15, 20 rather than powers."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    axis.set_major_locator(LogLocator(subs=(1.0, 1.5, 2.0, 3.0, 4.0, 5.0, 7.0)))
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axis.set_minor_formatter(NullFormatter())
