"""Which runs of a study are stored, read without writing anything: no database, table, lock or log is made."""

from __future__ import annotations

import csv
import json
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

import sqlalchemy

from harness.driver import identity
from harness.driver.database import Database, explained, sqlite_url, without_password
from harness.driver.folder import Folder
from harness.spec import StudySpec

_RECORD = "record"  # user attribute of a trial: the run


@dataclass(frozen=True)
class Placed:
    """Where in the plan a stored run belongs."""

    phase: str
    schedule: str
    point: int
    repetition: int


def runs(spec: StudySpec, results: Folder, *, storage: str | None) -> dict[str, Placed]:
    """The stored runs of `spec` by name: those in the database at `storage` (None: the folder's own), and in runs.csv.

    Raises StorageError if the database cannot be read, or holds runs of another experiment of this name, and AddressError
    if none can be at `storage`.
    """
    place = storage or sqlite_url(results.path)
    with explained(place), _reading(storage, results) as connection:
        found = {} if connection is None else _in_database(connection, spec, without_password(place))
    return _in_table(results.path / "runs.csv") | found


@contextmanager
def _reading(storage: str | None, results: Folder) -> Iterator[sqlalchemy.Connection | None]:
    """A connection that cannot write to a file; None if there is no file."""
    database = Database(storage or sqlite_url(results.path)) if storage or results.path.is_dir() else None
    if database is None:
        yield None
        return
    path = database.file
    database.close()
    if path is None:
        engine = sqlalchemy.create_engine(database.url, poolclass=sqlalchemy.NullPool)
    else:
        if not path.is_file() or path.stat().st_size == 0:
            yield None
            return
        # Without a log beside it the file is whole: read as it lies, where SQLite would else make files of its own.
        logged = Path(f"{path}-wal").exists()
        address = f"file:{quote(str(path.resolve()))}?mode=ro" + ("" if logged else "&immutable=1")
        engine = sqlalchemy.create_engine(
            "sqlite://", creator=lambda: sqlite3.connect(address, uri=True, timeout=30), poolclass=sqlalchemy.NullPool
        )
    with engine.connect() as connection:
        yield connection


def _in_database(connection: sqlalchemy.Connection, spec: StudySpec, place: str) -> dict[str, Placed]:
    """Runs among the trials of the Optuna study of this name; none if there is no such study."""
    if not sqlalchemy.inspect(connection).has_table("trial_user_attributes"):
        return {}
    studies = sqlalchemy.table("studies", *map(sqlalchemy.column, ("study_id", "study_name")))
    trials = sqlalchemy.table("trials", *map(sqlalchemy.column, ("study_id", "trial_id")))
    columns = ("key", "value_json")
    of_study = sqlalchemy.table("study_user_attributes", *map(sqlalchemy.column, ("study_id", *columns)))
    of_trial = sqlalchemy.table("trial_user_attributes", *map(sqlalchemy.column, ("trial_id", *columns)))
    mine = studies.c.study_name == spec.name
    resolved = connection.execute(
        sqlalchemy.select(of_study.c.value_json)
        .join(studies, studies.c.study_id == of_study.c.study_id)
        .where(mine, of_study.c.key == identity.SPEC)
    ).scalar()
    rows = connection.execute(
        sqlalchemy.select(of_trial.c.value_json)
        .join(trials, trials.c.trial_id == of_trial.c.trial_id)
        .join(studies, studies.c.study_id == trials.c.study_id)
        .where(mine, of_trial.c.key == _RECORD)
        .order_by(trials.c.trial_id)
    ).scalars()
    found = _placed(json.loads(json.loads(row)) for row in rows)
    if resolved is not None and found:
        identity.refuse_changes(
            json.loads(resolved), spec, found.values(), shown=f"study '{spec.name}' in database {place}"
        )
    return found


def _in_table(path: Path) -> dict[str, Placed]:
    try:
        with path.open(encoding="utf-8", newline="") as stream:
            return _placed(csv.DictReader(stream))
    except (OSError, ValueError, KeyError, csv.Error):
        return {}  # absent or damaged: the database has them


def _placed(rows: Iterator[Mapping[str, str]] | csv.DictReader[str]) -> dict[str, Placed]:
    return {
        row["run"]: Placed(row["phase"], row["schedule"], int(row["point"]), int(row["repetition"])) for row in rows
    }
