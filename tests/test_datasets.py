"""Data sets of the supernet: small made files of each format, what is wrong with them, and the draws of splits."""

import builtins
import gzip
import itertools
import re
import struct
import sys
import types
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from nagjax.supernet.datasets import idx
from nagjax.supernet.datasets.draw import draw_images, draw_indices
from nagjax.supernet.datasets.images import Images, Splits, channel_statistics, make_splits
from nagjax.supernet.datasets.load import VALIDATION, load
from nagjax.supernet.datasets.picture import read_picture

IDX_NAMES = ("train-images-idx3-ubyte", "train-labels-idx1-ubyte", "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte")
CIFAR10 = (*(f"data_batch_{i}.bin" for i in range(1, 6)), "test_batch.bin")


def make_images(labels, seed=0, shape=(2, 3, 1)):
    pixels = np.random.default_rng(seed).integers(0, 256, (len(labels), *shape), np.uint8)
    return Images(pixels, np.asarray(labels, np.int32))


def refusal(*args, **settings):
    with pytest.raises(ValueError, match=r"\w") as caught:
        load(*args, **settings)
    return str(caught.value)


def numbered(images):
    """The number that stands in the first two pixels of each image, to know it again."""
    return (images.pixels[:, 0, 0, 0].astype(int) * 256 + images.pixels[:, 0, 1, 0]).tolist()


# Images and splits


@pytest.mark.parametrize(
    ("pixels", "labels", "says"),
    [
        (np.zeros((2, 3, 3), np.uint8), np.zeros(2, np.int32), "uint8 [N, H, W, C]"),
        (np.zeros((2, 3, 3, 1), np.float32), np.zeros(2, np.int32), "type float32"),
        (np.zeros((0, 3, 3, 1), np.uint8), np.zeros(0, np.int32), "none of the four 0"),
        (np.zeros((2, 3, 3, 1), np.uint8), np.zeros(3, np.int32), "int32 [2]"),
        (np.zeros((2, 3, 3, 1), np.uint8), np.zeros(2, np.int64), "type int64"),
        (np.zeros((2, 3, 3, 1), np.uint8), np.array([0, -1], np.int32), "the label of image 1 is -1"),
    ],
)
def test_images_check_themselves(pixels, labels, says):
    with pytest.raises(ValueError, match=re.escape(says)):
        Images(pixels, labels)


def test_take_keeps_images_with_their_labels():
    images = make_images([3, 1, 4, 1])
    taken = images.take(np.array([2, 0]))
    assert taken.labels.tolist() == [4, 3]
    np.testing.assert_array_equal(taken.pixels, images.pixels[[2, 0]])


def test_statistics_of_each_channel_by_hand():
    pixels = np.array([[[[0, 51]], [[0, 51]]], [[[255, 51]], [[255, 153]]]], np.uint8)
    mean, std = channel_statistics(pixels)
    # 51 / 255 = 0.2 and 153 / 255 = 0.6: mean 0.3, variance (3 * 0.1 ** 2 + 0.3 ** 2) / 4 = 0.03.
    np.testing.assert_allclose((mean, std), [[0.5, 0.3], [0.5, 0.03**0.5]], rtol=1e-12)


def test_statistics_over_several_blocks_are_those_of_numpy():
    pixels = make_images([0] * 5000, shape=(2, 1, 3)).pixels
    mean, std = channel_statistics(pixels)
    np.testing.assert_allclose(mean, (pixels / 255).mean((0, 1, 2)), rtol=1e-12)
    np.testing.assert_allclose(std, (pixels / 255).std((0, 1, 2)), rtol=1e-12)


def test_statistics_of_many_tiny_bright_images_do_not_overflow():
    pixels = np.full((140_000, 1, 1, 1), 255, np.uint8)
    pixels[0] = 0
    (mean,), (std,) = channel_statistics(pixels)
    # One of n is 0: mean 1 - 1/n, variance (1/n) (1 - 1/n).
    assert mean == pytest.approx(1 - 1 / 140_000, rel=1e-12)
    assert std == pytest.approx((1 / 140_000 * (1 - 1 / 140_000)) ** 0.5, rel=1e-9)


