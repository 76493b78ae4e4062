"""Several studies as one: aggregates of paired log-ratios over studies, with stratified bootstrap intervals.

The measures are those of Agarwal et al. 2021 ("Deep Reinforcement Learning at the Edge of the Statistical Precipice", rliable):
a study is their task, a pair of runs of one replicate or seed their run. Three things differ. Scores are ratios to the baseline
of the same pair, so that studies have one scale. Studies that are alike share the weight of one (`shares`), so that five
lengths of one training do not count as five. And the probability of improvement is of pairs, since the two sides of a pair
have their seeds in common.
"""

from __future__ import annotations

import math
import zlib
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from harness.stats.contrasts import by_schedule
from harness.stats.paired import Array

DRAWS = 10_000
MEASURES = ("iqm", "mean", "median", "optimality_gap", "p_better")
COLUMNS = ["schedule", "weights", "studies", "families", "pairs", "lost"]
COLUMNS += [f"{name}{end}" for name in MEASURES for end in ("", "_low", "_high")]
_SEED = 20_261_126
_PLACES = 9  # of what is returned: the last bits of a sum depend on the processor
_CLOSE = 1e-9


def log_ratios(runs: pd.DataFrame, *, score: str, baseline: str, direction: str = "lower") -> pd.DataFrame:
    """One row per schedule and pair: `repetition`, `value`, the logarithm of score / baseline's score, and `lost`.

    Below zero is better, whatever the direction. Where one side diverged `value` is infinite, where both did it is 0; then
    `lost` is true. Pairs with a run that failed or is missing are left out. Scores are positive.
    """
    table = by_schedule(runs, score, direction, "relative")
    rows = []
    for schedule in (label for label in table if label != baseline):
        pairs = table[[schedule, baseline]].dropna()
        lost = np.isinf(pairs[schedule]) | np.isinf(pairs[baseline])
        with np.errstate(invalid="ignore"):
            values = (pairs[schedule] - pairs[baseline]).fillna(0.0)  # both diverged
        rows.append(pd.DataFrame({"schedule": schedule, "repetition": pairs.index, "value": values, "lost": lost}))
    columns = ["schedule", "repetition", "value", "lost"]
    return pd.concat(rows, ignore_index=True) if rows else pd.DataFrame(columns=columns)


def shares(families: Mapping[str, str]) -> dict[str, float]:
    """The weight of each study, by its family: families weigh the same, and so do the studies of one; they add up to 1.

    >>> shares({"a": "one", "b": "one", "c": "two"})
    {'a': 0.25, 'b': 0.25, 'c': 0.5}
    """
    members = pd.Series(dict(families)).value_counts()
    return {study: 1 / (len(members) * int(members[family])) for study, family in families.items()}


def aggregate(
    pairs: pd.DataFrame, *, families: Mapping[str, str], alpha: float = 0.05, draws: int = DRAWS
) -> pd.DataFrame:
    """One row per schedule and kind of weights: MEASURES over all studies that have it, each with its 1 - alpha interval.

    `pairs`: rows of `log_ratios` with the columns `study` and `weights`; `families` by study. As fractions, -0.2 for scores
    of 0.8 times the baseline's:

    - `iqm`: interquartile mean of all pairs, weighted by their study's share and the number of its pairs; `lost` ones are worst.
    - `mean`, `median`: of the studies' means, of pairs that finished. NaN where a study has none.
    - `optimality_gap`: mean shortfall from a ratio of 1, of pairs that finished; 0 where no pair is worse than the baseline.
    - `p_better`: probability of improvement, the share of better pairs, ties half, averaged over studies.

    Intervals are percentiles of the measures under resampling of repetitions within each study, the same ones for all schedules
    and weights: they cover the luck of tunings and seeds in these studies, not the choice of the studies. Deterministic, and
    the same in whatever order studies come.
    """
    counts = {str(study): _counts(str(study), group["repetition"], draws) for study, group in pairs.groupby("study")}
    rows = []
    for (schedule, weights), group in pairs.groupby(["schedule", "weights"], sort=False):
        strata = [_Stratum.of(group[group["study"] == study], counts[study]) for study in counts]
        strata = [each for each in strata if len(each.values)]
        named = {study: families[study] for study in counts if study in set(group["study"])}
        found = _measures(strata, np.array(list(shares(named).values())))
        row = [schedule, weights, len(named), len(set(named.values())), len(group), int(group["lost"].sum())]
        for name in MEASURES:
            drawn = found[name][1:]
            drawn = np.sort(drawn[~np.isnan(drawn)])
            ends = [drawn[_place(len(drawn), end)] if len(drawn) else math.nan for end in (alpha / 2, 1 - alpha / 2)]
            values = np.array([found[name][0], *ends])
            row += np.round(values if name == "p_better" else np.expm1(values), _PLACES).tolist()
        rows.append(row)
    return pd.DataFrame(rows, columns=COLUMNS)


