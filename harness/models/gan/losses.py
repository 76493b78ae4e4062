"""Adversarial losses: logits of real and generated images to the losses of both networks, float32 scalars."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import tensorflow as tf

PENALTY = 10.0  # weight of the gradient penalty (Gulrajani et al. 2017)

DiscriminatorLoss = Callable[[tf.Tensor, tf.Tensor], tf.Tensor]
GeneratorLoss = Callable[[tf.Tensor], tf.Tensor]


def _logistic_discriminator(real: tf.Tensor, fake: tf.Tensor) -> tf.Tensor:
    """-log σ(real) - log(1 - σ(fake)) (Goodfellow et al. 2014)."""
    return tf.reduce_mean(tf.nn.softplus(-real)) + tf.reduce_mean(tf.nn.softplus(fake))


def _non_saturating_generator(fake: tf.Tensor) -> tf.Tensor:
    """-log σ(fake) (Goodfellow et al. 2014)."""
    return tf.reduce_mean(tf.nn.softplus(-fake))


def _hinge_discriminator(real: tf.Tensor, fake: tf.Tensor) -> tf.Tensor:
    """max(0, 1 - real) + max(0, 1 + fake) (Lim & Ye 2017)."""
    return tf.reduce_mean(tf.nn.relu(1.0 - real)) + tf.reduce_mean(tf.nn.relu(1.0 + fake))


def _least_squares_discriminator(real: tf.Tensor, fake: tf.Tensor) -> tf.Tensor:
    """½ (real - 1)² + ½ fake² (Mao et al. 2017)."""
    return 0.5 * tf.reduce_mean(tf.square(real - 1.0)) + 0.5 * tf.reduce_mean(tf.square(fake))


def _least_squares_generator(fake: tf.Tensor) -> tf.Tensor:
    """½ (fake - 1)² (Mao et al. 2017)."""
    return 0.5 * tf.reduce_mean(tf.square(fake - 1.0))


def _wasserstein_discriminator(real: tf.Tensor, fake: tf.Tensor) -> tf.Tensor:
    """fake - real (Arjovsky et al. 2017); the trainer adds the gradient penalty."""
    return tf.reduce_mean(fake) - tf.reduce_mean(real)


def _linear_generator(fake: tf.Tensor) -> tf.Tensor:
    """-fake, of the hinge and the Wasserstein loss."""
    return -tf.reduce_mean(fake)


LOSSES: Mapping[str, tuple[DiscriminatorLoss, GeneratorLoss]] = {
    "non_saturating": (_logistic_discriminator, _non_saturating_generator),
    "hinge": (_hinge_discriminator, _linear_generator),
    "least_squares": (_least_squares_discriminator, _least_squares_generator),
    "wasserstein_gp": (_wasserstein_discriminator, _linear_generator),
}


def gradient_penalty(
    critic: Callable[[tf.Tensor], tf.Tensor], real: tf.Tensor, fake: tf.Tensor, *, mix: tf.Tensor
) -> tf.Tensor:
    """PENALTY · mean((‖∇critic‖ - 1)²) at mix · real + (1 - mix) · fake, `mix` (batch,) in [0, 1]."""
    share = tf.reshape(mix, (-1, *[1] * (len(real.shape) - 1)))
    between = share * real + (1.0 - share) * fake
    with tf.GradientTape() as tape:
        tape.watch(between)
        logits = critic(between)
    slope = tf.cast(tape.gradient(logits, between), tf.float32)
    norm = tf.sqrt(tf.reduce_sum(tf.square(slope), axis=list(range(1, len(real.shape)))) + 1e-12)
    return PENALTY * tf.reduce_mean(tf.square(norm - 1.0))
