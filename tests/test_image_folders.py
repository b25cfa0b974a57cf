"""Image files as cameras and tools write them, and folders that are larger than memory."""

import os
import re
import struct
import threading
from typing import ClassVar

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageOps

from experiments.frame import cli, console
from experiments.inputs import setup, supernet_setup
from nagjax.supernet.datasets import cache, folders, memory
from nagjax.supernet.datasets.draw import draw_images
from nagjax.supernet.datasets.images import Images, Stored, channel_statistics, image_sums, make_splits
from nagjax.supernet.datasets.load import load
from nagjax.supernet.datasets.picture import read_picture
from nagjax.supernet.evaluation import Assessor, _batches
from nagjax.supernet.image_tasks import image_task
from nagjax.supernet.inputs import Augmentation, Batches
from nagjax.supernet.labelling import label_part
from nagjax.supernet.recorded import recorded_images

RED, GREEN, BLUE, GREY = (250, 0, 0), (0, 250, 0), (0, 0, 250), (90, 90, 90)


# One picture


def quarters():
    """Red at the top left, green at the top right, blue at the bottom left, grey at the bottom right."""
    return np.array([[RED, GREEN], [BLUE, GREY]], np.uint8)


@pytest.mark.parametrize(
    ("orientation", "upright"),
    [
        (1, lambda p: p),
        (2, lambda p: p[:, ::-1]),
        (3, lambda p: p[::-1, ::-1]),
        (4, lambda p: p[::-1]),
        (5, lambda p: p.transpose(1, 0, 2)),
        (6, lambda p: np.rot90(p, -1)),
        (7, lambda p: p.transpose(1, 0, 2)[::-1, ::-1]),
        (8, lambda p: np.rot90(p, 1)),
    ],
)
@pytest.mark.parametrize("suffix", ["png", "jpg"])
def test_a_picture_stands_as_its_camera_says(tmp_path, orientation, upright, suffix):
    """EXIF 2.3, 4.6.4: orientation says where row 0 and column 0 of what is stored are to be seen."""
    path = tmp_path / f"a.{suffix}"
    exif = Image.Exif()
    exif[0x0112] = orientation
    image = Image.fromarray(quarters().repeat(16, 0).repeat(16, 1))
    image.save(path, exif=exif, **({"quality": 95, "subsampling": 0} if suffix == "jpg" else {}))
    found = read_picture(path, 32)[8::16, 8::16].astype(int)
    assert (abs(found - upright(quarters())) < 12).all()


def test_a_picture_is_turned_whose_exif_block_cannot_be_written_again(tmp_path):
    """Its width (0x0100) stands there as text, which pillow reads and cannot write: `exif_transpose` fails."""
    width, orientation = b"\x01\x00\0\x02\0\0\0\x04abc\0", b"\x01\x12\0\x03\0\0\0\x01\0\x03\0\0"
    block = b"Exif\0\0MM\0*\0\0\0\x08\0\x02" + width + orientation + b"\0\0\0\0"
    pixels = np.zeros((16, 16, 3), np.uint8)
    pixels[:8] = RED
    Image.fromarray(pixels).save(tmp_path / "a.jpg", exif=block, quality=95)
    with Image.open(tmp_path / "a.jpg") as image, pytest.raises(struct.error):
        ImageOps.exif_transpose(image)
    found = read_picture(tmp_path / "a.jpg", 16).astype(int)
    assert abs(found[15] - RED).max() < 12
    assert found[0].max() < 12


