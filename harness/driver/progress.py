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
from typing import Protocol

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from harness.driver import notebook
from harness.driver.looks import Looks
from harness.plan import stages
from harness.plan.design import JUDGED, Design
from harness.results.record import RunRecord
from harness.spec import StudySpec

SAID = 10  # lines about looks and failures that a notebook shows, the latest ones


@dataclass
class _Sums:
    """Finished runs of one schedule and phase: how many, their scores' sum and the lowest."""

    finished: int = 0
    total: float = 0.0
    lowest: float = math.inf


@dataclass(frozen=True)
class Standing:
    """Where a schedule stands: how many runs are stored, its score so far, and how many did not finish.

    `score` is the lowest of the search, or the mean of the furthest later phase: the two are not comparable. It is None
    before a run has finished; `finished` runs of `phase` made it.
    """

    schedule: str
    runs: int
    phase: str
    finished: int
    score: float | None
    lost: int

    @property
    def caption(self) -> str:
        """What the score is."""
        if self.score is None:
            return ""
        return f"{'best' if self.phase == 'search' else 'mean'} of {self.finished} {self.phase}"

    @property
    def rank(self) -> tuple[int, float]:
        """Sort key, best first: schedules past their search, then searched ones, each by score."""
        if self.score is None:
            return 2, 0.0
        return int(self.phase == "search"), self.score


class Tally:
    """Counts and times from which the remaining time follows; each run is added up once, however many there are."""

    def __init__(
        self, spec: StudySpec, primary: str, slots: int, stored: Mapping[str, RunRecord], *, looks: Looks | None = None
    ) -> None:
        """`stored` are the runs so far; `looks` those of a study that repeats its tuning."""
        self.spec, self.primary, self.slots, self.looks = spec, primary, slots, looks
        self.began = time.monotonic()
        self.running: dict[str, Design] = {}
        # Runs of the whole plan (of configurations that a grown study no longer confirms, none count).
        self.total = sum(sum(group.values()) for group in stages.size(spec).values())
        self.stored: set[str] = set()
        self._runs, self._lost = Counter[str](), Counter[str]()
        self._sums: defaultdict[tuple[str, str], _Sums] = defaultdict(_Sums)
        self._seconds, self._timed = 0.0, 0
        if looks is not None:
            looks.count(stored.values())
        for record in stored.values():
            self._add(record)

    def add(self, record: RunRecord) -> None:
        """Count a run that is stored now."""
        self.running.pop(record.run, None)
        if record.run in self.stored:
            return
        if self.looks is not None:
            self.looks.count([record])
        self._add(record)

    def _add(self, record: RunRecord) -> None:
        self.stored.add(record.run)
        self._runs[record.schedule] += 1
        sums = self._sums[record.schedule, record.phase]
        if record.status != "finished":
            self._lost[record.schedule] += 1
            return
        score = record.scores[self.primary]
        sums.finished, sums.total, sums.lowest = sums.finished + 1, sums.total + score, min(sums.lowest, score)
        self._seconds, self._timed = self._seconds + record.own_seconds, self._timed + 1

    @property
    def remaining(self) -> str:
        """In words, the expected time to the end; of a replicated study to the next look, and at most to the end."""
        seconds = self.seconds_remaining
        if seconds is None:
            return "time remaining not known yet"
        if self.looks is None:
            return f"about {duration(seconds)} remaining"
        following, most = self._expected(self.looks.to_next), duration(self._expected(self.looks.to_end))
        if self.looks.to_next == self.looks.to_end:
            return f"about {most} remaining"
        return f"about {duration(following)} to the next look, at most {most}"

    @property
    def planned(self) -> str:
        """In words, the number of runs in all; of a replicated study the most."""
        return str(self.total) if self.looks is None else f"at most {len(self.stored) + self.looks.to_end}"

    @property
    def seconds_remaining(self) -> float | None:
        """Expected time to the end, from the mean time of stored runs; None before the first."""
        if not self._timed:
            return None
        return self._expected(max(self.total - len(self.stored), 0) if self.looks is None else self.looks.to_end)

    def _expected(self, runs: int) -> float:
        """Seconds that so many runs take."""
        return runs * self._seconds / self._timed / self.slots

    @property
    def lost(self) -> Mapping[str, int]:
        """Runs that did not finish, by schedule."""
        return self._lost

    def standings(self) -> list[Standing]:
        """The schedules, best first."""
        standings = []
        for label in self.spec.schedules:
            phase = next((name for name in reversed(JUDGED) if (label, name) in self._sums), JUDGED[0])
            sums = self._sums.get((label, phase), _Sums())
            score = None
            if sums.finished:
                score = sums.lowest if phase == "search" else sums.total / sums.finished
            standings.append(Standing(label, self._runs[label], phase, sums.finished, score, self._lost[label]))
        return sorted(standings, key=lambda standing: standing.rank)


