"""Databases that hold studies: opening them, one driver a study, and what their faults mean."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import optuna
import sqlalchemy.exc
from optuna.storages import RDBStorage

# A server that falls silent is noticed within a minute, by the driver and (for its lock) by the server.
_PATIENCE = {"keepalives_idle": 30, "keepalives_interval": 10, "keepalives_count": 3}


class StorageError(RuntimeError):
    """The database cannot be used; the message says which, why, and what to do."""


class StorageAway(StorageError):
    """The database's server does not answer now, but may later."""


def sqlite_url(results: Path) -> str:
    """The address of the results folder's own database."""
    return f"sqlite:///{(results / 'study.db').resolve()}"


def without_password(url: str) -> str:
    """The address with its password left out."""
    scheme, separator, rest = url.partition("://")
    if "@" not in rest:
        return url
    credentials, _, place = rest.rpartition("@")
    return f"{scheme}{separator}{credentials.split(':')[0]}@{place}"


@contextmanager
def explained(url: str) -> Iterator[None]:
    """Turn every database fault into one StorageError that says what to do; StorageAway where waiting may help."""
    try:
        yield
    except (sqlalchemy.exc.SQLAlchemyError, optuna.exceptions.StorageInternalError, sqlite3.Error) as error:
        shown = without_password(url)
        lines = str(getattr(error, "orig", None) or error.__cause__ or error).strip().splitlines()
        text = lines[0] if lines else type(error).__name__
        if not url.startswith("sqlite") and _is_away(error):
            raise StorageAway(
                f"study database {shown}: {text}: see that the server runs and the address is right, then run the same "
                "command again"
            ) from error
        if "locked" in text:
            advice = "another program holds it; close that program and run the same command again"
        elif "malformed" in text or "not a database" in text or "I/O" in text:
            advice = "the file or its disk is damaged; restore a copy, or move it away to train the study's runs again"
        elif "full" in text:
            advice = "the disk is full; make room and run the same command again"
        elif "readonly" in text or "unable to open" in text:
            advice = "make the file and its folder writable"
        else:
            advice = "mend this, then run the same command again"
        raise StorageError(f"study database {shown}: {text}: {advice}") from error
    except ModuleNotFoundError as error:
        raise StorageError(
            f"study database {without_password(url)}: the driver '{error.name}' is not installed; "
            "for PostgreSQL install the extra 'postgres'"
        ) from error


def _is_away(error: BaseException | None) -> bool:
    """Whether a fault comes of the connection or the server's state, not of what was asked."""
    while error is not None:
        if isinstance(error, sqlalchemy.exc.OperationalError | sqlalchemy.exc.InterfaceError):
            return True
        if isinstance(error, sqlalchemy.exc.DBAPIError) and error.connection_invalidated:
            return True
        error = error.__cause__
    return False


def open_storage(url: str) -> RDBStorage:
    """Open (or create) a database; SQLite with write-ahead log and full durability, checked for damage first."""
    with explained(url):
        if not url.startswith("sqlite"):
            words = {"connect_timeout": 10, **_PATIENCE} if url.startswith("postgresql") else {}
            return RDBStorage(url, engine_kwargs={"pool_pre_ping": True, "connect_args": words})
        _check_sqlite(Path(url.removeprefix("sqlite:///")))
        storage = RDBStorage(url, engine_kwargs={"connect_args": {"timeout": 30}})

        @sqlalchemy.event.listens_for(storage.engine, "connect")
        def _connect(connection: Any, _: Any) -> None:
            connection.execute("PRAGMA journal_mode=WAL")
            connection.execute("PRAGMA synchronous=FULL")

        storage.engine.dispose()  # connections opened before the listener lack its settings
        return storage


def _check_sqlite(path: Path) -> None:
    """Raise sqlite3.DatabaseError if the file exists and fails SQLite's own check."""
    if path.exists():
        connection = sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=30)
        try:
            answer = connection.execute("PRAGMA quick_check(1)").fetchone()
        except UnicodeDecodeError as error:  # SQLite quotes a damaged name in its answer
            raise sqlite3.DatabaseError("malformed: names in it are no text") from error
        finally:
            connection.close()
        if answer is None or answer[0] != "ok":
            raise sqlite3.DatabaseError(f"malformed: {answer[0] if answer else 'no answer'}")


class Claim:
    """One driver a study in a shared database: a lock of PostgreSQL's, which ends with the driver's connection.

    A database in a file has no such lock; there the results folder's keeps drivers apart.
    """

    def __init__(self, storage: RDBStorage, name: str) -> None:
        self._storage, self._name = storage, name
        self._connection: sqlalchemy.Connection | None = None

    def renew(self) -> None:
        """Take the lock, also again if the connection that held it was lost; StorageError if another driver has it."""
        if self._storage.engine.dialect.name != "postgresql":
            return
        try:
            if self._connection is not None:
                self._connection.execute(sqlalchemy.text("SELECT 1"))
                return
        except sqlalchemy.exc.DBAPIError:
            self.release()
        connection = self._storage.engine.connect().execution_options(isolation_level="AUTOCOMMIT")
        try:
            for setting, seconds in _PATIENCE.items():
                connection.execute(sqlalchemy.text(f"SET tcp_{setting} = {seconds}"))
            key = sqlalchemy.text("SELECT pg_try_advisory_lock(hashtext('schedule-harness'), hashtext(:name))")
            taken = connection.execute(key, {"name": self._name}).scalar()
        except BaseException:
            connection.close()
            raise
        if not taken:
            connection.close()
            raise StorageError(
                f"study '{self._name}' in database {without_password(self._storage.url)} is in use by another run_study; "
                "wait until it ends, or stop it first"
            )
        self._connection = connection

    def release(self) -> None:
        """Let go of the lock."""
        if self._connection is not None:
            # Closed, not given back to the pool, where it would keep the lock.
            self._connection.invalidate()
            self._connection.close()
            self._connection = None
