"""Schedules by averages of the weights: one surface, which pair of the two may be the best, and what replaces what."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from harness.stats import paired, replicates
from harness.stats.contrasts import by_schedule
from harness.stats.paired import Array

COLUMNS = [
    "schedule",
    "weights",
    "n",
    "finished",
    "mean",
    "low",
    "high",
    "effect",
    "interaction",
    "interaction_low",
    "interaction_high",
    "p_best",
    "may_be_best",
]
AVERAGING, DECAY, INSTEAD = "averaging", "decay", "decay instead of averaging"
REPLACEMENT = ["what", "schedule", "weights", "n", "difference", "low", "high"]


def surface(
    runs: pd.DataFrame,
    *,
    scores: Mapping[str, str],
    baseline: str = "constant",
    alpha: float = 0.05,
    scale: str = "absolute",
) -> pd.DataFrame:
    """One row per schedule and kind of weights; `scores` has the column of a score (smaller is better) by weights, raw first.

    All of it is over the repetitions in which no pair failed or is missing, `n` of them; empty for fewer than two. `mean`
    with its 1 - alpha t interval is of the `finished` ones. `effect`: mean difference to the baseline with the same weights.
    `interaction`: effect less the effect on the first weights, with its t interval. `p_best` and `may_be_best`: as
    `p_best`, at level alpha. Where `scale` is relative, means are geometric, and effects and interactions are ratios minus 1.
    """
    tables = {weights: by_schedule(runs, score, "lower", scale) for weights, score in scores.items()}
    joined = pd.concat(tables, axis="columns").dropna()  # columns (weights, schedule)
    if len(joined) < 2:
        return pd.DataFrame(columns=COLUMNS)
    p: dict[Any, float] = dict(zip(joined.columns, p_best(joined.to_numpy()), strict=True))
    first = next(iter(scores))
    rows = []
    for schedule in dict.fromkeys(runs["schedule"]):
        for weights in scores:
            values = joined[weights, schedule]
            done = values[np.isfinite(values)]
            row = [schedule, weights, len(values), len(done), done.mean(), *paired.t_interval(done, alpha)]
            row[4:] = [replicates.as_score(value, scale) for value in row[4:]]
            effect, gap = math.nan, pd.Series(dtype=float)
            if schedule != baseline and (weights, baseline) in joined:
                against = {each: _finite(joined[each, schedule] - joined[each, baseline]) for each in (weights, first)}
                effect, gap = against[weights].mean(), _finite(against[weights] - against[first])
            middle = gap.mean() if len(gap) and weights != first else math.nan
            ends = paired.t_interval(gap, alpha) if weights != first else (math.nan, math.nan)
            row += [replicates.as_difference(value, scale) for value in (effect, middle, *ends)]
            rows.append([*row, p[weights, schedule], p[weights, schedule] > alpha])
    return pd.DataFrame(rows, columns=COLUMNS)


def replacement(
    runs: pd.DataFrame, *, scores: Mapping[str, str], baseline: str, direction: str = "lower", alpha: float = 0.05
) -> pd.DataFrame:
    """What averaging does without decay, decay with each average, and decay in place of averaging, as ratios minus 1.

    `scores` (positive) as in `surface`, raw first. Rows by `what`, each with `schedule`, `weights`, n pairs that finished and the
    mean `difference` (geometric, less one) with its 1 - alpha t interval:

    - AVERAGING: the baseline with these weights against its raw ones.
    - DECAY: the schedule against the baseline, both with these weights.
    - INSTEAD: the schedule with raw weights against the baseline with these.
    """
    tables = {weights: by_schedule(runs, score, direction, "relative") for weights, score in scores.items()}
    first = next(iter(scores))
    rows = []

    def compare(what: str, schedule: str, weights: str, differences: pd.Series[float]) -> None:
        known = _finite(differences).to_numpy()
        if len(known):
            found = [np.expm1(each) for each in (known.mean(), *paired.t_interval(known, alpha))]
            rows.append([what, schedule, weights, len(known), *map(float, found)])

    if baseline not in tables[first]:
        return pd.DataFrame(columns=REPLACEMENT)
    for weights, table in tables.items():
        if weights != first:
            compare(AVERAGING, baseline, weights, table[baseline] - tables[first][baseline])
    for schedule in (str(label) for label in tables[first] if label != baseline):
        for weights, table in tables.items():
            with np.errstate(invalid="ignore"):
                compare(DECAY, schedule, weights, table[schedule] - table[baseline])
                if weights != first:
                    compare(INSTEAD, schedule, weights, tables[first][schedule] - table[baseline])
    return pd.DataFrame(rows, columns=REPLACEMENT)


def _finite(values: pd.Series[float]) -> pd.Series[float]:
    return values[np.isfinite(values)]


def p_best(values: Array) -> Array:
    """For each column of `values` (n repetitions, m), +inf for diverged: p of the hypothesis that no other mean is smaller.

    The test statistic is the largest, over the other columns, of the sum of paired differences divided by the root of
    their sum of squares; its distribution comes from flipping the signs of whole repetitions, so that the correlations of
    the columns are kept. Those columns with p above alpha hold the best one with a probability of at least 1 - alpha,
    whichever it is: the comparison with the best by Hsu (1984), each column being the control once, with the max-T
    permutation distribution of Westfall & Young (1993). Pairs with a diverged side count by ranks, as in
    `paired.magnitudes`. Ties have p 1.

    >>> p_best(np.array([[1.0, 2.0]] * 6)).tolist()
    [1.0, 0.015625]
    """
    n, m = values.shape
    patterns = paired.signs(n)[:, :n].astype(np.float64)
    found = np.ones(m)
    for column in range(m):
        with np.errstate(invalid="ignore"):
            differences = values[:, [column]] - np.delete(values, column, axis=1)
        terms = np.apply_along_axis(paired.magnitudes, 0, differences) if m > 1 else differences
        lengths = np.sqrt((terms**2).sum(axis=0))
        terms = terms[:, lengths > 0] / lengths[lengths > 0]
        if terms.size:
            largest = (patterns @ terms).max(axis=1)
            found[column] = (largest >= largest[0] - paired.tie_tolerance(largest)).mean()
    return found
