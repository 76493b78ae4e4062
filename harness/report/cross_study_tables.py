"""The tables and figures of the page across studies, each made from `Studies`; None where there is no data for it."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pandas as pd

from harness.report import claims, numbers
from harness.report import cross_study_sentences as sentences
from harness.report.cross_study_frames import Studies
from harness.report.entries import Drawing
from harness.report.figures import cross_study as figures
from harness.report.sentences import listed
from harness.report.tables import Cell, Row, Table, estimate, table, value
from harness.stats import averages as replacing

FORM = sentences.FORM
FITS = 8  # columns of a matrix that fits the page; a wider one is scrolled sideways
Columns = dict[str, Callable[[Row], Cell]]


def aggregates(studies: Studies) -> Table | None:
    """The schedules that all studies have: verdicts, and the aggregates of raw and averaged weights."""
    count = len(studies.together)
    return _aggregates(studies, studies.common, "both studies" if count == 2 else f"all {count} studies")


def aggregates_of_some(studies: Studies) -> Table | None:
    """The schedules that some studies lack, each over those that have it."""
    return _aggregates(
        studies, [label for label in studies.having if label not in studies.common], "the studies that have it"
    )


def _aggregates(studies: Studies, labels: Sequence[str], over: str) -> Table | None:
    frame = studies.frames["aggregates"]
    if len(studies.together) < 2 or not labels:
        return None
    first = frame[frame["schedule"].isin(labels)].drop_duplicates("schedule")
    columns: Columns = {
        "schedule": value("schedule"),
        "studies": _studies,
        "verdicts": lambda row: _counted(studies, str(row["schedule"])),
    }
    for weights in dict.fromkeys(frame["weights"]):
        columns[f"{weights} weights: IQM ({_level(studies)} interval)"] = _measure(frame, weights, "iqm")
    weights = str(frame["weights"].iloc[0]) if len(frame) else ""
    columns[f"P(better), {weights} weights"] = _measure(frame, weights, "p_better")
    caption = (
        f"{_score(studies)} against {studies.baseline} over {over}: interquartile mean of the ratios of all pairs, less one (below zero "
        "is better), and the share of pairs that are better"
    )
    return table(first, columns, caption=caption, source="aggregates.csv")


def aggregates_in_full(studies: Studies) -> Table | None:
    """All measures of `stats.aggregate`, for readers of rliable."""
    frame = studies.frames["aggregates"]
    if len(studies.together) < 2:
        return None
    columns: Columns = {
        "schedule": value("schedule"),
        "weights": value("weights"),
        "studies": _studies,
        "pairs": value("pairs"),
    }
    heads = {
        "median": "median",
        "iqm": "IQM",
        "mean": "mean",
        "optimality_gap": "optimality gap",
        "p_better": "P(better)",
    }
    columns |= {head: _shown(name) for name, head in heads.items()}
    if frame["lost"].any():
        columns["pairs with a diverged run"] = value("lost")
    caption = (
        f"All aggregates with their {_level(studies)} intervals (stratified bootstrap): ratios to {studies.baseline}, less one. The "
        "optimality gap is how far pairs that are worse than the baseline fall short of it, over all pairs"
    )
    return table(frame, columns, caption=caption, source="aggregates.csv", folded=True)


def _level(studies: Studies) -> str:
    return f"{100 * (1 - studies.alpha):g} %"


def _score(studies: Studies) -> str:
    return studies.title[:1].upper() + studies.title[1:]


def _studies(row: Row) -> Cell:
    """How many studies, and of how many families where these are fewer."""
    few = row["families"] < row["studies"]
    kinds = f" ({numbers.count(int(row['families']), 'family')})" if few else ""
    return Cell(f"{row['studies']}{kinds}", row["studies"])


def _counted(studies: Studies, label: str) -> Cell:
    found = sentences.verdicts(studies, label)
    return Cell(
        ", ".join(f"{found[verdict]} {verdict}" for verdict in sentences.ORDER if found[verdict]), found["better"]
    )


def _measure(frame: pd.DataFrame, weights: str, name: str) -> Callable[[Row], Cell]:
    rows = {row["schedule"]: row for row in frame[frame["weights"] == weights].to_dict("records")}

    def cell(row: Row) -> Cell:
        return _shown(name)(rows[row["schedule"]]) if row["schedule"] in rows else Cell("–", math.nan)

    return cell


def _shown(name: str) -> Callable[[Mapping[Any, Any]], Cell]:
    """A measure with its interval, in per cent; a probability without signs."""

    def cell(row: Mapping[Any, Any]) -> Cell:
        size = sentences.sized(row[name], row[f"{name}_low"], row[f"{name}_high"])
        return Cell(size if name != "p_better" else size.replace("+", ""), float(row[name]))

    return cell


def matrix(studies: Studies) -> Table | None:
    """Studies × schedules, or the other way round where that takes fewer columns; of few enough columns to fit."""
    found = _matrix(studies)
    return found if found is not None and len(found.heads) <= FITS else None


def wide_matrix(studies: Studies) -> Table | None:
    """As `matrix`, of more columns than fit."""
    found = _matrix(studies)
    return found if found is not None and len(found.heads) > FITS else None


def _matrix(studies: Studies) -> Table | None:
    """Verdict and relative difference with its interval; what a study is stands further down the page."""
    frame = studies.frames["effects"]
    if frame.empty:
        return None
    known = {(row["study"], row["schedule"]): row for row in frame.to_dict("records")}
    labels = [str(label) for label in studies.frames["verdicts"]["schedule"]]
    names = list(studies.contrasts)
    steps = {name: studies.analyses[name].results.study.spec.train.steps for name in names}

    def cell(name: str, label: str) -> Cell:
        if (name, label) not in known:
            return Cell("–", "–")
        row = known[name, label]
        return Cell(f"{row['verdict']} {FORM.estimate(row['relative'], row['low'], row['high'])}", str(row["verdict"]))

    caption = "Verdict of each study against its baseline, with the mean paired difference relative to the baseline and its interval"
    if len(labels) > len(names):
        heads = ("schedule", *(f"{name}, {numbers.count(steps[name], 'step')}" for name in names))
        rows = [(Cell(label, label), *(cell(name, label) for name in names)) for label in labels]
    else:
        heads = ("study", "steps", *labels)
        rows = [
            (Cell(name, name), Cell(f"{steps[name]:,}", steps[name]), *(cell(name, label) for label in labels))
            for name in names
        ]
    return Table(caption, heads, tuple(rows), "verdicts.csv")


def effects(studies: Studies) -> Table | None:
    """Relative differences by study and schedule."""
    columns: Columns = {
        "study": value("study"),
        "schedule": value("schedule"),
        "difference to baseline (interval)": estimate("relative", FORM),
        "pairs": value("n"),
        "verdict": value("verdict"),
    }
    caption = "Mean paired difference relative to the baseline mean; below zero is better"
    return table(studies.frames["effects"], columns, caption=caption, source="effects.csv")


def ranks(studies: Studies) -> Table | None:
    """Mean ranks among the schedules that all studies have."""
    columns: Columns = {
        "schedule": value("schedule"),
        "mean rank": value("rank", 0.1),
        "best": value("best", 1.0),
        "worst": value("worst", 1.0),
    }
    caption = (
        f"Ranks of the mean score among the schedules that all {numbers.count(len(studies.together), 'study')} have, families weighing the "
        "same; ranks say nothing of how large or how sure differences are"
    )
    return table(studies.frames["ranks"], columns, caption=caption, source="ranks.csv")


def sweeps(studies: Studies) -> Table | None:
    """Differences by number of steps, each study's with its own digits."""

    def difference(row: Row) -> Cell:
        return estimate("difference", _form(studies, row))(row)

    columns: Columns = {
        "study": value("study"),
        "steps": value("steps"),
        "schedule": value("schedule"),
        "pairs": value("n"),
        "difference (interval)": difference,
        "verdict": value("verdict"),
    }
    caption = "Difference to baseline by number of steps, studies alike in data, network, training and evaluation"
    return table(studies.frames["sweeps"], columns, caption=caption, source="sweeps.csv")


