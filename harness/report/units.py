"""What the verdicts of a study are about and rest on: its plan, what came after it, and the units that are compared."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from functools import cached_property

import pandas as pd

from harness.results.document import Document, Elsewhere
from harness.stats import replicates

# What columns of the report's tables are called: a factor of that name gets another head.
HEADS = frozenset(
    {
        "baseline",
        "best",
        "difference",
        "failed",
        "finished",
        "geometric mean",
        "iqm",
        "mean",
        "mean ± sd",
        "median",
        "note",
    }
    | {"p", "p (holm)", "p(better)", "pairs", "runs", "sd", "verdict", "worst"}
)


@dataclass(frozen=True)
class Plan:
    """What a study was planned to be before its first confirmation run was stored."""

    study: Document

    @property
    def elsewhere(self) -> Elsewhere | None:
        """What is known of runs that were trained elsewhere; None of a study."""
        return self.study.elsewhere

    @property
    def factor(self) -> str:
        """What is compared with one another, as sentences call it: 'schedule'."""
        return self.elsewhere.factor if self.elsewhere else "schedule"

    @property
    def head(self) -> str:
        """As `factor`, for the head of a table's column, which no other column has."""
        return f"level of {self.factor}" if self.factor.lower() in HEADS else self.factor

    @property
    def lost(self) -> str:
        """What runs did that are the worst outcome."""
        return "failed" if self.elsewhere else "diverged"

    @property
    def runs(self) -> str:
        """What verdicts rest on where nothing is repeated: 'confirmation run'."""
        return "run" if self.elsewhere else "confirmation run"

    @property
    def paired_by(self) -> str:
        """All that a pair has in common, in words."""
        return self.elsewhere.paired_by if self.elsewhere and not self.replicated else self.unit

    @property
    def replicated(self) -> bool:
        """Whether the whole tuning is repeated, so that a verdict is about schedules and its unit is the replicate."""
        return self.study.phases.replicates is not None

    @property
    def looks(self) -> tuple[int, ...]:
        """The numbers of replicates at which a replicated study is looked at; none of one that tunes once."""
        return tuple(self.study.phases.replicates.looks) if self.study.phases.replicates else ()

    @property
    def unit(self) -> str:
        """What a pair has in common: 'replicate' or 'seed', or what a table from elsewhere calls it."""
        return "replicate" if self.replicated else self.elsewhere.unit if self.elsewhere else "seed"

    @property
    def compared(self) -> str:
        """What is compared: 'replicate' or 'run'."""
        return "replicate" if self.replicated else "run"

    @cached_property
    def changed(self) -> str:
        """What of the search grew after confirmation runs were stored, in words; empty if nothing did.

        Another configuration may have been chosen by then, with its confirmation scores known: nothing is planned.
        """
        planned, phases = self.study.planned, self.study.phases
        if planned is None:
            return ""
        grown = [("search trials", planned.trials, phases.search.trials)]
        if phases.select.top:  # else nothing reads them
            grown.append(("seeds of the selection", planned.select_seeds, phases.select.seeds))
        return " and ".join(f"{word} were raised from {before} to {now}" for word, before, now in grown if now > before)

    @property
    def schedules(self) -> list[str]:
        """The schedules of the family that the verdicts are corrected over, the baseline among them."""
        planned = self.study.planned
        if planned is None or self.changed:
            return self.study.schedules
        return [label for label in self.study.schedules if label in planned.schedules]

    @property
    def added(self) -> list[str]:
        """Schedules that were added later."""
        return [label for label in self.study.schedules if label not in self.schedules]

    @property
    def units(self) -> float:
        """Replicates, or confirmation seeds, per schedule that were planned; infinite where all were."""
        if self.replicated:
            return self.looks[-1]
        planned = self.study.planned
        return math.inf if planned is None or self.changed else planned.confirm_seeds

    def within(self, runs: pd.DataFrame) -> pd.Series:
        """Which confirmation runs the plan has, as booleans."""
        return runs["replicate" if self.replicated else "repetition"] < self.units


def of_replicates(runs: pd.DataFrame, *, seeds: int, scores: Sequence[str], relative: Collection[str]) -> pd.DataFrame:
    """One row per schedule and replicate, up to the schedule's first that has not ended, with `seeds` confirmation runs.

    Columns as of runs: `schedule`, `repetition` (the replicate), `run` (its name, by what a table from elsewhere calls its `tuning`),
    `status`, and `scores`, each the mean over the replicate's runs, or the geometric mean of the `relative` ones. A replicate failed if any of its runs did, and
    else diverged if any did.
    """
    rows = []
    ended: Counter[str] = Counter()
    ordered = runs.sort_values("replicate", kind="stable")
    for _, group in ordered.groupby(["schedule", "replicate"], sort=False):
        label, replicate = str(group["schedule"].iloc[0]), int(group["replicate"].iloc[0])
        if len(group) < seeds or ended[label] < replicate:
            continue
        ended[label] += 1
        found = set(group["status"])
        status = next((each for each in ("failed", "diverged") if each in found), "finished")
        names = list(group["run"])
        row = {"schedule": label, "repetition": replicate, "status": status}
        called = group["tuning"].iloc[0] if "tuning" in group else replicate
        row["run"] = names[0] if len(names) == 1 else f"{label}, replicate {called}, mean of {len(names)} runs"
        for score in scores:
            scale = "relative" if score in relative else "absolute"
            mean = replicates.value(group[score].tolist(), scale=scale) if status == "finished" else math.nan
            row[score] = replicates.as_score(mean, scale)
        rows.append(row)
    return pd.DataFrame(rows, columns=["run", "schedule", "repetition", "status", *scores])
