"""One driver per study: a lock of PostgreSQL's, which ends with the connection, or a file beside SQLite's database.

Other servers have no such lock here; there the results folder's own keeps drivers apart.
"""

from __future__ import annotations

import hashlib

import filelock
import sqlalchemy

from harness.driver import locks
from harness.driver.database import KEEPALIVE, Database, StorageError, without_password


class StudyLock:
    """The right to be a study's only driver. It is not held before `hold`."""

    def __init__(self, database: Database, name: str) -> None:
        """The lock of the study `name` in `database`."""
        self._engine, self._url, self._name = database.engine, database.url, name
        # Names of studies may be longer than those of files.
        digest = hashlib.blake2b(name.encode(), digest_size=6).hexdigest()
        file = database.file
        self._path = file.with_name(f".{file.name}.{digest}.lock") if file is not None else None
        self._connection: sqlalchemy.Connection | None = None
        self._held: filelock.BaseFileLock | None = None

    def hold(self) -> None:
        """Take the lock, also again if the connection that held it was lost; StorageError if another driver has it."""
        if self._path is not None and self._held is None:
            try:
                self._held = locks.take(self._path)
            except OSError as error:
                reason = (error.strerror or str(error)).lower()
                raise StorageError(
                    f"study database {self._url}: {self._path}: {reason}: make the file and its folder writable"
                ) from error
            if self._held is None:
                raise self._taken()
        if self._engine.dialect.name == "postgresql":
            self._hold_postgresql()

    def _taken(self) -> StorageError:
        return StorageError(
            f"study '{self._name}' in database {without_password(self._url)} is in use by another run_study; "
            "wait until it ends, or stop it first"
        )

    def _hold_postgresql(self) -> None:
        try:
            if self._connection is not None:
                self._connection.execute(sqlalchemy.text("SELECT 1"))
                return
        except sqlalchemy.exc.DBAPIError:
            self.release()
        connection = self._engine.connect().execution_options(isolation_level="AUTOCOMMIT")
        try:
            for setting, seconds in KEEPALIVE.items():
                connection.execute(sqlalchemy.text(f"SET tcp_{setting} = {seconds}"))
            key = sqlalchemy.text("SELECT pg_try_advisory_lock(hashtext('schedule-harness'), hashtext(:name))")
            taken = connection.execute(key, {"name": self._name}).scalar()
        except BaseException:
            connection.close()
            raise
        if not taken:
            connection.close()
            raise self._taken()
        self._connection = connection

    def release(self) -> None:
        """Let go of the lock."""
        if self._held is not None:
            locks.release(self._held)
            self._held = None
        if self._connection is not None:
            # Closed, not given back to the pool, where it would keep the lock.
            self._connection.invalidate()
            self._connection.close()
            self._connection = None
