"""The driver's loop: hands runs of the plan to an executor, stores each as it ends, and can stop at any time.

While a shared database does not answer, runs that ended are kept as files, and runs that are ready are trained all the
same; only what depends on an outcome that is not stored waits.
"""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections import deque
from collections.abc import Iterator
from concurrent.futures import FIRST_COMPLETED, Future, wait
from dataclasses import dataclass, field
from typing import Any, Protocol

from harness import files
from harness.driver import interrupts, pictures, spool
from harness.driver.database import StorageAway
from harness.driver.queue import summary
from harness.driver.session import Session
from harness.driver.sharing import Sharing
from harness.driver.spool import FinishedRun
from harness.executors.executor import Executor
from harness.plan.design import Design
from harness.results.record import RunRecord
from harness.worker.process import STOP, RunOutcome

POLL_SECONDS = 0.5
AWAY_SECONDS = 900.0  # how long a database may be away before the study stops
RETRY_SECONDS = 5.0
STOP_SECONDS = 30.0  # how long workers have, after a request to stop, to reach their next checkpoint


class Display(Protocol):
    """Shows a study in progress."""

    def started(self, design: Design) -> None:
        """A run has begun."""

    def ended(self, record: RunRecord) -> None:
        """A run has ended and is stored."""

    def retrying(self, design: Design, error: str) -> None:
        """A run failed and will be tried again."""

    def tick(self) -> None:
        """Time has passed."""


class Stopped(Exception):
    """The study was asked to stop; everything finished is stored, and unfinished runs have checkpoints."""


