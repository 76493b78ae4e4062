"""A table from elsewhere, read: its cells as text, its columns by name, and where each row stands in it."""

from __future__ import annotations

import csv
import difflib
import hashlib
import math
import re
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import pandas as pd

from harness.results import ResultsError, archive

# What exports put before the names that users gave: MLflow, Optuna, Weights & Biases.
PREFIXES = (
    *("params.", "metrics.", "tags."),
    *("params_", "user_attrs_", "value_", "values_"),
    *("config.", "config/", "summary.", "summary/"),
)
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")
RUNS = "runs.csv"  # the table of runs in a study's results
_ALLOWED = "a CSV or Parquet file with one row per run, or a study's results"
_LISTED = 30  # columns or values that a message lists
_EXACT = 10**15  # whole numbers below it are written without an exponent


class TableError(ValueError):
    """A table that cannot be judged as asked: one sentence with its name, the column or option, the value, what is allowed."""


@dataclass(frozen=True)
class Table:
    """A table as it was given: `frame` with the columns by name, `name` for messages, `about` for the page.

    Messages count the rows of a file from 2, for its first line names the columns, and those of a frame from 0.
    """

    frame: pd.DataFrame
    name: str
    about: str
    is_file: bool

    def column(self, given: str, option: str) -> str:
        """The column that `given` names: of that name, or the one that has it after a prefix of a known export."""
        names = list(self.frame.columns)
        found = (
            [given] if given in names else [name for name in names if name in {f"{each}{given}" for each in PREFIXES}]
        )
        if len(found) == 1 and names.count(found[0]) == 1:
            return found[0]
        if found:
            which = f"columns are {', '.join(found)}" if len(found) > 1 else "two columns have that name"
            raise TableError(f"{self.name}: {option} is {given!r}, but {which}; name one of them alone")
        near = difflib.get_close_matches(given, names, n=3)
        ordered = [*near, *(name for name in names if name not in near)]
        raise TableError(f"{self.name}: {option} is {given!r}, but the table's columns are: {listed(ordered)}")

    def texts(self, column: str) -> pd.Series[str]:
        """The cells of a column as text without spaces around it; '' for what is missing."""
        return self.frame[column].map(text).astype(object)

    def row(self, position: int) -> str:
        """What messages call a row, by its position from 0."""
        return f"row {position + 2 if self.is_file else position}"


def listed(names: Sequence[str]) -> str:
    """Names for a message, the first of them."""
    more = f" and {len(names) - _LISTED} more" if len(names) > _LISTED else ""
    return f"{', '.join(map(str, names[:_LISTED]))}{more}" if names else "none"


def read(source: str | Path | pd.DataFrame) -> Table:
    """The table of a CSV or Parquet file, of a frame, or of all runs of a study's results, a folder or an archive.

    Raises TableError if it cannot be read or has no rows.
    """
    if isinstance(source, pd.DataFrame):
        frame, name, about = _flat(source), "the table", "a DataFrame"
    else:
        name, (frame, about) = str(source), _stored(Path(source))
    if frame.empty:
        raise TableError(f"{name}: holds no rows, but allowed is a table with one row per run")
    return Table(frame, name, about, is_file=not isinstance(source, pd.DataFrame))


def _flat(frame: pd.DataFrame) -> pd.DataFrame:
    """A frame with all that is named as columns, its index too, and each name one text."""
    named = [name for name in frame.index.names if name is not None and name not in frame.columns]
    frame = frame.reset_index(named).reset_index(drop=True)
    joined = ["_".join(map(str, filter(None, each))) if isinstance(each, tuple) else str(each) for each in frame]
    return frame.set_axis(joined, axis="columns")


def _stored(path: Path) -> tuple[pd.DataFrame, str]:
    """The table at a path, and what the page says of it."""
    try:
        with archive.opened(path) as place:
            file = place / RUNS if (place / RUNS).is_file() else place
            frame = _file(file)
            sha256 = hashlib.sha256(file.read_bytes()).hexdigest()[:16]
    except ResultsError as error:
        raise TableError(str(error)) from error
    return frame, f"{path.name}{'' if file == path else f', {RUNS}'}, SHA-256 {sha256}"


