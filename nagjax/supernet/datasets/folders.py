"""Folders of images, one a class: ``root/train/<class>/*.png`` and ``root/test/<class>/*.jpg``."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from nagjax.supernet.datasets import memory
from nagjax.supernet.datasets.cache import Progress, cached, cached_sums
from nagjax.supernet.datasets.images import Images, Stored
from nagjax.supernet.datasets.picture import BACKGROUNDS, check_pillow, read_picture

SUFFIXES = (".png", ".jpg", ".jpeg")
DECODING = 1
"""Version of what ``read_picture`` makes of a file; another one makes other files of a cache."""
BLOCK_BYTES = 2**24
"""Pixels that are decoded before they are written and counted."""
WORKERS = 4
"""Images that are decoded at a time; pillow does most of it outside Python's lock."""
SHOWN = 8
"""Files that cannot be read and are named."""


def read_folders(
    root: str | Path | None,
    size: int | None,
    background: str = "white",
    cache: str | Path | None = None,
    progress: Progress | None = None,
) -> tuple[Images, Images, tuple[str, ...]]:
    """Training and test images ``[N, size, size, 3]``, and the names of the classes, of a folder.

    Images are read by ``read_picture``. Classes are the folders in ``train``, in alphabetical order; names that begin
    with a dot are passed over. It has ``train``, and ``test`` or else ``val``. One of ``BACKGROUNDS`` shows where an
    image is transparent. Decoded images stay in a file of the folder ``cache``, if there is one, and are not read into
    memory.

    Raises:
      ValueError: if pillow is not installed, a folder is missing, empty or not expected, both ``test`` and ``val`` are
        there, files cannot be read (all are named, up to ``SHOWN``), a class of ``test`` is not in ``train``, or the
        images would take more than ``memory.SHARE`` of the free memory and there is no cache.
    """
    if background not in BACKGROUNDS:
        raise ValueError(f"--image_background={background}: is not one of {', '.join(BACKGROUNDS)}")
    if root is None:
        raise ValueError("folder: no folder is given; --data_dir=FOLDER says which one holds train and test")
    if not isinstance(size, int) or size < 1:
        raise ValueError(
            f"folder: the image size is {size}; give the side of the square in pixels, such as --image_size=28"
        )
    place = Path(root).expanduser()
    train, test = place / "train", _test_folder(place)
    classes = tuple(folder.name for folder in _class_folders(train))
    unknown = [folder for folder in _class_folders(test) if folder.name not in classes]
    if unknown:
        raise ValueError(
            f"{unknown[0]}: {train} has no class of this name; its {len(classes)} classes are "
            f"{', '.join(classes[:10])}{', ...' if len(classes) > 10 else ''}"
        )
    (paths, labels), (test_paths, test_labels) = _list_split(train, classes), _list_split(test, classes)
    every, count = [*paths, *test_paths], len(paths)
    check_pillow()
    if cache is None:
        _check_memory(place, len(every), size)
        pixels = _in_memory(_blocks(every, size, background, 0, progress), len(every), size)
        return Images(pixels[:count], labels), Images(pixels[count:], test_labels), classes
    file = Path(cache).expanduser() / f"images-{_key(place, every, size, background)}.npy"
    stored = cached(
        file, (len(every), size, size, 3), lambda start: _blocks(every, size, background, start, progress)
    )  # fmt: skip
    rows, sums = np.arange(len(every)), cached_sums(file, stored, progress)
    train_pixels, test_pixels = (Stored(stored, part, sums) for part in (rows[:count], rows[count:]))
    return Images(train_pixels, labels), Images(test_pixels, test_labels), classes


