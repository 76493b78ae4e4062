"""Which tables the report shows, by name, each with a true caption; a table without rows is left out."""

from __future__ import annotations

import pandas as pd

from harness.report import claims, present
from harness.report.analysis import Analysis
from harness.report.present import Table

LOST = 200  # runs that did not finish which the page lists; runs.csv has all


def tables(analysis: Analysis) -> dict[str, Table]:
    """The tables of page, Markdown and LaTeX."""
    made = [_verdicts(analysis), _training(analysis), _search(analysis)]
    glance = claims.at_a_glance(analysis)
    if glance is not None:
        made.append({"claims": glance})
    made.append({"settings": present.settings(analysis.confirmed)})
    return {name: table for part in made for name, table in part.items() if table.rows}


def _verdicts(analysis: Analysis) -> dict[str, Table]:
    found, level, base = analysis.tables, analysis.level, analysis.baseline
    weights = "averaged" if analysis.other.endswith("_ema") else "raw"
    made = {
        "verdicts": present.verdicts(
            found["contrasts"],
            level=level,
            caption=f"Each schedule against {base}, paired by seed: {analysis.score}",
            source="contrasts.csv",
        ),
        "levels": present.levels(
            found["summary"],
            level=level,
            caption=f"Level and spread of {analysis.score} over the confirmation runs; means are of finished runs",
        ),
    }
    if "contrasts_other_weights" in found:
        made["other_verdicts"] = present.verdicts(
            found["contrasts_other_weights"],
            level=level,
            caption=f"The same runs with {weights} weights ({analysis.other}); corrected by itself, not part of the question asked",
            source="contrasts_other_weights.csv",
        )
    if "all_pairs" in found:
        made["pairs"] = present.verdicts(
            found["all_pairs"],
            level=level,
            caption="Every pair of schedules, Holm over all pairs; exploratory, not part of the question asked",
            source="all_pairs.csv",
        )
    if "ema" in found:
        made["interactions"] = present.interactions(
            found["ema"],
            level=level,
            caption="Effect of decay on raw and averaged weights, and their difference (interaction)",
        )
    return made


def _training(analysis: Analysis) -> dict[str, Table]:
    found, base = analysis.tables, analysis.baseline
    captions = {
        "final_against_best": "Final against best score of a run, and roughness of its curve",
        "cost": f"{_seconds(analysis)}, and the ratio of the latter to {base}",
        "time_to_target": f"Steps until {base}'s mean final score is reached (Kaplan–Meier median; runs that never do are censored)",
    }
    made = {
        name: present.whole(found[name], caption=caption, source=f"{name}.csv")
        for name, caption in captions.items()
        if name in found
    }
    made["lost"] = present.whole(lost_runs(analysis), caption="Runs that did not finish, all phases", source="runs.csv")
    return made


def _seconds(analysis: Analysis) -> str:
    """What the cost table's seconds are of: evaluations were not timed apart by earlier versions."""
    apart = analysis.confirmed.loc[analysis.confirmed["status"] == "finished", "seconds_evaluation"].notna()
    if apart.all():
        return "Seconds per run with its evaluations, and seconds of training per step"
    some = "" if not apart.any() else " in runs stored by an earlier version"
    return f"Seconds per run and per step, evaluations included in both{some}"


def _search(analysis: Analysis) -> dict[str, Table]:
    captions = {
        "sensitivity": "Best peak rate, score at half and double that rate, width of the basin within 10 % of the best",
        "boundary": "Best value at the edge of its range: widen the range",
        "optimism": "How much better the search's best looked than fresh seeds confirmed",
    }
    made = {
        name: present.whole(analysis.tables[name], caption=caption, source=f"{name}.csv")
        for name, caption in captions.items()
        if name in analysis.tables
    }
    if "probability_best" in analysis.tables:
        made["probability_best"] = present.by_budget(
            analysis.tables["probability_best"],
            caption="Probability that a schedule is the best after so many search trials each",
            source="probability_best.csv",
        )
    return made


def lost_runs(analysis: Analysis) -> pd.DataFrame:
    """Runs that did not finish, of all phases; the first LOST."""
    runs = analysis.results.runs
    return runs.loc[runs["status"] != "finished", ["run", "status", "last_step", "reason"]].head(LOST)
