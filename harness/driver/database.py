"""Databases that hold studies: addresses, opening them, and what their faults mean."""

from __future__ import annotations

import importlib.util
import os
import re
import sqlite3
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import optuna
import sqlalchemy.exc
from optuna.distributions import BaseDistribution
from optuna.storages import RDBStorage

# A server that falls silent is noticed within a minute, by the driver and (for its lock) by the server.
KEEPALIVE = {"keepalives_idle": 30, "keepalives_interval": 10, "keepalives_count": 3}
CREATIONS = 20  # attempts at making a file or its tables while another driver makes them too
_EXAMPLES = (
    "sqlite:///FILE, postgresql+psycopg://USER:PASSWORD@HOST/DATABASE, or another address that SQLAlchemy knows, "
    "such as mysql+pymysql://…"
)


class StorageError(RuntimeError):
    """The database cannot be used; the message says which, why, and what to do."""


class StorageAway(StorageError):
    """The database's server does not answer now, but may later."""


class AddressError(StorageError):
    """The address cannot be used as it was given: bad input."""


def sqlite_url(results: Path) -> str:
    """The address of the results folder's own database, as Optuna's own commands take it too.

    What means something in an address (or to Optuna, which fills in braces) is written as %XX.
    """
    path = str((results / "study.db").resolve())
    return "sqlite:///" + re.sub(r"[%?{}\x00-\x1f]", lambda match: f"%{ord(match[0]):02X}", path)


def without_password(url: str) -> str:
    """The address with its password left out."""
    scheme, separator, rest = url.partition("://")
    if scheme.startswith("sqlite"):
        return url
    rest = re.sub(r"([?&](?:password|passwd)=)[^&]*", r"\1…", rest)
    if "@" not in rest:
        return f"{scheme}{separator}{rest}"
    credentials, _, host = rest.rpartition("@")
    return f"{scheme}{separator}{credentials.split(':')[0]}@{host}"


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
        elif "no such column" in text or "no such table" in text or "does not exist" in text:
            advice = "its tables are not those of Optuna; name a database of its own"
        else:
            advice = "fix this, then run the same command again"
        raise StorageError(f"study database {shown}: {text}: {advice}") from error


def _is_away(error: BaseException | None) -> bool:
    """Whether the server is unreachable, rather than the query wrong."""
    while error is not None:
        if isinstance(error, sqlalchemy.exc.OperationalError | sqlalchemy.exc.InterfaceError):
            return True
        if isinstance(error, sqlalchemy.exc.DBAPIError) and error.connection_invalidated:
            return True
        error = error.__cause__
    return False


class Storage(RDBStorage):
    """Optuna's storage without its demand that a trial's parameters be like those of the trials before it.

    Trials that other tools or hands added keep the parameters they have, and must not stop ours from being stored.
    """

    def __init__(self, url: str, words: dict[str, Any], *, create: bool) -> None:
        """Open the tables, or `create` what lacks of them; `words` are for SQLAlchemy's engine."""
        try:
            super().__init__(url, words, skip_compatibility_check=True, skip_table_creation=not create)
        except BaseException:
            if hasattr(self, "engine"):
                self.engine.dispose()
            raise

    def _set_trial_param_without_commit(
        self,
        session: Any,
        trial_id: int,
        param_name: str,
        param_value_internal: float,
        distribution: BaseDistribution,
        previous_distribution: BaseDistribution | None = None,
    ) -> None:
        super()._set_trial_param_without_commit(
            session, trial_id, param_name, param_value_internal, distribution, previous_distribution=distribution
        )


