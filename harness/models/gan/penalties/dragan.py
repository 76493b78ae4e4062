"""DRAGAN's penalty (Kodali et al. 2017): slopes other than 1 around real images."""

from __future__ import annotations

from dataclasses import dataclass

from harness.kinds import number
from harness.lazy import tf
from harness.models.gan import penalty
from harness.models.gan.loss import Critic, unit_slope
from harness.models.model import PenaltyPart
from harness.models.nn.draws import Draw


@dataclass(frozen=True)
class Settings(penalty.Settings):
    """What may be set."""

    weight: float = number(
        10.0, low=0.0, high=1e6, text="λ: times the squared distance of the slope from 1 (authors: 10)"
    )


@dataclass(frozen=True)
class Dragan:
    """λ · (‖∇critic‖ - 1)² at real images with noise, their mean.

    The noise is that of the authors' code (DRAGAN.ipynb of kodalinaveen3/DRAGAN): half the standard deviation of all
    values of the batch, times uniform numbers in [0, 1) for each value, times one for each image. The paper writes Gaussian noise;
    dragan/updater.py of pfnet-research/chainer-gan-lib has a standard deviation for each pixel, and no number for each image.
    """

    weight: float
    per_example = True  # the penalty of an image is of its own slope

    def __call__(self, critic: Critic, real: tf.Tensor, fake: tf.Tensor, draw: Draw) -> tf.Tensor:
        noise, share = draw.uniform(real.shape), draw.uniform((real.shape[0], *[1] * (len(real.shape) - 1)))
        spread = 0.5 * tf.math.reduce_std(tf.cast(real, tf.float32))
        return self.weight * unit_slope(critic, real + tf.cast(share * spread * noise, real.dtype))


PART = PenaltyPart(
    name="dragan",
    help="distance of the discriminator's slope from 1 around real images (Kodali et al. 2017)",
    settings=Settings,
    build=lambda settings: Dragan(settings.weight),
)
