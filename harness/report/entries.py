"""What the list of a report is made of: sections, and the tables, figures and texts that they hold.

An entry makes what it shows from a subject: one study, or several. The page and the Markdown file walk the same list.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from matplotlib.figure import Figure

from harness.report.tables import Table

Subject = TypeVar("Subject")


@dataclass(frozen=True)
class Drawing:
    """A figure, drawn when asked for; its alternative text with the finding; its caption."""

    draw: Callable[[], Figure]
    alt: str
    caption: str


@dataclass(frozen=True)
class Code:
    """Text that is set as it stands: a name, a hash."""

    text: str


@dataclass(frozen=True)
class Link:
    """The name of another section, which the page links to."""

    section: str
    text: str


Line = tuple[str | Code | Link, ...]  # a sentence or paragraph, in parts


@dataclass(frozen=True)
class TableEntry(Generic[Subject]):
    """A table. What it holds is made by `make`; a table without rows is left out.

    `title` and `note` stand above it, `otherwise` in its place where there is none. `brief`: report.md has it too.
    `fit`: on the page its cells break rather than be wider than it. `paper` makes what latex/NAME.tex holds.
    """

    name: str
    make: Callable[[Subject], Table | None]
    title: str = ""
    note: str = ""
    otherwise: str = ""
    brief: bool = False
    fit: bool = False
    paper: Callable[[Subject], Table | None] | None = None
    form = "table"


@dataclass(frozen=True)
class FigureEntry(Generic[Subject]):
    """A figure, left out where `make` gives none. `brief`: report.md has it too."""

    name: str
    make: Callable[[Subject], Drawing | None]
    brief: bool = False
    form = "figure"


@dataclass(frozen=True)
class Pair(Generic[Subject]):
    """Two figures side by side where the page is wide enough."""

    figures: tuple[FigureEntry[Subject], FigureEntry[Subject]]
    form = "pair"


@dataclass(frozen=True)
class Text(Generic[Subject]):
    """A paragraph, left out where it is empty; a `soft` one is set in grey. `brief`: report.md has it too."""

    make: Callable[[Subject], Line]
    soft: bool = False
    brief: bool = False
    form = "text"


@dataclass(frozen=True)
class Listing(Generic[Subject]):
    """Sentences in a list; on the page more than `most` are opened by a click on `title`. report.md has it too."""

    make: Callable[[Subject], list[Line]]
    title: str = ""
    most: int | None = None
    form = "listing"


@dataclass(frozen=True)
class Verbatim(Generic[Subject]):
    """Text set as it stands, under its title; a `folded` one is opened by a click. `brief`: report.md has it too."""

    title: str
    make: Callable[[Subject], str]
    folded: bool = False
    brief: bool = False
    form = "verbatim"


Entry = (
    TableEntry[Subject] | FigureEntry[Subject] | Pair[Subject] | Text[Subject] | Listing[Subject] | Verbatim[Subject]
)


@dataclass(frozen=True)
class Section(Generic[Subject]):
    """A part of a report: its anchor, its heading, what the navigation calls it, and what it holds."""

    id: str
    heading: str
    short: str
    entries: tuple[Entry[Subject], ...]


@dataclass(frozen=True)
class Contents(Generic[Subject]):
    """The tables and figures of one report by name, each made once; those without data are not among them.

    `pictures`: folder of the figures' files, relative to the report's, with a slash at its end if it is another.
    """

    subject: Subject
    tables: dict[str, Table]
    figures: dict[str, Drawing]
    pictures: str

    def has(self, entry: Entry[Subject]) -> bool:
        """Whether the report shows anything for an entry."""
        match entry:
            case TableEntry():
                return entry.name in self.tables or bool(entry.otherwise)
            case FigureEntry():
                return entry.name in self.figures
            case Pair():
                return any(self.has(figure) for figure in entry.figures)
            case _:
                return bool(entry.make(self.subject))

    def shown(self, sections: Iterable[Section[Subject]]) -> list[Section[Subject]]:
        """The sections in which there is something to show."""
        return [section for section in sections if any(self.has(entry) for entry in section.entries)]


def walk(first: Sequence[Entry[Subject]], sections: Iterable[Section[Subject]]) -> Iterator[Entry[Subject]]:
    """All entries in order, the figures of a pair one by one."""
    for entry in (*first, *(entry for section in sections for entry in section.entries)):
        if isinstance(entry, Pair):
            yield from entry.figures
        else:
            yield entry


def contents(
    subject: Subject, entries: Iterable[Entry[Subject]], *, pictures: str = "figures/", key: str = ""
) -> Contents[Subject]:
    """What a report shows; figures are described, and drawn when asked for. `key` ends every caption."""
    tables, figures = {}, {}
    for entry in entries:
        if isinstance(entry, TableEntry):
            table = entry.make(subject)
            if table is not None and table.rows:
                tables[entry.name] = table
        elif isinstance(entry, FigureEntry):
            drawing = entry.make(subject)
            if drawing is not None:
                figures[entry.name] = dataclasses.replace(drawing, caption=f"{drawing.caption}{key}")
    return Contents(subject, tables, figures, pictures)
