"""From a results folder to tables, figures and pages, all written whole; and the check that they still follow."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
from rich.table import Table

from harness import files
from harness.report import catalogue, numbers
from harness.report.analysis import Analysis
from harness.report.figures import style
from harness.report.render import html, latex, markdown, readme
from harness.results import load
from harness.results.tables import write_frame


def build(path: str | Path, *, pdf: bool = False) -> Path:
    """Write tables, figures, README.md, report.md and report.html into the results folder; return the page's path."""
    folder = Path(path)
    analysis = Analysis(load(folder))
    for name, frame in analysis.tables.items():
        write_frame(folder / f"{name}.csv", frame)
    study = analysis.results.study.name
    for name, table in catalogue.papers(analysis).items():
        files.write(folder / "latex" / f"{name}.tex", latex.render(table, label=f"{study}-{name}").encode())
    contents = catalogue.contents(analysis)
    for name, drawing in contents.figures.items():
        figure = drawing.draw()
        for kind in ("png", "svg", *(("pdf",) if pdf else ())):
            files.write(folder / "figures" / f"{name}.{kind}", style.rendered(figure, kind))
    files.write(folder / "README.md", readme.render(contents).encode())
    files.write(folder / "report.md", markdown.render(contents, folder=folder).encode())
    files.write(folder / "report.html", html.render(contents, folder=folder).encode())
    return folder / "report.html"


def stale(path: str | Path) -> list[str]:
    """Files of the folder that do not follow from runs.csv, curves.csv and study.json; empty if all do.

    Tables and Markdown are compared byte for byte; pictures depend on font rendering and are only looked for.
    """
    folder = Path(path)
    analysis = Analysis(load(folder))
    contents = catalogue.contents(analysis)
    wanted = {f"{name}.csv": frame.to_csv(index=False, lineterminator="\n") for name, frame in analysis.tables.items()}
    wanted["README.md"] = readme.render(contents)
    wanted["report.md"] = markdown.render(contents, folder=folder)
    files = [name for name, content in wanted.items() if not _holds(folder / name, content)]
    pictures = [f"figures/{name}.svg" for name in contents.figures]
    missing = [name for name in pictures if not (folder / name).is_file()]
    page = folder / "report.html"
    # The page holds the pictures: without them it cannot be made again, and its own fault is theirs.
    if not page.is_file() or (not missing and not _holds(page, html.render(contents, folder=folder))):
        missing.append("report.html")
    return files + missing


def _holds(path: Path, content: str) -> bool:
    return path.is_file() and path.read_bytes() == content.encode()


def headline(path: str | Path) -> dict[str, Any]:
    """The main statements as plain values: verdict sentence, warnings, one entry per schedule."""
    analysis = Analysis(load(path))
    summary = analysis.summary.set_index("schedule")
    contrasts = analysis.contrasts.set_index("schedule")
    schedules = {}
    for label in summary.index:
        row = {key: _value(summary.loc[label, key]) for key in ("n", "mean", "low", "high", "diverged", "failed")}
        if label in contrasts.index and "difference" in contrasts:
            keys = ("difference", "low", "high", "p_holm", "p_better", "verdict")
            row["against_baseline"] = {key: _value(contrasts.loc[label, key]) for key in keys}
        schedules[str(label)] = row
    return {
        "study": analysis.results.study.name,
        "score": analysis.score,
        "baseline": analysis.baseline,
        "sentence": analysis.sentence,
        "warnings": analysis.warnings,
        "schedules": schedules,
        "results": str(path),
    }


def _value(value: Any) -> Any:
    """A plain JSON value: None for what is missing."""
    if isinstance(value, str):
        return value
    if pd.isna(value):
        return None
    number = float(value)
    return int(number) if number == int(number) and not isinstance(value, float) else number


def terminal_table(path: str | Path) -> Table:
    """The small table that ends a run of a study."""
    analysis = Analysis(load(path))
    arrow, spread = analysis.arrow, analysis.spread_of(analysis.score)
    table = Table(
        title=f"{analysis.score} {arrow}, fresh-seed confirmation runs",
        title_justify="left",
        box=None,
        pad_edge=False,
    )
    table.add_column("schedule")
    for head in ("seeds", "mean", f"{analysis.level} interval", f"vs {analysis.baseline}", "p (Holm)", "verdict"):
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
                numbers.estimate(other["difference"], other["low"], other["high"], sign=True, spread=spread),
                numbers.number(other["p_holm"]),
                str(other["verdict"]),
            ]
        table.add_row(str(row["schedule"]), *cells)
    return table
