"""The non-saturating loss (Goodfellow et al. 2014)."""

from __future__ import annotations

import math

from harness.lazy import tf
from harness.models.gan.loss import NoPenalty
from harness.models.model import LossPart


class NonSaturating(NoPenalty):
    """-log σ(real) - log(1 - σ(fake)), and -log σ(fake) for the generator."""

    def discriminator(self, real: tf.Tensor, fake: tf.Tensor) -> tf.Tensor:
        return tf.reduce_mean(tf.nn.softplus(-real)) + tf.reduce_mean(tf.nn.softplus(fake))

    def generator(self, real: tf.Tensor, fake: tf.Tensor) -> tf.Tensor:
        return tf.reduce_mean(tf.nn.softplus(-fake))


PART = LossPart(
    name="non_saturating",
    help="logistic loss; the generator raises the logits of its images (Goodfellow et al. 2014)",
    ideal=math.log(4.0),
    build=lambda settings: NonSaturating(),
)
