"""The plain convolutional networks of spectrally normalised GANs (Miyato et al. 2018, their table 3).

Read for it: google/compare_gan, compare_gan/architectures/sndcgan.py and example_configs/sndcgan_celebahq128.gin
(Kurach et al. 2019), which has the epsilon and the momentum; pfnet-research/chainer-gan-lib, common/net.py, agrees but for
a slope of 0.2 where the paper and compare_gan have 0.1. By default compare_gan draws latents uniform in ±1; all of ours are
standard normal.
"""

from __future__ import annotations

from dataclasses import dataclass

from harness.kinds import Shape, choice, number
from harness.models.model import NetworkPart
from harness.models.nn.layers import (
    BatchNormalization,
    Convolution,
    Dense,
    Layer,
    Network,
    TransposedConvolution,
    leaky_relu,
    normal,
    relu,
    reshape,
    tanh,
)
from harness.models.nn.spectral import SpectrallyNormalised

_EPSILON, _SLOPE = 1e-5, 0.1
_TENSORS = 20  # as large as the widest resolution's output, forwards and gradients of both networks


@dataclass(frozen=True)
class Settings:
    """What may be set."""

    latent: int = number(128, low=1, high=4096, text="length of the latent vector")
    width: int = number(
        64, low=1, high=512, text="channels of the widest resolution; the narrowest has 8 times as many"
    )
    doubled_by: str = choice(
        "strided",
        ("strided", "plain"),
        text="which convolutions of the discriminator double the channels: strided (published code) or plain (paper's table 3)",
    )


def fits(shape: Shape) -> str | None:
    """None for square images of 16, 24, … 128 pixels; in words what is made instead."""
    size, width, _ = shape
    return None if size == width and 16 <= size <= 128 and size % 8 == 0 else "images of 16, 24, … 128 pixels"


def build(settings: Settings, shape: Shape) -> dict[str, Network]:
    """Three doublings from an eighth of the sides; three halvings, each after a convolution that keeps the sides."""
    side, channels, width = shape[0] // 8, shape[2], settings.width
    units = side * side * 8 * width
    generator: list[Layer] = [
        Dense(settings.latent, units, normal),
        BatchNormalization(units, momentum=0.9, epsilon=_EPSILON),
        relu(),
        reshape(side, side, 8 * width),
    ]
    for outputs in (4 * width, 2 * width, width):
        generator += [
            TransposedConvolution(4, 2 * outputs, outputs, initial=normal),
            BatchNormalization(outputs, momentum=0.9, epsilon=_EPSILON),
            relu(),
        ]
    generator += [Convolution(3, width, channels, initial=normal), tanh()]
    growing = settings.doubled_by == "strided"
    discriminator = [*_judging(3, channels, width)]
    for inputs in (width, 2 * width, 4 * width):
        between = 2 * inputs if growing else inputs
        discriminator += [*_judging(4, inputs, between, stride=2), *_judging(3, between, 2 * inputs)]
    discriminator += [reshape(units), SpectrallyNormalised(Dense(units, 1, normal))]
    return {"generator": Network(tuple(generator)), "discriminator": Network(tuple(discriminator))}


def _judging(kernel: int, inputs: int, outputs: int, *, stride: int = 1) -> tuple[Layer, ...]:
    convolution = Convolution(kernel, inputs, outputs, stride=stride, initial=normal)
    return SpectrallyNormalised(convolution), leaky_relu(_SLOPE)


PART = NetworkPart(
    name="sndcgan",
    help="plain convolutions, the discriminator spectrally normalised (Miyato et al. 2018), 16 to 128 pixels",
    model="gan",
    bounded=True,
    settings=Settings,
    fits=fits,
    memory=lambda settings, shape: 4 * shape[0] * shape[1] * settings.width * _TENSORS / 1e6,
    build=build,
)
