"""Cells of the CSV files that are written here, so that no spreadsheet takes a name for a formula; and back.

A spreadsheet computes a cell that begins with ``=``, ``+``, ``-``, ``@``, a tab or a carriage return. Text that does is
written with a single quote before it, which spreadsheets take as the mark of text; numbers stay numbers. Reading takes
the quote away again, so that every text comes back as it was.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable

_FORMULA = re.compile(r"'*[=+\-@\t\r\n\uff1d\uff0b\uff0d\uff20]")
"""How text begins that is written with one quote more; the signs of full width are computed too where they are used."""

_SPECIAL = re.compile(r"[,\"\r\n]")
_NUMBER = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?|[+-]?(?:inf|nan)", re.ASCII)


def text(rows: Iterable[Iterable[str]]) -> str:
    """Rows as they stand in a file, see ``line``."""
    return "".join(map(line, rows))


def line(row: Iterable[str]) -> str:
    r"""A row as it stands in the file: commas between cells, a line feed at the end.

    >>> line(["-w=1", "-1", "a,b"])
    '\'-w=1,-1,"a,b"\n'
    """
    # A row of one empty cell would be read as no row.
    return (",".join(_quoted(written(cell)) for cell in row) or '""') + "\n"


def read_rows(content: str) -> list[list[str]]:
    r"""Rows of CSV text as they were before ``text``.

    >>> read_rows("a,'=b\n-1,'c\n")
    [['a', '=b'], ['-1', "'c"]]
    """
    return [read_row(row) for row in csv.reader(io.StringIO(content, newline=""))]


def read_row(row: Iterable[str]) -> list[str]:
    """Cells of a row that another reader has split."""
    return [read(cell) for cell in row]


def written(cell: str) -> str:
    """A cell as it stands in the file.

    >>> [written(cell) for cell in ("=1+1", "-w=3", "-3.5", "relu", "'=x")]
    ["'=1+1", "'-w=3", '-3.5', 'relu', "''=x"]
    """
    return f"'{cell}" if _FORMULA.match(cell) and not _NUMBER.fullmatch(cell) else cell


def read(cell: str) -> str:
    """A cell as it was before ``written``."""
    return cell[1:] if cell.startswith("'") and _FORMULA.match(cell) else cell


def _quoted(cell: str) -> str:
    # Not left to csv, which in older versions of Python does not quote a lone carriage return, and then reads two rows.
    return '"' + cell.replace('"', '""') + '"' if _SPECIAL.search(cell) else cell
