"""Every random draw of training as a stateless function of (seed, step): resuming at step k draws what it would have."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray


@dataclass(frozen=True)
class RunSeeds:
    """One seed a role, each in [0, 2**63)."""

    weights: int
    data: int
    latents: int
    noise: int

    def roles(self) -> NDArray[np.int64]:
        """The seeds of data order, latents and noise as TensorFlow reads them, shape (3,)."""
        return np.array([self.data, self.latents, self.noise], dtype=np.int64)


DATA, LATENTS, NOISE = range(3)


def seed_at(roles: tf.Tensor, role: int, step: tf.Tensor, part: int = 0) -> tf.Tensor:
    """The two-number seed of one draw: role's seed, and step with the number of the draw within the step."""
    return tf.stack([roles[role], tf.cast(step, tf.int64) * 4096 + part])


def batch_indices(roles: tf.Tensor, step: tf.Tensor, part: int, *, batch: int, images: int) -> tf.Tensor:
    """Indices of a batch, int32 (batch,), drawn with replacement."""
    return tf.random.stateless_uniform(
        (batch,), seed_at(roles, DATA, step, part), minval=0, maxval=images, dtype=tf.int32
    )


def latents(roles: tf.Tensor, step: tf.Tensor, part: int, *, batch: int, dimensions: int) -> tf.Tensor:
    """Standard normal latents, float32 (batch, dimensions)."""
    return tf.random.stateless_normal((batch, dimensions), seed_at(roles, LATENTS, step, part))


def evaluation_latents(seed: int, count: int, dimensions: int) -> NDArray[np.float32]:
    """Standard normal latents that all evaluations of a study share, float32 (count, dimensions)."""
    return np.random.default_rng(seed).standard_normal((count, dimensions), dtype=np.float32)
