"""From a results folder to tables, figures and pages, all written whole; and the check that they still follow."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
from rich.table import Table

from harness import command_line, files
from harness.report import catalogue, numbers, sentences
from harness.report.analysis import Analysis
from harness.report.figures import style
from harness.report.render import html, latex, markdown, readme
from harness.results import load
from harness.results.tables import unlike, write_frame


def build(path: str | Path, *, pdf: bool = False) -> Path:
    """Write tables, figures, README.md, report.md and report.html into the results folder; return the page's path."""
    folder = Path(path)
    analysis = Analysis(load(folder))
    page = write(analysis, folder, pdf=pdf)
    files.write(folder / "README.md", readme.render(catalogue.contents(analysis)).encode())
    return page


def write(analysis: Analysis, folder: Path, *, pdf: bool = False) -> Path:
    """Write tables, figures, report.md and report.html into `folder`; return the page's path."""
    for name, frame in analysis.tables.items():
        write_frame(folder / f"{name}.csv", named(frame, analysis.plan.factor))
    study = analysis.results.study.name
    for name, table in catalogue.papers(analysis).items():
        files.write(folder / "latex" / f"{name}.tex", latex.render(table, label=f"{study}-{name}").encode())
    contents = catalogue.contents(analysis)
    for name, drawing in contents.figures.items():
        figure = drawing.draw()
        for kind in ("png", "svg", *(("pdf",) if pdf else ())):
            files.write(folder / "figures" / f"{name}.{kind}", style.rendered(figure, kind))
    files.write(folder / "report.md", markdown.render(contents, folder=folder).encode())
    files.write(folder / "report.html", html.render(contents, folder=folder).encode())
    return folder / "report.html"


def named(frame: pd.DataFrame, factor: str) -> pd.DataFrame:
    """A table whose column `schedule` is called as the factor, or 'level' where another column is."""
    return (
        frame.rename(columns={"schedule": factor if factor not in frame else "level"})
        if factor != "schedule"
        else frame
    )


def stale(path: str | Path) -> list[str]:
    """Files of the folder that do not follow from runs.csv, curves.csv and study.json; empty if all do.

    Markdown is compared byte for byte, tables to within rounding, since other processors add in another order; pictures depend on
    font rendering and are only looked for.
    """
    folder = Path(path)
    analysis = Analysis(load(folder))
    contents = catalogue.contents(analysis)
    texts = {"README.md": readme.render(contents), "report.md": markdown.render(contents, folder=folder)}
    found = unlike(folder, analysis.tables, texts)
    pictures = [f"figures/{name}.svg" for name in contents.figures]
    missing = [name for name in pictures if not (folder / name).is_file()]
    page = folder / "report.html"
    # The page holds the pictures: without them it cannot be made again, and its own fault is theirs.
    if not page.is_file() or (not missing and not files.holds(page, html.render(contents, folder=folder))):
        missing.append("report.html")
    return found + missing


def headline(path: str | Path) -> dict[str, Any]:
    """What `--json` prints of a results folder: see `values`."""
    return values(Analysis(load(path)))


def values(analysis: Analysis) -> dict[str, Any]:
    """The main statements as plain values: verdicts in one line and in sentences, warnings, one entry per schedule.

    `scale`: whether differences are in units of the score, or fractions of the baseline ('relative': -0.18 is 18 %
    lower). `looks`, `look`, `replicates`: those planned, how many were taken, replicates that have ended; of a study that
    tunes once none. `decided`: whether every schedule is better, worse or equivalent. `exploratory`: whether the verdicts
    are; what came after the plan stands under `later`.
    """
    study, path = analysis.results.study.name, analysis.results.path
    return command_line.versioned({"study": study, **statements(analysis, levels="schedules"), "results": str(path)})


