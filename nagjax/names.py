"""The known name that a mistyped one most likely stands for, for errors that suggest it."""

from __future__ import annotations

from collections.abc import Iterable

NEAR = 0.5
"""Least share of the longer of two names that is as it should be; below it a suggestion misleads."""


def nearest(name: str, known: Iterable[str]) -> str | None:
    """The known name with the fewest edits to ``name``, for its length; None where none is near.

    An edit is a character inserted, removed or replaced, or two neighbours swapped: the slip of the finger that makes
    "nga" of "nag" is one, where difflib finds "nsga2" nearer.

    Args:
      name: as a user wrote it; case does not count.
      known: the names there are.

    >>> nearest("quality", ["arch", "top1"]) is None
    True
    >>> nearest("nga", ["nag", "nsga2"]), nearest("latency", ["params", "latency_ms"]), nearest("x", ["nag"])
    ('nag', 'latency_ms', None)
    """
    shares = {other: 1 - edits(name.lower(), other.lower()) / max(len(name), len(other), 1) for other in sorted(known)}
    best = max(shares, key=lambda other: shares[other], default=None)
    return best if best is not None and shares[best] >= NEAR else None


def edits(one: str, other: str) -> int:
    """Edits between two words (optimal string alignment).

    >>> edits("nga", "nag"), edits("nga", "nsga2"), edits("", "abc"), edits("hiden", "hidden")
    (1, 2, 3, 1)
    """
    rows = [list(range(len(other) + 1))]
    for i, left in enumerate(one, 1):
        row, above = [i], rows[-1]
        for j, right in enumerate(other, 1):
            swapped = i > 1 and j > 1 and (left, right) == (other[j - 2], one[i - 2])
            swap = [rows[-2][j - 2] + 1] if swapped else []
            row.append(min(above[j] + 1, row[j - 1] + 1, above[j - 1] + (left != right), *swap))
        rows.append(row)
    return rows[-1][-1]