@dataclass
class Engine:
    """One study being conducted: its session, what trains its runs, and what shows them."""

    session: Session
    executor: Executor
    display: Display
    stopping: bool = False
    _running: dict[Future[RunOutcome], Design] = field(default_factory=dict, init=False)
    _failures: dict[str, int] = field(default_factory=dict, init=False)  # run -> attempts that failed
    _begun: dict[str, float] = field(
        default_factory=dict, init=False
    )  # run -> when it was first begun here, POSIX seconds
    _spooled: deque[FinishedRun] = field(
        default_factory=deque, init=False
    )  # not stored yet, since the database is away
    _away_since: float = field(default=0.0, init=False)
    _next_try: float = field(default=0.0, init=False)
    _written: float = field(default_factory=time.monotonic, init=False)  # when the tables were written last
    _write_seconds: float = field(default=0.0, init=False)  # how long that took

    def __post_init__(self) -> None:
        """Share nothing yet."""
        self._sharing = Sharing(self.session.spec, self.session.folder.work)

    def conduct(self) -> None:
        """Train all runs that are not stored yet; raise Stopped when asked to stop, after checkpoints."""
        self.session.store.begin_writing()
        work, queue = self.session.folder.work, self.session.queue
        work.mkdir(parents=True, exist_ok=True)
        (work / STOP).unlink(missing_ok=True)
        with self._signals():
            try:
                while queue.ready or self._running or self._spooled:
                    self._begin_runs()
                    if self.stopping:
                        self._drain()
                        raise Stopped
                    for future in self._ended():
                        self._take(self._running.pop(future), future.result())
                    self._empty_spool()
                    self._write_tables_periodically()
                    self.display.tick()
                self._sharing.clear()
            finally:
                self._write_tables()

    def _begin_runs(self) -> None:
        """Fill the executor's free slots."""
        queue, running = self.session.queue, {design.run for design in self._running.values()}
        while queue.ready and len(self._running) < self.executor.slots and not self.stopping:
            design = queue.take(lambda each: self._sharing.waits(each, running))
            if design is None:
                return
            self._sharing.begin(design, queue.ready, running)
            running.add(design.run)
            self.display.started(design)
            self._begun.setdefault(design.run, round(time.time(), 3))
            self._running[self.executor.submit(design)] = design

    def _ended(self) -> set[Future[RunOutcome]]:
        """The runs that have ended, after POLL_SECONDS at most."""
        if not self._running:  # all that is left waits for the database
            time.sleep(POLL_SECONDS)
        return wait(self._running, timeout=POLL_SECONDS, return_when=FIRST_COMPLETED).done

    def _take(self, design: Design, outcome: RunOutcome) -> None:
        """Store how a run ended, or put it back for another try."""
        self._sharing.stopped(design)
        if outcome.record is not None:
            self._finish(design, outcome.record, outcome.grids)
        elif outcome.interrupted:
            self.session.queue.push([design])
        else:
            self._fail(design, outcome)

    def _finish(self, design: Design, record: RunRecord, grids: dict[str, bytes]) -> None:
        names = [f"{design.run}{suffix}.png" for suffix in grids]
        for name, picture in zip(names, grids.values(), strict=True):
            files.write(self.session.folder.samples / name, picture)
            pictures.link(self.session.folder, name)
        attempts = self._failures.get(design.run, 0) + 1
        self._store(FinishedRun(design, record.attempted(attempts), tuple(names)))

    def _fail(self, design: Design, outcome: RunOutcome) -> None:
        """Try a run again, or store that it failed for good."""
        files.write(self.session.folder.errors / f"{design.run}.txt", outcome.trace.encode())
        attempts = self._failures[design.run] = self._failures.get(design.run, 0) + 1
        if attempts <= self.session.spec.safety.retries:
            self.display.retrying(design, outcome.error)
            self.session.queue.push([design])
            return
        record = self.session.failed(design, f"{outcome.error} (errors/{design.run}.txt)", attempts)
        times = {"started": self._begun.get(design.run), "ended": round(time.time(), 3)}
        self._store(FinishedRun(design, record.timed(**times), ()))

    def _store(self, run: FinishedRun) -> None:
        """Store a run; while the database is away, keep it as a file instead."""
        if not self._spooled:
            try:
                self._add(run)
                return
            except StorageAway as error:
                self._away_since = time.monotonic()
                self._next_try = self._away_since + RETRY_SECONDS
                self.display.retrying(run.design, f"has ended and is kept as a file: {error}")
        spool.save(self.session.folder, run)
        self._spooled.append(run)

    def _add(self, run: FinishedRun) -> None:
        record = self.session.store.add(run.record, run.pictures)
        # Only now is the run safe: its checkpoint is no longer needed.
        self.session.folder.forget(record.run)
        self.session.queue.ended(record.run, summary(record, self.session.primary))
        self._sharing.end(run.design, [*self.session.queue.ready, *self._running.values()])
        self.display.ended(record)

    def _empty_spool(self) -> None:
        """Store spooled runs once the database is back; after AWAY_SECONDS stop as if asked to, and raise StorageAway."""
        while self._spooled and time.monotonic() >= self._next_try:
            try:
                self._add(self._spooled[0])
                self._spooled.popleft()
            except StorageAway as error:
                self._next_try = time.monotonic() + RETRY_SECONDS
                if time.monotonic() - self._away_since > AWAY_SECONDS:
                    self._drain()
                    raise StorageAway(
                        f"{error}; it has been away for {AWAY_SECONDS / 60:.0f} minutes, {len(self._spooled)} runs that "
                        f"ended meanwhile are kept in {self.session.folder.work}"
                    ) from error

    def _drain(self) -> None:
        """Ask workers to stop and wait until each has left a checkpoint; keep what finishes meanwhile."""
        files.write(self.session.folder.work / STOP, b"")
        self.executor.stop()
        done, _ = wait(self._running, timeout=STOP_SECONDS)
        for future in done:
            outcome = future.result()
            if outcome.record is not None:
                self._take(self._running[future], outcome)

    def _write_tables_periodically(self) -> None:
        """Rewrite the tables for whoever looks, spending at most 5 % of the driver's time."""
        if time.monotonic() - self._written > max(10.0, 20 * self._write_seconds):
            self._write_tables()

    def _write_tables(self) -> None:
        started = time.monotonic()
        self.session.write_tables()
        self._written, self._write_seconds = time.monotonic(), time.monotonic() - started

    @contextlib.contextmanager
    def _signals(self) -> Iterator[None]:
        """Ctrl-C or SIGTERM once asks for a stop with checkpoints; a second one ends everything at once."""

        def handle(number: int, frame: Any) -> None:
            if self.stopping:
                self.executor.kill()
                if self.session.options.in_python:  # the caller's process goes on
                    raise KeyboardInterrupt
                os._exit(130)
            self.stopping = True

        if not interrupts.in_main_thread():  # signals are the caller's
            yield
            return
        before = {number: signal.signal(number, handle) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)
