"""Several studies on one page: verdicts side by side, relative effects, budget sweeps, average ranks."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import pandas as pd
from matplotlib.figure import Figure

from harness import stats
from harness.report import numbers
from harness.report.analysis import Analysis
from harness.report.figures import cross_study as figures
from harness.report.figures import style
from harness.report.render import html as page
from harness.report.render import markdown
from harness.report.tables import Cell, Row, Table, estimate, table, value
from harness.results import load
from harness.results.tables import write_bytes, write_frame

Analyses = Mapping[str, Analysis]


def build(paths: Sequence[Path], *, output: Path, pdf: bool = False) -> Path:
    """Write the cross-study tables, figures and pages into `output`; return the HTML page's path."""
    analyses: dict[str, Analysis] = {}
    for path in paths:
        analysis = Analysis(load(path))
        name = analysis.results.study.name
        analyses[name if name not in analyses else f"{name} ({path})"] = analysis
    tables = frames(analyses)
    for name, frame in tables.items():
        write_frame(output / f"{name}.csv", frame)
    drawings = {}
    for name, figure in _figures(tables).items():
        for kind in ("svg", "png", *(("pdf",) if pdf else ())):
            write_bytes(output / f"{name}.{kind}", style.rendered(figure, kind))
        drawings[name] = page.drawing((output / f"{name}.svg").read_text(encoding="utf-8"), name, _alt(name, tables))
    shown = _shown(analyses, tables)
    html = (
        page.environment()
        .get_template("cross.html.jinja")
        .render(
            tables=shown,
            drawings=drawings,
            headline=headline(tables["verdicts"]),
            sentences={name: [analysis.headline, *analysis.sentences] for name, analysis in analyses.items()},
            studies={name: analysis.results.study for name, analysis in analyses.items()},
        )
    )
    write_bytes(output / "report.html", html.encode())
    write_bytes(output / "report.md", _markdown(shown, drawings, headline(tables["verdicts"])).encode())
    return output / "report.html"


def frames(analyses: Analyses) -> dict[str, pd.DataFrame]:
    """The cross-study tables by file name."""
    contrasts = {name: analysis.contrasts for name, analysis in analyses.items() if "difference" in analysis.contrasts}
    return {
        "ranks": stats.average_ranks(
            {name: analysis.summary for name, analysis in analyses.items() if len(analysis.summary)}
        ),
        "verdicts": stats.verdict_matrix(contrasts),
        "effects": stats.effect_sizes(contrasts),
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
        key = json.dumps([kept, analysis.score, analysis.baseline], sort_keys=True)
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
    said = []
    for row in verdicts.to_dict("records"):
        given = [text for key, text in row.items() if key != "schedule" and text]
        found = pd.Series(given).value_counts()
        counts = ", ".join(f"{verdict} in {count} of {len(given)}" for verdict, count in found.items())
        said.append(f"{numbers.name(str(row['schedule']))}: {counts}")
    return f"Against each study's baseline: {'; '.join(said)}." if said else "No study has a verdict yet."


def _figures(tables: Mapping[str, pd.DataFrame]) -> dict[str, Figure]:
    found = {}
    if len(tables["effects"]):
        found["effects"] = figures.effects(tables["effects"])
    if len(tables["sweeps"]):
        found["sweeps"] = figures.sweeps(tables["sweeps"])
    return found


def _alt(name: str, tables: Mapping[str, pd.DataFrame]) -> str:
    """What a figure shows, as text."""
    if name == "effects":
        parts = [
            f"{row['study']}, {row['schedule']}: {numbers.percent(row['relative'], sign=True)}, {row['verdict']}"
            for row in tables[name].to_dict("records")
        ]
        return f"Difference to the baseline, relative to the baseline mean. {'; '.join(parts)}."
    parts = [
        f"{row['schedule']} at {numbers.count(row['steps'], 'step')} {numbers.number(row['difference'])}, {row['verdict']}"
        for row in tables[name].to_dict("records")
    ]
    return f"Difference to baseline by number of training steps. {'; '.join(parts)}."


def _shown(analyses: Analyses, tables: Mapping[str, pd.DataFrame]) -> dict[str, Table]:
    """The tables as people read them."""
    rank: dict[str, Callable[[Row], Cell]] = {
        "schedule": value("schedule"),
        "mean rank": value("rank"),
        "relative (0 best, 1 worst)": value("relative"),
        "studies": value("studies"),
    }
    sweep: dict[str, Callable[[Row], Cell]] = {
        "study": value("study"),
        "steps": value("steps"),
        "schedule": value("schedule"),
        "pairs": value("n"),
        "difference (interval)": lambda row: estimate(
            "difference", analyses[row["study"]].spread_of(analyses[row["study"]].score)
        )(row),
        "verdict": value("verdict"),
    }
    found = {
        "matrix": _matrix(analyses, list(tables["verdicts"]["schedule"])),
        "effects": table(
            tables["effects"],
            {
                "study": value("study"),
                "schedule": value("schedule"),
                "difference to baseline (interval)": _per_cent,
                "pairs": value("n"),
                "verdict": value("verdict"),
            },
            caption="Mean paired difference relative to the baseline mean; below zero is better",
            source="effects.csv",
        )
        if len(tables["effects"])
        else None,
        "sweeps": table(
            tables["sweeps"],
            sweep,
            caption="Difference to baseline by number of steps, studies alike in data, network, training and evaluation",
            source="sweeps.csv",
        ),
        "ranks": table(
            tables["ranks"],
            rank,
            caption="Mean rank of the mean score over studies; ranks of few studies with few schedules decide nothing",
            source="ranks.csv",
        ),
    }
    return {name: form for name, form in found.items() if form is not None and form.rows}


def _per_cent(row: Row) -> Cell:
    """The relative difference with its interval: '−18 % (−29 to −8)'."""
    text = numbers.estimate(100 * row["relative"], 100 * row["low"], 100 * row["high"], sign=True)
    return Cell(text.replace(" (", " % (", 1) if " (" in text else f"{text} %", float(row["relative"]))


def _matrix(analyses: Analyses, schedules: list[str]) -> Table:
    """Studies × schedules: verdict, difference and interval; what a study is stands further down the page."""
    rows = []
    for name, analysis in analyses.items():
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
            spread = analysis.spread_of(analysis.score)
            size = numbers.estimate(row["difference"], row["low"], row["high"], sign=True, spread=spread)
            cells.append(Cell(f"{row['verdict']} {size}", str(row["verdict"])))
        rows.append(tuple(cells))
    caption = "Verdict against the baseline, with the mean paired difference and its interval, by study"
    return Table(caption, ("study", "steps", *schedules), tuple(rows), "verdicts.csv")


def _markdown(shown: Mapping[str, Table], drawings: Mapping[str, object], said: str) -> str:
    lines = ["# Schedules across studies", "", markdown.plain(said), ""]
    for name, title in (("matrix", "Verdicts"), ("sweeps", "Budget"), ("effects", "Effects"), ("ranks", "Ranks")):
        if name in shown:
            lines += [f"## {title}", ""]
            if name in drawings:
                lines += [f"![{title}]({name}.png)", ""]
            lines += markdown.table(shown[name])
    return "\n".join(lines)
