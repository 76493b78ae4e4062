"""The residual networks of spectrally normalised GANs for 32x32x3 images (Miyato et al. 2018, their table 4)."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from harness.kinds import Shape, number
from harness.models.model import NetworkPart
from harness.models.nn.blocks import Chain, Sum
from harness.models.nn.layers import (
    BatchNormalization,
    Convolution,
    Dense,
    Layer,
    Network,
    doubled,
    glorot,
    halved,
    relu,
    reshape,
    summed,
    tanh,
)
from harness.models.nn.spectral import SpectrallyNormalised

_TENSORS = 24  # as large as the generator's widest output, forwards and gradients of both networks


@dataclass(frozen=True)
class Settings:
    """What may be set."""

    latent: int = number(128, low=1, high=4096, text="length of the latent vector")
    width: int = number(256, low=2, high=1024, text="channels of the generator; the discriminator has half as many")


def fits(shape: Shape) -> str | None:
    """None for 32x32x3."""
    return None if tuple(shape) == (32, 32, 3) else "32x32x3 images"


def build(settings: Settings, shape: Shape) -> dict[str, Network]:
    """Three blocks up from 4 pixels with batch normalisation; four blocks, the first two down, without."""
    width, half = settings.width, settings.width // 2
    generator: tuple[Layer, ...] = (
        Dense(settings.latent, 4 * 4 * width),
        reshape(4, 4, width),
        *[_up(width)] * 3,
        BatchNormalization(width, momentum=0.9),
        relu(),
        Convolution(3, width, 3),
        tanh(),
    )
    discriminator: tuple[Layer, ...] = (
        _first(3, half),
        _down(half),
        *[_level(half)] * 2,
        relu(),
        summed(),
        SpectrallyNormalised(Dense(half, 1)),
    )
    return {"generator": Network(generator), "discriminator": Network(discriminator)}


def _up(channels: int) -> Layer:
    """Sides times 2. Doubling after a 1x1 convolution is the same as before, and cheaper."""
    main = Chain(
        (
            BatchNormalization(channels, momentum=0.9),
            relu(),
            doubled(),
            Convolution(3, channels, channels, initial=_wide),
            BatchNormalization(channels, momentum=0.9),
            relu(),
            Convolution(3, channels, channels, initial=_wide),
        )
    )
    return Sum((main, Chain((Convolution(1, channels, channels), doubled()))))


def _first(inputs: int, outputs: int) -> Layer:
    """Sides divided by 2, of the image itself: nothing comes before the first convolution."""
    main = Chain((_normalised(3, inputs, outputs), relu(), _normalised(3, outputs, outputs), halved()))
    return Sum((main, Chain((halved(), _normalised(1, inputs, outputs)))))


def _down(channels: int) -> Layer:
    """Sides divided by 2. Halving before a 1x1 convolution is the same as after, and cheaper."""
    return Sum((Chain((_twice(channels), halved())), Chain((halved(), _normalised(1, channels, channels)))))


def _level(channels: int) -> Layer:
    """Sides as they are, and nothing on the way past."""
    return Sum((_twice(channels), Chain(())))


def _twice(channels: int) -> Chain:
    convolution = _normalised(3, channels, channels)
    return Chain((relu(), convolution, relu(), convolution))


def _normalised(kernel: int, inputs: int, outputs: int) -> Layer:
    initial = _wide if kernel > 1 else glorot
    return SpectrallyNormalised(Convolution(kernel, inputs, outputs, initial=initial))


def _wide(rng: np.random.Generator, shape: tuple[int, ...]) -> NDArray[np.float32]:
    """Glorot's, times √2: for the convolutions after a ReLU, as the paper's code has them."""
    return np.float32(math.sqrt(2.0)) * glorot(rng, shape)


PART = NetworkPart(
    name="sngan_resnet32",
    help="residual networks, the discriminator spectrally normalised (Miyato et al. 2018), 32x32x3",
    model="gan",
    settings=Settings,
    fits=fits,
    memory=lambda settings, shape: 4 * shape[0] * shape[1] * settings.width * _TENSORS / 1e6,
    build=build,
)
