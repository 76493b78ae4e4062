"""Forks: checkpoints that a run leaves where other runs depart from it, and that they begin from."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from harness.models import checkpoints
from harness.models.checkpoints import Checkpoint, CheckpointError
from harness.plan.design import Design
from harness.plan.prefixes import PATTERN, Forks, Prefixes
from harness.spec import StudySpec

_MOST = 0.1  # of the disk's free space: what all forks of a study may take together
_MACHINE = ("cpu", "device", "numerics", "versions")  # of a worker's environment: what moves the last bits of numbers


@dataclass(frozen=True)
class RunForks:
    """The forks of one run, files in `folder`: the one it begins from, and those that it leaves."""

    spec: StudySpec
    design: Design
    environment: Mapping[str, Any]
    folder: Path | None
    forks: Forks

    def found(self) -> Checkpoint | None:
        """The fork to begin from, if it was left by a run like this one on a machine like this one.

        None where it is lost or damaged, or of another run: a fork saves time, and decides nothing.
        """
        if self.folder is None or not self.forks.begins:
            return None
        try:
            stored = checkpoints.read(self.folder / self.forks.begins)
        except CheckpointError:
            return None
        mark = stored.meta.get("fork", {})
        return stored if mark and mark == self._mark(mark.get("run", ""), mark.get("steps", 0)) else None

    def _mark(self, run: str, steps: int) -> dict[str, Any]:
        machine = {name: self.environment.get(name) for name in _MACHINE}
        identity = Prefixes(self.spec).identity(self.design, steps)
        return {"run": run, "steps": steps, "identity": identity, "machine": machine}

    def until(self, step: int, target: int) -> int:
        """The last step, at most `target`, up to which training can go on from `step` before a fork is left."""
        return min([target, *(place for place in self.forks.leaves if place > step)])

    def leave(self, step: int, arrays: Mapping[str, NDArray[Any]], meta: Mapping[str, Any]) -> None:
        """Write the fork at `step`; where the disk has no room for it, the others train by themselves."""
        assert self.folder is not None, "a run without a folder is told of no forks"
        held = sum(path.stat().st_size for path in self.folder.glob(PATTERN))
        size = sum(array.nbytes for array in arrays.values())
        if held + size > _MOST * (shutil.disk_usage(self.folder).free + held):
            return
        marked = {**meta, "fork": self._mark(self.design.run, step)}
        with contextlib.suppress(OSError):
            checkpoints.save(self.folder / self.forks.leaves[step], arrays, marked, lasting=False)
