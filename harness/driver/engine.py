"""The driver: takes runs from the plan, has executors train them, stores each as it ends, and can stop at any time.

While a shared database does not answer, runs that ended are kept as files, and those that are ready go on being
trained; only what needs their outcome waits.
"""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, wait
from dataclasses import dataclass, field
from typing import Any, Protocol

from harness.driver import spool
from harness.driver.database import StorageAway
from harness.driver.folder import Folder
from harness.driver.spool import FinishedRun
from harness.driver.store import TrialStore, artifact_id
from harness.executors.executor import Executor
from harness.plan import stages
from harness.plan.design import PHASES, Design
from harness.plan.stages import Outcome
from harness.results import tables
from harness.results.record import RunRecord
from harness.spec import StudySpec
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
class Queue:
    """Runs that may be trained now, best first, and the plan's stages that open as runs end."""

    spec: StudySpec
    outcomes: dict[str, Outcome]
    ready: list[Design] = field(default_factory=list)
    chosen: dict[str, int] = field(default_factory=dict)  # schedule -> search point that is being confirmed
    _open: list[tuple[stages.Stages, set[str]]] = field(default_factory=list)
    _stage_of: dict[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Take the first stages; those whose runs have all ended open the next at once."""
        self._order = stages.order(self.spec)
        for sequence in stages.stages(self.spec, self.outcomes):
            self._open.append((sequence, set()))
            self._next(len(self._open) - 1)

    def _next(self, place: int) -> None:
        sequence, _ = self._open[place]
        for stage in sequence:
            self.chosen.update({each.schedule: each.point for each in stage if each.phase == "confirm"})
            missing = [each for each in stage if each.run not in self.outcomes]
            if missing:
                self._open[place] = (sequence, {each.run for each in missing})
                self._stage_of.update({each.run: place for each in missing})
                self.push(missing)
                return

    def push(self, designs: list[Design]) -> None:
        """Make runs ready, in the order: phase, then point and repetition, then schedule."""
        self.ready += designs
        self.ready.sort(key=self._priority, reverse=True)

    def _priority(self, each: Design) -> tuple[int, int, int, int]:
        place = each.point if each.phase == "search" else each.repetition
        return (PHASES.index(each.phase), place, self._order[each.schedule], each.point)

    def take(self) -> Design:
        """The next run to train."""
        return self.ready.pop()

    def ended(self, run: str, outcome: Outcome) -> None:
        """Note how a run ended; opens the stage after its own when it was the last of it."""
        self.outcomes[run] = outcome
        place = self._stage_of.pop(run)
        missing = self._open[place][1]
        missing.discard(run)
        if not missing:
            self._next(place)


def outcome(record: RunRecord, primary: str) -> Outcome:
    """What the plan needs to know of a record; `primary` is the full name of the primary score."""
    finished = record.status == "finished"
    return Outcome(record.status, record.scores[primary] if finished else None, record.last_step)


@dataclass
class Engine:
    """One study being conducted."""

    spec: StudySpec
    folder: Folder
    store: TrialStore
    executor: Executor
    display: Display
    primary: str
    failed_record: Callable[[Design, str, int], RunRecord]
    stopping: bool = False

    def conduct(self) -> None:
        """Train all runs that are not stored yet; raise Stopped when asked to stop, after checkpoints."""
        self.store.begin_writing()
        outcomes = {run: outcome(record, self.primary) for run, record in self.store.records.items()}
        self._queue = Queue(self.spec, outcomes)
        self._failures: dict[str, int] = {}
        self._first: dict[str, float] = {}  # when a run was first begun here, POSIX seconds
        self._spooled: deque[FinishedRun] = deque()  # ended, but not stored yet, since the database is away
        self._away_since = self._next_try = 0.0
        self._written, self._write_seconds = time.monotonic(), 0.0
        self.folder.work.mkdir(parents=True, exist_ok=True)
        (self.folder.work / STOP).unlink(missing_ok=True)
        running: dict[Future[RunOutcome], Design] = {}
        with self._signals():
            try:
                while self._queue.ready or running or self._spooled:
                    while self._queue.ready and len(running) < self.executor.slots and not self.stopping:
                        design = self._queue.take()
                        self.display.started(design)
                        self._first.setdefault(design.run, round(time.time(), 3))
                        running[self.executor.submit(design)] = design
                    if self.stopping:
                        self._drain(running)
                        raise Stopped
                    for future in _ended(running):
                        self._take(running.pop(future), future.result())
                    self._empty_spool(running)
                    self._write_now_and_then()
                    self.display.tick()
            finally:
                self.write_tables()

    def _take(self, design: Design, ended: RunOutcome) -> None:
        """Store how a run ended, or put it back for another try."""
        if ended.record is not None:
            self._store(design, ended.record, ended.grids)
        elif ended.interrupted:
            self._queue.push([design])
        else:
            self._fail(design, ended)

    def _store(self, design: Design, record: RunRecord, grids: dict[str, bytes]) -> None:
        pictures = [f"{design.run}{suffix}.png" for suffix in grids]
        for name, picture in zip(pictures, grids.values(), strict=True):
            tables.write_bytes(self.folder.samples / name, picture)
            show(self.folder, name)
        attempts = self._failures.get(design.run, 0) + 1
        self._end(FinishedRun(design, record.attempted(attempts), tuple(pictures)))

    def _fail(self, design: Design, ended: RunOutcome) -> None:
        tables.write_bytes(self.folder.errors / f"{design.run}.txt", ended.trace.encode())
        self._failures[design.run] = self._failures.get(design.run, 0) + 1
        if self._failures[design.run] <= self.spec.safety.retries:
            self.display.retrying(design, ended.error)
            self._queue.push([design])
            return
        attempts = self._failures[design.run]
        reason = f"{ended.error} (errors/{design.run}.txt)"
        record = self.failed_record(design, reason, attempts)
        self._end(
            FinishedRun(design, record.timed(started=self._first.get(design.run), ended=round(time.time(), 3)), ())
        )

    def _end(self, each: FinishedRun) -> None:
        """Store a run that ended; while the database is away, keep it as a file instead."""
        if not self._spooled:
            try:
                self._add(each)
                return
            except StorageAway as error:
                self._away_since = time.monotonic()
                self._next_try = self._away_since + RETRY_SECONDS
                self.display.retrying(each.design, f"has ended and is kept as a file: {error}")
        spool.save(self.folder.work, each)
        self._spooled.append(each)

    def _add(self, each: FinishedRun) -> None:
        record = self.store.add(each.record, each.pictures)
        # Only now is the run safe: its checkpoint is no longer needed.
        for path in self.folder.work.glob(f"{record.run}.*"):
            path.unlink(missing_ok=True)
        self._queue.ended(record.run, outcome(record, self.primary))
        self.display.ended(record)

    def _empty_spool(self, running: dict[Future[RunOutcome], Design]) -> None:
        """Store what is kept once the database is back; after AWAY_SECONDS stop as if asked to, and raise StorageAway."""
        while self._spooled and time.monotonic() >= self._next_try:
            try:
                self._add(self._spooled[0])
                self._spooled.popleft()
            except StorageAway as error:
                self._next_try = time.monotonic() + RETRY_SECONDS
                if time.monotonic() - self._away_since > AWAY_SECONDS:
                    self._drain(running)
                    raise StorageAway(
                        f"{error}; it has been away for {AWAY_SECONDS / 60:.0f} minutes, {len(self._spooled)} runs that ended "
                        f"meanwhile are kept in {self.folder.work}"
                    ) from error

    def _drain(self, running: dict[Future[RunOutcome], Design]) -> None:
        """Ask workers to stop and wait until each has left a checkpoint; keep what finishes meanwhile."""
        tables.write_bytes(self.folder.work / STOP, b"")
        self.executor.stop()
        done, _ = wait(running, timeout=STOP_SECONDS)
        for future in done:
            ended = future.result()
            if ended.record is not None:
                self._take(running[future], ended)

    def _write_now_and_then(self) -> None:
        """Keep tables fresh for whoever looks, at no more than a twentieth of the driver's time."""
        if time.monotonic() - self._written > max(10.0, 20 * self._write_seconds):
            self.write_tables()

    def write_tables(self) -> None:
        """Write runs.csv, curves.csv and traces.csv from the stored records."""
        started = time.monotonic()
        chosen = self._queue.chosen
        records = [
            record.marked(record.phase != "confirm" or chosen.get(record.schedule) == record.point)
            for record in self.store.records.values()
        ]
        tables.write(self.folder.path, records, phases=PHASES, schedules=list(self.spec.schedules))
        self._written, self._write_seconds = time.monotonic(), time.monotonic() - started

    @contextlib.contextmanager
    def _signals(self) -> Iterator[None]:
        """Ctrl-C or SIGTERM once asks for a stop with checkpoints; a second one ends everything at once."""

        def handle(number: int, frame: Any) -> None:
            if self.stopping:
                self.executor.kill()
                os._exit(130)
            self.stopping = True

        before = {each: signal.signal(each, handle) for each in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield
        finally:
            for each, handler in before.items():
                signal.signal(each, handler)


def _ended(running: dict[Future[RunOutcome], Design]) -> set[Future[RunOutcome]]:
    """Those that have ended, after POLL_SECONDS at most."""
    if not running:  # all that is left waits for the database
        time.sleep(POLL_SECONDS)
    return wait(running, timeout=POLL_SECONDS, return_when=FIRST_COMPLETED).done


def show(folder: Folder, picture: str) -> None:
    """Link a sample grid where Optuna's dashboard looks for it, on file systems that have links: it is a courtesy."""
    link, target = folder.artifacts / artifact_id(picture), folder.samples / picture
    with contextlib.suppress(OSError):
        link.parent.mkdir(exist_ok=True)
        link.symlink_to(os.path.relpath(target, link.parent))
