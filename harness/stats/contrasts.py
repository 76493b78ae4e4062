"""Verdicts: each schedule against the baseline, over the confirmation runs, paired by seed.

A run that diverged is the worst outcome and stays in every count; means are of the runs that finished and say so. A run
that failed for a technical reason leaves its pair, for the comparison it belongs to.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats

from harness.stats import paired, replicates, sequential
from harness.stats.words import BETTER, DESCRIPTIVE, EQUIVALENT, UNDECIDED, WORSE


@dataclass(frozen=True)
class Words:
    """What notes call the repetitions, and what runs did that are the worst outcome."""

    units: str = "seeds"
    lost: str = "diverged"


OURS = Words()


@dataclass(frozen=True)
class Omnibus:
    """Friedman's test over all schedules at once."""

    statistic: float
    p: float
    n: int
    schedules: int
    note: str


@dataclass(frozen=True)
class _Scale:
    """How scores become values whose smaller ones are better, and differences of values become what is shown."""

    name: str
    sign: float

    def values(self, scores: pd.Series[float]) -> pd.Series[float]:
        """Scores, or their logarithms, with the sign that makes smaller ones better."""
        return self.sign * scores.map(lambda score: replicates.on_scale(score, self.name), na_action="ignore")

    def level(self, value: float) -> float:
        """A mean of values as a score: the mean, or the geometric mean."""
        return replicates.as_score(self.sign * value, self.name)

    def difference(self, value: float) -> float:
        """A mean difference of values as one of scores, or as a ratio of scores minus 1."""
        return replicates.as_difference(self.sign * value, self.name)

    def interval(self, low: float, high: float) -> tuple[float, float]:
        """The ends of an interval of differences as they are shown, the lower one first."""
        first, last = sorted((self.difference(low), self.difference(high)))
        return first, last


def by_schedule(runs: pd.DataFrame, score: str, direction: str, scale: str = "absolute") -> pd.DataFrame:
    """Repetitions × schedules of values, smaller is better; +inf for diverged, NaN for failed or missing.

    Raises ValueError for a column that is missing, a run that is there twice, or an unknown direction or scale.
    """
    if direction not in ("lower", "higher"):
        raise ValueError(f"direction is {direction!r}, but allowed is 'lower' or 'higher'")
    if scale not in replicates.SCALES:
        raise ValueError(f"scale is {scale!r}, but allowed is 'absolute' or 'relative'")
    for column in ("schedule", "repetition", "status", score):
        if column not in runs.columns:
            raise ValueError(f"runs have no column '{column}'")
    repeated = runs.duplicated(["schedule", "repetition"])
    if repeated.any():
        row = runs[repeated].iloc[0]
        raise ValueError(f"runs have schedule '{row['schedule']}', repetition {row['repetition']} more than once")
    values = _Scale(scale, _sign(direction)).values(pd.to_numeric(runs[score]).astype(float))
    values = values.where(runs["status"] == "finished", np.nan).mask(runs["status"] == "diverged", np.inf)
    order = list(dict.fromkeys(runs["schedule"]))
    table = runs.assign(_value=values).pivot(index="repetition", columns="schedule", values="_value")
    return table[order] if order else table


def _sign(direction: str) -> float:
    return 1.0 if direction == "lower" else -1.0


def _differences(table: pd.DataFrame, schedule: str, baseline: str) -> pd.DataFrame:
    """Pairs both of whose runs ended: columns a, b, d (±inf where one diverged, NaN where both did)."""
    pairs = pd.DataFrame({"a": table[schedule], "b": table[baseline]}).dropna()
    with np.errstate(invalid="ignore"):
        return pairs.assign(d=pairs["a"] - pairs["b"])


