"""Which runs of a study are stored, read without writing anything: no database, table, lock or log is made."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any
from urllib.parse import quote

import sqlalchemy

from harness.driver import identity
from harness.driver.database import Database, explained, sqlite_url, without_password
from harness.driver.folder import Folder, StoredRun, rows_in, runs_in, stored_run
from harness.plan.outcomes import TrialSummary
from harness.spec import StudySpec

_RECORD = "record"  # user attribute of a trial: the run


def runs(spec: StudySpec, results: Folder, *, storage: str | None) -> dict[str, StoredRun]:
    """The stored runs of `spec` by name: those in the database at `storage` (None: the folder's own), and in runs.csv.

    Raises StorageError if the database cannot be read, or holds runs of another experiment of this name, and AddressError
    if none can be at `storage`.
    """
    in_database = [stored_run(record) for record in _records(spec, results, storage)]
    return {run.run: run for run in [*runs_in(results.path / "runs.csv"), *in_database]}


def outcomes(spec: StudySpec, results: Folder, *, storage: str | None, primary: str) -> dict[str, TrialSummary]:
    """How the same runs ended, by name: what the plan goes on from; `primary` is the full name of the primary score."""
    found = {}
    for row in rows_in(results.path / "runs.csv"):
        with suppress(KeyError, ValueError, TypeError):  # damaged: the table does not tell
            score = float(row[primary]) if row["status"] == "finished" else None
            found[row["run"]] = TrialSummary(row["status"], score, int(row["last_step"]))
    for record in _records(spec, results, storage):
        finished = record["status"] == "finished"
        score = record["scores"][primary] if finished else None
        found[record["run"]] = TrialSummary(record["status"], score, record["last_step"])
    return found


def _records(spec: StudySpec, results: Folder, storage: str | None) -> list[dict[str, Any]]:
    """The records in the database, as JSON has them; none where there is no database."""
    address = storage or sqlite_url(results.path)
    with explained(address), _reading(storage, results) as connection:
        return [] if connection is None else _in_database(connection, spec, without_password(address))


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


def _in_database(connection: sqlalchemy.Connection, spec: StudySpec, database: str) -> list[dict[str, Any]]:
    """Records of runs among the trials of the Optuna study of this name; none if there is no such study."""
    if not sqlalchemy.inspect(connection).has_table("trial_user_attributes"):
        return []
    studies = sqlalchemy.table("studies", *map(sqlalchemy.column, ("study_id", "study_name")))
    trials = sqlalchemy.table("trials", *map(sqlalchemy.column, ("study_id", "trial_id")))
    columns = ("key", "value_json")
    of_study = sqlalchemy.table("study_user_attributes", *map(sqlalchemy.column, ("study_id", *columns)))
    of_trial = sqlalchemy.table("trial_user_attributes", *map(sqlalchemy.column, ("trial_id", *columns)))
    of_this_name = studies.c.study_name == spec.name
    resolved = connection.execute(
        sqlalchemy.select(of_study.c.value_json)
        .join(studies, studies.c.study_id == of_study.c.study_id)
        .where(of_this_name, of_study.c.key == identity.SPEC)
    ).scalar()
    rows = connection.execute(
        sqlalchemy.select(of_trial.c.value_json)
        .join(trials, trials.c.trial_id == of_trial.c.trial_id)
        .join(studies, studies.c.study_id == trials.c.study_id)
        .where(of_this_name, of_trial.c.key == _RECORD)
        .order_by(trials.c.trial_id)
    ).scalars()
    records = [json.loads(json.loads(row)) for row in rows]
    stored = [stored_run(record) for record in records]
    if resolved is not None and stored:
        identity.refuse_changes(json.loads(resolved), spec, stored, where=f"study '{spec.name}' in database {database}")
    return records
