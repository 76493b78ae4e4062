"""Kernel distance (KID's number; Bińkowski et al. 2018): squared MMD with k(x, y) = (x·y/d + 1)³, float64.

`mean` and `std` are torch-fidelity's numbers, drawn from the same seed, through Gram matrices that are computed once
instead of once per subset. `full` uses all pairs: the minimum-variance unbiased estimate, with a standard error, which
the spread over overlapping subsets is not.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from harness.metrics.frechet import Array, checked

_STRIP = 1024  # rows of a Gram matrix whose products are taken at a time
_ROWS = 512  # rows whose products of pairs are held at a time
_TILE = 256  # columns whose powers are taken at a time; divides _STRIP


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
    features first to follow its `input1`, `input2`. Inner products of float32 features are taken in float32, as there
    (their rounding is unbiased and averages out over pairs); everything after is float64.
    """
    first, second = _matrix(real), _matrix(generated)
    for name, values in (("real", first), ("generated", second)):
        if subset_size > len(values):
            raise ValueError(f"subset_size is {subset_size}, but there are only {len(values)} {name} features")
    if subset_size < 2:
        raise ValueError(f"subset_size is {subset_size}, but at least 2 are needed")
    chosen_first, chosen_second = _subsets(len(first), len(second), subsets=subsets, size=subset_size, seed=seed)
    sums = _Sums.of(first, second, chosen_first, chosen_second)
    within = (sums.chosen_first + sums.chosen_second) / (subset_size * (subset_size - 1))
    distances = within - 2.0 * sums.chosen_across / subset_size**2
    full, stderr = sums.unbiased()
    return KernelDistance(float(distances.mean()), float(distances.std()), full, stderr)


def full_distance(first: NDArray[np.floating], second: NDArray[np.floating]) -> tuple[float, float]:
    """The all-pairs unbiased estimate, and its standard error, in memory bounded by a block of rows.

    The standard error is the jackknife's over rows of both sets, which for this statistic needs the row sums of the
    Gram matrices only. One row in a set has no pair within: raises ValueError.
    """
    first, second = _matrix(first), _matrix(second)
    if min(len(first), len(second)) < 2:
        raise ValueError(f"there are {len(first)} and {len(second)} features, but each set needs at least 2")
    return _Sums.of(first, second, np.zeros((len(first), 0)), np.zeros((len(second), 0))).unbiased()


def _matrix(features: NDArray[np.floating]) -> NDArray[np.floating]:
    """Checked features, float32 where they were, else float64."""
    values = checked(features)
    return features if features.dtype == np.float32 else values


def _subsets(n: int, m: int, *, subsets: int, size: int, seed: int) -> tuple[Array, Array]:
    """Which rows each subset takes: ones in (n, subsets) and (m, subsets)."""
    rng = np.random.RandomState(seed)
    chosen_first, chosen_second = np.zeros((n, subsets)), np.zeros((m, subsets))
    for subset in range(subsets):
        chosen_first[rng.choice(n, size, replace=False), subset] = 1.0
        chosen_second[rng.choice(m, size, replace=False), subset] = 1.0
    return chosen_first, chosen_second


@dataclass(frozen=True)
class _Sums:
    """Sums of k from one pass over each Gram matrix: by row, and over the pairs that each subset chose.

    Within a set the diagonal is left out.
    """

    within_first: Array  # (n,)
    within_second: Array  # (m,)
    across_first: Array  # (n,)
    across_second: Array  # (m,)
    chosen_first: Array  # (subsets,)
    chosen_second: Array
    chosen_across: Array

    @classmethod
    def of(
        cls, first: NDArray[np.floating], second: NDArray[np.floating], chosen_first: Array, chosen_second: Array
    ) -> _Sums:
        within_first, own_first = _within(first, chosen_first)
        within_second, own_second = _within(second, chosen_second)
        across_first, across_second = np.zeros(len(first)), np.zeros(len(second))
        total = np.zeros(chosen_first.shape[1])
        for rows, columns, gram in _tiles(first, second):
            across_first[rows] += gram.sum(axis=1)
            across_second[columns] += gram.sum(axis=0)
            total += np.einsum("rs,rs->s", chosen_first[rows], gram @ chosen_second[columns])
        return cls(within_first, within_second, across_first, across_second, own_first, own_second, total)

    def unbiased(self) -> tuple[float, float]:
        """The all-pairs estimate and its jackknife standard error (infinite for two rows)."""
        n, m = len(self.within_first), len(self.within_second)
        total_first, total_second = self.within_first.sum(), self.within_second.sum()
        total_across = self.across_first.sum()
        a, b, c = total_first / (n * (n - 1)), total_second / (m * (m - 1)), total_across / (n * m)
        distance = a + b - 2.0 * c
        if min(n, m) < 3:
            return float(distance), float("inf")
        variance = _jackknifed(self.within_first, self.across_first, m)
        variance += _jackknifed(self.within_second, self.across_second, n)
        return float(distance), float(np.sqrt(variance))


