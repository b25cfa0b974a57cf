"""What follows from the study of entangled weights (``benchmarks/entangled.py``)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from scipy import stats

from experiments.published.shared_weights import NO_SEED, Figures

SPARSE = 0.1
"""Nats, the entropy below which shares are called sparse."""


def figures(study: Mapping[str, Any]) -> Figures:
    """Figures of every way, of ``madds`` (the largest is chosen) and of ``random``, among networks trained alone.

    Columns are ``tau``, Kendall's of what a way says with the mean accuracy alone; ``lost``, points that the chosen
    network is behind the best, by that accuracy; ``within``, what the network that a way puts first among those of at
    most so many multiply-adds is behind the best of them, mean over the multiply-adds of all; ``entropy`` of the shares
    at the end, nats, mean over decisions; and ``steps``, updates until it was below ``SPARSE``, or all of them where it
    never was.
    """
    judged = [at for at, network in enumerate(study["networks"]) if network["alone"]]
    known = [study["networks"][at] for at in judged]
    texts = [network["architecture"] for network in known]
    truth = np.array([np.mean([run["accuracy"] for run in network["alone"].values()]) for network in known])
    lost = dict(zip(texts, 100 * (truth.max() - truth), strict=True))
    madds = np.array([network["madds"] for network in known])
    affordable = madds <= madds[:, None]
    behind = 100 * (np.where(affordable, truth, -np.inf).max(1)[:, None] - truth)

    def within(scores: np.ndarray) -> float:
        first = np.where(affordable, scores, -np.inf).argmax(1)
        return float(behind[np.arange(len(first)), first].mean())

    any_of = float(np.mean([row[fits].mean() for row, fits in zip(behind, affordable, strict=True)]))
    out: dict[str, dict[str, dict[int, float]]] = {
        "madds": {
            "tau": {NO_SEED: _tau(madds, truth)}, "lost": {NO_SEED: lost[texts[int(madds.argmax())]]},
            "within": {NO_SEED: within(madds)},
        },
        "random": {"lost": {NO_SEED: float(np.mean(list(lost.values())))}, "within": {NO_SEED: any_of}},
    }  # fmt: skip
    for run in study["shared"]:
        scores = np.asarray(run["scores"])[judged]
        own = {"tau": _tau(scores, truth), "lost": lost[run["chosen"]], "within": within(scores)}
        if "entropies" in run:
            own |= {"entropy": run["entropies"][-1], "steps": float(_sparse(run["entropies"], study["every"]))}
        for column, value in own.items():
            out.setdefault(run["way"], {}).setdefault(column, {})[run["seed"]] = float(value)
    return out


def _tau(scores: Any, truth: np.ndarray) -> float:
    return float(stats.kendalltau(np.asarray(scores, np.float64), truth).statistic)


def _sparse(entropies: list[float], every: int) -> int:
    """Updates until shares were sparse for the first time."""
    low = np.flatnonzero(np.asarray(entropies) < SPARSE)
    return every * (1 + int(low[0]) if len(low) else len(entropies))
