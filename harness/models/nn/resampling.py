"""Images made larger and smaller, with a filter."""

from __future__ import annotations

from functools import partial

import numpy as np
from numpy.typing import NDArray

from harness.lazy import tf
from harness.models.nn.layers import Apply


def bilinearly_doubled() -> Apply:
    """Sides times 2 by bilinear interpolation between the middles of pixels; beyond the edge lie the edge's own pixels.

    It is PyTorch's interpolate with align_corners=False. Two products with small matrices are as fast on a CPU as
    TensorFlow's kernel, whose gradient differs from run to run on a GPU, and which knows no half precision.
    """
    return Apply(partial(_doubled, edge=True), per_example=True)


def doubled(x: tf.Tensor) -> tf.Tensor:
    """(n, h, w, c) to (n, 2h, 2w, c) by the filter [1, 3, 3, 1] of StyleGAN (Karras et al. 2020): bilinear, zeros beyond the edge."""
    return _doubled(x, edge=False)


def halved(x: tf.Tensor) -> tf.Tensor:
    """(n, h, w, c), whose sides are even, to (n, h/2, w/2, c): means of 4x4 pixels, weighted 1, 3, 3, 1 a side, zeros beyond the edge."""
    height, width, _ = x.shape[1:]  # the transpose of doubling, at half its weight
    return _product(x, 0.5 * _weights(height // 2, edge=False).T, 0.5 * _weights(width // 2, edge=False).T)


def taps(x: tf.Tensor) -> tf.Tensor:
    """The filter in two dimensions for each channel of x, (4, 4, channels, 1), whose sum is 1."""
    square = np.outer([1.0, 3.0, 3.0, 1.0], [1.0, 3.0, 3.0, 1.0]) / 64.0
    return tf.constant(np.repeat(square[:, :, None, None], x.shape[3], 2), x.dtype)


def _doubled(x: tf.Tensor, *, edge: bool) -> tf.Tensor:
    height, width, _ = x.shape[1:]
    return _product(x, _weights(height, edge=edge), _weights(width, edge=edge))


def _product(x: tf.Tensor, of_rows: NDArray[np.float32], of_columns: NDArray[np.float32]) -> tf.Tensor:
    """Images (n, h, w, c) to (n, rows, columns, c) by matrices (rows, h) and (columns, w)."""
    height, width, channels = x.shape[1:]
    rows = tf.matmul(tf.constant(of_rows, x.dtype), tf.reshape(x, (-1, height, width * channels)))
    columns = tf.matmul(tf.constant(of_columns, x.dtype), tf.reshape(rows, (-1, width, channels)))
    return tf.reshape(columns, (-1, of_rows.shape[0], of_columns.shape[0], channels))


def _weights(size: int, *, edge: bool) -> NDArray[np.float32]:
    """What each of `size` pixels in a row adds to each of twice as many, shape (2 · size, size): ¾ near, ¼ far."""
    weights = np.zeros((2 * size, size), np.float32)
    for place in range(2 * size):
        near = place // 2
        far = near + (1 if place % 2 else -1)
        weights[place, near] += 0.75
        if edge:
            far = min(max(far, 0), size - 1)
        if 0 <= far < size:
            weights[place, far] += 0.25
    return weights
