"""What a study had planned before its first confirmation run was stored: the verdicts rest on that, whatever came later."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Self

from harness.spec.models import StudySpec


@dataclass(frozen=True)
class Planned:
    """The schedules and numbers that may grow, as they were before anything was known of a verdict."""

    schedules: tuple[str, ...]
    trials: int
    select_seeds: int
    confirm_seeds: int

    @classmethod
    def of(cls, spec: StudySpec) -> Self:
        """What a study plans as it stands."""
        return cls(tuple(spec.schedules), spec.search.trials, spec.select.seeds, spec.confirm.seeds)

    @classmethod
    def from_json(cls, values: object) -> Self | None:
        """What `to_json` wrote; None where that is not it."""
        if not isinstance(values, Mapping):
            return None
        labels = values.get("schedules")
        numbers = [values.get(name) for name in ("trials", "select_seeds", "confirm_seeds")]
        if not isinstance(labels, Sequence) or not all(isinstance(each, int) for each in numbers):
            return None
        return cls(tuple(map(str, labels)), *(int(each or 0) for each in numbers))

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {**asdict(self), "schedules": list(self.schedules)}

    def families(self, labels: Sequence[str], *, baseline: str) -> list[list[str]]:
        """The schedules that are judged together, each group with the baseline: those planned, then those added later."""
        added = [label for label in labels if label not in self.schedules]
        planned = [label for label in labels if label not in added]
        return [planned, *([[baseline, *added]] if added else [])]

    def passed_by(self, spec: StudySpec) -> list[str]:
        """What `spec` has beyond this plan, one sentence each: how it came, and what it means for the verdicts."""
        when = "after confirmation runs were stored"
        added = [label for label in spec.schedules if label not in self.schedules]
        said = []
        if added:
            names = ", ".join(f"'{label}'" for label in added)
            one = len(added) == 1
            said.append(
                f"schedule{'s' * (not one)} {names} {'was' if one else 'were'} added {when}: what is said of "
                f"{'it' if one else 'them'} is exploratory"
            )
        if spec.confirm.seeds > self.confirm_seeds:
            said.append(
                f"confirm.seeds was raised from {self.confirm_seeds} to {spec.confirm.seeds} {when}: verdicts rest on the "
                f"first {self.confirm_seeds}, and what the others add is exploratory"
            )
        chosen_by = [("search.trials", self.trials, spec.search.trials)]
        if spec.select.top:  # else nothing reads them
            chosen_by.append(("select.seeds", self.select_seeds, spec.select.seeds))
        said += [
            f"{key} was raised from {before} to {now} {when}, so that other configurations may be confirmed than were "
            "seen then: all verdicts are exploratory"
            for key, before, now in chosen_by
            if now > before
        ]
        return said
