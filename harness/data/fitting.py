"""Images brought to one size and one number of channels; each way means the same for every data set.

pad: black borders around it, so it must not be larger. crop: its middle, so it must not be smaller. resize: the largest
square in its middle, scaled with antialiasing.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from harness.data.images import DataError, Images


def fit(images: Images, *, size: int | None, channels: int | None, how: str) -> Images:
    """`images` (n, h, w, c) brought to `size` x `size` and `channels`; None leaves as is.

    Grey becomes colour by repetition, colour becomes grey by rounded ITU-R 601 luma.
    """
    if channels is not None and channels != images.shape[-1]:
        images = images.repeat(3, axis=-1) if channels == 3 else _grey(images)
    height, width = images.shape[1:3]
    if size is None or (height, width) == (size, size):
        return images
    pixels = misfit(height, width, size=size, how=how)
    if pixels is not None:
        limit = "at least" if pixels == "more" else "at most"
        raise DataError(f"data.size is {size}, but images have {height}x{width}: fit = '{how}' needs size {limit} that")
    return {"pad": _padded, "crop": _cropped, "resize": _resized}[how](images, size)


def misfit(height: int, width: int, *, size: int, how: str) -> str | None:
    """Whether an image has "more" or "fewer" pixels per side than `how` can bring to `size`; None if neither."""
    if how == "pad" and max(height, width) > size:
        return "more"
    if how == "crop" and min(height, width) < size:
        return "fewer"
    return None


def _padded(images: Images, size: int) -> Images:
    height, width = images.shape[1:3]
    top, left = (size - height) // 2, (size - width) // 2
    return np.pad(images, ((0, 0), (top, size - height - top), (left, size - width - left), (0, 0)))


def _cropped(images: Images, size: int) -> Images:
    height, width = images.shape[1:3]
    top, left = (height - size) // 2, (width - size) // 2
    return np.ascontiguousarray(images[:, top : top + size, left : left + size])


def _resized(images: Images, size: int) -> Images:
    resized = np.empty((len(images), size, size, images.shape[-1]), np.uint8)
    for index, image in enumerate(images):
        picture = Image.fromarray(image[..., 0] if image.shape[-1] == 1 else image)
        square = ImageOps.fit(picture, (size, size), Image.Resampling.LANCZOS)
        resized[index] = np.asarray(square).reshape(size, size, -1)
    return resized


def _grey(images: Images) -> NDArray[np.uint8]:
    luma = images.astype(np.float64) @ np.array([0.299, 0.587, 0.114])
    return np.asarray(np.round(luma)[..., None], dtype=np.uint8)
