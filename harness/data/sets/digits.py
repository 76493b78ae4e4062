"""Handwritten digits of scikit-learn, which ship with it."""

from __future__ import annotations

import numpy as np

from harness.data.data_set import DataPart, DataSettings
from harness.data.images import ImageSet, split

_COUNT = 1797


def read(settings: DataSettings) -> ImageSet:
    """All digits, uint8 (n, 8, 8, 1): 0 to 16 scaled to 0 to 255."""
    from sklearn.datasets import load_digits

    raw = load_digits()
    images = np.round(raw.images * (255.0 / 16.0)).astype(np.uint8)[..., None]
    return split(images, raw.target.astype(np.int64), held_out=settings.held_out, name="digits")


PART = DataPart(
    name="digits",
    title="the handwritten digits of scikit-learn",
    help="handwritten digits, 1,797 of 8x8x1, shipped with scikit-learn: no download",
    position=10,
    build=read,
    classes=10,
    shape=(8, 8, 1),
    count=lambda _: _COUNT,
    files=False,
)
