"""What the search says: expected best against budget, sensitivity to the peak, edges of ranges, optimism."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy.special import gammaln
from scipy.stats import binom

from harness.stats import paired, response
from harness.stats.response import Limits, NoCurve

Array = NDArray[np.float64]
EDGE = 0.1  # the outer fraction of a range, at either end, that counts as its edge
_RARE = 0.01


def _searched(
    runs: pd.DataFrame, score: str, schedule: object, limits: Mapping[str, Limits]
) -> tuple[list[dict[str, float]], Array]:
    """What a curve through one schedule's search runs is made of: the searched parameters of each run, and its score."""
    of_schedule = runs[(runs["schedule"] == schedule) & (runs["phase"] == "search")]
    params = [{name: float(row[f"params_{name}"]) for name in limits} for row in of_schedule.to_dict("records")]
    return params, _values(runs, score, schedule)


def _values(runs: pd.DataFrame, score: str, schedule: object) -> Array:
    """Search scores of one schedule; +inf for a run that did not finish."""
    of_schedule = runs[(runs["schedule"] == schedule) & (runs["phase"] == "search")]
    values = pd.to_numeric(of_schedule[score]).astype(float)
    return np.asarray(values.where(of_schedule["status"] == "finished", np.inf), dtype=np.float64)


def expected_best(values: ArrayLike, budget: int) -> float:
    """Expected minimum of `budget` trials drawn without replacement (Tang et al. 2020): unbiased for random search.

    Infinite as soon as a draw of trials that all failed is possible; raises ValueError for a budget outside 1 … n.

    >>> round(expected_best([3.0, 1.0, 2.0], 1), 9)  # the mean
    2.0
    >>> round(expected_best([3.0, 1.0, 2.0], 2), 9)  # of three pairs two hold the 1, one only the 2
    1.333333333
    """
    ordered = np.sort(np.asarray(values, dtype=np.float64))
    n = len(ordered)
    if not 1 <= budget <= n:
        raise ValueError(f"budget is {budget}, but allowed is 1 to {n} trials")
    return float(_weights(n, budget) @ ordered[: n - budget + 1])


def _weights(n: int, budget: int) -> Array:
    """Probability that the i-th smallest of n values is the smallest of `budget` drawn, i from 1 to n - budget + 1."""
    i = np.arange(1, n - budget + 2)  # the i-th smallest is the minimum if the others lie above it
    return np.exp(_log_choose(n - i, budget - 1) - _log_choose(np.array(n), budget))


