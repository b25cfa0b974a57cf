"""Text files that grow line by line: what a crash tore off at the end is dropped, and that is said.

A line counts once its line break is there. Every reader and every writer that goes on with such a file asks here, so
that no new line grows onto half an old one.
"""

from __future__ import annotations

import logging
from pathlib import Path

_LOG = logging.getLogger(__name__)


def whole_text(path: Path) -> str:
    """The whole lines of a file; a torn last one is left out, and a warning logged.

    Raises:
      ValueError: if it is not text in UTF-8, with file and line.
    """
    content = path.read_bytes()
    whole = content[: _whole(path, content)]
    try:
        return whole.decode("utf-8")
    except UnicodeDecodeError as error:
        line = whole[: error.start].count(b"\n") + 1
        raise ValueError(
            f"{path}:{line}: is damaged, it is no text in UTF-8; restore the file or give another"
        ) from error


def cut_torn_line(path: Path) -> None:
    """Remove what follows the last line break of a file, where there is one, before more is appended; and say so."""
    if not path.exists():
        return
    content = path.read_bytes()
    end = _whole(path, content)
    if end < len(content):
        with path.open("r+b") as file:
            file.truncate(end)


def _whole(path: Path, content: bytes) -> int:
    """Length of the whole lines; what follows them is said to be dropped."""
    end = content.rfind(b"\n") + 1
    if end < len(content):
        _LOG.warning(
            "%s: line %d was cut short (%d bytes without a line break) and is dropped; the lines before it are kept",
            path, content.count(b"\n") + 1, len(content) - end,
        )  # fmt: skip
    return end
