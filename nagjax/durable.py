"""Files that lose nothing that was there, whatever ends the process or fills the disk: whole files, whole lines.

In a file that grows a line counts once its line break is there. Every reader and every writer that goes on with such a
file asks here, so that no new line grows onto half an old one; what is dropped is said.
"""

from __future__ import annotations

import contextlib
import logging
import os
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import IO

try:
    import fcntl
except ImportError:  # Windows has no such locks
    fcntl = None  # type: ignore[assignment]

_LOG = logging.getLogger(__name__)

PARTIAL = ".nagjax-"
"""How names of files begin that are being written; a kill may leave one, and it means nothing."""


def replace(path: str | Path, text: str) -> None:
    """Write a file of UTF-8 text: it is whole and on the disk, or as it was before.

    Raises:
      OSError: if it cannot be written.
    """
    with replacing(path) as file:
        file.write(text.encode("utf-8"))


@contextlib.contextmanager
def replacing(path: str | Path) -> Iterator[IO[bytes]]:
    """A binary file that takes the place of ``path`` at the end of the block, unless the block raises.

    Devices and pipes (``/dev/stdout``) have no place to take, and are written to as they are.

    Raises:
      OSError: if it cannot be written.
    """
    target = Path(path)
    if target.parts[:2] == (os.sep, "dev") or (target.exists() and not target.is_file()):
        with target.open("wb") as file:
            yield file
        return
    target = target.resolve()  # a link stays a link
    partial = target.with_name(f"{PARTIAL}{secrets.token_hex(8)}.tmp")
    try:
        with partial.open("xb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        if target.exists():
            partial.chmod(target.stat().st_mode & 0o777)
        partial.replace(target)
    finally:
        with contextlib.suppress(OSError):
            partial.unlink()


def create(path: str | Path, text: str) -> bool:
    """Write a file of UTF-8 text where none is; whether it was written. Of several processes exactly one does.

    Raises:
      OSError: if it cannot be written.
    """
    target = Path(path)
    partial = target.with_name(f"{PARTIAL}{secrets.token_hex(8)}.tmp")
    try:
        with partial.open("xb") as file:
            file.write(text.encode("utf-8"))
            file.flush()
            os.fsync(file.fileno())
        if not hasattr(os, "link"):
            partial.rename(target)  # on such systems it refuses an existing file
        else:
            os.link(partial, target)
    except FileExistsError:
        return False
    finally:
        with contextlib.suppress(OSError):
            partial.unlink()
    return True


class Appender:
    """A file of lines that grows by whole lines only; a context manager.

    A last line that a crash cut short is removed when the file is opened, with a warning. What cannot be written whole,
    since the disk is full, is removed again before the error is raised: it may be tried once more.
    """

    def __init__(self, path: str | Path) -> None:
        """Open a file, new or to go on with.

        Raises:
          OSError: if it cannot be opened for writing.
        """
        self._path = Path(path)
        self._file = self._path.open("a+b", buffering=0)
        self._cut_torn_line()

    def __enter__(self) -> Appender:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    @property
    def empty(self) -> bool:
        """Whether the file holds nothing."""
        return self._size() == 0

    def add(self, text: str) -> None:
        """Append whole lines; they are on the disk, durably, when this returns.

        Raises:
          OSError: if they cannot be; then none of them is in the file.
        """
        begin = self._size()
        try:
            self._write(text)
            self.sync()
        except BaseException:
            self._truncate(begin)
            raise

    def add_soon(self, text: str) -> None:
        """Append whole lines that survive the end of this process, and that of the machine after ``sync``.

        Raises:
          OSError: as ``add``.
        """
        begin = self._size()
        try:
            self._write(text)
        except BaseException:
            self._truncate(begin)
            raise

    def sync(self) -> None:
        """Wait until all is on the disk."""
        os.fsync(self._file.fileno())

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def _write(self, text: str) -> None:
        left = memoryview(text.encode("utf-8"))
        while left:
            left = left[self._file.write(left) or 0 :]

    def _size(self) -> int:
        return os.fstat(self._file.fileno()).st_size

    def _truncate(self, size: int) -> None:
        with contextlib.suppress(OSError):
            self._file.truncate(size)

    def _cut_torn_line(self) -> None:
        size = self._size()
        if size == 0:
            return
        self._file.seek(size - 1)
        if self._file.read(1) == b"\n":
            return
        self._file.seek(0)
        self._file.truncate(_whole(self._path, self._file.read()))


@contextlib.contextmanager
def alone(path: str | Path) -> Iterator[None]:
    """A file that this process has to itself during the block, where the file system knows locks; made if need be.

    Raises:
      OSError: if it cannot be opened for writing.
      ValueError: if another process has it.
    """
    with Path(path).open("ab") as file:
        if fcntl is not None:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise ValueError(f"{path}: another process writes it; wait until it ends, or give another") from None
            except OSError:  # no locks there
                pass
        yield


def append(path: str | Path, text: str, header: str = "") -> None:
    """Append whole lines to a file that several processes may append to; durable when this returns.

    ``header`` is what a new file begins with.

    Raises:
      OSError: if they cannot be written; then none of them is in the file.
    """
    with Path(path).open("ab") as guard, _turn(guard), Appender(path) as file:
        file.add((header if file.empty else "") + text)


def whole_text(path: str | Path) -> str:
    """The whole lines of a file; a torn last one is left out, and a warning logged; none of a file not there.

    Raises:
      OSError: if it cannot be read.
      ValueError: if it is not text in UTF-8, with file and line.
    """
    try:
        content = Path(path).read_bytes()
    except FileNotFoundError:
        return ""
    whole = content[: _whole(Path(path), content)]
    try:
        return whole.decode("utf-8")
    except UnicodeDecodeError as error:
        line = whole[: error.start].count(b"\n") + 1
        raise ValueError(
            f"{path}:{line}: is damaged, it is not text in UTF-8; restore the file or give another"
        ) from error


def whole_lines(path: str | Path) -> list[str]:
    """``whole_text`` line by line, without the line breaks."""
    return whole_text(path).split("\n")[:-1]


def _whole(path: Path, content: bytes) -> int:
    """Length of the whole lines; what follows them is said to be dropped."""
    end = content.rfind(b"\n") + 1
    if end < len(content):
        _LOG.warning(
            "%s: line %d was cut short (%d bytes without a line break) and is dropped; the lines before it are kept",
            path, content.count(b"\n") + 1, len(content) - end,
        )  # fmt: skip
    return end


@contextlib.contextmanager
def _turn(file: IO[bytes]) -> Iterator[None]:
    """This process's turn at a file; at once where the file system knows no locks."""
    if fcntl is not None:
        with contextlib.suppress(OSError):
            fcntl.flock(file, fcntl.LOCK_EX)
    yield  # closing the file ends the turn
