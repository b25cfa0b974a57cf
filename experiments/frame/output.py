"""Where a job writes: a folder or a file that is tried and taken before anything slow is done, by one job at a time.

A place is taken by a lock that the operating system holds for the life of the process (``flock``), so a killed job
leaves none behind. File systems without such locks have a file made exclusively instead; of one that a killed job left
the error says so, and what to remove.
"""

from __future__ import annotations

import contextlib
import datetime as dt
import errno
import os
import re
import socket
from collections.abc import Iterator
from pathlib import Path

from experiments.frame import full_disk, settings
from nagjax import durable

try:
    import fcntl
except ImportError:  # Windows has no such locks
    fcntl = None  # type: ignore[assignment]

LOCK = ".lock"
_NO_LOCKS = {errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP, errno.EINVAL, errno.ENOTTY}
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]+):/")


class _HeldError(Exception):
    """Another process holds a lock; says which."""


@contextlib.contextmanager
def folder(name: str | None, example: str, flag: str = "out", lock: str = LOCK) -> Iterator[Path]:
    """The folder that a job writes, made and taken for the block; one that is left empty is removed again.

    For errors: an example such as ``runs/note10``, and the name of the flag. ``lock`` is a file in the folder.

    Raises:
      ValueError: if no name is given or it cannot be used, the folder cannot be written, or another process writes it.
    """
    if not name:
        raise ValueError(f"--{flag} is not given: name the folder that this job writes, such as --{flag}={example}")
    place = checked(name, flag)
    if place.exists() and not place.is_dir():
        raise ValueError(f"--{flag}={place}: is a file; name a folder")
    made = [parent for parent in (place, *place.parents) if not parent.exists()]
    try:
        with _refusing(place, flag):
            place.mkdir(parents=True, exist_ok=True)
        with _taken(place, place / lock, flag):
            with _refusing(place, flag):
                _try(place)
            yield place
    finally:
        for one in made:
            with contextlib.suppress(OSError):  # what holds something stays
                one.rmdir()


@contextlib.contextmanager
def file(name: str | None, example: str, flag: str = "out") -> Iterator[Path]:
    """The file that a job writes, its name taken for the block; nothing is written to it here.

    Raises:
      ValueError: if no name is given or it cannot be used, its folder is missing or cannot be written, or another
        process writes it.
    """
    if not name:
        raise ValueError(f"--{flag} is not given: name the file that this job writes, such as --{flag}={example}")
    place = checked(name, flag)
    if place.exists() and not place.is_file():
        raise ValueError(f"--{flag}={place}: is not a file; name a file, such as --{flag}={example}")
    with _refusing(place, flag):
        parent = place.resolve().parent
        if not parent.is_dir():
            raise ValueError(f"--{flag}={place}: there is no folder {parent}; make it first, or name another")
    with _taken(place, parent / f".{place.resolve().name}{LOCK}", flag):
        with _refusing(place, flag):
            _try(parent)
        yield place


@contextlib.contextmanager
def new_file(name: str | None, example: str, flag: str = "out") -> Iterator[Path]:
    """As ``file``, of a name that is free.

    Raises:
      ValueError: as ``file``, or if there is such a file.
    """
    with file(name, example, flag) as place:
        if place.exists():
            raise ValueError(f"--{flag}={place}: exists; choose another name, or remove it")
        yield place


def try_checkpoints(place: Path, flag: str = "out") -> None:
    """Write a checkpoint below a folder and read it again.

    Raises:
      ValueError: if that does not work there.
    """
    from nagjax.checkpoint.saving import try_folder

    try:
        try_folder(place)
    except (OSError, ValueError) as error:
        why = full_disk.reason(error)
        said = f"cannot be written: {why}" if why else f"{error}; name another, of letters, digits, - and _"
        raise ValueError(f"--{flag}={place}: {said}") from error


def contents(place: Path) -> list[str]:
    """Names of what a folder holds, sorted; without locks and what a kill left half written; none where it is not."""
    if not place.is_dir():
        return []
    return sorted(one.name for one in place.iterdir() if not one.name.startswith((LOCK, durable.PARTIAL)))