def _test_folder(root: Path) -> Path:
    if not root.is_dir():
        raise ValueError(f"{root}: no such folder; check the path, --data_dir says which one holds train and test")
    found = [root / name for name in ("test", "val") if (root / name).is_dir()]
    if len(found) == 1:
        return found[0]
    if found:
        raise ValueError(
            f"{root}: holds test and val, and only one can be the test images (those for validation are drawn from "
            "train); move the other elsewhere"
        )
    raise ValueError(f"{root}: holds neither test nor val; put the images into train/<class>/ and test/<class>/")


def _visible(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if not path.name.startswith("."))


def _class_folders(split: Path) -> list[Path]:
    if not split.is_dir():
        raise ValueError(f"{split}: no such folder; the images are in train/<class>/ and test/<class>/")
    folders = [path for path in _visible(split) if path.is_dir()]
    if not folders:
        raise ValueError(f"{split}: holds no class folder; the images of each class are in a folder of its name")
    return folders


def _list_split(split: Path, classes: tuple[str, ...]) -> tuple[list[Path], np.ndarray]:
    """Files of a split, and the class int32 ``[N]`` of each."""
    paths, labels = [], []
    for folder in _class_folders(split):
        files = _visible(folder)
        odd = [path for path in files if path.suffix.lower() not in SUFFIXES or not path.is_file()]
        if odd or not files:
            what = f"{odd[0]}: is not an image that is read" if odd else f"{folder}: is empty"
            raise ValueError(f"{what}; a class folder holds {', '.join(SUFFIXES)} files alone: convert, add or remove")
        paths += files
        labels += [classes.index(folder.name)] * len(files)
    return paths, np.array(labels, np.int32)


def _in_memory(blocks: Iterable[np.ndarray], count: int, size: int) -> np.ndarray:
    pixels, done = np.empty((count, size, size, 3), np.uint8), 0
    for block in blocks:
        pixels[done : done + len(block)] = block
        done += len(block)
    return pixels


def _check_memory(root: Path, count: int, size: int) -> None:
    needed, free = count * size * size * 3, memory.available_bytes()
    if free is not None and needed > memory.SHARE * free:
        raise ValueError(
            f"{root}: {count:,} images of {size} x {size} need {memory.gib(needed)} of memory, {memory.gib(free)} are "
            f"free and at most {100 * memory.SHARE:g} % of these are taken; give --image_cache=FOLDER, where they are "
            "decoded once and read from, or a smaller --image_size"
        )


def _key(root: Path, paths: Sequence[Path], size: int, background: str) -> str:
    """What the pixels of a listing depend on: names, lengths and times of all files, and how they are decoded."""
    whole = hashlib.sha256(json.dumps([DECODING, size, background]).encode())
    for path in paths:
        about = path.stat()
        whole.update(os.fsencode(path.relative_to(root)) + f"\0{about.st_size}\0{about.st_mtime_ns}\0".encode())
    return whole.hexdigest()[:24]


def _blocks(
    paths: Sequence[Path], size: int, background: str, start: int, progress: Progress | None
) -> Iterator[np.ndarray]:
    """Pixels uint8 ``[n, size, size, 3]`` of images from ``start`` on, several decoded at a time.

    Raises:
      ValueError: at the end, naming all that cannot be read; nothing follows the first of them.
    """

    def read(path: Path) -> np.ndarray | ValueError:
        try:
            return read_picture(path, size, background)
        except ValueError as error:
            return error

    wrong: list[ValueError] = []
    block = max(1, BLOCK_BYTES // (size * size * 3))
    with ThreadPoolExecutor(WORKERS) as pool:
        for first in range(start, len(paths), block):
            found = list(pool.map(read, paths[first : first + block]))
            wrong += [one for one in found if isinstance(one, ValueError)]
            if not wrong:
                yield np.stack([one for one in found if not isinstance(one, ValueError)])
            if progress is not None:
                progress(first + len(found), len(paths))
    if wrong:
        more = f"\nand {len(wrong) - SHOWN} more" if len(wrong) > SHOWN else ""
        raise ValueError("\n".join(map(str, wrong[:SHOWN])) + more)
