"""The results folder of one study: its lock, the study as frozen, and refusal of whatever does not belong."""

from __future__ import annotations

import csv
import json
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import filelock

from harness.results import document, tables
from harness.spec import SpecError, StudySpec, growth_faults, validate

LOCK, HOLDER = ".lock", ".lock.holder"


class FolderError(RuntimeError):
    """The results folder cannot be used; the message says why and what to do."""


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

    def tabled_runs(self) -> set[str]:
        """Names of the runs in runs.csv as it lies there; none if it is absent or damaged."""
        return _runs_in(self.path / "runs.csv")

    def study(self) -> dict[str, Any] | None:
        """The stored study.json; None where there is none yet; raises FolderError if it cannot be read."""
        path = self.path / "study.json"
        if not path.exists():
            return None
        try:
            stored: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
            if int(stored["schema"]) > tables.SCHEMA:
                raise FolderError(
                    f"{path}: schema is {stored['schema']}, but this version reads up to {tables.SCHEMA}: "
                    "the results come from a newer harness; install that version"
                )
            wrong = document.fault(stored)
            if wrong is not None:
                raise FolderError(f"{path}: {wrong}; restore it, or choose another --output")
            return stored
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise FolderError(
                f"{path}: cannot be read ({type(error).__name__}); restore it, or choose another --output"
            ) from error


def _runs_in(path: Path) -> set[str]:
    try:
        with path.open(encoding="utf-8", newline="") as stream:
            return {row["run"] for row in csv.DictReader(stream)}
    except (OSError, ValueError, KeyError, csv.Error):
        return set()  # absent or damaged: it is written anew from the database


def check(folder: Folder, spec: StudySpec, *, source: str) -> None:
    """Raise FolderError unless the folder is new, or holds this study (possibly smaller). Writes nothing."""
    path = folder.path
    if path.exists() and not path.is_dir():
        raise FolderError(f"--output is {path}, which is a file; allowed is a folder")
    parent = next(place for place in (path, *path.absolute().parents) if place.exists())
    if not os.access(parent, os.W_OK | os.X_OK):
        raise FolderError(f"--output is {path}, but {parent} is not writable; choose a folder you can write to")
    stored = folder.study()
    if stored is None:
        strangers = [each.name for each in path.iterdir() if not each.name.startswith(".lock")] if path.exists() else []
        if strangers and "study.db" not in strangers:
            raise FolderError(
                f"--output is {path}, which holds other files ({', '.join(sorted(strangers)[:3])}); "
                "choose an empty folder or one with this study's results"
            )
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
    faults = growth_faults(before, spec)
    if faults:
        lines = [f"  {key}: {_shown(old)} -> {_shown(new)}" for key, (old, new) in faults.items()]
        raise FolderError(
            f"{source} has changed since its results in {path} were made; these keys would make it another experiment:\n"
            + "\n".join(lines)
            + "\nPut them back, or give the study another name (or --output another folder)."
        )


@contextmanager
def lock(folder: Folder) -> Iterator[None]:
    """Hold the folder for this process; raise FolderError naming the holder if another driver has it.

    The operating system lets go of the lock when its holder ends in any way.
    """
    try:
        folder.path.mkdir(parents=True, exist_ok=True)
        held = filelock.FileLock(folder.path / LOCK, timeout=0)
        held.acquire()
    except filelock.Timeout as error:
        raise FolderError(
            f"{folder.path} is in use by {_holder(folder)}; wait until it ends, or stop it first"
        ) from error
    except OSError as error:
        raise FolderError(f"--output is {folder.path}: {(error.strerror or str(error)).lower()}") from error
    try:
        holder = {"host": socket.gethostname(), "pid": os.getpid()}
        (folder.path / HOLDER).write_text(json.dumps(holder), encoding="utf-8")
        yield
    finally:
        with suppress(OSError):
            (folder.path / HOLDER).unlink()
        held.release()


def _holder(folder: Folder) -> str:
    try:
        holder = json.loads((folder.path / HOLDER).read_text(encoding="utf-8"))
        return f"another run_study (host {holder['host']}, pid {holder['pid']})"
    except (OSError, ValueError, KeyError):
        return "another run_study"


def _shown(value: object) -> str:
    return "(absent)" if value is None else json.dumps(value, ensure_ascii=False)