class Database:
    """The database at an address. Nothing is written to it before `create`."""

    def __init__(self, url: str) -> None:
        """Take an address; raises AddressError if no database can be meant by it, or its driver is missing."""
        self.url = url
        self._address = _parsed(url)
        self.file = _file(url, self._address)
        self.engine = self._connectable()

    def _fault(self, what: str) -> AddressError:
        return AddressError(f"--storage is {without_password(self.url)}: {what}")

    def _connectable(self) -> sqlalchemy.Engine:
        """An engine of our own, for reading and for the lock; no connection is made yet."""
        backend = self._address.get_backend_name()
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("error", sqlalchemy.exc.SAWarning)  # settings that would be ignored
                engine = sqlalchemy.create_engine(self._address, **self._words())
        except ImportError as error:
            raise self._fault(_missing(backend, error)) from error
        except (sqlalchemy.exc.SQLAlchemyError, sqlalchemy.exc.SAWarning, TypeError, ValueError) as error:
            raise self._fault(f"{_first_line(error)}; allowed is {_EXAMPLES}") from error
        if engine.dialect.is_async:
            raise self._fault(f"the driver '{engine.driver}' is an asynchronous one; allowed is {_EXAMPLES}")
        return engine

    def _words(self) -> dict[str, Any]:
        """How connections are made."""
        backend = self._address.get_backend_name()
        if backend == "sqlite":
            return {"connect_args": {} if "timeout" in self._address.query else {"timeout": 30}}
        patience = {"connect_timeout": 10, **KEEPALIVE} if backend == "postgresql" else {}
        return {"pool_pre_ping": True, "connect_args": patience}

    def stored(self) -> Storage | None:
        """The storage as it is; None if there is no database yet, or an empty one. Checked for damage first."""
        with explained(self.url), self._arguments():
            if self.file is not None:
                if not self.file.exists() or self.file.stat().st_size == 0:
                    return None
                _check_sqlite(self.file)
            if not sqlalchemy.inspect(self.engine).has_table("alembic_version"):
                return None
            return self._current(Storage(self.url, self._words(), create=False))

    @contextmanager
    def _arguments(self) -> Iterator[None]:
        """The first connection shows what the driver thinks of the address's settings."""
        try:
            yield
        except (TypeError, ValueError) as error:
            raise self._fault(f"{_first_line(error)}; allowed is {_EXAMPLES}") from error

    def _current(self, storage: Storage) -> Storage:
        """Raise StorageError unless the tables are those of the Optuna that is installed."""
        stored, ours = storage.get_current_version(), storage.get_head_version()
        if stored == ours:
            return storage
        known = storage.get_all_versions()
        storage.engine.dispose()
        made_by = f"study database {without_password(self.url)} was made by"
        if stored in known:
            command = f"optuna storage upgrade --storage='{without_password(self.url)}'"
            raise StorageError(
                f"{made_by} an older Optuna (its tables are {stored}, not {ours}); copy it, then: {command}"
            )
        raise StorageError(
            f"{made_by} a newer Optuna (its tables are {stored}, not {ours}); install that one, or choose another --storage"
        )

    def create(self) -> Storage:
        """The storage, made where it lacks; SQLite with write-ahead log and full durability."""
        with explained(self.url):
            storage = self._create()
            if self.file is not None:

                @sqlalchemy.event.listens_for(storage.engine, "connect")
                def _connect(connection: Any, _: Any) -> None:
                    _use_write_ahead_log(connection)
                    connection.execute("PRAGMA synchronous=FULL")

                storage.engine.dispose()  # connections opened before the listener lack its settings
            return self._current(storage)

    def _create(self) -> Storage:
        """Make the tables; where another driver makes them at the same time, one of both finds them in the making."""
        for attempt in range(CREATIONS):
            try:
                return Storage(self.url, self._words(), create=True)
            except (sqlalchemy.exc.SQLAlchemyError, optuna.exceptions.StorageInternalError) as error:
                text = f"{error} {error.__cause__}"
                racing = isinstance(error, sqlalchemy.exc.IntegrityError) or "already exists" in text
                if attempt + 1 == CREATIONS or not (racing or "database is locked" in text):
                    raise
                time.sleep(0.1)
        raise AssertionError("the last attempt returns or raises")

    def close(self) -> None:
        """End our own connections."""
        self.engine.dispose()


