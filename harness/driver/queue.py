"""The runs of a study that may be trained now, and how the plan opens more of them as runs end."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from harness.plan import stages
from harness.plan.confirmed import Confirmed
from harness.plan.design import PHASES, Design
from harness.plan.outcomes import TrialSummary
from harness.results.record import RunRecord
from harness.spec import Planned, StudySpec


@dataclass
class Queue:
    """Runs that may be trained now, best first, and the plan's stages that open as runs end."""

    spec: StudySpec
    outcomes: dict[str, TrialSummary]
    planned: Planned | None = None  # before the first confirmation run was stored; None: all that the study is
    ready: list[Design] = field(default_factory=list)
    # (schedule, replicate) -> search point that is being confirmed; the replicate is None in a study that tunes once
    chosen: dict[tuple[str, int | None], int] = field(default_factory=dict)
    _open: list[tuple[stages.Stages, set[str]]] = field(default_factory=list)  # sequence, runs of its stage not ended
    _sequence_of: dict[str, int] = field(default_factory=dict)  # run -> index in `_open`

    @classmethod
    def after(
        cls, spec: StudySpec, records: Iterable[RunRecord], *, primary: str, planned: Planned | None = None
    ) -> Queue:
        """The queue of a study of which `records` are stored; `primary` is the full name of the primary score."""
        return cls(spec, {record.run: summary(record, primary) for record in records}, planned)

    def __post_init__(self) -> None:
        """Take the first wave; stages whose runs have all ended open the next at once, and so do waves."""
        self._order = stages.order(self.spec)
        planned = self.planned or Planned.of(self.spec)
        self.confirmed = Confirmed(self.spec, self.outcomes, planned)
        before = {label: each for label, each in self.spec.schedules.items() if label in planned.schedules}
        if self.spec.replicated and len(before) < len(self.spec.schedules):
            # What those planned came to is known however far schedules are that were added later.
            alone = Queue(self.spec.model_copy(update={"schedules": before}), dict(self.outcomes), planned)
            self.confirmed.adopt(alone.confirmed)
            self.chosen |= alone.chosen
        self._waves = stages.waves(self.spec, self.confirmed)
        self._open_wave()

    def _open_wave(self) -> None:
        """Take waves up to the first one of which a run has not ended."""
        while not self._sequence_of:
            wave = next(self._waves, None)
            if wave is None:
                return
            self._open = [(sequence, set()) for sequence in wave]
            for index in range(len(wave)):
                self._open_next(index)

    def _open_next(self, index: int) -> None:
        """Take stages of a sequence up to the first one of which a run has not ended."""
        sequence, _ = self._open[index]
        for stage in sequence:
            confirming = (design for design in stage if design.phase == "confirm")
            self.chosen.update({(design.schedule, design.replicate): design.point for design in confirming})
            missing = [design for design in stage if design.run not in self.outcomes]
            if missing:
                self._open[index] = (sequence, {design.run for design in missing})
                self._sequence_of.update({design.run: index for design in missing})
                self.push(missing)
                return

    def push(self, designs: list[Design]) -> None:
        """Make runs ready, in the order: replicate, phase, then point and repetition, then schedule."""
        self.ready += designs
        self.ready.sort(key=self._priority, reverse=True)

    def _priority(self, design: Design) -> tuple[int, int, int, int, int]:
        within = design.point if design.phase == "search" else design.repetition
        phase = PHASES.index(design.phase)
        return (design.replicate or 0, phase, within, self._order[design.schedule], design.point)

    def take(self, waits: Callable[[Design], bool] = lambda design: False) -> Design | None:
        """The next run to train, the first one that does not wait; None where all of them do."""
        for place in reversed(range(len(self.ready))):
            if not waits(self.ready[place]):
                return self.ready.pop(place)
        return None

    def ended(self, run: str, outcome: TrialSummary) -> None:
        """Note how a run ended; opens the stage after its own when it was the last of it."""
        self.outcomes[run] = outcome
        index = self._sequence_of.pop(run)
        missing = self._open[index][1]
        missing.discard(run)
        if not missing:
            self._open_next(index)
            self._open_wave()


def summary(record: RunRecord, primary: str) -> TrialSummary:
    """What the plan needs to know of a record; `primary` is the full name of the primary score."""
    finished = record.status == "finished"
    return TrialSummary(record.status, record.scores[primary] if finished else None, record.last_step)