def test_splits_take_their_statistics_from_train_alone():
    train, other = make_images([0, 1], seed=1), make_images([0, 1], seed=2)
    splits = make_splits("toy", 2, train, other, other)
    assert (splits.mean, splits.std) == channel_statistics(train.pixels)


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"validation": make_images([0, 2])}, "toy: validation: the label of image 1 (the first is 0) is 2"),
        (
            {"test": make_images([0, 1], shape=(2, 2, 1))},
            "images of test have shape (2, 2, 1), those of train (2, 3, 1)",
        ),
        ({"mean": (0.5, 0.5)}, "a number for each of 1 channels"),
        ({"std": (0.0,)}, "a channel has the same value everywhere"),
        ({"mean": (float("nan"),)}, "mean (nan,)"),
    ],
)
def test_splits_check_themselves(changes, says):
    images = make_images([0, 1])
    fields = dict.fromkeys(("train", "validation", "test"), images)
    with pytest.raises(ValueError, match=re.escape(says)):
        Splits(**{"name": "toy", "classes": 2, "mean": (0.5,), "std": (0.1,), **fields, **changes})


# The draw


labels_and_count = st.lists(st.integers(0, 4), min_size=2, max_size=60).flatmap(
    lambda labels: st.tuples(st.just(np.array(labels, np.int32)), st.integers(1, len(labels) - 1))
)


@given(labels_and_count, st.integers(0, 2**40))
def test_a_draw_has_its_size_no_image_twice_and_the_share_of_each_class(case, seed):
    labels, count = case
    sizes = np.bincount(labels)
    try:
        drawn = draw_indices(labels, count, seed)
    except ValueError as error:
        # Only a class that rounds up to all of itself is a reason, so its share leaves less than one image.
        assert "would be all" in str(error)  # noqa: PT017
        assert (sizes[sizes > 0] * (1 - count / len(labels)) < 1).any()
        return
    assert len(drawn) == count == len(set(drawn.tolist()))
    assert (np.diff(drawn) > 0).all()
    taken = np.bincount(labels[drawn], minlength=len(sizes))
    assert (np.abs(taken - sizes * count / len(labels)) < 1).all()
    assert ((taken < sizes) | (sizes == 0)).all()
    np.testing.assert_array_equal(drawn, draw_indices(labels, count, seed))


def test_the_draw_of_a_seed_is_fixed_for_good():
    """Labels of architectures are for these images: they may not change with a version of numpy or of the library."""
    labels = np.arange(40, dtype=np.int32) % 4
    # The raw 64-bit output of PCG64 for seed 0, and of each class the images with the two lowest numbers.
    assert np.random.PCG64(0).random_raw(2).tolist() == [11749869230777074271, 4976686463289251617]
    keys = np.random.PCG64(0).random_raw(40)
    lowest = [sorted(range(c, 40, 4), key=lambda i: keys[i])[:2] for c in range(4)]
    assert draw_indices(labels, 8, 0).tolist() == sorted(itertools.chain.from_iterable(lowest))
    assert draw_indices(labels, 8, 0).tolist() == [2, 3, 11, 13, 18, 20, 21, 32]


def test_each_image_of_a_class_is_as_likely():
    labels = np.array([0] * 4 + [1] * 4, np.int32)
    counts = Counter(i for seed in range(400) for i in draw_indices(labels, 2, seed).tolist())
    # Each of 8 images is drawn with probability 1/4: 100 times, standard deviation 8.7.
    assert set(counts) == set(range(8))
    assert all(60 < number < 140 for number in counts.values())


