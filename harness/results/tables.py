"""Results on disk: whole files under a temporary name, then renamed; tidy tables read back with one clear fault."""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from harness import files
from harness.results import document, trace
from harness.results.record import RunRecord, moment, posix

_ROUNDING = 1e-9  # relative, of numbers from one on: what another order of sums makes of a table
SCHEMA = 2  # of study.json and the tables; a reader refuses a newer one

_LEADING = [
    "run",
    "phase",
    "schedule",
    "kind",
    "point",
    "repetition",
    "chosen",
    "status",
    "reason",
    "last_step",
    "steps",
    "attempts",
    "seconds",
    "seconds_per_step",
    "peak_memory_mb",
]
_TRAILING = [
    "trial",
    "seed_weights",
    "seed_data",
    "seed_latents",
    "seed_noise",
    "data_fingerprint",
    "features_sha256",
    "device",
    "threads",
    "commit",
    "versions",
]
# Written since schema 2: absent from older tables, and empty in the rows of runs stored before. Read as NaN then.
_LATER = ["seconds_evaluation", "started", "ended", "numerics"]
# Where a run began as another one did, whose first steps were trained once for both.
_SHARED = ["shared_steps", "shared_from", "shared_seconds"]
# Where the machine's counters told the energy of runs, by part of the machine.
JOULES, SHARED_JOULES = "joules_", "shared_joules_"
_CURVE = ["step"]  # then rate_<network>, loss_<name>
_KEYS = ["run", "phase", "schedule", "point", "repetition"]

_TEXT = {"run", "phase", "schedule", "kind", "source", "status", "reason", "commit", "device", "versions", "precision"}
_TEXT |= {"data_fingerprint", "features_sha256", "started", "ended", "numerics", "shared_from"}
_WHOLE = {"point", "repetition", "replicate", "step", "set", "shared_steps"}
_LARGEST = 1e100  # no score, rate or seed is beyond it, and its square is still a number
_ADVICE = "run the study's command again, which writes it from the database"


class ResultsError(ValueError):
    """A results folder that cannot be read; the message names the file and what to do."""


@dataclass(frozen=True)
class Results:
    """One study's results: study.json, tables, and where they came from.

    `study` names the facts of study.json as attributes: `study.question.rope`, `study.data.name`.

    `runs` has one row per run, `curves` one per run and evaluation, `traces` one per run and trace point: rates and mean
    losses, much denser than evaluations. Results made before traces were kept have an empty one. `evaluations` has one per
    run and further set of evaluation latents, of the runs that say how much these move a score.
    """

    study: document.Document
    runs: pd.DataFrame
    curves: pd.DataFrame
    path: Path
    traces: pd.DataFrame
    evaluations: pd.DataFrame


def write_frame(path: Path, frame: pd.DataFrame) -> None:
    """Write a table as CSV whose floats read back exactly."""
    files.write(path, _csv(frame).encode())


def unlike(folder: Path, frames: Mapping[str, pd.DataFrame], texts: Mapping[str, str]) -> list[str]:
    """Files of a folder that are not there or hold something else than these tables, each in NAME.csv, and texts, by file name."""
    found = [f"{name}.csv" for name, frame in frames.items() if not _holds_frame(folder / f"{name}.csv", frame)]
    return found + [name for name, content in texts.items() if not files.holds(folder / name, content)]


def _holds_frame(path: Path, frame: pd.DataFrame) -> bool:
    """Whether a file is there and holds what `write_frame` would write, its numbers to within rounding."""
    if not path.is_file():
        return False
    try:
        stored = list(csv.reader(io.StringIO(path.read_bytes().decode(errors="replace"))))
    except csv.Error:  # no table at all
        return False
    wanted = list(csv.reader(io.StringIO(_csv(frame))))
    return [len(row) for row in stored] == [len(row) for row in wanted] and all(
        map(_alike, chain.from_iterable(stored), chain.from_iterable(wanted))
    )


