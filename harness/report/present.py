"""Tables as people read them: fewer columns than the CSV files, intervals in one cell, digits that the data support."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from harness.stats import digits

Row = Mapping[str, Any]


@dataclass(frozen=True)
class Cell:
    """What is shown, and what a column is sorted by."""

    text: str
    value: object


@dataclass(frozen=True)
class Table:
    """A table for the page, Markdown and LaTeX; `source` is the CSV file with all its columns."""

    caption: str
    heads: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    source: str

    def texts(self) -> pd.DataFrame:
        """The texts alone."""
        return pd.DataFrame([[cell.text for cell in row] for row in self.rows], columns=list(self.heads), dtype=str)


def table(frame: pd.DataFrame, columns: Mapping[str, Callable[[Row], Cell]], *, caption: str, source: str) -> Table:
    """The table with a cell a row and column."""
    rows = [{str(key): value for key, value in row.items()} for row in frame.to_dict("records")]
    made = tuple(tuple(build(row) for build in columns.values()) for row in rows)
    return Table(caption, tuple(columns), made, source)


def value(name: str, spread: str | None = None) -> Callable[[Row], Cell]:
    """A number, cut where the column `spread` has its second digit."""

    def cell(row: Row) -> Cell:
        given = row[name]
        if spread is None or not isinstance(given, float):
            return Cell(digits.number(given), given)
        return Cell(digits.aligned([given], spread=float(row[spread]))[0], given)

    return cell


def middle(name: str, *, sign: bool = False) -> Callable[[Row], Cell]:
    """A mean or difference with the digits of its interval, in the columns low and high."""

    def cell(row: Row) -> Cell:
        return Cell(digits.aligned([row[name]], spread=_half(row), sign=sign)[0], row[name])

    return cell


def interval(*, sign: bool = False) -> Callable[[Row], Cell]:
    """The columns low and high as one cell, sorted by its middle."""

    def cell(row: Row) -> Cell:
        return Cell(digits.interval(row["low"], row["high"], sign=sign), (row["low"] + row["high"]) / 2)

    return cell


def share(name: object) -> Callable[[Row], Cell]:
    """A share in per cent."""
    return lambda row: Cell(digits.percent(float(row[str(name)])), row[str(name)])


def _half(row: Row) -> float:
    return (float(row["high"]) - float(row["low"])) / 2


def verdicts(frame: pd.DataFrame, *, level: str, caption: str, source: str) -> Table:
    """Each schedule against the baseline, or every pair: difference, interval, p, verdict."""
    columns: dict[str, Callable[[Row], Cell]] = {
        "schedule": value("schedule"),
        "mean": middle("mean"),
        "against": value("baseline"),
        "its mean": middle("baseline_mean"),
        "pairs": value("n"),
        "difference": middle("difference", sign=True),
        f"{level} interval": interval(sign=True),
        "p": value("p"),
        "p (Holm)": value("p_holm"),
        "better in": share("p_better"),
        "verdict": value("verdict"),
    }
    if "difference" not in frame:
        return Table(caption, tuple(columns), (), source)
    if (frame[["diverged", "baseline_diverged"]] > 0).any(axis=None):
        columns["diverged"] = lambda row: Cell(f"{row['diverged']} and {row['baseline_diverged']}", row["diverged"])
    if frame["more_seeds"].notna().any():
        columns["further seeds"] = value("more_seeds")
    if frame["note"].astype(bool).any():
        columns["note"] = value("note")
    return table(frame, columns, caption=caption, source=source)


def levels(frame: pd.DataFrame, *, level: str, caption: str) -> Table:
    """Level and spread by schedule."""
    columns: dict[str, Callable[[Row], Cell]] = {
        "schedule": value("schedule"),
        "runs": value("n"),
        "finished": value("finished"),
        "mean": middle("mean"),
        f"{level} interval": interval(),
        "median": value("median", "sd"),
        "middle half": value("iqm", "sd"),
        "sd": value("sd", "sd"),
        "best": value("best", "sd"),
        "worst": value("worst", "sd"),
        "diverged": _diverged,
    }
    if frame["failed"].any():
        columns["failed"] = value("failed")
    return table(frame, columns, caption=caption, source="summary.csv")


def _diverged(row: Row) -> Cell:
    """Share of runs that diverged, with its Wilson interval."""
    runs = int(row["n"])
    share = int(row["diverged"]) / runs if runs else math.nan
    low, high = (round(100 * float(row[key])) for key in ("diverged_low", "diverged_high"))
    return Cell(f"{row['diverged']} of {runs} ({low} to {high} %)", share)


def scores(frame: pd.DataFrame, *, level: str, caption: str) -> Table:
    """Scores by schedule with their difference to the baseline."""
    columns = {
        "score": lambda row: Cell(str(row["score"]).removesuffix("_ema"), row["score"]),
        "weights": lambda row: Cell("averaged" if str(row["score"]).endswith("_ema") else "raw", row["score"]),
        "schedule": value("schedule"),
        "runs": value("n"),
        "mean": value("mean", "sd"),
        "sd": value("sd", "sd"),
        "difference": middle("difference", sign=True),
        f"{level} interval": interval(sign=True),
        "p": value("p"),
    }
    return table(frame, columns, caption=caption, source="scores.csv")


def interactions(frame: pd.DataFrame, *, level: str, caption: str) -> Table:
    """Effect of each schedule on raw and averaged weights, and the difference of the two."""
    columns: dict[str, Callable[[Row], Cell]] = {
        "schedule": value("schedule"),
        "pairs": value("n"),
        "effect on raw weights": middle("raw", sign=True),
        "effect on averaged weights": middle("ema", sign=True),
        "interaction": middle("interaction", sign=True),
        f"{level} interval": interval(sign=True),
    }
    return table(frame, columns, caption=caption, source="ema.csv")


def settings(runs: pd.DataFrame) -> Table:
    """The configuration of each schedule, from its confirmation runs."""
    first = runs.drop_duplicates("schedule")
    names = [name for name in first.columns if name.startswith("params_") and first[name].notna().any()]
    columns: dict[str, Callable[[Row], Cell]] = {"schedule": value("schedule"), "kind": value("kind")}
    columns |= {name.removeprefix("params_").replace("_", " "): value(name) for name in names}
    return table(first, columns, caption="The configurations that were confirmed", source="runs.csv")


def by_budget(frame: pd.DataFrame, *, caption: str, source: str) -> Table:
    """Shares by schedule and number of trials: a row a schedule, a column a number."""
    wide = frame.pivot(index="schedule", columns="budget", values="probability")
    wide = wide.loc[list(dict.fromkeys(frame["schedule"]))].reset_index()
    columns = {"schedule": value("schedule")} | {f"{budget} trials": share(budget) for budget in wide.columns[1:]}
    return table(wide.rename(columns=str), columns, caption=caption, source=source)


def whole(frame: pd.DataFrame, *, caption: str, source: str) -> Table:
    """All columns as they are, under readable heads."""
    columns = {str(name): value(str(name)) for name in frame.columns}
    made = table(frame, columns, caption=caption, source=source)
    return Table(caption, tuple(head.replace("_", " ") for head in made.heads), made.rows, source)