def test_what_stays_and_what_is_drawn_are_all_images_once_in_order():
    images = Images(np.arange(30, dtype=np.uint8).reshape(30, 1, 1, 1), np.arange(30, dtype=np.int32) % 3)
    stays, drawn = draw_images(images, 9, 5)
    first, second = stays.pixels.ravel().tolist(), drawn.pixels.ravel().tolist()
    assert sorted(first + second) == list(range(30))
    assert (first, second) == (sorted(first), sorted(second))
    assert stays.labels.tolist() == [i % 3 for i in first]
    assert drawn.labels.tolist() == [i % 3 for i in second]
    assert np.bincount(drawn.labels).tolist() == [3, 3, 3]


@pytest.mark.parametrize(
    ("labels", "count", "seed", "says"),
    [
        ([0, 1, 0, 1], 0, 0, "validation: 0 images of 4 cannot be drawn; give 1 to 3"),
        ([0, 1, 0, 1], 4, 0, "validation: 4 images of 4"),
        ([0, 1, 0, 1], 2, -1, "the seed is -1"),
        ([0, 0, 0, 1], 3, 0, "all 1 of class 1"),
    ],
)
def test_draws_that_cannot_be_are_refused(labels, count, seed, says):
    with pytest.raises(ValueError, match=re.escape(says)):
        draw_indices(np.array(labels, np.int32), count, seed)


# IDX: MNIST and Fashion-MNIST


def idx_bytes(array):
    return bytes((0, 0, 8, array.ndim)) + struct.pack(f">{array.ndim}I", *array.shape) + array.tobytes()


def idx_arrays(train=40, test=20):
    """Images of 4 x 5 that hold their own number (test images from 10,000), labels in turn."""
    arrays = []
    for number, start in ((train, 0), (test, 10_000)):
        pixels = np.zeros((number, 4, 5), np.uint8)
        pixels[:, 0, 0], pixels[:, 0, 1] = np.divmod(np.arange(start, start + number), 256)
        arrays += [pixels, (np.arange(number) % 10).astype(np.uint8)]
    return dict(zip(IDX_NAMES, arrays, strict=True))


def write_idx(folder, arrays=None, zipped=False):
    folder.mkdir(parents=True, exist_ok=True)
    for name, array in (arrays or idx_arrays()).items():
        data = idx_bytes(array)
        (folder / (name + ".gz" * zipped)).write_bytes(gzip.compress(data) if zipped else data)
    return folder


@pytest.mark.parametrize("zipped", [False, True])
@pytest.mark.parametrize(
    ("name", "place"), [("fashion_mnist", "."), ("fashion_mnist", "fashion-mnist"), ("mnist", ".")]
)
def test_idx_files_are_read_into_three_splits(tmp_path, name, place, zipped):
    write_idx(tmp_path / place, zipped=zipped)
    splits = load(name, tmp_path, validation=10, seed=3)
    assert (splits.name, splits.classes, splits.train.pixels.shape) == (name, 10, (30, 4, 5, 1))
    assert sorted(numbered(splits.train) + numbered(splits.validation)) == list(range(40))
    assert numbered(splits.test) == list(range(10_000, 10_020))
    for images in (splits.train, splits.validation, splits.test):
        assert images.labels.tolist() == [number % 10 for number in numbered(images)]
    assert np.bincount(splits.validation.labels).tolist() == [1] * 10
    assert (splits.mean, splits.std) == channel_statistics(splits.train.pixels)


def test_pixels_stand_where_the_file_has_them(tmp_path):
    arrays = idx_arrays()
    arrays[IDX_NAMES[2]] = np.arange(400, dtype=np.uint16).astype(np.uint8).reshape(20, 4, 5)
    test = load("mnist", write_idx(tmp_path, arrays), validation=10).test
    assert test.pixels[1, 2, 3, 0] == 1 * 20 + 2 * 5 + 3


def test_splits_depend_on_the_seed_alone(tmp_path):
    write_idx(tmp_path)
    first, again, other = (numbered(load("mnist", tmp_path, 20, seed).validation) for seed in (0, 0, 1))
    assert first == again
    assert first != other


