"""The runs of a study that may be trained now, and how the plan opens more of them as runs end."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from harness.plan import stages
from harness.plan.design import PHASES, Design
from harness.plan.stages import TrialSummary
from harness.results.record import RunRecord
from harness.spec import StudySpec


@dataclass
class Queue:
    """Runs that may be trained now, best first, and the plan's stages that open as runs end."""

    spec: StudySpec
    outcomes: dict[str, TrialSummary]
    ready: list[Design] = field(default_factory=list)
    chosen: dict[str, int] = field(default_factory=dict)  # schedule -> search point that is being confirmed
    _open: list[tuple[stages.Stages, set[str]]] = field(default_factory=list)  # sequence, runs of its stage not ended
    _sequence_of: dict[str, int] = field(default_factory=dict)  # run -> index in `_open`

    @classmethod
    def after(cls, spec: StudySpec, records: Iterable[RunRecord], *, primary: str) -> Queue:
        """The queue of a study of which `records` are stored; `primary` is the full name of the primary score."""
        return cls(spec, {record.run: summary(record, primary) for record in records})

    def __post_init__(self) -> None:
        """Take the first stages; those whose runs have all ended open the next at once."""
        self._order = stages.order(self.spec)
        for index, sequence in enumerate(stages.stages(self.spec, self.outcomes)):
            self._open.append((sequence, set()))
            self._open_next(index)

    def _open_next(self, index: int) -> None:
        """Take stages of a sequence up to the first one of which a run has not ended."""
        sequence, _ = self._open[index]
        for stage in sequence:
            self.chosen.update({design.schedule: design.point for design in stage if design.phase == "confirm"})
            missing = [design for design in stage if design.run not in self.outcomes]
            if missing:
                self._open[index] = (sequence, {design.run for design in missing})
                self._sequence_of.update({design.run: index for design in missing})
                self.push(missing)
                return

    def push(self, designs: list[Design]) -> None:
        """Make runs ready, in the order: phase, then point and repetition, then schedule."""
        self.ready += designs
        self.ready.sort(key=self._priority, reverse=True)

    def _priority(self, design: Design) -> tuple[int, int, int, int]:
        within = design.point if design.phase == "search" else design.repetition
        return (PHASES.index(design.phase), within, self._order[design.schedule], design.point)

    def take(self) -> Design:
        """The next run to train."""
        return self.ready.pop()

    def ended(self, run: str, outcome: TrialSummary) -> None:
        """Note how a run ended; opens the stage after its own when it was the last of it."""
        self.outcomes[run] = outcome
        index = self._sequence_of.pop(run)
        missing = self._open[index][1]
        missing.discard(run)
        if not missing:
            self._open_next(index)


def summary(record: RunRecord, primary: str) -> TrialSummary:
    """What the plan needs to know of a record; `primary` is the full name of the primary score."""
    finished = record.status == "finished"
    return TrialSummary(record.status, record.scores[primary] if finished else None, record.last_step)
