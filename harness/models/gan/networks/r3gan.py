"""The residual networks of R3GAN (Huang et al. 2024), without normalisation; brownvc/R3GAN, R3GAN/Networks.py.

Their CIFAR-10 networks are those of width 768.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.kinds import Shape, number
from harness.lazy import tf
from harness.models.model import NetworkPart
from harness.models.nn.blocks import Chain, Layered, Sum
from harness.models.nn.layers import Apply, Call, Initial, Layer, Weight, leaky_relu, over_pixels, zeros
from harness.models.nn.resampling import doubled, halved

_EXPANSION, _GROUP = 2, 16  # of a block's inner channels, and how many of these are convolved together
_SLOPE = 0.2
_GAIN = math.sqrt(2.0 / (1.0 + _SLOPE**2))  # keeps the variance through the leaky ReLU (He et al. 2015)
_SMALLEST = 4  # pixels a side where the generator begins
_TENSORS = 40  # as large as the widest resolution's inner output, forwards and gradients of both networks


@dataclass(frozen=True)
class Settings:
    """What may be set."""

    latent: int = number(64, low=1, high=4096, text="length of the latent vector")
    width: int = number(192, low=8, high=4096, text="channels of every stage, a multiple of 8 (paper, CIFAR-10: 768)")
    blocks: int = number(2, low=1, high=16, text="residual blocks of every stage")


def scaled(gain: float, fan_in: int) -> Initial:
    """Normal with standard deviation gain / √(fan in)."""

    def draw(rng: np.random.Generator, shape: tuple[int, ...]) -> NDArray[np.float32]:
        return (gain / math.sqrt(fan_in) * rng.standard_normal(shape)).astype(np.float32)

    return draw


@dataclass(frozen=True)
class Linear:
    """x · W, or a convolution with `kernel` above 0, 'same' padding and `groups` of channels; a bias where `biased`."""

    per_example = True
    inputs: int
    outputs: int
    gain: float = 1.0
    kernel: int = 1
    groups: int = 1
    biased: bool = False

    def weights(self) -> Sequence[Weight]:
        shape = (self.kernel, self.kernel, self.inputs // self.groups, self.outputs)
        kernel = Weight(shape, scaled(self.gain, math.prod(shape[:-1])))
        return (kernel, Weight((self.outputs,), zeros)) if self.biased else (kernel,)

    def __call__(self, x: tf.Tensor, weights: Sequence[tf.Tensor], call: Call, first: int) -> tf.Tensor:
        kernel = tf.cast(weights[0], x.dtype)
        y = tf.matmul(x, kernel[0, 0]) if len(x.shape) == 2 else tf.nn.conv2d(x, kernel, 1, "SAME")
        return tf.nn.bias_add(y, tf.cast(weights[1], x.dtype)) if self.biased else y


@dataclass(frozen=True)
class Spread:
    """Features (n, c) on a learnt basis of 4x4 pixels for each channel: (n, 4, 4, c)."""

    per_example = True
    channels: int

    def weights(self) -> Sequence[Weight]:
        return (Weight((_SMALLEST, _SMALLEST, self.channels), scaled(1.0, 1)),)

    def __call__(self, x: tf.Tensor, weights: Sequence[tf.Tensor], call: Call, first: int) -> tf.Tensor:
        return tf.cast(weights[0], x.dtype) * over_pixels(x)


@dataclass(frozen=True)
class Gather:
    """(n, 4, 4, c) to features (n, c): each channel's share of its learnt pattern of 4x4 pixels."""

    per_example = True
    channels: int

    def weights(self) -> Sequence[Weight]:
        return (Weight((_SMALLEST, _SMALLEST, self.channels), scaled(1.0, _SMALLEST**2)),)

    def __call__(self, x: tf.Tensor, weights: Sequence[tf.Tensor], call: Call, first: int) -> tf.Tensor:
        return tf.reduce_sum(x * tf.cast(weights[0], x.dtype), (1, 2))


