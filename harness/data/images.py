"""ImageSet: named images with fixed splits and a fingerprint."""

from __future__ import annotations

import functools
import hashlib
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Images = NDArray[np.uint8]
FEWEST = 10  # images that either part must have, for scores and for training


class DataError(ValueError):
    """Images that cannot be used; the message names the key or file, and what is allowed."""


@dataclass(frozen=True)
class ImageSet:
    """uint8 images (n, h, w, c) for training, and held-out ones of the same shape that no network was trained on."""

    name: str
    train: Images
    held_out: Images
    train_labels: NDArray[np.int64] | None = None
    held_out_labels: NDArray[np.int64] | None = None
    notes: tuple[str, ...] = ()  # what was read and skipped, and what is peculiar: for people, no part of the identity

    @functools.cached_property
    def fingerprint(self) -> str:
        """SHA-256 (hex) of shapes and pixels of both splits."""
        digest = hashlib.sha256()
        for part in (self.train, self.held_out):
            digest.update(repr(part.shape).encode())
            digest.update(np.ascontiguousarray(part).data)
        return digest.hexdigest()


def split_sizes(count: int, held_out: float) -> tuple[int, int]:
    """How many of `count` images are trained on, and how many are held out."""
    kept = max(1, round(held_out * count))
    return count - kept, kept


def split(images: Images, labels: NDArray[np.int64] | None, *, held_out: float, name: str) -> ImageSet:
    """Two parts by a fixed permutation that depends on the number of images alone."""
    order = np.random.default_rng(len(images)).permutation(len(images))
    rest, count = split_sizes(len(images), held_out)
    if rest <= 0:
        raise DataError(f"data.held_out is {held_out:g}, which leaves none of {len(images)} images for training")
    kept, trained = np.sort(order[:count]), np.sort(order[count:])
    return ImageSet(
        name,
        images[trained],
        images[kept],
        None if labels is None else labels[trained],
        None if labels is None else labels[kept],
    )
