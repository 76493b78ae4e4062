"""How DINOv2's inputs are resized: images to 224x224, as published scores resize them, and its embedding of positions."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image

SIDE = 224
_OFFSET = 0.1  # that the reference adds to the number of patches per side before it divides


def bicubic(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """One image (h, w, 3) as (224, 224, 3) by Pillow's antialiased bicubic, rounded to bytes: as dgm-eval."""
    return np.asarray(Image.fromarray(image).resize((SIDE, SIDE), Image.Resampling.BICUBIC))


def bicubic_float(image: NDArray[np.uint8]) -> NDArray[np.float32]:
    """One image (h, w, 3) as float32 (224, 224, 3) by antialiased bicubic, not rounded or clipped: as EDM2."""
    rows, columns = (_antialiased(size) for size in image.shape[:2])
    resized = np.einsum("ih,hwc,jw->ijc", rows, image.astype(np.float32), columns, optimize=True)
    return np.asarray(resized, np.float32)


def _antialiased(size: int) -> NDArray[np.float32]:
    """The matrix (224, size) of antialiased bicubic interpolation: Keys' kernel (a = -1/2), widened where it shrinks."""
    scale = size / SIDE
    wide = max(scale, 1.0)
    matrix = np.zeros((SIDE, size))
    for row in range(SIDE):
        centre = scale * (row + 0.5)
        first, last = max(int(centre - 2 * wide + 0.5), 0), min(int(centre + 2 * wide + 0.5), size)
        weights = _keys((np.arange(first, last) - centre + 0.5) / wide, -0.5)
        matrix[row, first:last] = weights / weights.sum()
    return matrix.astype(np.float32)


def _keys(distance: NDArray[np.floating], a: float) -> NDArray[np.float64]:
    """Keys' cubic convolution kernel (1981)."""
    x = np.abs(distance)
    near = ((a + 2) * x - (a + 3)) * x * x + 1
    far = a * (((x - 5) * x + 8) * x - 4)
    return np.where(x < 1, near, np.where(x < 2, far, 0.0))


def positions(embedding: NDArray[np.floating], *, side: int) -> NDArray[np.float32]:
    """The embedding of a grid of patches (n, n, d) at `side` x `side` patches.

    As the reference has it: bicubic (a = -3/4) without antialiasing, the edge repeated, and a step of n / (side + 0.1)
    where n / side would be meant.
    """
    grid = embedding.shape[0]
    if grid == side:
        return np.asarray(embedding, np.float32)
    # Coordinates are of single precision there; a table of positions is sensitive to them.
    step = np.float32(1.0 / ((side + _OFFSET) / grid))
    places = step * (np.arange(side, dtype=np.float32) + np.float32(0.5)) - np.float32(0.5)
    lower = np.floor(places).astype(int)
    matrix = np.zeros((side, grid))
    for neighbour in range(-1, 3):
        weights = _keys((places - lower).astype(np.float64) - neighbour, -0.75)
        np.add.at(matrix, (np.arange(side), np.clip(lower + neighbour, 0, grid - 1)), weights)
    values = np.asarray(embedding, np.float64)
    return np.asarray(np.einsum("ih,hwc,jw->ijc", matrix, values, matrix, optimize=True), np.float32)
