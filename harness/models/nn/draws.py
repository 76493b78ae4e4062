"""Every random draw of training as a stateless function of (seed, step): resuming at step k draws what it would have."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from harness.lazy import tf
from harness.seeds import Seeds

DATA, LATENTS, NOISE = range(3)


def roles(seeds: Seeds) -> NDArray[np.int64]:
    """The seeds of data order, latents and noise as TensorFlow reads them, shape (3,)."""
    return np.array([seeds.data, seeds.latents, seeds.noise], dtype=np.int64)


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


class Draw:
    """Random numbers of one step for a loss of any kind: the k-th draw of a step is the same in every run of a seed."""

    def __init__(self, seed: tf.Tensor) -> None:
        """`seed` is the step's, int64 (2,)."""
        self._seed, self._count = seed, 0

    def apart(self, index: int) -> Draw:
        """Draws of their own for one of several takers, from 0 to 126: not those drawn here, nor another's."""
        return Draw(self._seed + tf.constant([0, (index + 1) * 2**56], tf.int64))

    def _next(self) -> tf.Tensor:
        seed = self._seed + tf.constant([0, self._count * 2**48], tf.int64)  # beyond all steps and their parts
        self._count += 1
        return seed

    def normal(self, shape: Sequence[int | tf.Tensor]) -> tf.Tensor:
        """Standard normal numbers, float32 of `shape`."""
        return tf.random.stateless_normal(shape, self._next())

    def uniform(self, shape: Sequence[int | tf.Tensor]) -> tf.Tensor:
        """Uniform numbers in [0, 1), float32 of `shape`."""
        return tf.random.stateless_uniform(shape, self._next())


def whole(uniform: tf.Tensor, count: int) -> tf.Tensor:
    """Whole numbers from 0 to `count` - 1, int32, of uniform numbers in [0, 1)."""
    return tf.cast(tf.floor(uniform * count), tf.int32)
