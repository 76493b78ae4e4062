"""Fashion-MNIST from IDX files (gzipped or not), or through Keras."""

from __future__ import annotations

import gzip
import struct
from pathlib import Path

import numpy as np

from harness.data import published
from harness.data.data_set import DataPart, DataSettings
from harness.data.images import DataError, Images, ImageSet

FILES = (
    "train-images-idx3-ubyte",
    "train-labels-idx1-ubyte",
    "t10k-images-idx3-ubyte",
    "t10k-labels-idx1-ubyte",
)


def read(settings: DataSettings) -> ImageSet:
    """All images, uint8 (n, 28, 28, 1), with their labels."""
    folder = settings.data_dir
    if folder is None:
        return published.through_keras("fashion_mnist", "the four IDX files (train-images-idx3-ubyte.gz and so on)")
    images, labels, held_out, held_out_labels = (_idx(published.find(folder, name)) for name in FILES)
    return ImageSet(
        "fashion_mnist",
        images[..., None],
        held_out[..., None],
        labels.astype(np.int64),
        held_out_labels.astype(np.int64),
    )


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


PART = DataPart(
    name="fashion_mnist",
    title="Fashion-MNIST",
    help="Fashion-MNIST, 60,000 + 10,000 of 28x28x1: data_dir, or Keras' download",
    position=20,
    build=read,
    classes=10,
    shape=(28, 28, 1),
    split=(60_000, 10_000),
    check=lambda settings: published.check(settings, FILES),
)
