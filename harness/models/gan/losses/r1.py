"""The non-saturating loss with the R1 penalty (Mescheder et al. 2018)."""

from __future__ import annotations

from dataclasses import dataclass

from harness.kinds import number
from harness.lazy import tf
from harness.models.gan.loss import Critic, squared_slope
from harness.models.gan.losses.non_saturating import NonSaturating
from harness.models.model import LossPart
from harness.models.nn.draws import Draw


@dataclass(frozen=True)
class Settings:
    """What may be set."""

    penalty: float = number(
        10.0, low=0.0, high=1e6, text="γ: the discriminator's squared slope at real images counts γ/2 times (paper: 10)"
    )


@dataclass(frozen=True)
class R1(NonSaturating):
    """The non-saturating losses, and γ/2 · ‖∇critic‖² at real images: equation 9 of the paper."""

    gamma: float
    per_example = True  # the penalty of an image is of its own slope

    def penalty(self, critic: Critic, real: tf.Tensor, fake: tf.Tensor, draw: Draw) -> tf.Tensor:
        return 0.5 * self.gamma * tf.reduce_mean(squared_slope(critic, real))


PART = LossPart(
    name="r1",
    help="logistic loss with a penalty on the discriminator's slope at real images (Mescheder et al. 2018)",
    settings=Settings,
    build=lambda settings: R1(settings.penalty),
)
