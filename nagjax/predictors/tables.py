"""Columns of a CSV or Parquet file, with the place of every value for errors."""

from __future__ import annotations

import csv
import dataclasses
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from nagjax.names import nearest


@dataclasses.dataclass(frozen=True)
class Table:
    """Columns of a file as they stand there, and the number of each row as an editor shows it."""

    path: Path
    columns: Mapping[str, Sequence[Any]]
    rows: Sequence[int]

    def column(self, name: str) -> Sequence[Any]:
        """Values of a column; ValueError with the nearest name if there is none."""
        if name in self.columns:
            return self.columns[name]
        near = nearest(name, self.columns, 0.0)
        hint = f"did you mean {near!r}? " if near else ""
        raise ValueError(f"{self.path}: no column {name!r}; {hint}columns: {', '.join(self.columns)}")

    def place(self, index: int, name: str) -> str:
        """File, row and column of a value, to begin an error with."""
        return f"{self.path}: row {self.rows[index]}, column {name!r}"


def read_table(path: Path) -> Table:
    """Read a .parquet or .pq file (rows counted from 1), or else CSV (rows counted from 1, the header is row 1).

    Raises:
      FileNotFoundError: if there is no such file.
      ImportError: for Parquet without pyarrow.
      ValueError: if the file cannot be read, is empty, or its rows do not fit its header.
    """
    if not path.is_file():
        raise FileNotFoundError(f"{path}: no such file; labelled architectures are a .csv or .parquet file")
    return _parquet(path) if path.suffix.lower() in (".parquet", ".pq") else _csv(path)


def _csv(path: Path) -> Table:
    with path.open(newline="", encoding="utf-8-sig") as file:
        reader = csv.reader(file)
        try:
            lines = [(reader.line_num, row) for row in reader if row]
        except (UnicodeDecodeError, csv.Error) as error:
            raise ValueError(f"{path}: near row {reader.line_num + 1}: {error}; save it as CSV in UTF-8") from None
    if not lines:
        raise ValueError(f"{path}: the file is empty; its first row names the columns")
    header = [name.strip() for name in lines[0][1]]
    twice = [name for name in header if header.count(name) > 1]
    if twice:
        raise ValueError(f"{path}: row 1: column {twice[0]!r} stands there twice; rename one")
    for number, row in lines[1:]:
        if len(row) != len(header):
            raise ValueError(
                f"{path}: row {number} has {len(row)} fields, the header {len(header)}; quote text that holds commas"
            )
    columns = {name: [row[i] for _, row in lines[1:]] for i, name in enumerate(header)}
    return Table(path, columns, [number for number, _ in lines[1:]])


def _parquet(path: Path) -> Table:
    try:
        import pyarrow as pa
        from pyarrow import parquet
    except ImportError:
        raise ImportError(f"{path}: Parquet needs pyarrow; pip install 'nagjax[parquet]', or give a CSV file") from None
    try:
        table = parquet.read_table(path)
    except (pa.ArrowException, OSError) as error:
        raise ValueError(f"{path}: not a whole Parquet file ({error}); write it again") from None
    columns = {name: table.column(name).to_pylist() for name in table.column_names}
    return Table(path, columns, range(1, table.num_rows + 1))


def numbers(table: Table, name: str) -> np.ndarray:
    """A column as finite float64 ``[N]``; ValueError with the place of what is not a finite number."""
    out = []
    for index, value in enumerate(table.column(name)):
        try:
            number = float(value)
        except (TypeError, ValueError):
            raise ValueError(
                f"{table.place(index, name)}: {value!r} is not a number; correct it or remove the row"
            ) from None
        if not math.isfinite(number):
            raise ValueError(
                f"{table.place(index, name)}: {value!r} is not finite; remove rows that have no label, or in a "
                "--benchmark leave the cell empty"
            )
        out.append(number)
    return np.array(out, np.float64)


def optional_numbers(table: Table, name: str) -> np.ndarray:
    """A column as float64 ``[N]``, NaN where a cell is empty; else as ``numbers``."""
    column = table.column(name)
    given = [i for i, value in enumerate(column) if value is not None and str(value).strip()]
    part = dataclasses.replace(table, columns={name: [column[i] for i in given]}, rows=[table.rows[i] for i in given])
    out = np.full(len(table.rows), np.nan)
    out[given] = numbers(part, name)
    return out
