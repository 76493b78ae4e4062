"""Weights, images and random numbers that two sides draw alike, to compare the losses that they make of them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

COUNT = 4  # images


def weight(network: int, place: int, shape: tuple[int, ...]) -> np.ndarray:
    """The weight at `place` of the network of that number, of our shape: kernels as He et al. (2015), vectors around 0.4."""
    rng = np.random.default_rng([network, place])
    if len(shape) == 1:
        return rng.uniform(0.2, 0.6, shape).astype(np.float32)
    return (np.sqrt(2.0 / np.prod(shape[:-1])) * rng.standard_normal(shape)).astype(np.float32)


def images(shape: tuple[int, int, int]) -> np.ndarray:
    """Images (n, h, w, c) in [-1, 1]."""
    return np.random.default_rng(3).uniform(-1.0, 1.0, (COUNT, *shape)).astype(np.float32)


class Numbers:
    """Random numbers one after another; takes the place of harness.models.nn.draws.Draw."""

    def __init__(self) -> None:
        self._rng = np.random.default_rng(4)

    def apart(self, index: int) -> Numbers:
        """Further takers draw the same."""
        return self

    def normal(self, shape: Sequence[int]) -> np.ndarray:
        """Standard normal, float32."""
        return self._rng.standard_normal(tuple(int(side) for side in shape)).astype(np.float32)

    def uniform(self, shape: Sequence[int]) -> np.ndarray:
        """In [0, 1), float32."""
        return self._rng.random(tuple(int(side) for side in shape)).astype(np.float32)
