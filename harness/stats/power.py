"""What a plan of looks can find, and how many replicates it takes, before the first run.

Gaussian differences of one schedule among several, judged at the first level of Holm, alpha / comparisons, with the spending
of `harness.stats.sequential`. The sign-flip test is taken for the t test, which it follows but for what few pairs cannot
reach (2 / 2**n): within 2 points of power from 10 replicates on. Monte Carlo from a fixed seed: the same numbers each time,
with a standard error of 0.3 points of power.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from harness.stats.paired import smallest_p
from harness.stats.sequential import spent

Array = NDArray[np.float64]
_STUDIES = 20_000  # with a difference
_NULL = 100_000  # without, for the boundaries
_LARGEST = 64.0  # standard deviations: an effect that is larger is not asked for


def deciding(looks: Sequence[int], comparisons: int, alpha: float) -> tuple[int, ...]:
    """The looks at which a first schedule can be called better or worse: the others have too few sign patterns.

    >>> deciding((8, 12, 16, 20), comparisons=2, alpha=0.05)
    (12, 16, 20)
    """
    return tuple(n for n in looks if smallest_p(n) <= alpha / comparisons * spent(n, looks[-1]))


def detectable(looks: Sequence[int], comparisons: int, alpha: float, power: float = 0.8) -> float:
    """The effect, in standard deviations of a replicate's difference, that is decided in `power` of studies.

    Infinite where the looks are of too few replicates to decide anything.

    >>> round(detectable((20,), comparisons=1, alpha=0.05), 1)
    0.7
    """
    if not deciding(looks, comparisons, alpha):
        return math.inf
    low, high = 0.0, 1.0
    while _decided(tuple(looks), comparisons, alpha, high, 0.0)[0] < power:
        if high >= _LARGEST:
            return math.inf
        low, high = high, 2 * high
    for _ in range(12):
        middle = (low + high) / 2
        found = _decided(tuple(looks), comparisons, alpha, middle, 0.0)[0]
        low, high = (middle, high) if found < power else (low, middle)
    return (low + high) / 2


def expected_replicates(
    looks: Sequence[int], comparisons: int, alpha: float, effect: float, rope: float = 0.0
) -> float:
    """The mean number of replicates until a schedule is decided, or the looks end.

    `effect` and `rope` are in standard deviations of a replicate's difference.

    >>> expected_replicates((10,), comparisons=2, alpha=0.05, effect=0.5)
    10.0
    """
    return _decided(tuple(looks), comparisons, alpha, effect, rope)[1]


def _decided(looks: tuple[int, ...], comparisons: int, alpha: float, effect: float, rope: float) -> tuple[float, float]:
    """The share of studies that find a difference, and the mean number of replicates with equivalence as well."""
    level = alpha / comparisons
    means, errors = _moments(looks, _STUDIES, 1)
    different = np.abs(means + effect) / errors > _boundaries(looks, level, two_sided=True)
    within = np.zeros_like(different)
    if rope > 0:
        # Both one-sided tests, each of which keeps what it has rejected, have rejected.
        boundary = _boundaries(looks, level, two_sided=False)
        above = np.logical_or.accumulate((rope + means + effect) / errors > boundary, axis=1)
        below = np.logical_or.accumulate((rope - means - effect) / errors > boundary, axis=1)
        within = above & below
    ended = different | within
    ended[:, -1] = True
    return float(different.any(axis=1).mean()), float(np.array(looks)[ended.argmax(axis=1)].mean())


@functools.lru_cache(maxsize=16)
def _moments(looks: tuple[int, ...], studies: int, seed: int) -> tuple[Array, Array]:
    """Mean and standard error of the first n of standard Gaussian differences, each of shape (studies, looks)."""
    rng = np.random.default_rng((20_260_101, seed))
    n = np.array(looks, dtype=np.float64)
    steps = np.diff(n, prepend=0.0)
    sums = rng.normal(size=(studies, len(looks))) * np.sqrt(steps)
    # The squares of b values are the square of their sum over b and, independently, chi-squared with b - 1 degrees.
    around = np.zeros_like(sums)
    around[:, steps > 1] = rng.chisquare(steps[steps > 1] - 1, size=(studies, int((steps > 1).sum())))
    total, squares = np.cumsum(sums, axis=1), np.cumsum(around + sums**2 / steps, axis=1)
    spread = np.maximum(squares - total**2 / n, np.finfo(float).tiny)
    return total / n, np.sqrt(spread / np.maximum(n - 1, 1) / n)


@functools.lru_cache(maxsize=64)
def _boundaries(looks: tuple[int, ...], level: float, *, two_sided: bool) -> Array:
    """The t statistic above which each look decides, from studies without a difference; infinite where none can."""
    means, errors = _moments(looks, _NULL, 0)
    statistics = np.abs(means / errors) if two_sided else means / errors
    alive = np.ones(_NULL, dtype=bool)
    found = np.full(len(looks), np.inf)
    for place, n in enumerate(looks):
        share = level * spent(n, looks[-1])
        budget = math.floor(_NULL * share) - int((~alive).sum())
        if budget > 0 and smallest_p(n) / (1 if two_sided else 2) <= share:
            found[place] = np.partition(statistics[alive, place], -budget - 1)[-budget - 1]
            alive &= statistics[:, place] <= found[place]
    return found
