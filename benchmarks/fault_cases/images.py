"""Folders of images and the files of image data sets."""

from __future__ import annotations

import gzip
import struct
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, cast

import numpy as np

from benchmarks.fault_cases.case import REMEDY, Case, bound, write
from nagjax.supernet.datasets.idx import read_idx
from nagjax.supernet.datasets.load import load


def cases() -> Iterator[Case]:
    """All cases of images."""
    yield from _folders()
    yield from _idx()
    yield from _arguments()


def _png(path: Path, size: tuple[int, int] = (8, 8), mode: str = "RGB") -> Path:
    from PIL import Image

    path.parent.mkdir(parents=True, exist_ok=True)
    image = Image.effect_noise(size, 64).convert(mode)
    image.save(path, "PNG")
    return path


def make(folder: Path, train: str = "train", test: str = "test") -> Path:
    """A sound data set: two classes of ten images to train on, and two to test with."""
    for split, count in ((train, 10), (test, 2)):
        for name in ("cat", "dog"):
            for number in range(count):
                _png(folder / split / name / f"{number}.png")
    return folder


def _folders() -> Iterator[Case]:
    def changed(change: Callable[[Path], Any], **given: Any) -> Callable[[Path], Any]:
        def act(folder: Path) -> Any:
            change(make(folder / "set"))
            found = load("folder", folder / "set", **{"image_size": 8, **given})
            return len(found.train), len(found.validation), len(found.test), found.classes

        return act

    sound = (18, 2, 4, 2)
    torn: Mapping[str, bytes] = {
        "empty": b"", "text": b"no image", "cut short": b"\x89PNG\r\n\x1a\n" + b"\0" * 20, "HTML": b"<html>404</html>"
    }  # fmt: skip
    for what, content in torn.items():
        act = changed(bound(lambda root, content: write(root / "train" / "cat" / "0.png", content), content))
        yield Case(f"images: one that is {what}", act, r"train/cat/0\.png", "remove|again|convert|write")
    wrong: list[tuple[str, Callable[[Path], Any], str]] = [
        ("a text among them", lambda root: write(root / "train" / "cat" / "notes.txt", "x"), r"notes\.txt"),
        ("an empty class", lambda root: (root / "train" / "cow").mkdir(), r"train/cow: is empty"),
        ("a class of tests alone", lambda root: _png(root / "test" / "cow" / "0.png"), r"test/cow"),
        ("a folder in a class", lambda root: (root / "train" / "cat" / "more").mkdir(), r"cat/more"),
        ("test and val", lambda root: _png(root / "val" / "cat" / "0.png"), "holds test and val"),
        ("no train", lambda root: (root / "train").rename(root / "training"), r"train: no such folder"),
        ("no test", lambda root: (root / "test").rename(root / "tests"), "neither test nor val"),
        ("a link to nothing", lambda root: (root / "train" / "cat" / "x.png").symlink_to(root / "gone"), r"x\.png"),
    ]
    for what, change, place in wrong:
        yield Case(f"images: {what}", changed(change), place, "add or remove|convert|put the|are in|move|its 2 classes")
    right: list[tuple[str, Callable[[Path], Any], dict[str, Any], Any]] = [
        ("sound", lambda root: None, {}, sound),
        ("hidden files", lambda root: write(root / "train" / "cat" / ".DS_Store", b"\0"), {}, sound),
        ("val for test", lambda root: (root / "test").rename(root / "val"), {}, sound),
        ("grey ones", lambda root: _png(root / "train" / "cat" / "0.png", mode="L"), {}, sound),
        ("transparent ones", lambda root: _png(root / "train" / "cat" / "0.png", mode="RGBA"), {}, sound),
        ("one pixel", lambda root: _png(root / "train" / "cat" / "0.png", (1, 1)), {}, sound),
        ("a capital ending", lambda root: (root / "train/cat/0.png").rename(root / "train/cat/0.PNG"), {}, sound),
        ("a few to validate with", lambda root: None, {"validation": 4}, (16, 4, 4, 2)),
    ]
    for what, change, given, value in right:
        yield Case(f"images: {what}", changed(change, **given), value=value)


def _idx() -> Iterator[Case]:
    sound = struct.pack(">4B3I", 0, 0, 8, 3, 2, 4, 4) + bytes(32)
    contents: Mapping[str, bytes] = {
        "empty": b"", "cut in its header": sound[:9], "cut in its pixels": sound[:-1], "too long": sound + b"x",
        "of labels": struct.pack(">4B1I", 0, 0, 8, 1, 4) + bytes(4), "of floats": b"\0\0\x0d\x03" + sound[4:],
        "of no images": struct.pack(">4B3I", 0, 0, 8, 3, 0, 4, 4), "text": b"not images at all, but words",
        "a torn gzip": gzip.compress(sound)[:-9], "of a wrong sum": gzip.compress(sound)[:-8] + b"\0" * 8,
        "a huge shape": struct.pack(">4B3I", 0, 0, 8, 3, 2**32 - 1, 2**32 - 1, 2**32 - 1) + bytes(8),
    }  # fmt: skip
    for what, content in contents.items():
        act = bound(lambda folder, content: read_idx(write(folder / "images", content), 3), content)
        yield Case(f"IDX: {what}", act, "images: ", "fetch it again|write or export")
    for what, content in (("plain", sound), ("gzipped", gzip.compress(sound))):
        act = bound(lambda folder, content: read_idx(write(folder / "images", content), 3).shape, content)
        yield Case(f"IDX: {what}", act, value=(2, 4, 4))


def _arguments() -> Iterator[Case]:
    wrong: list[tuple[str, dict[str, Any], str]] = [
        ("an unknown set", {"name": "mnsit"}, "'mnsit'"),
        ("an empty name", {"name": ""}, "data set ''"),
        ("a size for digits", {"name": "digits", "image_size": 8}, "image_size is 8"),
        ("too many to validate with", {"name": "digits", "validation": 10**6}, "digits: validation"),
        ("none to validate with", {"name": "digits", "validation": 0}, "digits: validation"),
        ("minus one to validate with", {"name": "digits", "validation": -1}, "digits: validation"),
        ("half an image", {"name": "digits", "validation": 1.5}, "validation"),
        ("a seed of -1", {"name": "digits", "seed": -1}, "seed"),
        ("a size of 0", {"name": "folder", "data_dir": ".", "image_size": 0}, "image size is 0"),
        ("a size of 1.5", {"name": "folder", "data_dir": ".", "image_size": 1.5}, "image size is 1.5"),
        ("no folder", {"name": "folder", "image_size": 8}, "no folder is given"),
        ("an absent folder", {"name": "cifar10", "data_dir": "gone"}, "gone"),
        ("no folder of MNIST", {"name": "mnist"}, "mnist: no folder"),
        ("a grey background", {"name": "folder", "data_dir": ".", "image_size": 8, "image_background": "grey"}, "grey"),
    ]
    for what, given, place in wrong:
        yield Case(
            f"data set: {what}", bound(lambda folder, given: load(**given), given), place, REMEDY + "|--data_dir"
        )
    yield Case("data set: digits", lambda folder: len(load("digits").validation), value=300)

    def small(folder: Path) -> Any:
        return len(load("digits", validation=cast("int", np.int64(20))).validation)

    yield Case("data set: a NumPy number", small, value=20)
