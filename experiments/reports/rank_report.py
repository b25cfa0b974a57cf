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
"""What each column is called, ``quality`` as the task calls it; one of an evaluator has its own name."""


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
    texts: Sequence[str], alone: np.ndarray, columns: Mapping[str, np.ndarray], test: np.ndarray | None, bins: int
) -> dict[str, Any]:
    """Tau of every column with the networks' mean quality, in all and among equal multiply-adds.

    The first network is the smallest, the second the largest. ``alone`` is quality ``[N, seeds]`` of networks trained
    alone, ``columns`` what may rank them, each ``[N]``, higher being better, ``madds`` among them; networks that one
    does not tell (NaN) are left out there. ``test`` is quality ``[N]`` of the supernet on the examples that the
    networks are compared on; None without one. Within one of ``bins`` parts of the range of multiply-adds networks
    count as equals.

    Raises:
      ValueError: if a column tells fewer than 3 networks.
    """
    madds = columns["madds"]
    group = np.minimum((bins * (madds - madds.min()) / np.ptp(madds)).astype(int), bins - 1)
    taus = {name: _rated(name, column, alone, group) for name, column in columns.items()}
    shown, gaps = dict(columns), {}
    if test is not None:
        shown = {"supernet_test": test, **columns}
        small, large = (100 * (alone.mean(1) - test))[:2].tolist()
        gaps = {"smallest_gap_points": small, "largest_gap_points": large}
    networks = [
        {"architecture": text, "alone": alone[at].tolist(), **{name: _number(own[at]) for name, own in shown.items()}}
        for at, text in enumerate(texts)
    ]
    return {
        "date": dt.datetime.now(dt.UTC).date().isoformat(),
        "tau": taus,
        "ceiling": ranking.ceiling(alone),
        **gaps,
        "networks": networks,
    }


def _rated(name: str, column: np.ndarray, alone: np.ndarray, group: np.ndarray) -> dict[str, Any]:
    """Tau of a column ``[N]`` with quality ``[N, seeds]``, of the networks that it tells."""
    known = np.isfinite(column)
    if known.sum() < 3:
        raise ValueError(f"{name} tells {known.sum()} of {len(known)} networks, and ranks none; leave it out")
    column, alone = column[known], alone[known]
    tau, pairs = ranking.within(column, alone.mean(1), group[known])
    single = [ranking.kendall(column, seed).value for seed in alone.T]
    whole = dataclasses.asdict(ranking.kendall(column, alone.mean(1)))
    left_out = {} if known.all() else {"networks": int(known.sum())}
    return {**whole, "against_one_seed": float(np.mean(single)), "within_bins": tau, "pairs_within": pairs, **left_out}


def _number(value: float) -> float | None:
    """A value as JSON has it; None where there is none."""
    return None if np.isnan(value) else float(value)


def lines(result: Mapping[str, Any]) -> list[str]:
    """The figures for a person."""
    count, (quality, examples) = len(result["networks"]), _words(result)
    out = [
        f"{count} networks trained alone; tau between two of their seeds (the ceiling): {_figure(result['ceiling'])}"
    ]
    out += spread_lines(np.array([network["alone"] for network in result["networks"]]))
    for name, tau in result["tau"].items():
        few = f", of the {tau['networks']} networks that it tells" if "networks" in tau else ""
        shown = {key: _figure(value) for key, value in tau.items()}
        title = NAMES.get(name, name).format(quality=quality)
        out.append(
            f"{title}: tau {shown['value']} (95 %: {shown['low']} to {shown['high']}), against one seed "
            f"{shown['against_one_seed']}, among equal multiply-adds {shown['within_bins']}{few}"
        )
    if "smallest_gap_points" not in result:
        return out
    if result["ceiling"] > 0:  # of one seed, as it is between seeds; where these disagree there is none to be a part of
        share = result["tau"]["supernet"]["against_one_seed"] / result["ceiling"]
        out.append(f"the supernet's tau against one seed is {_figure(share, 2)} of the ceiling")
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
        if column in networks[0]
    }
    plot.save_png(
        plot.scatter_figure(panels, f"trained alone, {share} of test {examples} (each seed, mean)"), folder / PLOT
    )