def contrasts(
    runs: pd.DataFrame,
    *,
    score: str,
    baseline: str = "constant",
    rope: float = 0.0,
    alpha: float = 0.05,
    direction: str = "lower",
    looks: Sequence[int] | None = None,
    scale: str = "absolute",
    words: Words = OURS,
) -> pd.DataFrame:
    """One row per schedule but the baseline, in the order of first appearance.

    `difference`, `low`, `high`: mean paired difference of the score (schedule - baseline) with its 1 - alpha t interval,
    over pairs that both finished. `p`: exact sign-flip test over all pairs; `p_holm`: adjusted over the rows.
    `verdict`: 'equivalent' if the simultaneous interval lies within ±rope, else 'better' or 'worse' if p_holm ≤ alpha,
    else 'undecided'; 'descriptive only' where so few seeds could not have given any other answer. Raises ValueError if
    the baseline has no runs.

    `looks`: planned numbers of repetitions, rising; a repetition is then a replicate, numbered from 0, and
    `harness.stats.sequential.judge` gives `p`, `p_holm`, `low`, `high`, `verdict`. All else of a row is of the pairs up to
    its last look, none before the first. Columns LOOK_COLUMNS come with it.

    `scale` 'relative': all of it of logarithms. `mean` and `baseline_mean` are geometric means, `difference`, `low`, `high`
    their ratio minus 1 (-0.18 is 18 % less), and `rope` is in per cent.

    >>> scores = {"constant": [3.0, 3.2, 3.1, 2.9, 3.3, 3.0, 3.1], "linear": [2.5, 2.6, 2.4, 2.5, 2.6, 2.3, 2.5]}
    >>> rows = [(label, seed, "finished", fid) for label, of in scores.items() for seed, fid in enumerate(of)]
    >>> runs = pd.DataFrame(rows, columns=["schedule", "repetition", "status", "fid"])
    >>> contrasts(runs, score="fid")[["schedule", "n", "p", "verdict"]].values.tolist()
    [['linear', 7, 0.015625, 'better']]
    """
    table = by_schedule(runs, score, direction, scale)
    if baseline not in table.columns:
        raise ValueError(f"baseline is '{baseline}', but runs have: {', '.join(map(str, table.columns)) or 'none'}")
    pairs = [(str(label), baseline) for label in table.columns if label != baseline]
    asked = _Question(alpha, replicates.rope_on_scale(rope, scale), _Scale(scale, _sign(direction)), words)
    if looks is None:
        return _compare(runs, table, pairs, asked)
    return _looked_at(runs, table, baseline, looks, asked)


def all_pairs(
    runs: pd.DataFrame,
    *,
    score: str,
    rope: float = 0.0,
    alpha: float = 0.05,
    direction: str = "lower",
    scale: str = "absolute",
    words: Words = OURS,
) -> pd.DataFrame:
    """As `contrasts`, for every pair of schedules, over all repetitions; exploratory, Holm over all pairs."""
    table = by_schedule(runs, score, direction, scale)
    pairs = [(str(b), str(a)) for a, b in itertools.combinations(table.columns, 2)]
    asked = _Question(alpha, replicates.rope_on_scale(rope, scale), _Scale(scale, _sign(direction)), words)
    return _compare(runs, table, pairs, asked)


COLUMNS = [
    "schedule",
    "baseline",
    "n",
    "mean",
    "baseline_mean",
    "difference",
    "low",
    "high",
    "p",
    "p_holm",
    "p_better",
    "correlation",
    "pairing_efficiency",
    "diverged",
    "baseline_diverged",
    "failed",
    "verdict",
    "more_seeds",
    "note",
]
# With looks: how many were taken, replicates planned up to the last of them, and whether no look is to come.
LOOK_COLUMNS = ["look", "replicates", "done"]


SUMMARY = [
    "schedule",
    "n",
    "finished",
    "mean",
    "low",
    "high",
    "median",
    "iqm",
    "sd",
    "best",
    "worst",
    "diverged",
    "diverged_low",
    "diverged_high",
    "failed",
]


@dataclass(frozen=True)
class _Question:
    """What a table of comparisons is asked: `rope` is in the units of values."""

    alpha: float
    rope: float
    scale: _Scale
    words: Words

    def __post_init__(self) -> None:
        if self.rope < 0 or not 0 < self.alpha < 0.5:
            raise ValueError(
                f"rope is {self.rope:g} and alpha is {self.alpha:g}, but allowed are rope from 0, alpha in (0, 0.5)"
            )


