"""Labelled architectures: reading them from CSV and Parquet, with an error that says where for all that is wrong.

One row is one architecture: its text in the space's form, its quality, and perhaps measured costs.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from nagjax import arguments, csv_cells, durable
from nagjax.predictors.records.label_faults import spread_summary
from nagjax.predictors.records.labels import UNITS, Labels, read_labels
from nagjax.spaces.space import Space
from nagjax.tables import Table, read_table


@dataclasses.dataclass(frozen=True, eq=False)
class Records:
    """Labelled architectures.

    Attributes:
      tokens: int32 ``[N, T]``, canonical, all different.
      quality: float64 ``[N]``, fraction 0..1; NaN where it is not known, in a benchmark that labels some.
      costs: for each cost column float64 ``[N]``, in the unit that its name ends in.
      source: where they are from.
      averaged: rows that were merged into an earlier row of the same architecture.
      rows: int ``[N]``, the row that each stands in (the first of those merged), counted as errors about the file
        count; None where they are from no file.
    """

    tokens: np.ndarray
    quality: np.ndarray
    costs: Mapping[str, np.ndarray] = dataclasses.field(default_factory=dict)
    source: str = "memory"
    averaged: int = 0
    rows: np.ndarray | None = None

    def __post_init__(self) -> None:
        lengths = {"quality": self.quality.shape, **{name: cost.shape for name, cost in self.costs.items()}}
        lengths |= {} if self.rows is None else {"rows": self.rows.shape}
        for name, shape in lengths.items():
            if shape != self.tokens.shape[:1]:
                raise ValueError(
                    f"records have tokens {self.tokens.shape} but {name} {shape}; one value a row is needed"
                )


def read_records(
    path: str | Path,
    space: Space,
    text_column: str = "architecture",
    quality_column: str = "quality",
    quality_unit: str = "fraction",
    cost_columns: Sequence[str] = (),
    duplicate_tolerance: float = 0.0,
    units_are_right: bool = False,
) -> Records:
    """Read labelled architectures from a .csv or .parquet file.

    Args:
      path: the file; CSV has a header, is UTF-8 (or marked UTF-16), separated by commas, semicolons, tabs or bars.
      space: what the architectures are of.
      text_column: column of the architecture's text.
      quality_column: column of the quality.
      quality_unit: ``"fraction"`` (0..1) or ``"percent"``.
      cost_columns: columns of measured costs, kept under their names.
      duplicate_tolerance: one architecture may stand in several rows when their qualities (as fractions) differ by at
        most this, and their costs by at most this share of the larger; they are averaged.
      units_are_right: percentages below 1 among larger ones, which may be fractions, are right.

    Raises:
      FileNotFoundError: if there is no such file.
      ImportError: for Parquet without pyarrow.
      ValueError: for anything wrong in the file; it names file, row (a CSV's header is 1), column, value and remedy.
    """
    labels = Labels(quality_column, quality_unit, tuple(cost_columns), duplicate_tolerance, units_are_right)
    return read_texts(path, space, text_column, labels)


def read_texts(path: str | Path, space: Space, text_column: str, labels: Labels) -> Records:
    """``read_records`` with the columns as ``Labels``, which may allow that some are empty."""
    table = read_table(Path(path), [text_column, labels.quality_column, *labels.cost_columns])
    table.column(text_column)
    quality, costs = read_labels(table, labels)
    return merge(table, read_tokens(table, text_column, space), quality, costs, labels)


def write_records(records: Records, space: Space, path: str | Path) -> None:
    """Write CSV columns architecture, quality (fraction) and the costs; ``read_records`` reads the same values back."""
    values = np.stack([records.quality, *records.costs.values()], 1).tolist()
    rows = [["architecture", "quality", *records.costs]]
    rows += ([space.format(tokens), *map(repr, row)] for tokens, row in zip(records.tokens, values, strict=True))
    durable.replace(path, csv_cells.text(rows))


def read_tokens(table: Table, name: str, space: Space) -> np.ndarray:
    """Canonical tokens int32 ``[N, T]``: text row by row, the walk through the graph for all rows at once.

    Raises:
      ValueError: with file and row of the first text that names no architecture of the space.
    """
    parsed = []
    for index, text in enumerate(table.column(name)):
        try:
            parsed.append(np.asarray(space.parse_text(str(text).strip()), np.int32))
        except ValueError as error:
            raise ValueError(f"{table.place(index, name)}: not of {space.identity}: {error}") from None
    try:
        return space.canonical(np.stack(parsed))
    except ValueError:
        for index, tokens in enumerate(parsed):
            try:
                space.canonical(tokens[None])
            except ValueError as error:
                raise ValueError(f"{table.place(index, name)}: not of {space.identity}: {error}") from None
        raise


def merge(
    table: Table, tokens: np.ndarray, quality: np.ndarray, costs: Mapping[str, np.ndarray], labels: Labels
) -> Records:
    """One record an architecture, in the order in which they first stand in the file; labels that are NaN do not count.

    Rows are canonical tokens int32 ``[N, T]``, quality float64 ``[N]``, a fraction, and costs float64 ``[N]`` by
    column; the table says where they are from, for errors.

    Raises:
      ValueError: if rows of one architecture differ by more than the tolerance; both are named.
    """
    _refuse_spreads(table, tokens, quality, costs, labels)
    group, first = _groups(tokens)
    means = {}
    for name, column in {labels.quality_column: quality, **costs}.items():
        known = ~np.isnan(column)
        counts = np.bincount(group[known], minlength=len(first))
        sums = np.bincount(group[known], column[known], minlength=len(first))
        # A value that stands alone is kept to the last bit.
        means[name] = np.divide(sums, counts, out=np.full(len(first), np.nan), where=counts > 0)
    order = np.argsort(first)
    return Records(
        tokens=tokens[first[order]],
        quality=means.pop(labels.quality_column)[order],
        costs={name: column[order] for name, column in means.items()},
        source=str(table.path),
        averaged=len(tokens) - len(order),
        rows=np.asarray(table.rows, np.int64)[first[order]],
    )


def take(records: Records, index: np.ndarray) -> Records:
    """The records at ``index``, int or bool ``[N]``."""
    return dataclasses.replace(
        records,
        tokens=records.tokens[index],
        quality=records.quality[index],
        costs={name: cost[index] for name, cost in records.costs.items()},
        rows=None if records.rows is None else records.rows[index],
    )


def draw(records: Records, num: int, seed: int) -> Records:
    """``num`` records at random, the same whatever the order of the records, in lexicographic order.

    >>> tokens = np.array([[1], [2], [0]], np.int32)
    >>> draw(Records(tokens, np.array([0.1, 0.2, 0.0]), source="a"), 3, seed=0).quality.tolist()
    [0.0, 0.1, 0.2]

    Raises:
      ValueError: if there are not so many, or the seed is none.
    """
    seed = arguments.seed(seed)
    if not 0 < num <= len(records.quality):
        raise ValueError(
            f"{records.source}: {num:,} labels are asked for; 1 to {len(records.quality):,} can be drawn: ask for fewer"
        )
    order = np.lexsort(records.tokens.T[::-1])
    drawn = np.sort(np.random.default_rng([seed, num]).choice(len(order), num, replace=False))
    source = f"{num:,} of {len(order):,} labels of {records.source}, drawn by seed {seed}"
    return dataclasses.replace(take(records, order[drawn]), source=source)


def _groups(tokens: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Group int ``[N]`` of equal rows, groups in lexicographic order, and the first row of each group."""
    order = np.lexsort(tokens.T[::-1])  # stable, and far faster than np.unique over rows
    new = np.append(True, (tokens[order[1:]] != tokens[order[:-1]]).any(1))
    group = np.empty(len(tokens), np.int64)
    group[order] = np.cumsum(new) - 1
    return group, order[new]


def _refuse_spreads(
    table: Table, tokens: np.ndarray, quality: np.ndarray, costs: Mapping[str, np.ndarray], labels: Labels
) -> None:
    group, _ = _groups(tokens)
    try:
        for name, column in {labels.quality_column: quality, **costs}.items():
            _refuse_spread(table, group, name, column, labels)
    except ValueError as error:
        summary = spread_summary(tokens, quality, costs, labels.duplicate_tolerance)
        raise ValueError(f"{error}{summary}") from None


def _refuse_spread(table: Table, group: np.ndarray, name: str, column: np.ndarray, labels: Labels) -> None:
    known = np.flatnonzero(~np.isnan(column))
    if not known.size:
        return
    order = known[np.lexsort((column[known], group[known]))]
    ends = np.flatnonzero(np.diff(group[order], append=-1))
    starts = np.append(0, ends[:-1] + 1)
    low, high = order[starts], order[ends]
    of_quality = name == labels.quality_column
    spread = (column[high] - column[low]) / (1.0 if of_quality else column[high])
    tolerance = labels.duplicate_tolerance
    # 0.91 - 0.9 is a little more than 0.01, and is meant by it.
    wrong = np.flatnonzero((spread > tolerance) & ~np.isclose(spread, tolerance, rtol=1e-9, atol=0.0))
    if wrong.size:
        i, j = sorted((int(low[wrong[0]]), int(high[wrong[0]])))
        written = column / (UNITS[labels.quality_unit] if of_quality else 1.0)
        what = "a fraction of" if of_quality else "a share of"
        raise ValueError(
            f"{table.place(j, name)}: {written[j]:.9g} for the architecture that row {table.rows[i]} gives "
            f"{written[i]:.9g}, {what} {spread[wrong[0]]:.3g} apart; remove one row, or average such rows by a larger "
            f"--duplicate_tolerance (now {tolerance:g})"
        )
