"""The article's generator and discriminator, layer for layer."""

from __future__ import annotations

import itertools
from dataclasses import dataclass

from harness.kinds import Shape, number
from harness.models.model import NetworkPart
from harness.models.nn import sizes
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

_CHANNELS, _TENSORS = 64, 24  # of the widest layer, and tensors as large as its output


@dataclass(frozen=True)
class Settings:
    """What may be set."""

    latent: int = number(64, low=1, high=4096, text="length of the latent vector (article: 100)")


def build(settings: Settings, shape: Shape) -> dict[str, Network]:
    """Dense layers up to 4096 values, then transposed convolutions; 32x32x3 images."""

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
    return {"generator": Network(tuple(generator)), "discriminator": Network(discriminator)}


PART = NetworkPart(
    name="article",
    help="the article's generator and discriminator, layer for layer, 32x32x3",
    model="gan",
    settings=Settings,
    retired={"width": 16},  # offered by the first release to every network
    fits=sizes.fits_32_in_colour,
    memory=lambda settings, shape: 4 * shape[0] * shape[1] * _CHANNELS * _TENSORS / 1e6,
    build=build,
)
