"""The figures of a ranking study, as JSON, a scatter plot and a few lines of text."""

from __future__ import annotations

import dataclasses
import datetime as dt
import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from nagjax import durable
from nagjax.reports import plot
from nagjax.supernet import ranking

RESULT, PLOT = "ranking.json", "ranking.png"
NAMES = {
    "supernet": "supernet {quality}",
    "supernet_loss": "supernet loss",
    "madds": "multiply-adds",
    "params": "parameters",
}
"""What each column is called; ``quality`` as the task calls it."""


def alone_table(runs: Sequence[Mapping[str, Any]], texts: Sequence[str]) -> np.ndarray:
    """Test quality ``[N, seeds]`` of networks trained alone; ``accuracy`` in the runs, whatever the task calls it.

    Raises:
      ValueError: if a network lacks a seed that another has.
    """
    seeds = sorted({run["seed"] for run in runs})
    found = {(run["architecture"], run["seed"]): run["accuracy"] for run in runs}
    missing = [(text, seed) for text in texts for seed in seeds if (text, seed) not in found]
    if missing or not seeds:
        what = f"{missing[0][0]} under seed {missing[0][1]}" if missing else "all networks"
        raise ValueError(f"not trained alone yet: {what}; run without --supernet first, with all --seeds")
    return np.array([[found[text, seed] for seed in seeds] for text in texts])


def figures(
    texts: Sequence[str], alone: np.ndarray, columns: Mapping[str, np.ndarray], test: np.ndarray, bins: int
) -> dict[str, Any]:
    """Tau of every column with the networks' mean quality, in all and among equal multiply-adds.

    The first network is the smallest, the second the largest. ``alone`` is quality ``[N, seeds]`` of networks trained
    alone, ``columns`` what may rank them, each ``[N]``, higher being better, ``madds`` among them, ``test`` quality
    ``[N]`` of the supernet on the examples that the networks are compared on. Within one of ``bins`` parts of the range
    of multiply-adds networks count as equals.
    """
    mean, madds = alone.mean(1), columns["madds"]
    group = np.minimum((bins * (madds - madds.min()) / np.ptp(madds)).astype(int), bins - 1)
    taus: dict[str, Any] = {}
    for name, column in columns.items():
        tau, pairs = ranking.within(column, mean, group)
        single = [ranking.kendall(column, alone[:, seed]).value for seed in range(alone.shape[1])]
        whole = dataclasses.asdict(ranking.kendall(column, mean))
        taus[name] = {**whole, "against_one_seed": float(np.mean(single)), "within_bins": tau, "pairs_within": pairs}
    networks = [
        {"architecture": text, "alone": alone[at].tolist(), "supernet_test": float(test[at]),
         **{name: float(column[at]) for name, column in columns.items()}}
        for at, text in enumerate(texts)
    ]  # fmt: skip
    gaps = 100 * (mean - test)
    return {
        "date": dt.datetime.now(dt.UTC).date().isoformat(),
        "tau": taus,
        "ceiling": ranking.ceiling(alone),
        "smallest_gap_points": float(gaps[0]),
        "largest_gap_points": float(gaps[1]),
        "networks": networks,
    }


def lines(result: Mapping[str, Any]) -> list[str]:
    """The figures for a person."""
    count, (quality, examples) = len(result["networks"]), _words(result)
    out = [
        f"{count} networks trained alone; tau between two of their seeds (the ceiling): {_figure(result['ceiling'])}"
    ]
    out += spread_lines(np.array([network["alone"] for network in result["networks"]]))
    for name, tau in result["tau"].items():
        shown, title = {key: _figure(value) for key, value in tau.items()}, NAMES[name].format(quality=quality)
        out.append(
            f"{title}: tau {shown['value']} (95 %: {shown['low']} to {shown['high']}), against one seed "
            f"{shown['against_one_seed']}, among equal multiply-adds {shown['within_bins']}"
        )
    share = result["tau"]["supernet"]["value"] / result["ceiling"]
    out.append(f"the supernet's tau is {_figure(share, 2)} of the ceiling")
    out.append(
        f"trained alone minus with the supernet's weights, test {examples}: smallest "
        f"{result['smallest_gap_points']:+.2f} points, largest {result['largest_gap_points']:+.2f}"
    )
    return out


def spread_lines(alone: np.ndarray) -> list[str]:
    """How far networks lie apart beside how far their seeds do, of quality ``[N, seeds]``; nothing for one seed.

    >>> spread_lines(np.array([[0.50, 0.52], [0.60, 0.62]]))
    ['networks lie 7.00 points apart, seeds of one 1.41: 4.9 times, by which a ceiling of 0.82 is to be expected']
    """
    if alone.shape[1] < 2:
        return []
    networks, seeds = ranking.spread(100 * alone)
    if not seeds:
        return []
    expected = ranking.expected_ceiling(networks / seeds)
    apart = f"networks lie {networks:.2f} points apart, seeds of one {seeds:.2f}: {networks / seeds:.1f} times"
    return [f"{apart}, by which a ceiling of {expected:.2f} is to be expected"]


def _words(result: Mapping[str, Any]) -> tuple[str, str]:
    """What the task calls quality and examples; results that do not say are of images."""
    return result.get("quality_name", "accuracy"), result.get("examples_name", "images")


def _figure(tau: float, digits: int = 3) -> str:
    """A rank correlation; where one side does not vary there is none.

    >>> _figure(0.5), _figure(float("nan"))
    ('0.500', 'undefined')
    """
    return "undefined" if math.isnan(tau) else f"{tau:.{digits}f}"


def write(folder: Path, result: Mapping[str, Any]) -> None:
    """Write the figures and the plot into a folder."""
    durable.replace(folder / RESULT, json.dumps(result, indent=1) + "\n")
    networks, (quality, examples) = result["networks"], _words(result)
    alone = np.array([network["alone"] for network in networks])
    share = "%" if quality == "accuracy" else f"{quality}, %"
    panels = {
        name: (np.array([network[column] for network in networks]) * scale, 100 * alone)
        for name, column, scale in (
            (f"supernet, {share} of validation {examples}", "supernet", 100.0),
            ("multiply-adds, M", "madds", 1e-6),
        )
    }
    plot.save_png(
        plot.scatter_figure(panels, f"trained alone, {share} of test {examples} (each seed, mean)"), folder / PLOT
    )
