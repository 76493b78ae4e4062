"""Layers as pure functions of their weights, so that weights can live in one flat vector and draws stay stateless.

A network is a list of layers. Each layer says which weights it needs, with their initial values drawn from a NumPy
generator, and maps an input to an output. Batch normalisation reads and returns its moving statistics explicitly.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, ClassVar, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from harness.lazy import tf
from harness.models.nn import draws
from harness.models.nn.convolutions import (
    FEW,
    SOME,
    Form,
    from_few_channels,
    strided,
    to_few_channels,
    to_one_channel,
    to_some_channels,
    transposed,
)

Called: TypeAlias = "Callable[[tf.Tensor], tf.Tensor]"
Initial = Callable[[np.random.Generator, tuple[int, ...]], NDArray[np.float32]]
BATCH_NORM_EPSILON = 1e-3
GROUP_NORM_EPSILON = 1e-5


@dataclass(frozen=True)
class Weight:
    """A weight's shape and how its initial value is drawn; `moving` for statistics, which no gradient trains.

    One that is `rounded` is read in the precision of the layers alone, and may come in it.
    """

    shape: tuple[int, ...]
    initial: Initial
    moving: bool = False
    rounded: bool = False

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


def uniform_in(terms: int) -> Initial:
    """Uniform in ±1/√terms: PyTorch's default, for weights and biases alike, where an output sums `terms` products."""
    return lambda rng, shape: rng.uniform(-(terms**-0.5), terms**-0.5, shape).astype(np.float32)


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


def _bias(initial: Initial | None, outputs: int) -> tuple[Weight, ...]:
    """The weights of a layer besides its kernel: one for each output, or none."""
    return () if initial is None else (Weight((outputs,), initial),)


def _with_bias(y: tf.Tensor, weights: Sequence[tf.Tensor]) -> tf.Tensor:
    """`y` plus the bias, if there is one among a layer's `weights`."""
    return tf.nn.bias_add(y, tf.cast(weights[1], y.dtype)) if len(weights) > 1 else y


@dataclass(frozen=True)
class Dense:
    """x · W + b; `bias` says how b is drawn, None that there is none."""

    per_example: ClassVar[bool] = True
    inputs: int
    outputs: int
    initial: Initial = glorot
    bias: Initial | None = zeros

    def weights(self) -> Sequence[Weight]:
        return Weight((self.inputs, self.outputs), self.initial, rounded=True), *_bias(self.bias, self.outputs)

    def __call__(self, x: tf.Tensor, weights: Sequence[tf.Tensor], call: Call, first: int) -> tf.Tensor:
        return _with_bias(tf.matmul(x, tf.cast(weights[0], x.dtype)), weights)


@dataclass(frozen=True)
class Convolution:
    """Convolution with 'same' padding, and bias unless it is None."""

    per_example: ClassVar[bool] = True
    kernel: int
    inputs: int
    outputs: int
    stride: int = 1
    initial: Initial = glorot
    bias: Initial | None = zeros

    def weights(self) -> Sequence[Weight]:
        shape = (self.kernel, self.kernel, self.inputs, self.outputs)
        return Weight(shape, self.initial, rounded=True), *_bias(self.bias, self.outputs)

    def __call__(self, x: tf.Tensor, weights: Sequence[tf.Tensor], call: Call, first: int) -> tf.Tensor:
        y = self._form(x)(x, tf.cast(weights[0], x.dtype))
        return _with_bias(y, weights)

    def _form(self, x: tf.Tensor) -> Form:
        """The convolution; on a CPU, whose kernels are slow with few channels or in bfloat16, an equal faster form."""
        if not tf.config.list_physical_devices("GPU"):
            coarse = x.dtype == tf.bfloat16
            if self.outputs == 1 and self.stride == 1 and not coarse:
                return to_one_channel
            even = all(side is not None and side % 2 == 0 for side in x.shape[1:3])
            if self.stride == 2 and self.kernel in (3, 4) and even:
                if self.inputs <= FEW:
                    return from_few_channels
                if coarse:
                    return strided
        return lambda x, kernel: tf.nn.conv2d(x, kernel, self.stride, "SAME")


