"""The article's claims, each with the scores that measure it: at a glance, and in full."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from harness.report import numbers
from harness.report.analysis import WEIGHTS, Analysis
from harness.report.tables import Cell, Row, Table, between, difference, table, value


@dataclass(frozen=True)
class Claim:
    """What the article says of decay, the metrics that measure it, and what they are."""

    title: str
    metrics: tuple[str, ...]
    note: str


CLAIMS = (
    Claim("Better images", ("fid", "kid"), "Fréchet and kernel distance to real images; lower is better."),
    Claim("Less noise", ("noise_ratio",), "Estimated pixel noise relative to real images; target 1."),
    Claim(
        "More detail",
        ("high_frequency_ratio", "recall", "coverage", "precision", "density"),
        "High-frequency content relative to real images (target 1), and variety (recall, coverage) beside "
        "fidelity (precision, density); higher is better. Each of these four fails some simple test of what it should do "
        "(Räisä et al., ICML 2025, arXiv 2505.22450): read them as hints.",
    ),
    Claim(
        "Overfitting",
        ("overfit", "memorised"),
        "Distance to held-out minus to training images, and near copies of training images; lower is better.",
    ),
)
NONE = Claim("Other scores", (), "Scores of this study that measure none of the claims.")
BETTER = {"lower": "↓", "higher": "↑", "one": "(target 1)"}


def claim_of(analysis: Analysis, score: str) -> Claim:
    """The claim that a score measures; NONE if it measures none of them."""
    metric = analysis.named(score).metric
    return next((claim for claim in CLAIMS if metric in claim.metrics), NONE)


def scores(analysis: Analysis, claim: Claim) -> Table | None:
    """All scores of one claim by schedule, raw and averaged, with their difference to the baseline."""
    frame = analysis.tables.get("scores")
    if frame is None or frame.empty:
        return None
    frame = frame[frame["score"].map(lambda score: claim_of(analysis, score) is claim)]
    names = {score: analysis.named(score) for score in frame["score"].unique()}
    spreads = {score: analysis.spread_of(score) for score in names}
    forms = {score: analysis.form_of(score) for score in names}

    def number(column: str) -> Callable[[Row], Cell]:
        return lambda row: value(column, spreads[row["score"]])(row)

    columns: dict[str, Callable[[Row], Cell]] = {
        "score": lambda row: Cell(str(names[row["score"]].raw), row["score"]),
        "weights": lambda row: Cell(WEIGHTS[names[row["score"]].weights], row["score"]),
        "schedule": value("schedule"),
        f"{analysis.plan.compared}s": value("n"),
        "mean": number("mean"),
        "sd": number("sd"),
        "difference": lambda row: difference("difference", forms[row["score"]])(row),
        f"{analysis.level} interval": lambda row: between(forms[row["score"]])(row),
        "p": value("p"),
    }
    return table(frame, columns, caption=f"{claim.title}: scores by schedule", source="scores.csv", folded=True)


def at_a_glance(analysis: Analysis) -> Table | None:
    """One row per measure, one column per schedule: the baseline's value, and the others' differences to it."""
    frame = analysis.tables.get("scores")
    if frame is None or frame.empty:
        return None
    names = [name for name in dict.fromkeys(frame["score"]) if analysis.named(name).weights == analysis.primary.weights]
    rows: list[tuple[Cell, ...]] = []
    for claim in (*CLAIMS, NONE):
        for name in names:
            if claim_of(analysis, name) is claim:
                rows.append((_text(claim.title), _measure(analysis, name), *_differences(analysis, name)))
    rows += _stability(analysis)
    heads = ("claim", "measure", *(_headed(analysis, label) for label in analysis.schedules))
    caption = (
        f"Each claim in one line: the mean of {analysis.baseline}, and how far the other schedules are from it with "
        f"{analysis.level} intervals over pairs of {analysis.plan.compared}s; rows of stability and cost hold values, not differences"
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
    frame = analysis.tables["scores"]
    by_schedule, spread = frame[frame["score"] == score].set_index("schedule"), analysis.spread_of(score)
    form = analysis.form_of(score)
    cells = []
    for label in analysis.schedules:
        if label not in by_schedule.index:
            cells.append(Cell("–", math.nan))
            continue
        row: dict[str, Any] = {str(key): value for key, value in by_schedule.loc[label].items()}
        if label == analysis.baseline:
            cells.append(Cell(numbers.aligned([row["mean"]], spread=spread)[0], row["mean"]))
        else:
            cells.append(Cell(form.estimate(row["difference"], row["low"], row["high"]), row["difference"]))
    return cells


def _stability(analysis: Analysis) -> list[tuple[Cell, ...]]:
    """Divergence, spread, late losses, roughness and time: one value per schedule."""
    measures = (
        ("More stable training", f"{analysis.plan.compared}s that diverged", "summary", "diverged"),
        ("More stable training", f"standard deviation over {analysis.plan.unit}s", "summary", "sd"),
        ("More stable training", "final over best score of a run", "final_against_best", "final_over_best"),
        ("More stable training", "roughness of the curve", "final_against_best", "roughness"),
        ("Costs compute", "seconds per step, relative", "cost", "ratio"),
    )
    rows = []
    for claim, measure, name, column in measures:
        frame = analysis.tables.get(name)
        if frame is None or frame.empty:
            continue
        by_schedule = {row["schedule"]: row for row in frame.to_dict("records")}
        cells = []
        for label in analysis.schedules:
            known = label in by_schedule
            measured = by_schedule[label][column] if known else math.nan
            counted = f" of {by_schedule[label]['n']}" if column == "diverged" and known else ""
            spread = analysis.spread_of(analysis.score) if column == "sd" else math.nan
            is_count = column == "diverged"
            text = numbers.number(measured) if is_count else numbers.aligned([float(measured)], spread=spread)[0]
            cells.append(Cell(f"{text}{counted}", measured))
        rows.append((_text(claim), _text(f"{measure} {BETTER['lower']}"), *cells))
    return rows