def _alike(stored: str, wanted: str) -> bool:
    try:
        return stored == wanted or math.isclose(float(stored), float(wanted), rel_tol=_ROUNDING, abs_tol=_ROUNDING)
    except ValueError:
        return False


def _csv(frame: pd.DataFrame) -> str:
    return frame.to_csv(index=False, lineterminator="\n")


def read_frame(path: Path, *, dtype: Any, na_values: Sequence[str] = ()) -> pd.DataFrame:
    """Read a CSV file, with or without the byte-order mark that spreadsheets write; raises what pandas raises.

    The file is opened here, since pandas takes a name such as `file:x/runs.csv` or `s3:x/runs.csv` for an address.
    """
    with path.open("rb") as stream:
        return pd.read_csv(
            stream, dtype=dtype, keep_default_na=False, na_values=list(na_values), encoding="utf-8-sig"
        )


def write_study(path: Path, study: Mapping[str, Any]) -> None:
    """Write study.json into the results folder `path`."""
    files.write(path / "study.json", (json.dumps(study, indent=1, ensure_ascii=False) + "\n").encode())


def write(path: Path, records: Iterable[RunRecord], *, phases: Sequence[str], schedules: Sequence[str]) -> None:
    """Write runs.csv, curves.csv, traces.csv and, where there are any, evaluations.csv of `records` into the folder `path`."""
    ordered = _ordered(records, phases, schedules)
    runs, curves = frames(ordered, phases=phases, schedules=schedules)
    write_frame(path / "curves.csv", curves)
    if any(each.trace for each in ordered) or (path / "traces.csv").exists():
        files.write(path / "traces.csv", _traces(ordered))
    if any(each.evaluations for each in ordered) or (path / "evaluations.csv").exists():
        write_frame(path / "evaluations.csv", _evaluations(ordered))
    write_frame(path / "runs.csv", runs)


def _ordered(records: Iterable[RunRecord], phases: Sequence[str], schedules: Sequence[str]) -> list[RunRecord]:
    places = {label: place for place, label in enumerate(schedules)}
    return sorted(
        records,
        key=lambda each: (
            phases.index(each.phase),
            places.get(each.schedule, len(places)),
            each.replicate or 0,
            each.source,
            each.point,
            each.repetition,
        ),
    )


