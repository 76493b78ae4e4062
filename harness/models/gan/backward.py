"""A pass through the discriminator, and the gradients of both losses from it: from one pass back where that is right."""

from __future__ import annotations

from dataclasses import dataclass

from harness.lazy import tf
from harness.models.gan.loss import Loss

SMALLEST = 1e-20  # stands in for a slope of 0: what it adds to a gradient is far below that gradient's rounding errors


@dataclass(frozen=True)
class DiscriminatorPass:
    """Logits float32 (batch,) of real and generated images, and the tape from the weights and images to them.

    `penalty` is what the loss of the discriminator has besides its logits; no gradient for the images goes through it.
    `per_example` says that no layer of the discriminator looks at two examples at once; where it is False, the tape must
    be persistent. `moved` holds the discriminator's moving statistics after the pass.
    """

    loss: Loss
    tape: tf.GradientTape
    weights: tf.Tensor
    images: tf.Tensor
    real: tf.Tensor
    fake: tf.Tensor
    penalty: tf.Tensor | None
    per_example: bool
    moved: tf.Tensor

    def losses(self) -> tuple[tf.Tensor, tf.Tensor]:
        """Return (generator loss, discriminator loss), float32 scalars."""
        loss = self.loss.discriminator(self.real, self.fake)
        return self.loss.generator(self.real, self.fake), loss if self.penalty is None else loss + self.penalty

    def gradient(self, scale: float) -> tf.Tensor:
        """Return the gradient of the discriminator's loss, times `scale`, for its weights. Uses the tape up."""
        real, fake, _ = self._slopes(scale)
        return self.tape.gradient(*self._seeded(real, fake, scale))

    def gradients(self, scale: float) -> tuple[tf.Tensor, tf.Tensor]:
        """Return also the gradient of the generator's loss, times `scale`, for the generated images. Uses the tape up.

        Where no layer of the discriminator looks at two examples at once, an image's gradients of the two losses differ
        by a factor, the ratio of the losses' slopes at its logit: one pass back serves both. Else each has its own.
        """
        real, fake, made = self._slopes(scale)
        # float16 has no room for slopes as small as those of a sure discriminator
        if self.images.dtype == tf.float16 or not self.per_example:
            return self.tape.gradient(*self._seeded(real, fake, scale)), self.tape.gradient(
                self.fake, self.images, made
            )
        fake = tf.where(tf.abs(fake) < SMALLEST, SMALLEST, fake)
        outputs, _, seeds = self._seeded(real, fake, scale)
        of_weights, of_images = self.tape.gradient(outputs, (self.weights, self.images), seeds)
        factor = tf.reshape(made / fake, (-1, *[1] * (len(self.images.shape) - 1)))
        return of_weights, tf.cast(tf.cast(of_images, tf.float32) * factor, of_images.dtype)

    def _slopes(self, scale: float) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        """Of the discriminator's loss at the real and the generated logits, and of the generator's at the generated."""
        with tf.GradientTape(persistent=True) as tape:
            tape.watch((self.real, self.fake))
            losses = (
                scale * self.loss.discriminator(self.real, self.fake),
                scale * self.loss.generator(self.real, self.fake),
            )
        return *tape.gradient(losses[0], (self.real, self.fake)), tape.gradient(losses[1], self.fake)

    def _seeded(
        self, real: tf.Tensor, fake: tf.Tensor, scale: float
    ) -> tuple[list[tf.Tensor], tf.Tensor, list[tf.Tensor]]:
        """What `tape.gradient` takes: outputs, weights, and the gradients of the loss for the outputs."""
        if self.penalty is None:
            return [self.real, self.fake], self.weights, [real, fake]
        return [self.real, self.fake, self.penalty], self.weights, [real, fake, tf.constant(scale)]
