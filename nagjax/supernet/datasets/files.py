"""Finding and reading the files of a data set."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from nagjax import files


def read_bytes(path: Path) -> bytes:
    """All of a file of a data set.

    Raises:
      ValueError: if it cannot be read, is not a file, or is empty.
    """
    return files.read_bytes(path, "the data set's file")


def folder_of(data_dir: str | Path, subfolders: Sequence[str], names: Sequence[str]) -> Path:
    """The folder that holds any of some files: ``data_dir`` itself or one of its subfolders, else ``data_dir``.

    Raises:
      ValueError: if ``data_dir`` is not a folder.
    """
    folder = Path(data_dir).expanduser()
    if not folder.is_dir():
        what = "is a file, not a folder" if folder.exists() else "no such folder"
        raise ValueError(f"{folder}: {what}; --data_dir is the folder of the data set")
    candidates = [folder, *(folder / name for name in subfolders)]
    return next((place for place in candidates if any((place / name).is_file() for name in names)), folder)
