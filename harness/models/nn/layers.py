"""Layers as pure functions of their weights, so that weights can live in one flat vector and draws stay stateless.

A network is a list of layers. Each layer says which weights it needs, with their initial values drawn from a NumPy
generator, and maps an input to an output. Batch normalisation reads and returns its moving statistics explicitly.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Protocol, cast

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

Form = Callable[[tf.Tensor, tf.Tensor], tf.Tensor]  # of input and kernel
Initial = Callable[[np.random.Generator, tuple[int, ...]], NDArray[np.float32]]
BATCH_NORM_EPSILON = 1e-3
FEW, SOME = 4, 16  # channels up to which other forms of convolutions were measured to be faster on a CPU


@dataclass(frozen=True)
class Weight:
    """A weight's shape and how its initial value is drawn; `moving` for statistics, which no gradient trains."""

    shape: tuple[int, ...]
    initial: Initial
    moving: bool = False

    @property
    def size(self) -> int:
        """Number of values."""
        return int(np.prod(self.shape))


def zeros(_: np.random.Generator, shape: tuple[int, ...]) -> NDArray[np.float32]:
    """All 0."""
    return np.zeros(shape, np.float32)


def ones(_: np.random.Generator, shape: tuple[int, ...]) -> NDArray[np.float32]:
    """All 1."""
    return np.ones(shape, np.float32)


def glorot(rng: np.random.Generator, shape: tuple[int, ...]) -> NDArray[np.float32]:
    """Uniform in ±√(6 / (fan in + fan out)), Keras' default (Glorot & Bengio 2010)."""
    field_size = int(np.prod(shape[:-2]))
    limit = np.sqrt(6.0 / (field_size * (shape[-2] + shape[-1])))
    return rng.uniform(-limit, limit, shape).astype(np.float32)


def normal(rng: np.random.Generator, shape: tuple[int, ...]) -> NDArray[np.float32]:
    """Normal with standard deviation 0.02 (Radford et al. 2016)."""
    return (0.02 * rng.standard_normal(shape)).astype(np.float32)


@dataclass
class Call:
    """One pass through a network: training or not, the seed of its noise, and statistics that it moves."""

    training: bool
    seed: tf.Tensor | None = None
    moved: dict[int, tf.Tensor] = field(default_factory=dict)
    draws: int = 0

    def next_seed(self) -> tf.Tensor:
        """The seed of the next draw within this pass."""
        assert self.seed is not None, "a pass that draws noise has a seed"
        self.draws += 1
        return self.seed + tf.constant([0, self.draws], tf.int64)


class Layer(Protocol):
    """A part of a network; `per_example` says that an example's output depends on no other example of its batch."""

    @property
    def per_example(self) -> bool: ...

    def weights(self) -> Sequence[Weight]:
        """What it needs, in the order in which it is called with them."""

    def __call__(self, x: tf.Tensor, weights: Sequence[tf.Tensor], call: Call, first: int) -> tf.Tensor:
        """The output; `first` is the index of its first weight, by which moved statistics are named."""


@dataclass(frozen=True)
class Dense:
    """x · W + b."""

    per_example: ClassVar[bool] = True
    inputs: int
    outputs: int
    initial: Initial = glorot

    def weights(self) -> Sequence[Weight]:
        return Weight((self.inputs, self.outputs), self.initial), Weight((self.outputs,), zeros)

    def __call__(self, x: tf.Tensor, weights: Sequence[tf.Tensor], call: Call, first: int) -> tf.Tensor:
        return tf.nn.bias_add(tf.matmul(x, tf.cast(weights[0], x.dtype)), tf.cast(weights[1], x.dtype))