@dataclass(frozen=True)
class TransposedConvolution:
    """Transposed convolution with 'same' padding, and bias unless it is None: sides times `stride`."""

    per_example: ClassVar[bool] = True
    kernel: int
    inputs: int
    outputs: int
    stride: int = 2
    initial: Initial = glorot
    bias: Initial | None = zeros

    def weights(self) -> Sequence[Weight]:
        shape = (self.kernel, self.kernel, self.outputs, self.inputs)
        return Weight(shape, self.initial, rounded=True), *_bias(self.bias, self.outputs)

    def __call__(self, x: tf.Tensor, weights: Sequence[tf.Tensor], call: Call, first: int) -> tf.Tensor:
        y = self._form(x)(x, tf.cast(weights[0], x.dtype))
        return _with_bias(y, weights)

    def _form(self, x: tf.Tensor) -> Form:
        """The transposed convolution; on a CPU to few channels, or in bfloat16, an equal faster form."""
        if self.stride == 2 and self.kernel in (3, 4) and not tf.config.list_physical_devices("GPU"):
            coarse = x.dtype == tf.bfloat16
            if self.outputs <= FEW and not coarse:
                return to_few_channels
            if self.outputs <= SOME:
                return to_some_channels
            if coarse:
                return transposed
        return self._plain

    def _plain(self, x: tf.Tensor, kernel: tf.Tensor) -> tf.Tensor:
        batch, height, width = tf.shape(x)[0], x.shape[1] * self.stride, x.shape[2] * self.stride
        y = tf.nn.conv2d_transpose(x, kernel, tf.stack([batch, height, width, self.outputs]), self.stride, "SAME")
        y.set_shape((None, height, width, self.outputs))
        return y


@dataclass(frozen=True)
class BatchNormalization:
    """Batch normalisation (Ioffe & Szegedy 2015), by default with Keras' epsilon; statistics in float32.

    `momentum` is the part of a moving statistic that a batch keeps: 0.9 is PyTorch's 0.1. As in PyTorch, the moving
    variance is of unbiased ones. `initial` says how the scales are drawn.
    """

    per_example: ClassVar[bool] = False
    channels: int
    momentum: float = 0.99
    epsilon: float = BATCH_NORM_EPSILON
    initial: Initial = ones

    def weights(self) -> Sequence[Weight]:
        shape = (self.channels,)
        return (
            Weight(shape, self.initial),
            Weight(shape, zeros),
            Weight(shape, zeros, moving=True),
            Weight(shape, ones, moving=True),
        )

    def __call__(self, x: tf.Tensor, weights: Sequence[tf.Tensor], call: Call, first: int) -> tf.Tensor:
        scale, offset, mean, variance = weights
        if not call.training:
            factor = scale * tf.math.rsqrt(variance + self.epsilon)
            return x * tf.cast(factor, x.dtype) + tf.cast(offset - mean * factor, x.dtype)
        image = x if len(x.shape) == 4 else tf.reshape(x, (-1, 1, 1, self.channels))
        y, batch_mean, batch_variance = tf.compat.v1.nn.fused_batch_norm(
            image, scale, offset, epsilon=self.epsilon, is_training=True
        )
        call.moved[first + 2] = mean * self.momentum + batch_mean * (1.0 - self.momentum)
        call.moved[first + 3] = variance * self.momentum + batch_variance * (1.0 - self.momentum)
        return y if len(x.shape) == 4 else tf.reshape(y, (-1, self.channels))


@dataclass(frozen=True)
class GroupNormalization:
    """Group normalisation (Wu & He 2018): each example by itself, over its pixels and a group of channels, in float32."""

    per_example: ClassVar[bool] = True
    channels: int
    groups: int
    epsilon: float = GROUP_NORM_EPSILON

    def weights(self) -> Sequence[Weight]:
        return Weight((self.channels,), ones), Weight((self.channels,), zeros)

    def __call__(self, x: tf.Tensor, weights: Sequence[tf.Tensor], call: Call, first: int) -> tf.Tensor:
        scale, offset = weights
        image = tf.cast(x, tf.float32)
        centred = image - self._over_groups(image)
        factor = scale * tf.math.rsqrt(self._over_groups(tf.square(centred)) + self.epsilon)
        return tf.cast(centred * factor + offset, x.dtype)

    def _over_groups(self, x: tf.Tensor) -> tf.Tensor:
        """Means (n, 1, 1, channels) over pixels and groups of x (n, h, w, channels)."""
        size = self.channels // self.groups
        grouped = tf.reduce_mean(tf.reshape(tf.reduce_mean(x, (1, 2)), (-1, self.groups, size)), 2)
        return over_pixels(tf.repeat(grouped, size, 1))


