"""MNIST and Fashion-MNIST from their original IDX files, gzipped or not.

The format is at the end of http://yann.lecun.com/exdb/mnist/; Fashion-MNIST (Xiao, Rasul and Vollgraf, 2017,
arXiv:1708.07747) has the same files under the same names.
"""

from __future__ import annotations

import gzip
import math
import zlib
from pathlib import Path

import numpy as np

from nagjax.supernet.datasets.files import folder_of, read_bytes
from nagjax.supernet.datasets.images import Images, check_labels

CLASSES = 10
DEBIAN_FOLDER = "/usr/share/datasets/fashion-mnist"
"""Where the Debian package dataset-fashion-mnist puts its files."""

_IMAGES, _LABELS = "images-idx3-ubyte", "labels-idx1-ubyte"
_REMEDIES = {
    "fashion_mnist": f"install the Debian package dataset-fashion-mnist, which puts them in {DEBIAN_FOLDER}, or say "
    "with --data_dir=FOLDER where they are",
    "mnist": "say with --data_dir=FOLDER where they are",
}
_SUBFOLDERS = {"fashion_mnist": ("fashion-mnist", "FashionMNIST/raw"), "mnist": ("mnist", "MNIST/raw")}


def read_mnist(name: str, data_dir: str | Path | None = None) -> tuple[Images, Images]:
    """Training and test images ``[N, H, W, 1]`` of ``"fashion_mnist"`` or ``"mnist"``.

    The folder is that of the four files, or one that holds it under the name that the Debian package or torchvision
    gives it. Without one Fashion-MNIST is looked for where its Debian package puts it.

    Raises:
      ValueError: if there is no folder, a file is missing or broken, images and labels differ in number, or a label
        is above 9.
    """
    if data_dir is None and name == "mnist":
        raise ValueError("mnist: no folder is given; --data_dir=FOLDER says where its four IDX files are")
    wanted = [*_names("train"), *_names("t10k")]
    if data_dir is None and not Path(DEBIAN_FOLDER).is_dir():
        raise _missing(name, Path(DEBIAN_FOLDER), wanted)
    folder = folder_of(
        DEBIAN_FOLDER if data_dir is None else data_dir,
        _SUBFOLDERS[name],
        [file + end for file in wanted for end in ("", ".gz")],
    )
    missing = [file for file in wanted if _find(folder, file) is None]
    if missing:
        raise _missing(name, folder, missing)
    return _read_pair(folder, "train"), _read_pair(folder, "t10k")


def read_idx(path: Path, dims: int) -> np.ndarray:
    """The array uint8 of so many dimensions of an IDX file; that it is gzipped is seen from its content, not its name.

    Raises:
      ValueError: if it is not IDX, has other dimensions or another type, or is shorter or longer than its header says.
    """
    data = _unzipped(path)
    header = 4 + 4 * dims
    magic = bytes((0, 0, 8, dims))
    if len(data) >= 4 and data[:4] != magic:
        raise ValueError(
            f"{path}: begins with 0x{data[:4].hex()}, not 0x{magic.hex()}, so it is not an IDX file of bytes with "
            f"{dims} dimension{'s' * (dims > 1)}; check that it has its right name, or fetch it again"
        )
    if len(data) < header:
        raise ValueError(f"{path}: has {len(data)} bytes, its header has {header}; it is truncated: fetch it again")
    shape = tuple(int(size) for size in np.frombuffer(data, ">u4", dims, 4))
    if 0 in shape:
        raise ValueError(f"{path}: its header gives the shape {shape}; there is nothing in it: fetch it again")
    expected = header + math.prod(shape)
    if len(data) != expected:
        what = "is truncated" if len(data) < expected else "has bytes too many"
        raise ValueError(
            f"{path}: {what}: {len(data)} bytes, where the shape {shape} of its header makes {expected}; fetch it again"
        )
    return np.frombuffer(data, np.uint8, offset=header).reshape(shape)


def _names(part: str) -> tuple[str, str]:
    return f"{part}-{_IMAGES}", f"{part}-{_LABELS}"


def _find(folder: Path, name: str) -> Path | None:
    """The file as it is, or else gzipped."""
    return next((path for path in (folder / name, folder / f"{name}.gz") if path.is_file()), None)


def _missing(name: str, folder: Path, names: list[str]) -> ValueError:
    return ValueError(
        f"{name}: {folder} lacks {', '.join(names)} (each was looked for as it is and with .gz); {_REMEDIES[name]}"
    )


def _read_pair(folder: Path, part: str) -> Images:
    places = [path for path in (_find(folder, name) for name in _names(part)) if path]
    pixels, labels = read_idx(places[0], 3), read_idx(places[1], 1)
    if len(pixels) != len(labels):
        raise ValueError(
            f"{places[1]}: holds {len(labels)} labels, but {places[0].name} holds {len(pixels)} images; "
            "they are not of one data set: fetch both again"
        )
    check_labels(labels, CLASSES, str(places[1]))
    return Images(pixels[..., None], labels.astype(np.int32))


def _unzipped(path: Path) -> bytes:
    data = read_bytes(path)
    if data[:2] != b"\x1f\x8b":
        return data
    try:
        return gzip.decompress(data)
    except (EOFError, OSError, zlib.error) as error:
        raise ValueError(f"{path}: cannot be unzipped ({error}); it is truncated or broken: fetch it again") from None