def change_idx(name, make):
    """A change of one made file: from its bytes to others, or to none."""
    return lambda folder: (folder / name).write_bytes(make((folder / name).read_bytes()))


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (change_idx(IDX_NAMES[0], lambda data: data[:-1]), (IDX_NAMES[0], "truncated", "815 bytes", "816")),
        (change_idx(IDX_NAMES[0], lambda data: data + b"\0"), (IDX_NAMES[0], "too many", "817")),
        (change_idx(IDX_NAMES[0], lambda data: data[:10]), (IDX_NAMES[0], "has 10 bytes, its header has 16")),
        (change_idx(IDX_NAMES[0], lambda data: b""), (IDX_NAMES[0], "has 0 bytes")),
        (change_idx(IDX_NAMES[0], lambda data: data[:4] + bytes(12)), (IDX_NAMES[0], "(0, 0, 0)", "nothing in it")),
        (change_idx(IDX_NAMES[0], lambda data: b"\0\0\x0d\x03" + data[4:]), (IDX_NAMES[0], "0x00000d03", "0x00000803")),
        (change_idx(IDX_NAMES[0], lambda data: b"<html>" + data), (IDX_NAMES[0], "0x3c68746d", "right name")),
        (change_idx(IDX_NAMES[3], lambda data: idx_bytes(np.zeros((2, 2, 2), np.uint8))), (IDX_NAMES[3], "0x00000803")),
        (change_idx(IDX_NAMES[0], lambda data: gzip.compress(data)[:-9]), (IDX_NAMES[0], "cannot be unzipped")),
        (change_idx(IDX_NAMES[0], lambda data: b"\x1f\x8b" + data), (IDX_NAMES[0], "cannot be unzipped")),
        (
            # A block of a type that deflate does not have, behind a header that is right.
            change_idx(IDX_NAMES[0], lambda data: gzip.compress(data)[:10] + b"\x07" + bytes(20)),
            (IDX_NAMES[0], "cannot be unzipped"),
        ),
        (
            change_idx(IDX_NAMES[1], lambda data: idx_bytes(np.zeros(39, np.uint8))),
            (IDX_NAMES[1], "39 labels", f"{IDX_NAMES[0]} holds 40 images"),
        ),
        (
            change_idx(IDX_NAMES[3], lambda data: data[:-1] + b"\x0a"),
            (IDX_NAMES[3], "the label of image 19 (the first is 0) is 10", "0 to 9"),
        ),
    ],
)
def test_broken_idx_files_are_refused_by_name(tmp_path, change, says):
    change(write_idx(tmp_path))
    message = refusal("mnist", tmp_path, 10)
    assert all(part in message for part in (str(tmp_path), *says)), message


@given(cut=st.integers(0, 815), zipped=st.booleans())
def test_no_truncated_idx_file_is_read(tmp_path_factory, cut, zipped):
    data = idx_bytes(idx_arrays()[IDX_NAMES[0]])
    data = gzip.compress(data, mtime=0) if zipped else data
    path = tmp_path_factory.getbasetemp() / "cut-idx"
    path.write_bytes(data[: cut % len(data)])
    with pytest.raises(ValueError, match="cut-idx"):
        idx.read_idx(path, 3)


def test_missing_idx_files_are_listed_with_where_they_come_from(tmp_path, monkeypatch):
    (write_idx(tmp_path) / IDX_NAMES[2]).unlink()
    message = refusal("fashion_mnist", tmp_path)
    assert IDX_NAMES[2] in message
    assert IDX_NAMES[0] not in message
    assert all(part in message for part in (str(tmp_path), ".gz", "dataset-fashion-mnist", "--data_dir"))
    monkeypatch.setattr(idx, "DEBIAN_FOLDER", str(tmp_path / "absent"))
    message = refusal("fashion_mnist")
    assert all(part in message for part in (*IDX_NAMES, "absent", "dataset-fashion-mnist", "--data_dir"))
    assert "--data_dir" in refusal("mnist")
    assert "no such folder" in refusal("mnist", tmp_path / "absent")
    assert "is a file" in refusal("mnist", tmp_path / IDX_NAMES[0])


