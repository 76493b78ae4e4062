"""The residual networks of spectrally normalised GANs for 32x32x3 images (Miyato et al. 2018, their table 4).

Read for it: kwotsin/mimicry, torch_mimicry/nets/sngan/sngan_32.py and modules/resblocks.py (Lee & Town 2020); the authors'
pfnet-research/sngan_projection, gen_models/resnet_32.py and dis_models/snresnet_32.py; GongXinyuu/sngan.pytorch,
models/sngan_cifar10.py and train.py.
"""

from __future__ import annotations

from dataclasses import dataclass

from harness.kinds import Shape, choice, number
from harness.models.gan import resnet32
from harness.models.gan.resnet32 import Code
from harness.models.model import NetworkPart
from harness.models.nn import sizes
from harness.models.nn.initial import fan_in_uniform, normal_around
from harness.models.nn.layers import Network, glorot
from harness.models.nn.resampling import bilinearly_doubled

CODES = {
    "mimicry": Code(doubled=bilinearly_doubled, spread_biases=True, rectified_past=True),
    "sngan_projection": Code(epsilon=2e-5, logit_bias=False),
    "sngan_pytorch": Code(
        scales=normal_around(1.0, 0.02),
        inner=glorot,
        first=fan_in_uniform,
        logit=fan_in_uniform,
        spread_biases=True,
        logit_bias=False,
    ),
}


@dataclass(frozen=True)
class Settings:
    """What may be set."""

    latent: int = number(128, low=1, high=4096, text="length of the latent vector")
    width: int = number(256, low=2, high=1024, text="channels of the generator; the discriminator has half as many")
    code: str = choice(
        "mimicry",
        CODES,
        text="the published code that decides what the paper leaves open: doubling of sides, epsilons, initial values, biases",
    )


def build(settings: Settings, shape: Shape) -> dict[str, Network]:
    """Three blocks up from 4 pixels with batch normalisation; four blocks, the first two down, without."""
    code = CODES[settings.code]
    return {
        "generator": resnet32.generator(code, latent=settings.latent, channels=settings.width),
        "discriminator": resnet32.discriminator(code, channels=settings.width // 2, spectral=True),
    }


PART = NetworkPart(
    name="sngan_resnet32",
    help="residual networks, the discriminator spectrally normalised (Miyato et al. 2018), 32x32x3",
    model="gan",
    bounded=True,
    settings=Settings,
    fits=sizes.fits_32_in_colour,
    memory=lambda settings, shape: resnet32.memory(settings.width, shape),
    build=build,
)
