"""Tables as people read them: fewer columns than the CSV files, intervals in one cell, digits that the data support."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from harness.report import numbers
from harness.results.document import Sanity

Row = Mapping[str, Any]
SHARES = ("reached", "share")  # columns of tables shown whole that are in per cent
SET = ("best_rate", "value", "low", "high", "median_step")  # and those that were set, not measured: as they are


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
        return tuple(all(isinstance(row[place].value, str) for row in self.rows) for place in columns)

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
    made = tuple(tuple(build(row) for build in columns.values()) for row in rows)
    return Table(caption, tuple(columns), made, source, folded)


def value(name: str, spread: float | None = None, *, sign: bool = False) -> Callable[[Row], Cell]:
    """A number, cut where `spread` has its second digit (NaN: with three digits); without one as it is, text too."""

    def cell(row: Row) -> Cell:
        given = row[name]
        if spread is None or not isinstance(given, float):
            return Cell(numbers.number(given), given)
        return Cell(numbers.aligned([given], spread=spread, sign=sign)[0], given)

    return cell


def interval(spread: float | None = None, *, sign: bool = False) -> Callable[[Row], Cell]:
    """The columns low and high as one cell, sorted by its middle."""

    def cell(row: Row) -> Cell:
        text = numbers.interval(row["low"], row["high"], sign=sign, spread=spread)
        return Cell(text, (row["low"] + row["high"]) / 2)

    return cell


def estimate(name: str, spread: float | None = None) -> Callable[[Row], Cell]:
    """A difference with its interval, from the columns low and high, in one cell."""
    return lambda row: Cell(
        numbers.estimate(row[name], row["low"], row["high"], sign=True, spread=spread), float(row[name])
    )


def share(name: str) -> Callable[[Row], Cell]:
    """A share in per cent."""
    return lambda row: Cell(numbers.percent(float(row[name])), row[name])


def verdicts(frame: pd.DataFrame, *, level: str, spread: float, caption: str, source: str) -> Table:
    """Each schedule against the baseline in few columns: mean, difference with interval, p, verdict, further seeds."""
    columns: dict[str, Callable[[Row], Cell]] = {
        "schedule": value("schedule"),
        "mean": value("mean", spread),
        f"difference ({level} interval)": estimate("difference", spread),
        "p (Holm)": value("p_holm"),
        "verdict": value("verdict"),
    }
    if "difference" not in frame:
        return Table(caption, tuple(columns), (), source)
    if frame["more_seeds"].notna().any():
        columns["further seeds"] = value("more_seeds")
    return table(frame, columns, caption=caption, source=source)


def comparisons(frame: pd.DataFrame, *, level: str, spread: float, caption: str, source: str) -> Table:
    """As `verdicts`, with all columns; also for every pair of schedules. Folded on the page."""
    columns: dict[str, Callable[[Row], Cell]] = {
        "schedule": value("schedule"),
        "mean": value("mean", spread),
        "baseline": value("baseline"),
        "baseline mean": value("baseline_mean", spread),
        "pairs": value("n"),
        "difference": value("difference", spread, sign=True),
        f"{level} interval": interval(spread, sign=True),
        "p": value("p"),
        "p (Holm)": value("p_holm"),
        "P(better)": share("p_better"),
        "correlation of pairs": value("correlation", 0.1),
        "pairing efficiency": value("pairing_efficiency"),
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
    return table(frame, columns, caption=caption, source=source, folded=True)


def paper(summary: pd.DataFrame, contrasts: pd.DataFrame, *, spread: float, baseline: str, caption: str) -> Table:
    """The verdicts as a paper's column holds them: mean ± sd, difference, verdict; the best mean is bold."""
    found = {row["schedule"]: row for row in contrasts.to_dict("records") if "difference" in row}
    rows = []
    for row in summary.to_dict("records"):
        label, known = str(row["schedule"]), row["schedule"] in found
        mean, sd = numbers.aligned([row["mean"], row["sd"]], spread=spread)
        difference = float(found[label]["difference"]) if known else math.nan
        verdict = str(found[label]["verdict"]) if known else "(baseline)" if label == baseline else "–"
        rows.append(
            (
                Cell(label, label),
                Cell(mean if sd == "–" else f"{mean} ± {sd}", row["mean"]),
                Cell(numbers.aligned([difference], spread=spread, sign=True)[0], difference),
                Cell(verdict, verdict),
            )
        )
    means = summary["mean"].to_numpy(dtype=float)
    best = (int(np.nanargmin(means)), 1) if np.isfinite(means).any() else None
    return Table(caption, ("schedule", "mean ± sd", "difference", "verdict"), tuple(rows), "contrasts.csv", bold=best)