def _jackknifed(within: Array, across: Array, others: int) -> float:
    """The jackknife's variance of the estimate over the rows of one set, from each row's sums of k.

    `within` are those with the set's other rows, `across` those with the `others` rows of the other set.
    """
    n = len(within)
    # What the estimate becomes without row i, but for what no row of this set has a part in: exact, from the sums.
    without = (within.sum() - 2 * within) / ((n - 1) * (n - 2)) - 2 * (across.sum() - across) / ((n - 1) * others)
    return float((n - 1) * np.var(without))


def _within(values: NDArray[np.floating], chosen: Array) -> tuple[Array, Array]:
    """Sums of a set's own Gram matrix without the diagonal, by row and by subset, from the tiles above the diagonal."""
    sums, total = np.zeros(len(values)), np.zeros(chosen.shape[1])
    for rows, columns, gram in _tiles(values, values, upper=True):
        sums[rows] += gram.sum(axis=1)
        weight = 1.0
        if columns.start < rows.stop:  # in the square on the diagonal, which holds each pair twice
            inside = np.arange(columns.start, columns.stop)
            own = gram[inside - rows.start, inside - columns.start]
            sums[columns] -= own
            total -= own @ np.square(chosen[columns])
        else:
            sums[columns] += gram.sum(axis=0)
            weight = 2.0
        total += weight * np.einsum("rs,rs->s", chosen[rows], gram @ chosen[columns])
    return sums, total


def _tiles(
    left: NDArray[np.floating], right: NDArray[np.floating], *, upper: bool = False
) -> Iterator[tuple[slice, slice, Array]]:
    """Tiles of the Gram matrix with their rows and columns; with `upper`, those whose columns begin at or after the rows.

    Products are taken a strip of rows at a time, which suits the processor; powers a tile at a time, which suits its cache.
    """
    scale = 1.0 / left.shape[1]
    for top in range(0, len(left), _STRIP):
        rows = slice(top, min(top + _STRIP, len(left)))
        begin = top if upper else 0
        products = left[rows] @ right[begin:].T
        for start in range(begin, len(right), _TILE):
            columns = slice(start, min(start + _TILE, len(right)))
            gram = np.multiply(products[:, start - begin : columns.stop - begin], scale, dtype=np.float64)
            gram += 1.0
            cube = gram * gram
            cube *= gram
            yield rows, columns, cube


def _products(values: Array) -> Iterator[tuple[slice, Array, Array]]:
    """Some rows at a time: which, their values (d, rows), and the products of their pairs of values (d(d + 1)/2, rows)."""
    count, dimensions = values.shape
    ends = np.cumsum(np.arange(dimensions, 0, -1))
    for top in range(0, count, _ROWS):
        rows = np.ascontiguousarray(values[top : top + _ROWS].T)
        products = np.empty((ends[-1], rows.shape[1]))
        for first, end in enumerate(ends):
            np.multiply(rows[first], rows[first:], out=products[end - dimensions + first : end])
        yield slice(top, top + _ROWS), rows, products


@dataclass(frozen=True)
class _Powers:
    """Sums over rows x of x, of the products of its pairs of values, and of its triples: all that sums of k need.

    Σ (x·y/d + 1)³ over pairs of rows is a polynomial in the inner products of these sums for both sets, by the binomial
    theorem and (x·y)³ = <x⊗x⊗x, y⊗y⊗y>. That takes about n·d³ multiplications for a set, however large the other is.
    """

    count: int
    singles: Array  # (d,)
    pairs: Array  # (d(d + 1)/2,), a pair of different values once
    triples: Array  # (d(d + 1)/2, d)
    own: float  # sum of k(x, x)

    @classmethod
    def of(cls, values: Array) -> _Powers:
        count, dimensions = values.shape
        size = dimensions * (dimensions + 1) // 2
        pairs, triples = np.zeros(size), np.zeros((size, dimensions))
        for _, rows, products in _products(values):
            pairs += products.sum(axis=1)
            triples += products @ rows.T
        own = np.square(values).sum(axis=1) / dimensions + 1.0
        return cls(count, values.sum(axis=0), pairs, triples, float((own**3).sum()))

    @property
    def _twice(self) -> Array:
        """2 for pairs that stand for both orders, 1 for a value with itself."""
        dimensions = len(self.singles)
        twice = np.full(len(self.pairs), 2.0)
        twice[np.cumsum(np.arange(dimensions, 0, -1)) - np.arange(dimensions, 0, -1)] = 1.0
        return twice

    def sum_with(self, other: _Powers) -> float:
        """Sum of k over all pairs of a row of this set and a row of the other."""
        dimensions, twice = len(self.singles), self._twice
        return float(
            self.count * other.count
            + 3.0 * (self.singles @ other.singles) / dimensions
            + 3.0 * (twice * self.pairs @ other.pairs) / dimensions**2
            + twice @ np.einsum("pd,pd->p", self.triples, other.triples) / dimensions**3
        )

    def within(self) -> float:
        """Sum of k over all ordered pairs of different rows."""
        return self.sum_with(self) - self.own