@dataclass(frozen=True)
class Convolution:
    """Convolution with 'same' padding and bias."""

    per_example: ClassVar[bool] = True
    kernel: int
    inputs: int
    outputs: int
    stride: int = 1
    initial: Initial = glorot

    def weights(self) -> Sequence[Weight]:
        shape = (self.kernel, self.kernel, self.inputs, self.outputs)
        return Weight(shape, self.initial), Weight((self.outputs,), zeros)

    def __call__(self, x: tf.Tensor, weights: Sequence[tf.Tensor], call: Call, first: int) -> tf.Tensor:
        y = self._form(x)(x, tf.cast(weights[0], x.dtype))
        return tf.nn.bias_add(y, tf.cast(weights[1], x.dtype))

    def _form(self, x: tf.Tensor) -> Form:
        """The convolution; with few channels on a CPU, whose kernels are slow with them, an equal faster form."""
        if not tf.config.list_physical_devices("GPU"):
            if self.outputs == 1 and self.stride == 1:
                return to_one_channel
            even = all(side is not None and side % 2 == 0 for side in x.shape[1:3])
            if self.inputs <= FEW and self.stride == 2 and self.kernel in (3, 4) and even:
                return cast(Form, from_few_channels)
        return lambda x, kernel: tf.nn.conv2d(x, kernel, self.stride, "SAME")


def to_one_channel(x: tf.Tensor, kernel: tf.Tensor) -> tf.Tensor:
    """A convolution to one channel with stride 1, as the sum of each channel's own: 3 to 4 times as fast on a CPU."""
    apart = tf.raw_ops.DepthwiseConv2dNative(input=x, filter=kernel, strides=[1, 1, 1, 1], padding="SAME")
    return tf.reduce_sum(apart, -1, keepdims=True)


