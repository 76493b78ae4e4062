"""What a report shows, in order: the one list that the page, report.md, README.md and the LaTeX tables are made from.

A new table, figure or text is an entry of SECTIONS and the function that makes it.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

from harness.report import claims, numbers, study_figures, study_tables, study_texts
from harness.report.analysis import Analysis
from harness.report.figures import style
from harness.report.study_figures import Drawing
from harness.report.study_texts import Line
from harness.report.tables import Table


@dataclass(frozen=True)
class TableEntry:
    """A table. What it holds is made by `make`; a table without rows is left out.

    `title` and `note` stand above it, `otherwise` in its place where there is none. `brief`: report.md has it too.
    `fit`: on the page its cells break rather than be wider than it. `paper` makes what latex/NAME.tex holds.
    """

    name: str
    make: Callable[[Analysis], Table | None]
    title: str = ""
    note: str = ""
    otherwise: str = ""
    brief: bool = False
    fit: bool = False
    paper: Callable[[Analysis], Table | None] | None = None
    form = "table"


@dataclass(frozen=True)
class FigureEntry:
    """A figure, left out where `make` gives none. `brief`: report.md has it too."""

    name: str
    make: Callable[[Analysis], Drawing | None]
    brief: bool = False
    form = "figure"


@dataclass(frozen=True)
class Pair:
    """Two figures side by side where the page is wide enough."""

    figures: tuple[FigureEntry, FigureEntry]
    form = "pair"


@dataclass(frozen=True)
class Text:
    """A paragraph, left out where it is empty; a `soft` one is set in grey. `brief`: report.md has it too."""

    make: Callable[[Analysis], Line]
    soft: bool = False
    brief: bool = False
    form = "text"


@dataclass(frozen=True)
class Listing:
    """Sentences in a list; on the page more than `most` are opened by a click on `title`. report.md has it too."""

    make: Callable[[Analysis], list[Line]]
    title: str = ""
    most: int | None = None
    form = "listing"


@dataclass(frozen=True)
class Verbatim:
    """Text set as it stands, under its title; a `folded` one is opened by a click. `brief`: report.md has it too."""

    title: str
    make: Callable[[Analysis], str]
    folded: bool = False
    brief: bool = False
    form = "verbatim"


Entry = TableEntry | FigureEntry | Pair | Text | Listing | Verbatim


@dataclass(frozen=True)
class Section:
    """A part of the report: its anchor, its heading, what the navigation calls it, and what it holds."""

    id: str
    heading: str
    short: str
    entries: tuple[Entry, ...]


# The first screen: what README.md shows as well.
VERDICTS = TableEntry("verdicts", study_tables.verdicts, brief=True, fit=True, paper=study_tables.verdicts_of_a_paper)
FOREST = FigureEntry("forest", study_figures.forest, brief=True)

SECTIONS = (
    Section(
        "verdicts",
        "Verdicts",
        "Verdicts",
        (
            TableEntry(
                "verdicts_wide",
                study_tables.verdicts_in_full,
                brief=True,
                paper=study_tables.verdicts_in_full,
            ),
            TableEntry("levels", study_tables.levels, brief=True, paper=study_tables.levels),
            FigureEntry("finals", study_figures.finals, brief=True),
            TableEntry(
                "other_verdicts",
                study_tables.other_verdicts,
                brief=True,
                fit=True,
                paper=study_tables.other_verdicts_of_a_paper,
            ),
            TableEntry(
                "other_verdicts_wide",
                study_tables.other_verdicts_in_full,
                paper=study_tables.other_verdicts_in_full,
            ),
            TableEntry("pairs", study_tables.pairs, title="All pairs (exploratory)"),
        ),
    ),
    Section(
        "claims",
        "The article's claims, measured",
        "The article's claims",
        (
            Text(study_texts.claims, soft=True),
            TableEntry("claims", claims.at_a_glance, brief=True, fit=True, paper=claims.at_a_glance),
            *(
                TableEntry(
                    f"claim_{index}",
                    partial(claims.scores, claim=claim),
                    title=claim.title,
                    note=claim.note,
                    otherwise="No data for this claim in this study.",
                )
                for index, claim in enumerate(claims.CLAIMS)
            ),
            TableEntry(
                "claim_none",
                partial(claims.scores, claim=claims.NONE),
                title=claims.NONE.title,
                note=claims.NONE.note,
            ),
            Text(study_texts.claims_elsewhere),
        ),
    ),
    Section(
        "stability",
        "Stability and failures",
        "Stability",
        (
            TableEntry("final_against_best", study_tables.final_against_best),
            Text(study_texts.lost),
            TableEntry("lost", study_tables.lost),
        ),
    ),
    Section(
        "training",
        "Training",
        "Training",
        (
            Pair(
                (
                    FigureEntry("anytime", study_figures.anytime, brief=True),
                    FigureEntry("rates", study_figures.learning_rates),
                )
            ),
            TableEntry("time_to_target", study_tables.time_to_target),
            FigureEntry("losses", study_figures.losses, brief=True),
        ),
    ),
    Section(
        "averaging",
        "Does averaging replace decay?",
        "Averaging",
        (
            Text(study_texts.averaging, brief=True),
            Listing(study_texts.averaging_by_schedule, title="Each schedule in a sentence", most=4),
            FigureEntry("averaging", study_figures.averaging, brief=True),
            TableEntry("interactions", study_tables.interactions, paper=study_tables.interactions),
        ),
    ),
    Section(
        "search",
        "Search, and sensitivity to the peak rate",
        "Search",
        (
            Text(study_texts.unequal_budgets, brief=True),
            Text(study_texts.no_search),
            Pair(
                (
                    FigureEntry("sensitivity", study_figures.sensitivity, brief=True),
                    FigureEntry("budget", study_figures.budget),
                )
            ),
            TableEntry("sensitivity", study_tables.sensitivity),
            TableEntry("boundary", study_tables.boundary),
            TableEntry("optimism", study_tables.optimism),
        ),
    ),
    Section(
        "cost",
        "Cost",
        "Cost",
        (TableEntry("cost", study_tables.cost, otherwise="No run has finished, so no time can be compared."),),
    ),
    Section(
        "protocol",
        "Protocol and provenance",
        "Protocol",
        (
            TableEntry("settings", study_tables.settings, brief=True, paper=study_tables.settings),
            TableEntry("sanity", study_tables.sanity, brief=True),
            Listing(study_texts.facts),
            Verbatim("To reproduce, at that commit:", study_texts.command, brief=True),
            Verbatim("The study as it was run", study_texts.study_file, folded=True),
        ),
    ),
)


@dataclass(frozen=True)
class Contents:
    """The tables and figures of one study's report by name, each made once; those without data are not among them."""

    analysis: Analysis
    tables: dict[str, Table]
    figures: dict[str, Drawing]