class Generator(Layered):
    """Latents (n, latent), and classes one-hot (n, classes) where there are any, to images (n, side, side, channels)."""

    def __init__(self, settings: Settings, shape: Shape, classes: int) -> None:
        stages, width, latent = _stages(shape), settings.width, settings.latent
        layers: list[Layer] = [Linear(2 * latent if classes else latent, width), Spread(width)]
        for stage in range(stages):
            if stage:
                layers.append(Apply(doubled, per_example=True))
            layers += _blocks(settings, stages)
        named: dict[str, Layer] = {"main": Chain((*layers, Linear(width, shape[2])))}
        if classes:
            named["classes"] = Linear(classes, latent)
        super().__init__(named)

    def __call__(self, x: Any, weights: Sequence[tf.Tensor], call: Call) -> tf.Tensor:
        """Images, not cut to [-1, 1]."""
        parts = self.called(weights, call)
        if "classes" in parts:
            latents, classes = x
            x = tf.concat([latents, parts["classes"](classes)], 1)
        return parts["main"](x)


class Discriminator(Layered):
    """Images, and classes one-hot where there are any, to logits (n, 1): with classes, the product with the class's vector."""

    def __init__(self, settings: Settings, shape: Shape, classes: int) -> None:
        stages, width = _stages(shape), settings.width
        layers: list[Layer] = [Linear(shape[2], width)]
        for stage in range(stages):
            if stage:
                layers.append(Apply(halved, per_example=True))
            layers += _blocks(settings, stages)
        named: dict[str, Layer] = {"main": Chain((*layers, Gather(width), Linear(width, width if classes else 1)))}
        if classes:
            named["classes"] = Linear(classes, width, gain=1.0 / math.sqrt(width))
        super().__init__(named)

    def __call__(self, x: Any, weights: Sequence[tf.Tensor], call: Call) -> tf.Tensor:
        """Logits (n, 1)."""
        parts = self.called(weights, call)
        if "classes" not in parts:
            return parts["main"](x)
        images, classes = x
        return tf.reduce_sum(parts["main"](images) * parts["classes"](classes), 1, keepdims=True)


def _stages(shape: Shape) -> int:
    """Resolutions from 4 pixels to the image."""
    return int(math.log2(shape[0] // _SMALLEST)) + 1


def _blocks(settings: Settings, stages: int) -> Iterator[Layer]:
    """The residual blocks of one stage, each the identity at first."""
    width, inner = settings.width, settings.width * _EXPANSION
    gain = _GAIN * (stages * settings.blocks) ** -0.25  # so that the sum over all blocks has bounded updates
    for _ in range(settings.blocks):
        main = Chain(
            (
                Linear(width, inner, gain, biased=True),
                leaky_relu(_SLOPE),
                Linear(inner, inner, gain, kernel=3, groups=inner // _GROUP, biased=True),
                leaky_relu(_SLOPE),
                Linear(inner, width, gain=0.0),
            )
        )
        yield Sum((Chain(()), main))


def fits(shape: Shape) -> str | None:
    """None for square images of 8, 16, 32 or 64 pixels."""
    size, width, _ = shape
    return None if size == width and size in (8, 16, 32, 64) else "images of 8, 16, 32 or 64 pixels"


def build(settings: Settings, shape: Shape, classes: int = 0) -> dict[str, Any]:
    """Both networks for images of `shape`, and for `classes` of them where that is above 0.

    Raises ValueError for a width that cannot be convolved in groups.
    """
    if settings.width % (_GROUP // _EXPANSION):
        raise ValueError(
            f"network.width is {settings.width}, but r3gan_small allows multiples of {_GROUP // _EXPANSION}"
        )
    return {
        "generator": Generator(settings, shape, classes),
        "discriminator": Discriminator(settings, shape, classes),
    }


PART = NetworkPart(
    name="r3gan_small",
    help="residual networks without normalisation (R3GAN, Huang et al. 2024); sees classes; 8 to 64 pixels",
    model="gan",
    settings=Settings,
    conditional=True,
    fits=fits,
    memory=lambda settings, shape: 4 * shape[0] * shape[1] * settings.width * _EXPANSION * _TENSORS / 1e6,
    build=build,
)
