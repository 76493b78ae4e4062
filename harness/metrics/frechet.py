"""Fréchet distance between Gaussians of features (FID's number; Heusel et al. 2017), exact, real, never by `sqrtm`.

The trace of √(S₁S₂) is the sum of the singular values of B₁ᵀB₂ for any factors Sᵢ = BᵢBᵢᵀ: no square root of rounding
noise is taken, so identical sets give 0 and rank-deficient ones are exact, where `sqrtm` turns complex and the usual
1e-6·I on the diagonal flatters collapsed generators.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Self

import numpy as np
import scipy.linalg
from numpy.typing import NDArray

Array = NDArray[np.float64]
_ROWS = 4096  # rows taken at a time
_RANK = 1e-12  # eigenvalues below this share of the largest are rounding


def checked(features: NDArray[np.floating]) -> Array:
    """Features as float64 (n, d); raises ValueError if they are not a finite matrix with rows."""
    return np.asarray(_finite(features)[0], dtype=np.float64)


def _finite(features: NDArray[np.floating]) -> tuple[NDArray[np.floating], Array]:
    """The features as they are, and their mean, float64 (d,); raises as `checked`."""
    if features.ndim != 2:
        raise ValueError(f"features have {features.ndim} dimensions, but allowed is a matrix (n, d)")
    if len(features) == 0:
        raise ValueError("features have no rows, but at least 1 is needed")
    with np.errstate(invalid="ignore", over="ignore"):
        mean = features.mean(axis=0, dtype=np.float64)
    if not np.isfinite(mean).all():  # one look at d means instead of n x d values
        faults = int((~np.isfinite(features)).sum())
        raise ValueError(
            f"features have {faults} values that are not finite" if faults else "features overflow float64"
        )
    return features, mean


def _mirrored(lower: Array, *, block: int = 256) -> Array:
    """The symmetric matrix of a lower triangle, filled in place, block by block for the cache's sake."""
    for start in range(0, len(lower), block):
        rows = slice(start, start + block)
        lower[:start, rows] = lower[rows, :start].T
        lower[rows, rows] += np.tril(lower[rows, rows], -1).T
    return lower


