"""The relativistic pairing loss (Jolicoeur-Martineau 2019), which R3GAN trains (Huang et al. 2024)."""

from __future__ import annotations

import math

from harness.lazy import tf
from harness.models.gan.loss import NoPenalty
from harness.models.model import LossPart


class Relativistic(NoPenalty):
    """-log σ(real - fake), and -log σ(fake - real) for the generator, over pairs of a real and a generated image.

    As R3GAN/Trainer.py of brownvc/R3GAN, whose penalties are `r1` and `r2`.
    """

    pairs = True

    def discriminator(self, real: tf.Tensor, fake: tf.Tensor) -> tf.Tensor:
        return tf.reduce_mean(tf.nn.softplus(fake - real))

    def generator(self, real: tf.Tensor, fake: tf.Tensor) -> tf.Tensor:
        return tf.reduce_mean(tf.nn.softplus(real - fake))


PART = LossPart(
    name="relativistic",
    help="logistic loss of differences between paired logits: real images should look more real (Jolicoeur-Martineau 2019)",
    ideal=math.log(2.0),
    build=lambda settings: Relativistic(),
)
