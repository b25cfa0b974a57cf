"""Images that were decoded once, as one array in a file that is mapped into memory: for folders larger than memory.

The file grows image by image under a name of its own and is renamed when it is whole; whoever is killed before goes on
behind the last whole image. It is a plain ``.npy`` file, uint8 ``[N, size, size, 3]``.
"""

from __future__ import annotations

import contextlib
import io
import os
import shutil
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from nagjax import durable
from nagjax.supernet.datasets.images import blocks, image_sums
from nagjax.supernet.datasets.memory import gib

Progress = Callable[[int, int], None]
"""Called with how many images are done, and of how many."""

Blocks = Callable[[int], Iterable[np.ndarray]]
"""Images uint8 ``[n, H, W, 3]`` one block after the other, from the image of a number on."""


def cached(path: Path, shape: tuple[int, int, int, int], read: Blocks) -> np.ndarray:
    """The array in a file, mapped and read-only; where it is not there, ``read`` gives it and the folder is made.

    Raises:
      ValueError: if the folder cannot be written or has too little space, another process is filling the file, or the
        file is not such an array; and what ``read`` raises.
    """
    if not path.exists():
        with _writing(path):
            _make_folder(path.parent)
            _fill(path, shape, read)
    return _load(path, shape, np.uint8)


def cached_sums(path: Path, pixels: np.ndarray, progress: Progress | None = None) -> np.ndarray:
    """``image_sums`` of the array in ``path``, int64 ``[N, 2, 3]``, from a file beside it; made where it is not there.

    Raises:
      ValueError: if the file cannot be written or is damaged.
    """
    beside, shape = path.with_name(f"{path.stem}.sums.npy"), (len(pixels), 2, pixels.shape[3])
    if not beside.exists():
        found = np.zeros(shape, np.int64)
        done = 0
        for block in blocks(pixels):
            found[done : done + len(block)] = image_sums(block)
            done += len(block)
            if progress is not None:
                progress(done, len(pixels))
        with _writing(beside), durable.replacing(beside) as file:
            np.save(file, found)
    return np.asarray(_load(beside, shape, np.int64))


def _load(path: Path, shape: tuple[int, ...], dtype: Any) -> np.ndarray:
    try:
        array = np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise ValueError(f"{path}: is not a whole .npy file ({error}); remove it to have it made again") from None
    if array.shape != shape or array.dtype != dtype:
        raise ValueError(
            f"{path}: holds {array.dtype} {array.shape}, not {np.dtype(dtype)} {shape}; remove it to have it made again"
        )
    return array


def _make_folder(folder: Path) -> None:
    if folder.exists() and not folder.is_dir():
        raise ValueError(f"--image_cache={folder}: is a file; name a folder")
    folder.mkdir(parents=True, exist_ok=True)


def _fill(path: Path, shape: tuple[int, int, int, int], read: Blocks) -> None:
    partial = path.with_name(path.name + ".part")
    head, each = _head(shape), int(np.prod(shape[1:]))
    with partial.open("a+b") as file:
        _lock(file, partial)
        if path.exists():  # whoever held the lock before has done it all
            partial.unlink(missing_ok=True)
            return
        done = _whole(file, head, each)
        _check_space(path.parent, (shape[0] - done) * each)
        try:
            for block in read(done):
                file.write(np.ascontiguousarray(block, np.uint8).tobytes())
                file.flush()
                os.fsync(file.fileno())
        except ValueError:  # images that are mended or removed are another listing, which this file is not for
            partial.unlink()
            raise
        if file.tell() != len(head) + shape[0] * each:
            raise ValueError(f"{partial}: has {file.tell()} bytes after the last image; remove it and start again")
        partial.replace(path)


def _head(shape: tuple[int, int, int, int]) -> bytes:
    out = io.BytesIO()
    np.lib.format.write_array_header_2_0(out, {"descr": "|u1", "fortran_order": False, "shape": shape})
    return out.getvalue()


def _whole(file: BinaryIO, head: bytes, each: int) -> int:
    """Whole images that the file holds; what a crash left of another is cut off."""
    file.seek(0)
    if file.read(len(head)) != head:
        file.truncate(0)
        file.write(head)
    done = (file.seek(0, os.SEEK_END) - len(head)) // each
    file.truncate(len(head) + done * each)
    file.seek(0, os.SEEK_END)
    return done


def _check_space(folder: Path, needed: int) -> None:
    free = shutil.disk_usage(folder).free
    if needed > free:
        raise ValueError(
            f"--image_cache={folder}: the images need {gib(needed)} and {gib(free)} are free there; make space, or "
            "name a folder on another disk"
        )


def _lock(file: BinaryIO, path: Path) -> None:
    """Hold the file until it is closed; the system lets go of it when a process dies."""
    try:
        import fcntl
    except ImportError:  # no such locks on this system
        return
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        raise ValueError(
            f"{path}: another process decodes the same images; wait for it, or give another --image_cache"
        ) from None


@contextlib.contextmanager
def _writing(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise ValueError(
            f"--image_cache={path.parent}: {path.name} cannot be written ({error.strerror}); make space or give "
            "another folder: the images that were decoded are kept, and the same command goes on"
        ) from None
