"""Convolutions with few channels in forms that are faster on a CPU, equal but for rounding.

TensorFlow's own kernels for a CPU are made for many channels.
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable
from typing import Any, TypeAlias

from harness.lazy import tf

Form: TypeAlias = "Callable[[tf.Tensor, tf.Tensor], tf.Tensor]"  # of input and kernel
FEW, SOME = 4, 16  # channels up to which these forms were measured to be faster on a CPU


def _with_gradient(form: Callable[..., Any]) -> Form:
    """tf.custom_gradient, applied when the form is called: importing this module loads no TensorFlow."""

    @functools.wraps(form)
    def called(x: tf.Tensor, kernel: tf.Tensor) -> tf.Tensor:
        return tf.custom_gradient(form)(x, kernel)

    return called


def to_one_channel(x: tf.Tensor, kernel: tf.Tensor) -> tf.Tensor:
    """A convolution to one channel with stride 1, as the sum of each channel's own: 3 to 4 times as fast on a CPU."""
    apart = tf.raw_ops.DepthwiseConv2dNative(input=x, filter=kernel, strides=[1, 1, 1, 1], padding="SAME")
    return tf.reduce_sum(apart, -1, keepdims=True)


@_with_gradient
def from_few_channels(x: tf.Tensor, kernel: tf.Tensor) -> Any:
    """A 3x3 or 4x4 convolution with stride 2, with the gradient for x by a faster form: 2 to 3 times as fast.

    The sides of x must be even.
    """

    def gradient(slope: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        of_x = to_some_channels if slope.dtype == tf.bfloat16 else to_few_channels
        return of_x(slope, kernel), _kernel_gradient(x, kernel, slope)

    return tf.nn.conv2d(x, kernel, 2, "SAME"), gradient


@_with_gradient
def strided(x: tf.Tensor, kernel: tf.Tensor) -> Any:
    """A 3x3 or 4x4 convolution with stride 2, with the kernel's gradient by `_kernel_gradient`. The sides of x must be even."""

    def gradient(slope: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        of_x = tf.raw_ops.Conv2DBackpropInput(
            input_sizes=tf.shape(x), filter=kernel, out_backprop=slope, strides=[1, 2, 2, 1], padding="SAME"
        )
        return of_x, _kernel_gradient(x, kernel, slope)

    return tf.nn.conv2d(x, kernel, 2, "SAME"), gradient


def _transposed(forward: Form) -> Form:
    """The transposed convolution with stride 2 that `forward` computes, with the kernel's gradient by `_kernel_gradient`."""

    @_with_gradient
    def form(x: tf.Tensor, kernel: tf.Tensor) -> Any:
        def gradient(slope: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
            return tf.nn.conv2d(slope, kernel, 2, "SAME"), _kernel_gradient(slope, kernel, x)

        return forward(x, kernel), gradient

    return form


@_transposed
def transposed(x: tf.Tensor, kernel: tf.Tensor) -> tf.Tensor:
    """A transposed convolution with stride 2 by TensorFlow's own kernel."""
    height, width, outputs = 2 * x.shape[1], 2 * x.shape[2], kernel.shape[2]
    y = tf.nn.conv2d_transpose(x, kernel, tf.stack([tf.shape(x)[0], height, width, outputs]), 2, "SAME")
    y.set_shape((None, height, width, outputs))
    return y


@_transposed
def to_few_channels(x: tf.Tensor, kernel: tf.Tensor) -> tf.Tensor:
    """A 3x3 or 4x4 transposed convolution with stride 2 as one product, whose parts are added up.

    Shapes (n, h, w, inputs) and (k, k, outputs, inputs) to (n, 2h, 2w, outputs). Twice as fast as TensorFlow's kernel
    for a CPU with up to 4 outputs.
    """
    height, width, inputs = x.shape[1:]
    taps = tf.reshape(_block_taps(kernel), (-1, inputs))
    products = tf.matmul(tf.reshape(x, (-1, inputs)), taps, transpose_b=True)
    blocks = tf.add_n(
        [
            tf.pad(part, [[0, 0], [down, 1 - down], [right, 1 - right], [0, 0]])
            for part, (down, right) in zip(
                tf.split(tf.reshape(products, (-1, height, width, taps.shape[0])), 4, -1),
                itertools.product((0, 1), (0, 1)),
                strict=True,
            )
        ]
    )
    return _pixels(blocks, kernel.shape[0])


@_transposed
def to_some_channels(x: tf.Tensor, kernel: tf.Tensor) -> tf.Tensor:
    """The same as a 2x2 convolution: 1.1 to 2 times as fast as TensorFlow's kernel for a CPU with up to 16 outputs."""
    taps = tf.reverse(_block_taps(kernel), (0, 1))
    taps = tf.transpose(tf.reshape(taps, (2, 2, -1, x.shape[3])), (0, 1, 3, 2))
    blocks = tf.nn.conv2d(tf.pad(x, [[0, 0], [1, 1], [1, 1], [0, 0]]), taps, 1, "VALID")
    return _pixels(blocks, kernel.shape[0])


def _block_taps(kernel: tf.Tensor) -> tf.Tensor:
    """The kernel of a transposed convolution as 2x2 blocks of 2x2 pixels, shape (2, 2, 2, 2, outputs, inputs).

    The 4x4 outputs of neighbouring pixels overlap by whole blocks.
    """
    missing = 4 - kernel.shape[0]
    whole = tf.pad(kernel, [[0, missing], [0, missing], [0, 0], [0, 0]])
    return tf.transpose(tf.reshape(whole, (2, 2, 2, 2, *kernel.shape[2:])), (0, 2, 1, 3, 4, 5))


def _pixels(blocks: tf.Tensor, kernel: int) -> tf.Tensor:
    """Blocks (n, h + 1, w + 1, 4 · outputs) as pixels (n, 2h, 2w, outputs), without what "same" padding cuts off."""
    rows, columns, outputs = blocks.shape[1], blocks.shape[2], blocks.shape[3] // 4
    parts = tf.transpose(tf.reshape(blocks, (-1, rows, columns, 2, 2 * outputs)), (0, 1, 3, 2, 4))
    first = (kernel - 2) // 2
    whole = tf.reshape(parts, (-1, 2 * rows, 2 * columns, outputs))
    return whole[:, first : first + 2 * rows - 2, first : first + 2 * columns - 2]


def _kernel_gradient(x: tf.Tensor, kernel: tf.Tensor, slope: tf.Tensor) -> tf.Tensor:
    """Of a 3x3 or 4x4 convolution of x, of even sides, with stride 2, whose output has the gradient `slope`."""
    if slope.dtype == tf.bfloat16 and x.shape[3] > SOME and _has_volumes():
        return _kernel_gradient_in_a_volume(x, kernel.shape[0], slope)
    return tf.raw_ops.Conv2DBackpropFilter(
        input=x, filter_sizes=kernel.shape.as_list(), out_backprop=slope, strides=[1, 2, 2, 1], padding="SAME"
    )


@functools.cache
def _has_volumes() -> bool:
    """Whether this processor convolves volumes in bfloat16 with places apart: oneDNN does, TensorFlow's own kernel does not."""
    with tf.init_scope():  # tried at once, also where a graph is being traced
        volume, places = tf.zeros((1, 3, 3, 1, 1), tf.bfloat16), tf.zeros((2, 2, 1, 1, 1), tf.bfloat16)
        try:
            _convolved(volume, places)
        except tf.errors.OpError:
            return False
        return True


def _convolved(volume: tf.Tensor, places: tf.Tensor) -> tf.Tensor:
    # The last dilation, that of channels, of which the kernel has one, says nothing; TensorFlow's shapes confuse it with
    # that of columns.
    return tf.raw_ops.Conv3D(input=volume, filter=places, strides=[1] * 5, padding="VALID", dilations=[1, 2, 2, 2, 1])


def _kernel_gradient_in_a_volume(x: tf.Tensor, size: int, slope: tf.Tensor) -> tf.Tensor:
    """The same as one convolution of a volume by `slope`, whose places lie as far apart as the stride.

    Rows, columns and channels are the volume's sides, examples its channels. In bfloat16 2 to 20 times as fast as the
    processor's kernel for this gradient, the more so the smaller the images.
    """
    before = (size - 2) // 2
    sides = [before, size - 2 - before]
    volume = tf.transpose(tf.pad(x, [[0, 0], sides, sides, [0, 0]]), (1, 2, 3, 0))[None]
    places = tf.transpose(slope, (1, 2, 0, 3))[:, :, None]
    return _convolved(volume, places)[0]
