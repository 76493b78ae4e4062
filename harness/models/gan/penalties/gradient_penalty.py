"""The gradient penalty (Gulrajani et al. 2017): slopes other than 1 between real and generated images."""

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
        10.0, low=0.0, high=1e6, text="λ: times the squared distance of the slope from 1 (paper: 10)"
    )


@dataclass(frozen=True)
class GradientPenalty:
    """λ · (‖∇critic‖ - 1)² at mixtures of real and generated images, their mean: equation 3 of the paper.

    Each image is mixed in a uniform proportion of its own, as gan_cifar_resnet.py of igul222/improved_wgan_training does.
    """

    weight: float
    per_example = True  # the penalty of an image is of its own slope

    def __call__(self, critic: Critic, real: tf.Tensor, fake: tf.Tensor, draw: Draw) -> tf.Tensor:
        mix = tf.cast(draw.uniform((real.shape[0],)), real.dtype)
        fraction = tf.reshape(mix, (-1, *[1] * (len(real.shape) - 1)))
        return self.weight * unit_slope(critic, fraction * real + (1.0 - fraction) * fake)


PART = PenaltyPart(
    name="gradient_penalty",
    help="distance of the discriminator's slope from 1 at mixtures of real and generated images (Gulrajani et al. 2017)",
    settings=Settings,
    build=lambda settings: GradientPenalty(settings.weight),
)
