"""How sure scores are: their standard errors, and their spread by what it comes from, as tables."""

from __future__ import annotations

import pandas as pd

from harness.results import Results
from harness.scores import ScoreName
from harness.stats import variance
from harness.stats.variance import EVALUATION, TOGETHER, Spread

TRAINING = ("weights", "data", "latents")  # what training draws: the sources that add up to all of it


def by_source(results: Results, confirmed: pd.DataFrame, scores: list[ScoreName]) -> pd.DataFrame:
    """Final scores, one row per value: `schedule`, `source`, `status` and a column for each of `scores`.

    The source of a confirmation run is TOGETHER. EVALUATION has the first of them, with which all others of that source share
    their weights, and its scores on further latents. Empty where no run looks at sources.
    """
    runs, names = results.runs, [str(score) for score in scores if str(score) in confirmed]
    columns = ["schedule", "source", "status", *names]
    varied = runs[(runs["phase"] == "variance") & runs["chosen"].astype(bool)]
    if varied.empty or not names:
        return pd.DataFrame(columns=columns)
    schedules = set(varied["schedule"])
    parts = [confirmed.assign(source=TOGETHER), varied[varied["source"] != EVALUATION]]
    again = varied[varied["source"] == EVALUATION]
    if len(again):
        first = confirmed[(confirmed["repetition"] == 0) & confirmed["schedule"].isin(again["schedule"])]
        of_runs = again[["run", "schedule", "status"]]
        parts += [
            first.assign(source=EVALUATION),
            results.evaluations.merge(of_runs, on="run").assign(source=EVALUATION),
        ]
    values = pd.concat([part.reindex(columns=columns) for part in parts], ignore_index=True)
    order = [TOGETHER, *TRAINING, EVALUATION]
    places = {label: place for place, label in enumerate(results.study.schedules)}
    values = values[values["schedule"].isin(schedules)]
    return values.sort_values(
        ["schedule", "source"],
        key=lambda column: column.map(places if column.name == "schedule" else order.index),
        kind="stable",
    ).reset_index(drop=True)


def tables(
    results: Results, confirmed: pd.DataFrame, scores: list[ScoreName], *, primary: list[ScoreName], alpha: float
) -> dict[str, pd.DataFrame]:
    """The tables by file name: errors of `scores`, and of the `primary` ones the spread by source, and how it adds up."""
    found = {}
    values = by_source(results, confirmed, scores)
    errors = _errors(confirmed, values, scores)
    if len(errors):
        found["score_errors"] = errors
    names = [str(score) for score in primary if str(score) in values]
    if len(values) and names:
        parts = [variance.by_source(values, score=name, alpha=alpha).assign(score=name) for name in names]
        sources = pd.concat(parts, ignore_index=True)
        found["variance"] = sources[["score", *variance.COLUMNS]]
        sums = [
            variance.combined(values, score=name, training=TRAINING, alpha=alpha).assign(score=name) for name in names
        ]
        together = pd.concat(sums, ignore_index=True)
        found["variance_together"] = together[["score", *(name for name in together if name != "score")]]
    return found


def _errors(confirmed: pd.DataFrame, values: pd.DataFrame, scores: list[ScoreName]) -> pd.DataFrame:
    """By score and schedule: the mean over confirmation runs, the standard error of one of them, and spreads for comparison.

    The error is the root of the mean square of the runs'; `evaluation_sd` is the spread of one network's scores on further
    latents, `training_sd` that over training seeds; NaN where they were not looked at.
    """
    rows = []
    done = confirmed[confirmed["status"] == "finished"]
    for score in (score for score in scores if score.error in done and str(score) in done):
        for schedule, group in done.groupby("schedule", sort=False):
            error = float((group[score.error] ** 2).mean() ** 0.5)
            redrawn = values[(values["schedule"] == schedule) & (values["source"] == EVALUATION)]
            again = Spread.of(redrawn.get(str(score), []))
            trained = Spread.of(group[str(score)])
            rows.append((str(score), schedule, trained.n, trained.mean, error, again.sd, trained.sd))
    columns = ["score", "schedule", "n", "mean", "standard_error", "evaluation_sd", "training_sd"]
    return pd.DataFrame(rows, columns=columns).dropna(subset=["standard_error"])