def _compare(runs: pd.DataFrame, table: pd.DataFrame, pairs: list[tuple[str, str]], asked: _Question) -> pd.DataFrame:
    """All pairs of schedules by the fixed test."""
    rows = [_row(runs, table, schedule, baseline, asked) for schedule, baseline in pairs]
    result = pd.DataFrame(rows, columns=[*COLUMNS, "_d"])
    result["p_holm"] = paired.holm(result["p"].to_numpy(dtype=float))
    judged = [
        _verdict(row["_d"], float(row["p_holm"]), comparisons=len(result), asked=asked)
        for row in result.to_dict("records")
    ]
    result["verdict"] = [verdict for verdict, _, _ in judged]
    result["more_seeds"] = pd.array([seeds for _, seeds, _ in judged], dtype="Int64")
    result["note"] = [note for _, _, note in judged]
    return result[COLUMNS]


def _looked_at(
    runs: pd.DataFrame, table: pd.DataFrame, baseline: str, looks: Sequence[int], asked: _Question
) -> pd.DataFrame:
    """All schedules against the baseline by the group-sequential test, each over its replicates up to its last look."""
    ended = {str(label): _ended(runs, str(label)) for label in table.columns}
    replicate = table.reindex(range(max(ended.values())))
    judged: Mapping[str, sequential.Judgement] = sequential.judge(
        {label: replicate[label].to_numpy() for label in ended},
        baseline=baseline,
        looks=looks,
        alpha=asked.alpha,
        rope=asked.rope,
        ended=ended,
    )
    needed = paired.seeds_needed(len(judged), asked.alpha) if judged else 0
    rows = []
    for label, found in judged.items():
        row = _row(runs, replicate.iloc[: found.n], label, baseline, asked)
        notes = [_lost(row["_d"], asked.words)]
        if found.verdict == DESCRIPTIVE:
            notes.insert(0, f"descriptive only: needs at least {needed} replicates")
        low, high = asked.scale.interval(found.low, found.high)
        rows.append(
            row
            | {"p": found.p, "p_holm": found.p_holm, "low": low, "high": high, "verdict": found.verdict}
            | {"note": "; ".join(filter(None, notes))}
            | {"look": found.look, "replicates": found.n, "done": found.done}
        )
    result = pd.DataFrame(rows, columns=[*COLUMNS, *LOOK_COLUMNS])
    return result.assign(more_seeds=pd.array([pd.NA] * len(result), dtype="Int64"))


def _ended(runs: pd.DataFrame, schedule: str) -> int:
    """How many of a schedule's replicates, from the first, have ended."""
    found = set(runs.loc[runs["schedule"] == schedule, "repetition"])
    return next(count for count in itertools.count() if count not in found)


def _row(runs: pd.DataFrame, table: pd.DataFrame, schedule: str, baseline: str, asked: _Question) -> dict[str, Any]:
    """What one pair of schedules' runs say before the correction over all pairs; `_d` holds their differences."""
    pairs = _differences(table, schedule, baseline)
    both = pairs[np.isfinite(pairs["a"]) & np.isfinite(pairs["b"])]
    low, high = asked.scale.interval(*paired.t_interval(both["d"], asked.alpha))
    return {
        "schedule": schedule,
        "baseline": baseline,
        "n": len(pairs),
        "mean": asked.scale.level(both["a"].mean()),
        "baseline_mean": asked.scale.level(both["b"].mean()),
        "difference": asked.scale.difference(both["d"].mean()),
        "low": low,
        "high": high,
        "p": paired.sign_flip_p(pairs["d"]) if len(pairs) else math.nan,
        "p_better": paired.p_better(pairs["d"]),
        "correlation": paired.correlation(both["a"], both["b"]),
        "pairing_efficiency": paired.pairing_efficiency(both["a"], both["b"]),
        "diverged": int(np.isinf(table[schedule]).sum()),
        "baseline_diverged": int(np.isinf(table[baseline]).sum()),
        "failed": int(((runs["schedule"] == schedule) & (runs["status"] == "failed")).sum()),
        "_d": pairs["d"].to_numpy(),
    }


