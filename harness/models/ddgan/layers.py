"""Layers of NCSN++ (Song et al. 2021) and of the networks of denoising diffusion GANs (Xiao, Kreis & Vahdat 2022)."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import ClassVar, TypeAlias

import numpy as np
from numpy.typing import NDArray

from harness.lazy import tf
from harness.models.nn.blocks import Composed
from harness.models.nn.initial import scaled_glorot
from harness.models.nn.layers import (
    Call,
    Called,
    Convolution,
    Dense,
    GroupNormalization,
    Layer,
    Weight,
    glorot,
    over_pixels,
    zeros,
)
from harness.models.nn.resampling import halved, taps

Resample: TypeAlias = "Callable[[tf.Tensor], tf.Tensor]"  # images to others with half or twice their sides
EPSILON = 1e-6  # of group normalisation, as in the published code
almost_zero = scaled_glorot(1e-5)  # what the published code draws where a scale of 0 is asked for


def waves(time: tf.Tensor, count: int) -> tf.Tensor:
    """Sines and cosines float32 (n, 2 · count) of times (n, 1), of periods that grow geometrically (Vaswani et al. 2017)."""
    frequencies = np.exp(-math.log(10_000) * np.arange(count) / (count - 1)).astype(np.float32)
    angles = tf.cast(time, tf.float32) * frequencies
    return tf.concat([tf.sin(angles), tf.cos(angles)], -1)


def normalization(channels: int) -> GroupNormalization:
    """Of a quarter as many groups as channels, at most 32, or as many as divide them."""
    groups = next(count for count in range(max(1, min(channels // 4, 32)), 0, -1) if channels % count == 0)
    return GroupNormalization(channels, groups, epsilon=EPSILON)


def halfway(x: tf.Tensor, y: tf.Tensor) -> tf.Tensor:
    """The sum of two branches, scaled so that variances stay what they are."""
    return (x + y) * tf.cast(math.sqrt(0.5), x.dtype)


@dataclass(frozen=True)
class StyledNormalization:
    """Group normalisation whose scales and offsets are a dense layer's of a style: of (x, style (n, length))."""

    per_example: ClassVar[bool] = True
    channels: int
    length: int

    def weights(self) -> Sequence[Weight]:
        return Weight((self.length, 2 * self.channels), glorot), Weight((2 * self.channels,), self._unstyled)

    def _unstyled(self, _: np.random.Generator, shape: tuple[int, ...]) -> NDArray[np.float32]:
        """Scales of 1 and offsets of 0."""
        return np.repeat(np.array([1.0, 0.0], np.float32), self.channels)

    def __call__(
        self, x: tuple[tf.Tensor, tf.Tensor], weights: Sequence[tf.Tensor], call: Call, first: int
    ) -> tf.Tensor:
        image, style = x
        styled = tf.matmul(tf.cast(style, tf.float32), weights[0]) + weights[1]
        scales, offsets = tf.split(over_pixels(styled), 2, -1)
        return normalization(self.channels)(image, (scales, offsets), call, first)


@dataclass(frozen=True)
class FilteredConvolution:
    """A 3x3 convolution with stride 2 of an input smoothed by [1, 3, 3, 1] / 8 a side: sides divided by 2."""

    per_example: ClassVar[bool] = True
    inputs: int
    outputs: int

    def weights(self) -> Sequence[Weight]:
        return Weight((3, 3, self.inputs, self.outputs), glorot), Weight((self.outputs,), zeros)

    def __call__(self, x: tf.Tensor, weights: Sequence[tf.Tensor], call: Call, first: int) -> tf.Tensor:
        padded = tf.pad(x, [[0, 0], [2, 2], [2, 2], [0, 0]])
        smooth = tf.nn.depthwise_conv2d(padded, taps(x), [1, 1, 1, 1], "VALID")
        return tf.nn.bias_add(
            tf.nn.conv2d(smooth, tf.cast(weights[0], x.dtype), 2, "VALID"), tf.cast(weights[1], x.dtype)
        )


