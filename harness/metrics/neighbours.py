"""Metrics from nearest neighbours in feature space: precision, recall, (clipped) density and coverage, memorisation; blocked."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.special import betaln, gammaln

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


def clipped(manifold: Manifold) -> Manifold:
    """The same with no radius above the median one: an outlier has no larger neighbourhood than others."""
    return replace(manifold, radius=np.minimum(manifold.radius, np.median(manifold.radius)))


def filled(features: NDArray[np.floating], manifold: Manifold) -> float:
    """Mean over `features` of in how many balls of `manifold` each lies (boundary included), in units of k, at most 1.

    With clipped radii and divided by `filled_by_own` it is clipped density (Salvy et al. 2026).
    """
    values = checked(features)
    balls = [(distances <= manifold.radius).sum(axis=1) for _, distances in _squared(values, manifold.features)]
    return _clipped_share(np.concatenate(balls), manifold.k)


def filled_by_own(manifold: Manifold) -> float:
    """`filled` of the manifold's own features, each of which its own ball does not count for; above 0."""
    balls = np.zeros(len(manifold.features))
    for rows, distances in _squared(manifold.features, manifold.features):  # the very numbers that radii are among
        distances[np.arange(len(distances)), np.arange(rows.start, rows.stop)] = np.inf
        balls += (distances <= manifold.radius[rows, None]).sum(axis=0)
    return _clipped_share(balls, manifold.k)


def clipped_coverage(generated: NDArray[np.floating], real: Manifold) -> float:
    """Mean over real features of how many generated ones their balls hold (boundary excluded), in units of k, at most 1."""
    values = checked(generated)
    held = np.zeros(len(real.features))
    for _, distances in _squared(values, real.features):
        held += (distances < real.radius).sum(axis=0)
    return _clipped_share(held, real.k)


def _clipped_share(counts: NDArray[np.number], k: int) -> float:
    return float(np.minimum(counts / k, 1.0).mean())


def expected_coverage(k: int, *, real: int, most: int) -> Array:
    """What `clipped_coverage` is on average for 0 to `most` images of the distribution of `real` images (most + 1,).

    The mass of a ball up to the k-th of n - 1 others is Beta(k, n - k), whatever the distribution, so that the number
    of m images in it is beta-binomial. Below k images it is 0, as the authors have it (Salvy et al. 2026).
    """
    counts = np.arange(k, most + 1)[:, None]
    inside = np.arange(k)[None]  # whose probabilities say what is missing to k
    choices = gammaln(counts + 1.0) - gammaln(inside + 1.0) - gammaln(counts - inside + 1.0)
    logs = choices + betaln(k + inside, real - k + counts - inside) - betaln(k, real - k)
    expected = 1.0 - (np.exp(logs) * (k - inside)).sum(axis=1) / k
    return np.concatenate([np.zeros(min(k, most + 1)), np.maximum(expected, 0.0)])


def good_share(coverage: float, expected: Array) -> float:
    """The share of good images, of len(expected) - 1, with which `coverage` is to be expected."""
    return float(np.searchsorted(expected, coverage)) / len(expected)


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