def _form(studies: Studies, row: Mapping[Any, Any]) -> numbers.Form:
    """How the differences of a row's study are written."""
    analysis = studies.analyses[row["study"]]
    return analysis.form_of(analysis.score)


def averages(studies: Studies) -> Table | None:
    """Per study and average: what averaging does alone, what decay adds, and what decay does in its place."""
    frame = studies.frames["averages"]
    decays = frame[frame["decay"].astype(bool)]
    rows = frame[(frame["what"] == replacing.AVERAGING) & frame["study"].isin(decays["study"])]

    def of(what: str) -> Callable[[Row], Cell]:
        def cell(row: Row) -> Cell:
            found = decays[
                (decays["study"] == row["study"]) & (decays["weights"] == row["weights"]) & (decays["what"] == what)
            ]
            return _range(found, better=int((found["high"] < 0).sum()))

        return cell

    columns: Columns = {
        "study": value("study"),
        "average": value("average"),
        "half-life": lambda row: Cell(numbers.percent(row["half_life"]), row["half_life"]),
        "averaging alone": estimate("difference", FORM),
        "decays better with it": of(replacing.DECAY),
        "decays without it better than it alone": of(replacing.INSTEAD),
    }
    caption = (
        "What averaging does to the baseline's score, how many decays are better than the baseline with the same average, and how many "
        "with raw weights are better than the baseline with this average, by uncorrected intervals (range of their means); half-lives at the end of a run, as shares of it"
    )
    return table(rows, columns, caption=caption, source="averages.csv")