@dataclass(frozen=True)
class Moments:
    """Mean (d,) and sum of squared deviations (d, d) of n features: merges exactly, whatever the batches."""

    n: int
    mean: Array
    scatter: Array

    @classmethod
    def of(cls, features: NDArray[np.floating]) -> Self:
        """Moments of features (n, d)."""
        values, mean = _finite(features)
        # One triangle, some rows at a time, in one buffer: half the arithmetic, little memory.
        upper = np.zeros((len(mean), len(mean)), order="F")
        buffer = np.empty((min(_ROWS, len(values)), len(mean)))
        for start in range(0, len(values), _ROWS):
            part = values[start : start + _ROWS]
            centred = np.subtract(part, mean, out=buffer[: len(part)])
            upper = scipy.linalg.blas.dsyrk(1.0, centred.T, beta=1.0, c=upper, lower=0, overwrite_c=1)
        return cls(len(values), mean, _mirrored(upper.T))

    @classmethod
    def over(cls, batches: Iterable[NDArray[np.floating]]) -> Self:
        """Moments of all rows of `batches`, in one pass."""
        total: Self | None = None
        for batch in batches:
            part = cls.of(batch)
            total = part if total is None else total.merge(part)
        if total is None:
            raise ValueError("features have no rows, but at least 1 is needed")
        return total

    def merge(self, other: Self) -> Self:
        """Moments of both sets together (Chan, Golub & LeVeque 1979)."""
        if self.mean.shape != other.mean.shape:
            raise ValueError(f"features have {len(self.mean)} and {len(other.mean)} dimensions, which must be equal")
        n = self.n + other.n
        gap = other.mean - self.mean
        mean = self.mean + gap * (other.n / n)
        return type(self)(n, mean, self.scatter + other.scatter + np.outer(gap, gap) * (self.n * other.n / n))

    @property
    def covariance(self) -> Array:
        """Covariance with divisor n - 1; zeros for a single point."""
        return self.scatter / max(self.n - 1, 1)

    @cached_property
    def factor(self) -> Array:
        """B (d, r) with B Bᵀ = covariance, r its numerical rank."""
        values, vectors = scipy.linalg.eigh(self.covariance)
        kept = values > _RANK * max(float(values[-1]), 0.0)
        return np.asarray(vectors[:, kept] * np.sqrt(values[kept]))

    @cached_property
    def spectrum(self) -> Array:
        """Eigenvalues (d,) of the covariance, ascending; rounding below 0 is 0."""
        return np.asarray(np.maximum(scipy.linalg.eigvalsh(self.covariance), 0.0))

    @property
    def effective_rank(self) -> float:
        """exp of the entropy of the eigenvalues' shares (Roy & Vetterli 2007): d where all are equal, 1 where one is all."""
        total = self.spectrum.sum()
        shares = self.spectrum[self.spectrum > 0] / total if total > 0 else np.ones(1)
        return float(np.exp(-(shares * np.log(shares)).sum()))

    @property
    def bias(self) -> float:
        """n times the Fréchet distance to be expected between n points of a Gaussian with this covariance and itself.

        Of second order in the errors of mean and covariance, so for n well above d: E|δμ|² = tr S / n; the squared Bures
        distance of S and S + E is ½ Σ |E_ij|² / (λ_i + λ_j), and E|E_ij|² = (1 + δ_ij) λ_i λ_j / n. Two samples of n and m
        points lie at this times 1/n + 1/m.
        """
        values = self.spectrum
        sums = values[:, None] + values
        products = np.outer(values, values) + np.diag(np.square(values))
        halves = np.divide(products, 2.0 * sums, out=np.zeros_like(sums), where=sums > 0)
        return float(values.sum() + halves.sum())

    @cached_property
    def triangle(self) -> Array | None:
        """Lower triangular L (d, d) in Fortran order with L Lᵀ = covariance; None where the covariance lacks rank."""
        try:
            return np.asfortranarray(scipy.linalg.cholesky(self.covariance, lower=True))
        except scipy.linalg.LinAlgError:
            return None


def frechet_distance(a: Moments, b: Moments) -> float:
    """|μ₁ - μ₂|² + tr S₁ + tr S₂ - 2 tr √(S₁S₂) (Dowson & Landau 1982)."""
    if a.mean.shape != b.mean.shape:
        raise ValueError(f"features have {len(a.mean)} and {len(b.mean)} dimensions, which must be equal")
    return _distance(a.mean - b.mean, float(np.trace(a.covariance)), b, _nuclear(a.factor.T @ b.factor))


def frechet_to(features: NDArray[np.floating], reference: Moments) -> float:
    """Distance of features (n, d) to `reference`, whose factor is computed once and kept.

    With no more rows than dimensions no covariance is made at all.
    """
    values = checked(features)
    n, dimensions = values.shape
    if n > dimensions:
        moments = Moments.of(values)
        # The eigenvalues of LᵀSL, S₂ = LLᵀ, are the squared singular values; for a well-conditioned S this is the faster way,
        # but roots of rounding noise would add up where S lacks rank, hence the factor then.
        eigenvalues = _product_eigenvalues(moments.covariance, reference.triangle)
        if eigenvalues.size and eigenvalues[0] > 1e-10 * eigenvalues[-1]:
            root = float(np.sqrt(eigenvalues).sum())
        else:
            root = _nuclear(moments.factor.T @ reference.factor)
        return _distance(moments.mean - reference.mean, float(np.trace(moments.covariance)), reference, root)
    mean = values.mean(axis=0)
    centred = (values - mean) / np.sqrt(max(n - 1, 1))
    root = _nuclear(centred @ reference.factor)
    return _distance(mean - reference.mean, float(np.square(centred).sum()), reference, root)


