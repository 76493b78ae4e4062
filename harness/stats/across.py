"""Several studies together: average ranks, verdicts side by side, effect sizes."""

from __future__ import annotations

from collections.abc import Collection, Mapping

import pandas as pd


def average_ranks(summaries: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """Mean rank (1 is best) of each schedule's mean score over the studies that have it; `studies` counts them.

    Ranks are relative to the number of schedules in a study: 0 for the best, 1 for the worst, so that studies of
    different sizes may be averaged.

    >>> one = pd.DataFrame({"schedule": ["constant", "linear"], "mean": [3.0, 2.0]})
    >>> average_ranks({"one": one})[["schedule", "rank"]].values.tolist()
    [['linear', 1.0], ['constant', 2.0]]
    """
    parts = []
    for study, table in summaries.items():
        ranks = table["mean"].rank(na_option="bottom")
        relative = (ranks - 1) / max(len(table) - 1, 1)
        parts.append(pd.DataFrame({"study": study, "schedule": table["schedule"], "rank": ranks, "relative": relative}))
    if not parts:
        return pd.DataFrame(columns=["schedule", "rank", "relative", "studies"])
    joined = pd.concat(parts)
    grouped = joined.groupby("schedule", sort=False).agg(
        rank=("rank", "mean"), relative=("relative", "mean"), studies=("study", "nunique")
    )
    return grouped.sort_values("relative", kind="stable").reset_index()


def verdict_matrix(contrasts: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """Schedules × studies: the verdict against the study's baseline; empty where a study lacks the schedule."""
    rows = [
        {"schedule": row["schedule"], "study": study, "verdict": row["verdict"]}
        for study, table in contrasts.items()
        for row in table.to_dict("records")
    ]
    if not rows:
        return pd.DataFrame(columns=["schedule"])
    frame = pd.DataFrame(rows)
    matrix = frame.pivot(index="schedule", columns="study", values="verdict").fillna("")
    return matrix.loc[list(dict.fromkeys(frame["schedule"])), list(contrasts)].reset_index()


def effect_sizes(contrasts: Mapping[str, pd.DataFrame], *, relative: Collection[str] = ()) -> pd.DataFrame:
    """Each study's difference to its baseline, relative to the baseline mean, with interval: comparable across data.

    Differences of the studies that are `relative` already enter as they are.
    """
    parts = []
    for study, table in contrasts.items():
        base = 1.0 if study in relative else table["baseline_mean"].abs()
        parts.append(
            pd.DataFrame(
                {
                    "study": study,
                    "schedule": table["schedule"],
                    "relative": table["difference"] / base,
                    "low": table["low"] / base,
                    "high": table["high"] / base,
                    "verdict": table["verdict"],
                    "n": table["n"],
                }
            )
        )
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=["study", "schedule", "relative"])
