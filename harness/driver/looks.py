"""Where a replicated study stands between its looks: verdicts so far, and the runs to the next look and to the end."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import numpy as np
from rich.table import Table
from rich.text import Text

from harness.plan import stages
from harness.plan.confirmed import Confirmed
from harness.spec.loading import Placed
from harness.stats import replicates, words
from harness.stats.sequential import Judgement


@dataclass
class Looks:
    """The looks of a study under way; `confirmed` knows which of its confirmation runs have ended."""

    confirmed: Confirmed
    _stored: Counter[tuple[str, int]] = field(default_factory=Counter)  # runs by schedule and replicate
    _going_on: dict[str, int] = field(default_factory=dict)  # undecided schedules: the last look `taken` has told of
    _judged: tuple[tuple[int, ...], Mapping[str, Judgement]] = ((), {})  # numbers of replicates, and what they say

    def __post_init__(self) -> None:
        """Looks taken before this driver began have been told of."""
        self._going_on = {label: judged.look for label, judged in self.judged().items() if not judged.done}

    def count(self, runs: Iterable[Placed]) -> None:
        """Count runs that are stored."""
        self._stored.update((run.schedule, run.replicate or 0) for run in runs)

    def judged(self) -> Mapping[str, Judgement]:
        """What the looks taken so far say, by schedule; computed when a replicate has ended."""
        ended = tuple(self.confirmed.ended(label) for label in self.confirmed.spec.schedules)
        if self._judged[0] != ended:
            self._judged = ended, self.confirmed.judged()
        return self._judged[1]

    @property
    def to_next(self) -> int:
        """Runs that are missing for the next look; for the end, where none is to come."""
        active = {label: judged.look for label, judged in self.judged().items() if not judged.done}
        if not active:
            return self.to_end
        least = min(active.values())
        following = [label for label, look in active.items() if look == least]
        return self._missing(following, self.confirmed.spec.replicates.looks[least])

    @property
    def to_end(self) -> int:
        """Runs that are missing for the end, if no further look decides anything."""
        spec, judged = self.confirmed.spec, self.judged()
        if not judged:
            return self._missing([], stages.most(spec))
        still = [label for label, found in judged.items() if found.verdict in words.OPEN]
        if still and spec.replicates.beyond:
            return self._missing(still, stages.most(spec))
        active = [label for label in still if not judged[label].done]
        return self._missing(active, spec.replicates.max) if active else 0

    def _missing(self, labels: Iterable[str], replicates: int) -> int:
        """Runs of `labels` and the baseline that are not stored, of the first `replicates`."""
        spec = self.confirmed.spec
        each = sum(stages.per_replicate(spec).values())
        return sum(
            max(each - self._stored[label, replicate], 0)
            for label in (spec.question.baseline, *labels)
            for replicate in range(replicates)
        )

    def taken(self) -> list[str]:
        """One line for each look taken since this was asked last, when all schedules that go on together have reached it."""
        judged, spec, lines = self.judged(), self.confirmed.spec, []
        for before in sorted(set(self._going_on.values())):
            together = [label for label, look in self._going_on.items() if look == before]
            if any(judged[label].look == before for label in together):
                continue
            look = judged[together[0]].look
            said = "; ".join(self._verdict(label, judged[label]) for label in together)
            lines.append(f"look {look} of {len(spec.replicates.looks)} ({judged[together[0]].n} replicates): {said}")
            for label in together:
                if judged[label].done:
                    del self._going_on[label]
                else:
                    self._going_on[label] = look
        return lines

    def _verdict(self, label: str, judged: Judgement) -> str:
        numbers = f"{self._shown(self.difference(label, judged.n))}, p {judged.p_holm:.2g}"
        return f"{label} {judged.verdict} ({numbers}){'' if judged.done else ', goes on'}"

    def difference(self, label: str, replicates: int | None = None) -> float:
        """Mean difference to the baseline over (the first) replicates that both finished; NaN where there is none."""
        values = [self.confirmed.values(each)[:replicates] for each in (label, self.confirmed.spec.question.baseline)]
        both = min(map(len, values))
        with np.errstate(invalid="ignore"):
            found = values[0][:both] - values[1][:both]
        finite = found[np.isfinite(found)]
        return float(finite.mean()) if len(finite) else math.nan

    def score(self, label: str) -> float:
        """Mean score over a schedule's replicates that finished, geometric under the relative scale; NaN where none did."""
        values = self.confirmed.values(label)
        mean = float(values[np.isfinite(values)].mean()) if np.isfinite(values).any() else math.nan
        return replicates.as_score(mean, self._scale)

    @property
    def _scale(self) -> str:
        return self.confirmed.spec.question.scale

    def _shown(self, difference: float) -> str:
        """A difference in units of the score, or in per cent."""
        if math.isnan(difference):
            return ""
        shown = replicates.as_difference(difference, self._scale)
        text = f"{100 * shown:+.0f} %" if self._scale == "relative" else f"{shown:+.3g}"
        return text.replace("-", "\N{MINUS SIGN}")

    def table(self, primary: str, lost: Mapping[str, int]) -> Table:
        """A row for each schedule: its replicates, score, difference and verdict so far; `lost` runs did not finish."""
        table = Table(box=None, pad_edge=False, title=Text(self.heading), title_justify="left")
        for heading in ("schedule", "replicates", f"{primary} ↓", "difference", "so far", "not finished"):
            table.add_column(heading, justify="left" if heading in ("schedule", "so far") else "right")
        judged = self.judged()
        for label in self.confirmed.spec.schedules:
            score = self.score(label)
            row = [str(self.confirmed.ended(label)), "" if math.isnan(score) else f"{score:.3f}"]
            row += (
                [self._shown(self.difference(label)), _standing(judged[label])] if label in judged else ["", "baseline"]
            )
            table.add_row(Text(label), *row, str(lost[label]) if lost.get(label) else "")
        return table

    @property
    def heading(self) -> str:
        """The last look taken, and those to come."""
        looks, judged = self.confirmed.spec.replicates.looks, self.judged().values()
        last = max((found.look for found in judged), default=0)
        least = min((found.look for found in judged if not found.done), default=len(looks))
        taken = f"look {last} of {len(looks)} after {looks[last - 1]} replicates" if last else "no look taken yet"
        still_to_come = ", ".join(map(str, looks[least:]))
        beyond = self.confirmed.spec.replicates.beyond
        rest = (
            f"to come: {still_to_come}"
            if still_to_come
            else f"{beyond} replicates beyond the plan"
            if beyond
            else "the last"
        )
        return f"{taken}; {rest}"


def _standing(judged: Judgement) -> str:
    """What the last look said of a schedule, in a few words."""
    if not judged.look:
        return "no look yet"
    after = f"{judged.verdict} after {judged.n}"
    return after if judged.done else f"{after}, goes on"