def _file(path: Path) -> pd.DataFrame:
    if not path.exists():
        raise TableError(f"{path}: not found; allowed is {_ALLOWED}")
    if path.is_dir():
        raise TableError(f"{path}: is a folder without {RUNS}, but allowed is {_ALLOWED}")
    try:
        return _parquet(path) if path.suffix.lower() in (".parquet", ".pq") else _csv(path)
    except (OSError, ValueError, OverflowError, pd.errors.ParserError, pd.errors.ParserWarning) as error:
        if isinstance(error, TableError):
            raise
        reason = str(error).strip().splitlines()
        raise TableError(f"{path}: cannot be read as a table ({reason[0] if reason else 'empty'})") from error


def _parquet(path: Path) -> pd.DataFrame:
    try:
        return _flat(pd.read_parquet(path))
    except ImportError as error:
        raise TableError(
            f"{path}: pandas needs the package pyarrow to read Parquet; install the extra, pip install 'schedule-harness[parquet]', or save "
            "the table as CSV"
        ) from error


def _csv(path: Path) -> pd.DataFrame:
    """All cells as text; columns are parted by commas, semicolons or tabs, whichever the first line has most of."""
    with path.open(encoding="utf-8-sig", newline="") as stream:
        line = stream.readline()
    if "\0" in line:
        raise TableError(
            f"{path}: is no text, but allowed is a CSV file, or a Parquet file whose name ends in .parquet"
        )
    parted = max(",;\t", key=line.count)
    names = next(csv.reader([line], delimiter=parted), [])
    with warnings.catch_warnings(), path.open("rb") as stream:  # pandas takes some names for addresses
        warnings.simplefilter("error", pd.errors.ParserWarning)  # of rows that are longer than the first line
        frame = pd.read_csv(stream, sep=parted, dtype=str, keep_default_na=False, encoding="utf-8-sig", index_col=False)
    # pandas tells names that are there twice apart, behind the user's back
    return frame.fillna("").set_axis(names, axis="columns") if len(names) == frame.shape[1] else frame.fillna("")


def text(cell: Any) -> str:
    """A cell as text; '' for what is missing.

    >>> text(" adam "), text(True), text(1.0), text(float("nan")), text(None)
    ('adam', 'True', '1.0', '', '')
    """
    if isinstance(cell, str):
        return cell.strip()
    if cell is None or (pd.api.types.is_scalar(cell) and pd.isna(cell)):
        return ""
    return repr(float(cell)) if isinstance(cell, float) else str(cell).strip()


def number(cell: str) -> float | None:
    """The number that a text is, not finite ones among them; None if it is none.

    >>> number("3"), number("-1e-3"), number("nan"), number("1,234"), number("True")
    (3.0, -0.001, nan, None, None)
    """
    if _NUMBER.fullmatch(cell):
        return float(cell)
    found = re.fullmatch(r"([+-]?)(nan|inf|infinity)", cell.lower())
    return None if found is None else float("".join(found.groups()))


def labels(cells: pd.Series[str]) -> pd.Series[str]:
    """What the levels of a factor, or pairs, are called: alike numbers alike, where all are numbers.

    >>> labels(pd.Series(["1e-3", "0.001", "1.0"])).tolist(), labels(pd.Series(["1.0", "a"])).tolist()
    (['0.001', '0.001', '1'], ['1.0', 'a'])
    """
    known = {cell: label(cell) for cell in set(cells)}
    return cells if any(called is None for called in known.values()) else cells.map(known)


def label(cell: str) -> str | None:
    """A finite number, however it was written, in one way; None for any other text."""
    if not _NUMBER.fullmatch(cell):
        return None
    value = Decimal(cell)
    if value == value.to_integral_value() and abs(value) < _EXACT:
        return str(int(value))
    return str(int(value)) if cell.lstrip("+-").isdecimal() else f"{float(value):.15g}"


def alike(cell: str, given: str) -> bool:
    """Whether two texts are the same, as texts or as numbers."""
    return cell == given or ((called := label(cell)) is not None and called == label(given))


def is_finite(cell: str) -> bool:
    """Whether a text is a finite number."""
    found = number(cell)
    return found is not None and math.isfinite(found)


def spoken(column: str) -> str:
    """A column's name in sentences: without what an export put before it.

    >>> spoken("params.schedule"), spoken("user_attrs_seed"), spoken("_step")
    ('schedule', 'seed', 'step')
    """
    prefix = next((each for each in PREFIXES if column.startswith(each) and len(column) > len(each)), "")
    return column.removeprefix(prefix).removeprefix("_") or column
