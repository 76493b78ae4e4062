"""Generators and discriminators by name: each builds a pair of networks for images of one shape."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

from harness.models.nn import layers
from harness.models.nn.layers import (
    BatchNormalization,
    Convolution,
    Dense,
    Dropout,
    Layer,
    Network,
    TransposedConvolution,
    leaky_relu,
    reshape,
    tanh,
)


class NetworkSettings(Protocol):
    """What a builder reads of a study's [network]."""

    @property
    def name(self) -> str: ...
    @property
    def latent(self) -> int: ...
    @property
    def width(self) -> int: ...


@dataclass(frozen=True)
class Pair:
    """A generator from latents to images in [-1, 1], and a discriminator from images to one logit."""

    generator: Network
    discriminator: Network


def build(settings: NetworkSettings, shape: tuple[int, int, int]) -> Pair:
    """The pair named by `settings` for images of `shape` (h, w, c); ValueError says which shapes it can make."""
    if settings.name not in NETWORKS:
        raise ValueError(f"network.name is {settings.name!r}, but allowed is one of: {', '.join(NETWORKS)}")
    return NETWORKS[settings.name](settings, shape)


def article(settings: NetworkSettings, shape: tuple[int, int, int]) -> Pair:
    """The article's networks, layer for layer, 32x32x3."""
    if shape != (32, 32, 3):
        raise ValueError(f"network 'article' makes images of 32x32x3, but the data have {'x'.join(map(str, shape))}")

    def block(layer: Layer, channels: int) -> list[Layer]:
        return [layer, leaky_relu(0.3), BatchNormalization(channels, momentum=0.8)]

    widths = (settings.latent, 256, 512, 1024, 4096)
    generator: list[Layer] = []
    for inputs, outputs in itertools.pairwise(widths):
        generator += block(Dense(inputs, outputs), outputs)
    generator += [
        reshape(4, 4, 256),
        *block(TransposedConvolution(3, 256, 128), 128),
        *block(TransposedConvolution(3, 128, 64), 64),
        TransposedConvolution(3, 64, 3),
        tanh(),
    ]
    discriminator: tuple[Layer, ...] = (
        Convolution(3, 3, 64, stride=2),
        leaky_relu(0.3),
        Dropout(0.3),
        Convolution(3, 64, 128, stride=2),
        leaky_relu(0.3),
        Dropout(0.3),
        reshape(8 * 8 * 128),
        Dense(8 * 8 * 128, 1),
    )
    return Pair(Network(tuple(generator)), Network(discriminator))


def dcgan(settings: NetworkSettings, shape: tuple[int, int, int]) -> Pair:
    """A compact DCGAN (Radford et al. 2016): 3x3 strided convolutions between 4 pixels (7 for 28) and the image."""
    size, width, channels = shape
    if size != width or not 8 <= size <= 64 or size % 4:
        raise ValueError(f"network 'dcgan' makes square images of 8, 12, … 64 pixels, but the data have {size}x{width}")
    doublings, base = 0, size
    while base > 7 and base % 2 == 0:
        doublings, base = doublings + 1, base // 2
    sizes = [settings.width * 2**place for place in range(doublings)]  # from the image inwards
    deepest = sizes[-1] * 2
    start: list[Layer] = [
        Dense(settings.latent, base * base * deepest, layers.normal),
        reshape(base, base, deepest),
        BatchNormalization(deepest, momentum=0.9),
        leaky_relu(0.2),
    ]
    generator, inputs = start, deepest
    for outputs in reversed(sizes):
        generator += [
            TransposedConvolution(4, inputs, outputs, initial=layers.normal),
            BatchNormalization(outputs, momentum=0.9),
            leaky_relu(0.2),
        ]
        inputs = outputs
    generator += [Convolution(3, inputs, channels, initial=layers.normal), tanh()]
    discriminator: list[Layer] = []
    inputs = channels
    for outputs in sizes:
        discriminator += [
            Convolution(4, inputs, outputs * 2, stride=2, initial=layers.normal),
            leaky_relu(0.2),
        ]
        inputs = outputs * 2
    discriminator += [reshape(base * base * inputs), Dense(base * base * inputs, 1, layers.normal)]
    return Pair(Network(tuple(generator)), Network(tuple(discriminator)))


NETWORKS: Mapping[str, Callable[[NetworkSettings, tuple[int, int, int]], Pair]] = {
    "dcgan": dcgan,
    "article": article,
}