def test_fashion_mnist_has_the_place_of_its_debian_package_by_default(tmp_path, monkeypatch):
    monkeypatch.setattr(idx, "DEBIAN_FOLDER", str(write_idx(tmp_path, zipped=True)))
    assert len(load("fashion_mnist", validation=10).train) == 30


@pytest.mark.data
def test_the_real_fashion_mnist():
    """60,000 and 10,000 images, 6,000 and 1,000 of each class (the paper); its well-known mean and std."""
    if not any((Path(idx.DEBIAN_FOLDER) / f"{IDX_NAMES[0]}{end}").exists() for end in ("", ".gz")):
        pytest.skip("needs the Debian package dataset-fashion-mnist")
    splits = load("fashion_mnist")
    assert [len(part) for part in (splits.train, splits.validation, splits.test)] == [55_000, 5_000, 10_000]
    assert splits.train.pixels.shape[1:] == (28, 28, 1)
    assert np.bincount(splits.train.labels).tolist() == [5_500] * 10
    assert np.bincount(splits.validation.labels).tolist() == [500] * 10
    assert np.bincount(splits.test.labels).tolist() == [1_000] * 10
    assert splits.test.labels[:5].tolist() == [9, 2, 1, 1, 6]
    mean, std = channel_statistics(np.concatenate([splits.train.pixels, splits.validation.pixels]))
    np.testing.assert_allclose((mean[0], std[0]), (0.2860, 0.3530), atol=5e-5)


# Digits


def test_digits_have_three_splits_and_one_test_for_all_seeds():
    pytest.importorskip("sklearn", reason="digits needs scikit-learn")
    first, second = load("digits", seed=0), load("digits", seed=1)
    assert [len(part) for part in (first.train, first.validation, first.test)] == [1_197, 300, 300]
    assert first.train.pixels.shape[1:] == (8, 8, 1)
    assert first.train.pixels.max() == 255
    np.testing.assert_array_equal(first.test.pixels, second.test.pixels)
    assert not np.array_equal(first.validation.pixels, second.validation.pixels)
    for part in (first.train, first.validation, first.test):
        counts = np.bincount(part.labels, minlength=10) / len(part)
        assert (abs(counts - 0.1) < 0.005).all()


def made_digits(number=1200):
    """As scikit-learn's `load_digits`: float64 images of 0 to 16, here their number in base 17, and int64 labels."""
    images = np.zeros((number, 8, 8))
    for place, power in enumerate((17**2, 17, 1)):
        images[:, 0, place] = np.arange(number) // power % 17
    return types.SimpleNamespace(images=images, target=np.arange(number) % 10)