def test_a_tall_picture_that_lies_is_turned_before_it_is_made_square(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned by a quarter, clockwise
    stripes = np.zeros((4, 8, 3), np.uint8)
    stripes[:, :4] = RED  # the left half, which is the upper half when it stands
    Image.fromarray(stripes).save(tmp_path / "a.png", exif=exif)
    found = read_picture(tmp_path / "a.png", 4)
    assert found[0].tolist() == [list(RED)] * 4
    assert found[3].tolist() == [[0, 0, 0]] * 4


@pytest.mark.parametrize(("background", "level"), [("white", 255), ("black", 0)])
def test_transparency_shows_the_background(tmp_path, background, level):
    files = {}
    Image.new("RGBA", (4, 4), (10, 20, 30, 0)).save(tmp_path / "rgba.png")
    files["rgba.png"] = [level] * 3
    Image.new("LA", (4, 4), (100, 0)).save(tmp_path / "la.png")
    files["la.png"] = [level] * 3
    Image.new("RGBA", (4, 4), (100, 200, 0, 51)).save(tmp_path / "half.png")
    # A fifth of the colour over four fifths of the background.
    files["half.png"] = [round(0.2 * c + 0.8 * level) for c in (100, 200, 0)]
    Image.new("RGB", (4, 4), (1, 2, 3)).save(tmp_path / "key.png", transparency=(1, 2, 3))
    files["key.png"] = [level] * 3
    Image.new("L", (4, 4), 7).save(tmp_path / "grey_key.png", transparency=7)
    files["grey_key.png"] = [level] * 3
    palette = Image.new("P", (4, 4), 1)
    palette.putpalette([0, 0, 0, 9, 8, 7])
    palette.save(tmp_path / "palette_key.png", transparency=1)
    files["palette_key.png"] = [level] * 3
    palette.save(tmp_path / "palette.png")
    files["palette.png"] = [9, 8, 7]
    found = {name: read_picture(tmp_path / name, 2, background)[0, 0].tolist() for name in files}
    assert found == files


def test_no_colour_of_what_is_transparent_bleeds_into_its_neighbours(tmp_path):
    pixels = np.zeros((2, 2, 4), np.uint8)
    pixels[:, 0] = (255, 255, 255, 255)
    pixels[:, 1] = (255, 0, 0, 0)  # red, and not to be seen
    Image.fromarray(pixels).save(tmp_path / "a.png")
    assert (read_picture(tmp_path / "a.png", 1) == 255).all()


def test_cmyk_grey_and_one_bit_pictures_become_rgb(tmp_path):
    Image.new("CMYK", (4, 4), (0, 0, 0, 0)).save(tmp_path / "white.jpg")
    Image.new("CMYK", (4, 4), (0, 0, 0, 255)).save(tmp_path / "black.jpg")
    Image.new("CMYK", (4, 4), (0, 255, 255, 0)).save(tmp_path / "red.jpg", quality=100, subsampling=0)
    Image.new("1", (4, 4), 1).save(tmp_path / "bit.png")
    assert (read_picture(tmp_path / "white.jpg", 2) >= 254).all()
    assert (read_picture(tmp_path / "black.jpg", 2) <= 1).all()
    assert abs(read_picture(tmp_path / "red.jpg", 1)[0, 0].astype(int) - [255, 0, 0]).max() < 4
    assert (read_picture(tmp_path / "bit.png", 2) == 255).all()


def test_of_a_jpeg_with_several_pictures_the_first_is_taken(tmp_path):
    first, second = (Image.new("RGB", (8, 8), color) for color in (GREY, BLUE))
    first.save(tmp_path / "a.jpg", format="MPO", save_all=True, append_images=[second])
    assert abs(read_picture(tmp_path / "a.jpg", 1)[0, 0].astype(int) - GREY).max() < 4


def animate(path):
    Image.new("RGB", (4, 4), RED).save(path, save_all=True, append_images=[Image.new("RGB", (4, 4), BLUE)])


def break_a_check_sum(path):
    Image.new("RGB", (4, 4), RED).save(path)
    content = bytearray(path.read_bytes())
    content[content.index(b"IEND") - 5] ^= 1  # the last byte of the check sum of IDAT
    path.write_bytes(content)


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (animate, "is animated (2 pictures); keep one"),
        (lambda path: Image.new("I;16", (4, 4), 9).save(path), "more than 8 bits"),
        (lambda path: Image.new("RGB", (4, 4)).save(path, format="GIF"), "cannot be read as PNG or JPEG"),
        (break_a_check_sum, "cannot be read as PNG or JPEG"),
        (lambda path: path.write_bytes(b""), "cannot be read as PNG or JPEG"),
    ],
)
def test_what_is_not_read_is_named(tmp_path, make, says):
    make(tmp_path / "a.png")
    with pytest.raises(ValueError, match=re.escape(says)) as caught:
        read_picture(tmp_path / "a.png", 4)
    assert str(tmp_path / "a.png") in str(caught.value)


# Rows that stay on the disk


