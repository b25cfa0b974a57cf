"""Batches for fits that run as one compiled scan: row indices drawn beforehand, on the host."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

CHUNKS = 10
"""Parts that a fit is run in, so that progress can be shown; every part runs the same compiled function."""

Progress = Callable[[int, int], None]
"""``progress(steps_done, steps_in_all)``."""


def round_up(steps: int) -> int:
    """Steps, as a multiple of the number of chunks."""
    return -(-steps // CHUNKS) * CHUNKS


def padding(num: int) -> int:
    """Rows to add up to a power of two: records that grow from round to round seldom compile anything again.

    >>> padding(5), padding(8)
    (3, 0)
    """
    return 2 ** (num - 1).bit_length() - num


def shuffled(rows: np.ndarray, shape: tuple[int, int, int], rng: np.random.Generator) -> np.ndarray:
    """Row indices int32 ``[E, steps, batch]``: each of E members passes through ``rows`` again and again, reshuffled.

    >>> shuffled(np.array([4, 7]), (1, 2, 2), np.random.default_rng(0)).sum(-1).tolist()
    [[11, 11]]
    """
    members, steps, size = shape
    passes = -(-steps * size // len(rows))
    orders = [np.concatenate([rng.permutation(rows) for _ in range(passes)]) for _ in range(members)]
    return np.stack(orders)[:, : steps * size].reshape(shape).astype(np.int32)


class Counter:
    """Counts the steps of one or several fits and tells the caller."""

    def __init__(self, progress: Progress | None, total: int) -> None:
        self.progress, self.total, self.done = progress, total, 0

    def add(self, steps: int) -> None:
        """Some more steps are done."""
        self.done += steps
        if self.progress is not None:
            self.progress(self.done, self.total)
