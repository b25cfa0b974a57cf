"""The file of a search's evaluations: a CSV that grows by a row for each, failures and their reasons too.

Each row is on the disk before the next is written, so a search that is killed loses at most what was being evaluated,
and nothing in the file is evaluated again. Rows stand in the order of completion; ``round`` and ``place`` tell in which
order they were proposed.
"""

from __future__ import annotations

import bisect
import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from nagjax import csv_cells, durable
from nagjax.evaluators.evaluator import QUALITY, Outcome, check_values
from nagjax.predictors.records.records import Records
from nagjax.spaces.space import Space

FIRST = ("architecture",)
LAST = ("round", "place", "predicted", "deviation", "seconds", "failure")


@dataclasses.dataclass(frozen=True, eq=False)
class Evaluations:
    """N evaluations, in the order in which they were proposed.

    Attributes:
      tokens: int32 ``[N, T]``, canonical, different.
      quality: float64 ``[N]``, fractions; NaN where the evaluation failed.
      costs: measured costs by column, float64 ``[N]``.
      number: int64 ``[N]``, the round of each; 0 is the start.
      predicted, deviation: float64 ``[N]``, what was predicted when it was proposed; NaN at the start.
      failure: why each failed; empty where it did not.
    """

    tokens: np.ndarray
    quality: np.ndarray
    costs: Mapping[str, np.ndarray]
    number: np.ndarray
    predicted: np.ndarray
    deviation: np.ndarray
    failure: tuple[str, ...]

    @property
    def known(self) -> np.ndarray:
        """Which did not fail, bool ``[N]``."""
        return ~np.isnan(self.quality)

    def before(self, number: int) -> Evaluations:
        """Those of earlier rounds."""
        return self._of(np.flatnonzero(self.number < number))

    def first(self, num: int) -> Evaluations:
        """The first ``num``, in the order in which they were proposed."""
        return self._of(np.arange(min(num, len(self.tokens))))

    def inserted(self, at: int, others: Evaluations) -> Evaluations:
        """These and others, which then stand from row ``at`` on."""

        def both(one: np.ndarray, other: np.ndarray) -> np.ndarray:
            return np.concatenate([one[:at], other, one[at:]])

        return Evaluations(
            both(self.tokens, others.tokens), both(self.quality, others.quality),
            {name: both(cost, others.costs[name]) for name, cost in self.costs.items()},
            both(self.number, others.number), both(self.predicted, others.predicted),
            both(self.deviation, others.deviation), (*self.failure[:at], *others.failure, *self.failure[at:]),
        )  # fmt: skip

    def _of(self, rows: np.ndarray) -> Evaluations:
        return Evaluations(
            self.tokens[rows], self.quality[rows], {name: cost[rows] for name, cost in self.costs.items()},
            self.number[rows], self.predicted[rows], self.deviation[rows], tuple(self.failure[row] for row in rows),
        )  # fmt: skip

    def records(self, source: str) -> Records:
        """Those that did not fail, as predictors are fitted to them."""
        known = self.known
        costs = {name: cost[known] for name, cost in self.costs.items()}
        return Records(self.tokens[known], self.quality[known], costs, source)


@dataclasses.dataclass(frozen=True)
class Proposal:
    """Where an evaluation comes from.

    Attributes:
      number: the round; 0 is the start.
      place: which of the round's proposals.
      predicted, deviation: what was predicted, fractions; NaN where nothing was.
    """

    number: int
    place: int
    predicted: float = float("nan")
    deviation: float = float("nan")