def statements(analysis: Analysis, *, levels: str) -> dict[str, Any]:
    """As `values`, of runs of whatever origin; `levels` is what the entries are under, one per schedule."""
    summary = analysis.summary.set_index("schedule")
    contrasts = analysis.contrasts.set_index("schedule")
    plan, known = analysis.plan, "difference" in contrasts
    schedules = {}
    for label in summary.index:
        row = {key: _value(summary.loc[label, key]) for key in ("n", "mean", "low", "high", "diverged", "failed")}
        if label in contrasts.index and known:
            row["against_baseline"] = _against(contrasts.loc[label])
        schedules[str(label)] = row
    later = [
        {"schedule": str(row["schedule"]), "what": row["what"], **_against(row)}
        for _, row in analysis.exploratory.iterrows()
    ]
    return {
        "score": analysis.score,
        "scale": analysis.results.study.question.scale,
        "baseline": analysis.baseline,
        "verdict": analysis.headline,
        "decided": analysis.decided,
        "scope": analysis.scope,
        "sentence": analysis.sentence,
        "exploratory": bool(plan.changed),
        "looks": list(plan.looks),
        "look": int(contrasts["look"].max()) if plan.replicated and known and len(contrasts) else None,
        "replicates": int(analysis.units["repetition"].nunique()) if plan.replicated else None,
        "warnings": analysis.warnings,
        levels: schedules,
        **({"later": later} if later else {}),
    }


def _against(row: pd.Series) -> dict[str, Any]:
    """What a row of contrasts says, as plain values."""
    keys = ("n", "difference", "low", "high", "p_holm", "p_better", "verdict", *(["look"] if "look" in row else []))
    return {key: _value(row[key]) for key in keys}


def _value(value: Any) -> Any:
    """A plain JSON value: None for what is missing."""
    if isinstance(value, str):
        return value
    if pd.isna(value):
        return None
    number = float(value)
    return int(number) if number == int(number) and not isinstance(value, float) else number


def terminal_table(path: str | Path) -> Table:
    """The small table that ends a run of a study; what its verdicts are about stands in the sentence below it."""
    return verdict_table(Analysis(load(path)))


def verdict_table(analysis: Analysis) -> Table:
    """As `terminal_table`, of runs of whatever origin."""
    arrow, spread, form = analysis.arrow, analysis.spread_of(analysis.score), analysis.form_of(analysis.score)
    of = "replicates of the whole tuning" if analysis.plan.replicated else "fresh-seed confirmation runs"
    if analysis.plan.elsewhere and not analysis.plan.replicated:
        of = f"runs paired by {analysis.plan.paired_by}"
    table = Table(
        title=f"{analysis.score} {arrow}, {of}{', exploratory' if analysis.plan.changed else ''}",
        title_justify="left",
        box=None,
        pad_edge=False,
    )
    table.add_column(analysis.plan.head)
    for head in (
        numbers.plural(analysis.plan.unit),
        "mean",
        f"{analysis.level} interval",
        f"vs {analysis.baseline}",
        "p (Holm)",
        "verdict",
    ):
        table.add_column(head, justify="right")
    against = analysis.contrasts.set_index("schedule") if "difference" in analysis.contrasts else pd.DataFrame()
    for row in analysis.summary.to_dict("records"):
        cells = [
            str(row["n"]),
            numbers.aligned([row["mean"]], spread=spread)[0],
            numbers.interval(row["low"], row["high"], spread=spread),
        ]
        if row["schedule"] in against.index:
            other = against.loc[row["schedule"]]
            cells += [
                form.estimate(other["difference"], other["low"], other["high"]),
                numbers.number(other["p_holm"]),
                str(other["verdict"]),
            ]
        table.add_row(str(row["schedule"]), *cells)
    for row in analysis.exploratory.to_dict("records"):
        size = form.estimate(row["difference"], row["low"], row["high"])
        p, verdict = numbers.number(row["p_holm"]), f"exploratory: {row['what']}"
        if row["what"] == sentences.ADDED:
            verdict = f"{row['verdict']} ({verdict})"
        table.add_row(str(row["schedule"]), str(row["n"]), "", "", size, p, verdict)
    return table