@dataclass(frozen=True)
class Attention(Composed):
    """Every pixel looks at all of them (Wang et al. 2018; Ho et al. 2020), past which the input goes."""

    channels: int

    @property
    def layers(self) -> tuple[Layer, ...]:
        looks = [Dense(self.channels, self.channels, initial=scaled_glorot(math.sqrt(0.1)))] * 3
        return normalization(self.channels), *looks, Dense(self.channels, self.channels, initial=almost_zero)

    def __call__(self, x: tf.Tensor, weights: Sequence[tf.Tensor], call: Call, first: int) -> tf.Tensor:
        normal, query, key, value, out = self.called(weights, call, first)
        _, height, width, channels = x.shape
        pixels = tf.reshape(normal(x), (-1, channels))

        def of_pixels(layer: Called) -> tf.Tensor:
            return tf.reshape(layer(pixels), (-1, height * width, channels))

        likeness = tf.matmul(of_pixels(query), of_pixels(key), transpose_b=True)
        share = tf.nn.softmax(tf.cast(likeness, tf.float32) * channels**-0.5)
        seen = tf.matmul(tf.cast(share, x.dtype), of_pixels(value))
        return halfway(x, tf.reshape(out(tf.reshape(seen, (-1, channels))), tf.shape(x)))


@dataclass(frozen=True)
class StyledBlock(Composed):
    """A residual block of (x, time, style), as BigGAN's (Brock et al. 2019); `resample` changes the sides on both ways."""

    inputs: int
    outputs: int
    time: int
    style: int
    resample: Resample | None = None

    @property
    def layers(self) -> tuple[Layer, ...]:
        same = self.resample is None and self.inputs == self.outputs
        return (
            StyledNormalization(self.inputs, self.style),
            Convolution(3, self.inputs, self.outputs),
            Dense(self.time, self.outputs),
            StyledNormalization(self.outputs, self.style),
            Convolution(3, self.outputs, self.outputs, initial=almost_zero),
            *(() if same else (Convolution(1, self.inputs, self.outputs),)),
        )

    def __call__(
        self, x: tuple[tf.Tensor, tf.Tensor, tf.Tensor], weights: Sequence[tf.Tensor], call: Call, first: int
    ) -> tf.Tensor:
        image, time, style = x
        normal, convolve, timed, normal_again, convolve_again, *past = self.called(weights, call, first)
        inner = tf.nn.silu(normal((image, style)))
        if self.resample is not None:
            inner, image = self.resample(inner), self.resample(image)
        inner = convolve(inner) + over_pixels(timed(time))
        inner = convolve_again(tf.nn.silu(normal_again((inner, style))))
        return halfway(inner, past[0](image) if past else image)


@dataclass(frozen=True)
class TimedBlock(Composed):
    """A residual block of the discriminator, of (x, time): sides divided by 2 where `halves`."""

    inputs: int
    outputs: int
    time: int
    halves: bool

    @property
    def layers(self) -> tuple[Layer, ...]:
        return (
            Convolution(3, self.inputs, self.outputs),
            Convolution(3, self.outputs, self.outputs, initial=almost_zero),
            Dense(self.time, self.outputs),
            Convolution(1, self.inputs, self.outputs, bias=None),
        )

    def __call__(
        self, x: tuple[tf.Tensor, tf.Tensor], weights: Sequence[tf.Tensor], call: Call, first: int
    ) -> tf.Tensor:
        image, time = x
        convolve, convolve_again, timed, past = self.called(weights, call, first)
        inner = convolve(tf.nn.leaky_relu(image, 0.2)) + over_pixels(timed(time))
        inner = tf.nn.leaky_relu(inner, 0.2)
        if self.halves:
            inner, image = halved(inner), halved(image)
        return halfway(convolve_again(inner), past(image))


@dataclass(frozen=True)
class BatchDeviation:
    """A further channel: how much examples differ (Karras et al. 2018), in groups of 4 that lie a quarter of a batch apart.

    A batch of fewer than 4 is one group.
    """

    per_example: ClassVar[bool] = False
    group: ClassVar[int] = 4

    def weights(self) -> Sequence[Weight]:
        return ()

    def __call__(self, x: tf.Tensor, weights: Sequence[tf.Tensor], call: Call, first: int) -> tf.Tensor:
        height, width, channels = x.shape[1:]
        count = tf.minimum(tf.shape(x)[0], self.group)
        grouped = tf.reshape(tf.cast(x, tf.float32), (count, -1, height, width, channels))
        centred = grouped - tf.reduce_mean(grouped, 0, keepdims=True)
        deviation = tf.sqrt(tf.reduce_mean(tf.square(centred), 0) + 1e-8)
        mean = tf.reshape(tf.tile(tf.reduce_mean(deviation, (1, 2, 3)), [count]), (-1, 1, 1, 1))
        return tf.concat([x, tf.cast(tf.broadcast_to(mean, (tf.shape(x)[0], height, width, 1)), x.dtype)], -1)