def _traces(ordered: Iterable[RunRecord]) -> bytes:
    """traces.csv: 50 to 90 bytes per point, so 100 runs stay under 2 MB."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    unpacked = [(record.run, trace.unpack(record.trace)) for record in ordered]
    names = next((trace.columns(points) for _, points in unpacked if points), trace.columns([]))
    writer.writerow(["run", "step", *names])
    for run, points in unpacked:
        for point in points:
            row = point.row
            writer.writerow((run, point.step, *(row.get(name, "") for name in names)))
    return text.getvalue().encode()


def _evaluations(ordered: Iterable[RunRecord]) -> pd.DataFrame:
    """One row per run and further set of evaluation latents: the final scores of the run on it."""
    rows = [
        {"run": each.run, "set": place, **scores} for each in ordered for place, scores in enumerate(each.evaluations)
    ]
    return pd.DataFrame(rows, columns=list(dict.fromkeys(["run", "set", *(name for row in rows for name in row)])))


def frames(
    records: Iterable[RunRecord], *, phases: Sequence[str], schedules: Sequence[str]
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """One row per run, and one row per run and evaluation, sorted by phase, schedule, replicate, point, repetition.

    The column `replicate` is there in studies that repeat their tuning, `source` where seeds were changed one at a time,
    `precision` where schedules differ in it, those of what was shared where anything was, of energy where any is known.
    """
    ordered = _ordered(records, phases, schedules)
    placed = ["replicate"] if any(each.replicate is not None for each in ordered) else []
    placed += ["source"] if any(each.source for each in ordered) else []
    params = sorted({name for each in ordered for name in each.params})
    scores = list(dict.fromkeys(name for each in ordered for place in each.curve for name in place.scores))
    scores += [name for name in dict.fromkeys(name for each in ordered for name in each.scores) if name not in scores]
    # Tables of runs that an earlier version stored stay as they are.
    later = _LATER if any(getattr(each, name) not in (None, {}) for each in ordered for name in _LATER) else []
    later = later + (["precision"] if any(each.precision for each in ordered) else [])
    later = later + (_SHARED if any(each.shared_steps for each in ordered) else [])
    energies = [
        {**trace.prefixed(JOULES, each.joules), **trace.prefixed(SHARED_JOULES, each.shared_joules)} for each in ordered
    ]
    later = later + sorted({name for of_run in energies for name in of_run})
    rates, losses = _by_step(ordered)
    run_columns = [*_LEADING, *placed, *(f"params_{name}" for name in params), *scores, *losses, *_TRAILING, *later]
    runs = [
        {
            **{name: getattr(each, name) for name in (*_LEADING, *placed, *_TRAILING, *_SHARED)},
            **{f"params_{name}": value for name, value in each.params.items()},
            **each.scores,
            **trace.prefixed(trace.LOSS, each.losses),
            "versions": json.dumps(dict(each.versions), sort_keys=True),
            "seconds_evaluation": each.seconds_evaluation,
            "started": moment(each.started),
            "ended": moment(each.ended),
            "numerics": json.dumps(dict(each.numerics), sort_keys=True) if each.numerics else None,
            "precision": each.precision,
            **energy,
        }
        for each, energy in zip(ordered, energies, strict=True)
    ]
    curves = [
        {
            **{name: getattr(each, name) for name in (*_KEYS, *placed)},
            "step": place.step,
            **trace.prefixed(trace.RATE, place.rates),
            **trace.prefixed(trace.LOSS, place.losses),
            "seconds": place.seconds,
            **place.scores,
        }
        for each in ordered
        for place in each.curve
    ]
    curve_columns = [*_KEYS, *placed, *_CURVE, *rates, *losses, *scores, "seconds"]
    return pd.DataFrame(runs, columns=run_columns), pd.DataFrame(curves, columns=curve_columns)


def _by_step(ordered: Sequence[RunRecord]) -> tuple[list[str], list[str]]:
    """Columns of rates and of losses: those of the runs, or an adversarial pair's where no run has any."""
    points = [point for record in ordered for point in record.curve]
    networks = dict.fromkeys(network for point in points for network in point.rates)
    measured = [*(point.losses for point in points), *(record.losses for record in ordered)]
    losses = dict.fromkeys(name for by_name in measured for name in by_name)
    return (
        list(trace.prefixed(trace.RATE, networks or dict.fromkeys(trace.PAIR))),
        list(trace.prefixed(trace.LOSS, losses or dict.fromkeys(trace.PAIR))),
    )


def load(path: str | Path) -> Results:
    """Read a results folder; raises ResultsError naming the file that is missing, damaged or too new.

    A study that tunes once has one replicate, number 0.
    """
    folder = Path(path)
    if folder.is_file():
        raise ResultsError(f"{folder}: is a file, but allowed is the results folder of a study")
    study = read_study(folder / "study.json")
    runs = _frame(folder / "runs.csv", (*_LEADING, *_TRAILING))
    curves = _frame(folder / "curves.csv", (*_KEYS, *_CURVE))
    for name in (name for name in _LATER if name not in runs):
        runs[name] = pd.Series(float("nan"), index=runs.index, dtype=object if name in _TEXT else float)
    for frame in (runs, curves):
        if "replicate" not in frame:
            frame["replicate"] = 0
        frame["source"] = frame["source"].fillna("") if "source" in frame else ""
    for name in _SHARED:
        nothing: Any = "" if name in _TEXT else 0
        runs[name] = runs[name].fillna(nothing) if name in runs else nothing
    _check_runs(folder / "runs.csv", runs, study)
    traces, evaluations = _load_traces(folder / "traces.csv"), _load_evaluations(folder / "evaluations.csv")
    for place, frame in (("curves.csv", curves), ("traces.csv", traces), ("evaluations.csv", evaluations)):
        strangers = sorted(set(frame["run"].dropna()) - set(runs["run"]))
        if strangers or frame["run"].isna().any():
            raise ResultsError(f"{folder / place}: run is {_said(strangers)}, which runs.csv does not list; {_ADVICE}")
    for name in (study.primary, str(study.primary_score.raw)):
        for frame in (runs, curves):
            if name not in frame:  # no run has finished
                frame[name] = float("nan")
    runs["reason"] = runs["reason"].fillna("").astype(str)
    return Results(study, runs, curves, folder, traces, evaluations)


