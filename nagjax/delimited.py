"""Delimited text (CSV) in the dialects that spreadsheets write: which separator, which rows, in which line each stands.

The separator is told by the header: it is the one under which most of the wanted columns stand there. A first line
``sep=;``, which some spreadsheets write, says it outright.
"""

from __future__ import annotations

import csv
import dataclasses
import io
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from nagjax import csv_cells
from nagjax.files import read_text

SEPARATORS = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "bars"}
"""Separators by what they are called; where the header does not tell, the first is meant."""

_SAID = re.compile(r'"?sep=([^"\r\n])"?(?:\r\n|\r|\n)', re.IGNORECASE)
_SAYS_NOTHING = re.compile(r'"?sep=[^,;\t|]*(?:\r|\n)', re.IGNORECASE)


@dataclasses.dataclass(frozen=True)
class Delimited:
    """A file's header (blanks around names removed), its other rows with the line in which each ends, its separator."""

    header: Sequence[str]
    lines: Sequence[tuple[int, list[str]]]
    separator: str


def read_delimited(path: Path, wanted: Sequence[str] = ()) -> Delimited:
    """Read a delimited text file without its blank lines; ``wanted`` columns tell the separator.

    Raises:
      ValueError: if the file cannot be read, is empty, or its rows do not fit its header; it names the row.
    """
    text = read_text(path, "the table, with a first row that names the columns")
    said = _SAID.match(text)
    if not said and _SAYS_NOTHING.match(text):
        raise ValueError(f"{path}: row 1 says sep= and no separator; write it, as in sep=; or remove the row")
    text, skipped = (text[said.end() :], 1) if said else (text, 0)
    separator = said[1] if said else _separator(text, wanted)
    reader = _reader(text, separator)
    try:
        lines = [(reader.line_num + skipped, csv_cells.read_row(row)) for row in reader if row]
    except csv.Error as error:
        row = reader.line_num + skipped
        raise ValueError(f"{path}: near row {row}: {error}; close quotes and double those within a text") from None
    if not lines:
        raise ValueError(f"{path}: the file is empty; its first row names the columns")
    header = [name.strip() for name in lines[0][1]]
    _check(path, header, lines, separator)
    return Delimited(header, lines[1:], separator)


def separated_by(separator: str) -> str:
    """A separator in words.

    >>> separated_by(";"), separated_by(":")
    ('semicolons', "':'")
    """
    return SEPARATORS.get(separator, repr(separator))


def _separator(text: str, wanted: Sequence[str]) -> str:
    """The separator under which the header has most of the wanted columns; if none, the one with most columns."""
    headers = {separator: _header(text, separator) for separator in SEPARATORS}
    found = {separator: len(set(wanted) & set(header)) for separator, header in headers.items()}
    most = max(found, key=lambda separator: found[separator])
    return most if found[most] else max(headers, key=lambda separator: len(headers[separator]))


def _header(text: str, separator: str) -> list[str]:
    try:
        return [name.strip() for name in next((row for row in _reader(text, separator) if row), [])]
    except csv.Error:
        return []


def _reader(text: str, separator: str) -> Any:
    return csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True, skipinitialspace=True)


def _check(path: Path, header: Sequence[str], lines: Sequence[tuple[int, list[str]]], separator: str) -> None:
    first, _ = lines[0]
    twice = [name for name in header if name and header.count(name) > 1]
    if twice:
        raise ValueError(f"{path}: row {first}: column {twice[0]!r} stands there twice; rename one")
    for number, row in lines[1:]:
        if len(row) == len(header):
            continue
        if len(header) == 1 and header[0].startswith("#"):
            raise ValueError(f"{path}: row {first} is a comment, not the names of columns; remove it")
        more = ", decimal commas too, or separate the columns by semicolons" if separator == "," else ""
        raise ValueError(
            f"{path}: row {number} has {len(row)} fields, the header {len(header)}; "
            f"quote text that holds {separated_by(separator)}{more}"
        )
