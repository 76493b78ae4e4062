"""Images made larger."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from harness.lazy import tf
from harness.models.nn.layers import Apply


def bilinearly_doubled() -> Apply:
    """Sides times 2 by bilinear interpolation between the middles of pixels; beyond the edge lie the edge's own pixels.

    It is PyTorch's interpolate with align_corners=False. Two products with small matrices are as fast on a CPU as
    TensorFlow's kernel, whose gradient differs from run to run on a GPU, and which knows no half precision.
    """
    return Apply(_doubled, per_example=True)


def _doubled(x: tf.Tensor) -> tf.Tensor:
    height, width, channels = x.shape[1:]
    rows = tf.matmul(tf.constant(_weights(height), x.dtype), tf.reshape(x, (-1, height, width * channels)))
    columns = tf.matmul(tf.constant(_weights(width), x.dtype), tf.reshape(rows, (-1, width, channels)))
    return tf.reshape(columns, (-1, 2 * height, 2 * width, channels))


def _weights(size: int) -> NDArray[np.float32]:
    """What each of `size` pixels in a row adds to each of twice as many, shape (2 · size, size): ¾ near, ¼ far."""
    weights = np.zeros((2 * size, size), np.float32)
    for place in range(2 * size):
        near = place // 2
        far = min(max(near + (1 if place % 2 else -1), 0), size - 1)
        weights[place, near] += 0.75
        weights[place, far] += 0.25
    return weights
