"""The Wasserstein loss (Arjovsky et al. 2017), without anything that bounds the critic's slopes."""

from __future__ import annotations

from harness.lazy import tf
from harness.models.gan.loss import NoPenalty
from harness.models.model import LossPart


class Wasserstein(NoPenalty):
    """fake - real, and -fake for the generator."""

    def discriminator(self, real: tf.Tensor, fake: tf.Tensor) -> tf.Tensor:
        return tf.reduce_mean(fake) - tf.reduce_mean(real)

    def generator(self, real: tf.Tensor, fake: tf.Tensor) -> tf.Tensor:
        return -tf.reduce_mean(fake)


PART = LossPart(
    name="wasserstein",
    help="difference of mean logits; needs a penalty or a bound on the discriminator's slopes (Arjovsky et al. 2017)",
    needs_bound=True,
    ideal=0.0,
    build=lambda settings: Wasserstein(),
)