@given(st.lists(st.integers(0, 6), min_size=1, max_size=9), st.integers(0, 5))
def test_stored_rows_are_what_numpy_gives(rows, seed):
    base = np.random.default_rng(seed).integers(0, 256, (7, 2, 3, 1), np.uint8)
    stored, plain = Stored(base, np.array(rows), image_sums(base)), base[rows]
    assert (stored.shape, stored.ndim, stored.size, len(stored)) == (plain.shape, 4, plain.size, len(plain))
    np.testing.assert_array_equal(stored[:], plain)
    np.testing.assert_array_equal(stored[1:3], plain[1:3])
    np.testing.assert_array_equal(stored[np.arange(len(rows))[::-1]], plain[::-1])
    assert channel_statistics(stored) == channel_statistics(plain)
    images = Images(stored, np.zeros(len(rows), np.int32))
    assert isinstance(images.subset(np.array([0])).pixels, Stored)
    assert isinstance(images.take(np.array([0])).pixels, np.ndarray)


class Counting(np.ndarray):
    """Remembers how many images were asked for at a time."""

    asked: ClassVar[list[int]] = []

    def __getitem__(self, key):
        found = np.asarray(self)[key]
        self.asked.append(len(found))
        return found


def test_nobody_reads_all_of_a_large_data_set_at_once():
    """Splits, batches, calibration and the images of a label take what they need and no more."""
    pixels = np.random.default_rng(0).integers(0, 256, (400, 2, 2, 3), np.uint8)
    sums, labels = image_sums(pixels), (np.arange(400) % 2).astype(np.int32)
    Counting.asked.clear()
    given = Images(Stored(pixels.view(Counting), np.arange(400), sums), labels)
    train, drawn = draw_images(given, 100, 0)
    task = image_task(make_splits("large", 2, train, drawn, drawn))
    Assessor(lambda *arguments: None, lambda tokens: 2, task, calibration=30)
    Batches(train, 8, 0, Augmentation(1)).at(0)
    parts = _batches(label_part(task, 50), 20)
    assert [len(examples.targets) for examples, _ in parts] == [20, 20, 20]
    assert Counting.asked == [30, 8, 20, 20, 20]


# Folders


def write(root, count=6):
    """Classes a and b; image ``i`` of a has the grey level ``i``, of b ``100 + i``."""
    for split, number in (("train", count), ("test", 2)):
        for name, start in (("a", 0), ("b", 100)):
            folder = root / split / name
            folder.mkdir(parents=True, exist_ok=True)
            for i in range(number):
                Image.new("RGB", (3, 3), (start + i,) * 3).save(folder / f"{i}.png")
    return root


def levels(images):
    return images.pixels[:][:, 0, 0, 0].tolist()


def test_a_cache_gives_the_splits_that_memory_gives(tmp_path):
    root = write(tmp_path / "data")
    told = []
    plain = load("folder", root, 2, image_size=4)
    kept = load(
        "folder", root, 2, image_size=4, image_cache=tmp_path / "cache" / "deep", progress=lambda *a: told.append(a)
    )
    assert told[-1] == (16, 16)
    assert (plain.mean, plain.std) == (kept.mean, kept.std)
    for part in ("train", "validation", "test"):
        one, other = getattr(plain, part), getattr(kept, part)
        assert isinstance(other.pixels, Stored)
        assert isinstance(other.pixels.base, np.memmap)
        np.testing.assert_array_equal(one.pixels, other.pixels[:])
        np.testing.assert_array_equal(one.labels, other.labels)
    batches = [Batches(splits.train, 4, 0, Augmentation(1)).at(3) for splits in (plain, kept)]
    np.testing.assert_array_equal(batches[0].pixels, batches[1].pixels)
    names = sorted(path.name.partition(".")[2] for path in (tmp_path / "cache" / "deep").iterdir())
    assert names == ["npy", "sums.npy"]


def test_a_cache_is_filled_once_and_again_when_a_file_or_a_setting_changes(tmp_path, monkeypatch):
    root, read = write(tmp_path / "data"), []
    real = folders.read_picture
    monkeypatch.setattr(folders, "read_picture", lambda path, *more: read.append(path) or real(path, *more))

    def decoded(**settings):
        read.clear()
        load("folder", root, 2, **{"image_size": 4, "image_cache": tmp_path / "cache", **settings})
        return len(read)

    assert (decoded(), decoded(), decoded(seed=3)) == (16, 0, 0)
    assert decoded(image_background="black") == 16
    assert decoded(image_size=5) == 16
    Image.new("RGB", (3, 3), (50,) * 3).save(root / "train" / "a" / "0.png")
    os.utime(root / "train" / "a" / "0.png", ns=(1, 1))
    assert decoded() == 16
    assert 50 in levels(load("folder", root, 2, image_size=4, image_cache=tmp_path / "cache").train)
    (root / "test" / "b" / "1.png").rename(root / "test" / "b" / "2.png")
    assert decoded() == 16


