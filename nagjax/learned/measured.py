"""Measured costs of whole networks from a file, one measurement a row; a network may stand there several times."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np

from nagjax.predictors.records.labels import Labels, read_labels
from nagjax.predictors.records.records import read_tokens
from nagjax.spaces.space import Space
from nagjax.tables import read_table


@dataclasses.dataclass(frozen=True, eq=False)
class Measured:
    """Measurements of whole networks.

    Attributes:
      tokens: int32 ``[N, T]``, canonical; a network may have several rows.
      costs: by cost column, float64 ``[N]``, above 0; NaN where it was not measured.
      source: where they are from.
      place: file and row of a measurement.
    """

    tokens: np.ndarray
    costs: Mapping[str, np.ndarray]
    source: str = "memory"
    place: Callable[[int], str] = "row {}".format


def read_measured(
    path: str | Path, space: Space, columns: Mapping[str, str], text_column: str = "architecture"
) -> Measured:
    """Measured networks of a .csv or .parquet file.

    ``columns`` are those of each cost, whose name ends in its unit: ``{"latency_ms": "pixel3"}``.

    Raises:
      FileNotFoundError: if there is no such file.
      ImportError: for Parquet without pyarrow.
      ValueError: for anything wrong in the file; it names file, row, column, value and remedy.
    """
    wanted = (text_column, *columns.values())
    table = read_table(Path(path), wanted)
    table = dataclasses.replace(table, columns={column: table.column(column) for column in wanted})
    labels = Labels(cost_columns=tuple(columns.values()), required="costs")
    _, costs = read_labels(table, labels)
    tokens = read_tokens(table, text_column, space)
    named = {name: costs[column] for name, column in columns.items()}
    return Measured(tokens, named, str(path), lambda index: f"row {table.rows[index]}")


def networks(tokens: np.ndarray, costs: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The different networks of measurements ``[N, T]`` and ``[N]``, in the order in which they first stand.

    Returns:
      tokens int32 ``[M, T]``, their mean costs float64 ``[M]``, and which network each measurement is of, int ``[N]``.
    """
    _, first, group = np.unique(tokens, axis=0, return_index=True, return_inverse=True)
    rank = np.argsort(np.argsort(first))
    group, first = rank[group.ravel()], np.sort(first)
    mean = np.bincount(group, costs) / np.bincount(group)
    return tokens[first], mean, group