@tf.custom_gradient  # type: ignore[untyped-decorator]
def from_few_channels(x: tf.Tensor, kernel: tf.Tensor) -> Any:
    """A 3x3 or 4x4 convolution with stride 2, with the gradient for x by `to_few_channels`: 2 to 3 times as fast.

    The sides of x must be even.
    """

    def gradient(slope: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        return to_few_channels(slope, kernel), _kernel_gradient(x, kernel, slope)

    return tf.nn.conv2d(x, kernel, 2, "SAME"), gradient


def _transposed(forward: Form) -> Form:
    """The transposed convolution with stride 2 that `forward` computes, with TensorFlow's own kernels for gradients."""

    @tf.custom_gradient  # type: ignore[untyped-decorator]
    def form(x: tf.Tensor, kernel: tf.Tensor) -> Any:
        def gradient(slope: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
            return tf.nn.conv2d(slope, kernel, 2, "SAME"), _kernel_gradient(slope, kernel, x)

        return forward(x, kernel), gradient

    return cast(Form, form)


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
    """Of a convolution of x with stride 2, whose output has the gradient `slope`."""
    return tf.raw_ops.Conv2DBackpropFilter(
        input=x, filter_sizes=kernel.shape.as_list(), out_backprop=slope, strides=[1, 2, 2, 1], padding="SAME"
    )


@dataclass(frozen=True)
class TransposedConvolution:
    """Transposed convolution with 'same' padding and bias: sides times `stride`."""

    per_example: ClassVar[bool] = True
    kernel: int
    inputs: int
    outputs: int
    stride: int = 2
    initial: Initial = glorot

    def weights(self) -> Sequence[Weight]:
        shape = (self.kernel, self.kernel, self.outputs, self.inputs)
        return Weight(shape, self.initial), Weight((self.outputs,), zeros)

    def __call__(self, x: tf.Tensor, weights: Sequence[tf.Tensor], call: Call, first: int) -> tf.Tensor:
        y = self._form()(x, tf.cast(weights[0], x.dtype))
        return tf.nn.bias_add(y, tf.cast(weights[1], x.dtype))

    def _form(self) -> Form:
        """The transposed convolution; to few channels on a CPU, an equal faster form."""
        if self.stride == 2 and self.kernel in (3, 4) and not tf.config.list_physical_devices("GPU"):
            if self.outputs <= FEW:
                return to_few_channels
            if self.outputs <= SOME:
                return to_some_channels
        return self._plain

    def _plain(self, x: tf.Tensor, kernel: tf.Tensor) -> tf.Tensor:
        batch, height, width = tf.shape(x)[0], x.shape[1] * self.stride, x.shape[2] * self.stride
        y = tf.nn.conv2d_transpose(x, kernel, tf.stack([batch, height, width, self.outputs]), self.stride, "SAME")
        y.set_shape((None, height, width, self.outputs))
        return y


@dataclass(frozen=True)
class BatchNormalization:
    """Batch normalisation (Ioffe & Szegedy 2015) with Keras' epsilon; statistics in float32."""

    per_example: ClassVar[bool] = False
    channels: int
    momentum: float = 0.99

    def weights(self) -> Sequence[Weight]:
        shape = (self.channels,)
        return (
            Weight(shape, ones),
            Weight(shape, zeros),
            Weight(shape, zeros, moving=True),
            Weight(shape, ones, moving=True),
        )

    def __call__(self, x: tf.Tensor, weights: Sequence[tf.Tensor], call: Call, first: int) -> tf.Tensor:
        scale, offset, mean, variance = weights
        if not call.training:
            factor = scale * tf.math.rsqrt(variance + BATCH_NORM_EPSILON)
            return x * tf.cast(factor, x.dtype) + tf.cast(offset - mean * factor, x.dtype)
        image = x if len(x.shape) == 4 else tf.reshape(x, (-1, 1, 1, self.channels))
        y, batch_mean, batch_variance = tf.compat.v1.nn.fused_batch_norm(
            image, scale, offset, epsilon=BATCH_NORM_EPSILON, is_training=True
        )
        call.moved[first + 2] = mean * self.momentum + batch_mean * (1.0 - self.momentum)
        call.moved[first + 3] = variance * self.momentum + batch_variance * (1.0 - self.momentum)
        return y if len(x.shape) == 4 else tf.reshape(y, (-1, self.channels))


@dataclass(frozen=True)
class Dropout:
    """Sets a share of the values to 0 and scales the rest, by a stateless draw of 16 bits a value.

    The share is thus a multiple of 2^-16 (0.3 is 0.300003), and the scale is that share's: the mean stays exact. Drawing
    is what dropout costs on a CPU, so every drawn byte serves twice: as the upper half of a value's bits, and as the
    lower half of another's in the other half of the batch. At a share of 0.3 the two correlate by about 2^-10.
    """

    per_example: ClassVar[bool] = True
    share: float

    def weights(self) -> Sequence[Weight]:
        return ()

    def __call__(self, x: tf.Tensor, weights: Sequence[tf.Tensor], call: Call, first: int) -> tf.Tensor:
        if not call.training:
            return x
        lost = round(self.share * 2**16)
        size = tf.size(x)
        half = (size + 1) // 2
        words = tf.random.stateless_uniform((half // 2 + 1,), call.next_seed(), None, None, tf.uint32)
        drawn = tf.reshape(tf.bitcast(words, tf.uint8), (-1,))
        pairs = [tf.reshape(drawn[first : first + 2 * half], (-1, 2)) for first in (0, 1)]
        bits = tf.reshape(tf.concat([tf.bitcast(pair, tf.uint16) for pair in pairs], 0)[:size], tf.shape(x))
        return x * (tf.cast(bits >= lost, x.dtype) * tf.cast(2**16 / (2**16 - lost), x.dtype))


@dataclass(frozen=True)
class Apply:
    """A function without weights."""

    function: Callable[[tf.Tensor], tf.Tensor]
    per_example: bool

    def weights(self) -> Sequence[Weight]:
        return ()

    def __call__(self, x: tf.Tensor, weights: Sequence[tf.Tensor], call: Call, first: int) -> tf.Tensor:
        return self.function(x)


def leaky_relu(slope: float) -> Apply:
    """max(x, slope · x)."""
    return Apply(lambda x: tf.nn.leaky_relu(x, slope), per_example=True)


def reshape(*shape: int) -> Apply:
    """Every example to `shape`."""
    return Apply(lambda x: tf.reshape(x, (-1, *shape)), per_example=True)


def tanh() -> Apply:
    """Hyperbolic tangent: images in [-1, 1]."""
    return Apply(tf.tanh, per_example=True)


@dataclass(frozen=True)
class Network:
    """Layers one after another."""

    layers: tuple[Layer, ...]

    @property
    def per_example(self) -> bool:
        """Whether an example's output depends on no other example of its batch."""
        return all(layer.per_example for layer in self.layers)

    def weights(self) -> list[Weight]:
        """All weights in order."""
        return [weight for layer in self.layers for weight in layer.weights()]

    def __call__(self, x: tf.Tensor, weights: Sequence[tf.Tensor], call: Call) -> tf.Tensor:
        """The output for `x`."""
        first = 0
        for layer in self.layers:
            count = len(layer.weights())
            x = layer(x, weights[first : first + count], call, first)
            first += count
        return x
