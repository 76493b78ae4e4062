"""R1 and R2 (Mescheder et al. 2018): the discriminator's squared slope at real images, and at generated ones."""

from __future__ import annotations

from dataclasses import dataclass

from harness.kinds import number
from harness.lazy import tf
from harness.models.gan import penalty
from harness.models.gan.loss import Critic, squared_slope
from harness.models.model import PenaltyPart
from harness.models.nn.draws import Draw


@dataclass(frozen=True)
class Settings(penalty.Settings):
    """What may be set."""

    weight: float = number(10.0, low=0.0, high=1e6, text="γ: the squared slope counts γ/2 times (paper: 10)")


@dataclass(frozen=True)
class SquaredSlope:
    """γ/2 · ‖∇critic‖² at real or at generated images, their mean: equations 9 and 10 of the paper.

    R3GAN adds both (R3GAN/Trainer.py of brownvc/R3GAN).
    """

    weight: float
    at_generated: bool = False
    per_example = True  # the penalty of an image is of its own slope

    def __call__(self, critic: Critic, real: tf.Tensor, fake: tf.Tensor, draw: Draw) -> tf.Tensor:
        return 0.5 * self.weight * tf.reduce_mean(squared_slope(critic, fake if self.at_generated else real))


PARTS = (
    PenaltyPart(
        name="r1",
        help="the discriminator's squared slope at real images (Mescheder et al. 2018)",
        settings=Settings,
        vanishes=True,
        build=lambda settings: SquaredSlope(settings.weight),
    ),
    PenaltyPart(
        name="r2",
        help="the discriminator's squared slope at generated images (Mescheder et al. 2018)",
        settings=Settings,
        vanishes=True,
        build=lambda settings: SquaredSlope(settings.weight, at_generated=True),
    ),
)
