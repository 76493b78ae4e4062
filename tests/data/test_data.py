"""Data sets: fixed splits and fingerprints, exact pixels from files, and every bad input named."""

import gzip
import struct
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image
from sklearn.datasets import load_digits

from harness import data
from harness.data import DataError, data_set, fitting, folder


def settings(name, **changes):
    values = {"data_dir": None, "size": None, "channels": None, "fit": "pad", "held_out": 0.2, "limit": None}
    return SimpleNamespace(name=name, **{**values, **changes})


def test_digits_are_scikit_learns_split_once_and_for_all():
    images = data.load(settings("digits"))
    raw = load_digits()
    assert images.train.shape == (1438, 8, 8, 1)
    assert images.held_out.shape == (359, 8, 8, 1)
    together = np.concatenate([images.train, images.held_out])[..., 0]
    expected = np.round(raw.images * 255 / 16).astype(np.uint8)
    assert sorted(map(bytes, together)) == sorted(map(bytes, expected))
    assert images.fingerprint == data.load(settings("digits")).fingerprint
    assert images.fingerprint != data.load(settings("digits", held_out=0.3)).fingerprint
    assert data.shape(settings("digits")) == (8, 1)


def idx(path, values, *, compress=True):
    content = struct.pack(">HBB", 0, 8, values.ndim) + struct.pack(f">{values.ndim}I", *values.shape) + values.tobytes()
    path.write_bytes(gzip.compress(content) if compress else content)


@pytest.fixture
def fashion(tmp_path):
    rng = np.random.default_rng(0)
    arrays = {}
    for part, n in (("train", 40), ("t10k", 12)):
        arrays[part] = rng.integers(0, 256, (n, 28, 28), dtype=np.uint8)
        idx(tmp_path / f"{part}-images-idx3-ubyte.gz", arrays[part])
        idx(tmp_path / f"{part}-labels-idx1-ubyte", rng.integers(0, 10, n, dtype=np.uint8), compress=False)
    return tmp_path, arrays


def test_idx_files_come_back_pixel_for_pixel_padded_and_in_colour(fashion):
    folder, arrays = fashion
    images = data.load(settings("fashion_mnist", data_dir=folder))
    np.testing.assert_array_equal(images.train[..., 0], arrays["train"])
    np.testing.assert_array_equal(images.held_out[..., 0], arrays["t10k"])
    large = data.load(settings("fashion_mnist", data_dir=folder, size=32, channels=3))
    assert large.train.shape == (40, 32, 32, 3)
    np.testing.assert_array_equal(large.train[:, 2:-2, 2:-2, 1], arrays["train"])
    assert not large.train[:, :2].any()
    assert len(data.load(settings("fashion_mnist", data_dir=folder, limit=20)).train) == 20
    data.check(settings("fashion_mnist", data_dir=folder))


def test_the_real_fashion_mnist(fashion_mnist):
    if fashion_mnist is None:
        pytest.skip("Fashion-MNIST's files are not on this machine")
    images = data.load(settings("fashion_mnist", data_dir=fashion_mnist))
    assert images.train.shape == (60_000, 28, 28, 1)
    assert np.bincount(images.held_out_labels).tolist() == [1000] * 10


def test_cifar_binary_files(tmp_path):
    rng = np.random.default_rng(1)
    rows = rng.integers(0, 256, (4, 1 + 3072), dtype=np.uint8)
    rows[:, 0] %= 10
    for name in (*(f"data_batch_{part}.bin" for part in range(1, 6)), "test_batch.bin"):
        rows.tofile(tmp_path / name)
    images = data.load(settings("cifar10", data_dir=tmp_path))
    assert images.train.shape == (20, 32, 32, 3)
    np.testing.assert_array_equal(images.train[1, :, :, 2].ravel(), rows[1, 1 + 2048 :])
    (tmp_path / "test_batch.bin").write_bytes(b"123")
    with pytest.raises(DataError, match=r"test_batch\.bin: has 3 bytes"):
        data.load(settings("cifar10", data_dir=tmp_path))


BAD = {
    "missing folder": (
        lambda p: settings("folder", data_dir=p / "gone", size=8),
        "gone, which does not exist",
    ),
    "empty folder": (
        lambda p: settings("folder", data_dir=p, size=8),
        r"which holds no images; allowed endings: \.png",
    ),
    "no files": (lambda p: settings("fashion_mnist", data_dir=p), "train-images-idx3-ubyte .* is not in it"),
    "no cifar": (lambda p: settings("cifar10", data_dir=p), "data_batch_1.bin .* is not in it"),
    "pad too small": (
        lambda p: settings("digits", size=4),
        "data.size is 4, but fit = 'pad' allows 8 and more",
    ),
    "crop too large": (
        lambda p: settings("digits", size=9, fit="crop"),
        "data.size is 9, but fit = 'crop' allows at most 8",
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_settings_are_found_before_anything_is_decoded(case, tmp_path):
    make, words = BAD[case]
    with pytest.raises(DataError, match=words):
        data.check(make(tmp_path))


@pytest.mark.parametrize("damage", ["cut", "header", "gzip"])
def test_damaged_idx_files_are_named(fashion, damage):
    folder, _ = fashion
    path = folder / "train-images-idx3-ubyte.gz"
    content = path.read_bytes()
    broken = {
        "cut": content[:-40],
        "header": gzip.compress(b"\x00\x00\x09\x03" + b"0" * 50),
        "gzip": b"\x1f\x8b" + b"x" * 99,
    }
    path.write_bytes(broken[damage])
    with pytest.raises(DataError, match=r"train-images-idx3-ubyte\.gz: cannot be read as an IDX file"):
        data.load(settings("fashion_mnist", data_dir=folder))


def test_every_data_set_has_a_test():
    assert set(data_set.declared()) == {"digits", "fashion_mnist", "cifar10", "folder"}


@pytest.mark.parametrize("how", ["pad", "crop", "resize"])
@pytest.mark.parametrize(("height", "width", "channels"), [(9, 14, 1), (14, 9, 3), (12, 12, 3)])
def test_a_way_of_fitting_means_the_same_for_arrays_and_for_folders(how, height, width, channels, tmp_path):
    images = np.random.default_rng(3).integers(0, 256, (3, height, width, channels), dtype=np.uint8)
    size = {"pad": 16, "crop": 8, "resize": 7}[how]
    for index, image in enumerate(images):
        Image.fromarray(image[..., 0] if channels == 1 else image).save(tmp_path / f"{index}.png")
    read, _ = folder.load(folder.survey(tmp_path), size=size, channels=channels, how=how)
    np.testing.assert_array_equal(read, fitting.fit(images, size=size, channels=channels, how=how))


def test_resizing_keeps_proportions_and_padding_and_cropping_keep_pixels():
    image = np.zeros((1, 8, 16, 1), np.uint8)
    image[0, :, 4:12] = 200  # a square in the middle, and nothing beside it
    assert fitting.fit(image, size=4, channels=None, how="resize").min() > 180  # but for what the filter overshoots
    padded = fitting.fit(image, size=16, channels=None, how="pad")
    np.testing.assert_array_equal(padded[:, 4:12], image)
    assert not padded[:, :4].any()
    np.testing.assert_array_equal(fitting.fit(image, size=8, channels=None, how="crop"), image[:, :, 4:12])
