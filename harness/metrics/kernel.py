"""Kernel distance (KID's number; Bińkowski et al. 2018): squared MMD with k(x, y) = (x·y/d + 1)³, float64.

`mean` and `std` are torch-fidelity's numbers, drawn from the same seed, through Gram matrices that are computed once
instead of once a subset. `full` uses all pairs: the minimum-variance unbiased estimate, with a standard error, which
the spread over overlapping subsets is not.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from harness.metrics.frechet import Array, checked

_BLOCK = 2048  # rows of a Gram matrix held at a time


@dataclass(frozen=True)
class KernelDistance:
    """`mean` ± `std` over subsets; `full` over all pairs, with `stderr`. Any may be slightly below 0."""

    mean: float
    std: float
    full: float
    stderr: float


def kernel_distance(
    real: NDArray[np.floating],
    generated: NDArray[np.floating],
    *,
    subsets: int = 100,
    subset_size: int = 1000,
    seed: int = 2020,
) -> KernelDistance:
    """Kernel distance of features (n, d) and (m, d).

    Raises ValueError unless both have at least `subset_size` rows. As torch-fidelity, a subset is drawn without
    replacement from the first set, then from the second, by NumPy's legacy generator with `seed`; pass the generated
    features first to follow its `input1`, `input2`.
    """
    first, second = checked(real), checked(generated)
    for name, values in (("real", first), ("generated", second)):
        if subset_size > len(values):
            raise ValueError(f"subset_size is {subset_size}, but there are only {len(values)} {name} features")
    if subset_size < 2:
        raise ValueError(f"subset_size is {subset_size}, but at least 2 are needed")
    mean, std = _subset_distances(first, second, subsets=subsets, size=subset_size, seed=seed)
    full, stderr = full_distance(first, second)
    return KernelDistance(mean, std, full, stderr)


def _subset_distances(first: Array, second: Array, *, subsets: int, size: int, seed: int) -> tuple[float, float]:
    """Mean and standard deviation (divisor `subsets`) of the unbiased estimate over random subsets."""
    rng = np.random.RandomState(seed)
    chosen_first, chosen_second = np.zeros((len(first), subsets)), np.zeros((len(second), subsets))
    for subset in range(subsets):
        chosen_first[rng.choice(len(first), size, replace=False), subset] = 1.0
        chosen_second[rng.choice(len(second), size, replace=False), subset] = 1.0
    within_first = _selected(first, first, chosen_first, chosen_first, diagonal=False)
    within_second = _selected(second, second, chosen_second, chosen_second, diagonal=False)
    across = _selected(first, second, chosen_first, chosen_second, diagonal=True)
    distances = (within_first + within_second) / (size * (size - 1)) - 2.0 * across / size**2
    return float(distances.mean()), float(distances.std())


def _blocks(left: Array, right: Array) -> Iterator[tuple[slice, Array]]:
    """Gram matrix of `left` and `right`, some rows at a time."""
    for start in range(0, len(left), _BLOCK):
        rows = slice(start, min(start + _BLOCK, len(left)))
        gram = left[rows] @ right.T
        gram /= left.shape[1]
        gram += 1.0
        yield rows, gram * gram * gram


def _selected(left: Array, right: Array, chosen_left: Array, chosen_right: Array, *, diagonal: bool) -> Array:
    """Sum of k over the chosen pairs, for each subset; without i = j unless `diagonal`."""
    total = np.zeros(chosen_left.shape[1])
    for rows, gram in _blocks(left, right):
        total += np.einsum("rs,rs->s", gram @ chosen_right, chosen_left[rows])
        if not diagonal:
            own = np.einsum("rr->r", gram[:, rows])
            total -= own @ (chosen_left[rows] * chosen_right[rows])
    return total


@dataclass(frozen=True)
class Reference:
    """Features (n, d) of real images with the row sums of their own Gram matrix, which are computed once."""

    features: Array
    within: Array

    @classmethod
    def of(cls, features: NDArray[np.floating]) -> Reference:
        """Raises ValueError unless there are at least 2 features."""
        values = checked(features)
        if len(values) < 2:
            raise ValueError(f"there are {len(values)} features, but each set needs at least 2")
        return cls(values, _row_sums(values))


def distance_to(generated: NDArray[np.floating], reference: Reference) -> float:
    """The all-pairs unbiased estimate against a reference, without its standard error."""
    values = checked(generated)
    n, m = len(values), len(reference.features)
    if n < 2:
        raise ValueError(f"there are {n} features, but each set needs at least 2")
    across = sum(float(gram.sum()) for _, gram in _blocks(values, reference.features))
    own = _total_within(values)
    return own / (n * (n - 1)) + float(reference.within.sum()) / (m * (m - 1)) - 2.0 * across / (n * m)


def full_distance(first: Array, second: Array) -> tuple[float, float]:
    """The all-pairs unbiased estimate, and its standard error, in memory bounded by a block of rows.

    The standard error is the jackknife's over rows of both sets, which for this statistic needs the row sums of the
    Gram matrices only. One row in a set has no pair within: raises ValueError.
    """
    n, m = len(first), len(second)
    if min(n, m) < 2:
        raise ValueError(f"there are {n} and {m} features, but each set needs at least 2")
    within_first, within_second = _row_sums(first), _row_sums(second)
    across_first, across_second = np.zeros(n), np.zeros(m)
    for rows, gram in _blocks(first, second):
        across_first[rows] = gram.sum(axis=1)
        across_second += gram.sum(axis=0)
    total_first, total_second, total_across = within_first.sum(), within_second.sum(), across_first.sum()
    a, b, c = total_first / (n * (n - 1)), total_second / (m * (m - 1)), total_across / (n * m)
    distance = a + b - 2.0 * c
    if min(n, m) < 3:
        return float(distance), float("inf")
    # What the estimate becomes without row i: exact, from the sums.
    without_first = (total_first - 2 * within_first) / ((n - 1) * (n - 2)) + b
    without_first -= 2 * (total_across - across_first) / ((n - 1) * m)
    without_second = a + (total_second - 2 * within_second) / ((m - 1) * (m - 2))
    without_second -= 2 * (total_across - across_second) / (n * (m - 1))
    variance = (n - 1) * np.var(without_first) + (m - 1) * np.var(without_second)
    return float(distance), float(np.sqrt(variance))


def _row_sums(values: Array) -> Array:
    """Row sums of a set's own Gram matrix without the diagonal."""
    sums = np.empty(len(values))
    for rows, gram in _blocks(values, values):
        sums[rows] = gram.sum(axis=1) - np.einsum("rr->r", gram[:, rows])
    return sums


def _total_within(values: Array) -> float:
    """Sum of a set's own Gram matrix without the diagonal, from the blocks above it."""
    total = 0.0
    for start in range(0, len(values), _BLOCK):
        rows = values[start : start + _BLOCK]
        for _, gram in _blocks(rows, rows):
            total += float(gram.sum()) - float(np.trace(gram))
        total += 2.0 * sum(float(gram.sum()) for _, gram in _blocks(rows, values[start + _BLOCK :]))
    return total
