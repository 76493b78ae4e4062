"""What a person sees while a study runs: a live table in a terminal, plain lines elsewhere."""

from __future__ import annotations

import json
import math
import time
from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from rich.console import Console, Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from harness.plan import stages
from harness.plan.design import PHASES, Design
from harness.results.record import RunRecord
from harness.spec import StudySpec


@dataclass
class _Sums:
    """Finished runs of one schedule and phase: how many, their scores' sum and the lowest."""

    finished: int = 0
    total: float = 0.0
    lowest: float = math.inf


class Tally:
    """Counts and times from which the remaining time follows; each run is added up once, however many there are."""

    def __init__(self, spec: StudySpec, primary: str, slots: int, stored: Mapping[str, RunRecord]) -> None:
        self.spec, self.primary, self.slots = spec, primary, slots
        self.began = time.monotonic()
        self.running: dict[str, Design] = {}
        # Runs of the whole plan (of configurations that a grown study no longer confirms, none count).
        self.total = sum(sum(group.values()) for group in stages.size(spec).values())
        self.stored: set[str] = set()
        self._runs, self._lost = Counter[str](), Counter[str]()
        self._sums: defaultdict[tuple[str, str], _Sums] = defaultdict(_Sums)
        self._seconds, self._timed = 0.0, 0
        for record in stored.values():
            self.add(record)

    def add(self, record: RunRecord) -> None:
        """Count a run that is stored now."""
        self.running.pop(record.run, None)
        if record.run in self.stored:
            return
        self.stored.add(record.run)
        self._runs[record.schedule] += 1
        sums = self._sums[record.schedule, record.phase]
        if record.status != "finished":
            self._lost[record.schedule] += 1
            return
        score = record.scores[self.primary]
        sums.finished, sums.total, sums.lowest = sums.finished + 1, sums.total + score, min(sums.lowest, score)
        self._seconds, self._timed = self._seconds + record.seconds, self._timed + 1

    @property
    def seconds_left(self) -> float | None:
        """Expected time to the end, from the mean time of stored runs; None before the first."""
        if not self._timed:
            return None
        return max(self.total - len(self.stored), 0) * self._seconds / self._timed / self.slots

    def best(self) -> dict[str, tuple[int, float | None, str, int]]:
        """By schedule: runs stored, primary score so far, what that is of, runs that did not finish.

        The score is the best of the search, or the mean of the furthest later phase: the two are not comparable.
        """
        rows = {}
        for label in self.spec.schedules:
            phase = next((name for name in reversed(PHASES) if (label, name) in self._sums), PHASES[0])
            sums, value, what = self._sums.get((label, phase), _Sums()), None, ""
            if sums.finished:
                value = sums.lowest if phase == "search" else sums.total / sums.finished
                what = f"best of {sums.finished} search" if phase == "search" else f"mean of {sums.finished} {phase}"
            rows[label] = (self._runs[label], value, what, self._lost[label])
        return rows


class PlainDisplay:
    """One line a finished run, for logs and pipes."""

    def __init__(self, tally: Tally, console: Console) -> None:
        self._tally, self._console = tally, console

    def __enter__(self) -> PlainDisplay:
        return self

    def __exit__(self, *_: object) -> None:
        pass

    def started(self, design: Design) -> None:
        """Remember that a run has begun."""
        self._tally.running[design.run] = design

    def ended(self, record: RunRecord) -> None:
        """Print how the run ended, and the time left."""
        self._tally.add(record)
        left = duration(self._tally.seconds_left)
        place = f"[{len(self._tally.stored)}/{self._tally.total}]"
        self._console.print(
            f"{place} {record.run}: {ending(record, self._tally.primary)}, {left} left",
            highlight=False,
            markup=False,
            soft_wrap=True,  # one line per run, also where the output is a file
        )

    def retrying(self, design: Design, error: str) -> None:
        """Print what went wrong."""
        self._tally.running.pop(design.run, None)
        self._console.print(f"{design.run}: {error}; trying again", highlight=False, markup=False, soft_wrap=True)

    def tick(self) -> None:
        """Lines are printed only when something happens."""


class LiveDisplay(PlainDisplay):
    """A leaderboard, the running runs with their steps, and the time left, redrawn in place."""

    def __init__(self, tally: Tally, console: Console, work: Path) -> None:
        super().__init__(tally, console)
        self._work = work
        self._live = Live(console=console, refresh_per_second=4, transient=True)

    def __enter__(self) -> LiveDisplay:
        self._live.__enter__()
        self.tick()
        return self

    def __exit__(self, *details: object) -> None:
        self._live.__exit__(None, None, None)

    def tick(self) -> None:
        """Redraw."""
        self._live.update(Group(self._leaderboard(), self._runs(), self._foot()))

    def _leaderboard(self) -> Table:
        table = Table(box=None, pad_edge=False)
        for heading in ("schedule", "runs", f"{self._tally.primary} ↓", "so far", "not finished"):
            table.add_column(heading, justify="left" if heading in ("schedule", "so far") else "right")
        for label, (runs, value, what, lost) in sorted(self._tally.best().items(), key=_place):
            shown = "" if value is None else f"{value:.3f}"
            table.add_row(Text(label), str(runs), shown, what, str(lost) if lost else "")
        return table

    def _runs(self) -> Table:
        table = Table(box=None, pad_edge=False, show_header=False)
        steps = self._tally.spec.train.steps
        room = max(self._console.height - len(self._tally.spec.schedules) - 4, 1)  # what a screen shows of many
        for run in list(islice(self._tally.running, room)):
            step, scores = _progress(self._work / f"{run}.progress")
            score = scores.get(self._tally.primary)
            shown = f"{step}/{steps}" + (f"  {self._tally.primary} {score:.3f}" if score is not None else "")
            table.add_row(run, ProgressBar(total=steps, completed=step, width=24), shown)
        return table

    def _foot(self) -> Text:
        stored, total = len(self._tally.stored), self._tally.total
        gone = duration(time.monotonic() - self._tally.began)
        return Text(
            f"{stored} of {total} runs stored, {gone} gone, {duration(self._tally.seconds_left)} left",
            style="dim",
        )


def _place(entry: tuple[str, tuple[int, float | None, str, int]]) -> tuple[int, float]:
    """Where a schedule stands: confirmed ones first, then searched ones, each by score."""
    _, (_, value, what, _) = entry
    return ("mean", "best", "").index(what.partition(" ")[0]), value or 0.0


def _progress(path: Path) -> tuple[int, dict[str, float]]:
    """Step and latest scores of a run in progress; zero and none where nothing can be read yet."""
    try:
        state = json.loads(path.read_text(encoding="utf-8"))
        return int(state["step"]), {str(name): float(value) for name, value in state["scores"].items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return 0, {}


def ending(record: RunRecord, primary: str) -> str:
    """In a few words, how a run ended."""
    if record.status == "finished":
        return f"{primary} {record.scores[primary]:.3f} in {record.seconds:.1f} s"
    if record.status == "diverged":
        return f"diverged at step {record.last_step} ({record.reason})"
    return f"failed: {record.reason}"


def duration(seconds: float | None) -> str:
    """Seconds as '40 s', '3 min', '2 h 05 min' or '3 d 4 h'; '…' when unknown."""
    if seconds is None:
        return "…"
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    if minutes < 60:
        return f"{minutes} min"
    if minutes < 48 * 60:
        return f"{minutes // 60} h {minutes % 60:02d} min"
    return f"{minutes // 1440} d {minutes % 1440 // 60} h"