class PlainDisplay:
    """One line per run that ends, and per look that is taken, for logs and pipes."""

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
        """Print how the run ended, the time remaining, and what a look says that it completed."""
        tally = self._tally
        tally.add(record)
        ended = (
            f"[{len(tally.stored)}/{tally.planned}] {record.run}: {ending(record, tally.primary)}, {tally.remaining}"
        )
        self._log(ended)
        for line in tally.looks.taken() if tally.looks is not None else ():
            self._say(line)

    def retrying(self, design: Design, error: str) -> None:
        """Print what went wrong."""
        self._tally.running.pop(design.run, None)
        self._say(f"{design.run}: {error}; trying again")

    def _log(self, line: str) -> None:
        """Say how a run ended."""
        self._say(line)

    def _say(self, line: str) -> None:
        # one line, also where the output is a file
        self._console.print(line, highlight=False, markup=False, soft_wrap=True)

    def tick(self) -> None:
        """Lines are printed only when something happens."""


class Screen(Protocol):
    """Something that shows a text in place of the one before: a terminal's last lines, or the output of a notebook."""

    def __enter__(self) -> object: ...
    def __exit__(self, kind: None, error: None, trace: None) -> object: ...
    def update(self, renderable: RenderableType) -> None: ...


class LiveDisplay(PlainDisplay):
    """A leaderboard, the running runs with their steps, and the time remaining, redrawn in place."""

    def __init__(self, tally: Tally, console: Console, work: Path) -> None:
        super().__init__(tally, console)
        self._work = work
        self._live: Screen = Live(console=console, refresh_per_second=4, transient=True)

    def __enter__(self) -> LiveDisplay:
        self._live.__enter__()
        self.tick()
        return self

    def __exit__(self, *details: object) -> None:
        self.tick()
        self._live.__exit__(None, None, None)

    def tick(self) -> None:
        """Redraw."""
        self._live.update(Group(self._leaderboard(), self._runs(), *self._below(), self._footer()))

    def _below(self) -> list[RenderableType]:
        """What stands between the runs and the last line: nothing in a terminal, where lines are printed above."""
        return []

    def _leaderboard(self) -> Table:
        if self._tally.looks is not None:
            return self._tally.looks.table(self._tally.primary, self._tally.lost)
        table = Table(box=None, pad_edge=False)
        for heading in ("schedule", "runs", f"{self._tally.primary} ↓", "so far", "not finished"):
            table.add_column(heading, justify="left" if heading in ("schedule", "so far") else "right")
        for standing in self._tally.standings():
            score = "" if standing.score is None else f"{standing.score:.3f}"
            lost = str(standing.lost) if standing.lost else ""
            table.add_row(Text(standing.schedule), str(standing.runs), score, standing.caption, lost)
        return table

    def _runs(self) -> Table:
        table = Table(box=None, pad_edge=False, show_header=False)
        room = max(self._console.height - len(self._tally.spec.schedules) - 4, 1)  # what a screen shows of many
        for run in list(islice(self._tally.running, room)):
            step, scores = reached(self._work / f"{run}.progress")
            steps = self._tally.spec.steps(self._tally.running[run].schedule)
            score = scores.get(self._tally.primary)
            shown = f"{step}/{steps}" + (f"  {self._tally.primary} {score:.3f}" if score is not None else "")
            table.add_row(run, ProgressBar(total=steps, completed=step, width=24), shown)
        return table

    def _footer(self) -> Text:
        stored, total = len(self._tally.stored), self._tally.planned
        elapsed = duration(time.monotonic() - self._tally.began)
        return Text(f"{stored} of {total} runs stored, elapsed {elapsed}, {self._tally.remaining}", style="dim")


class CellDisplay(LiveDisplay):
    """The same as the one output of a notebook's cell; how single runs ended is left to the table."""

    def __init__(self, tally: Tally, console: Console, work: Path) -> None:
        super().__init__(tally, console, work)
        self._live = notebook.Output()
        self._said: list[str] = []

    def _log(self, line: str) -> None:
        pass

    def _say(self, line: str) -> None:
        self._said = [*self._said, line][-SAID:]

    def _below(self) -> list[RenderableType]:
        return [Text(line) for line in self._said]


def reached(path: Path) -> tuple[int, dict[str, float]]:
    """Step and latest scores of a run in progress; zero and none where nothing can be read yet."""
    try:
        state = json.loads(path.read_text(encoding="utf-8"))
        return int(state["step"]), {str(name): float(value) for name, value in state["scores"].items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return 0, {}


def ending(record: RunRecord, primary: str) -> str:
    """In a few words, how a run ended."""
    if record.status == "finished":
        return f"{primary} {record.scores[primary]:.3f} in {record.own_seconds:.1f} s"
    if record.status == "diverged":
        return f"diverged at step {record.last_step} ({record.reason})"
    return f"failed: {record.reason}"


def duration(seconds: float) -> str:
    """Seconds as '40 s', '3 min', '2 h 05 min' or '3 d 4 h'."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    if minutes < 60:
        return f"{minutes} min"
    if minutes < 48 * 60:
        return f"{minutes // 60} h {minutes % 60:02d} min"
    return f"{minutes // 1440} d {minutes % 1440 // 60} h"
