"""How scores rank labelled architectures: in all, and within bands of equal multiply-adds."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from nagjax.predictors.records.score_columns import read_columns
from nagjax.supernet import ranking

COUNTS = ("madds", "params")


def figures(path: Path, signs: Mapping[str, int], spent: Mapping[str, float | None], bands: int) -> dict[str, Any]:
    """Kendall's tau of every column of a file of scores with the quality.

    Signs are 1 or -1: whether more or less is better; ``spent`` is in milliseconds an architecture. Within one of
    ``bands`` equal parts of the range of multiply-adds networks count as equals.
    """
    _, quality, columns = read_columns(path, ["quality", *COUNTS, *signs])
    group = in_bands(columns["madds"], bands)
    out = {}
    for name in (*COUNTS, *signs):
        row = {**rated(signs.get(name, 1) * columns[name], quality, group), "ms_per_architecture": spent.get(name)}
        out[name] = row
    return {"architectures": len(quality), "bands": bands, "scores": out}


def in_bands(madds: np.ndarray, bands: int) -> np.ndarray:
    """Number int ``[N]`` of the equal part of the range that each lies in.

    >>> in_bands(np.array([1.0, 1.4, 2.0, 3.0]), 2).tolist()
    [0, 0, 1, 1]
    """
    width = np.ptp(madds) or 1.0
    return np.minimum((bands * (madds - madds.min()) / width).astype(int), bands - 1)


def rated(score: np.ndarray, quality: np.ndarray, group: np.ndarray) -> dict[str, Any]:
    """Tau of a score ``[N]``, its 95 % interval, and tau within groups; what has no score (NaN) is left out.

    ``chance`` is the standard deviation that tau within groups has where the score says nothing.
    """
    known = np.isfinite(score)
    names = ("tau", "low", "high", "tau_within_bands", "chance")
    if known.sum() < 3:
        return {**dict.fromkeys(names), "pairs_within": 0, "scored": int(known.sum())}
    whole = ranking.kendall(score[known], quality[known])
    near, pairs = ranking.within(score[known], quality[known], group[known])
    found = (whole.value, whole.low, whole.high, near, chance(group[known]))
    numbers = {name: None if value != value else value for name, value in zip(names, found, strict=True)}
    return {**numbers, "pairs_within": pairs, "scored": int(known.sum())}


def chance(group: np.ndarray) -> float:
    """Standard deviation of tau within groups ``[N]`` of an order that is drawn; without ties (Kendall 1938).

    >>> chance(np.array([0, 0])), round(chance(np.array([0, 0, 1, 1])), 3)
    (1.0, 0.707)
    """
    sizes = np.unique(group, return_counts=True)[1].astype(float)
    pairs = (sizes * (sizes - 1) / 2).sum()
    return float(np.sqrt((sizes * (sizes - 1) * (2 * sizes + 5) / 18).sum()) / pairs) if pairs else float("nan")


def lines(found: Mapping[str, Any]) -> list[str]:
    """The figures for a person."""
    out = []
    for name, row in found["scores"].items():
        spent = row["ms_per_architecture"]
        time = "" if spent is None else f", {spent:.0f} ms an architecture"
        out.append(f"{name}: tau {_shown(row['tau'])}, within bands {_shown(row['tau_within_bands'])}{time}")
    return out


def _shown(value: float | None) -> str:
    return "undefined" if value is None else f"{value:.3f}"
