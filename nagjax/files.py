"""Input files: everything that can be wrong with a path becomes one error that says what it is and what to do.

A pipe or a device is refused, not waited for. Text is UTF-8, with or without a byte order mark, or UTF-16 or UTF-32
with one, as spreadsheets and shells write it.
"""

from __future__ import annotations

import codecs
import stat
from pathlib import Path

_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),  # before UTF-16, whose mark begins this one
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_PACKED = {
    b"PK\x03\x04": "a zip archive or a spreadsheet's workbook; unpack it, or export it as text (CSV)",
    b"\x1f\x8b": "compressed by gzip; unpack it",
    b"BZh": "compressed by bzip2; unpack it",
    b"\xfd7zXZ": "compressed by xz; unpack it",
    b"\x28\xb5\x2f\xfd": "compressed by zstd; unpack it",
    b"%PDF": "a PDF document; export it as text (CSV)",
    b"\xd0\xcf\x11\xe0": "an old spreadsheet's workbook; export it as text (CSV)",
}


class MissingFileError(FileNotFoundError, ValueError):
    """There is no such file."""


def split_part(path: Path) -> tuple[Path, str]:
    """The file that a path names, and what of it stands behind a ``#``; empty where there is none, or a file has it.

    >>> split_part(Path("data/prices.csv#a100"))[1]
    'a100'
    """
    name, _, part = path.name.rpartition("#")
    try:
        whole = not name or path.exists()
    except (OSError, ValueError):
        whole = True
    return (path, "") if whole else (path.with_name(name), part)


def is_folder(path: Path) -> bool:
    """Whether a path is a folder; one that cannot be looked at is none."""
    try:
        return path.is_dir()
    except (OSError, ValueError):
        return False


def check_file(path: Path, what: str = "the file") -> None:
    """Refuse a path that is not a file with something in it; ``what`` should stand there, for the remedy.

    Raises:
      MissingFileError: if there is nothing.
      ValueError: if it is a folder, a pipe, a device or empty, or cannot be looked at.
    """
    try:
        found = path.stat()
    except (FileNotFoundError, NotADirectoryError):
        raise MissingFileError(f"{path}: no such file; check the path to {what}") from None
    except OSError as error:
        raise ValueError(f"{path}: cannot be read ({error.strerror}); check path and permissions") from None
    except ValueError as error:
        raise ValueError(f"{str(path)!r}: is not a path ({error}); give the path to {what}") from None
    if stat.S_ISDIR(found.st_mode):
        raise ValueError(f"{path}: is a folder, not a file; give the path to {what}, one file")
    if not stat.S_ISREG(found.st_mode):
        kind = "a pipe" if stat.S_ISFIFO(found.st_mode) else "a device or a socket"
        raise ValueError(f"{path}: is {kind}, not a file; write what it gives into a file, and give that")
    if not found.st_size:
        raise ValueError(f"{path}: the file is empty (has 0 bytes); write or export {what} again")


def read_bytes(path: Path, what: str = "the file") -> bytes:
    """All of a file.

    Raises:
      MissingFileError: if there is none.
      ValueError: as ``check_file``, or if it cannot be read.
    """
    check_file(path, what)
    try:
        return path.read_bytes()
    except OSError as error:
        raise ValueError(f"{path}: cannot be read ({error.strerror}); check path and permissions") from None


def read_text(path: Path, what: str = "the file") -> str:
    """Text of a file, without its byte order mark.

    Raises:
      MissingFileError: if there is none.
      ValueError: as ``read_bytes``, or if it is not text, or only blanks.
    """
    data = read_bytes(path, what)
    packed = next((kind for start, kind in _PACKED.items() if data.startswith(start)), None)
    if packed:
        raise ValueError(f"{path}: is not text but {packed}")
    mark, encoding = next(((mark, name) for mark, name in _MARKS if data.startswith(mark)), (b"", "utf-8"))
    try:
        text = data[len(mark) :].decode(encoding)
    except UnicodeDecodeError as error:
        raise ValueError(f"{path}: {_undecodable(data[len(mark) :], error)}; save it as UTF-8") from None
    if "\0" in text:
        line = text[: text.index("\0")].count("\n") + 1
        kind = "UTF-16 without a byte order mark" if text.count("\0") * 3 > len(text) else "no text"
        raise ValueError(f"{path}: line {line} has a zero byte, so the file is {kind}; save it as UTF-8")
    if not text.strip():
        raise ValueError(f"{path}: the file is empty; write or export {what} again")
    return text


def _undecodable(data: bytes, error: UnicodeDecodeError) -> str:
    if error.encoding != "utf-8":
        return f"begins with the mark of {error.encoding[:6].upper()} and is not ({error.reason})"
    line = data[: error.start].count(b"\n") + 1
    return f"line {line}: byte {data[error.start]:#04x} is not UTF-8 (another encoding, such as Latin-1, or no text)"
