"""The correction of the sum of a table's rows by measured networks, and how far it can be trusted.

A profile judges the correction on whole networks that it was not fitted to. They stand in the table as plain pairs of
sum and measurement, and every figure that is reported is computed from them.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from nagjax.devices.correction import Correction, is_number

if TYPE_CHECKING:
    from nagjax.devices.table import DeviceTable

LEAST_SPEARMAN = 0.9
"""Below it the sum puts too many networks in the wrong order to choose between them."""

LARGEST_ERROR = 0.15
"""Median relative error, after correction, above which costs are not latencies to plan with."""
FAR = 100
"""Times that whole networks take the sum of their operators, or the reverse, from which a unit is doubted."""


@dataclasses.dataclass(frozen=True)
class MeasuredNetwork:
    """A whole network that the correction was not fitted to.

    Attributes:
      architecture: its text.
      raw: sum of its rows, ms, above 0.
      measured: its latency, ms, above 0.

    Raises:
      ValueError: if a field is not what it must be.
    """

    architecture: str
    raw: float
    measured: float

    def __post_init__(self) -> None:
        if not isinstance(self.architecture, str) or not self.architecture.strip():
            raise ValueError(f"validation: architecture is {self.architecture!r}; it must be the text of one")
        for name in ("raw", "measured"):
            value = getattr(self, name)
            if not is_number(value) or value <= 0:
                raise ValueError(
                    f"validation: {name} of {self.architecture} is {value!r}; it must be a finite time above 0"
                )


@dataclasses.dataclass(frozen=True)
class Verdict:
    """How well sums predict measured networks.

    Attributes:
      networks: how many.
      spearman: rank correlation of sum and measurement (the correction does not change it).
      median_relative_error: median of ``|predicted - measured| / measured`` after correction.
      bias: median of ``(predicted - measured) / measured`` after correction.
      raw_error, raw_bias: the same two of the raw sum.
    """

    networks: int
    spearman: float
    median_relative_error: float
    bias: float
    raw_error: float
    raw_bias: float

    def __str__(self) -> str:
        return (
            f"Spearman {self.spearman:.3f}, median error {100 * self.median_relative_error:.1f} %, "
            f"bias {100 * self.bias:+.1f} % (raw sum: {100 * self.raw_error:.1f} %, {100 * self.raw_bias:+.1f} %) "
            f"on {self.networks} networks"
        )


def judge(correction: Correction | None, networks: Sequence[MeasuredNetwork]) -> Verdict:
    """Judge a correction (None: the raw sum) on networks that it was not fitted to.

    >>> judge(Correction(2.0), [MeasuredNetwork("a", 1.0, 2.0), MeasuredNetwork("b", 2.0, 8.0)]).bias
    -0.25

    Raises:
      ValueError: if there are fewer than 2 networks.
    """
    if len(networks) < 2:
        raise ValueError(f"{len(networks)} networks cannot judge a table; measure at least 2")
    raw, measured = _columns(networks)
    corrected = (correction or Correction()).apply(raw)
    before, after = raw / measured - 1, corrected / measured - 1
    return Verdict(
        len(networks),
        spearman(raw, measured),
        float(np.median(np.abs(after))),
        float(np.median(after)),
        float(np.median(np.abs(before))),
        float(np.median(before)),
    )


def spearman(a: np.ndarray, b: np.ndarray) -> float:
    """Spearman's rank correlation of ``[N]`` and ``[N]``, ties at their mean rank; 0 where one does not vary.

    >>> spearman(np.array([1.0, 2.0, 3.0]), np.array([1.0, 3.0, 2.0]))
    0.5
    """
    x, y = (_ranks(values) - (len(values) + 1) / 2 for values in (a, b))
    norm = math.sqrt(float(x @ x) * float(y @ y))
    return float(x @ y) / norm if norm else 0.0


def fit_correction(networks: Sequence[MeasuredNetwork], space: str) -> Correction:
    """The scale above 0 and offset of 0 or above with the least mean relative error on ``networks``.

    Least absolute deviations, as a linear program: a network that was disturbed does not bend it.

    Raises:
      ValueError: if there are fewer than 2 networks, or their latencies do not rise with the sum at all.
    """
    from scipy.optimize import linprog

    if len(networks) < 2:
        raise ValueError(f"{len(networks)} networks fit no correction; measure at least 2 (--validate_fit)")
    raw, measured = np.array([n.raw for n in networks]), np.array([n.measured for n in networks])
    # |scale * raw + offset - measured| / measured <= error, the sum of errors least.
    left = np.stack([raw / measured, 1 / measured], 1)
    eye = np.eye(len(networks))
    found = linprog(
        np.r_[0.0, 0.0, np.ones(len(networks))],
        A_ub=np.block([[left, -eye], [-left, -eye]]),
        b_ub=np.r_[np.ones(len(networks)), -np.ones(len(networks))],
        method="highs",
    )
    scale, offset = float(found.x[0]), max(0.0, float(found.x[1]))
    if scale <= 1e-9:
        raise ValueError(
            f"the latencies of {len(networks)} networks do not rise with the sum of their operators: it says nothing "
            "about them here; measure on a quieter machine, with more --rounds or a larger --batch"
        )
    return Correction(scale, offset, len(networks), space)


def headroom(correction: Correction | None, networks: Sequence[MeasuredNetwork], quantile: float) -> float:
    """Factor on corrected costs that a share ``quantile`` of networks does not exceed; never below 1.

    It is the k-th smallest ``measured / predicted`` of the N networks, ``k = ceil((N + 1) * quantile)``: split
    conformal prediction (Lei et al., arXiv 1604.04173). A further network, drawn as these were, then takes no longer
    than its price with a chance of at least ``quantile``.

    Raises:
      ValueError: if the quantile is not between 0 and 1, or N is too small for it.
    """
    if not 0 < quantile < 1:
        raise ValueError(f"cost quantile {quantile} is not between 0 and 1; 0.9 leaves headroom for 9 networks of 10")
    rank = math.ceil((len(networks) + 1) * quantile - 1e-9)
    if rank > len(networks):
        needed = math.ceil(quantile / (1 - quantile) - 1e-9)
        raise ValueError(
            f"cost quantile {quantile:g} needs {needed} measured networks, the table has {len(networks)}: "
            f"measure them (experiments.profile_device --validate={needed}), or ask for a smaller quantile"
        )
    raw, measured = _columns(networks)
    ratios = np.sort(measured / (correction or Correction()).apply(raw))
    return max(1.0, float(ratios[rank - 1]))


def doubts(table: DeviceTable, space: str | None = None) -> tuple[str, ...]:
    """Why the table's sums should not be trusted for a space, as sentences; empty where there is no reason."""
    if len(table.validation) < 2:
        return ("the table was never compared with whole networks: how far its sums are latencies is not known",)
    verdict = judge(table.correction, table.validation)
    out = []
    if verdict.spearman < LEAST_SPEARMAN:
        out.append(
            f"the sum is not to be trusted: its rank correlation with measured networks is {verdict.spearman:.2f}, "
            f"below {LEAST_SPEARMAN:g}"
        )
    if verdict.median_relative_error > LARGEST_ERROR:
        out.append(
            f"the sum is not to be trusted: its median error on measured networks is "
            f"{100 * verdict.median_relative_error:.0f} %, above {100 * LARGEST_ERROR:g} %"
        )
    raw, measured = _columns(table.validation)
    share = float(np.median(measured / raw))
    if not 1 / FAR < share < FAR:
        out.append(f"whole networks take {share:.3g} times the sum of their operators: is one of them in another unit?")
    known = table.correction.space if table.correction else "unknown"
    if space is not None and known not in (space, "unknown"):
        out.append(f"the table was compared with networks of {known}, not of {space}")
    return tuple(out)


def _columns(networks: Sequence[MeasuredNetwork]) -> tuple[np.ndarray, np.ndarray]:
    return np.array([n.raw for n in networks], np.float64), np.array([n.measured for n in networks], np.float64)


def _ranks(values: np.ndarray) -> np.ndarray:
    _, index, counts = np.unique(values, return_inverse=True, return_counts=True)
    return (np.cumsum(counts) - (counts - 1) / 2)[index]
