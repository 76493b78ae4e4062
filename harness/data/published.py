"""Published data sets from their own files, or through Keras' download and cache."""

from __future__ import annotations

import gzip
import struct
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from harness.data.images import DataError, Images, ImageSet

IDX = (
    "train-images-idx3-ubyte",
    "train-labels-idx1-ubyte",
    "t10k-images-idx3-ubyte",
    "t10k-labels-idx1-ubyte",
)
CIFAR = (*(f"data_batch_{part}.bin" for part in range(1, 6)), "test_batch.bin")
CIFAR_ROW = 1 + 3 * 32 * 32


def digits(held_out: float) -> ImageSet:
    """Handwritten digits, 1,797 of 8x8x1, shipped with scikit-learn; 0..16 scaled to 0..255."""
    from sklearn.datasets import load_digits

    from harness.data.images import split

    raw = load_digits()
    images = np.round(raw.images * (255.0 / 16.0)).astype(np.uint8)[..., None]
    return split(images, raw.target.astype(np.int64), held_out=held_out, name="digits")


def fashion_mnist(folder: Path | None) -> ImageSet:
    """Fashion-MNIST, 60,000 + 10,000 of 28x28x1, from IDX files (gzipped or not) or through Keras."""
    if folder is None:
        return _through_keras("fashion_mnist", "the four IDX files (train-images-idx3-ubyte.gz and so on)")
    images, labels, held_out, held_out_labels = (_idx(_find(folder, name)) for name in IDX)
    return ImageSet(
        "fashion_mnist",
        images[..., None],
        held_out[..., None],
        labels.astype(np.int64),
        held_out_labels.astype(np.int64),
    )


def cifar10(folder: Path | None) -> ImageSet:
    """CIFAR-10, 50,000 + 10,000 of 32x32x3, from the binary version's files or through Keras."""
    if folder is None:
        return _through_keras("cifar10", "the binary version's files (data_batch_1.bin and so on)")
    parts = [_cifar(_find(folder, name)) for name in CIFAR]
    images = np.concatenate([images for images, _ in parts[:5]])
    labels = np.concatenate([labels for _, labels in parts[:5]])
    return ImageSet("cifar10", images, parts[5][0], labels, parts[5][1])


def files(name: str, folder: Path) -> list[Path]:
    """The files of a published data set in `folder`; raises DataError naming the first that is missing."""
    return [_find(folder, each) for each in (IDX if name == "fashion_mnist" else CIFAR)]


def _find(folder: Path, name: str) -> Path:
    inner = folder / "cifar-10-batches-bin"
    for place in (folder / name, folder / f"{name}.gz", inner / name):
        if place.is_file():
            return place
    raise DataError(f"data.data_dir is {folder}, but {name} (or {name}.gz) is not in it")


def _idx(path: Path) -> Images:
    """An IDX file of unsigned bytes, gzipped or not."""
    try:
        content = path.read_bytes()
        if content[:2] == b"\x1f\x8b":
            content = gzip.decompress(content)
        zero, kind, dimensions = struct.unpack(">HBB", content[:4])
        shape = struct.unpack(f">{dimensions}I", content[4 : 4 + 4 * dimensions])
        values = np.frombuffer(content, np.uint8, offset=4 + 4 * dimensions)
        if zero != 0 or kind != 8 or values.size != np.prod(shape, dtype=np.int64):
            raise ValueError("its header does not fit its size")
        return values.reshape(shape)
    except Exception as error:  # whatever a damaged file makes a parser raise
        reason = " ".join(str(error).split())
        raise DataError(f"{path}: cannot be read as an IDX file ({reason})") from error


def _cifar(path: Path) -> tuple[Images, NDArray[np.int64]]:
    """Images (n, 32, 32, 3) and labels of a file of the binary version."""
    try:
        values = np.fromfile(path, np.uint8)
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror})") from error
    if values.size == 0 or values.size % CIFAR_ROW:
        raise DataError(f"{path}: has {values.size} bytes, but allowed are multiples of {CIFAR_ROW} (binary CIFAR-10)")
    rows = values.reshape(-1, CIFAR_ROW)
    return rows[:, 1:].reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1).copy(), rows[:, 0].astype(np.int64)


def _through_keras(name: str, files_wanted: str) -> ImageSet:
    """Keras downloads the data set once into its cache, and checks its hash."""
    import keras

    try:
        (train, labels), (held_out, held_out_labels) = getattr(keras.datasets, name).load_data()
    except Exception as error:
        raise DataError(
            f"data.name is '{name}', which is not in Keras' cache and could not be downloaded "
            f"({type(error).__name__}); set data.data_dir to a folder with {files_wanted}"
        ) from error
    if train.ndim == 3:
        train, held_out = train[..., None], held_out[..., None]
    return ImageSet(name, train, held_out, labels.ravel().astype(np.int64), held_out_labels.ravel().astype(np.int64))
