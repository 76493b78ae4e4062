"""The report for a repository: the same statements and tables as the page, figures and samples by link."""

from __future__ import annotations

import re
from pathlib import Path

from harness.report.analysis import Analysis
from harness.report.captions import Shown, ema_sentence
from harness.report.samples import grids
from harness.report.sections import tables
from harness.report.tables import Table


def render(analysis: Analysis, shown: dict[str, Shown], *, folder: Path) -> str:
    """report.md."""
    study, shown_tables = analysis.results.study, tables(analysis)
    lines = [f"# {plain(study.title)}", "", f"**{plain(study.question.text)}**", ""]
    lines += answer(analysis)
    lines += [plain(analysis.basis), ""] if analysis.basis else []
    lines += _figure(shown, "forest")
    pictures = grids(analysis, folder)
    if pictures:
        heads = " | ".join(plain(each.title) for each in pictures)
        links = " | ".join(f"![{plain(each.alt)}]({each.link})" for each in pictures)
        lines += [f"| {heads} |", f"|{' :---: |' * len(pictures)}", f"| {links} |", ""]
    lines += ["## Verdicts", ""]
    for name in ("verdicts", "other_verdicts", "levels", "verdicts_wide"):
        lines += table(shown_tables.get(name))
    lines += _figure(shown, "finals")
    if "claims" in shown_tables:
        lines += ["## The article's claims, measured", "", *table(shown_tables["claims"])]
    if "anytime" in shown:
        lines += ["## Training", "", *_figure(shown, "anytime"), *_figure(shown, "losses")]
    lines += ["## Does averaging replace decay?", "", plain(ema_sentence(analysis)), "", *_figure(shown, "averaging")]
    if "sensitivity" in shown:
        lines += ["## Search", "", *_figure(shown, "sensitivity")]
    lines += ["## Protocol", "", *table(shown_tables.get("settings")), *table(shown_tables.get("sanity"))]
    lines += [f"- pairing: {plain(analysis.pairing)}"] if analysis.pairing else []
    lines += [f"- primary score: `{study.primary}`: {plain(study.scores[analysis.raw].protocol)}"]
    lines += [f"- data: {plain(study.data.name)}, read from the folder: {plain(note)}" for note in study.data.notes]
    lines += [f"- study: SHA-256 `{study.sha256[:16]}…`, commit `{study.environment.commit}`"]
    lines += [f"- machine: {plain(study.environment.cpu)}, {plain(study.environment.device)}"]
    lines += [f"- command: {code(study.command)}", ""]
    return "\n".join(lines)


def answer(analysis: Analysis) -> list[str]:
    """Lines of the answer: headline, one sentence per schedule, the other weights, warnings."""
    lines = [plain(analysis.headline), "", *(f"- {plain(each)}" for each in analysis.sentences), ""]
    lines += [plain(analysis.weights), ""] if analysis.weights else []
    return lines + [line for each in analysis.warnings for line in (f"> **Warning:** {plain(each)}", "")]


def _figure(shown: dict[str, Shown], name: str) -> list[str]:
    if name not in shown:
        return []
    return [f"![{plain(shown[name].alt)}](figures/{name}.png)", "", f"*{plain(shown[name].caption)}*", ""]


def table(shown: Table | None) -> list[str]:
    """Lines of a table with its caption; none for a table without rows."""
    if shown is None or not shown.rows:
        return []
    frame = shown.texts().map(plain)
    frame.columns = [plain(head) for head in shown.heads]
    form = ["left" if left else "right" for left in shown.left]
    drawn = frame.to_markdown(index=False, disable_numparse=True, colalign=form)
    return [f"{plain(shown.caption)} (all columns: `{shown.source}`):", "", drawn, ""]


def plain(text: str) -> str:
    """Text with Markdown's, HTML's and formulas' marks taken out of their roles."""
    return "".join(f"\\{mark}" if mark in "\\`*_[]<>#|&~$" else mark for mark in " ".join(str(text).split()))


def code(text: str) -> str:
    """Text as Markdown code, fenced by more backticks than it holds itself."""
    text = " ".join(str(text).split())
    fence = "`" * (1 + max((len(run) for run in re.findall("`+", text)), default=0))
    space = " " if "`" in text else ""
    return f"{fence}{space}{text}{space}{fence}"
