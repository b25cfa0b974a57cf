"""CIFAR-10 and CIFAR-100 from their original binary files.

Krizhevsky, *Learning Multiple Layers of Features from Tiny Images*, 2009; the files and their format are at
https://www.cs.toronto.edu/~kriz/cifar.html. The Python version of the files is pickled and never read.
"""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np

from nagjax.supernet.datasets.files import folder_of, read_bytes
from nagjax.supernet.datasets.images import Images, check_labels

SIDE = 32


@dataclasses.dataclass(frozen=True)
class _Version:
    """One of the two data sets: its files, and where the label stands in a record of label bytes and pixels."""

    classes: int
    train: tuple[str, ...]
    test: str
    label_bytes: int
    archive: str
    folder: str
    pickled_folder: str
    pickled: tuple[str, ...]

    @property
    def record(self) -> int:
        return self.label_bytes + 3 * SIDE * SIDE


_BATCHES = tuple(f"data_batch_{i}" for i in range(1, 6))
_VERSIONS = {
    "cifar10": _Version(
        classes=10,
        train=tuple(f"{name}.bin" for name in _BATCHES),
        test="test_batch.bin",
        label_bytes=1,
        archive="cifar-10-binary.tar.gz",
        folder="cifar-10-batches-bin",
        pickled_folder="cifar-10-batches-py",
        pickled=(*_BATCHES, "test_batch", "batches.meta"),
    ),
    # Two labels stand before the pixels: one of 20 coarse classes, then the fine one, which is read.
    "cifar100": _Version(
        classes=100,
        train=("train.bin",),
        test="test.bin",
        label_bytes=2,
        archive="cifar-100-binary.tar.gz",
        folder="cifar-100-binary",
        pickled_folder="cifar-100-python",
        pickled=("train", "test", "meta"),
    ),
}

CLASSES = {name: version.classes for name, version in _VERSIONS.items()}


def read_cifar(name: str, data_dir: str | Path | None) -> tuple[Images, Images]:
    """Training and test images ``[N, 32, 32, 3]`` of ``"cifar10"`` or ``"cifar100"`` (fine labels).

    The folder is that of the binary files, or the one where their archive was unpacked.

    Raises:
      ValueError: if there is no folder, a file is missing, truncated or has a label too high, or the folder holds the
        pickled Python version.
    """
    version = _VERSIONS[name]
    if data_dir is None:
        raise ValueError(f"{name}: no folder is given; --data_dir=FOLDER says where {version.archive} was unpacked")
    names = (*version.train, version.test)
    folder = folder_of(data_dir, (version.folder,), names)
    missing = [file for file in names if not (folder / file).is_file()]
    if missing:
        raise _missing(name, version, folder, missing)
    batches = [_read(folder / file, version) for file in version.train]
    _check_batches(batches, folder, version)
    pixels = np.concatenate([batch.pixels for batch in batches])
    train = Images(pixels, np.concatenate([batch.labels for batch in batches]))
    return train, _read(folder / version.test, version)


def _missing(name: str, version: _Version, folder: Path, missing: list[str]) -> ValueError:
    """Says what is missing; the Python version of the files is the usual reason, and so is named."""
    pickled = next(
        (
            place
            for place in (folder, folder / version.pickled_folder)
            if any((place / file).is_file() for file in version.pickled)
        ),
        None,
    )
    if pickled:
        return ValueError(
            f"{name}: {pickled} holds the Python version of the files, which is pickled and never read; "
            f"fetch the binary version, {version.archive}, and unpack it in --data_dir"
        )
    return ValueError(
        f"{name}: {folder} (or {version.folder} in it) lacks {', '.join(missing)}; "
        f"unpack the binary version, {version.archive}, there, or give another --data_dir"
    )


def _read(path: Path, version: _Version) -> Images:
    data = read_bytes(path)
    if not data or len(data) % version.record:
        raise ValueError(
            f"{path}: has {len(data)} bytes, which is not a whole number of images of {version.record} bytes; "
            "it is truncated or of another data set: fetch it again"
        )
    records = np.frombuffer(data, np.uint8).reshape(-1, version.record)
    labels = records[:, version.label_bytes - 1]
    check_labels(labels, version.classes, str(path))
    planes = records[:, version.label_bytes :].reshape(-1, 3, SIDE, SIDE)
    return Images(np.ascontiguousarray(planes.transpose(0, 2, 3, 1)), labels.astype(np.int32))


def _check_batches(batches: list[Images], folder: Path, version: _Version) -> None:
    """All batches are of one size: a file may also be cut between two images."""
    longest = max(range(len(batches)), key=lambda i: len(batches[i]))
    for file, batch in zip(version.train, batches, strict=True):
        if len(batch) != len(batches[longest]):
            raise ValueError(
                f"{folder / file}: holds {len(batch)} images, {version.train[longest]} {len(batches[longest])}; "
                "all batches have the same number, so it is truncated: fetch it again"
            )
