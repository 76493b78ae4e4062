"""The article's claims, each with the scores that measure it: at a glance, and in full."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import pandas as pd

from harness.report import numbers
from harness.report import tables as forms
from harness.report.analysis import WEIGHTS, Analysis
from harness.report.tables import Cell, Table

CLAIMS = (
    ("Better images", ("fid", "kid"), "Fréchet and kernel distance to real images; lower is better."),
    ("Less noise", ("noise_ratio",), "Estimated pixel noise relative to real images; target 1."),
    (
        "More detail",
        ("high_frequency_ratio", "recall", "coverage", "precision", "density"),
        "Share of high frequencies relative to real images (target 1), and variety (recall, coverage) beside "
        "fidelity (precision, density); higher is better.",
    ),
    (
        "Overfitting",
        ("overfit", "memorised"),
        "Distance to held-out minus to training images, and near copies of training images; lower is better.",
    ),
)
OTHER = ("Other scores", "Scores of this study that measure none of the claims.")
BETTER = {"lower": "↓", "higher": "↑", "one": "(target 1)"}


@dataclass(frozen=True)
class Claim:
    """A claim, what measures it, and the table; None where the study has no data for it."""

    title: str
    note: str
    table: Table | None


def in_full(analysis: Analysis) -> list[Claim]:
    """Every claim that scores measure, with all its scores, raw and averaged; then the scores of no claim, if any."""
    table = analysis.tables.get("scores", pd.DataFrame({"score": []}))
    titles = table["score"].map(lambda score: claim_of(analysis, score))
    claims = [Claim(title, note, _scores(analysis, table[titles == title], title)) for title, _, note in CLAIMS]
    others = _scores(analysis, table[titles == OTHER[0]], OTHER[0])
    return [*claims, *([Claim(*OTHER, others)] if others is not None else [])]


def claim_of(analysis: Analysis, score: str) -> str:
    """Title of the claim that a score measures."""
    metric = analysis.named(score).metric
    return next((title for title, metrics, _ in CLAIMS if metric in metrics), OTHER[0])


def _scores(analysis: Analysis, rows: pd.DataFrame, title: str) -> Table | None:
    if rows.empty:
        return None
    names = {score: analysis.named(score) for score in rows["score"].unique()}
    return forms.scores(
        rows,
        names={score: (str(name.raw), WEIGHTS[name.weights]) for score, name in names.items()},
        level=analysis.level,
        spreads={score: analysis.spread_of(score) for score in names},
        caption=f"{title}: scores by schedule",
    )


def at_a_glance(analysis: Analysis) -> Table | None:
    """One row per measure, one column per schedule: the baseline's value, and the others' differences to it."""
    scores = analysis.tables.get("scores")
    if scores is None or scores.empty:
        return None
    names = [
        name for name in dict.fromkeys(scores["score"]) if analysis.named(name).weights == analysis.primary.weights
    ]
    rows: list[tuple[Cell, ...]] = []
    for title in (*(title for title, _, _ in CLAIMS), OTHER[0]):
        for name in names:
            if claim_of(analysis, name) == title:
                rows.append((_text(title), _measure(analysis, name), *_differences(analysis, name)))
    rows += _stability(analysis)
    heads = ("claim", "measure", *(_headed(analysis, label) for label in analysis.schedules))
    caption = (
        f"Each claim in one line: the mean of {analysis.baseline}, and how far the other schedules are from it with "
        f"{analysis.level} t intervals over pairs of runs; rows of stability and cost hold values, not differences"
    )
    return Table(caption, heads, tuple(rows), "scores.csv")


def _headed(analysis: Analysis, label: str) -> str:
    return label if label != analysis.baseline else f"{label} (baseline)"


def _text(text: str) -> Cell:
    return Cell(text, text)


def _measure(analysis: Analysis, score: str) -> Cell:
    about = analysis.about(score)
    return _text(f"{about.title} {BETTER[about.direction]}")


def _differences(analysis: Analysis, score: str) -> list[Cell]:
    """One cell per schedule."""
    table = analysis.tables["scores"]
    mine, spread = table[table["score"] == score].set_index("schedule"), analysis.spread_of(score)
    found = []
    for label in analysis.schedules:
        if label not in mine.index:
            found.append(Cell("–", math.nan))
            continue
        row: dict[str, Any] = {str(key): value for key, value in mine.loc[label].items()}
        if label == analysis.baseline:
            found.append(Cell(numbers.aligned([row["mean"]], spread=spread)[0], row["mean"]))
        else:
            text = numbers.estimate(row["difference"], row["low"], row["high"], sign=True, spread=spread)
            found.append(Cell(text, row["difference"]))
    return found


def _stability(analysis: Analysis) -> list[tuple[Cell, ...]]:
    """Divergence, spread, late losses, roughness and time: one value per schedule."""
    measures = (
        ("More stable training", "runs that diverged", "summary", "diverged"),
        ("More stable training", "standard deviation over seeds", "summary", "sd"),
        ("More stable training", "final over best score of a run", "final_against_best", "final_over_best"),
        ("More stable training", "roughness of the curve", "final_against_best", "roughness"),
        ("Costs compute", "seconds per step, relative", "cost", "ratio"),
    )
    rows = []
    for claim, measure, name, column in measures:
        table = analysis.tables.get(name)
        if table is None or table.empty:
            continue
        mine = {row["schedule"]: row for row in table.to_dict("records")}
        cells = []
        for label in analysis.schedules:
            found = mine[label][column] if label in mine else math.nan
            counted = f" of {mine[label]['n']}" if column == "diverged" and label in mine else ""
            spread = analysis.spread_of(analysis.score) if column == "sd" else math.nan
            text = numbers.number(found) if column == "diverged" else numbers.aligned([float(found)], spread=spread)[0]
            cells.append(Cell(f"{text}{counted}", found))
        rows.append((_text(claim), _text(f"{measure} {BETTER['lower']}"), *cells))
    return rows
