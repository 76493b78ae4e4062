"""Metrics from nearest neighbours in feature space: precision, recall, density, coverage, memorisation; blocked."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from harness.metrics.frechet import Array, checked

_BLOCK = 1024


@dataclass(frozen=True)
class Manifold:
    """Features (n, d) with the squared distance of each to its k-th neighbour among the others (n,)."""

    features: Array
    k: int
    radius: Array

    @classmethod
    def of(cls, features: NDArray[np.floating], k: int) -> Manifold:
        """Raises ValueError unless there are more than `k` features."""
        values = checked(features)
        if len(values) <= k:
            raise ValueError(f"the {k}-th neighbour needs more than {k} features, but there are {len(values)}")
        radius = np.empty(len(values))
        for rows, distances in _squared(values, values):
            distances[np.arange(len(distances)), np.arange(rows.start, rows.stop)] = np.inf
            radius[rows] = np.partition(distances, k - 1, axis=1)[:, k - 1]
        return cls(values, k, radius)


def _squared(left: Array, right: Array) -> Iterator[tuple[slice, Array]]:
    """Squared Euclidean distances, some rows at a time, never below 0."""
    lengths = np.square(right).sum(axis=1)
    for start in range(0, len(left), _BLOCK):
        rows = slice(start, min(start + _BLOCK, len(left)))
        part = left[rows]
        distances = part @ right.T
        distances *= -2.0
        distances += np.square(part).sum(axis=1)[:, None]
        distances += lengths
        yield rows, np.maximum(distances, 0.0, out=distances)


def share_inside(features: NDArray[np.floating], manifold: Manifold) -> float:
    """Share of `features` that lie in at least one ball of `manifold` (boundary included).

    Precision is generated features in the real manifold, recall real ones in the generated one, with k = 3
    (Kynkäänniemi et al. 2019).
    """
    values = checked(features)
    inside = sum(
        int((distances <= manifold.radius).any(axis=1).sum()) for _, distances in _squared(values, manifold.features)
    )
    return inside / len(values)


@dataclass(frozen=True)
class DensityCoverage:
    """Density may exceed 1; coverage is a share of the real features."""

    density: float
    coverage: float


def density_coverage(generated: NDArray[np.floating], real: Manifold) -> DensityCoverage:
    """Density and coverage of generated features (Naeem et al. 2020), k = 5 by convention, boundary excluded as prdc."""
    values = checked(generated)
    balls, nearest = 0, np.full(len(real.features), np.inf)
    for _, distances in _squared(values, real.features):
        balls += int((distances < real.radius).sum())
        np.minimum(nearest, distances.min(axis=0), out=nearest)
    return DensityCoverage(balls / (real.k * len(values)), float((nearest < real.radius).mean()))


def memorised(generated: NDArray[np.floating], train: Manifold) -> float:
    """Share of generated features nearer to a training feature than that one is to its k-th training neighbour, halved.

    With k = 1 and the distance compared with half the gap between neighbours, fresh images of the same distribution
    score near 0 and copies of training images 1.
    """
    values = checked(generated)
    close = 0
    for _, distances in _squared(values, train.features):
        nearest = distances.argmin(axis=1)
        close += int((distances[np.arange(len(distances)), nearest] < 0.25 * train.radius[nearest]).sum())
    return close / len(values)