def test_digits_are_scaled_to_bytes_and_split_without_overlap(monkeypatch):
    module = types.SimpleNamespace(load_digits=made_digits)
    monkeypatch.setitem(sys.modules, "sklearn", types.SimpleNamespace(datasets=module))
    monkeypatch.setitem(sys.modules, "sklearn.datasets", module)
    splits = load("digits")
    parts = [splits.train, splits.validation, splits.test]
    assert [len(part) for part in parts] == [600, 300, 300]
    # Multiples of 255 / 16 = 15.9375, rounded.
    levels = [0, 16, 32, 48, 64, 80, 96, 112, 128, 143, 159, 175, 191, 207, 223, 239, 255]
    assert np.unique(splits.train.pixels).tolist() == levels
    digits = np.concatenate([part.pixels[:, 0, :3, 0] for part in parts])
    numbers = np.searchsorted(levels, digits) @ [17 * 17, 17, 1]
    assert sorted(numbers.tolist()) == list(range(1200))
    # Whoever changes this makes test images of old runs into training images of new ones.
    assert numbers[900:906].tolist() == [9, 11, 18, 25, 27, 29]
    assert np.concatenate([part.labels for part in parts]).tolist() == (numbers % 10).tolist()
    assert all(np.bincount(part.labels).tolist() == [len(part) // 10] * 10 for part in parts)


def without(monkeypatch, package):
    """Importing the package fails, as where it is not installed."""
    real = builtins.__import__

    def importing(name, *args, **settings):
        if name.partition(".")[0] == package:
            raise ImportError(f"No module named {package!r}")
        return real(name, *args, **settings)

    monkeypatch.setattr(builtins, "__import__", importing)


def test_digits_say_what_to_install(monkeypatch):
    without(monkeypatch, "sklearn")
    assert "pip install scikit-learn" in refusal("digits")


# CIFAR


def cifar_bytes(number, start=0, coarse=False):
    """Records whose red plane begins with the image's number and whose green and blue planes tell rows and columns."""
    out = b""
    for i in range(start, start + number):
        pixels = np.zeros((3, 32, 32), np.uint8)
        pixels[0, 0, :2] = divmod(i, 256)
        pixels[1] = np.arange(32)[:, None]
        pixels[2] = 100 + np.arange(32)[None]
        out += (bytes((i % 20, i % 100)) if coarse else bytes((i % 10,))) + pixels.tobytes()
    return out


def write_cifar10(folder, number=10):
    folder.mkdir(parents=True, exist_ok=True)
    for batch, name in enumerate(CIFAR10):
        (folder / name).write_bytes(cifar_bytes(number, batch * number))
    return folder


@pytest.mark.parametrize("place", [".", "cifar-10-batches-bin"])
def test_cifar10_is_read_from_its_binary_batches(tmp_path, place):
    write_cifar10(tmp_path / place)
    splits = load("cifar10", tmp_path, validation=10)
    assert (splits.classes, splits.train.pixels.shape, len(splits.validation)) == (10, (40, 32, 32, 3), 10)
    assert sorted(numbered(splits.train) + numbered(splits.validation)) == list(range(50))
    assert numbered(splits.test) == list(range(50, 60))
    assert splits.train.labels.tolist() == [number % 10 for number in numbered(splits.train)]
    assert splits.test.pixels[3, 5, 7].tolist() == [0, 5, 107]
    assert len(splits.mean) == len(splits.std) == 3


def test_cifar100_has_the_fine_labels(tmp_path):
    folder = tmp_path / "cifar-100-binary"
    folder.mkdir()
    (folder / "train.bin").write_bytes(cifar_bytes(200, coarse=True))
    (folder / "test.bin").write_bytes(cifar_bytes(5, 95, coarse=True))
    splits = load("cifar100", tmp_path, validation=100)
    assert splits.classes == 100
    assert np.bincount(splits.train.labels).tolist() == [1] * 100
    assert splits.test.labels.tolist() == [95, 96, 97, 98, 99]
    assert splits.test.pixels[0, 0, 0].tolist() == [0, 0, 100]


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda data: data[:-1], ("30729 bytes", "images of 3073 bytes")),
        (lambda data: b"", ("has 0 bytes",)),
        (lambda data: data[:-3073], ("holds 9 images", "data_batch_1.bin 10")),
        (lambda data: b"\x0a" + data[1:], ("the label of image 0 (the first is 0) is 10", "0 to 9")),
    ],
)
def test_broken_cifar_batches_are_refused_by_name(tmp_path, make, says):
    path = write_cifar10(tmp_path) / "data_batch_3.bin"
    path.write_bytes(make(path.read_bytes()))
    message = refusal("cifar10", tmp_path, 10)
    assert all(part in message for part in (str(path), *says)), message


def test_missing_cifar_files_are_listed(tmp_path):
    (write_cifar10(tmp_path) / "test_batch.bin").unlink()
    message = refusal("cifar10", tmp_path)
    assert "lacks test_batch.bin;" in message
    assert "cifar-10-binary.tar.gz" in message
    assert "train.bin, test.bin" in refusal("cifar100", tmp_path)
    assert "cifar-100-binary.tar.gz" in refusal("cifar100")