@dataclass(frozen=True)
class Dropout:
    """Sets a fraction of the values, its rate, to 0 and scales the rest, by a stateless draw of 16 bits per value.

    The rate is thus a multiple of 2^-16 (0.3 is 0.300003), and the scale is that rate's: the mean stays exact. Drawing
    is what dropout costs on a CPU, so every drawn byte serves twice: as the upper half of a value's bits, and as the
    lower half of another's in the other half of the batch. At a rate of 0.3 the two correlate by about 2^-10.
    """

    per_example: ClassVar[bool] = True
    rate: float

    def weights(self) -> Sequence[Weight]:
        return ()

    def __call__(self, x: tf.Tensor, weights: Sequence[tf.Tensor], call: Call, first: int) -> tf.Tensor:
        if not call.training:
            return x
        lost = round(self.rate * 2**16)
        size = tf.size(x)
        half = (size + 1) // 2
        words = draws.words((half // 2 + 1,), call.next_seed())
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

    def by_output(x: tf.Tensor) -> Any:
        """With the gradient by the output, whose signs are the input's, which nothing reads then but y itself."""
        y = tf.nn.leaky_relu(x, slope)
        return y, lambda slopes: tf.raw_ops.LeakyReluGrad(gradients=slopes, features=y, alpha=slope)

    def function(x: tf.Tensor) -> tf.Tensor:
        if x.dtype == tf.bfloat16:  # so that the kernel of the convolution before it computes it, too
            return tf.custom_gradient(by_output)(x)
        return tf.nn.leaky_relu(x, slope)

    return Apply(function, per_example=True)


def reshape(*shape: int) -> Apply:
    """Every example to `shape`."""
    return Apply(lambda x: tf.reshape(x, (-1, *shape)), per_example=True)


def tanh() -> Apply:
    """Hyperbolic tangent: images in [-1, 1]."""
    return Apply(tf.tanh, per_example=True)


def relu() -> Apply:
    """max(x, 0)."""
    return Apply(lambda x: tf.nn.relu(x), per_example=True)


def silu() -> Apply:
    """x · σ(x) (Elfwing et al. 2018)."""
    return Apply(lambda x: tf.nn.silu(x), per_example=True)


def doubled() -> Apply:
    """Sides times 2: every pixel four times."""
    return Apply(lambda x: tf.repeat(tf.repeat(x, 2, 1), 2, 2), per_example=True)


def halved() -> Apply:
    """Sides, which must be even, divided by 2: means of 2x2 pixels."""
    return Apply(lambda x: tf.nn.avg_pool2d(x, 2, 2, "VALID"), per_example=True)


def summed() -> Apply:
    """Each channel's sum over all pixels, shape (n, channels)."""
    return Apply(lambda x: tf.reduce_sum(x, (1, 2)), per_example=True)


def averaged() -> Apply:
    """Each channel's mean over all pixels, shape (n, channels)."""
    return Apply(lambda x: tf.reduce_mean(x, (1, 2)), per_example=True)


def over_pixels(x: tf.Tensor) -> tf.Tensor:
    """Values (n, channels) as (n, 1, 1, channels): a shape, where an index with None would be a copy."""
    return tf.reshape(x, (-1, 1, 1, x.shape[-1]))


def joined(inputs: Sequence[Any]) -> Any:
    """A network's inputs as it is called with them: the one that there is, or a tuple of several."""
    return inputs[0] if len(inputs) == 1 else tuple(inputs)


def with_weights(layers: Sequence[Layer], weights: Sequence[tf.Tensor], call: Call, first: int = 0) -> Iterator[Called]:
    """Each of `layers` as a function of its input, with its own share of `weights`, which are those of all in order."""
    start = 0
    for layer in layers:
        end = start + len(layer.weights())
        yield partial(layer, weights=weights[start:end], call=call, first=first + start)
        start = end


class Module(Protocol):
    """A network: `per_example` says that an example's output depends on no other example of its batch."""

    @property
    def per_example(self) -> bool: ...

    def weights(self) -> Sequence[Weight]:
        """All weights in order."""

    def initial(self, rng: np.random.Generator) -> Sequence[NDArray[np.float32]]:
        """Initial values of all weights."""

    def __call__(self, x: Any, weights: Sequence[tf.Tensor], call: Call) -> tf.Tensor:
        """The output for `x`: a tensor, or a tuple of them where a network has several inputs."""


@dataclass(frozen=True)
class Network:
    """Layers one after another."""

    layers: tuple[Layer, ...]

    @property
    def per_example(self) -> bool:
        """Whether an example's output depends on no other example of its batch."""
        return all(layer.per_example for layer in self.layers)

    def initial(self, rng: np.random.Generator) -> list[NDArray[np.float32]]:
        """Initial values of all weights, drawn one after another."""
        return [weight.initial(rng, weight.shape) for weight in self.weights()]

    def weights(self) -> list[Weight]:
        """All weights in order."""
        return [weight for layer in self.layers for weight in layer.weights()]

    def __call__(self, x: tf.Tensor, weights: Sequence[tf.Tensor], call: Call) -> tf.Tensor:
        """The output for `x`."""
        for layer in with_weights(self.layers, weights, call):
            x = layer(x)
        return x
