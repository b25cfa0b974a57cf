"""How the figures of a comparison look: a colour and a marker for each contender, a legend beside the panels, axes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from experiments.comparison.rows import NO_LIMIT, Row
from nagjax.reports import plot

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COLORS = (
    "#0b6e99", "#d9822b", "#3a8f5c", "#b5456a", "#6a5acd", "#8a6d3b", "#17a2b8", "#c0392b", "#7f8c2a", "#34495e",
)  # fmt: skip
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "<", ">")
DASHES = ("-", "--", ":", "-.")
BANDS = 6
"""With more contenders than this, bands would cover each other."""
DECADES = 2.5
"""A logarithmic axis longer than this has ticks at powers of ten alone."""

Look = tuple[str, str, str]
"""Colour, line and marker."""


def looks(rows: Sequence[Row]) -> Mapping[str, Look]:
    """The look of each contender, by the order of the rows, so that it is the same in all figures of a comparison.

    After ten colours the line changes; nine markers go round at another pace. What the problem brings is grey.
    """
    ours = dict.fromkeys(row.contender for row in rows if row.limit != NO_LIMIT)
    rivals = dict.fromkeys(row.contender for row in rows if row.contender not in ours)
    return {
        **{name: (COLORS[i % len(COLORS)], DASHES[i // len(COLORS) % len(DASHES)], MARKERS[i % len(MARKERS)])
           for i, name in enumerate(ours)},
        **{name: (plot.REFERENCE, DASHES[1 + i % (len(DASHES) - 1)], "") for i, name in enumerate(rivals)},
    }  # fmt: skip


def side_legend(figure: Figure, panels: Sequence[Axes]) -> None:
    """One legend for all panels to their right, in the order in which lines were drawn; the fullest panel leads."""
    found: dict[str, Any] = {}
    for axes in sorted(panels, key=lambda one: -len(one.get_lines())):
        handles, names = axes.get_legend_handles_labels()
        for name, handle in zip(names, handles, strict=True):
            found.setdefault(name, handle)
    figure.legend(found.values(), found.keys(), loc="outside right upper", frameon=False, fontsize=9)


def symlog(axes: Axes, which: Literal["x", "y"], values: np.ndarray) -> None:
    """A logarithmic axis of values of 0 and more that ends in 0; linear below the decade of the least that is above."""
    from matplotlib.ticker import FuncFormatter

    axis = axes.xaxis if which == "x" else axes.yaxis
    (axes.set_xscale if which == "x" else axes.set_yscale)("symlog", linthresh=floor(values))
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    if which == "x":
        axes.set_xlim(left=0.0)
    else:
        axes.set_ylim(bottom=0.0)


def floor(values: np.ndarray) -> float:
    """The power of ten at or below the least value above 0, from 0.001 to 1; 1 where there is none.

    >>> floor(np.array([0.0, 0.04, 7.0])), floor(np.array([0.0])), floor(np.array([1e-9]))
    (0.01, 1.0, 0.001)
    """
    positive = values[values > 0]
    least = float(positive.min()) if len(positive) else 1.0
    return float(10.0 ** np.clip(np.floor(np.log10(least)), -3, 0))


def log_ticks(axes: Axes, places: np.ndarray) -> None:
    """A logarithmic x axis with plain numbers, where all places are above 0."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    if not len(places) or not (places > 0).all():
        return
    axes.set_xscale("log")
    long = np.log10(places.max() / places.min()) > DECADES
    axes.xaxis.set_major_locator(LogLocator(subs=(1.0,) if long else (1.0, 2.0, 5.0)))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.10g}"))
    axes.xaxis.set_minor_formatter(NullFormatter())