def _rows_with(values: Array, sets: Sequence[_Powers]) -> list[Array]:
    """Sum of k of each row of `values` with all rows of each set, (n,) each; the products of pairs are made once for all."""
    dimensions = values.shape[1]
    found = []
    for each in sets:
        twice = each._twice
        triples = np.ascontiguousarray((twice[:, None] * each.triples).T) / dimensions**3
        sums = np.asarray(each.count + 3.0 * (values @ each.singles) / dimensions)
        found.append((sums, twice * each.pairs, triples))
    for place, rows, products in _products(values):
        for sums, pairs, triples in found:
            sums[place] += 3.0 * (pairs @ products) / dimensions**2
            sums[place] += np.einsum("dr,dr->r", rows, triples @ products)
    return [sums for sums, _, _ in found]


@dataclass(frozen=True)
class Reference:
    """Features (n, d) of a set of images, real or generated, with what sums of k over them need, computed once."""

    features: Array

    @classmethod
    def of(cls, features: NDArray[np.floating]) -> Reference:
        """Raises ValueError unless there are at least 2 features."""
        values = checked(features)
        if len(values) < 2:
            raise ValueError(f"there are {len(values)} features, but each set needs at least 2")
        return cls(values)

    @cached_property
    def powers(self) -> _Powers:
        """Sums of powers of the features."""
        return _Powers.of(self.features)

    @cached_property
    def within(self) -> float:
        """Sum of k over all ordered pairs of different features, from their Gram matrix."""
        return _total_within(self.features)


def _by_powers(values: Array, reference: Reference) -> bool:
    """Whether sums of powers are less work than Gram matrices."""
    return bool(values.shape[1] ** 2 < len(values) + 2 * len(reference.features))


def distance_to(generated: NDArray[np.floating] | Reference, reference: Reference) -> float:
    """The all-pairs unbiased estimate against a reference, without its standard error, in float64.

    `generated` are features (n, d), or they with what was computed of them. Few dimensions go through sums of powers, many through Gram matrices: the same number, whichever is less work.
    """
    sample = generated if isinstance(generated, Reference) else Reference.of(generated)
    values = sample.features
    n, m = len(values), len(reference.features)
    if _by_powers(values, reference):
        own, within, across = (
            sample.powers.within(),
            reference.powers.within(),
            sample.powers.sum_with(reference.powers),
        )
    else:
        own, within = sample.within, reference.within
        across = sum(float(gram.sum()) for _, _, gram in _tiles(values, reference.features))
    return own / (n * (n - 1)) + within / (m * (m - 1)) - 2.0 * across / (n * m)


def error_to(generated: NDArray[np.floating] | Reference, reference: Reference) -> float:
    """The standard error of `distance_to` for want of generated images: the jackknife's over their rows; infinite for two.

    The reference counts as given: all scores of a study are taken against the same.
    """
    sample = generated if isinstance(generated, Reference) else Reference.of(generated)
    values = sample.features
    if len(values) < 3:
        return float("inf")
    if _by_powers(values, reference):
        across, own = _rows_with(values, (reference.powers, sample.powers))
        within = own - (np.square(values).mean(axis=1) + 1.0) ** 3
    else:
        across = np.zeros(len(values))
        for rows, _, gram in _tiles(values, reference.features):
            across[rows] += gram.sum(axis=1)
        within, _ = _within(values, np.zeros((len(values), 0)))
    return float(np.sqrt(_jackknifed(within, across, len(reference.features))))


def _total_within(values: Array) -> float:
    """Sum of a set's own Gram matrix without the diagonal."""
    return float(_within(values, np.zeros((len(values), 0)))[0].sum())
