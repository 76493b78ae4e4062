"""The results folder of one study: its lock, the study as frozen, and refusal of whatever does not belong."""

from __future__ import annotations

import csv
import json
import os
import shutil
import socket
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from harness import command_line, own_code
from harness.driver import locks
from harness.results import ResultsError, tables
from harness.spec import SpecError, StudySpec, frozen_plan, refused_changes, validate

LOCK, HOLDER, DATABASE = ".lock", ".lock.holder", "study.db"
ENDED = ".ended"  # suffix of a run that has ended and is kept beside the checkpoints
_PASSING = (LOCK, f".{DATABASE}", ".study.json.")  # what a killed driver may leave before the folder holds a run


class FolderError(RuntimeError):
    """The results folder cannot be used; the message says why and what to do."""


class StoredRun(NamedTuple):
    """A stored run, and where it stands in the plan."""

    run: str
    phase: str
    schedule: str
    point: int
    repetition: int
    replicate: int | None = None
    source: str = ""


@dataclass(frozen=True)
class Folder:
    """Paths of one study's results."""

    path: Path

    @property
    def work(self) -> Path:
        """Checkpoints and progress of unfinished runs; empty when all is done."""
        return self.path / "checkpoints"

    @property
    def cache(self) -> Path:
        """Reference features, which can always be computed again."""
        return self.path / "checkpoints" / "reference"

    @property
    def samples(self) -> Path:
        """Sample grids."""
        return self.path / "samples"

    @property
    def artifacts(self) -> Path:
        """The sample grids under the names Optuna knows them by: links, for its dashboard."""
        return self.path / "artifacts"

    @property
    def errors(self) -> Path:
        """Tracebacks of failed runs."""
        return self.path / "errors"

    def tabled(self) -> dict[str, StoredRun]:
        """The runs in the tables as they lie there, by name; none of a table that is absent or damaged."""
        return {run.run: run for name in ("curves.csv", "runs.csv") for run in runs_in(self.path / name)}

    def runs(self) -> list[StoredRun]:
        """The runs in the tables, and those that ended while their database was away."""
        spooled = [_spooled(path) for path in self.work.glob(f"*{ENDED}")]
        return [*self.tabled().values(), *(run for run in spooled if run is not None)]

    def holds_runs(self) -> bool:
        """Whether a run is stored: in a table, as a file that waits for its database, or in the folder's own database.

        Before that the folder is nobody's: whatever study.json says, another study may take its place.
        """
        return bool(self.runs()) or _holds_runs(self.path / DATABASE)

    def forget(self, run: str) -> None:
        """Remove the files of a run that is stored: its checkpoint, and what a killed process was writing."""
        for pattern in (f"{run}.*", f".{run}.*"):
            for path in self.work.glob(pattern):
                path.unlink(missing_ok=True)

    def vacate(self) -> None:
        """Remove the checkpoints of unfinished runs: of a study that another one takes the place of."""
        for pattern in ("*.npz*", "*.progress*", "*.forks*"):
            for path in self.work.glob(pattern):
                path.unlink(missing_ok=True)

    def study(self) -> dict[str, Any] | None:
        """The stored study.json; None where there is none yet; raises FolderError if it cannot be read."""
        path = self.path / "study.json"
        if not path.exists():
            return None
        try:
            return dict(tables.read_study(path).source)
        except ResultsError as error:
            raise FolderError(f"{error}, or choose another --output") from error


def stored_run(row: Mapping[str, Any]) -> StoredRun:
    """What a row of a table, or a record, says of its run; raises KeyError, TypeError or ValueError where it does not."""
    replicate = row.get("replicate")
    return StoredRun(
        row["run"],
        row["phase"],
        row["schedule"],
        int(row["point"]),
        int(row["repetition"]),
        None if replicate in (None, "") else int(replicate),
        row.get("source") or "",
    )


def runs_in(path: Path) -> list[StoredRun]:
    """The runs in a table; none where it is absent or damaged."""
    try:
        return [stored_run(row) for row in rows_in(path)]
    except (ValueError, KeyError, TypeError):
        return []  # damaged: it is written anew from the database


