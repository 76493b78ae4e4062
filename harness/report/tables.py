"""Tables as people read them: fewer columns than the CSV files, intervals in one cell, only digits the data support."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from harness.report import numbers

Row = Mapping[str, Any]
FRACTIONS = ("reached", "share")  # columns of tables shown whole that are in per cent
SET = ("best_rate", "value", "low", "high", "median_step")  # columns that were set, not measured: shown as they are


@dataclass(frozen=True)
class Cell:
    """What is shown, and what a column is sorted by."""

    text: str
    value: object


@dataclass(frozen=True)
class Table:
    """A table for the page, Markdown and LaTeX; `source` is the CSV file with all its columns.

    `folded`: the page opens it by a click. `bold`: row and column of the cell that LaTeX prints bold, if any.
    """

    caption: str
    heads: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    source: str
    folded: bool = False
    bold: tuple[int, int] | None = None

    @property
    def left(self) -> tuple[bool, ...]:
        """Which columns are text throughout, and are set to the left; numbers stand to the right."""
        columns = range(len(self.heads))
        return tuple(all(isinstance(row[index].value, str) for row in self.rows) for index in columns)

    def texts(self) -> pd.DataFrame:
        """The texts alone."""
        return pd.DataFrame([[cell.text for cell in row] for row in self.rows], columns=list(self.heads), dtype=str)


def table(
    frame: pd.DataFrame,
    columns: Mapping[str, Callable[[Row], Cell]],
    *,
    caption: str,
    source: str,
    folded: bool = False,
) -> Table:
    """The table with one cell per row and column."""
    rows = [{str(key): value for key, value in row.items()} for row in frame.to_dict("records")]
    cells = tuple(tuple(build(row) for build in columns.values()) for row in rows)
    return Table(caption, tuple(columns), cells, source, folded)


def value(name: str, spread: float | None = None, *, sign: bool = False) -> Callable[[Row], Cell]:
    """A number, cut where `spread` has its second digit (NaN: with three digits); without one as it is, text too."""

    def cell(row: Row) -> Cell:
        given = row[name]
        if spread is None or not isinstance(given, float):
            return Cell(numbers.number(given), given)
        return Cell(numbers.aligned([given], spread=spread, sign=sign)[0], given)

    return cell


def interval(spread: float | None = None) -> Callable[[Row], Cell]:
    """The columns low and high as one cell, sorted by its middle."""
    return lambda row: Cell(numbers.interval(row["low"], row["high"], spread=spread), (row["low"] + row["high"]) / 2)


def difference(name: str, form: numbers.Form) -> Callable[[Row], Cell]:
    """A difference without its interval."""
    return lambda row: Cell(form.alone(float(row[name])), float(row[name]))


def between(form: numbers.Form) -> Callable[[Row], Cell]:
    """The interval of a difference, from the columns low and high, sorted by its middle."""
    return lambda row: Cell(form.interval(row["low"], row["high"]), (row["low"] + row["high"]) / 2)


def estimate(name: str, form: numbers.Form) -> Callable[[Row], Cell]:
    """A difference with its interval, from the columns low and high, in one cell."""
    return lambda row: Cell(form.estimate(row[name], row["low"], row["high"]), float(row[name]))


def share(name: str) -> Callable[[Row], Cell]:
    """A fraction in per cent."""
    return lambda row: Cell(numbers.percent(float(row[name])), row[name])


def whole(
    frame: pd.DataFrame, *, caption: str, source: str, spreads: Mapping[str, float] | None = None, folded: bool = False
) -> Table:
    """All columns that hold anything, under readable heads; those in `spreads` with the digits of theirs."""
    kept = [str(name) for name in frame.columns if frame[name].notna().any()]
    forms = {name: share(name) for name in FRACTIONS} | {name: value(name) for name in SET}
    forms |= {name: value(name, spread) for name, spread in (spreads or {}).items()}
    columns = {name.replace("_", " "): forms.get(name, value(name, math.nan)) for name in kept}
    return table(frame, columns, caption=caption, source=source, folded=folded)
