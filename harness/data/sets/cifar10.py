"""CIFAR-10 from the files of its binary version, or through Keras."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from harness.data import published
from harness.data.data_set import DataPart, DataSettings
from harness.data.images import DataError, Images, ImageSet

FILES = (*(f"data_batch_{part}.bin" for part in range(1, 6)), "test_batch.bin")
_ROW = 1 + 3 * 32 * 32  # bytes: label, then red, green, blue


def read(settings: DataSettings) -> ImageSet:
    """All images, uint8 (n, 32, 32, 3), with their labels."""
    folder = settings.data_dir
    if folder is None:
        return published.through_keras("cifar10", "the binary version's files (data_batch_1.bin and so on)")
    batches = [_batch(published.find(folder, name)) for name in FILES]
    images = np.concatenate([images for images, _ in batches[:5]])
    labels = np.concatenate([labels for _, labels in batches[:5]])
    return ImageSet("cifar10", images, batches[5][0], labels, batches[5][1])


def _batch(path: Path) -> tuple[Images, NDArray[np.int64]]:
    """Images (n, 32, 32, 3) and labels of a file of the binary version."""
    try:
        values = np.fromfile(path, np.uint8)
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror})") from error
    if values.size == 0 or values.size % _ROW:
        raise DataError(f"{path}: has {values.size} bytes, but allowed are multiples of {_ROW} (binary CIFAR-10)")
    rows = values.reshape(-1, _ROW)
    return rows[:, 1:].reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1).copy(), rows[:, 0].astype(np.int64)


PART = DataPart(
    name="cifar10",
    title="CIFAR-10",
    help="CIFAR-10, 50,000 + 10,000 of 32x32x3: data_dir, or Keras' download",
    position=30,
    build=read,
    classes=10,
    shape=(32, 32, 3),
    split=(50_000, 10_000),
    check=lambda settings: published.check(settings, FILES),
)