@pytest.mark.parametrize(
    ("name", "place", "file"),
    [
        ("cifar10", ".", "data_batch_1"),
        ("cifar10", "cifar-10-batches-py", "data_batch_1"),
        ("cifar100", "cifar-100-python", "train"),
    ],
)
def test_the_pickled_cifar_is_named_and_never_read(tmp_path, name, place, file):
    (tmp_path / place).mkdir(exist_ok=True)
    (tmp_path / place / file).write_bytes(b"\x80\x02cos\nabort\n(tR.")
    message = refusal(name, tmp_path)
    assert "Python version" in message
    assert f"{name.replace('cifar', 'cifar-')}-binary.tar.gz" in message


# Folders


def save(path, color, size=(6, 6), mode="RGB"):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new(mode, size, color).save(path)
    return path


def write_folders(root, test="test"):
    """Classes cat (red) and dog (blue); 4 images each to train on, 1 each to test."""
    for split, number in (("train", 4), (test, 1)):
        for i in range(number):
            save(root / split / "cat" / f"{i}.png", (200 + i, 10, 0))
            save(root / split / "dog" / f"{i}.PNG", (0, 60, 200 + i), size=(5, 9))
    return root


@pytest.mark.parametrize("test", ["test", "val"])
def test_folders_are_classes_and_images_become_squares(tmp_path, test):
    splits = load("folder", write_folders(tmp_path, test), validation=2, image_size=8)
    assert (splits.classes, splits.train.pixels.shape) == (2, (6, 8, 8, 3))
    assert splits.train.labels.tolist() == [0, 0, 0, 1, 1, 1]
    assert splits.validation.labels.tolist() == [0, 1]
    assert (splits.test.pixels[0] == [200, 10, 0]).all()
    assert (splits.test.pixels[1] == [0, 60, 200]).all()
    reds = [int(images.pixels[i, 0, 0, 0]) for images in (splits.train, splits.validation) for i in range(len(images))]
    assert sorted(red for red in reds if red) == [200, 201, 202, 203]


def test_a_tenth_of_the_folders_is_for_validation_by_default(tmp_path):
    for i in range(15):
        save(tmp_path / "train" / "cat" / f"{i}.png", (i, i, 10 * i))
        save(tmp_path / "train" / "dog" / f"{i}.png", (i, 50, 0))
    save(tmp_path / "test" / "cat" / "a.png", (1, 2, 3))
    splits = load("folder", tmp_path, image_size=2)
    assert (len(splits.train), len(splits.validation), len(splits.test)) == (27, 3, 1)


def test_jpeg_grey_palette_and_transparent_images_become_rgb(tmp_path):
    write_folders(tmp_path)
    save(tmp_path / "test" / "cat" / "1.jpg", 77, mode="L")
    save(tmp_path / "test" / "cat" / "2.png", (1, 2, 3, 0), mode="RGBA")
    Image.new("RGB", (4, 4), (9, 8, 7)).convert("P", palette=Image.Palette.ADAPTIVE).save(
        tmp_path / "test" / "cat" / "3.png"
    )
    pixels = load("folder", tmp_path, 2, image_size=3).test.pixels[1:4, 1, 1]
    # What is transparent shows the background, white unless told.
    assert pixels.tolist() == [[77, 77, 77], [255, 255, 255], [9, 8, 7]]


