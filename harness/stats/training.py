"""What the curves say: final against best score, time to a target, cost; and whether averaging replaces decay."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
from scipy import stats

from harness.stats import paired, replicates


def curve_bands(curves: pd.DataFrame, *, score: str, alpha: float = 0.05, least: float = -math.inf) -> pd.DataFrame:
    """By schedule and step: n finite scores, their mean and its 1 - alpha t interval, each step by itself.

    No score lies below `least`, where intervals end; they are NaN where n is 1.
    """
    rows = []
    for (schedule, step), evaluations in curves.groupby(["schedule", "step"], sort=False):
        values = evaluations[score].to_numpy(dtype=float)
        values = values[np.isfinite(values)]
        if len(values):
            low, high = (max(end, least) for end in paired.t_interval(values, alpha))
            rows.append((schedule, step, len(values), float(values.mean()), low, high))
    return pd.DataFrame(rows, columns=["schedule", "step", "n", "mean", "low", "high"])


def final_against_best(curves: pd.DataFrame, *, score: str) -> pd.DataFrame:
    """By schedule: mean of each run's last and best score, their ratio, and the roughness of its curve.

    Roughness is the mean absolute change between evaluations that goes up (for a score whose smaller values are
    better), relative to the run's best: 0 for curves that only fall.
    """
    rows = []
    for schedule, of_schedule in curves.groupby("schedule", sort=False):
        finals, bests, rough = [], [], []
        for _, run in of_schedule.groupby("run", sort=False):
            values = run.sort_values("step")[score].to_numpy(dtype=float)
            if len(values) == 0 or not np.isfinite(values).all():
                continue
            finals.append(values[-1])
            bests.append(values.min())
            rough.append(np.maximum(np.diff(values), 0.0).mean() / abs(values.min()) if len(values) > 1 else 0.0)
        if finals:
            ratio = float(np.mean(np.array(finals) / np.array(bests)))
            rows.append(
                (
                    schedule,
                    len(finals),
                    float(np.mean(finals)),
                    float(np.mean(bests)),
                    ratio,
                    float(np.mean(rough)),
                )
            )
    return pd.DataFrame(rows, columns=["schedule", "runs", "final", "best", "final_over_best", "roughness"])


def time_to_target(curves: pd.DataFrame, runs: pd.DataFrame, *, score: str, target: float) -> pd.DataFrame:
    """By schedule: fraction of runs that reach `target`, and the Kaplan–Meier (1958) median step of reaching it.

    A run that never does is censored at its last step, one that diverged at the end of training, since it never will.
    The median is NaN where fewer than half reach the target.
    """
    hits = curves[curves[score] <= target].groupby("run")["step"].min()
    rows = []
    for schedule in dict.fromkeys(runs["schedule"]):
        of_schedule = runs[(runs["schedule"] == schedule) & (runs["status"] != "failed")]
        first = of_schedule["run"].map(hits)
        reached = first.notna().tolist()
        times = first.fillna(of_schedule["steps"]).astype(float).tolist()
        rows.append((schedule, len(times), float(np.mean(reached)) if reached else math.nan, _median(times, reached)))
    return pd.DataFrame(rows, columns=["schedule", "runs", "reached", "median_step"])


def _median(times: list[float], reached: list[bool]) -> float:
    """The Kaplan–Meier median of reaching a target: the first time at which at most half are estimated not to have.

    `times` of runs that have not `reached` it are those at which they were last seen without.

    >>> _median([100.0, 200.0, 300.0], [True, True, False])
    200.0
    >>> _median([100.0, 300.0, 300.0], [True, False, False])
    nan
    """
    if not times:
        return math.nan
    known = [time for time, hit in zip(times, reached, strict=True) if hit]
    censored = [time for time, hit in zip(times, reached, strict=True) if not hit]
    without = stats.ecdf(stats.CensoredData(uncensored=known, right=censored)).sf
    half = np.flatnonzero(without.probabilities <= 0.5 + 1e-12)
    return float(without.quantiles[half[0]]) if len(half) else math.nan


def cost(runs: pd.DataFrame, *, baseline: str) -> pd.DataFrame:
    """By schedule: mean seconds per finished run and per step, and the ratio of the latter to the baseline's."""
    done = runs[runs["status"] == "finished"]
    table = done.groupby("schedule", sort=False)[["seconds", "seconds_per_step"]].mean().reset_index()
    base = table.loc[table["schedule"] == baseline, "seconds_per_step"]
    table["ratio"] = table["seconds_per_step"] / (float(base.iloc[0]) if len(base) else math.nan)
    return table


def ema_interaction(
    runs: pd.DataFrame,
    *,
    raw: str,
    averaged: str,
    baseline: str = "constant",
    alpha: float = 0.05,
    scale: str = "absolute",
) -> pd.DataFrame:
    """Does averaging replace decay? By schedule: its effect on the raw and on the averaged weights, and their gap.

    The columns `raw` and `averaged` of `runs` hold the score of either weights. Columns of the result:
    `raw` and `ema`: mean paired difference schedule - baseline. `interaction`: ema - raw with its 1 - alpha t interval
    over pairs: above 0 (for a score whose smaller values are better) decay helps averaged weights less. `gain`: what
    averaging alone gives the baseline, with its interval. Where `scale` is relative, effects and gain are ratios minus 1,
    and so is the interaction: that of the two effects' ratios.
    """
    done = runs[runs["status"] == "finished"]
    columns = ["schedule", "n", "raw", "ema", "interaction", "low", "high", "gain", "gain_low", "gain_high"]
    of_raw, of_averaged = (
        done.pivot(index="repetition", columns="schedule", values=name).map(
            lambda score: replicates.on_scale(score, scale)
        )
        for name in (raw, averaged)
    )
    rows = []
    for schedule in (label for label in dict.fromkeys(runs["schedule"]) if label != baseline):
        if schedule not in of_raw or baseline not in of_raw:
            continue
        effect_raw = (of_raw[schedule] - of_raw[baseline]).dropna()
        effect_averaged = (of_averaged[schedule] - of_averaged[baseline]).dropna()
        gap = (effect_averaged - effect_raw).to_numpy()
        gain = (of_averaged[baseline] - of_raw[baseline]).dropna().to_numpy()
        if len(gap):
            rows.append(
                (
                    schedule,
                    len(gap),
                    effect_raw.mean(),
                    effect_averaged.mean(),
                    gap.mean(),
                    *paired.t_interval(gap, alpha),
                    gain.mean(),
                    *paired.t_interval(gain, alpha),
                )
            )
    table = pd.DataFrame(rows, columns=columns)
    table[columns[2:]] = table[columns[2:]].map(lambda value: replicates.as_difference(value, scale))
    return table
