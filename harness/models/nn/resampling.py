"""Sides doubled and halved by the binomial filter [1, 3, 3, 1], with zeros beyond the border (Karras et al. 2020)."""

from __future__ import annotations

import numpy as np

from harness.lazy import tf

TAPS = np.outer([1.0, 3.0, 3.0, 1.0], [1.0, 3.0, 3.0, 1.0]) / 64.0  # whose sum is 1


def doubled(x: tf.Tensor) -> tf.Tensor:
    """(n, h, w, c) to (n, 2h, 2w, c): a pixel's new neighbours are 3/4 of it and 1/4 of the pixel next to it."""
    _, height, width, channels = x.shape
    sizes = (tf.shape(x)[0], 2 * height, 2 * width, channels)
    return tf.nn.depthwise_conv2d_backprop_input(sizes, taps(x, 4.0), x, [1, 2, 2, 1], "SAME")


def halved(x: tf.Tensor) -> tf.Tensor:
    """(n, h, w, c), whose sides are even, to (n, h/2, w/2, c): means of four pixels a side, weighted 1, 3, 3, 1."""
    return tf.nn.depthwise_conv2d(x, taps(x), [1, 2, 2, 1], "SAME")


def taps(x: tf.Tensor, gain: float = 1.0) -> tf.Tensor:
    """The filter for each channel of x, (4, 4, channels, 1), whose sum is `gain`."""
    return tf.constant(np.repeat(gain * TAPS[:, :, None, None], x.shape[3], 2), x.dtype)