def one_image_blocks(monkeypatch):
    monkeypatch.setattr(folders, "BLOCK_BYTES", 1)


def test_decoding_that_was_stopped_goes_on_behind_the_last_whole_image(tmp_path, monkeypatch):
    root, read = write(tmp_path / "data"), []
    one_image_blocks(monkeypatch)
    settings = {"image_size": 4, "image_cache": tmp_path / "cache"}
    real = folders.read_picture

    def stop(done, total):
        if done == 5:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        load("folder", root, 2, **settings, progress=stop)
    (partial,) = (tmp_path / "cache").iterdir()
    with partial.open("ab") as file:
        file.write(b"\x07" * 11)  # a piece of an image, as a crash leaves it
    monkeypatch.setattr(folders, "read_picture", lambda path, *more: read.append(path) or real(path, *more))
    kept = load("folder", root, 2, **settings)
    assert len(read) == 11
    plain = load("folder", root, 2, image_size=4)
    assert [levels(kept.train), levels(kept.test)] == [levels(plain.train), levels(plain.test)]


def test_two_processes_do_not_fill_one_file(tmp_path, monkeypatch):
    pytest.importorskip("fcntl", reason="locks of this system are not used")
    root, inside, done = write(tmp_path / "data"), threading.Event(), threading.Event()
    one_image_blocks(monkeypatch)

    def slow(count, total):
        inside.set()
        done.wait(20)

    first = threading.Thread(target=load, args=("folder", root, 2, 0, 4, None, tmp_path / "cache", slow))
    first.start()
    assert inside.wait(20)
    try:
        with pytest.raises(ValueError, match="another process decodes the same images"):
            load("folder", root, 2, image_size=4, image_cache=tmp_path / "cache")
    finally:
        done.set()
        first.join()
    assert len(load("folder", root, 2, image_size=4, image_cache=tmp_path / "cache").test) == 4


@pytest.mark.parametrize("kept", [False, True])
def test_all_files_that_cannot_be_read_are_named_at_once(tmp_path, monkeypatch, kept):
    root = write(tmp_path / "data")
    one_image_blocks(monkeypatch)
    for place in ("train/a/1.png", "train/b/0.png", "test/b/1.png"):
        (root / place).write_bytes(b"no")
    with pytest.raises(ValueError, match="cannot be read") as caught:
        load("folder", root, 2, image_size=4, image_cache=tmp_path / "cache" if kept else None)
    for place in ("train/a/1.png", "train/b/0.png", "test/b/1.png"):
        assert str(root / place) in str(caught.value)
    if kept:
        assert not list((tmp_path / "cache").iterdir())


def test_images_larger_than_memory_are_refused_before_any_is_read(tmp_path, monkeypatch):
    root = write(tmp_path / "data")
    # 16 images of 4 x 4 x 3 bytes are 768 bytes.
    monkeypatch.setattr(memory, "available_bytes", lambda: 768 / memory.SHARE)
    assert len(load("folder", root, 2, image_size=4).train) == 10
    monkeypatch.setattr(memory, "available_bytes", lambda: 767 / memory.SHARE)
    monkeypatch.setattr(folders, "read_picture", None)
    with pytest.raises(ValueError, match="16 images of 4 x 4 need") as caught:
        load("folder", root, 2, image_size=4)
    assert "--image_cache=FOLDER" in str(caught.value)
    monkeypatch.undo()
    monkeypatch.setattr(memory, "available_bytes", lambda: 1)
    assert len(load("folder", root, 2, image_size=4, image_cache=tmp_path / "cache").train) == 10
    monkeypatch.setattr(memory, "available_bytes", lambda: None)
    assert len(load("folder", root, 2, image_size=4).train) == 10