def _range(found: pd.DataFrame, *, better: int, contrary: int = 0) -> Cell:
    """'3 of 8 (−9 to +2 %)': how many say so, and the range of their means."""
    if found.empty:
        return Cell("–", math.nan)
    low, high = numbers.aligned(
        [100 * found["difference"].min(), 100 * found["difference"].max()], spread=10.0, sign=True
    )
    size = f"{low} %" if low == high else f"{low} to {high} %"
    return Cell(f"{better} of {len(found)}{f', {contrary} contrary' if contrary else ''} ({size})", better / len(found))


def claim_by_study(studies: Studies) -> Table | None:
    """Studies × claims: how many decays move the claim's measure as the article says, and how far."""
    frame = studies.frames["claims"]
    if frame.empty:
        return None
    heads = list(dict.fromkeys(frame[["claim", "measure"]].itertuples(index=False, name=None)))
    order = [claim.title for claim in claims.CLAIMS[:3]] + [claims.STABLE] + [claims.CLAIMS[3].title, claims.COSTS]
    heads.sort(key=lambda head: order.index(head[0]))
    rows = []
    for study, of_study in frame.groupby("study", sort=False):
        cells = [Cell(str(study), str(study))]
        for claim, measure in heads:
            found = of_study[(of_study["claim"] == claim) & (of_study["measure"] == measure)]
            cells.append(_evidence(studies, str(study), found))
        rows.append(tuple(cells))
    caption = (
        "How many decays of each study do what the article says of them, and the range of their mean differences to the baseline. One does "
        "where its interval excludes zero, of diverged runs where the intervals of the two rates are apart; uncorrected"
    )
    shown = tuple(f"{claim}: {measure}" for claim, measure in heads)
    return Table(caption, ("study", *shown), tuple(rows), "claims.csv")


def _evidence(studies: Studies, study: str, found: pd.DataFrame) -> Cell:
    if found.empty:
        return Cell("–", math.nan)
    says = found["says"].value_counts()
    yes, no = int(says.get(claims.AS_CLAIMED, 0)), int(says.get(claims.CONTRARY, 0))
    if found["relative"].iloc[0]:
        whole = _range(found, better=yes, contrary=no)
        timed = found["claim"].iloc[0] == claims.COSTS  # without intervals, so that none is counted
        return Cell(whole.text.partition("(")[2].rstrip(")"), float(found["difference"].mean())) if timed else whole
    ends = [float(found["difference"].min()), float(found["difference"].max())]
    spread = float(((found["high"] - found["low"]) / 2).median())
    low, high = numbers.aligned(ends, spread=spread, sign=True)
    size = low if len(found) == 1 else f"{low} to {high}"
    return Cell(f"{yes} of {len(found)}{f', {no} contrary' if no else ''} ({size})", yes / len(found))


# Figures.


