"""Several studies together: average ranks, verdicts side by side, effect sizes."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

import pandas as pd


def average_ranks(
    summaries: Mapping[str, pd.DataFrame],
    *,
    schedules: Sequence[str],
    share: Mapping[str, float],
    higher: Collection[str] = (),
) -> pd.DataFrame:
    """Mean rank (1 is best) of the mean scores of `schedules`, which all studies have, each study by its `share`.

    Ranks are among these schedules alone: one among others that only some studies have would say who took part. Smaller
    scores are better but in the studies of `higher`. A schedule whose runs were all lost is last.

    >>> one = pd.DataFrame({"schedule": ["constant", "linear", "rex"], "mean": [3.0, 2.0, 2.5]})
    >>> average_ranks({"one": one}, schedules=["constant", "linear"], share={"one": 1.0}).values.tolist()
    [['linear', 1.0, 1.0, 1.0], ['constant', 2.0, 2.0, 2.0]]
    """
    ranks = {}
    for study, table in summaries.items():
        means = table.set_index("schedule")["mean"].reindex(list(schedules))
        ranks[study] = means.rank(na_option="bottom", ascending=study not in higher)
    frame = pd.DataFrame(ranks, index=list(schedules))
    weights = pd.Series(dict(share)).reindex(frame.columns)
    mean = (frame * weights).sum(axis="columns") / weights.sum()
    table = pd.DataFrame({"rank": mean, "best": frame.min(axis="columns"), "worst": frame.max(axis="columns")})
    return table.sort_values("rank", kind="stable").rename_axis("schedule").reset_index()


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
