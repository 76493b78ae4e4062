"""The report for a repository: the same statements and tables as the page, figures and samples by link."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from harness.report import catalogue
from harness.report.analysis import Analysis
from harness.report.entries import (
    Code,
    Contents,
    Entry,
    FigureEntry,
    Line,
    Listing,
    Pair,
    Section,
    TableEntry,
    Text,
    Verbatim,
)
from harness.report.samples import grids
from harness.report.tables import Table


def render(contents: Contents[Analysis], *, folder: Path) -> str:
    """report.md: of each section of the catalogue what is brief."""
    analysis = contents.subject
    study = analysis.results.study
    lines = [f"# {plain(study.title)}", "", f"**{plain(study.question.text)}**", ""]
    lines += answer(analysis)
    lines += [plain(analysis.basis), ""] if analysis.basis else []
    lines += [line for entry in catalogue.FIRST for line in shown(contents, entry)]
    pictures = grids(analysis, folder)
    if pictures:
        heads = " | ".join(plain(grid.title) for grid in pictures)
        links = " | ".join(f"![{plain(grid.alt)}]({grid.link})" for grid in pictures)
        lines += [f"| {heads} |", f"|{' :---: |' * len(pictures)}", f"| {links} |", ""]
    return "\n".join([*lines, *sections(contents, catalogue.sections(analysis))])


def sections(contents: Contents[Any], listed: Iterable[Section[Any]]) -> list[str]:
    """Lines of the sections that hold something brief."""
    lines = []
    for section in listed:
        body = [line for entry in section.entries for line in shown(contents, entry)]
        lines += [f"## {plain(section.heading)}", "", *body] if body else []
    return lines


def shown(contents: Contents[Any], entry: Entry[Any]) -> list[str]:
    """Lines of an entry; none for one that is not brief, or for which there is no data."""
    match entry:
        case TableEntry(brief=True):
            return table(contents.tables.get(entry.name))
        case FigureEntry(brief=True):
            return figure(contents, entry.name)
        case Pair():
            return [line for each in entry.figures for line in shown(contents, each)]
        case Text(brief=True):
            text = inline(entry.make(contents.subject))
            return [text, ""] if text else []
        case Listing():
            items = [f"- {inline(line)}" for line in entry.make(contents.subject)]
            return [*items, ""] if items else []
        case Verbatim(brief=True):
            return [plain(entry.title), "", code(entry.make(contents.subject)), ""]
        case _:
            return []


def inline(line: Line) -> str:
    """A line with its code; other sections are named without a link."""
    return "".join(
        code(part.text) if isinstance(part, Code) else _escaped(part if isinstance(part, str) else part.text)
        for part in line
    )


def answer(analysis: Analysis) -> list[str]:
    """Lines of the answer: headline, what it is about, one sentence per schedule, what came later, weights, warnings."""
    lines = [plain(analysis.headline), ""]
    lines += [plain(analysis.scope), ""] if analysis.scope else []
    listed = [f"- {plain(sentence)}" for sentence in [*analysis.sentences, *analysis.later]]
    lines += [*listed, ""] if listed else []
    lines += [plain(analysis.weights), ""] if analysis.weights else []
    return lines + [line for warning in analysis.warnings for line in (f"> **Warning:** {plain(warning)}", "")]


def figure(contents: Contents[Any], name: str) -> list[str]:
    """Lines of a figure with its caption; none where the page has no such figure."""
    drawing = contents.figures.get(name)
    if drawing is None:
        return []
    return [f"![{plain(drawing.alt)}]({contents.pictures}{name}.png)", "", f"*{plain(drawing.caption)}*", ""]


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
    """Text on one line, in which no character plays its role in Markdown, HTML or formulas."""
    return _escaped(text).strip()


def _escaped(text: str) -> str:
    """As `plain`, with a space at an end kept."""
    return "".join(
        f"\\{character}" if character in "\\`*_[]<>#|&~$" else character for character in re.sub(r"\s+", " ", str(text))
    )


def code(text: str) -> str:
    """Text as Markdown code, fenced by more backticks than it holds itself."""
    text = " ".join(str(text).split())
    fence = "`" * (1 + max((len(run) for run in re.findall("`+", text)), default=0))
    space = " " if "`" in text else ""
    return f"{fence}{space}{text}{space}{fence}"