class Journal:
    """The file, open to be appended to; a context manager."""

    def __init__(self, path: Path, space: Space, costs: Sequence[str]) -> None:
        """Open a file, new or to go on with.

        Raises:
          ValueError: if it is another kind of file, or a row of it is damaged.
        """
        self._path, self._space, self._costs = path, space, tuple(costs)
        self._columns = (*FIRST, QUALITY, *costs, *LAST)
        rows = csv_cells.read_rows(durable.whole_text(path))
        if rows and tuple(rows[0]) != self._columns:
            raise ValueError(
                f"{path}: begins with {','.join(rows[0])[:80]!r}, not with {','.join(self._columns)!r}: it is another "
                "file, or of other costs; give another folder"
            )
        read: list[tuple[np.ndarray, dict[str, str]]] = []
        seen: set[bytes] = set()
        for number, row in enumerate(rows[1:], 2):
            read.append(self._read(number, row))
            tokens = read[-1][0].tobytes()
            if tokens in seen:
                raise ValueError(f"{path}: row {number}: {row[0]} stands there twice; remove one row")
            seen.add(tokens)
        self._places, self._evaluations = _ordered(read, space, self._costs)
        self._file = durable.Appender(path)
        if not rows:
            self._file.add(csv_cells.line(self._columns))

    def __enter__(self) -> Journal:
        return self

    def __exit__(self, *error: object) -> None:
        self._file.close()

    def add(self, tokens: np.ndarray, outcome: Outcome, proposal: Proposal) -> None:
        """Append an evaluation of tokens int32 ``[T]``, durably.

        Raises:
          OSError: if it cannot be written; nothing of it is in the file then.
        """
        values = [outcome.values.get(name) for name in (QUALITY, *self._costs)]
        told = (proposal.predicted, proposal.deviation, outcome.seconds)
        row = [
            self._space.format(tokens), *("" if value is None else repr(float(value)) for value in values),
            str(proposal.number), str(proposal.place), *(repr(float(value)) for value in told),
            " ".join(outcome.failure.split()),
        ]  # fmt: skip
        self._file.add(csv_cells.line(row))
        read = (np.asarray(tokens, np.int32), dict(zip(self._columns, row, strict=True)))
        (place,), one = _ordered([read], self._space, self._costs)
        at = bisect.bisect(self._places, place)
        self._places.insert(at, place)
        self._evaluations = self._evaluations.inserted(at, one)

    def evaluations(self) -> Evaluations:
        """All that stands in the file."""
        return self._evaluations

    def _read(self, number: int, row: Sequence[str]) -> tuple[np.ndarray, dict[str, str]]:
        damaged = f"{self._path}: row {number}: is damaged; remove it to have the architecture evaluated again"
        if len(row) != len(self._columns):
            raise ValueError(damaged)
        named = dict(zip(self._columns, row, strict=True))
        try:
            tokens = self._space.parse(named["architecture"])
            for column in ("predicted", "deviation", "seconds"):
                float(named[column])
            if not named["failure"]:
                check_values({column: float(named[column]) for column in (QUALITY, *self._costs)})
            elif any(named[column] for column in (QUALITY, *self._costs)):
                raise ValueError("it has a failure and values")
            int(named["round"]), int(named["place"])
        except ValueError as error:
            raise ValueError(f"{damaged} ({error})") from None
        return tokens, named


def _ordered(
    read: Sequence[tuple[np.ndarray, Mapping[str, str]]], space: Space, costs: Sequence[str]
) -> tuple[list[tuple[int, int]], Evaluations]:
    """Rows in the order in which they were proposed, with round and place of each."""
    ordered = sorted(read, key=lambda pair: _place(pair[1]))
    tokens, rows = [tokens for tokens, _ in ordered], [row for _, row in ordered]

    def column(name: str) -> np.ndarray:
        return np.array([float(row[name] or "nan") for row in rows], np.float64)

    return [_place(row) for row in rows], Evaluations(
        np.array(tokens, np.int32).reshape(-1, len(space.decisions)), column(QUALITY),
        {name: column(name) for name in costs},
        np.array([int(row["round"]) for row in rows], np.int64), column("predicted"), column("deviation"),
        tuple(row["failure"] for row in rows),
    )  # fmt: skip


def _place(row: Mapping[str, str]) -> tuple[int, int]:
    return int(row["round"]), int(row["place"])
