"""The minimax loss (Goodfellow et al. 2014): the generator ascends what the discriminator descends."""

from __future__ import annotations

import math

from harness.lazy import tf
from harness.models.gan.losses.non_saturating import NonSaturating
from harness.models.model import LossPart


class Minimax(NonSaturating):
    """-log σ(real) - log(1 - σ(fake)), and log(1 - σ(fake)) for the generator: equation 1 of the paper.

    It saturates: the generator's slope vanishes where the discriminator is sure that an image is generated.
    """

    def generator(self, real: tf.Tensor, fake: tf.Tensor) -> tf.Tensor:
        return -tf.reduce_mean(tf.nn.softplus(fake))


PART = LossPart(
    name="minimax",
    help="logistic loss; the generator lowers the probability that its images are told apart (Goodfellow et al. 2014)",
    ideal=math.log(4.0),
    build=lambda settings: Minimax(),
)