def test_memory_is_the_smaller_of_the_machine_and_the_group(tmp_path):
    machine, group = tmp_path / "meminfo", tmp_path / "max"
    machine.write_text("MemTotal:       16 kB\nMemAvailable:    8 kB\n")
    assert memory.available_bytes(machine, group) == 8192
    group.write_text("max\n")
    assert memory.available_bytes(machine, group) == 8192
    group.write_text("4096\n")
    assert memory.available_bytes(machine, group) == 4096
    assert memory.available_bytes(tmp_path / "none", tmp_path / "none") > 2**20
    assert memory.available_bytes() > 2**20


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda path: path.write_bytes(path.read_bytes()[:-1]), "is not a whole .npy file"),
        (lambda path: path.write_bytes(b"x"), "is not a whole .npy file"),
        (
            lambda path: np.save(path, np.zeros((1, 4, 4, 3), np.uint8)),
            "holds uint8 (1, 4, 4, 3), not",
        ),
        (lambda path: np.save(path, np.array([{}]), allow_pickle=True), "is not a whole .npy file"),
    ],
)
@pytest.mark.parametrize("which", [0, 1])
def test_a_damaged_cache_is_refused_by_name(tmp_path, change, says, which):
    root = write(tmp_path / "data")
    load("folder", root, 2, image_size=4, image_cache=tmp_path / "cache")
    # Both files, the images' and their sums'.
    path = sorted((tmp_path / "cache").iterdir(), key=lambda path: len(path.name))[which]
    change(path)
    with pytest.raises(ValueError, match=re.escape(says)) as caught:
        load("folder", root, 2, image_size=4, image_cache=tmp_path / "cache")
    assert str(path) in str(caught.value)
    assert "remove it" in str(caught.value)


def test_too_little_space_a_full_disk_and_no_folder_are_told(tmp_path, monkeypatch):
    root = write(tmp_path / "data")
    settings = {"image_size": 4, "image_cache": tmp_path / "cache"}
    monkeypatch.setattr(cache.shutil, "disk_usage", lambda folder: type("Usage", (), {"free": 767})())
    with pytest.raises(ValueError, match=r"--image_cache=.*make space"):
        load("folder", root, 2, **settings)
    monkeypatch.undo()

    def full(descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(cache.os, "fsync", full)
    with pytest.raises(ValueError, match=r"No space left on device.*goes on"):
        load("folder", root, 2, **settings)
    monkeypatch.undo()
    assert len(load("folder", root, 2, **settings).train) == 10
    (tmp_path / "file").write_text("")
    with pytest.raises(ValueError, match="is a file; name a folder"):
        load("folder", root, 2, image_size=4, image_cache=tmp_path / "file")


@pytest.mark.parametrize("setting", [{"image_background": "black"}, {"image_cache": "x"}])
def test_settings_of_folders_are_refused_elsewhere(setting):
    with pytest.raises(ValueError, match="only images in folders"):
        load("digits", **setting)


def test_an_unknown_background_is_refused(tmp_path):
    with pytest.raises(ValueError, match="--image_background=pink: is not one of white, black"):
        load("folder", write(tmp_path), 2, image_size=4, image_background="pink")


def test_reading_is_counted(capsys):
    with console.counted("reading [images]") as progress:
        progress(3, 4)
    assert "reading [images] 3/4" in capsys.readouterr().out
    with console.counted(None) as progress:
        assert progress is None


def parsed(*argv):
    def define(values):
        supernet_setup.define_space_flags(values)
        supernet_setup.define_data_flags(values)
        supernet_setup.define_recipe_flags(values, steps=1)

    return cli.parse(define, ["--space_settings=image_channels=3,classes=2", *argv])


def test_flags_reach_the_images_and_the_record_says_the_background(tmp_path):
    root = write(tmp_path / "data")
    Image.new("RGBA", (3, 3), (0, 0, 0, 0)).save(root / "test" / "a" / "0.png")
    flags = ["--data=folder", f"--data_dir={root}", "--image_size=4", "--validation_images=2"]
    values = parsed(*flags, f"--image_cache={tmp_path / 'cache'}", "--image_background=black")
    space = setup.load_space(values)
    task = supernet_setup.load_task(values, space)
    record = supernet_setup.identity(values, space, task)
    recorded = record["data"]
    splits = recorded_images(recorded, str(root), str(tmp_path / "cache"))
    assert levels(splits.test)[0] == 0
    assert isinstance(splits.test.pixels, Stored)
    assert recorded["image_background"] == "black"
    assert "image_cache" not in recorded
    # A label is for the same images: what was recorded decides, and the cache may be another one or none.
    again = supernet_setup.task_of(record, str(root), space).test
    assert levels(Images(*again.at(np.arange(len(again))))) == levels(splits.test)
    # A record of earlier versions names no background.
    older = {name: value for name, value in recorded.items() if name != "image_background"}
    assert levels(recorded_images(older, str(root)).test)[0] == 255
    assert supernet_setup.identity(parsed(*flags), space, task)["data"]["image_background"] == "white"
    assert "image_background" not in supernet_setup.identity(parsed(), space, task)["data"]