def _load_evaluations(path: Path) -> pd.DataFrame:
    """evaluations.csv; an empty table where there is none."""
    return _frame(path, ("run", "set")) if path.exists() else pd.DataFrame(columns=["run", "set"])


def _load_traces(path: Path) -> pd.DataFrame:
    """traces.csv; an empty table where there is none."""
    columns = ["run", "step", *(_header(path) or trace.columns([]))]
    types = {"run": "str", "step": "int64"} | dict.fromkeys(columns[2:], "float64")
    if not path.exists():
        return pd.DataFrame({name: pd.Series(dtype=types[name]) for name in columns})
    try:  # ten times as fast as cell by cell, which only a damaged file needs: there may be millions of them
        frame = read_frame(path, dtype=types, na_values=[""])
        numbers = frame[columns].drop(columns="run")
        if (numbers.abs() <= _LARGEST).to_numpy().all() and (frame["step"] >= 0).all():
            return frame
    except (OSError, ValueError, OverflowError, KeyError, TypeError):
        pass
    frame = _frame(path, columns)
    empty = frame[columns[1:]].isna().to_numpy()
    if empty.any():
        row, column = np.argwhere(empty)[0]
        raise ResultsError(
            f"{path}: row {row + 2}, column '{columns[1:][column]}' is empty, but allowed is a finite number; {_ADVICE}"
        )
    return frame