def test_hidden_files_and_files_beside_the_classes_are_passed_over(tmp_path):
    write_folders(tmp_path)
    (tmp_path / "train" / "labels.csv").write_text("a,b\n")
    (tmp_path / "train" / "cat" / ".DS_Store").write_bytes(b"x")
    (tmp_path / "train" / ".cache").mkdir()
    assert load("folder", tmp_path, 2, image_size=3).classes == 2


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda root: (root / "test" / "cat" / "0.png").write_bytes(b"not an image"), ("cat/0.png", "PNG or JPEG")),
        (
            lambda root: (root / "test" / "cat" / "0.png").write_bytes((root / "train/cat/0.png").read_bytes()[:50]),
            ("cat/0.png", "PNG or JPEG"),
        ),
        (
            # A chunk that says it is shorter than it is.
            lambda root: (root / "test/cat/0.png").write_bytes(
                re.sub(b"(?s).IDAT", b"\x05IDAT", (root / "train/cat/0.png").read_bytes())
            ),
            ("cat/0.png", "PNG or JPEG"),
        ),
        (lambda root: save(root / "test" / "cow" / "0.png", 0), ("test/cow", "its 2 classes are cat, dog")),
        (lambda root: (root / "train" / "cow").mkdir(), ("train/cow", "is empty")),
        (lambda root: (root / "train" / "cat" / "x.gif").write_bytes(b""), ("x.gif", ".png, .jpg, .jpeg")),
        (lambda root: (root / "train" / "cat" / "more.png").mkdir(), ("more.png", "is not an image")),
        (lambda root: (root / "val").mkdir(), ("holds test and val",)),
        (lambda root: (root / "test").rename(root / "other"), ("neither test nor val", "test/<class>/")),
        (lambda root: (root / "train").rename(root / "other"), ("train: no such folder", "train/<class>/")),
        (lambda root: save(root / "train" / "cat" / "deep.png", 9, mode="I;16"), ("deep.png", "8 bits")),
    ],
)
def test_what_is_wrong_with_folders_is_named(tmp_path, change, says):
    change(write_folders(tmp_path))
    message = refusal("folder", tmp_path, 2, image_size=4)
    assert all(part in message for part in (str(tmp_path), *says)), message


def test_folders_without_classes_a_place_a_size_or_pillow_are_refused(tmp_path, monkeypatch):
    (tmp_path / "train").mkdir()
    (tmp_path / "test").mkdir()
    assert "holds no class folder" in refusal("folder", tmp_path, image_size=4)
    assert "--data_dir" in refusal("folder", image_size=4)
    assert "image size is None; give the side of the square in pixels, such as --image_size=28" in refusal(
        "folder", tmp_path
    )
    assert "image size is 0" in refusal("folder", tmp_path, image_size=0)
    write_folders(tmp_path)
    without(monkeypatch, "PIL")
    assert "pip install pillow" in refusal("folder", tmp_path, image_size=4)


def test_an_image_too_large_for_pillow_is_refused_by_name(tmp_path, monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 10)
    assert "train/cat/0.png: cannot be read" in refusal("folder", write_folders(tmp_path), 2, image_size=4)


@given(data=st.data(), suffix=st.sampled_from(["png", "jpg"]))
def test_a_damaged_image_is_read_or_refused_by_name(tmp_path_factory, data, suffix):
    """Whatever the decoder raises at some byte, it becomes a ValueError that names the file."""
    path = tmp_path_factory.getbasetemp() / f"damaged.{suffix}"
    Image.fromarray(np.arange(300, dtype=np.uint16).astype(np.uint8).reshape(10, 10, 3)).save(path)
    content = bytearray(path.read_bytes())
    for _ in range(data.draw(st.integers(1, 3))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    path.write_bytes(content[: data.draw(st.integers(1, len(content)))])
    try:
        assert read_picture(path, 4).shape == (4, 4, 3)
    except ValueError as error:
        assert str(path) in str(error)  # noqa: PT017


# Names


@pytest.mark.parametrize(
    ("name", "near"), [("fashion-mnist", "fashion_mnist"), ("CIFAR10", "cifar10"), ("digit", "digits")]
)
def test_an_unknown_name_gives_the_nearest_and_all(name, near):
    message = refusal(name)
    assert f"did you mean {near!r}?" in message
    assert all(known in message for known in VALIDATION)


def test_a_name_like_no_other_gives_all():
    message = refusal("imagenet22k")
    assert "known: cifar10, cifar100, digits, fashion_mnist, folder, mnist" in message


def test_a_size_is_refused_where_nothing_is_resized(tmp_path):
    assert "image_size is 8" in refusal("mnist", write_idx(tmp_path), image_size=8)


def test_the_validation_size_names_the_data_set(tmp_path):
    assert "mnist: validation: 5000 images of 40" in refusal("mnist", write_idx(tmp_path))
    assert "mnist: validation: 0 images of 40" in refusal("mnist", tmp_path, 0)
