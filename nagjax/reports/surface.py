"""The part of a report on two budgets at once: a heat map of quality over both, and its figures as CSV."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from nagjax import csv_cells, durable
from nagjax.inference.answering import SOURCES
from nagjax.problems.problem import Description
from nagjax.reports.escapes import html, plot_text
from nagjax.reports.front import POINTS, log_spaced
from nagjax.reports.plot import INK, new_figure, plain_ticks

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from nagjax.inference.generator import Generator
    from nagjax.inference.surface import Surface

SIDE = 24
"""Budgets of each of the two columns."""


def take(generator: Generator) -> Surface | None:
    """What ``best`` answers over the ranges of the first two cost columns; None where there is one column alone."""
    if len(generator.description.costs) == 1:
        return None
    columns = zip(generator.description.costs[:2], generator.description.ranges[:2].tolist(), strict=True)
    return generator.surface({info.name: log_spaced(low, high, SIDE) for info, (low, high) in columns})


def figure(found: Surface, description: Description, quality_label: str) -> Figure:
    """Quality over both budgets; white where nothing within both is known."""
    drawn, (axes,) = new_figure(1, 7.4, 4.8)
    (first, across), (second, up) = found.axes.items()
    units = {info.name: info.unit for info in description.costs}
    # As an image, which the page does not invert on dark paper: bright stays high.
    image = axes.pcolormesh(across, up, POINTS * found.quality.T, shading="nearest", cmap="viridis", rasterized=True)
    axes.grid(visible=False)
    for name, values, scale, axis, label in (
        (first, across, axes.set_xscale, axes.xaxis, axes.set_xlabel),
        (second, up, axes.set_yscale, axes.yaxis, axes.set_ylabel),
    ):
        if values[0] > 0:
            scale("log")
            plain_ticks(axis)
        label(plot_text(f"budget of {name}, {units[name]}"))
    bar = drawn.colorbar(image, ax=axes)
    if bar.solids is not None:
        bar.solids.set_rasterized(True)
    bar.set_label(plot_text(quality_label))
    bar.ax.tick_params(colors=INK, labelsize=9)
    return drawn


def section(svg: str, found: Surface) -> str:
    """The part of the page."""
    first, second = found.axes
    note = (
        f"Colour: the best answer within a budget of {first} and one of {second} at once. Blank: nothing within both "
        "is known. Figures are in surface.csv."
    )
    return f"<h2>Two budgets at once</h2><figure>{svg}<figcaption>{html(note)}</figcaption></figure>"


def write_csv(path: Path, found: Surface, description: Description) -> None:
    """Write the answers within their budgets: budgets, costs, quality (a fraction), architecture, what found it."""
    budgets = np.stack([corner.ravel() for corner in np.meshgrid(*found.axes.values(), indexing="ij")], -1)
    names = [info.name for info in description.costs]
    rows = [[*(f"budget_{name}" for name in found.axes), *names, "predicted_quality", "architecture", "source"]]
    answers = found.answers
    for i in np.flatnonzero(answers.guaranteed).tolist():
        figures = [*budgets[answers.index[i]].tolist(), *answers.costs[i].tolist(), float(answers.quality[i])]
        text = description.space.format(answers.tokens[i])
        rows.append([*(repr(value) for value in figures), text, SOURCES[answers.source[i]]])
    durable.replace(path, csv_cells.text(rows))