def _place(count: int, fraction: float) -> int:
    """The index of a quantile among sorted draws: one of them, since between an infinite and another there is none."""
    return min(max(math.ceil(fraction * count) - 1, 0), count - 1)


@dataclass(frozen=True)
class _Stratum:
    """The pairs of one study: their values, which are lost, and how often each is in the data (row 0) and in each draw."""

    values: Array
    lost: NDArray[np.bool_]
    counts: Array

    @classmethod
    def of(cls, rows: pd.DataFrame, counts: pd.DataFrame) -> _Stratum:
        drawn = counts[rows["repetition"].tolist()].to_numpy()
        return cls(rows["value"].to_numpy(dtype=float), rows["lost"].to_numpy(dtype=bool), drawn)

    def mean(self, values: Array, kept: NDArray[np.bool_]) -> Array:
        """The mean in the data and in each draw of what is kept; NaN where a draw has none of it."""
        counts = self.counts[:, kept]
        with np.errstate(invalid="ignore"):
            means: Array = (counts * values[kept]).sum(axis=1) / counts.sum(axis=1)
        return means


def _counts(study: str, repetitions: pd.Series[int], draws: int) -> pd.DataFrame:
    """How often each repetition of a study is in the data, once each, and in each draw with replacement."""
    known = sorted(repetitions.unique())
    rng = np.random.default_rng((_SEED, zlib.crc32(study.encode())))
    drawn = rng.multinomial(len(known), [1 / len(known)] * len(known), size=draws)
    return pd.DataFrame(np.vstack([np.ones(len(known)), drawn]), columns=known)


def _measures(strata: list[_Stratum], share: Array) -> dict[str, Array]:
    """The measures on the scale of logarithms, in the data and in each draw."""
    finished = [~each.lost for each in strata]
    means = np.column_stack([each.mean(each.values, kept) for each, kept in zip(strata, finished, strict=True)])
    gaps = [each.mean(np.maximum(each.values, 0), kept) for each, kept in zip(strata, finished, strict=True)]
    wins = [each.mean((1 - np.sign(each.values)) / 2, np.ones_like(each.lost)) for each in strata]
    return {
        "iqm": _iqm(strata, share),
        "mean": (means * share).sum(axis=1),
        "median": _median(means, share),
        "optimality_gap": (np.column_stack(gaps) * share).sum(axis=1),
        "p_better": (np.column_stack(wins) * share).sum(axis=1),
    }


def _iqm(strata: list[_Stratum], share: Array) -> Array:
    """Mean of the middle half of all values, each weighted by its study's share over the number of its pairs.

    Values at the quarters count in part, where rliable (`scipy.stats.trim_mean`) rounds the number that it cuts down; with equal
    weights and a number of values that four divides the two are the same.
    """
    values = np.concatenate([each.values for each in strata])
    with np.errstate(invalid="ignore"):
        parts = [
            each.counts / each.counts.sum(axis=1, keepdims=True) * part
            for each, part in zip(strata, share, strict=True)
        ]
    order = np.argsort(values, kind="stable")
    weights = np.hstack(parts)[:, order]
    upper = weights.cumsum(axis=1)
    middle = upper.clip(0.25, 0.75) - (upper - weights).clip(0.25, 0.75)
    with np.errstate(invalid="ignore"):
        total = np.where(middle > _CLOSE, middle * values[order], 0.0).sum(axis=1)
    return np.where(np.isnan(upper[:, -1]), math.nan, total / 0.5)


def _median(means: Array, share: Array) -> Array:
    """The weighted median of each row; the mean of the middle two where the weights below and above are the same."""
    order = np.argsort(means, axis=1, kind="stable")
    ranked = np.take_along_axis(means, order, axis=1)
    upper = share[order].cumsum(axis=1)
    places = [(upper >= 0.5 - _CLOSE).argmax(axis=1), (upper > 0.5 + _CLOSE).argmax(axis=1)]
    ends = [np.take_along_axis(ranked, place[:, None], axis=1)[:, 0] for place in places]
    return np.where(np.isnan(means).any(axis=1), math.nan, (ends[0] + ends[1]) / 2)
