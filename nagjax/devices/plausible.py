"""Which measured values are not measurements: fillers such as 1e9 or 99999 for "not supported".

The values of a device spread over some powers of ten without a hole. A filler stands apart: above a gap.
"""

from __future__ import annotations

import re

import numpy as np

GAP = 1000.0
"""A value more than this many times the largest of the rest is not a measurement."""

FILLER_GAP = 50.0
"""The same for values that people write as fillers: a power of ten, or three nines and more."""

_FILLER = re.compile(r"1|9{3,}")


def implausible(values: np.ndarray, gap: float = GAP) -> np.ndarray:
    """Fillers among values ``[N]`` of one kind and unit, in any order: bool ``[N]``.

    Of the values above 0 in ascending order, all above the first gap are fillers. A gap is a step by a factor of more
    than ``gap``; or of more than ``FILLER_GAP`` to a value whose digits are a filler's (1000, 99999, also after a
    change of unit: 99.999). At least half of the values lie below it; fewer, if what lies above is three times or more
    one filler (a device that does not support most operators). Infinity is a filler; NaN, 0 and below are not judged.
    Operators of one device need the default ``gap``, whole networks differ less.

    >>> implausible(np.array([5.2, 1e9, 3.1, 4.0])).tolist()
    [False, True, False, False]
    >>> bool(implausible(np.array([0.01, 0.3, 5.0, 80.0])).any())
    False
    """
    values = np.asarray(values, np.float64)
    least = _least_filler(np.sort(values[np.isfinite(values) & (values > 0)]), gap)
    return np.asarray(values >= least)


def _least_filler(ascending: np.ndarray, gap: float) -> float:
    """The value above the first gap of values ``[N]`` above 0; infinity where there is none."""
    with np.errstate(over="ignore"):
        steps = ascending[1:] / ascending[:-1]
    for below in np.flatnonzero(steps > FILLER_GAP) + 1:
        above = ascending[below:]
        looks = _FILLER.fullmatch(_digits(above[0])) is not None
        repeated = looks and len(above) >= 3 and above[0] == above[-1]
        if (steps[below - 1] > gap or looks) and (2 * below >= len(ascending) or repeated):
            return float(above[0])
    return float("inf")


def _digits(value: float) -> str:
    """Digits of a value above 0 without point, exponent and zeros at the ends.

    >>> _digits(99.999), _digits(1e9), _digits(0.00250)
    ('99999', '1', '25')
    """
    return f"{value:.11e}".partition("e")[0].replace(".", "").rstrip("0")
