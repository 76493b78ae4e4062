"""ImageSet: named images with fixed splits and a fingerprint; fitting images to a size and number of channels."""

from __future__ import annotations

import functools
import hashlib
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

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


def fit(images: Images, *, size: int | None, channels: int | None, how: str) -> Images:
    """`images` (n, h, w, c) brought to `size` x `size` and `channels`; None leaves as is.

    'pad' adds black borders (needs no larger images), 'crop' cuts the middle, 'resize' scales with antialiasing.
    Grey becomes colour by repetition, colour becomes grey by ITU-R 601 luma (as Pillow's 'L').
    """
    if channels is not None and channels != images.shape[-1]:
        images = images.repeat(3, axis=-1) if channels == 3 else _grey(images)
    height, width = images.shape[1:3]
    if size is None or (height, width) == (size, size):
        return images
    if how == "resize":
        return _resized(images, size)
    if how == "pad":
        if height > size or width > size:
            raise DataError(
                f"data.size is {size}, but images have {height}x{width}: fit = 'pad' needs size at least that"
            )
        return _padded(images, size)
    if height < size or width < size:
        raise DataError(f"data.size is {size}, but images have {height}x{width}: fit = 'crop' needs size at most that")
    top, left = (height - size) // 2, (width - size) // 2
    return np.ascontiguousarray(images[:, top : top + size, left : left + size])


def _padded(images: Images, size: int) -> Images:
    height, width = images.shape[1:3]
    top, left = (size - height) // 2, (size - width) // 2
    return np.pad(images, ((0, 0), (top, size - height - top), (left, size - width - left), (0, 0)))


def _resized(images: Images, size: int) -> Images:
    result = np.empty((len(images), size, size, images.shape[-1]), np.uint8)
    for place, image in enumerate(images):
        picture = Image.fromarray(image[..., 0] if image.shape[-1] == 1 else image)
        result[place] = np.asarray(picture.resize((size, size), Image.Resampling.LANCZOS)).reshape(size, size, -1)
    return result


def _grey(images: Images) -> Images:
    luma = images.astype(np.float64) @ np.array([0.299, 0.587, 0.114])
    return np.asarray(np.round(luma)[..., None], dtype=np.uint8)


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
