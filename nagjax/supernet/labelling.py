"""Which architectures are labelled, and the file that their labels are appended to.

The file is a CSV that ``nagjax.predictors.records`` reads. Each row is on the disk before the next is begun; a row that
a crash cut short is removed when labelling goes on, and no architecture is labelled twice.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from nagjax import csv_cells, durable
from nagjax.spaces import draws
from nagjax.spaces import trellis as tl
from nagjax.spaces.space import Space
from nagjax.supernet.strategy import random_path
from nagjax.supernet.task import Part, Task

COLUMNS = ("architecture", "quality", "loss")
LABEL_SEED = 1
POOL = 20_000
"""Architectures from which a stratified draw takes its own."""


def draw_uniform(space: Space, valid: np.ndarray, num: int, seed: int) -> np.ndarray:
    """Different architectures int32 ``[num, T]``, exactly uniform over those of edges ``valid``, bool ``[T, S, C]``.

    The first ``n`` of a longer draw are the draw of ``n``.

    Raises:
      ValueError: if there are not so many.
    """
    total = tl.count(space.trellis.target, valid)[0][0]
    if num > total:
        raise ValueError(f"{num} architectures are to be labelled, {space.identity} has {total} here; label fewer")
    rng = np.random.default_rng([seed, 1])
    seen: dict[tuple[int, ...], None] = {}
    while len(seen) < num:
        drawn = tl.sample_uniform(space.trellis.target, valid, rng, 1024)
        seen.update(dict.fromkeys(map(tuple, drawn.tolist())))
    return np.array(list(seen)[:num], np.int32)


def draw_stratified(space: Space, valid: np.ndarray, values: np.ndarray, num: int, bins: int, seed: int) -> np.ndarray:
    """Different architectures int32 ``[num, T]``, as many from each of ``bins`` equal parts of the range of costs.

    Nearly all architectures of a space cost about the same, so a uniform draw hardly reaches the cheap and the costly.
    Here half of a pool is uniform over architectures and half over the choices of each decision, which reaches further.
    Parts are taken in turn; one that has no more is passed over. ``valid`` are edges bool ``[T, S, C]``, ``values``
    costs of operators, ``[num_operators]``.

    Raises:
      ValueError: if the pool has not so many.
    """
    rng = np.random.default_rng([seed, 2])
    uniform = tl.sample_uniform(space.trellis.target, valid, rng, POOL // 2)
    varied = np.stack([random_path(rng, space, valid) for _ in range(POOL // 2)])
    pool = rng.permutation(np.unique(np.concatenate([uniform, varied]), axis=0))
    if num > len(pool):
        raise ValueError(f"{num} architectures are to be labelled, {len(pool)} different ones were found; label fewer")
    costs = space.operator_sum(pool, values.astype(np.float64))
    return pool[draws.in_turn(costs, bins, num)]


def label_part(task: Task, count: int | None) -> Part:
    """The validation examples that labels are of: all, or ``count`` of them, each class by its share; always the same.

    Raises:
      ValueError: if there are not so many.
    """
    return task.validation if count is None else task.validation.draw(count, LABEL_SEED, "label")


class LabelFile:
    """Labels in a CSV, appended one by one; a context manager. A value that is NaN is an empty cell.

    Attributes:
      labelled: texts that the file holds.
    """

    def __init__(self, path: Path, columns: Sequence[str] = COLUMNS) -> None:
        """Open a file, new or to go on with, of these columns.

        Raises:
          ValueError: if it is another kind of file, or a row of it is damaged.
        """
        self._path, self._columns = path, tuple(columns)
        rows = csv_cells.read_rows(durable.whole_text(path))
        if rows and tuple(rows[0]) != self._columns:
            raise ValueError(
                f"{path}: begins with {','.join(rows[0])[:60]!r}, not with {','.join(columns)!r}: it is another file; "
                "give another --out"
            )
        self.labelled: set[str] = set()
        for number, row in enumerate(rows[1:], 2):
            if len(row) != len(columns):
                raise ValueError(
                    f"{path}: row {number} has {len(row)} fields, not {len(columns)} ({','.join(columns)}): it is "
                    "damaged; remove the row to have the architecture labelled again"
                )
            self.labelled.add(row[0])
        self._file = durable.Appender(path)
        if not rows:
            self._write(self._columns)

    def __enter__(self) -> LabelFile:
        return self

    def __exit__(self, *error: object) -> None:
        self._file.close()

    def add(self, text: str, values: Mapping[str, float]) -> None:
        """Append a label, durably; ``values`` holds the columns after the architecture.

        Raises:
          OSError: if it cannot be written; nothing of it is in the file then, and it may be added again.
          ValueError: if the architecture is labelled already.
        """
        if text in self.labelled:
            raise ValueError(f"{self._path}: {text} is labelled already")
        numbers = [float(values[name]) for name in self._columns[1:]]
        self._write((text, *("" if math.isnan(number) else repr(number) for number in numbers)))
        self.labelled.add(text)

    def _write(self, row: Sequence[str]) -> None:
        self._file.add(csv_cells.line(row))
