"""The article's claims, each with the scores that measure it: at a glance, and in full."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pandas as pd

from harness import stats
from harness.report import numbers
from harness.report.analysis import WEIGHTS, Analysis
from harness.report.tables import Cell, Row, Table, between, difference, table, value
from harness.stats import variance


@dataclass(frozen=True)
class Claim:
    """What the article says of decay, the metrics that measure it, the first one best, and what they are.

    `says`: whether they are 'lower' or 'higher' with decay, if the article is right.
    """

    title: str
    metrics: tuple[str, ...]
    note: str
    says: str = "lower"


CLAIMS = (
    Claim("Better images", ("fid", "kid"), "Fréchet and kernel distance to real images; lower is better."),
    Claim("Less noise", ("noise_ratio",), "Estimated pixel noise relative to real images; target 1."),
    Claim(
        "More detail",
        ("high_frequency_ratio", "recall", "coverage", "precision", "density"),
        "High-frequency content relative to real images (target 1), and variety (recall, coverage) beside "
        "fidelity (precision, density); higher is better. Each of these four fails some simple test of what it should do "
        "(Räisä et al., ICML 2025, arXiv 2505.22450): read them as hints.",
        "higher",
    ),
    Claim(
        "Overfitting",
        ("overfit", "memorised"),
        "Distance to held-out minus to training images, and near copies of training images; lower is better.",
        "higher",
    ),
)
STABLE, COSTS = "More stable training", "Costs compute"
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
        (STABLE, f"{analysis.plan.compared}s that diverged", "summary", "diverged"),
        (STABLE, f"standard deviation over {analysis.plan.unit}s", "summary", "sd"),
        (STABLE, "final over best score of a run", "final_against_best", "final_over_best"),
        (STABLE, "roughness of the curve", "final_against_best", "roughness"),
        (COSTS, "seconds per step, relative", "cost", "ratio"),
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


AS_CLAIMED, CONTRARY, OPEN = "as claimed", "contrary", "open"
DIVERGED, SPREAD = "share that diverged", "standard deviation"  # of runs, or replicates
EVIDENCE = ("claim", "measure", "schedule", "n", "difference", "low", "high", "relative", "says")


def evidence(analysis: Analysis) -> pd.DataFrame:
    """What each decay of a study says of each claim: a row per claim, measure and decay; empty without a decay.

    Of a claim's metrics the first one that the study has; all stand in the study's own report. `difference` to the baseline
    with its interval, a fraction where `relative`. `says`: AS_CLAIMED or CONTRARY where the interval lies wholly on that
    side (of divergence: where the two rates' intervals are apart), else OPEN; empty of time, which has no interval.
    """
    decays = [label for label in analysis.plan.schedules if label in analysis.decays]
    rows = [*_scored(analysis, decays), *_lost(analysis, decays), *_spread(analysis, decays), *_time(analysis, decays)]
    return pd.DataFrame(rows, columns=list(EVIDENCE))


def _scored(analysis: Analysis, decays: list[str]) -> list[tuple[Any, ...]]:
    """Evidence from scores, of the weights that the question is about."""
    rows = []
    names = [str(analysis.named(raw).of(analysis.primary.weights)) for raw in analysis.results.study.scores]
    by_metric = {analysis.named(name).metric: name for name in names if name in analysis.units}
    for claim in CLAIMS:
        name = next((by_metric[metric] for metric in claim.metrics if metric in by_metric), "")
        frame, relative = analysis.scored([name]), analysis.relative and name == analysis.score
        for row in frame[frame["schedule"].isin(decays)].to_dict("records"):
            size, said = (row["difference"], row["low"], row["high"]), _said(row["low"], row["high"], claim.says)
            title = analysis.about(name).title
            rows.append((claim.title, title, row["schedule"], row["n"], *size, relative, said))
    return rows


def _said(low: float, high: float, says: str, nothing: float = 0.0) -> str:
    lower, higher = high < nothing, low > nothing
    if not (lower or higher):
        return OPEN
    return AS_CLAIMED if (says == "lower") is lower else CONTRARY


def _lost(analysis: Analysis, decays: list[str]) -> list[tuple[Any, ...]]:
    """Evidence from runs, or replicates, that diverged."""
    of = {row["schedule"]: row for row in analysis.summary.to_dict("records")}
    if analysis.baseline not in of:
        return []
    base, rows = of[analysis.baseline], []
    for mine in (of[label] for label in decays if label in of):
        low, high = mine["diverged_low"] - base["diverged_high"], mine["diverged_high"] - base["diverged_low"]
        gap = mine["diverged"] / mine["n"] - base["diverged"] / base["n"] if mine["n"] and base["n"] else math.nan
        said = _said(low, high, "lower")
        rows.append((STABLE, DIVERGED, mine["schedule"], mine["n"], gap, math.nan, math.nan, True, said))
    return rows


def _spread(analysis: Analysis, decays: list[str]) -> list[tuple[Any, ...]]:
    """Evidence from standard deviations, as ratios to the baseline's with the interval by F."""
    done = analysis.units[analysis.units["status"] == "finished"]
    of = {
        str(label): variance.Spread.of(group[analysis.score], analysis.alpha)
        for label, group in done.groupby("schedule")
    }
    nothing = variance.Spread.of([])
    rows = []
    for label in (each for each in decays if each in of):
        found, low, high = variance.ratio(of[label], of.get(analysis.baseline, nothing), analysis.alpha)
        said = _said(low, high, "lower", 1.0) if math.isfinite(found) else OPEN
        rows.append((STABLE, SPREAD, label, of[label].n, found - 1, low - 1, high - 1, True, said))
    return rows


def _time(analysis: Analysis, decays: list[str]) -> list[tuple[Any, ...]]:
    """Evidence from seconds per step."""
    rows = []
    for row in stats.cost(analysis.confirmed, baseline=analysis.baseline).to_dict("records"):
        if row["schedule"] in decays:
            size = row["ratio"] - 1, math.nan, math.nan
            rows.append((COSTS, "seconds per step", row["schedule"], math.nan, *size, True, ""))
    return rows
