"""Verdicts: each schedule against the baseline, over the confirmation runs, paired by seed.

A run that diverged is the worst outcome and stays in every count; means are of the runs that finished and say so. A run
that failed for a technical reason leaves its pair, for the comparison it belongs to.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats

from harness.stats import paired
from harness.stats.words import BETTER, DESCRIPTIVE, EQUIVALENT, UNDECIDED, WORSE


@dataclass(frozen=True)
class Omnibus:
    """Friedman's test over all schedules at once."""

    statistic: float
    p: float
    n: int
    schedules: int
    note: str


def _scores(runs: pd.DataFrame, score: str, direction: str) -> pd.DataFrame:
    """Repetitions × schedules of the score, smaller is better; +inf for diverged, NaN for failed or missing."""
    if direction not in ("lower", "higher"):
        raise ValueError(f"direction is {direction!r}, but allowed is 'lower' or 'higher'")
    for column in ("schedule", "repetition", "status", score):
        if column not in runs.columns:
            raise ValueError(f"runs have no column '{column}'")
    repeated = runs.duplicated(["schedule", "repetition"])
    if repeated.any():
        row = runs[repeated].iloc[0]
        raise ValueError(f"runs have schedule '{row['schedule']}', repetition {row['repetition']} more than once")
    values = pd.to_numeric(runs[score]).astype(float) * (1.0 if direction == "lower" else -1.0)
    values = values.where(runs["status"] == "finished", np.nan).mask(runs["status"] == "diverged", np.inf)
    order = list(dict.fromkeys(runs["schedule"]))
    table = runs.assign(_value=values).pivot(index="repetition", columns="schedule", values="_value")
    return table[order] if order else table


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
) -> pd.DataFrame:
    """One row per schedule but the baseline, in the order of first appearance.

    `difference`, `low`, `high`: mean paired difference of the score (schedule - baseline) with its 1 - alpha t interval,
    over pairs that both finished. `p`: exact sign-flip test over all pairs; `p_holm`: adjusted over the rows.
    `verdict`: 'equivalent' if the simultaneous interval lies within ±rope, else 'better' or 'worse' if p_holm ≤ alpha,
    else 'undecided'; 'descriptive only' where so few seeds could not have given any other answer. Raises ValueError if
    the baseline has no runs.

    >>> scores = {"constant": [3.0, 3.2, 3.1, 2.9, 3.3, 3.0, 3.1], "linear": [2.5, 2.6, 2.4, 2.5, 2.6, 2.3, 2.5]}
    >>> rows = [(label, seed, "finished", fid) for label, of in scores.items() for seed, fid in enumerate(of)]
    >>> runs = pd.DataFrame(rows, columns=["schedule", "repetition", "status", "fid"])
    >>> contrasts(runs, score="fid")[["schedule", "n", "p", "verdict"]].values.tolist()
    [['linear', 7, 0.015625, 'better']]
    """
    table = _scores(runs, score, direction)
    if baseline not in table.columns:
        raise ValueError(f"baseline is '{baseline}', but runs have: {', '.join(map(str, table.columns)) or 'none'}")
    pairs = [(str(label), baseline) for label in table.columns if label != baseline]
    return _compare(runs, table, pairs, score=score, rope=rope, alpha=alpha, direction=direction)


def all_pairs(
    runs: pd.DataFrame, *, score: str, rope: float = 0.0, alpha: float = 0.05, direction: str = "lower"
) -> pd.DataFrame:
    """As `contrasts`, for every pair of schedules; exploratory, Holm over all pairs."""
    table = _scores(runs, score, direction)
    pairs = [(str(b), str(a)) for a, b in itertools.combinations(table.columns, 2)]
    return _compare(runs, table, pairs, score=score, rope=rope, alpha=alpha, direction=direction)


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


def _compare(
    runs: pd.DataFrame,
    table: pd.DataFrame,
    pairs: list[tuple[str, str]],
    *,
    score: str,
    rope: float,
    alpha: float,
    direction: str,
) -> pd.DataFrame:
    if rope < 0 or not 0 < alpha < 0.5:
        raise ValueError(f"rope is {rope:g} and alpha is {alpha:g}, but allowed are rope from 0, alpha in (0, 0.5)")
    rows = []
    for schedule, baseline in pairs:
        failed = int(((runs["schedule"] == schedule) & (runs["status"] == "failed")).sum())
        row = _row(table, schedule, baseline, alpha=alpha, sign=1.0 if direction == "lower" else -1.0)
        rows.append(row | {"failed": failed})
    given = [name for name in COLUMNS if name not in ("p_holm", "verdict", "more_seeds", "note")]
    result = pd.DataFrame(rows, columns=[*given, "_d"])
    result["p_holm"] = paired.holm(result["p"].to_numpy(dtype=float))
    judged = [
        _verdict(row["_d"], float(row["p_holm"]), comparisons=len(result), rope=rope, alpha=alpha)
        for row in result.to_dict("records")
    ]
    result["verdict"] = [verdict for verdict, _, _ in judged]
    result["more_seeds"] = pd.array([seeds for _, seeds, _ in judged], dtype="Int64")
    result["note"] = [note for _, _, note in judged]
    return result[COLUMNS]


def _row(table: pd.DataFrame, schedule: str, baseline: str, *, alpha: float, sign: float) -> dict[str, Any]:
    """What one pair of schedules' runs say before the correction over all pairs; `_d` holds their differences."""
    pairs = _differences(table, schedule, baseline)
    both = pairs[np.isfinite(pairs["a"]) & np.isfinite(pairs["b"])]
    low, high = sorted(sign * end for end in paired.t_interval(both["d"], alpha))
    return {
        "schedule": schedule,
        "baseline": baseline,
        "n": len(pairs),
        "mean": sign * both["a"].mean(),
        "baseline_mean": sign * both["b"].mean(),
        "difference": sign * both["d"].mean(),
        "low": low,
        "high": high,
        "p": paired.sign_flip_p(pairs["d"]) if len(pairs) else math.nan,
        "p_better": paired.p_better(pairs["d"]),
        "correlation": paired.correlation(both["a"], both["b"]),
        "pairing_efficiency": paired.pairing_efficiency(both["a"], both["b"]),
        "diverged": int(np.isinf(table[schedule]).sum()),
        "baseline_diverged": int(np.isinf(table[baseline]).sum()),
        "_d": pairs["d"].to_numpy(),
    }


def _verdict(
    differences: np.ndarray, p_holm: float, *, comparisons: int, rope: float, alpha: float
) -> tuple[str, int | None, str]:
    """Verdict, further seeds that would decide (None if not undecided or unknown), and a note."""
    n = len(differences)
    finite = differences[np.isfinite(differences)]
    notes = []
    if len(finite) < n:
        notes.append(
            f"{n - len(finite)} of {n} pairs with a diverged run: means are of the other {len(finite)}; p is of ranks"
        )
    needed = paired.seeds_needed(comparisons, alpha)
    if n < needed:
        notes.insert(0, f"descriptive only: needs at least {needed} seeds")
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
    table = _scores(runs, score, direction).dropna()
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
    table = _scores(runs, score, direction)
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
