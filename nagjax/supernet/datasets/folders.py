"""Folders of images, one a class: ``root/train/<class>/*.png`` and ``root/test/<class>/*.jpg``."""

from __future__ import annotations

from pathlib import Path
from types import ModuleType

import numpy as np

from nagjax.supernet.datasets.images import Images

SUFFIXES = (".png", ".jpg", ".jpeg")
_DEEP = ("I", "F")
"""Modes of pillow (and their beginnings) with more than 8 bits, which it would cut off, not scale."""


def read_folders(root: str | Path | None, size: int | None) -> tuple[Images, Images, tuple[str, ...]]:
    """Training and test images ``[N, size, size, 3]``, and the names of the classes.

    Images become RGB and are resized to a square, bilinearly and without keeping their sides' ratio. Classes are the
    folders in ``train``, in alphabetical order; names that begin with a dot are passed over.

    Args:
      root: the folder with ``train``, and with ``test`` or else ``val``.
      size: the side of the square, pixels.

    Raises:
      ValueError: if pillow is not installed, a folder is missing, empty or not expected, both ``test`` and ``val`` are
        there, a file is no PNG or JPEG or is broken, or a class of ``test`` is not in ``train``.
    """
    if root is None:
        raise ValueError("folder: no folder is given; --data_dir=FOLDER says which one holds train and test")
    if size is None or size < 1:
        raise ValueError(f"folder: the image size is {size}; give the side of the square in pixels, 1 or more")
    place = Path(root).expanduser()
    train, test = place / "train", _test_folder(place)
    classes = tuple(folder.name for folder in _class_folders(train))
    unknown = [folder for folder in _class_folders(test) if folder.name not in classes]
    if unknown:
        raise ValueError(
            f"{unknown[0]}: {train} has no class of this name; its {len(classes)} classes are "
            f"{', '.join(classes[:10])}{', ...' if len(classes) > 10 else ''}"
        )
    return _read_split(train, classes, size), _read_split(test, classes, size), classes


def _test_folder(root: Path) -> Path:
    found = [root / name for name in ("test", "val") if (root / name).is_dir()]
    if len(found) == 1:
        return found[0]
    if found:
        raise ValueError(
            f"{root}: holds test and val, and only one can be the test images (those for validation are drawn from "
            "train); move the other elsewhere"
        )
    raise ValueError(f"{root}: holds neither test nor val; the images are in train/<class>/ and test/<class>/")


def _visible(folder: Path) -> list[Path]:
    return sorted(path for path in folder.iterdir() if not path.name.startswith("."))


def _class_folders(split: Path) -> list[Path]:
    if not split.is_dir():
        raise ValueError(f"{split}: no such folder; the images are in train/<class>/ and test/<class>/")
    folders = [path for path in _visible(split) if path.is_dir()]
    if not folders:
        raise ValueError(f"{split}: holds no class folder; the images of each class are in a folder of its name")
    return folders


def _read_split(split: Path, classes: tuple[str, ...], size: int) -> Images:
    paths, labels = [], []
    for folder in _class_folders(split):
        files = _visible(folder)
        odd = [path for path in files if path.suffix.lower() not in SUFFIXES or not path.is_file()]
        if odd or not files:
            what = f"{odd[0]}: is not an image that is read" if odd else f"{folder}: is empty"
            raise ValueError(f"{what}; a class folder holds {', '.join(SUFFIXES)} files alone: convert, add or remove")
        paths += files
        labels += [classes.index(folder.name)] * len(files)
    pixels = np.empty((len(paths), size, size, 3), np.uint8)
    pillow = _pillow()
    for index, path in enumerate(paths):
        pixels[index] = _read_image(pillow, path, size)
    return Images(pixels, np.array(labels, np.int32))


def _pillow() -> ModuleType:
    try:
        from PIL import Image
    except ImportError as error:
        raise ValueError(f"folder: pillow reads images and cannot be imported ({error}); pip install pillow") from None
    return Image


def _read_image(pillow: ModuleType, path: Path, size: int) -> np.ndarray:
    """Pixels uint8 ``[size, size, 3]`` of a file."""
    # What a decoder raises at a broken file depends on where it is broken.
    broken = (OSError, SyntaxError, ValueError, pillow.DecompressionBombError)
    try:
        with pillow.open(path, formats=("PNG", "JPEG")) as image:
            mode = image.mode
            square = image.convert("RGB").resize((size, size), pillow.Resampling.BILINEAR)
    except broken as error:
        raise ValueError(f"{path}: cannot be read as PNG or JPEG ({error}); replace or remove it") from None
    if mode.startswith(_DEEP):
        raise ValueError(f"{path}: has more than 8 bits a channel (mode {mode}); convert it to 8 bits")
    return np.asarray(square, np.uint8)
