"""Records from the tables they were written to: the way back, for a results folder whose database is not there."""

from __future__ import annotations

import dataclasses
import json
import typing
from collections.abc import Callable, Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

import pandas as pd

from harness.results import tables, trace
from harness.results.record import CurvePoint, RunRecord, posix
from harness.results.tables import JOULES, SHARED_JOULES, ResultsError
from harness.results.trace import LOSS, RATE, TracePoint, taken

_READERS: dict[Any, Callable[[str], Any]] = {
    str: str,
    bool: lambda cell: cell == "True",
    int: int,
    float: lambda cell: float(cell or "nan"),
    int | None: lambda cell: int(cell) if cell else None,
    float | None: lambda cell: float(cell) if cell else None,
}
_PARAMS = "params_"


def records(folder: Path) -> list[RunRecord]:
    """The records in runs.csv and curves.csv of a results folder, such that `tables.write` writes the same bytes.

    Raises ResultsError naming what is missing or damaged.
    """
    study = tables.load(folder).study  # names whatever is wrong with a table, cell by cell
    runs, curves = _cells(folder / "runs.csv"), _cells(folder / "curves.csv")
    traces, evaluations = _traces(folder / "traces.csv"), _evaluations(folder / "evaluations.csv")
    ours = {*_names(RunRecord), *_names(CurvePoint)}
    scores = [name for name in curves.columns if name not in ours and not name.startswith((RATE, LOSS))]
    measured = {name for name in scores if (curves[name] != "").any()}
    curve_of: dict[str, list[CurvePoint]] = {}
    for row in curves.to_dict("records"):
        curve_of.setdefault(row["run"], []).append(_point(row, scores, measured))
    found = []
    for place, row in enumerate(runs.to_dict("records")):
        try:
            whole = study.arm(row["schedule"]).whole
            record = _record(row, scores, tuple(curve_of.get(row["run"], ())), traces.get(row["run"], ""), whole)
            found.append(dataclasses.replace(record, evaluations=tuple(evaluations.get(row["run"], ()))))
        except (ValueError, KeyError, TypeError) as error:
            raise ResultsError(f"{folder / 'runs.csv'}: row {place + 2} is no run's record ({error})") from error
    return found


def _traces(path: Path) -> dict[str, str]:
    """The packed trace of each run that has one."""
    if not path.exists():
        return {}
    points: dict[str, list[TracePoint]] = {}
    for row in _cells(path).to_dict("records"):
        points.setdefault(row["run"], []).append(TracePoint(int(row["step"]), **_by_step(row)))
    return {run: trace.pack(of_run) for run, of_run in points.items()}


def _evaluations(path: Path) -> dict[str, list[dict[str, float]]]:
    """The scores of each run on its further sets of latents."""
    found: dict[str, list[dict[str, float]]] = {}
    for row in _cells(path).to_dict("records") if path.exists() else ():
        scores = {str(name): float(cell) for name, cell in row.items() if name not in ("run", "set") and cell}
        found.setdefault(row["run"], []).append(scores)
    return found


def _by_step(row: Mapping[Any, str]) -> dict[str, dict[str, float]]:
    """Rates by network and losses by name; an empty cell of a loss is a number that is none."""
    numbers = {str(name): float(cell or "nan") for name, cell in row.items() if str(name).startswith((RATE, LOSS))}
    return {"rates": taken(RATE, numbers), "losses": taken(LOSS, numbers)}


def _cells(path: Path) -> pd.DataFrame:
    """A table as text, so that every number is read as exactly as it was written."""
    return tables.read_frame(path, dtype=str)


def _names(kind: type[RunRecord] | type[CurvePoint]) -> set[str]:
    return {each.name for each in fields(kind)}


def _columns(kind: type[RunRecord] | type[CurvePoint], row: Mapping[Any, str]) -> dict[str, Any]:
    """The fields of a record or point that have a column of their own."""
    types = typing.get_type_hints(kind)
    return {
        each.name: _READERS[types[each.name]](row[each.name])
        for each in fields(kind)
        if types[each.name] in _READERS and each.name in row
    }


def _point(row: Mapping[Any, str], scores: list[str], measured: set[str]) -> CurvePoint:
    """An evaluation; an empty cell is a score that was not measured, or was no number where nothing else is there."""
    found = {name: float(row[name] or "nan") for name in scores if row[name] or name not in measured}
    return CurvePoint(**{**_columns(CurvePoint, row), **_by_step(row), "scores": found})


def _record(
    row: Mapping[Any, str], scores: list[str], curve: tuple[CurvePoint, ...], traced: str, whole: frozenset[str]
) -> RunRecord:
    """A run; `whole` are the parameters that are whole numbers."""
    params = {
        name.removeprefix(_PARAMS): float(cell) for name, cell in row.items() if name.startswith(_PARAMS) and cell
    }
    moments: dict[str, Any] = {name: posix(row[name]) for name in ("started", "ended") if row.get(name)}
    plain = {name: cell for name, cell in row.items() if name not in ("started", "ended")}
    return RunRecord(
        **_columns(RunRecord, plain),
        **moments,
        trace=traced,
        numerics=json.loads(row["numerics"]) if row.get("numerics") else {},
        params={name: int(value) if name in whole else value for name, value in params.items()},
        scores={name: float(row[name]) for name in scores if row.get(name)},
        losses={name: float(cell) for name, cell in taken(LOSS, row).items() if cell},
        versions=json.loads(row["versions"]),
        joules={part: float(cell) for part, cell in taken(JOULES, row).items() if cell},
        shared_joules={part: float(cell) for part, cell in taken(SHARED_JOULES, row).items() if cell},
        curve=curve,
    )
