"""Checks of the numbers that callers give: seeds, counts, and what must be finite."""

from __future__ import annotations

import math
import numbers
from typing import Any, TypeGuard

LARGEST_SEED = 2**32 - 1
"""What is above would be cut to its last 32 bits by the generators of random numbers, without a word."""

LARGEST_COUNT = 2**31 - 1
"""What arrays count with."""


def seed(value: object, name: str = "seed") -> int:
    """``value`` as a seed.

    >>> seed(7)
    7

    Raises:
      ValueError: unless it is an integer, 0 to 2^32 - 1.
    """
    value = _single(value)
    if not _is_integer(value) or not 0 <= value <= LARGEST_SEED:
        raise ValueError(f"{name}={value!r}: a seed is an integer, 0 to {LARGEST_SEED}")
    return int(value)


def count(value: object, name: str, least: int = 1) -> int:
    """``value`` as a number of things.

    >>> count(3, "steps")
    3

    Raises:
      ValueError: unless it is an integer from ``least`` to 2^31 - 1 (a float is none, even a whole one).
    """
    value = _single(value)
    if not _is_integer(value) or not least <= value <= LARGEST_COUNT:
        raise ValueError(f"{name}={value!r}: must be an integer, at least {least} and at most {LARGEST_COUNT}")
    return int(value)


def finite(value: object, name: str, least: float | None = None, above: float | None = None) -> float:
    """``value`` as a float.

    >>> finite(3, "pessimism", least=0)
    3.0

    Raises:
      ValueError: unless it is a finite number of at least ``least``, or above ``above``.
    """
    value = _single(value)
    if not isinstance(value, numbers.Real) or isinstance(value, bool) or not math.isfinite(value):
        raise ValueError(f"{name}={value!r}: must be a finite number")
    if least is not None and value < least:
        raise ValueError(f"{name}={value!r}: must be a finite number, at least {least:g}")
    if above is not None and value <= above:
        raise ValueError(f"{name}={value!r}: must be a finite number above {above:g}")
    return float(value)


def names(value: object, name: str) -> list[str]:
    """``value`` as a list of names.

    >>> names(("kernel", "width"), "decision_columns")
    ['kernel', 'width']

    Raises:
      ValueError: unless it is a list or tuple of texts (one text is not a list of its letters).
    """
    if not isinstance(value, list | tuple) or not all(isinstance(one, str) for one in value):
        raise ValueError(f"{name}={value!r}: must be a list of names")
    return list(value)


def _single(value: Any) -> Any:
    """An array of no dimensions as the number that it holds."""
    return value.item() if getattr(value, "ndim", None) == 0 else value


def _is_integer(value: object) -> TypeGuard[int]:
    return isinstance(value, numbers.Integral) and not isinstance(value, bool)