def rows_in(path: Path) -> list[dict[str, str]]:
    """The rows of a table as text; none where it is absent or no table."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as stream:
            return list(csv.DictReader(stream))
    except (OSError, ValueError, csv.Error):
        return []


def _spooled(path: Path) -> StoredRun | None:
    try:
        return stored_run(json.loads(path.read_text(encoding="utf-8"))["record"])
    except (OSError, ValueError, KeyError, TypeError):
        return None  # damaged: the run is trained again


def _holds_runs(path: Path) -> bool:
    """Whether a database holds a run of ours; one that cannot be read may."""
    if not path.is_file() or path.stat().st_size == 0:
        return False
    try:
        with closing(sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True, timeout=30)) as connection:
            table = connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'trial_user_attributes'")
            if table.fetchone() is None:
                return False
            record = connection.execute("SELECT 1 FROM trial_user_attributes WHERE key = 'record' LIMIT 1")
            return record.fetchone() is not None
    except sqlite3.Error:
        return True


def check(folder: Folder, spec: StudySpec, *, source: str) -> None:
    """Raise FolderError unless the folder is new, has no run yet, or holds this study (possibly smaller). Writes nothing."""
    path = folder.path
    fault = command_line.folder_fault(path, option="--output")
    if fault is not None:
        raise FolderError(fault)
    stored = folder.study()
    if stored is None:
        strangers = _strangers(folder)
        if strangers and not (path / DATABASE).exists():
            raise FolderError(
                f"--output is {path}, which holds other files ({', '.join(sorted(strangers)[:3])}); "
                "choose an empty folder or one with this study's results"
            )
        return
    if not folder.holds_runs():
        return
    if stored["name"] != spec.name:
        raise FolderError(
            f"--output is {path}, which holds results of the study '{stored['name']}', not of '{spec.name}'; "
            "choose another folder"
        )
    try:
        before = validate(stored["spec"], source=str(path / "study.json"))
    except SpecError as error:
        raise FolderError(f"{error}; the stored study cannot be read by this version") from error
    faults = refused_changes(before, spec, folder.runs())
    frozen = frozen_plan(before, spec, faults)
    if frozen is not None:
        raise FolderError(f"{source}, whose results are in {path}: {frozen}")
    if faults:
        lines = [f"  {key}: {_shown(old)} -> {_shown(new)}" for key, (old, new) in faults.items()]
        if any(key.startswith("code.") for key in faults):
            lines.append(
                f"  (code.FILE is the SHA-256 of a file of your own; {path / own_code.FOLDER} holds it as it ran)"
            )
        raise FolderError(
            f"{source} has changed since its results in {path} were made; these keys would make it another experiment:\n"
            + "\n".join(lines)
            + "\nPut them back, or give the study another name (or --output another folder)."
        )


def _strangers(folder: Folder) -> list[str]:
    """Names in the folder that a driver which was killed before the first run cannot have left."""
    if not folder.path.exists():
        return []
    names = [path.name for path in folder.path.iterdir() if not path.name.startswith(_PASSING)]
    if folder.work.is_dir() and {path.name for path in folder.work.iterdir()} <= {folder.cache.name}:
        names.remove(folder.work.name)
    return names


@contextmanager
def lock(folder: Folder) -> Iterator[None]:
    """Hold the folder for this process; raise FolderError naming the holder if another driver has it.

    The operating system lets go of the lock when its holder ends in any way. A folder that was new, and in which no
    study came to be, is left as it was found.
    """
    missing = [path for path in (folder.path, *folder.path.absolute().parents) if not path.exists()]
    empty = not _strangers(folder) and not folder.work.exists()
    try:
        folder.path.mkdir(parents=True, exist_ok=True)
        held = locks.take(folder.path / LOCK)
    except OSError as error:
        raise FolderError(f"--output is {folder.path}: {(error.strerror or str(error)).lower()}") from error
    if held is None:
        raise FolderError(f"{folder.path} is in use by {_holder(folder)}; wait until it ends, or stop it first")
    try:
        holder = {"host": socket.gethostname(), "pid": os.getpid()}
        (folder.path / HOLDER).write_text(json.dumps(holder), encoding="utf-8")
        yield
    finally:
        with suppress(OSError):
            (folder.path / HOLDER).unlink()
        if empty and not _strangers(folder):
            shutil.rmtree(folder.work, ignore_errors=True)
        locks.release(held)
        with suppress(OSError):
            for path in missing:
                path.rmdir()  # an empty one only


def _holder(folder: Folder) -> str:
    try:
        holder = json.loads((folder.path / HOLDER).read_text(encoding="utf-8"))
        return f"another run_study (host {holder['host']}, pid {holder['pid']})"
    except (OSError, ValueError, KeyError):
        return "another run_study"


def _shown(value: object) -> str:
    return "(absent)" if value is None else json.dumps(value, ensure_ascii=False)
