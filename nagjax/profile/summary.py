"""From raw measurements to rows of a table, and which of them look wrong."""

from __future__ import annotations

import dataclasses
import itertools
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from nagjax.devices.table import Row
from nagjax.operators import Operator
from nagjax.profile.subjects import Subject

UNSTEADY = 0.1
"""Spread between rounds, as a share of the median, above which a row is reported."""

BREAK = 0.8
"""An operator that does more of the same work in less than this share of the time is reported."""

_GROWING = ("kernel", "mid_channels", "out_channels")
"""What makes an operator do more work while everything else stays as it is."""


@dataclasses.dataclass(frozen=True)
class Outlier:
    """An operator whose time should be looked at, and why; it stays in the table."""

    operator: str
    reason: str


def median_and_spread(seconds: Sequence[float]) -> tuple[float, float]:
    """Median, and 1.4826 times the median absolute deviation (a standard deviation, were they normal).

    >>> median_and_spread([1.0, 2.0, 3.0, 4.0, 100.0])
    (3.0, 1.4826)
    """
    middle = float(np.median(seconds))
    return middle, 1.4826 * float(np.median(np.abs(np.asarray(seconds) - middle)))


def rows(subjects: Sequence[Subject], seconds: Mapping[tuple[str, str], Sequence[float]]) -> dict[str, Row]:
    """A row for each operator by its key: median and spread over rounds, ms."""
    out = {}
    for subject in subjects:
        measured = seconds[subject.kind, subject.name]
        middle, spread = median_and_spread(measured)
        out[subject.name] = Row(1000 * middle, 1000 * spread, len(measured))
    return out


def outliers(subjects: Sequence[Subject], measured: Mapping[str, Row]) -> list[Outlier]:
    """Operators that were unsteady between rounds, and those that are faster than others that do less."""
    found = [
        Outlier(name, f"varies by {100 * row.std / row.mean:.0f} % between rounds")
        for name, row in measured.items()
        if row.std > UNSTEADY * row.mean
    ]
    operators = [subject.operators[0] for subject in subjects]
    for field in _GROWING:
        for less, more in _neighbours(operators, field):
            share = measured[more.key].mean / measured[less.key].mean
            if share < BREAK:
                found.append(Outlier(more.key, f"takes {share:.2f} of the time of {less.key}, which does less"))
    return found


def _neighbours(operators: Sequence[Operator], field: str) -> list[tuple[Operator, Operator]]:
    """Pairs of operators that differ only in ``field``, next to each other in it."""
    groups: dict[tuple[Any, ...], list[Operator]] = {}
    same = [one.name for one in dataclasses.fields(Operator) if one.name not in (field, "resolution")]
    for op in operators:
        if getattr(op, field):
            groups.setdefault(tuple(getattr(op, name) for name in same), []).append(op)
    ordered = (sorted(group, key=lambda op: getattr(op, field)) for group in groups.values())
    return [pair for group in ordered for pair in itertools.pairwise(group)]
