"""Initial distributions of published networks, besides those in harness.models.nn.layers."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from harness.models.nn.layers import Initial, glorot, uniform_in


def scaled_glorot(gain: float) -> Initial:
    """Glorot's uniform distribution times `gain`, as PyTorch's xavier_uniform_ has it."""
    return lambda rng, shape: np.float32(gain) * glorot(rng, shape)


def normal_around(mean: float, deviation: float) -> Initial:
    """Normal with a mean and a standard deviation."""
    return lambda rng, shape: (mean + deviation * rng.standard_normal(shape)).astype(np.float32)


def fan_in_uniform(rng: np.random.Generator, shape: tuple[int, ...]) -> NDArray[np.float32]:
    """Uniform in ±1/√n with n inputs to each output: PyTorch's default for kernels.

    For a transposed convolution PyTorch counts pixels and outputs instead; so does this, given our order of axes.
    """
    return uniform_in(math.prod(shape[:-1]))(rng, shape)


def orthogonal(rng: np.random.Generator, shape: tuple[int, ...]) -> NDArray[np.float32]:
    """A random kernel (everything else, last axis) with orthonormal columns, or rows if there are fewer (Saxe et al. 2014)."""
    rows, columns = math.prod(shape[:-1]), shape[-1]
    drawn = rng.standard_normal((max(rows, columns), min(rows, columns)))
    q, r = np.linalg.qr(drawn)
    q *= np.sign(np.diag(r))  # makes the distribution uniform over all such matrices
    return (q if rows >= columns else q.T).reshape(shape).astype(np.float32)
