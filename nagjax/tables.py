"""Columns of a CSV or Parquet file, with the place of every value for errors."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from nagjax import numerals
from nagjax.delimited import read_delimited, separated_by
from nagjax.files import check_file
from nagjax.names import nearest

OTHER_FORMATS = (".json", ".jsonl", ".yaml", ".yml", ".npz", ".npy", ".pkl", ".pickle", ".feather", ".h5")
"""Endings of files that hold rows too, and would be taken for CSV with no rows, or none that makes sense."""


@dataclasses.dataclass(frozen=True)
class Table:
    """Columns of a file as they stand there, the number of each row as an editor shows it, and what separates columns.

    The separator is "" where the file is not text.
    """

    path: Path
    columns: Mapping[str, Sequence[Any]]
    rows: Sequence[int]
    separator: str = ""

    def column(self, name: str) -> Sequence[Any]:
        """Values of a column.

        Raises:
          ValueError: if there is none of that name, with the nearest.
        """
        if name in self.columns:
            return self.columns[name]
        near = nearest(name, self.columns)
        hint = f"did you mean {near!r}? " if near else ""
        by = f" (separated by {separated_by(self.separator)})" if self.separator else ""
        raise ValueError(f"{self.path}: no column {name!r}; {hint}columns{by}: {', '.join(self.columns)}")

    @property
    def semicolons(self) -> bool:
        """Whether semicolons stand between columns, so that a comma in a number is its decimal mark."""
        return self.separator == ";"

    def place(self, index: int, name: str) -> str:
        """File, row and column of a value, to begin an error with."""
        return f"{self.path}: row {self.rows[index]}, column {name!r}"


def read_table(path: Path, wanted: Sequence[str] = ()) -> Table:
    """Read a .parquet or .pq file (rows counted from 1), or else CSV (rows counted from 1, the header is row 1).

    ``wanted`` columns tell the separator of a CSV file, see ``delimited``.

    Raises:
      FileNotFoundError: if there is no such file.
      ImportError: for Parquet without pyarrow.
      ValueError: if the file cannot be read, is empty, or its rows do not fit its header.
    """
    if path.suffix.lower() in OTHER_FORMATS:
        check_file(path, "the table")
        raise ValueError(
            f"{path}: is {path.suffix} by its name; CSV and Parquet are read: export its rows as one of them"
        )
    if path.suffix.lower() in (".parquet", ".pq"):
        return _parquet(path)
    found = read_delimited(path, wanted)
    columns = {name: [row[i] for _, row in found.lines] for i, name in enumerate(found.header)}
    return Table(path, columns, [number for number, _ in found.lines], found.separator)


def _parquet(path: Path) -> Table:
    try:
        import pyarrow as pa
        from pyarrow import parquet
    except ImportError:
        raise ImportError(f"{path}: Parquet needs pyarrow; pip install 'nagjax[parquet]', or give a CSV file") from None
    check_file(path, "the table")
    try:
        with parquet.ParquetFile(path) as file:
            table = file.read()
    except (pa.ArrowException, OSError) as error:
        raise ValueError(f"{path}: not a whole Parquet file ({error}); write it again") from None
    header = [name.strip() for name in table.column_names]
    twice = [name for name in header if header.count(name) > 1]
    if twice:
        raise ValueError(f"{path}: column {twice[0]!r} stands there twice; rename one")
    columns = {name: table.column(index).to_pylist() for index, name in enumerate(header)}
    return Table(path, columns, range(1, table.num_rows + 1))


def numbers(table: Table, name: str) -> np.ndarray:
    """A column as finite float64 ``[N]``; decimal commas are read where nothing else can be meant.

    Raises:
      ValueError: with the place of what is not a finite number, or not plainly one.
    """
    return _numbers(table, name, range(len(table.column(name))))


def optional_numbers(table: Table, name: str) -> np.ndarray:
    """A column as float64 ``[N]``, NaN where a cell is empty; else as ``numbers``."""
    column = table.column(name)
    given = [i for i, value in enumerate(column) if not is_empty(value)]
    out = np.full(len(column), np.nan)
    out[given] = _numbers(table, name, given)
    return out


def _numbers(table: Table, name: str, indices: Sequence[int]) -> np.ndarray:
    """The cells of a column at ``indices``; how they are written the whole column tells."""
    values, commas = table.column(name), has_commas(table, name)
    _refuse_two_readings(table, name)
    out = []
    for index in indices:
        value = values[index]
        try:
            number = _number(value, commas)
        except ValueError as error:
            points = isinstance(value, str) and "," in value and any("." in text for text in _texts(table, name))
            others = " (others of the column have decimal points)" if points and not commas else ""
            raise ValueError(f"{table.place(index, name)}: {error}{others}; correct it or remove the row") from None
        if not math.isfinite(number):
            raise ValueError(
                f"{table.place(index, name)}: {value!r} is not finite; remove rows that have no label, or in a "
                "--benchmark leave the cell empty"
            )
        out.append(number)
    return np.array(out, np.float64)


def as_read(table: Table, name: str) -> list[float | None]:
    """Each cell of a column as ``numbers`` reads it: NaN where it is empty, None where it is not plainly a number."""
    values, commas = table.column(name), has_commas(table, name)
    return [math.nan if is_empty(value) else _number_or_none(value, commas) for value in values]


def is_empty(cell: object) -> bool:
    """Whether nothing stands in a cell."""
    return cell is None or not str(cell).strip()


def _number_or_none(value: object, commas: bool) -> float | None:
    try:
        return _number(value, commas)
    except ValueError:
        return None


def named_rows(table: Table, indices: Sequence[int], most: int) -> str:
    """Rows by number, the first ``most`` of many.

    >>> named_rows(Table(Path("a.csv"), {}, [2, 3, 4]), [0, 2], 1)
    'rows 2 and 1 more'
    """
    shown = ", ".join(str(table.rows[index]) for index in indices[:most])
    more = f" and {len(indices) - most} more" if len(indices) > most else ""
    return f"row{'s' if len(indices) > 1 else ''} {shown}{more}"


def has_commas(table: Table, name: str) -> bool:
    """Whether the numbers of a column are written with decimal commas."""
    return numerals.has_decimal_commas(_texts(table, name), table.semicolons)


def _texts(table: Table, name: str) -> list[str]:
    return [value.strip() if isinstance(value, str) else "" for value in table.column(name)]


def _number(value: object, commas: bool) -> float:
    if isinstance(value, str):
        return numerals.number(value.replace(",", ".") if commas else value)
    try:
        if isinstance(value, bool | bytes):
            raise TypeError
        return float(value)  # type: ignore[arg-type]  # what is not a number is refused below
    except (TypeError, ValueError, OverflowError):
        raise ValueError(f"{value!r} is not a number") from None


def _refuse_two_readings(table: Table, name: str) -> None:
    """In a file of semicolons a mark is plain, unless another column has the other mark before its decimals."""
    if not table.semicolons:
        return
    texts = _texts(table, name)
    marked = [index for index, text in enumerate(texts) if "." in text or "," in text]
    if not marked or not all(numerals.has_two_readings(texts[index]) for index in marked):
        return
    text = texts[marked[0]]
    rival = "," if "." in text else "."
    for other in table.columns:
        if other != name and _decimal_mark(_texts(table, other)) == rival:
            raise ValueError(
                f"{table.place(marked[0], name)}: {text!r} may be {numerals.readings(text)}, since column {other!r} "
                f"has {rival!r} before its decimals; write all numbers with a decimal point and no other mark"
            )


def _decimal_mark(texts: Sequence[str]) -> str:
    if numerals.has_decimal_commas(texts, True):
        return ","
    return "." if any("." in text and numerals.plain(text) is not None for text in texts) else ""
