"""The hinge loss (Lim & Ye 2017)."""

from __future__ import annotations

from harness.lazy import tf
from harness.models.gan.loss import NoPenalty
from harness.models.model import LossPart


class Hinge(NoPenalty):
    """max(0, 1 - real) + max(0, 1 + fake), and -fake for the generator."""

    def discriminator(self, real: tf.Tensor, fake: tf.Tensor) -> tf.Tensor:
        return tf.reduce_mean(tf.nn.relu(1.0 - real)) + tf.reduce_mean(tf.nn.relu(1.0 + fake))

    def generator(self, real: tf.Tensor, fake: tf.Tensor) -> tf.Tensor:
        return -tf.reduce_mean(fake)


PART = LossPart(
    name="hinge",
    help="logits beyond a margin of 1 count no further (Lim & Ye 2017)",
    ideal=2.0,
    build=lambda settings: Hinge(),
)
