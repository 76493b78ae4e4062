"""What an adversarial loss is."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol, TypeAlias

from harness.lazy import tf
from harness.models.nn.draws import Draw

Critic: TypeAlias = "Callable[[tf.Tensor], tf.Tensor]"  # images (n, h, w, c) to logits float32 (n,)


class Loss(Protocol):
    """Logits float32 (n,) of real and generated images to the losses of both networks, float32 scalars.

    `per_example` says that the loss is right only with a discriminator that looks at each image by itself; `pairs`, that
    the generator's loss reads the logits of real images too, pair by pair.
    """

    per_example: bool
    pairs: bool

    def discriminator(self, real: tf.Tensor, fake: tf.Tensor) -> tf.Tensor:
        """What the discriminator descends, without its penalty."""

    def generator(self, real: tf.Tensor, fake: tf.Tensor) -> tf.Tensor:
        """What the generator descends; no gradient goes through `real`."""

    def penalty(self, critic: Critic, real: tf.Tensor, fake: tf.Tensor, draw: Draw) -> tf.Tensor | None:
        """A further term of the discriminator's loss, made of its slopes at images of a batch; None where there is none.

        `critic` is the discriminator as it is now, `real` and `fake` are images (n, h, w, c); no gradient for `fake` goes
        through the penalty.
        """


class NoPenalty:
    """What most losses have: they are made of logits alone, and the generator's of those of its own images."""

    per_example = False
    pairs = False

    def penalty(self, critic: Critic, real: tf.Tensor, fake: tf.Tensor, draw: Draw) -> tf.Tensor | None:
        return None


def squared_slope(critic: Critic, images: tf.Tensor) -> tf.Tensor:
    """‖∇critic‖² at each of `images`, float32 (n,)."""
    with tf.GradientTape() as tape:
        tape.watch(images)
        logits = critic(images)
    slope = tf.cast(tape.gradient(logits, images), tf.float32)
    return tf.reduce_sum(tf.square(slope), axis=list(range(1, len(images.shape))))


def unit_slope(critic: Critic, images: tf.Tensor) -> tf.Tensor:
    """Mean of (‖∇critic‖ - 1)² over `images`, float32 scalar."""
    norm = tf.sqrt(squared_slope(critic, images) + 1e-12)  # a root has no slope at 0
    return tf.reduce_mean(tf.square(norm - 1.0))