def _header(path: Path) -> list[str]:
    """The columns of rates and losses that a table has; none of one that is absent or cannot be read."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as stream:
            names = next(csv.reader(stream), [])
    except (OSError, UnicodeDecodeError, csv.Error):
        return []
    pair = trace.columns([])
    found = [name for name in names if name.startswith((trace.RATE, trace.LOSS))]
    return list(pair) if found and set(found) < set(pair) else found  # a pair's column that is missing is named


def read_study(path: Path) -> document.Document:
    """Read and check study.json; raises ResultsError with what is wrong, and what to do."""
    try:
        study = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise ResultsError(f"{path}: not found; the folder holds no results of run_study") from error
    except (OSError, ValueError) as error:
        raise ResultsError(f"{path}: cannot be read ({error}); restore it from a copy") from error
    if not isinstance(study, dict) or not isinstance(study.get("schema"), int):
        raise ResultsError(f"{path}: has no schema number, so run_study did not write it; restore it from a copy")
    if study["schema"] > SCHEMA:
        raise ResultsError(
            f"{path}: schema is {study['schema']}, but this version reads up to {SCHEMA}; install the newer harness"
        )
    try:
        return document.read(study)
    except ValueError as error:
        raise ResultsError(f"{path}: {error}; restore it from a copy") from error


def _frame(path: Path, columns: Iterable[str]) -> pd.DataFrame:
    """A table whose columns are text or finite numbers (empty cells NaN)."""
    try:
        frame = read_frame(path, dtype=str, na_values=[""])
    except FileNotFoundError as error:
        raise ResultsError(f"{path}: not found; {_ADVICE}") from error
    except (OSError, ValueError, OverflowError, pd.errors.ParserError) as error:
        reason = str(error).strip().splitlines()
        raise ResultsError(f"{path}: cannot be read ({reason[0] if reason else 'empty'}); {_ADVICE}") from error
    missing = [name for name in columns if name not in frame.columns]
    if missing:
        raise ResultsError(f"{path}: column '{missing[0]}' is missing; {_ADVICE}")
    for name in frame.columns:
        if name not in _TEXT and name != "chosen":
            frame[name] = _numbers(path, name, frame[name])
    return frame


def _numbers(path: Path, name: str, column: pd.Series) -> pd.Series:
    """A column as numbers; raises ResultsError naming the first cell that is none."""
    try:
        numbers = pd.to_numeric(column, errors="coerce")
    except (ValueError, OverflowError, RecursionError):
        numbers = pd.Series(float("nan"), index=column.index)
    wrong = column.notna() & ~numbers.abs().le(_LARGEST)
    if name in _WHOLE:
        wrong |= numbers.isna() | (numbers % 1 != 0) | (numbers < 0)
    if wrong.any():
        row = int(wrong.to_numpy().argmax())
        what = "a whole number from 0" if name in _WHOLE else "a finite number"
        raise ResultsError(
            f"{path}: row {row + 2}, column '{name}' is {_said([column.iloc[row]])}, but allowed is {what}; {_ADVICE}"
        )
    return numbers.astype("int64") if name in _WHOLE else numbers


def _check_runs(path: Path, runs: pd.DataFrame, study: document.Document) -> None:
    """Turn the column `chosen` into booleans; raise ResultsError unless every row can be a run of `study`."""
    allowed = {
        "schedule": study.schedules,
        "phase": ["search", "select", "confirm", "variance"],
        "status": ["finished", "diverged", "failed"],
        "chosen": ["True", "False"],
    }
    for name, values in allowed.items():
        wrong = ~runs[name].isin(values)
        if wrong.any():
            row = int(wrong.to_numpy().argmax())
            raise ResultsError(
                f"{path}: row {row + 2}, column '{name}' is {_said([runs[name].iloc[row]])}, but allowed is one of: "
                f"{', '.join(values)}; {_ADVICE}"
            )
    runs["chosen"] = runs["chosen"] == "True"
    for name in ("started", "ended", "numerics"):
        _check_text(path, runs[name], name)
    keys = ["phase", "schedule", "replicate", "source", "point", "repetition"]
    for names in (["run"], keys):
        twice = runs.duplicated(names) | runs["run"].isna()
        if twice.any():
            row = int(twice.to_numpy().argmax())
            raise ResultsError(f"{path}: row {row + 2} duplicates an earlier run, or has no name; {_ADVICE}")
    chosen = runs[(runs["phase"] == "confirm") & runs["chosen"]]
    if chosen.duplicated(["schedule", "replicate", "repetition"]).any():
        raise ResultsError(f"{path}: two chosen confirmation runs of a schedule have one repetition; {_ADVICE}")
    done = runs["status"] == "finished"
    primary = study.primary
    if done.any() and (primary not in runs or runs.loc[done, primary].isna().any()):
        raise ResultsError(f"{path}: a finished run has no '{primary}'; {_ADVICE}")


def _check_text(path: Path, column: pd.Series, name: str) -> None:
    """Raise ResultsError naming the first cell that is neither empty nor what a column of this name holds."""
    for row, cell in enumerate(column):
        try:
            sound = not isinstance(cell, str) or (
                isinstance(json.loads(cell), dict) if name == "numerics" else math.isfinite(posix(cell))
            )
        except (ValueError, OverflowError, RecursionError):
            sound = False
        if not sound:
            what = "a JSON object" if name == "numerics" else "a time such as 2026-11-25T12:52:14.250+00:00"
            raise ResultsError(
                f"{path}: row {row + 2}, column '{name}' is {_said([cell])}, but allowed is {what}; {_ADVICE}"
            )


def _said(values: Sequence[object]) -> str:
    return repr(str(values[0]))[:80] if values else "empty"
