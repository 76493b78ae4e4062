"""How a score responds to the searched parameters: a smooth curve through single runs, and how uncertain it is.

A Gaussian process with noise (Rasmussen & Williams 2006, chapter 2) over the parameters as fractions of their ranges, of
the normal scores of the runs' ranks (Blom 1958): one run that is far off moves it little, and a logarithm of the score gives
the same curve. Level and scale are integrated out (chapter 2.7, flat priors), the ratio of noise to signal is averaged over a
grid by its restricted likelihood, and the length of the kernel is fixed: a likelihood of so few runs often prefers curves so
smooth that they lead to an end of the range (results/choice). Nothing is drawn at random and nothing is optimised, so that
equal runs give an equal curve.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.spatial.distance import cdist
from scipy.special import ndtri
from scipy.stats import rankdata

Array = NDArray[np.float64]

LENGTH = 0.25  # of the kernel, as a fraction of a parameter's range
NOISES = (0.03, 0.1, 0.3, 1.0, 3.0)  # variances of the noise, in units of the curve's
LEAST = 3  # runs that finished: fewer have a level and a scale, and nothing left to say how they bend


class Limits(Protocol):
    """The range of a searched parameter."""

    @property
    def low(self) -> float: ...
    @property
    def high(self) -> float: ...
    @property
    def log(self) -> bool: ...


class NoCurve(ValueError):
    """The runs carry no curve; the message says why."""


@dataclass(frozen=True)
class Process:
    """A Gaussian process through n values, for each of r ratios of noise; `at` averages over these.

    `basis`, (n, n): eigenvectors of the kernel between the `positions`, (n, parameters). In that basis `precisions` is the
    inverse of kernel and noise, (r, n), `ones` the constant, (n,), `residuals` the values less the level, (r, n). `levels`,
    `variances`, `weights`: (r,).
    """

    ranges: Mapping[str, Limits]
    length: float
    positions: Array
    basis: Array
    precisions: Array
    ones: Array
    residuals: Array
    levels: Array
    variances: Array
    weights: Array

    def at(self, params: Sequence[Mapping[str, float]]) -> tuple[Array, Array]:
        """Mean and standard deviation of the curve at each point, (points,), in units of the values."""
        kernel = _kernel(positions(params, self.ranges), self.positions, self.length) @ self.basis
        means = self.levels + kernel @ (self.precisions * self.residuals).T
        # The last term is what not knowing the level adds.
        known = (kernel**2) @ self.precisions.T
        level = (1 - kernel @ (self.precisions * self.ones).T) ** 2 / (self.precisions * self.ones**2).sum(axis=1)
        variances = self.variances * np.maximum(1 - known + level, 0.0)
        mean = means @ self.weights
        return mean, np.sqrt((variances + (means - mean[:, None]) ** 2) @ self.weights)

    def sure(self, params: Sequence[Mapping[str, float]]) -> Array:
        """Mean plus one standard deviation at each point, (points,): the lowest is low for sure, and not by luck.

        What Huang et al. (2006) call the effective best of noisy runs. Rounded, so that the last bits of linear algebra
        choose nothing.
        """
        mean, deviation = self.at(params)
        return np.round(mean + deviation, 9)


@dataclass(frozen=True)
class Curve:
    """A process through the normal scores of runs, and the runs that finished by their normal scores, best first."""

    process: Process
    normal: Array
    scores: Array

    def sure(self, params: Sequence[Mapping[str, float]]) -> Array:
        """As `Process.sure`, in normal scores: what a configuration is chosen by."""
        return self.process.sure(params)

    def band(self, params: Sequence[Mapping[str, float]]) -> tuple[Array, Array, Array]:
        """The curve at each point, one standard deviation below and one above it, each (points,), in units of the score.

        The score of a normal score lies between those of the runs on either side; beyond all runs it is the last one's.
        """
        mean, deviation = self.process.at(params)
        below, middle, above = (
            np.interp(each, self.normal, self.scores) for each in (mean - deviation, mean, mean + deviation)
        )
        return middle, below, above


def position(values: ArrayLike, low: float, high: float, *, log: bool) -> Array:
    """Where values lie in a range, from 0 at `low` to 1 at `high`, by their logarithms where it is a logarithmic one.

    >>> position([1e-4, 1e-3, 1e-2], 1e-4, 1e-2, log=True).round(12).tolist()
    [0.0, 0.5, 1.0]
    """
    places = np.asarray(values, dtype=np.float64)
    if log:
        places, low, high = np.log(places), math.log(low), math.log(high)
    return (places - low) / (high - low)


def positions(params: Sequence[Mapping[str, float]], ranges: Mapping[str, Limits]) -> Array:
    """The searched parameters as fractions of their ranges, of logarithms where the range is; (points, parameters)."""
    columns = [
        position([each[name] for each in params], limits.low, limits.high, log=limits.log)
        for name, limits in ranges.items()
    ]
    return np.stack(columns, axis=1) if columns else np.zeros((len(params), 0))


def fit(params: Sequence[Mapping[str, float]], ranges: Mapping[str, Limits], scores: Sequence[float | None]) -> Curve:
    """The curve of single runs with these parameters; a score is None or infinite if the run did not finish.

    Runs that did not finish share the worst rank, so that the curve turns up where runs diverge. Raises NoCurve if fewer than
    `LEAST` runs finished, all scores are equal, or all runs have the same parameters.
    """
    values = np.array([math.inf if each is None else each for each in scores], dtype=np.float64)
    finished = np.isfinite(values)
    if finished.sum() < LEAST:
        raise NoCurve(f"{finished.sum()} of {len(values)} search runs finished, and a curve needs {LEAST}")
    normal = normal_scores(values)
    if np.ptp(normal) == 0:
        raise NoCurve("all search runs have the same score")
    if not np.ptp(positions(params, ranges), axis=0).any():
        raise NoCurve("all search runs have the same parameters")
    order = np.flatnonzero(finished)[np.argsort(values[finished], kind="stable")]
    return Curve(through(params, ranges, normal), normal[order], values[order])


def normal_scores(values: Array) -> Array:
    """Where values of these ranks are expected in a standard normal sample (Blom 1958); equal ones share their mean rank."""
    return np.asarray(ndtri((rankdata(values) - 0.375) / (len(values) + 0.25)), dtype=np.float64)


def through(
    params: Sequence[Mapping[str, float]], ranges: Mapping[str, Limits], values: Array, *, length: float = LENGTH
) -> Process:
    """The process through finite values that are not all equal; `length` of the kernel in fractions of a range."""
    places = positions(params, ranges)
    # One decomposition of the kernel serves all ratios of noise: K + v I has the same vectors.
    spectrum, basis = np.linalg.eigh(_kernel(places, places, length))
    precisions = 1 / (np.maximum(spectrum, 0.0) + np.array(NOISES)[:, None])
    ones, rotated = basis.sum(axis=0), values @ basis
    norms = (precisions * ones**2).sum(axis=1)
    levels = (precisions * ones * rotated).sum(axis=1) / norms
    residuals = rotated - levels[:, None] * ones
    squares = (precisions * residuals**2).sum(axis=1)
    freedom = len(values) - 1
    likelihood = (np.log(precisions).sum(axis=1) - np.log(norms) - freedom * np.log(squares)) / 2
    weights = np.exp(likelihood - likelihood.max())
    return Process(
        ranges=ranges,
        length=length,
        positions=places,
        basis=basis,
        precisions=precisions,
        ones=ones,
        residuals=residuals,
        levels=levels,
        variances=squares / freedom,
        weights=weights / weights.sum(),
    )


def _kernel(a: Array, b: Array, length: float) -> Array:
    """Correlation of the curve at two sets of positions: squared exponential."""
    return np.asarray(np.exp(-0.5 * cdist(a, b, "sqeuclidean") / length**2), dtype=np.float64)
