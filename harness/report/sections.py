"""Which tables the report shows, by name, each with a true caption; a table without rows is left out."""

from __future__ import annotations

import pandas as pd

from harness.report import claims
from harness.report import tables as forms
from harness.report.analysis import Analysis
from harness.report.tables import Table

PAPERS = ("verdicts_wide", "other_verdicts_wide", "levels", "claims", "interactions", "settings")
LOST = 200  # runs that did not finish which the page lists; runs.csv has all


def tables(analysis: Analysis) -> dict[str, Table]:
    """The tables of page, Markdown and LaTeX."""
    made = [_verdicts(analysis), _training(analysis), _search(analysis)]
    glance = claims.at_a_glance(analysis)
    if glance is not None:
        made.append({"claims": glance})
    made.append({"settings": forms.settings(analysis.confirmed)})
    made.append({"sanity": forms.sanity(analysis.results.study.sanity, score=analysis.score)})
    return {name: table for part in made for name, table in part.items() if table.rows}


def papers(analysis: Analysis) -> dict[str, Table]:
    """The tables for a paper, by file name: verdicts that fit a column, the wide ones beside them, and others."""
    shown = tables(analysis)
    found = {}
    for name, frame, score in (
        ("verdicts", analysis.contrasts, analysis.score),
        ("other_verdicts", analysis.tables.get("contrasts_other_weights"), analysis.other),
    ):
        if name in shown and frame is not None:
            found[name] = forms.paper(
                analysis.summary_of(score),
                frame,
                spread=analysis.spread_of(score),
                baseline=analysis.baseline,
                caption=f"{analysis.title} ({score}, lower is better) over confirmation runs: mean ± sd, mean paired "
                f"difference to {analysis.baseline}, verdict",
            )
    return found | {name: shown[name] for name in PAPERS if name in shown}


def _verdicts(analysis: Analysis) -> dict[str, Table]:
    found, level, base = analysis.tables, analysis.level, analysis.baseline
    spread, other = (analysis.spread_of(score) for score in (analysis.score, analysis.other))
    against = f"Each schedule against {base}, paired by seed: {analysis.score}"
    weights = (
        f"The same runs with {analysis.other_weights} weights ({analysis.other}); corrected by itself, not part of the "
        "question asked"
    )
    made = {
        "verdicts": forms.verdicts(
            found["contrasts"], level=level, spread=spread, caption=against, source="contrasts.csv"
        ),
        "verdicts_wide": forms.comparisons(
            found["contrasts"], level=level, spread=spread, caption=f"{against}, in full", source="contrasts.csv"
        ),
        "levels": forms.levels(
            found["summary"],
            level=level,
            spread=spread,
            caption=f"Level and spread of {analysis.score} over the confirmation runs; means are of finished runs",
        ),
    }
    if "contrasts_other_weights" in found:
        for name, form, more in (
            ("other_verdicts", forms.verdicts, ""),
            ("other_verdicts_wide", forms.comparisons, ", in full"),
        ):
            made[name] = form(
                found["contrasts_other_weights"],
                level=level,
                spread=other,
                caption=f"{weights}{more}",
                source="contrasts_other_weights.csv",
            )
    if "all_pairs" in found:
        made["pairs"] = forms.comparisons(
            found["all_pairs"],
            level=level,
            spread=spread,
            caption="Every pair of schedules, Holm over all pairs; exploratory, not part of the question asked",
            source="all_pairs.csv",
        )
    if "ema" in found:
        made["interactions"] = forms.interactions(
            found["ema"],
            level=level,
            spreads=(analysis.spread_of(analysis.raw), analysis.spread_of(analysis.averaged)),
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
    spreads = dict.fromkeys(("final", "best", "target"), analysis.spread_of(analysis.score))
    made = {
        name: forms.whole(found[name], caption=caption, source=f"{name}.csv", spreads=spreads)
        for name, caption in captions.items()
        if name in found
    }
    made["lost"] = forms.whole(lost_runs(analysis), caption="Runs that did not finish, all phases", source="runs.csv")
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
        "boundary": "Best searched value at the edge of its range: a better one may lie outside",
        "optimism": "How much better the search's best looked than fresh seeds confirmed",
    }
    columns = ("best", "half", "double", "search_best", "confirmed", "optimism")
    spreads = dict.fromkeys(columns, analysis.spread_of(analysis.score))
    return {
        name: forms.whole(analysis.tables[name], caption=caption, source=f"{name}.csv", spreads=spreads)
        for name, caption in captions.items()
        if name in analysis.tables
    }


def lost_runs(analysis: Analysis) -> pd.DataFrame:
    """Runs that did not finish, of all phases; the first LOST."""
    runs = analysis.results.runs
    return runs.loc[runs["status"] != "finished", ["run", "status", "last_step", "reason"]].head(LOST)