def checked(name: str, flag: str) -> Path:
    """The path of something to write, ``~`` expanded.

    Raises:
      ValueError: if the name is of another machine, or cannot be printed or typed again.
    """
    scheme = _SCHEME.match(name)
    if scheme:
        raise ValueError(
            f"--{flag}={name}: is not on this machine: {scheme.group(1)}: is not supported, since locks and appended "
            "lines need a file system; write to a folder and copy it, or mount the store"
        )
    if _CONTROL.search(name) or ("\\" in name and os.sep != "\\"):
        raise ValueError(
            f"--{flag}={name!r}: holds a backslash or control character, which checkpoints are not found under again; "
            "name another"
        )
    return settings.user_path(name, flag)


@contextlib.contextmanager
def _refusing(place: Path, flag: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise ValueError(
            f"--{flag}={place}: cannot be written: {error.strerror or error}; name a place of yours with space left"
        ) from None


def _try(parent: Path) -> None:
    """Write a file, read it and rename it, as all that is written later is."""
    target, text = parent / f"{durable.PARTIAL}trial-{os.getpid()}", f"trial {parent}\n"
    try:
        durable.replace(target, text)
        if target.read_text(encoding="utf-8") != text:
            raise OSError(errno.EIO, "what was written reads otherwise")
    finally:
        with contextlib.suppress(OSError):
            target.unlink()


@contextlib.contextmanager
def _taken(place: Path, path: Path, flag: str) -> Iterator[None]:
    """Hold a lock for the block.

    Raises:
      ValueError: if another process holds it.
    """
    with contextlib.ExitStack() as stack:
        try:
            with _refusing(place, flag):
                stack.enter_context(_lock(path))
        except _HeldError as held:
            raise ValueError(f"--{flag}={place}: {held}") from None
        yield


@contextlib.contextmanager
def _lock(path: Path) -> Iterator[None]:
    handle = _flock(path)
    if handle is None:
        path, handle = path.with_name(path.name + ".exclusive"), _exclusive(path.with_name(path.name + ".exclusive"))
    try:
        with contextlib.suppress(OSError):  # a full disk: the trial that follows says so
            os.write(handle, _holder().encode())
        yield
    finally:
        # Removed while it is held: whoever opened it meanwhile sees that it is another file, and begins again.
        with contextlib.suppress(OSError):
            if _same(handle, path):
                path.unlink()
        os.close(handle)


def _flock(path: Path) -> int | None:
    """An open handle of a lock file that is locked; None where there are no such locks."""
    if fcntl is None:
        return None
    while True:
        handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if _same(handle, path):
                os.ftruncate(handle, 0)
                return handle
        except BlockingIOError:
            holder = os.read(handle, 1000).decode("utf-8", "replace").strip()
            os.close(handle)
            raise _HeldError(
                f"{holder or 'another process'} writes there; wait until it ends, stop it, or give another"
            ) from None
        except OSError as error:
            os.close(handle)
            if error.errno not in _NO_LOCKS:
                raise
            with contextlib.suppress(OSError):
                path.unlink()
            return None
        os.close(handle)


def _exclusive(path: Path) -> int:
    """An open handle of a file that did not exist."""
    try:
        return os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o666)
    except FileExistsError:
        holder = path.read_text(encoding="utf-8", errors="replace").strip()
    if _is_gone(holder):
        raise _HeldError(f"{holder} wrote there and was killed; remove {path} to go on")
    raise _HeldError(
        f"{holder or 'another process'} writes there; wait until it ends, or, if it is no more, remove {path}"
    )


def _holder() -> str:
    now = dt.datetime.now().astimezone().isoformat(timespec="seconds")
    return f"process {os.getpid()} on {socket.gethostname()} (since {now})\n"


def _is_gone(holder: str) -> bool:
    """Whether a process of this machine that a lock names is certainly no more."""
    found = re.match(r"process (\d+) on (\S+) ", holder)
    if not found or found.group(2) != socket.gethostname() or os.name != "posix":
        return False
    try:
        os.kill(int(found.group(1)), 0)
    except ProcessLookupError:
        return True
    except OSError:
        pass
    return False


def _same(handle: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(handle), path.stat())
    except FileNotFoundError:
        return False
