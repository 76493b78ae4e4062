"""Steps that several runs have in common are trained once: which run leaves a fork, who begins from it, who waits for it.

Nothing here decides what a run comes to. A run whose fork is lost, or never came, trains its first steps itself.
"""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from harness import files
from harness.driver.progress import reached
from harness.plan import stages
from harness.plan.design import Design
from harness.plan.prefixes import PATTERN, Forks, Prefixes, agreeing
from harness.spec import StudySpec
from harness.worker.process import FORKS

# How long a run that was begun may show no sign: after that its worker may share no folder with us.
SILENT_SECONDS = 60.0


@dataclass(frozen=True)
class _Offer:
    """The fork that a run can begin from: its file, its step, and the run that leaves it."""

    path: Path
    steps: int
    trunk: str


@dataclass
class Sharing:
    """The forks of one study, files in the folder `work`."""

    spec: StudySpec
    work: Path
    _offers: dict[str, _Offer] = field(default_factory=dict, init=False)  # run -> the longest one, there or to come
    _groups: dict[str, str] = field(default_factory=dict, init=False)  # run -> the runs that it may agree with
    _begun: dict[str, float] = field(default_factory=dict, init=False)  # run -> when, monotonic seconds

    def __post_init__(self) -> None:
        """Nothing is offered yet; what earlier drivers left lies in the folder."""
        self._prefixes = Prefixes(self.spec)

    def group(self, design: Design) -> str:
        """The runs that one may agree with; empty of one that agrees with none."""
        if design.run not in self._groups:
            known = self.spec.safety.share and self._prefixes.tabled(design.schedule)
            self._groups[design.run] = self._prefixes.group(design) if known else ""
        return self._groups[design.run]

    def _alike(self, design: Design, others: Iterable[Design]) -> Iterator[Design]:
        """Those of `others` that a run may agree with; there may be thousands of others, few with its seeds."""
        group, seeds = self.group(design), design.seeds
        return (
            each
            for each in others
            if each.seeds.weights == seeds.weights and each.seeds == seeds and self.group(each) == group
        )

    def begin(self, design: Design, others: Iterable[Design], running: Collection[str]) -> None:
        """Tell a run that is about to begin of its forks; `others` are the runs that are ready, too, and `running` names."""
        self._begun[design.run] = time.monotonic()
        (self.work / f"{design.run}.progress").unlink(missing_ok=True)  # of an earlier try
        note = self.work / f"{design.run}{FORKS}"
        forks = self._forks(design, others, running) if self.group(design) else Forks()
        if forks == Forks():
            note.unlink(missing_ok=True)
        else:
            files.write(note, json.dumps(forks.to_json()).encode(), durable=False)

    def _forks(self, design: Design, others: Iterable[Design], running: Collection[str]) -> Forks:
        group = self.group(design)
        heirs = [each for each in self._alike(design, others) if each.run != design.run]
        heirs += stages.following(self.spec, design)
        offer = self._offers.get(design.run) or self._left(design)
        if not heirs:
            return Forks(offer.path.name) if offer else Forks()
        first, leaves = offer.steps if offer is not None and offer.path.exists() else 0, {}
        table = self._prefixes.table(design)
        for heir in heirs:
            steps = agreeing(table, self._prefixes.table(heir))
            held = self._offers.get(heir.run)
            known = held is not None and held.steps >= steps and (held.trunk in running or held.path.exists())
            if steps < self._prefixes.worth or steps <= first or known:
                continue
            name = f"fork-{group}-{steps}-{self._prefixes.identity(design, steps, table)[:16]}.npz"
            self._offers[heir.run] = _Offer(self.work / name, steps, design.run)
            leaves[steps] = name
        return Forks(offer.path.name if offer else "", leaves)

    def _left(self, design: Design) -> _Offer | None:
        """The longest fork that an earlier driver left for such a run."""
        steps_of = {path: int(path.name.split("-")[2]) for path in self._files(self.group(design))}
        for path, steps in sorted(steps_of.items(), key=lambda each: -each[1]):
            if path.name.endswith(f"-{self._prefixes.identity(design, steps)[:16]}.npz"):
                return _Offer(path, steps, "")
        return None

    def _files(self, group: str) -> list[Path]:
        return list(self.work.glob(PATTERN.replace("*", f"{group}-*")))

    def waits(self, design: Design, running: Collection[str]) -> bool:
        """Whether a run that is ready had better wait, since a run that is `running` is about to leave its fork."""
        offer = self._offers.get(design.run)
        if offer is None or offer.trunk not in running or offer.path.exists():
            return False
        shown = self.work / f"{offer.trunk}.progress"
        if not shown.exists():
            return time.monotonic() - self._begun[offer.trunk] < SILENT_SECONDS
        return reached(shown)[0] <= offer.steps

    def stopped(self, design: Design) -> None:
        """A run is no longer under way: nobody waits for a fork that it has not left."""
        lost = [run for run, offer in self._offers.items() if offer.trunk == design.run and not offer.path.exists()]
        for run in lost:
            del self._offers[run]

    def end(self, design: Design, others: Iterable[Design]) -> None:
        """A run is stored: remove the forks of its group that none of `others`, the runs that are left, may need."""
        self._offers.pop(design.run, None)
        group = self.group(design)
        if not group or any(self._alike(design, others)):
            return
        needed = {offer.path for offer in self._offers.values()}
        for path in self._files(group):
            if path not in needed:
                path.unlink(missing_ok=True)

    def clear(self) -> None:
        """Remove all forks: no run is left that could begin from one."""
        for path in self.work.glob(PATTERN):
            with contextlib.suppress(OSError):
                path.unlink()
