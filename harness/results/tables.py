"""Results on disk: whole files under a temporary name, then renamed; tidy tables read back with one clear fault."""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from harness.results import document
from harness.results.record import RunRecord

SCHEMA = 1  # of study.json and the tables; a reader refuses a newer one

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
    "loss_generator",
    "loss_discriminator",
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
_CURVE = ["step", "rate_generator", "rate_discriminator", "loss_generator", "loss_discriminator"]
_KEYS = ["run", "phase", "schedule", "point", "repetition"]


_TEXT = {"run", "phase", "schedule", "kind", "status", "reason", "commit", "device", "versions"}
_TEXT |= {"data_fingerprint", "features_sha256"}
_WHOLE = {"point", "repetition", "step"}
_LARGEST = 1e100  # no score, rate or seed is beyond it, and its square is still a number
_ADVICE = "run the study's command again, which writes it from the database"


class ResultsError(ValueError):
    """A results folder that cannot be read; the message names the file and what to do."""


@dataclass(frozen=True)
class Results:
    """One study's results: study.json, a row a run, a row a run and evaluation, and where they came from."""

    study: dict[str, Any]
    runs: pd.DataFrame
    curves: pd.DataFrame
    path: Path


def write_bytes(path: Path, content: bytes) -> None:
    """Write a file whole and durably: temporary name, fsync, rename, fsync of the folder. Raises OSError."""
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
        Path(name).chmod(0o644)
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def write_frame(path: Path, frame: pd.DataFrame) -> None:
    """Write a table as CSV whose floats read back exactly."""
    write_bytes(path, frame.to_csv(index=False, lineterminator="\n").encode())


def write_study(path: Path, study: Mapping[str, Any]) -> None:
    """Write study.json into the results folder `path`."""
    write_bytes(path / "study.json", (json.dumps(study, indent=1, ensure_ascii=False) + "\n").encode())


def write(path: Path, records: Iterable[RunRecord], *, phases: Sequence[str], schedules: Sequence[str]) -> None:
    """Write runs.csv and curves.csv of `records` into the folder `path`."""
    runs, curves = frames(records, phases=phases, schedules=schedules)
    write_frame(path / "curves.csv", curves)
    write_frame(path / "runs.csv", runs)


def frames(
    records: Iterable[RunRecord], *, phases: Sequence[str], schedules: Sequence[str]
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """A row a run, and a row a run and evaluation, sorted by phase, schedule, point, repetition."""
    places = {label: place for place, label in enumerate(schedules)}
    ordered = sorted(
        records,
        key=lambda each: (
            phases.index(each.phase),
            places.get(each.schedule, len(places)),
            each.point,
            each.repetition,
        ),
    )
    params = sorted({name for each in ordered for name in each.params})
    scores = list(dict.fromkeys(name for each in ordered for place in each.curve for name in place.scores))
    scores += [name for name in dict.fromkeys(name for each in ordered for name in each.scores) if name not in scores]
    run_columns = [*_LEADING, *(f"params_{name}" for name in params), *scores, *_TRAILING]
    runs = [
        {
            **{name: getattr(each, name) for name in (*_LEADING, *_TRAILING)},
            **{f"params_{name}": value for name, value in each.params.items()},
            **each.scores,
            "versions": json.dumps(dict(each.versions), sort_keys=True),
        }
        for each in ordered
    ]
    curves = [
        {
            **{name: getattr(each, name) for name in _KEYS},
            **{name: getattr(place, name) for name in (*_CURVE, "seconds")},
            **place.scores,
        }
        for each in ordered
        for place in each.curve
    ]
    curve_columns = [*_KEYS, *_CURVE, *scores, "seconds"]
    return pd.DataFrame(runs, columns=run_columns), pd.DataFrame(curves, columns=curve_columns)


def load(path: str | Path) -> Results:
    """Read a results folder; raises ResultsError naming the file that is missing, damaged or too new."""
    folder = Path(path)
    study = _study(folder / "study.json")
    runs = _frame(folder / "runs.csv", (*_LEADING, *_TRAILING))
    curves = _frame(folder / "curves.csv", (*_KEYS, *_CURVE))
    _check_runs(folder / "runs.csv", runs, study)
    strangers = sorted(set(curves["run"].dropna()) - set(runs["run"]))
    if strangers or curves["run"].isna().any():
        raise ResultsError(
            f"{folder / 'curves.csv'}: run is {_said(strangers)}, which runs.csv does not list; {_ADVICE}"
        )
    for name in (str(study["primary"]), str(study["primary"]).removesuffix("_ema")):
        for frame in (runs, curves):
            if name not in frame:  # no run has finished
                frame[name] = float("nan")
    runs["reason"] = runs["reason"].fillna("").astype(str)
    return Results(study, runs, curves, folder)


def _study(path: Path) -> dict[str, Any]:
    try:
        study = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise ResultsError(f"{path}: not found; the folder holds no results of run_study") from error
    except (OSError, ValueError) as error:
        raise ResultsError(f"{path}: cannot be read ({error}); restore it from a copy") from error
    if not isinstance(study, dict) or not isinstance(study.get("schema"), int):
        raise ResultsError(f"{path}: has no schema number; it was not written by run_study")
    if study["schema"] > SCHEMA:
        raise ResultsError(
            f"{path}: schema is {study['schema']}, but this version reads up to {SCHEMA}; install the newer harness"
        )
    wrong = document.fault(study)
    if wrong is not None:
        raise ResultsError(f"{path}: {wrong}; restore it from a copy")
    return study


def _frame(path: Path, columns: Iterable[str]) -> pd.DataFrame:
    """A table whose columns are text or finite numbers (empty cells NaN)."""
    try:
        frame = pd.read_csv(path, dtype=str, keep_default_na=False, na_values=[""], encoding="utf-8")
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


def _check_runs(path: Path, runs: pd.DataFrame, study: Mapping[str, Any]) -> None:
    """Turn the column `chosen` into booleans; raise ResultsError unless every row can be a run of `study`."""
    allowed = {
        "schedule": list(study["schedules"]),
        "phase": ["search", "select", "confirm"],
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
    keys = ["phase", "schedule", "point", "repetition"]
    for names in (["run"], keys):
        twice = runs.duplicated(names) | runs["run"].isna()
        if twice.any():
            row = int(twice.to_numpy().argmax())
            raise ResultsError(f"{path}: row {row + 2} is a run that an earlier row is, or has no name; {_ADVICE}")
    chosen = runs[(runs["phase"] == "confirm") & runs["chosen"]]
    if chosen.duplicated(["schedule", "repetition"]).any():
        raise ResultsError(f"{path}: two chosen confirmation runs of a schedule have one repetition; {_ADVICE}")
    done = runs["status"] == "finished"
    primary = str(study["primary"])
    if done.any() and (primary not in runs or runs.loc[done, primary].isna().any()):
        raise ResultsError(f"{path}: a finished run has no '{primary}'; {_ADVICE}")


def _said(values: Sequence[object]) -> str:
    return repr(str(values[0]))[:80] if values else "empty"
