"""Several studies on one page: verdicts side by side, relative effects, budget sweeps, average ranks."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from harness import files, stats
from harness.report import entries, numbers
from harness.report.analysis import Analysis
from harness.report.entries import Contents, Drawing, Entry, FigureEntry, Section, TableEntry
from harness.report.figures import cross_study as figures
from harness.report.figures import style
from harness.report.render import html, markdown
from harness.report.tables import Cell, Row, Table, estimate, table, value
from harness.results import load
from harness.results.tables import write_frame

Analyses = Mapping[str, Analysis]


@dataclass(frozen=True)
class Studies:
    """Several studies by name, and the tables across them by file name."""

    analyses: Analyses
    frames: Mapping[str, pd.DataFrame]


def build(paths: Sequence[Path], *, output: Path, pdf: bool = False) -> Path:
    """Write the cross-study tables, figures and pages into `output`; return the HTML page's path."""
    analyses: dict[str, Analysis] = {}
    for path in paths:
        analysis = Analysis(load(path))
        name = analysis.results.study.name
        analyses[name if name not in analyses else f"{name} ({path})"] = analysis
    studies = Studies(analyses, frames(analyses))
    for name, frame in studies.frames.items():
        write_frame(output / f"{name}.csv", frame)
    contents = entries.contents(studies, entries.walk(FIRST, SECTIONS), pictures="")
    for name, drawing in contents.figures.items():
        figure = drawing.draw()
        for kind in ("svg", "png", *(("pdf",) if pdf else ())):
            files.write(output / f"{name}.{kind}", style.rendered(figure, kind))
    answer = headline(studies.frames["verdicts"])
    page = (
        html.environment()
        .get_template("cross.html.jinja")
        .render(
            contents=contents,
            headline=answer,
            first=FIRST,
            sections=contents.shown(SECTIONS),
            picture=html.pictures_of(contents, output),
            sentences={
                name: [analysis.headline, analysis.scope, *analysis.sentences] for name, analysis in analyses.items()
            },
            studies={name: analysis.results.study for name, analysis in analyses.items()},
        )
    )
    files.write(output / "report.html", page.encode())
    files.write(output / "report.md", _markdown(contents, answer).encode())
    return output / "report.html"


def _markdown(contents: Contents[Studies], answer: str) -> str:
    lines = ["# Schedules across studies", "", markdown.plain(answer), ""]
    lines += [line for entry in FIRST for line in markdown.shown(contents, entry)]
    return "\n".join([*lines, *markdown.sections(contents, SECTIONS)])


def frames(analyses: Analyses) -> dict[str, pd.DataFrame]:
    """The cross-study tables by file name."""
    contrasts = {name: analysis.contrasts for name, analysis in analyses.items() if "difference" in analysis.contrasts}
    return {
        "ranks": stats.average_ranks(
            {name: analysis.summary for name, analysis in analyses.items() if len(analysis.summary)}
        ),
        "verdicts": stats.verdict_matrix(contrasts),
        "effects": stats.effect_sizes(
            contrasts, relative=[name for name, analysis in analyses.items() if analysis.relative]
        ),
        "sweeps": sweeps(analyses),
    }


def sweeps(analyses: Analyses) -> pd.DataFrame:
    """Difference to the baseline by number of steps, for studies that are alike in all but their number of steps.

    Alike are studies with the same data, network, training settings and evaluation; search ranges and budgets may differ.
    """
    groups: dict[str, list[tuple[str, int, Analysis]]] = {}
    for name, analysis in analyses.items():
        study = analysis.results.study
        steps = study.spec.train.steps
        kept = {part: getattr(study.spec, part).model_dump() for part in ("network", "evaluate")}
        kept["data"] = study.data.model_dump(exclude={"notes"})
        kept["train"] = study.spec.train.model_dump(exclude={"steps"})
        scale = study.question.scale
        key = json.dumps([kept, analysis.score, analysis.baseline, scale], sort_keys=True)
        groups.setdefault(key, []).append((name, steps, analysis))
    rows = []
    for members in groups.values():
        if len({steps for _, steps, _ in members}) < 2:
            continue
        title = min((name for name, _, _ in members), key=len)
        for name, steps, analysis in sorted(members, key=lambda member: member[1]):
            for row in analysis.contrasts.to_dict("records") if "difference" in analysis.contrasts else []:
                kept = {key: row[key] for key in ("schedule", "n", "difference", "low", "high", "verdict")}
                rows.append({"group": title, "study": name, "steps": steps, "score": analysis.score} | kept)
    columns = ["group", "study", "steps", "score", "schedule", "n", "difference", "low", "high", "verdict"]
    return pd.DataFrame(rows, columns=columns)


def headline(verdicts: pd.DataFrame) -> str:
    """In how many studies each schedule got which verdict."""
    parts = []
    for row in verdicts.to_dict("records"):
        given = [text for key, text in row.items() if key != "schedule" and text]
        counts = pd.Series(given).value_counts()
        counted = ", ".join(f"{verdict} in {count} of {len(given)}" for verdict, count in counts.items())
        parts.append(f"{numbers.name(str(row['schedule']))}: {counted}")
    return f"Against each study's baseline: {'; '.join(parts)}." if parts else "No study has a verdict yet."


