"""Where the spread of a score comes from: standard deviations by source with exact intervals, and how they add up.

Scores of one source are of runs that differ in the seeds of that source alone. Intervals take scores as normal within a
source: of a standard deviation by the chi-square law, of a ratio of two by F. For a sum of variances there is no exact one;
the modified large-sample interval (Graybill & Wang 1980) is used, and for its ratio to another variance the method of
variance estimates recovery on logarithms (Zou & Donner 2008).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Self

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from scipy import stats

TOGETHER = "together"  # the confirmation runs: every seed of training changed at once
EVALUATION = "evaluation"  # one network, other latents
COLUMNS = ["schedule", "source", "n", "lost", "mean", "sd", "low", "high", "cv", "share"]


@dataclass(frozen=True)
class Spread:
    """The standard deviation of n values, with its 1 - alpha interval; NaN of fewer than two."""

    n: int
    mean: float
    sd: float
    low: float
    high: float

    @classmethod
    def of(cls, values: ArrayLike, alpha: float = 0.05) -> Self:
        """Of the finite values.

        >>> Spread.of([1.0, 2.0, 3.0]).sd
        1.0
        """
        known = np.asarray(values, dtype=np.float64)
        known = known[np.isfinite(known)]
        if len(known) < 2:
            return cls(len(known), float(known.mean()) if len(known) else math.nan, math.nan, math.nan, math.nan)
        sd = float(known.std(ddof=1))
        low, high = _factors(len(known) - 1, alpha)
        return cls(len(known), float(known.mean()), sd, sd * low, sd * high)


@lru_cache(maxsize=256)
def _factors(freedom: int, alpha: float) -> tuple[float, float]:
    """The ends of a standard deviation's interval, as multiples of it."""
    low, high = (math.sqrt(freedom / stats.chi2.ppf(end, freedom)) for end in (1 - alpha / 2, alpha / 2))
    return low, high


def by_source(runs: pd.DataFrame, *, score: str, alpha: float = 0.05) -> pd.DataFrame:
    """One row per schedule and source: values, mean, standard deviation with interval, CV, and share of the variance together.

    `runs` has a row per value: `schedule`, `source`, `status` and the score. Runs that did not finish are `lost`: the spread is
    that of the others.
    """
    rows = []
    for (schedule, source), group in runs.groupby(["schedule", "source"], sort=False):
        done = group["status"] == "finished"
        spread = Spread.of(group.loc[done, score], alpha)
        lost, cv = int((~done).sum()), spread.sd / abs(spread.mean) if spread.mean else math.nan
        rows.append([schedule, source, spread.n, lost, spread.mean, spread.sd, spread.low, spread.high, cv])
    table = pd.DataFrame(rows, columns=COLUMNS[:-1])
    whole = table[table["source"] == TOGETHER].set_index("schedule")["sd"]
    table["share"] = (table["sd"] / table["schedule"].map(whole)) ** 2
    return table


def ratio(first: Spread, second: Spread, alpha: float = 0.05) -> tuple[float, float, float]:
    """Ratio of two independent standard deviations, with its interval by F; NaN where one is not known or the second is 0."""
    if not (first.sd >= 0 and second.sd > 0):
        return math.nan, math.nan, math.nan
    found = first.sd / second.sd
    low, high = _f_quantiles(first.n - 1, second.n - 1, alpha)
    return found, found / math.sqrt(high), found / math.sqrt(low)


@lru_cache(maxsize=256)
def _f_quantiles(first: int, second: int, alpha: float) -> tuple[float, float]:
    low, high = (float(stats.f.ppf(end, first, second)) for end in (alpha / 2, 1 - alpha / 2))
    return low, high


def summed(spreads: Sequence[Spread]) -> tuple[float, float, float]:
    """Sum of independent variances, with its modified large-sample interval at the level of theirs."""
    variances = np.array([each.sd**2 for each in spreads])
    below = np.array([each.low**2 for each in spreads]) - variances
    above = np.array([each.high**2 for each in spreads]) - variances
    total = float(variances.sum())
    return total, total - math.sqrt(float(np.square(below).sum())), total + math.sqrt(float(np.square(above).sum()))


def added_up(spreads: Sequence[Spread], together: Spread) -> tuple[float, float, float]:
    """The sum of the sources' variances over that of all seeds changed together, with its interval.

    1: they add up, as independent errors do. Above: a source alone does more than its part, since what one seed changes
    depends on the others (interaction); as many as there are sources where any change of seeds is as good as all of them.
    """
    if not spreads or not (together.sd > 0 and all(each.sd > 0 for each in spreads)):
        return math.nan, math.nan, math.nan
    total, least, most = summed(spreads)
    found = total / together.sd**2
    below = math.hypot(math.log(total / least), 2 * math.log(together.high / together.sd))
    above = math.hypot(math.log(most / total), 2 * math.log(together.sd / together.low))
    return found, found * math.exp(-below), found * math.exp(above)


def combined(runs: pd.DataFrame, *, score: str, training: Sequence[str], alpha: float = 0.05) -> pd.DataFrame:
    """One row per schedule: training's spread over evaluation's, and the sum of training's sources over all together.

    `runs` as in `by_source`; `training` are the sources that add up to all of training. NaN where one is missing.
    """
    rows = []
    for schedule, group in runs.groupby("schedule", sort=False):
        of: Mapping[str, Spread] = {
            str(source): Spread.of(part.loc[part["status"] == "finished", score], alpha)
            for source, part in group.groupby("source", sort=False)
        }
        nothing = Spread.of([])
        together = of.get(TOGETHER, nothing)
        parts = [of.get(source, nothing) for source in training]
        numbers = (
            *ratio(together, of.get(EVALUATION, nothing), alpha),
            math.sqrt(sum(each.sd**2 for each in parts)),
            together.sd,
            *added_up(parts, together),
        )
        rows.append([schedule, *numbers])
    columns = ["schedule", "ratio", "ratio_low", "ratio_high", "alone", "together", "sum", "sum_low", "sum_high"]
    return pd.DataFrame(rows, columns=columns)