def budgets(n: int, *, most: int = 16) -> list[int]:
    """Budgets from 1 to half of n trials: all of them up to `most`, else so many on a logarithmic scale.

    >>> budgets(8)
    [1, 2, 3, 4]
    >>> budgets(64, most=4)
    [1, 3, 8, 10, 32]
    """
    half = max(n // 2, 1) if n else 0
    if half <= most:
        return list(range(1, half + 1))
    return sorted({round(float(value)) for value in np.geomspace(1, half, most)} | ({n // 8} if n >= 8 else set()))


def _log_choose(n: ArrayLike, k: int) -> Array:
    n = np.asarray(n, dtype=np.float64)
    return np.asarray(gammaln(n + 1) - gammaln(k + 1) - gammaln(n - k + 1))


def budget_curves(
    runs: pd.DataFrame, *, score: str, rng: np.random.Generator, alpha: float = 0.05, draws: int = 2000
) -> pd.DataFrame:
    """Expected best by schedule and budget up to half the trials; bootstrap band up to an eighth, NaN beyond.

    Beyond an eighth of the trials the percentile bootstrap covers far less than it says (82 % at a quarter).
    """
    rows = []
    for schedule in dict.fromkeys(runs["schedule"]):
        values = _values(runs, score, schedule)
        n = len(values)
        resampled = np.sort(values[rng.integers(0, n, (draws, n))], axis=1) if n >= 8 else None
        for budget in budgets(n):
            low = high = math.nan
            if resampled is not None and budget <= n // 8 and np.isfinite(values).all():
                best = resampled[:, : n - budget + 1] @ _weights(n, budget)
                low, high = (float(q) for q in np.quantile(best, [alpha / 2, 1 - alpha / 2]))
            rows.append((schedule, budget, expected_best(values, budget), low, high))
    return pd.DataFrame(rows, columns=["schedule", "budget", "expected", "low", "high"])


def sensitivity(
    runs: pd.DataFrame, *, score: str, parameter: str = "params_peak", tolerance: float = 0.1
) -> pd.DataFrame:
    """How much the peak rate matters, by schedule.

    `best_rate` and `best`: best search trial. `half`, `double`: score at half and double that rate, interpolated over
    the logarithm between finished trials; NaN outside what was searched. `basin_decades`: width of the unbroken range
    of trials around the best whose score is within `tolerance` of it; `share`: fraction of all trials within it.
    """
    rows = []
    for schedule in dict.fromkeys(runs["schedule"]):
        of_schedule = runs[(runs["schedule"] == schedule) & (runs["phase"] == "search")]
        frame = pd.DataFrame({"rate": of_schedule[parameter].astype(float), "score": _values(runs, score, schedule)})
        frame = frame.sort_values("rate")
        done = frame[np.isfinite(frame["score"])]
        measured = _around_best(frame, done, tolerance) if done["rate"].nunique() > 1 else [math.nan] * 6
        rows.append((schedule, len(frame), *measured))
    return pd.DataFrame(
        rows, columns=["schedule", "trials", "best_rate", "best", "half", "double", "basin_decades", "share"]
    )


def _around_best(frame: pd.DataFrame, done: pd.DataFrame, tolerance: float) -> list[float]:
    """Columns `best_rate` to `share` of `sensitivity`: of one schedule's trials by rate, and of those that finished."""
    logs, values = np.log10(done["rate"].to_numpy()), done["score"].to_numpy()
    best = int(values.argmin())

    def at(log: float) -> float:
        return float(np.interp(log, logs, values)) if logs[0] <= log <= logs[-1] else math.nan

    good = (frame["score"] <= values[best] + tolerance * abs(values[best])).to_numpy()
    left = right = int(np.flatnonzero(frame["score"].to_numpy() == values[best])[0])
    while left > 0 and good[left - 1]:
        left -= 1
    while right < len(good) - 1 and good[right + 1]:
        right += 1
    width = float(np.log10(frame["rate"].iloc[right] / frame["rate"].iloc[left]))
    at_best, octave = float(logs[best]), math.log10(2.0)
    half, double = at(at_best - octave), at(at_best + octave)
    return [float(10 ** logs[best]), float(values[best]), half, double, width, float(good.mean())]


def _positions(values: ArrayLike, limits: Mapping[str, Any]) -> Array:
    """Where values lie in their range, from 0 to 1."""
    return response.position(values, float(limits["low"]), float(limits["high"]), log=bool(limits.get("log")))


def curve_table(
    runs: pd.DataFrame,
    ranges: Mapping[str, Mapping[str, Limits]],
    *,
    score: str,
    along: str = "peak",
    points: int = 61,
) -> pd.DataFrame:
    """The smooth curve (`harness.stats.response`) through each schedule's search runs, along one searched parameter.

    `ranges`: by schedule and parameter. `fitted`, `low` and `high`: the curve and one standard deviation on either side, in
    units of the score, at `points` values of `params_<along>` over its range. Other searched parameters are those of the run
    that the curve holds low for sure. A schedule without a curve has one row without numbers, and a `note` that says why.
    """
    parts = []
    for schedule, limits in ranges.items():
        params, values = _searched(runs, score, schedule, limits)
        try:
            if along not in limits:
                raise NoCurve(f"{along} is not searched")
            curve = response.fit(params, limits, values.tolist())
        except NoCurve as reason:
            parts.append(pd.DataFrame({"schedule": [schedule], "note": [str(reason)]}))
            continue
        chosen = params[int(np.where(np.isfinite(values), curve.sure(params), np.inf).argmin())]
        spaced = np.geomspace if limits[along].log else np.linspace
        places = spaced(limits[along].low, limits[along].high, points)
        fitted, low, high = curve.band([chosen | {along: float(value)} for value in places])
        parts.append(
            pd.DataFrame({"schedule": schedule, f"params_{along}": places, "fitted": fitted, "low": low, "high": high})
        )
    columns = ["schedule", f"params_{along}", "fitted", "low", "high", "note"]
    table = pd.concat(parts, ignore_index=True) if parts else pd.DataFrame()
    table = table.reindex(columns=columns)
    return table.assign(note=table["note"].astype(object).where(table["note"].notna(), ""))


def without_curve(runs: pd.DataFrame, ranges: Mapping[str, Mapping[str, Limits]], *, score: str) -> pd.DataFrame:
    """The tunings whose search runs carry no smooth curve, so that their best run was chosen: schedule, replicate, reason."""
    rows = []
    for (schedule, replicate), tuning in runs[runs["phase"] == "search"].groupby(["schedule", "replicate"], sort=False):
        params, values = _searched(tuning, score, schedule, ranges[str(schedule)])
        try:
            response.fit(params, ranges[str(schedule)], values.tolist())
        except NoCurve as reason:
            rows.append((schedule, replicate, str(reason)))
    return pd.DataFrame(rows, columns=["schedule", "replicate", "reason"])


def boundary_flags(
    runs: pd.DataFrame, space: Mapping[str, Mapping[str, Any]], *, score: str, edge: float = EDGE
) -> pd.DataFrame:
    """Schedules whose best search trial lies in the outer fraction `edge` of a range; a better one may lie outside it."""
    rows = []
    for schedule in dict.fromkeys(runs["schedule"]):
        of_schedule = runs[(runs["schedule"] == schedule) & (runs["phase"] == "search")]
        values = _values(runs, score, schedule)
        if not np.isfinite(values).any():
            continue
        best = of_schedule.iloc[int(values.argmin())]
        for name, limits in space.items():
            value = best.get(f"params_{name}")
            if value is None or pd.isna(value):
                continue
            position = float(_positions(float(value), limits))
            if position < edge or position > 1 - edge:
                rows.append((schedule, name, float(value), "lower" if position < edge else "upper"))
    return pd.DataFrame(rows, columns=["schedule", "parameter", "value", "edge"])


def choices(runs: pd.DataFrame, space: Mapping[str, Mapping[str, Any]], *, edge: float = EDGE) -> pd.DataFrame:
    """How the chosen values of each parameter spread over replicates; `runs` are confirmation runs.

    `median`, `low`, `high` of the chosen values; `at_lower`, `at_upper`: replicates whose choice lies in the outer
    fraction `edge` of the range. `edge`: 'lower' or 'upper' where so many would be there in fewer than 1 of 100 studies
    if choices were spread evenly; a better value may lie outside then.
    """
    rows = []
    for schedule, of_schedule in runs.groupby("schedule", sort=False):
        firsts = of_schedule.drop_duplicates("replicate")
        for name, limits in space.items():
            chosen = firsts[f"params_{name}"].dropna().astype(float) if f"params_{name}" in firsts else pd.Series([])
            if chosen.empty:
                continue
            places = _positions(chosen, limits)
            counts = {"lower": int((places < edge).sum()), "upper": int((places > 1 - edge).sum())}
            often = [end for end, count in counts.items() if binom.sf(count - 1, len(chosen), edge) < _RARE]
            median, low, high = (float(each) for each in (chosen.median(), chosen.min(), chosen.max()))
            row = (schedule, name, len(chosen), median, low, high, *counts.values(), often[0] if often else "")
            rows.append(row)
    names = ["schedule", "parameter", "replicates", "median", "low", "high", "at_lower", "at_upper", "edge"]
    return pd.DataFrame(rows, columns=names)


def optimism(runs: pd.DataFrame, *, score: str, alpha: float = 0.05) -> pd.DataFrame:
    """How much better the search's best looks than the same schedule's choice on fresh seeds (winner's curse).

    Where the tuning is repeated, as a column `replicate` says, each number is the mean over the replicates in which both
    are known, `trials` is of one of them, and `low` to `high` is the 1 - alpha t interval of the optimism.
    """
    several = "replicate" in runs and runs["replicate"].nunique() > 1
    rows = []
    for schedule in dict.fromkeys(runs["schedule"]):
        of_schedule = runs[runs["schedule"] == schedule]
        if not several:
            rows.append((schedule, *_promised(of_schedule, score, schedule)))
            continue
        found = [_promised(replicate, score, schedule) for _, replicate in of_schedule.groupby("replicate")]
        known = np.array([each for each in found if math.isfinite(each[-1])]).reshape(-1, 4)
        means = known.mean(axis=0)[1:] if len(known) else [math.nan] * 3
        rows.append((schedule, found[0][0], *means, *paired.t_interval(known[:, -1], alpha), len(known)))
    names = ["schedule", "trials", "search_best", "confirmed", "optimism"]
    return pd.DataFrame(rows, columns=[*names, "low", "high", "replicates"] if several else names)


def _promised(runs: pd.DataFrame, score: str, schedule: object) -> tuple[int, float, float, float]:
    """Trials, best of the search, mean of the confirmation runs, and their difference, of one schedule's tuning."""
    values = _values(runs, score, schedule)
    finite = values[np.isfinite(values)]
    fresh = runs[(runs["phase"] == "confirm") & runs["chosen"] & (runs["status"] == "finished")][score].astype(float)
    best = float(finite.min()) if len(finite) else math.nan
    confirmed = float(fresh.mean()) if len(fresh) else math.nan
    return len(values), best, confirmed, best - confirmed