def frechet_between(first: NDArray[np.floating], second: NDArray[np.floating]) -> float:
    """Distance of features (n, d) and (m, d) through the n x m products of their rows: quick where d is far above both."""
    sides = []
    for features in (first, second):
        values = checked(features)
        mean = values.mean(axis=0)
        sides.append((mean, (values - mean) / np.sqrt(max(len(values) - 1, 1))))
    (mean, rows), (other_mean, other_rows) = sides
    gap = mean - other_mean
    traces = float(np.square(rows).sum()) + float(np.square(other_rows).sum())
    return float(gap @ gap) + traces - 2.0 * _nuclear(rows @ other_rows.T)


def _product_eigenvalues(covariance: Array, triangle: Array | None) -> Array:
    """Eigenvalues, ascending, of LᵀSL, which are those of S·LLᵀ; none without L."""
    if triangle is None:
        return np.empty(0)
    inner = scipy.linalg.blas.dtrmm(1.0, triangle, covariance.T, lower=1, side=0, trans_a=1)
    inner = scipy.linalg.blas.dtrmm(1.0, triangle, inner, lower=1, side=1, overwrite_b=1)
    return np.asarray(scipy.linalg.eigvalsh(inner, check_finite=False, overwrite_a=True))


def _distance(gap: Array, trace: float, reference: Moments, root: float) -> float:
    return float(gap @ gap) + trace + float(np.trace(reference.covariance)) - 2.0 * root


def _nuclear(product: Array) -> float:
    """Sum of singular values."""
    return float(scipy.linalg.svdvals(product).sum()) if product.size else 0.0


@dataclass(frozen=True)
class Extrapolated:
    """FID∞: the intercept of FID on 1/n, its standard error, and what it was fitted to."""

    value: float
    stderr: float
    sizes: tuple[int, ...]
    distances: tuple[float, ...]


def frechet_infinity(
    features: NDArray[np.floating], reference: Moments, *, rng: np.random.Generator, points: int = 15
) -> Extrapolated:
    """FID at infinitely many generated images (Chong & Forsyth 2020), by a line through FIDs at growing n.

    The law FID = a + b/n holds only well above the number of dimensions: raises ValueError unless there are at least
    four features per dimension, and fits from two per dimension on.
    """
    values = checked(features)
    n, dimensions = values.shape
    if n < 4 * dimensions:
        raise ValueError(f"FID infinity needs at least 4 x {dimensions} = {4 * dimensions} features, but there are {n}")
    sizes = np.unique(np.linspace(max(2 * dimensions, n // 4), n, points).astype(int))
    distances = np.array([frechet_to(values[rng.permutation(n)[:size]], reference) for size in sizes])
    design = np.stack([np.ones(len(sizes)), 1.0 / sizes], axis=1)
    solution, *_ = np.linalg.lstsq(design, distances, rcond=None)
    residual = distances - design @ solution
    variance = float(residual @ residual) / (len(sizes) - 2)
    stderr = float(np.sqrt(variance * np.linalg.inv(design.T @ design)[0, 0]))
    return Extrapolated(float(solution[0]), stderr, tuple(map(int, sizes)), tuple(map(float, distances)))


@dataclass(frozen=True)
class Jackknifed:
    """A distance with the standard error of its sampling noise (not of its bias)."""

    value: float
    stderr: float


def frechet_jackknife(features: NDArray[np.floating], reference: Moments, *, blocks: int = 20) -> Jackknifed:
    """Distance with its delete-a-block jackknife standard error (Efron & Stein 1981); rows in random order."""
    values = checked(features)
    if len(values) < 2 * blocks:
        raise ValueError(
            f"a jackknife over {blocks} blocks needs at least {2 * blocks} features, but there are {len(values)}"
        )
    parts = [Moments.of(part) for part in np.array_split(values, blocks)]
    left_out = []
    for block in range(blocks):
        rest = [part for other, part in enumerate(parts) if other != block]
        merged = rest[0]
        for part in rest[1:]:
            merged = merged.merge(part)
        left_out.append(frechet_distance(merged, reference))
    spread = np.var(left_out) * (blocks - 1)
    return Jackknifed(frechet_to(values, reference), float(np.sqrt(spread)))
