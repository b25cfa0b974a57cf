"""Choices as settings of a space write them: one text with ``-`` between them, ``32-64``."""

from __future__ import annotations

import re
from collections.abc import Sequence


def numbers(name: str, given: int | str) -> tuple[int, ...]:
    """Whole numbers above 0, ascending.

    >>> numbers("mine: widths", "32-64"), numbers("mine: widths", 8)
    ((32, 64), (8,))

    Raises:
      ValueError: if something else is written, or numbers do not ascend.
    """
    parts = str(given).split("-")
    if not all(re.fullmatch(r"[1-9]\d{0,8}", part, re.ASCII) for part in parts):
        raise ValueError(f"{name}={given!r}: write whole numbers above 0 with - between them, 32-64")
    values = tuple(int(part) for part in parts)
    if list(values) != sorted(set(values)):
        raise ValueError(f"{name}={given!r}: write each number once, ascending")
    return values


def words(name: str, given: str, known: Sequence[str]) -> tuple[str, ...]:
    """Words of those that are known, each once.

    >>> words("mine: mixers", "linear", ("softmax", "linear"))
    ('linear',)

    Raises:
      ValueError: if another word is written, or one twice.
    """
    values = tuple(str(given).split("-"))
    if not set(values) <= set(known) or len(set(values)) != len(values):
        raise ValueError(f"{name}={given!r}: write one or more of {', '.join(known)}, - between them")
    return values