def _lost(differences: np.ndarray, words: Words) -> str:
    """A note on pairs with a run that is the worst outcome; empty without any."""
    n, finite = len(differences), int(np.isfinite(differences).sum())
    return f"{n - finite} of {n} pairs with a {words.lost} run: means are of the other {finite}; p is of ranks" * (
        finite < n
    )


def _verdict(
    differences: np.ndarray, p_holm: float, *, comparisons: int, asked: _Question
) -> tuple[str, int | None, str]:
    """Verdict, further seeds that would decide (None if not undecided or unknown), and a note."""
    rope, alpha, n = asked.rope, asked.alpha, len(differences)
    finite = differences[np.isfinite(differences)]
    notes = [_lost(differences, asked.words)] if len(finite) < n else []
    needed = paired.seeds_needed(comparisons, alpha)
    if n < needed:
        notes.insert(0, f"descriptive only: needs at least {needed} {asked.words.units}")
        return DESCRIPTIVE, needed - n, "; ".join(notes)
    if rope > 0 and len(finite) == n:
        low, high = paired.t_interval(differences, 2 * alpha / comparisons)
        if -rope <= low and high <= rope:
            return EQUIVALENT, None, "; ".join(notes)
    if p_holm <= alpha:
        leaning = paired.magnitudes(differences).sum()
        return (BETTER if leaning < 0 else WORSE), None, "; ".join(notes)
    if len(finite) < n:  # the arithmetic of further seeds is of the t test, which knows no diverged runs
        return UNDECIDED, None, "; ".join(notes)
    return UNDECIDED, paired.further_seeds(differences, alpha=alpha / comparisons), "; ".join(notes)


def omnibus(runs: pd.DataFrame, *, score: str, direction: str = "lower") -> Omnibus:
    """Friedman's (1937) test that no schedule differs, over repetitions that all schedules have; diverged rank worst."""
    table = by_schedule(runs, score, direction).dropna()
    n, k = table.shape
    if k < 3 or n < 2:
        return Omnibus(math.nan, math.nan, n, k, "needs at least 3 schedules and 2 common seeds")
    ranks = table.rank(axis=1).to_numpy()
    if (ranks == ranks[:, :1]).all():
        return Omnibus(0.0, 1.0, n, k, "all scores are tied")
    finite = table.replace(np.inf, np.finfo(float).max)
    statistic, p = stats.friedmanchisquare(*(finite[label] for label in finite.columns))
    return Omnibus(float(statistic), float(p), n, k, "")


def summary(
    runs: pd.DataFrame, *, score: str, direction: str = "lower", alpha: float = 0.05, least: float = -math.inf
) -> pd.DataFrame:
    """One row per schedule: n runs, mean with t interval, median, IQM, sd, best, worst of the finished; divergence rate.

    The median counts diverged runs as worst (it is infinite once half diverged). No score lies below `least`, where
    intervals end.
    """
    table = by_schedule(runs, score, direction)
    sign = 1.0 if direction == "lower" else -1.0
    rows = []
    for label in table.columns:
        of_schedule = runs[runs["schedule"] == label]
        values = table[label].dropna().to_numpy()
        done = values[np.isfinite(values)]
        low, high = (max(sign * end, least) for end in paired.t_interval(done, alpha)[:: int(sign)])
        lost = int(np.isinf(values).sum())
        rate_low, rate_high = paired.wilson(lost, len(values), alpha)
        rows.append(
            {
                "schedule": label,
                "n": len(values),
                "finished": len(done),
                "mean": sign * done.mean() if len(done) else math.nan,
                "low": low,
                "high": high,
                "median": sign * float(np.median(values)) if len(values) else math.nan,
                "iqm": sign * paired.interquartile_mean(done),
                "sd": float(done.std(ddof=1)) if len(done) > 1 else math.nan,
                "best": sign * done.min() if len(done) else math.nan,
                "worst": sign * done.max() if len(done) else math.nan,
                "diverged": lost,
                "diverged_low": rate_low,
                "diverged_high": rate_high,
                "failed": int((of_schedule["status"] == "failed").sum()),
            }
        )
    return pd.DataFrame(rows, columns=SUMMARY)
