"""Figures of a comparison: quality against budget, regret against evaluations, hypervolume against wall time."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from experiments import plot
from experiments.compare_metrics import POINTS
from experiments.compare_rows import NO_LIMIT, Row
from experiments.compare_table import Side, deciding, primary

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COLORS = (
    "#0b6e99", "#d9822b", "#3a8f5c", "#b5456a", "#6a5acd", "#8a6d3b", "#17a2b8", "#c0392b", "#7f8c2a", "#34495e",
)  # fmt: skip
DASHES = ("-", "--", ":", "-.")
Answered = Mapping[Side, Sequence[tuple[np.ndarray, np.ndarray]]]
"""Cost and quality ``[B]`` of the answers that runs ended with, one a seed."""

FLOOR = 1e-3
"""Regret in points below which the axis is linear: zero is a regret."""


def sides(rows: Sequence[Row]) -> list[Side]:
    """One side of each contender, in the order of the rows; those of the problem itself last."""
    ordered = sorted(dict.fromkeys(row.contender for row in rows), key=lambda name: _is_rival(rows, name))
    found = [primary(rows, contender) for contender in ordered]
    return [side for side in found if side is not None]


def quality_figure(
    rows: Sequence[Row], budgets: np.ndarray, answered: Answered, unit: str, oracle: np.ndarray | None
) -> Figure:
    """Mean quality over seeds of the answer to each budget, the range of seeds, and the oracle ``[B]`` if known."""
    figure, (axes,) = plot.new_figure(1, 8.4, 4.6)
    if oracle is not None:
        axes.plot(budgets, POINTS * oracle, ":", color=plot.INK, linewidth=1.2, label="oracle", drawstyle="steps-post")
    for number, side in enumerate(sides(rows)):
        runs = answered.get(side, ())
        if not runs:
            continue
        quality = POINTS * np.stack([one for _, one in runs])
        color, style = _look(rows, side, number)
        axes.plot(
            budgets, quality.mean(0), style, color=color, linewidth=1.4, label=_name(side), drawstyle="steps-post"
        )
        if len(runs) > 1:
            low, high = quality.min(0), quality.max(0)
            axes.fill_between(budgets, low, high, color=color, alpha=0.12, linewidth=0, step="post")
    axes.set_xlabel(f"budget, {unit}")
    axes.set_ylabel("quality, %")
    axes.legend(frameon=False, loc="lower right", fontsize=8)
    return figure


def progress_figure(rows: Sequence[Row]) -> Figure:
    """The deciding figure against evaluations (labels included), and hypervolume against wall time.

    Args:
      rows: of one problem; all readings of one limit, and what the problem itself brings.
    """
    figure, (left, right) = plot.new_figure(2, 11.0, 4.2)
    metric = deciding(rows)
    labels = {"regret": "mean regret, points", "hypervolume": "hypervolume, points"}
    _curves(left, rows, lambda row: float(row.counted), metric)
    left.set_xlabel("evaluations, labels included")
    left.set_ylabel(labels[metric])
    if metric == "regret":
        left.set_yscale("symlog", linthresh=FLOOR)
        left.set_ylim(bottom=0.0)
    _curves(right, rows, lambda row: row.seconds, "hypervolume")
    right.set_xlabel("wall time without compilation, s")
    right.set_ylabel(labels["hypervolume"])
    left.legend(frameon=False, fontsize=8)
    return figure


def _curves(axes: Axes, rows: Sequence[Row], place: Callable[[Row], float], metric: str) -> None:
    """Mean over seeds at each reading; the band is the range of seeds. A rival is a level."""
    positive = True
    for number, side in enumerate(sides(rows)):
        color, style = _look(rows, side, number)
        held = [row for row in rows if (row.contender, row.decode) == side]
        if held[0].limit == NO_LIMIT:
            level = float(np.mean([getattr(row, metric) for row in held]))
            axes.axhline(level, color=color, linestyle="--", linewidth=1.2, label=_name(side))
            continue
        x, y = _aligned(held, place), _aligned(held, lambda row: float(getattr(row, metric)))
        positive &= bool((x > 0).all())
        axes.plot(x.mean(0), y.mean(0), style, color=color, linewidth=1.4, marker="o", markersize=3, label=_name(side))
        if len(y) > 1:
            axes.fill_between(x.mean(0), y.min(0), y.max(0), color=color, alpha=0.12, linewidth=0)
    if positive:
        axes.set_xscale("log")


def _aligned(rows: Sequence[Row], value: Callable[[Row], float]) -> np.ndarray:
    """Values ``[seeds, readings]``; where seeds have different numbers of readings, the last ones of each."""
    by_seed: dict[int, list[float]] = {}
    for row in rows:
        by_seed.setdefault(row.seed, []).append(value(row))
    shortest = min(len(values) for values in by_seed.values())
    return np.array([values[-shortest:] for values in by_seed.values()])


def _look(rows: Sequence[Row], side: Side, number: int) -> tuple[str, str]:
    """Colour and line; after ten colours the line changes. What the problem brings is grey and dashed."""
    if _is_rival(rows, side[0]):
        return plot.REFERENCE, "--"
    return COLORS[number % len(COLORS)], DASHES[number // len(COLORS) % len(DASHES)]


def _is_rival(rows: Sequence[Row], contender: str) -> bool:
    return all(row.limit == NO_LIMIT for row in rows if row.contender == contender)


def _name(side: Side) -> str:
    return side[0] if side[1] in ("archive", "reference") else f"{side[0]}, {side[1]}"