def effects_figure(studies: Studies) -> Drawing | None:
    """Relative differences by study and schedule."""
    frame = studies.frames["effects"]
    if frame.empty:
        return None
    parts = [
        f"{row['study']}, {row['schedule']}: {numbers.percent(row['relative'], sign=True)}, {row['verdict']}"
        for row in frame.to_dict("records")
    ]
    return Drawing(
        lambda: figures.effects(frame),
        f"Difference to the baseline, relative to the baseline mean. {'; '.join(parts)}.",
        "Mean paired difference to the baseline, relative to the baseline mean, with the interval of each study at "
        "its level (95 % unless its alpha says otherwise). Studies that ask for ratios enter with their ratios.",
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
    return Drawing(
        lambda: figures.sweeps(drawn, relative=set(frame.loc[is_relative, "group"])),
        f"Difference to the baseline by number of training steps. {'; '.join(parts)}.",
        "Mean paired difference to the baseline with its interval against the number of steps of the study. Each study "
        "has its own horizon and its own search. Points are shifted sideways a little so that intervals do not overlap.",
    )


def sweeps_table(studies: Studies) -> Table | None:
    """Differences by number of steps, each study's with its own digits."""

    def difference(row: Row) -> Cell:
        return estimate("difference", _form(studies, row))(row)

    columns: dict[str, Callable[[Row], Cell]] = {
        "study": value("study"),
        "steps": value("steps"),
        "schedule": value("schedule"),
        "pairs": value("n"),
        "difference (interval)": difference,
        "verdict": value("verdict"),
    }
    caption = "Difference to baseline by number of steps, studies alike in data, network, training and evaluation"
    return table(studies.frames["sweeps"], columns, caption=caption, source="sweeps.csv")


def effects_table(studies: Studies) -> Table | None:
    """Relative differences by study and schedule."""
    columns: dict[str, Callable[[Row], Cell]] = {
        "study": value("study"),
        "schedule": value("schedule"),
        "difference to baseline (interval)": _per_cent,
        "pairs": value("n"),
        "verdict": value("verdict"),
    }
    caption = "Mean paired difference relative to the baseline mean; below zero is better"
    return table(studies.frames["effects"], columns, caption=caption, source="effects.csv")


def ranks_table(studies: Studies) -> Table | None:
    """Average ranks."""
    columns: dict[str, Callable[[Row], Cell]] = {
        "schedule": value("schedule"),
        "mean rank": value("rank"),
        "relative (0 best, 1 worst)": value("relative"),
        "studies": value("studies"),
    }
    caption = "Mean rank of the mean score over studies; ranks of few studies with few schedules decide nothing"
    return table(studies.frames["ranks"], columns, caption=caption, source="ranks.csv")


def _per_cent(row: Row) -> Cell:
    """The relative difference with its interval: '−18 % (−29 to −8 %)'."""
    return estimate("relative", numbers.Form(relative=True))(row)


def _form(studies: Studies, row: Mapping[Any, Any]) -> numbers.Form:
    """How the differences of a row's study are written."""
    analysis = studies.analyses[row["study"]]
    return analysis.form_of(analysis.score)


def matrix(studies: Studies) -> Table | None:
    """Studies × schedules: verdict, difference and interval; what a study is stands further down the page."""
    schedules = list(studies.frames["verdicts"]["schedule"])
    rows = []
    for name, analysis in studies.analyses.items():
        study = analysis.results.study
        steps = study.spec.train.steps
        cells = [Cell(name, name), Cell(f"{steps:,}", steps)]
        contrasts = analysis.contrasts if "difference" in analysis.contrasts else pd.DataFrame()
        known = {row["schedule"]: row for row in contrasts.to_dict("records")}
        for label in schedules:
            if label not in known:
                cells.append(Cell("–", "–"))
                continue
            row = known[label]
            size = analysis.form_of(analysis.score).estimate(row["difference"], row["low"], row["high"])
            cells.append(Cell(f"{row['verdict']} {size}", str(row["verdict"])))
        rows.append(tuple(cells))
    caption = "Verdict against the baseline, with the mean paired difference and its interval, by study"
    return Table(caption, ("study", "steps", *schedules), tuple(rows), "verdicts.csv")


FIRST: tuple[Entry[Studies], ...] = (
    TableEntry("matrix", matrix, brief=True, fit=True),
    FigureEntry("effects", effects_figure, brief=True),
)
SECTIONS: tuple[Section[Studies], ...] = (
    Section(
        "budget",
        "Does it depend on the number of steps?",
        "Step budget",
        (FigureEntry("sweeps", sweeps_figure, brief=True), TableEntry("sweeps", sweeps_table, brief=True)),
    ),
    Section(
        "effects",
        "Effects",
        "Effects",
        (TableEntry("effects", effects_table, brief=True, otherwise="No study has a comparison yet."),),
    ),
    Section(
        "ranks",
        "Average ranks",
        "Average ranks",
        (TableEntry("ranks", ranks_table, brief=True, otherwise="No study has a confirmation run yet."),),
    ),
)
