"""The least-squares loss (Mao et al. 2017)."""

from __future__ import annotations

from harness.lazy import tf
from harness.models.gan.loss import NoPenalty
from harness.models.model import LossPart


class LeastSquares(NoPenalty):
    """½ (real - 1)² + ½ fake², and ½ (fake - 1)² for the generator."""

    def discriminator(self, real: tf.Tensor, fake: tf.Tensor) -> tf.Tensor:
        return 0.5 * tf.reduce_mean(tf.square(real - 1.0)) + 0.5 * tf.reduce_mean(tf.square(fake))

    def generator(self, real: tf.Tensor, fake: tf.Tensor) -> tf.Tensor:
        return 0.5 * tf.reduce_mean(tf.square(fake - 1.0))


PART = LossPart(
    name="least_squares",
    help="squared distances of logits from 1 and 0 (Mao et al. 2017)",
    ideal=0.25,
    build=lambda settings: LeastSquares(),
)
