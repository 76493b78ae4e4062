"""The relative similarity test: is one sample nearer to a reference than another, by the kernel distance?

Bounliphone et al., "A test of relative similarity for model selection in generative models" (ICLR 2016), with the kernel of
KID, k(x, y) = (x·y/d + 1)³, as MMD-GAN uses it (Bińkowski et al., ICLR 2018).
"""

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from harness.schedules.schedule import FloatArray


@dataclass(frozen=True)
class Sums:
    """All that the test needs of a sample of m features beside the m of the reference: sums of k without its diagonal.

    `own` and `with_reference` are sums by row of the sample, within it and over the reference; `of_reference` those by row of
    the reference; `own_squares` and `cross_squares` are sums of k² over all pairs.
    """

    own: FloatArray  # (m,)
    with_reference: FloatArray  # (m,)
    of_reference: FloatArray  # (m,)
    own_squares: float
    cross_squares: float

    @classmethod
    def of(cls, sample: npt.NDArray[np.floating], reference: npt.NDArray[np.floating]) -> "Sums":
        """Of features (m, d) of both; raises ValueError unless they are equally many, at least 3."""
        if sample.shape != reference.shape or len(sample) < 3:
            raise ValueError(f"features are {sample.shape} and {reference.shape}, but must be as many, at least 3")
        first, second = np.asarray(sample, np.float64), np.asarray(reference, np.float64)
        own = _kernel(first, first)
        np.fill_diagonal(own, 0.0)
        cross = _kernel(first, second)
        return cls(
            own.sum(axis=1), cross.sum(axis=1), cross.sum(axis=0), float((own**2).sum()), float((cross**2).sum())
        )


def _kernel(left: FloatArray, right: FloatArray) -> FloatArray:
    values: FloatArray = (left @ right.T / left.shape[1] + 1.0) ** 3
    return values


def difference(first: Sums, second: Sums) -> tuple[float, float]:
    """The first sample's kernel distance to the reference minus the second's, and the variance of that, both unbiased.

    The variance is that of the two dependent U-statistics, with terms of second order: the unbiased estimator of
    Sutherland et al. (ICLR 2017), which MMD-GAN's code takes. It may be negative, as unbiased estimates of small ones are.
    """
    m = len(first.own)
    means = [_means(sums) for sums in (first, second)]
    shared = float(first.of_reference @ second.of_reference) / m**3 - means[0].cross * means[1].cross
    linear = sum(each.linear for each in means) - 2.0 * shared
    squares = sum(each.squares for each in means) - 4.0 * shared
    variance = 4.0 * (m - 2) / (m * (m - 1)) * linear + 2.0 / (m * (m - 1)) * squares
    return means[0].own - 2.0 * means[0].cross - means[1].own + 2.0 * means[1].cross, variance


@dataclass(frozen=True)
class _Means:
    """Mean k within a sample and across, and its part in the terms of first and of second order of the variance."""

    own: float
    cross: float
    linear: float
    squares: float


def _means(sums: Sums) -> _Means:
    m = len(sums.own)
    own, cross = float(sums.own.sum()) / (m * (m - 1)), float(sums.with_reference.sum()) / m**2
    # Covariances of k at two pairs that share one point, from sums over pairs of different others.
    within = (float(sums.own @ sums.own) - sums.own_squares) / (m * (m - 1) * (m - 2)) - own**2
    by_reference, by_sample = (
        (float(each @ each) - sums.cross_squares) / (m**2 * (m - 1)) - cross**2
        for each in (sums.of_reference, sums.with_reference)
    )
    mixed = float(sums.own @ sums.with_reference) / (m**2 * (m - 1)) - own * cross
    linear = within + by_reference + by_sample - 2.0 * mixed
    squares = sums.own_squares / (m * (m - 1)) - own**2 + 2.0 * (sums.cross_squares / m**2 - cross**2) - 4.0 * mixed
    return _Means(own, cross, linear, squares)


def p_value(first: Sums, second: Sums) -> float:
    """The p-value of "the first sample is no nearer to the reference than the second": small where it is nearer.

    Where the variance's estimate is not above 0, it is 0, ½ or 1 by the sign of the difference.
    """
    distance, variance = difference(first, second)
    if variance <= 0:
        return 0.5 + 0.5 * float(np.sign(distance))
    return 0.5 * math.erfc(-distance / math.sqrt(2.0 * variance))
