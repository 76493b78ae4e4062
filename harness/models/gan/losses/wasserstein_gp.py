"""The Wasserstein loss with gradient penalty (Gulrajani et al. 2017)."""

from __future__ import annotations

from dataclasses import dataclass

from harness.kinds import number
from harness.lazy import tf
from harness.models.gan.loss import Critic, squared_slope
from harness.models.model import LossPart
from harness.models.nn.draws import Draw


@dataclass(frozen=True)
class Settings:
    """What may be set."""

    penalty: float = number(10.0, low=0.0, high=1e6, text="weight of the gradient penalty")


@dataclass(frozen=True)
class WassersteinPenalty:
    """fake - real with penalty · (‖∇critic‖ - 1)² at mixtures of real and generated images, and -fake."""

    weight: float
    per_example = True  # the penalty of an image is of its own slope
    pairs = False

    def discriminator(self, real: tf.Tensor, fake: tf.Tensor) -> tf.Tensor:
        return tf.reduce_mean(fake) - tf.reduce_mean(real)

    def generator(self, real: tf.Tensor, fake: tf.Tensor) -> tf.Tensor:
        return -tf.reduce_mean(fake)

    def penalty(self, critic: Critic, real: tf.Tensor, fake: tf.Tensor, draw: Draw) -> tf.Tensor:
        mix = tf.cast(draw.uniform((real.shape[0],)), real.dtype)
        fraction = tf.reshape(mix, (-1, *[1] * (len(real.shape) - 1)))
        norm = tf.sqrt(squared_slope(critic, fraction * real + (1.0 - fraction) * fake) + 1e-12)
        return self.weight * tf.reduce_mean(tf.square(norm - 1.0))


PART = LossPart(
    name="wasserstein_gp",
    help="difference of mean logits, with a penalty on slopes other than 1 (Gulrajani et al. 2017)",
    settings=Settings,
    build=lambda settings: WassersteinPenalty(settings.penalty),
)