def aggregates_figure(studies: Studies) -> Drawing | None:
    """The interquartile means of all schedules, by raw and averaged weights."""
    frame = studies.frames["aggregates"]
    frame = frame[frame["iqm"].map(math.isfinite)] if len(frame) else frame
    if len(studies.together) < 2 or frame.empty:
        return None
    parts = [
        f"{numbers.name(str(row['schedule']))}, {row['weights']} weights: {sentences.sized(row['iqm'], row['iqm_low'], row['iqm_high'])}"
        for row in frame.to_dict("records")
    ]
    return Drawing(
        lambda: figures.aggregates(frame, score=studies.title, baseline=studies.baseline),
        f"{_score(studies)} against {studies.baseline} over all studies. {'; '.join(parts)}.",
        f"{_score(studies)} against {studies.baseline}, interquartile mean over studies and pairs with its {_level(studies)} interval; the "
        "number of studies that have a schedule stands beside its name, and only schedules of equal numbers are over the same studies.",
    )


def effects_figure(studies: Studies) -> Drawing | None:
    """Relative differences by study, of the schedules that all studies have, or the one that most have."""
    frame = studies.frames["effects"]
    if frame.empty:
        return None
    labels = studies.common or list(frame["schedule"].value_counts().index[:1])
    frame = frame[frame["schedule"].isin(labels)]
    parts = [
        f"{row['study']}, {row['schedule']}: {numbers.percent(row['relative'], sign=True)}, {row['verdict']}"
        for row in frame.to_dict("records")
    ]
    which = "that all studies have" if studies.common else "that most studies have"
    return Drawing(
        lambda: figures.effects(frame),
        f"Difference to the baseline, relative to the baseline mean. {'; '.join(parts)}.",
        f"The {'schedule' if len(labels) == 1 else 'schedules'} {which} ({listed(labels)}): mean paired difference to the baseline, relative to "
        "the baseline mean, with the interval of each study at its level (95 % unless its alpha says otherwise). Studies that "
        "ask for ratios enter with their ratios.",
    )


def sweeps_figure(studies: Studies) -> Drawing | None:
    """Differences by number of steps."""
    frame = studies.frames["sweeps"]
    if frame.empty:
        return None
    parts = [
        f"{row['schedule']} at {numbers.count(row['steps'], 'step')} {_form(studies, row).alone(row['difference'])}, "
        f"{row['verdict']}"
        for row in frame.to_dict("records")
    ]
    is_relative = frame["study"].map(lambda study: studies.analyses[study].relative).astype(bool)
    drawn = pd.concat([frame[~is_relative], numbers.in_per_cent(frame[is_relative])]).sort_index()
    titles = {name: (analysis.title, analysis.baseline) for name, analysis in studies.analyses.items()}
    labels = {row["group"]: titles[row["study"]] for row in frame.to_dict("records")}
    return Drawing(
        lambda: figures.sweeps(drawn, labels=labels, relative=set(frame.loc[is_relative, "group"])),
        f"Difference to the baseline by number of training steps. {'; '.join(parts)}.",
        "Mean paired difference to the baseline with its interval against the number of steps of the study, on a logarithmic axis. Each "
        "study has its own horizon and its own search. Points are shifted sideways a little so that intervals do not overlap.",
    )


def averages_figure(studies: Studies) -> Drawing | None:
    """The effect of decay against the half-life of the average, of studies with several averages."""
    frame = studies.frames["averages"]
    frame = frame[(frame["what"] == replacing.DECAY) & frame["decay"].astype(bool)].dropna(subset=["half_life"])
    several = [study for study, rows in frame.groupby("study", sort=False) if rows["half_life"].nunique() > 2]
    frame = frame[frame["study"].isin(several)]
    if frame.empty:
        return None
    parts = [
        f"{row['study']}, {row['schedule']}, {row['average']}: {FORM.alone(row['difference'])}"
        for row in frame.to_dict("records")
    ]
    return Drawing(
        lambda: figures.averages(frame),
        f"Effect of decay by average. {'; '.join(parts)}.",
        "Effect of each decay against the baseline, both scored with the same average of their weights, against the average's half-life at the end, as a "
        "share of the run; at the left edge raw weights. Where the lines end near zero, averaging does what decay does.",
    )
