"""A compact DCGAN (Radford et al. 2016) that sizes itself to the images."""

from __future__ import annotations

from dataclasses import dataclass

from harness.kinds import Shape, number
from harness.models.model import NetworkPart
from harness.models.nn import layers, sizes
from harness.models.nn.layers import (
    BatchNormalization,
    Convolution,
    Dense,
    Layer,
    Network,
    TransposedConvolution,
    leaky_relu,
    reshape,
    tanh,
)

_TENSORS = 24  # as large as the widest layer's output: two networks, forwards and gradients


@dataclass(frozen=True)
class Settings:
    """What may be set."""

    latent: int = number(64, low=1, high=4096, text="length of the latent vector")
    width: int = number(16, low=4, high=1024, text="channels of the widest resolution")


def build(settings: Settings, shape: Shape) -> dict[str, Network]:
    """3x3 strided convolutions between 4 pixels (7 for 28) and the image."""
    size, _, channels = shape
    doublings, base = sizes.halvings(size)
    widths = [settings.width * 2**place for place in range(doublings)]  # from the image inwards
    deepest = widths[-1] * 2
    generator: list[Layer] = [
        Dense(settings.latent, base * base * deepest, layers.normal),
        reshape(base, base, deepest),
        BatchNormalization(deepest, momentum=0.9),
        leaky_relu(0.2),
    ]
    inputs = deepest
    for outputs in reversed(widths):
        generator += [
            TransposedConvolution(4, inputs, outputs, initial=layers.normal),
            BatchNormalization(outputs, momentum=0.9),
            leaky_relu(0.2),
        ]
        inputs = outputs
    generator += [Convolution(3, inputs, channels, initial=layers.normal), tanh()]
    discriminator: list[Layer] = []
    inputs = channels
    for outputs in widths:
        discriminator += [
            Convolution(4, inputs, outputs * 2, stride=2, initial=layers.normal),
            leaky_relu(0.2),
        ]
        inputs = outputs * 2
    discriminator += [reshape(base * base * inputs), Dense(base * base * inputs, 1, layers.normal)]
    return {"generator": Network(tuple(generator)), "discriminator": Network(tuple(discriminator))}


PART = NetworkPart(
    name="dcgan",
    help="compact DCGAN that sizes itself to 8 to 64 pixels, 1 or 3 channels",
    model="gan",
    settings=Settings,
    fits=sizes.fits,
    memory=lambda settings, shape: 4 * shape[0] * shape[1] * settings.width * _TENSORS / 1e6,
    build=build,
)
