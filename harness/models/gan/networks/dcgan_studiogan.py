"""The DCGAN of POSTECH-CVLab/PyTorch-StudioGAN for 32x32x3 images (Kang et al. 2023).

Read for it: src/models/deep_conv.py, src/configs/CIFAR10/DCGAN.yaml, and for what that leaves at its default src/config.py
(ReLU in both networks, orthogonal initial kernels) and src/utils/ops.py (epsilon 1e-4, biases that begin at 0).
"""

from __future__ import annotations

from dataclasses import dataclass

from harness.kinds import Shape, number
from harness.models.model import NetworkPart
from harness.models.nn import sizes
from harness.models.nn.initial import orthogonal
from harness.models.nn.layers import (
    BatchNormalization,
    Convolution,
    Dense,
    Layer,
    Network,
    TransposedConvolution,
    relu,
    reshape,
    summed,
    tanh,
)

_EPSILON = 1e-4
_TENSORS = 28  # as large as the widest resolution's output, forwards and gradients of both networks


@dataclass(frozen=True)
class Settings:
    """What may be set."""

    latent: int = number(128, low=1, high=4096, text="length of the latent vector")
    width: int = number(
        64, low=1, high=512, text="channels of the widest resolution; the narrowest has 8 times as many"
    )


def build(settings: Settings, shape: Shape) -> dict[str, Network]:
    """Batch normalisation in both networks; the discriminator's last features are summed over the image."""
    width = settings.width
    generator: list[Layer] = [Dense(settings.latent, 4 * 4 * 8 * width, orthogonal), reshape(4, 4, 8 * width)]
    for outputs in (4 * width, 2 * width, width):
        generator += [TransposedConvolution(4, 2 * outputs, outputs, initial=orthogonal), *_normalised(outputs)]
    generator += [Convolution(3, width, 3, initial=orthogonal), tanh()]
    discriminator: list[Layer] = []
    inputs = 3
    for outputs in (width, 2 * width, 4 * width):
        discriminator += [
            Convolution(3, inputs, outputs, initial=orthogonal),
            *_normalised(outputs),
            Convolution(4, outputs, outputs, stride=2, initial=orthogonal),
            *_normalised(outputs),
        ]
        inputs = outputs
    discriminator += [
        Convolution(3, inputs, 8 * width, initial=orthogonal),
        *_normalised(8 * width),
        summed(),
        Dense(8 * width, 1, orthogonal),
    ]
    return {"generator": Network(tuple(generator)), "discriminator": Network(tuple(discriminator))}


def _normalised(channels: int) -> tuple[Layer, ...]:
    return BatchNormalization(channels, momentum=0.9, epsilon=_EPSILON), relu()


PART = NetworkPart(
    name="dcgan_studiogan",
    help="StudioGAN's DCGAN, batch normalisation in both networks (Kang et al. 2023), 32x32x3",
    model="gan",
    settings=Settings,
    fits=sizes.fits_32_in_colour,
    memory=lambda settings, shape: 4 * shape[0] * shape[1] * settings.width * _TENSORS / 1e6,
    build=build,
)
