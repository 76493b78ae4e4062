"""The confirmation runs of a replicated study, replicate by replicate, and what they say at its looks."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from harness.plan.design import Design
from harness.plan.outcomes import TrialSummaries, TrialSummary
from harness.spec import Planned, StudySpec
from harness.stats import replicates, sequential
from harness.stats.sequential import Judgement


@dataclass(frozen=True)
class Confirmed:
    """Which runs confirm which schedule in which replicate; grows as the plan opens them."""

    spec: StudySpec
    outcomes: TrialSummaries
    planned: Planned
    _runs: dict[tuple[str, int], list[str]] = field(default_factory=dict)

    def note(self, stage: list[Design]) -> None:
        """Remember the confirmation runs of a stage."""
        for each in stage:
            if each.phase == "confirm" and each.replicate is not None:
                runs = self._runs.setdefault((each.schedule, each.replicate), [])
                if each.run not in runs:
                    runs.append(each.run)

    def adopt(self, other: Confirmed) -> None:
        """Remember the confirmation runs that another plan of the same study has opened."""
        self._runs.update({place: list(runs) for place, runs in other._runs.items()})

    def ended(self, label: str) -> int:
        """How many of a schedule's replicates, from the first, have ended."""
        count = 0
        while (runs := self._runs.get((label, count))) and all(run in self.outcomes for run in runs):
            count += 1
        return count

    def values(self, label: str) -> NDArray[np.float64]:
        """One value per replicate that has ended, from the first: +inf where a run diverged, NaN where one failed."""
        scale = self.spec.question.scale
        found = [
            replicates.value([_score(self.outcomes[run]) for run in self._runs[label, replicate]], scale=scale)
            for replicate in range(self.ended(label))
        ]
        return np.array(found, dtype=np.float64)

    def judged(self) -> Mapping[str, Judgement]:
        """What the looks that could be taken say of each schedule but the baseline.

        Schedules that were added once verdicts could be seen are judged by themselves: they move none of the others.
        """
        question = self.spec.question
        found: dict[str, Judgement] = {}
        for family in self.planned.families(list(self.spec.schedules), baseline=question.baseline):
            values = {label: self.values(label) for label in family}
            found |= sequential.judge(
                values,
                baseline=question.baseline,
                looks=self.spec.replicates.looks,
                alpha=question.alpha,
                rope=replicates.rope_on_scale(question.rope, question.scale),
                ended={label: len(each) for label, each in values.items()},
            )
        return found


def _score(outcome: TrialSummary) -> float:
    """+inf of a run that diverged, NaN of one that failed."""
    if outcome.score is not None:
        return outcome.score
    return math.inf if outcome.status == "diverged" else math.nan
