"""What the plan needs to know of runs that have ended."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class TrialSummary:
    """What the plan needs to know of a run that has ended; `score` is None unless it finished."""

    status: str
    score: float | None
    last_step: int

    @property
    def rank(self) -> tuple[int, float]:
        """Sort key, best first: finished by score, then diverged (later is better), then failed."""
        if self.score is not None:
            return (0, self.score)
        return (1 if self.status == "diverged" else 2, -float(self.last_step))


TrialSummaries = Mapping[str, TrialSummary]
