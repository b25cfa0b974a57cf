"""One image file as a square of bytes: upright, without transparency, in three channels; or why it is not read."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

BACKGROUNDS: Mapping[str, tuple[int, int, int]] = {"white": (255, 255, 255), "black": (0, 0, 0)}
"""What shows through where an image is transparent."""

ORIENTATION = 0x0112
TURNS: Mapping[Any, str] = {
    2: "FLIP_LEFT_RIGHT", 3: "ROTATE_180", 4: "FLIP_TOP_BOTTOM", 5: "TRANSPOSE", 6: "ROTATE_270", 7: "TRANSVERSE",
    8: "ROTATE_90",
}  # fmt: skip
"""What brings a picture of each orientation upright, by pillow's names."""

_DEEP = ("I", "F")
"""Modes of pillow (and their beginnings) with more than 8 bits, which it would cut off, not scale."""

_TRANSPARENT = ("LA", "PA", "RGBA")


def check_pillow() -> None:
    """Refuse to begin where no image can be read.

    Raises:
      ValueError: if pillow is not installed.
    """
    try:
        import PIL  # noqa: F401
    except ImportError as error:
        raise ValueError(f"folder: pillow reads images and cannot be imported ({error}); pip install pillow") from None


def read_picture(path: Path, size: int, background: str = "white") -> np.ndarray:
    """Pixels uint8 ``[size, size, 3]`` of a PNG or JPEG file.

    It is turned as its EXIF orientation says, laid over ``background`` where it is transparent, made RGB (grey,
    palettes and CMYK; without colour profiles) and resized, bilinearly and without keeping its sides' ratio. Of a JPEG
    file with several pictures the first is taken.

    Raises:
      ValueError: naming the file, if it is damaged, is not a PNG or JPEG, is animated, has more than 8 bits in its only
        channel, or is too large for pillow.
    """
    from PIL import Image

    try:
        with Image.open(path, formats=("PNG", "JPEG")) as image:
            odd = _odd(image)
            square = None if odd else _square(Image, image, size, BACKGROUNDS[background])
            whole = image.format == "PNG"
        if whole and not odd:
            _check_sums(Image, path)
    except MemoryError:
        raise
    except Exception as error:  # what a decoder raises at a broken file depends on where it is broken
        raise ValueError(f"{path}: cannot be read as PNG or JPEG ({error}); replace or remove it") from None
    if square is None:
        raise ValueError(f"{path}: {odd}")
    return square


def _odd(image: Any) -> str:
    """Why a whole image is not read; empty where it is."""
    if image.mode.startswith(_DEEP):
        return f"has more than 8 bits a channel (mode {image.mode}); convert it to 8 bits"
    if image.format == "PNG" and getattr(image, "is_animated", False):
        return f"is animated ({image.n_frames} pictures); keep one of them"
    return ""


def _square(pillow: ModuleType, image: Any, size: int, background: tuple[int, int, int]) -> np.ndarray:
    upright = _upright(pillow, image)
    if upright.mode in _TRANSPARENT or "transparency" in upright.info:
        below = pillow.new("RGBA", upright.size, (*background, 255))
        below.alpha_composite(upright.convert("RGBA"))
        upright = below
    return np.asarray(upright.convert("RGB").resize((size, size), pillow.Resampling.BILINEAR), np.uint8)


def _upright(pillow: ModuleType, image: Any) -> Any:
    """The picture as EXIF 2.3, 4.6.4, says that it is to be seen.

    Not by pillow's ``exif_transpose``: that writes the whole EXIF block again, which fails for blocks of some cameras.
    """
    turn = TURNS.get(image.getexif().get(ORIENTATION))
    return image if turn is None else image.transpose(pillow.Transpose[turn])


def _check_sums(pillow: ModuleType, path: Path) -> None:
    """Raise at a PNG whose check sums are wrong: decoding alone does not compare them."""
    with pillow.open(path, formats=("PNG",)) as image:
        image.verify()
