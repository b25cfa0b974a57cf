"""What follows from the study of strategies (``benchmarks/strategies.py``): how each ranks networks trained alone."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from scipy import stats

from nagjax.supernet import ranking

LABEL, ANGLE, SCORE = "", " angle", " score"
"""What is ranked by, after the name of a way: accuracy with its weights, the angle, logits of choices."""

Figures = Mapping[str, Mapping[str, list[float]]]
"""By what is ranked by and column: a figure a seed."""


def figures(study: Mapping[str, Any]) -> Figures:
    """Figures of every way.

    Columns are ``tau``, Kendall's with the mean accuracy alone; ``within``, tau among networks of like multiply-adds;
    ``lost``, points that the first by the score is behind the best; ``test`` and ``largest``, accuracy with shared
    weights in percent, the mean of the networks and that of the largest; and ``entropy``, nats.
    """
    truth = alone(study).mean(1)
    group = bands(study)
    out: dict[str, dict[str, list[float]]] = {}

    def rank(name: str, score: Any) -> None:
        scores = np.asarray(score, np.float64)
        own = out.setdefault(name, {})
        own.setdefault("tau", []).append(float(stats.kendalltau(scores, truth).statistic))
        own.setdefault("within", []).append(ranking.within(scores, truth, group)[0])
        own.setdefault("lost", []).append(100 * float(truth.max() - truth[scores == scores.max()].mean()))

    for name in ("madds", "params"):
        rank(name, [network[name] for network in study["networks"]])
    for run in sorted(study["shared"], key=lambda run: run["seed"]):
        for kind, column in ((LABEL, "label"), (ANGLE, "angle"), (SCORE, "score")):
            if column in run:
                rank(run["way"] + kind, run[column])
        if "test" in run:
            own = out[run["way"]]
            own.setdefault("test", []).append(100 * float(np.mean(run["test"])))
            own.setdefault("largest", []).append(100 * run["test"][1])
        if "entropy" in run:
            out[run["way"]].setdefault("entropy", []).append(run["entropy"])
    return out


def alone(study: Mapping[str, Any]) -> np.ndarray:
    """Test accuracy ``[N, seeds]`` of networks trained alone."""
    return np.array([[run["accuracy"] for run in network["alone"].values()] for network in study["networks"]])


def bands(study: Mapping[str, Any]) -> np.ndarray:
    """Equal part of the range of multiply-adds that each network lies in, int ``[N]``."""
    madds = np.array([network["madds"] for network in study["networks"]])
    return np.minimum((study["bins"] * (madds - madds.min()) / np.ptp(madds)).astype(int), study["bins"] - 1)


def difference(found: Figures, one: str, other: str, column: str) -> list[float]:
    """What ``one`` has more than ``other``, seed by seed; what has no seeds stands beside each."""
    first, second = found[one][column], found[other][column]
    return [a - b for a, b in zip(first, second if len(second) > 1 else second * len(first), strict=True)]