def entries() -> Iterator[Entry]:
    """All entries in order, figures of a pair one by one."""
    yield VERDICTS
    yield FOREST
    for section in SECTIONS:
        for entry in section.entries:
            if isinstance(entry, Pair):
                yield from entry.figures
            else:
                yield entry


def contents(analysis: Analysis) -> Contents:
    """What the report of a study shows; figures are described, and drawn when asked for."""
    tables, figures = {}, {}
    for entry in entries():
        if isinstance(entry, TableEntry):
            table = entry.make(analysis)
            if table is not None and table.rows:
                tables[entry.name] = table
        elif isinstance(entry, FigureEntry):
            drawing = entry.make(analysis)
            if drawing is not None:
                figures[entry.name] = dataclasses.replace(drawing, caption=f"{drawing.caption}{_key(analysis)}")
    return Contents(analysis, tables, figures)


def papers(analysis: Analysis) -> dict[str, Table]:
    """The tables for a paper, by file name."""
    tables = {
        entry.name: entry.paper(analysis)
        for entry in entries()
        if isinstance(entry, TableEntry) and entry.paper is not None
    }
    return {name: table for name, table in tables.items() if table is not None and table.rows}


def _key(analysis: Analysis) -> str:
    """What a caption says of the keys that stand for schedules whose names a figure cannot draw."""
    keyed = [f"{key} is {numbers.name(label)}" for key, label in style.keys(analysis.schedules).items()]
    return f" In the figure {'; '.join(keyed)}." if keyed else ""
