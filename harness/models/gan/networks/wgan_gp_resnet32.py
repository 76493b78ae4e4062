"""The residual networks of WGAN-GP for 32x32x3 images (Gulrajani et al. 2017, their table 3); the critic has no normalisation.

Read for it: kwotsin/mimicry, torch_mimicry/nets/wgan_gp/wgan_gp_32.py and wgan_gp_resblocks.py (Lee & Town 2020), whose
generator has 256 channels; the authors' igul222/improved_wgan_training, gan_cifar_resnet.py without its classes, whose
generator has 128. That code generates with the statistics of the batch also after training, and adds noise below one
level of brightness to real images; ours does neither.
"""

from __future__ import annotations

from dataclasses import dataclass

from harness.kinds import Shape, choice, number
from harness.models.gan import resnet32
from harness.models.gan.resnet32 import Code
from harness.models.model import NetworkPart
from harness.models.nn import sizes
from harness.models.nn.initial import fan_in_uniform
from harness.models.nn.layers import Network, averaged
from harness.models.nn.resampling import bilinearly_doubled

CODES = {
    "mimicry": Code(
        doubled=bilinearly_doubled,
        past=fan_in_uniform,
        image=fan_in_uniform,
        spread_biases=True,
        rectified_past=True,
        pooled=averaged,
    ),
    "improved_wgan_training": Code(pooled=averaged),
}


@dataclass(frozen=True)
class Settings:
    """What may be set."""

    latent: int = number(128, low=1, high=4096, text="length of the latent vector")
    width: int = number(256, low=1, high=1024, text="channels of the generator (paper: 128)")
    critic_width: int = number(128, low=1, high=1024, text="channels of the discriminator")
    code: str = choice(
        "mimicry",
        CODES,
        text="the published code that decides what the paper leaves open: doubling of sides, initial values, biases",
    )


def build(settings: Settings, shape: Shape) -> dict[str, Network]:
    """Three blocks up from 4 pixels with batch normalisation; four blocks, the first two down, without."""
    code = CODES[settings.code]
    return {
        "generator": resnet32.generator(code, latent=settings.latent, channels=settings.width),
        "discriminator": resnet32.discriminator(code, channels=settings.critic_width, spectral=False),
    }


PART = NetworkPart(
    name="wgan_gp_resnet32",
    help="residual networks, the discriminator without normalisation (Gulrajani et al. 2017), 32x32x3",
    model="gan",
    settings=Settings,
    fits=sizes.fits_32_in_colour,
    memory=lambda settings, shape: resnet32.memory(settings.width, shape),
    build=build,
)
