"""The DCGAN of w86763777/pytorch-gan-collections for 32x32x3 images.

Read for it: source/models/dcgan.py. Its strided 5x5 convolutions pad images at the other end than TensorFlow's, so ours
sees what it would of images turned by half a circle.
"""

from __future__ import annotations

from dataclasses import dataclass

from harness.kinds import Shape, number
from harness.models.model import NetworkPart
from harness.models.nn import sizes
from harness.models.nn.initial import fan_in_uniform
from harness.models.nn.layers import (
    BatchNormalization,
    Convolution,
    Dense,
    Layer,
    Network,
    TransposedConvolution,
    leaky_relu,
    relu,
    reshape,
    tanh,
    uniform_in,
)

_EPSILON = 1e-5
_TENSORS = 16  # as large as the widest resolution's output, forwards and gradients of both networks


@dataclass(frozen=True)
class Settings:
    """What may be set."""

    latent: int = number(100, low=1, high=4096, text="length of the latent vector")
    width: int = number(64, low=1, high=256, text="channels of the discriminator's widest resolution; generator: twice")


def build(settings: Settings, shape: Shape) -> dict[str, Network]:
    """Four doublings from 2 pixels; four halvings; no biases but the last, and PyTorch's default initial values."""
    width, widest = settings.width, 16 * settings.width
    first = uniform_in(2 * 2 * widest)  # PyTorch has a transposed convolution of one pixel to 2x2
    generator: list[Layer] = [
        Dense(settings.latent, 2 * 2 * widest, first, bias=None),
        reshape(2, 2, widest),
        *_normalised(widest),
    ]
    for outputs in (8 * width, 4 * width, 2 * width):
        generator += [
            TransposedConvolution(4, 2 * outputs, outputs, initial=fan_in_uniform, bias=None),
            *_normalised(outputs),
        ]
    generator += [TransposedConvolution(4, 2 * width, 3, initial=fan_in_uniform, bias=None), tanh()]
    discriminator: list[Layer] = [*_halving(3, width)]
    for inputs in (width, 2 * width, 4 * width):
        discriminator += [*_halving(inputs, 2 * inputs), BatchNormalization(2 * inputs, momentum=0.9, epsilon=_EPSILON)]
    units = 2 * 2 * 8 * width
    discriminator += [reshape(units), Dense(units, 1, fan_in_uniform, bias=uniform_in(units))]
    return {"generator": Network(tuple(generator)), "discriminator": Network(tuple(discriminator))}


def _normalised(channels: int) -> tuple[Layer, ...]:
    return BatchNormalization(channels, momentum=0.9, epsilon=_EPSILON), relu()


def _halving(inputs: int, outputs: int) -> tuple[Layer, ...]:
    return Convolution(5, inputs, outputs, stride=2, initial=fan_in_uniform, bias=None), leaky_relu(0.2)


PART = NetworkPart(
    name="dcgan_cnn32",
    help="a wide DCGAN from 2 pixels on, as w86763777/pytorch-gan-collections has it, 32x32x3",
    model="gan",
    settings=Settings,
    fits=sizes.fits_32_in_colour,
    memory=lambda settings, shape: 4 * shape[0] * shape[1] * settings.width * _TENSORS / 1e6,
    build=build,
)
