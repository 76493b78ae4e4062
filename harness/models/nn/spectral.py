"""Spectral normalisation (Miyato et al. 2018): a layer whose kernel is divided by its largest singular value."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from harness.lazy import tf
from harness.models.nn.layers import Call, Convolution, Dense, Weight

_SMALLEST = 1e-12  # of a vector's length, so that a kernel of zeros divides by no zero


@dataclass(frozen=True)
class SpectrallyNormalised:
    """`layer` with its kernel, as a matrix (everything else, outputs), divided by its largest singular value.

    The value is estimated by power iteration: each training pass makes one and keeps its left vector as a moving
    statistic. The vectors are constants to the gradient, which thus goes through the kernel and the division by it.
    """

    layer: Dense | Convolution

    @property
    def per_example(self) -> bool:
        """As the layer: the statistic depends on the kernel, not on examples."""
        return self.layer.per_example

    def weights(self) -> Sequence[Weight]:
        kernel, *bias = self.layer.weights()
        return replace(kernel, rounded=False), *bias, Weight((self.layer.outputs,), unit_vector, moving=True)

    def __call__(self, x: tf.Tensor, weights: Sequence[tf.Tensor], call: Call, first: int) -> tf.Tensor:
        kernel, *bias, left = weights
        matrix = tf.reshape(kernel, (-1, self.layer.outputs))
        constant = tf.stop_gradient(matrix)
        right = _unit(tf.linalg.matvec(constant, left))
        if call.training:
            left = _unit(tf.linalg.matvec(constant, right, transpose_a=True))
            call.moved[first + len(weights) - 1] = left
        largest = tf.tensordot(right, tf.linalg.matvec(matrix, tf.stop_gradient(left)), 1)
        return self.layer(x, (kernel / largest, *bias), call, first)


def unit_vector(rng: np.random.Generator, shape: tuple[int, ...]) -> NDArray[np.float32]:
    """A random direction, of length 1."""
    drawn = rng.standard_normal(shape)
    return (drawn / np.linalg.norm(drawn)).astype(np.float32)


def _unit(vector: tf.Tensor) -> tf.Tensor:
    return vector / tf.maximum(tf.norm(vector), _SMALLEST)
