"""How sure a score is, and where its spread comes from: the tables, the figure and the sentences of that section."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import pandas as pd

from harness.report import numbers, sentences
from harness.report.analysis import WEIGHTS, Analysis
from harness.report.entries import Drawing, Line
from harness.report.figures import variance as figures
from harness.report.tables import Cell, Row, Table, share, table, value
from harness.stats.variance import EVALUATION, TOGETHER

SOURCES = {
    TOGETHER: "all of training",
    "weights": "initial weights",
    "data": "order of the data",
    "latents": "latents and noise",
    EVALUATION: "images that are scored",
}
PUBLISHED = (
    "“The FID Lottery” (arXiv 2606.20536) found that retraining with another seed moved FID 3.2 times more than redrawing "
    "samples from one network, of large networks on ImageNet"
)
SAID = 4  # schedules up to which sentences name the ratio of each
TOLERATED = 0.1  # share of the lowest mean that the bias of finitely many images may have


def enough(analysis: Analysis) -> Line:
    """Whether so many images are enough, and which score to use; empty of a study that an earlier version made."""
    study, score = analysis.results.study, analysis.primary
    rank, bias = study.features.effective_rank, study.features.frechet_bias
    if rank is None or bias is None:
        return ()
    n, dimensions = score.count, study.features.dimensions
    real = study.data.train if study.spec.evaluate.reference != "held_out" else study.data.held_out
    expected = bias * (1 / n + 1 / real)
    floor = study.floor.get(str(score.of("raw")))
    said = [
        f"A score takes {n:,} generated images for {numbers.count(dimensions, 'feature dimension')}; the reference's features "
        f"spread in about {numbers.number(round(rank, 1))} directions (effective rank: exp of the entropy of their covariance's "
        "eigenvalues, Roy & Vetterli 2007)",
        f"; the floor is {numbers.number(floor)}." if floor is not None else ".",
        _error(analysis),
    ]
    if n <= dimensions:
        said.append(
            " With no more images than dimensions a Fréchet distance is far too high: use the kernel distance (kid), which has no "
            "bias."
        )
        return ("".join(said),)
    said.append(
        f" A perfect generator's Fréchet distance would be about {numbers.number(expected)} for want of images alone, were "
        "features Gaussian; the kernel distance has no such bias."
    )
    lowest = analysis.summary["mean"].min() if score.metric == "fid" and len(analysis.summary) else math.nan
    if math.isfinite(lowest):
        enough = expected <= TOLERATED * lowest
        part = f"that is {numbers.percent(expected / lowest)} of the lowest mean here"
        said.append(
            f" Enough for the Fréchet distance: {part}."
            if enough
            else f" Few for the Fréchet distance: {part}. Compare it at this number only, and look at the kernel distance (kid) as well."
        )
    return ("".join(said),)


def _error(analysis: Analysis) -> str:
    """The standard error of one run's primary score, of the schedule with the median one."""
    errors = analysis.tables.get("score_errors")
    if errors is None:
        return ""
    mine = errors[errors["score"] == analysis.score].sort_values("standard_error").reset_index(drop=True)
    if mine.empty:
        return ""
    row = mine.iloc[(len(mine) - 1) // 2]
    error, mean = float(row["standard_error"]), float(row["mean"])
    relative = f" ({numbers.percent(error / abs(mean))})" if mean else ""
    return (
        f" One run's {analysis.title} has a standard error of about {numbers.measured(error)}{relative} for want of generated "
        "images."
    )


def errors(analysis: Analysis) -> Table | None:
    """The error of one run's score beside the spread of scores."""
    frame = analysis.tables.get("score_errors")
    if frame is None:
        return None
    columns = {
        "score": _score(analysis),
        "weights": _weights(analysis),
        "schedule": value("schedule"),
        "runs": value("n"),
        "mean": lambda row: _measured(row, "mean"),
        "standard error of one": lambda row: _measured(row, "standard_error"),
    }
    if frame["evaluation_sd"].notna().any():
        columns["sd over latents of evaluation"] = lambda row: _measured(row, "evaluation_sd")
    columns["sd over training seeds"] = lambda row: _measured(row, "training_sd")
    caption = (
        "The error of one run's score, by jackknife over its generated images, the real ones being given: how far other images "
        "of the same network would move it. What another training moves it is the last column"
    )
    return table(frame, columns, caption=caption, source="score_errors.csv")


def sources(analysis: Analysis) -> Table | None:
    """The spread of the primary score by source."""
    frame = analysis.tables.get("variance")
    if frame is None:
        return None
    columns = {
        "schedule": value("schedule"),
        "weights": _weights(analysis),
        "what differs": lambda row: Cell(SOURCES[str(row["source"])], SOURCES[str(row["source"])]),
        "values": value("n"),
        "sd": lambda row: _measured(row, "sd"),
        f"{analysis.level} interval": lambda row: Cell(numbers.interval(row["low"], row["high"]), row["sd"]),
        "CV": share("cv"),
        "of training's variance": share("share"),
    }
    if frame["lost"].any():
        columns["not finished"] = value("lost")
    caption = (
        f"Standard deviation of the final {analysis.title} ({analysis.primary.raw}) where one thing differs and all else is as in "
        "the first confirmation run; all of training: the confirmation runs. Intervals by the chi-square law (scores taken as "
        "normal)"
    )
    return table(frame, columns, caption=caption, source="variance.csv")


def together(analysis: Analysis) -> Table | None:
    """Training against evaluation, and the sum of the sources against all of them together."""
    frame = analysis.tables.get("variance_together")
    if frame is None:
        return None
    columns = {
        "schedule": value("schedule"),
        "weights": _weights(analysis),
        "training's sd / evaluation's": lambda row: _ratio(row, "ratio"),
        "sources added up (sd)": lambda row: _measured(row, "alone"),
        "together (sd)": lambda row: _measured(row, "together"),
        "variances added up / together": lambda row: _ratio(row, "sum"),
    }
    caption = (
        f"Training's spread against that of the images that are scored ({analysis.level} intervals by F), and the variances of "
        "training's sources added up against that of all together (modified large-sample interval): 1 where they act "
        "independently, more where what one seed does depends on the others"
    )
    return table(frame, columns, caption=caption, source="variance_together.csv")


def finding(analysis: Analysis) -> Line:
    """The two findings in words, of the weights that the question is about."""
    frame = analysis.tables.get("variance_together")
    if frame is None:
        return ()
    mine = frame[frame["score"] == analysis.score]
    against = _training_against_evaluation(analysis, mine)
    said = [against, f"{PUBLISHED}." if against else "", _added_up(mine)]
    return (" ".join(part for part in said if part),)


def _training_against_evaluation(analysis: Analysis, rows: pd.DataFrame) -> str:
    known = rows[rows["ratio"].notna()]
    if known.empty:
        return ""
    return (
        f"Spread of the {analysis.title} over trainings, as a multiple of that over images of one network "
        f"({WEIGHTS[analysis.primary.weights]} weights): {_ratios(known, 'ratio')}."
    )


def _added_up(rows: pd.DataFrame) -> str:
    known = rows[rows["sum"].notna()]
    if known.empty:
        return ""
    said = [
        "Variances of initial weights, order of the data, and latents and noise, each alone, added up, as a multiple of that of "
        f"all together: {_ratios(known, 'sum')}."
    ]
    above, below = known["sum_low"] > 1, known["sum_high"] < 1
    for which, words in (
        (above, "that is more: what one seed does depends on the others"),
        (below, "that is less"),
        (~above & ~below, "it is not ruled out that the sources act independently"),
    ):
        labels = known.loc[which, "schedule"].tolist()
        said += [f"With {sentences.listed(labels)} {words}."] if labels else []
    return " ".join(said)


def _ratios(rows: pd.DataFrame, name: str) -> str:
    """A ratio by schedule with its interval; of many schedules the least and the largest."""
    records = rows.sort_values(name).to_dict("records") if len(rows) > SAID else rows.to_dict("records")
    texts = [f"{numbers.name(str(row['schedule']))} {_ratio(row, name).text}" for row in records]
    return ", ".join(texts) if len(texts) <= SAID else f"from {texts[0]} to {texts[-1]}"


def figure(analysis: Analysis) -> Drawing | None:
    """Standard deviations by source."""
    frame = analysis.tables.get("variance")
    if frame is None or not (frame["sd"] > 0).any():
        return None
    present, both = set(frame["source"]), analysis.tables["variance_together"]
    mine = both[both["score"] == analysis.score]
    panels = {name: f"{WEIGHTS[analysis.named(name).weights]} weights" for name in dict.fromkeys(frame["score"])}
    return Drawing(
        lambda: figures.spreads(
            frame,
            schedules=analysis.schedules,
            sources={name: text for name, text in SOURCES.items() if name in present},
            panels=panels,
            label=f"standard deviation of the {analysis.title}",
        ),
        f"The spread of the {analysis.title} by what it comes from. {_training_against_evaluation(analysis, mine)}".rstrip(),
        f"Standard deviation of the final {analysis.title} ({analysis.primary.raw}) by what differs, with {analysis.level} intervals by the "
        f"chi-square law: all of training (the confirmation runs), one source alone, and further sets of images of one "
        "network. Left is steadier.",
    )


def _score(analysis: Analysis) -> Any:
    return lambda row: Cell(str(analysis.named(row["score"]).raw), row["score"])


def _weights(analysis: Analysis) -> Any:
    return lambda row: Cell(WEIGHTS[analysis.named(row["score"]).weights], row["score"])


def _measured(row: Row, name: str) -> Cell:
    found = float(row[name])
    return Cell(numbers.measured(found), found if math.isfinite(found) else None)


def _ratio(row: Mapping[Any, Any], name: str) -> Cell:
    """A ratio with its interval, two digits each."""
    found = float(row[name])
    if not math.isfinite(found):
        return Cell("–", None)
    texts = [f"{float(row[key]):.2g}" for key in (name, f"{name}_low", f"{name}_high")]
    return Cell(f"{texts[0]} ({texts[1]} to {texts[2]})", found)
