"""Every random draw of training as a stateless function of (seed, step): resuming at step k draws what it would have.

All are of Philox 4x32-10 (Salmon et al. 2011), by name: left to itself, TensorFlow takes another key within XLA. There,
too, uniform numbers are made of other bits of the same words, and normal ones of those. So that a compiled loop draws what
the plain one draws, `by_xla` says where numbers are made of whole words, which are the same everywhere, as TensorFlow's own
kernels make them (tensorflow/core/lib/random/random_distributions.h): uniform and whole numbers are equal bit for bit,
normal ones but for the last bits of a logarithm, a sine and a cosine.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterator, Sequence
from contextvars import ContextVar
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.lazy import tf
from harness.seeds import Seeds

DATA, LATENTS, NOISE = range(3)
_PHILOX = 1  # its number in TensorFlow's operations
_LEAST = 1e-7  # takes the place of smaller uniform numbers under a logarithm, as in TensorFlow's kernel
_compiled: ContextVar[bool] = ContextVar("compiled", default=False)


@contextlib.contextmanager
def by_xla(compiled: bool = True) -> Iterator[None]:
    """Say whether what is traced in this block is compiled by XLA."""
    token = _compiled.set(compiled)
    try:
        yield
    finally:
        _compiled.reset(token)


def words(shape: Any, seed: tf.Tensor) -> tf.Tensor:
    """Uniform 32-bit words, uint32 of `shape`, of a seed int64 (2,)."""
    if _compiled.get():  # with the name, Python's side makes the key, as the kernels do outside XLA
        return tf.random.stateless_uniform(shape, seed, None, None, tf.uint32, alg="philox")
    return _drawn(tf.raw_ops.StatelessRandomUniformFullIntV2, shape, seed, dtype=tf.uint32)


def uniform(shape: Any, seed: tf.Tensor) -> tf.Tensor:
    """Uniform numbers in [0, 1), float32 of `shape`, of a seed int64 (2,): multiples of 2^-23."""
    if _compiled.get():
        return _fractions(words(shape, seed))
    return _drawn(tf.raw_ops.StatelessRandomUniformV2, shape, seed)


def normal(shape: Any, seed: tf.Tensor) -> tf.Tensor:
    """Standard normal numbers, float32 of `shape`, of a seed int64 (2,)."""
    if _compiled.get():
        size = tf.reduce_prod(shape)
        drawn = tf.reshape(_fractions(words((2 * ((size + 1) // 2),), seed)), (-1, 2))
        length = tf.sqrt(-2.0 * tf.math.log(tf.maximum(drawn[:, :1], _LEAST)))
        angle = 2.0 * math.pi * drawn[:, 1:]
        pairs = length * tf.concat([tf.sin(angle), tf.cos(angle)], 1)  # Box & Muller 1958
        return tf.reshape(tf.reshape(pairs, (-1,))[:size], shape)
    return _drawn(tf.raw_ops.StatelessRandomNormalV2, shape, seed)


def integers(shape: Any, seed: tf.Tensor, *, below: int) -> tf.Tensor:
    """Whole numbers from 0 to `below` - 1, int32 of `shape`, of a seed int64 (2,)."""
    if _compiled.get():
        return tf.random.stateless_uniform(shape, seed, 0, below, tf.int32, alg="philox")
    return _drawn(tf.raw_ops.StatelessRandomUniformIntV2, shape, seed, minval=0, maxval=below)


def _drawn(kernel: Any, shape: Any, seed: tf.Tensor, **limits: Any) -> tf.Tensor:
    """What a kernel draws: one operation for the key, which stays in host memory, and one for the numbers."""
    key, counter = tf.raw_ops.StatelessRandomGetKeyCounter(seed=seed)
    return kernel(shape=shape, key=key, counter=counter, alg=_PHILOX, **limits)


def _fractions(drawn: tf.Tensor) -> tf.Tensor:
    """Words uint32 as float32 in [0, 1), by their lower 23 bits."""
    mantissa = tf.bitwise.bitwise_and(drawn, tf.constant(0x7FFFFF, tf.uint32))
    ones = tf.bitwise.bitwise_or(mantissa, tf.constant(0x3F800000, tf.uint32))
    return tf.bitcast(ones, tf.float32) - 1.0


def roles(seeds: Seeds) -> NDArray[np.int64]:
    """The seeds of data order, latents and noise as TensorFlow reads them, shape (3,)."""
    return np.array([seeds.data, seeds.latents, seeds.noise], dtype=np.int64)


def seed_at(roles: tf.Tensor | Sequence[tf.Tensor], role: int, step: tf.Tensor, part: int = 0) -> tf.Tensor:
    """The two-number seed of one draw: role's seed, and step with the number of the draw within the step."""
    first = tf.stack([roles[role], tf.cast(step, tf.int64) * 4096])  # TensorFlow makes it once for all draws of a step
    return first + tf.constant([0, part], tf.int64) if part else first


def batch_indices(
    roles: tf.Tensor | Sequence[tf.Tensor], step: tf.Tensor, part: int, *, batch: int, images: int
) -> tf.Tensor:
    """Indices of a batch, int32 (batch,), drawn with replacement."""
    return integers((batch,), seed_at(roles, DATA, step, part), below=images)


def latents(
    roles: tf.Tensor | Sequence[tf.Tensor], step: tf.Tensor, part: int, *, batch: int, dimensions: int
) -> tf.Tensor:
    """Standard normal latents, float32 (batch, dimensions)."""
    return normal((batch, dimensions), seed_at(roles, LATENTS, step, part))


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
        return normal(shape, self._next())

    def uniform(self, shape: Sequence[int | tf.Tensor]) -> tf.Tensor:
        """Uniform numbers in [0, 1), float32 of `shape`."""
        return uniform(shape, self._next())


def whole(uniform: tf.Tensor, count: int) -> tf.Tensor:
    """Whole numbers from 0 to `count` - 1, int32, of uniform numbers in [0, 1)."""
    return tf.cast(tf.floor(uniform * count), tf.int32)