def _use_write_ahead_log(connection: sqlite3.Connection) -> None:
    """Switch an SQLite file to it; another driver that does so now makes SQLite refuse at once, whatever its time limit."""
    for attempt in range(CREATIONS):
        try:
            connection.execute("PRAGMA journal_mode=WAL")
            return
        except sqlite3.OperationalError as error:
            if attempt + 1 == CREATIONS or "locked" not in str(error):
                raise
            time.sleep(0.1)


def _parsed(url: str) -> sqlalchemy.URL:
    """The parts of an address, as Optuna and SQLAlchemy read it; raises AddressError if they cannot."""
    shown = f"--storage is {without_password(url)}"
    try:
        address = sqlalchemy.make_url(RDBStorage._fill_storage_url_template(url))
        address.get_dialect()
    except (KeyError, IndexError) as error:
        raise AddressError(f"{shown}: write {{ as %7B and }} as %7D") from error
    except sqlalchemy.exc.NoSuchModuleError as error:
        scheme = url.partition(":")[0]
        raise AddressError(f"{shown}: '{scheme}' is no database that can be used; allowed is {_EXAMPLES}") from error
    except (sqlalchemy.exc.ArgumentError, ValueError) as error:
        raise AddressError(f"{shown}, which is no address of a database; allowed is {_EXAMPLES}") from error
    except ImportError as error:
        raise AddressError(f"{shown}: {_missing(address.get_backend_name(), error)}") from error
    return address


def _missing(backend: str, error: ImportError) -> str:
    """A sentence about a driver that is not installed."""
    if backend == "postgresql" and importlib.util.find_spec("psycopg") is not None:
        return f"the driver '{error.name}' is not installed, but psycopg is: write postgresql+psycopg://…"
    extra = "install the extra 'postgres' and write postgresql+psycopg://…"
    return f"the driver '{error.name}' is not installed; {extra if backend == 'postgresql' else 'install it'}"


def _file(url: str, address: sqlalchemy.URL) -> Path | None:
    """The file of an SQLite database; None for a server. Raises AddressError for what is no file that can last."""
    if address.get_backend_name() != "sqlite":
        return None
    shown = f"--storage is {url}"
    if address.host:
        raise AddressError(f"{shown}: a file is written with three slashes: sqlite:///{address.host}…")
    name = address.database or ":memory:"
    if sqlalchemy.util.asbool(address.query.get("uri", False)):
        name = unquote(urlsplit(name).path)
    if name == ":memory:" or address.query.get("mode") == "memory":
        raise AddressError(f"{shown}, which is lost when the command ends; name a file: sqlite:///FILE")
    path = Path(name).resolve()
    if path.is_dir():
        raise AddressError(f"{shown}, which is a folder; name a file in it")
    if not path.parent.is_dir():
        raise AddressError(f"{shown}, but there is no folder {path.parent}; make it, or name another file")
    if path.exists() and not os.access(path, os.W_OK):
        raise StorageError(f"study database {url}: make the file and its folder writable")
    return path


def _first_line(error: BaseException) -> str:
    lines = str(error).strip().splitlines()
    return lines[0].rstrip(".") if lines else type(error).__name__


def _check_sqlite(path: Path) -> None:
    """Raise sqlite3.DatabaseError if the file fails SQLite's own check."""
    connection = sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True, timeout=30)
    try:
        answer = connection.execute("PRAGMA quick_check(1)").fetchone()
    except UnicodeDecodeError as error:  # SQLite quotes a damaged name in its answer
        raise sqlite3.DatabaseError("malformed: names in it are no text") from error
    finally:
        connection.close()
    if answer is None or answer[0] != "ok":
        raise sqlite3.DatabaseError(f"malformed: {answer[0] if answer else 'no answer'}")