def levels(frame: pd.DataFrame, *, level: str, spread: float, caption: str) -> Table:
    """Level and spread by schedule."""
    columns: dict[str, Callable[[Row], Cell]] = {
        "schedule": value("schedule"),
        "runs": value("n"),
        "finished": value("finished"),
        "mean": value("mean", spread),
        f"{level} interval": interval(spread),
        "median": value("median", spread),
        "IQM": value("iqm", spread),
        "sd": value("sd", spread),
        "best": value("best", spread),
        "worst": value("worst", spread),
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


def scores(
    frame: pd.DataFrame,
    *,
    names: Mapping[str, tuple[str, str]],
    level: str,
    spreads: Mapping[str, float],
    caption: str,
) -> Table:
    """Scores by schedule with their difference to the baseline, each score with the digits of its spread.

    `names` holds by score what it is called and the weights it is of.
    """

    def number(name: str, *, sign: bool = False) -> Callable[[Row], Cell]:
        return lambda row: value(name, spreads[row["score"]], sign=sign)(row)

    columns: dict[str, Callable[[Row], Cell]] = {
        "score": lambda row: Cell(names[row["score"]][0], row["score"]),
        "weights": lambda row: Cell(names[row["score"]][1], row["score"]),
        "schedule": value("schedule"),
        "runs": value("n"),
        "mean": number("mean"),
        "sd": number("sd"),
        "difference": number("difference", sign=True),
        f"{level} interval": lambda row: interval(spreads[row["score"]], sign=True)(row),
        "p": value("p"),
    }
    return table(frame, columns, caption=caption, source="scores.csv", folded=True)


def interactions(frame: pd.DataFrame, *, level: str, spreads: tuple[float, float], caption: str) -> Table:
    """Effect of each schedule on raw and averaged weights (with the digits of the one and the other), and their gap."""
    columns: dict[str, Callable[[Row], Cell]] = {
        "schedule": value("schedule"),
        "pairs": value("n"),
        "effect on raw weights": value("raw", spreads[0], sign=True),
        "effect on averaged weights": value("ema", spreads[1], sign=True),
        "interaction": value("interaction", spreads[0], sign=True),
        f"{level} interval": interval(spreads[0], sign=True),
    }
    return table(frame, columns, caption=caption, source="ema.csv")


def settings(runs: pd.DataFrame) -> Table:
    """The configuration of each schedule, from its confirmation runs."""
    first = runs.drop_duplicates("schedule")
    names = [name for name in first.columns if name.startswith("params_") and first[name].notna().any()]
    columns: dict[str, Callable[[Row], Cell]] = {"schedule": value("schedule"), "kind": value("kind")}
    columns |= {name.removeprefix("params_").replace("_", " "): value(name) for name in names}
    return table(first, columns, caption="The configurations that were confirmed", source="runs.csv")


def sanity(damages: Sequence[Sanity], *, score: str) -> Table:
    """What the primary score says of real images with known damage, beside its floor."""
    rows = tuple(
        (
            Cell(each.damage, each.damage),
            Cell(numbers.number(each.value), each.value),
            Cell(numbers.number(each.floor), each.floor),
            Cell("yes" if each.seen else "no", "yes" if each.seen else "no"),
        )
        for each in damages
    )
    caption = f"Does the score see known damage? {score} of degraded real images, beside that of undamaged ones (floor)"
    return Table(caption, ("damage", "score", "floor", "seen"), rows, "study.json")


def whole(
    frame: pd.DataFrame, *, caption: str, source: str, spreads: Mapping[str, float] | None = None, folded: bool = False
) -> Table:
    """All columns that hold anything, under readable heads; those in `spreads` with the digits of theirs."""
    kept = [str(name) for name in frame.columns if frame[name].notna().any()]
    forms = {name: share(name) for name in SHARES} | {name: value(name) for name in SET}
    forms |= {name: value(name, spread) for name, spread in (spreads or {}).items()}
    columns = {name.replace("_", " "): forms.get(name, value(name, math.nan)) for name in kept}
    return table(frame, columns, caption=caption, source=source, folded=folded)
