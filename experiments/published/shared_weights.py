"""What follows from the study of strategies (``benchmarks/strategies.py``): how each ranks networks trained alone."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from scipy import stats

from nagjax.supernet import ranking

LABEL, ANGLE = "", " angle"
"""What is ranked by, after the name of a way: accuracy with its weights, or the angle."""

NO_SEED = -1
"""Of what has none, such as multiply-adds."""

Figures = Mapping[str, Mapping[str, Mapping[int, float]]]
"""By what is ranked by, column and seed."""


def figures(study: Mapping[str, Any]) -> Figures:
    """Figures of every way.

    Columns are ``tau``, Kendall's with the mean accuracy alone; ``by_loss``, that of the loss on the same images in the
    place of accuracy; ``within`` and ``within_by_loss``, tau among networks of like multiply-adds;
    ``lost``, points that the first by the score is behind the best; ``test`` and ``largest``, accuracy with shared
    weights in percent, the mean of the networks and that of the largest; ``gained``, points by which that mean is above
    the mean of the same networks alone. Where a study has them, ``nats``, the mean loss on test examples, and
    ``divergence``, that of relations of attention.
    """
    truth, group = alone(study).mean(1), bands(study)
    out: dict[str, dict[str, dict[int, float]]] = {}

    def note(name: str, seed: int, **values: float) -> None:
        for column, value in values.items():
            out.setdefault(name, {}).setdefault(column, {})[seed] = float(value)

    def rank(name: str, seed: int, score: Any) -> None:
        scores = np.asarray(score, np.float64)
        tau, (within, _) = stats.kendalltau(scores, truth).statistic, ranking.within(scores, truth, group)
        note(name, seed, tau=tau, within=within, lost=100 * (truth.max() - truth[scores == scores.max()].mean()))

    for name in ("madds", "params"):
        rank(name, NO_SEED, [network[name] for network in study["networks"]])
    for run in study["shared"]:
        way, seed = run["way"], run["seed"]
        for kind, column in ((LABEL, "label"), (ANGLE, "angle")):
            if column in run:
                rank(way + kind, seed, run[column])
        if "label_loss" in run:
            right = -np.asarray(run["label_loss"])
            within, _ = ranking.within(right, truth, group)
            note(way, seed, by_loss=stats.kendalltau(right, truth).statistic, within_by_loss=within)
        note(way, seed, **_means(run, truth))
    return out


def _means(run: Mapping[str, Any], truth: np.ndarray) -> dict[str, float]:
    """What is the mean of a list with a figure a network, and what follows of that of accuracy; largest is the second.

    ``truth`` is the accuracy alone ``[N]``.
    """
    found = {"test": ("test", 100), "nats": ("test_loss", 1), "divergence": ("divergence", 1)}
    out = {column: factor * float(np.mean(run[key])) for column, (key, factor) in found.items() if key in run}
    if "test" in run:
        out |= {"largest": 100 * run["test"][1], "gained": out["test"] - 100 * float(truth.mean())}
    return out


def alone(study: Mapping[str, Any]) -> np.ndarray:
    """Test accuracy ``[N, seeds]`` of networks trained alone."""
    return np.array([[run["accuracy"] for run in network["alone"].values()] for network in study["networks"]])


def bands(study: Mapping[str, Any]) -> np.ndarray:
    """Equal part of the range of multiply-adds that each network lies in, int ``[N]``."""
    madds = np.array([network["madds"] for network in study["networks"]])
    return np.minimum((study["bins"] * (madds - madds.min()) / np.ptp(madds)).astype(int), study["bins"] - 1)


def difference(found: Figures, one: str, other: str, column: str) -> list[float]:
    """What ``one`` has more than ``other``, by the seeds that both have."""
    first, second = found[one][column], found[other][column]
    return [value - second[seed] for seed, value in first.items() if seed in second]
