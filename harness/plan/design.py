"""Designs: everything that fixes a run, so that a run is a pure function of its design."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness import schedules
from harness.seeds import Seeds
from harness.spec import StudySpec, slug

PHASES = ("search", "select", "confirm")


@dataclass(frozen=True)
class Design:
    """One run: which schedule with which parameters, from which seeds, and its place in the plan.

    `point` is the index of the search point whose configuration the run has; `params` holds the shared parameters
    and the shape's own fields, sorted by name.
    """

    phase: str
    schedule: str
    kind: str
    point: int
    repetition: int
    params: tuple[tuple[str, float], ...]
    seeds: Seeds

    @property
    def run(self) -> str:
        """The run's name, unique in its study and safe as a file name."""
        return f"{self.phase}-{slug(self.schedule)}-p{self.point:03d}-r{self.repetition:03d}"

    @property
    def values(self) -> dict[str, float]:
        """The parameters by name."""
        return dict(self.params)

    def resolve(self) -> schedules.Schedule:
        """The schedule, by the peak of the networks without a ratio; raises ValueError if the shape refuses a field."""
        return schedules.of(self.kind, self.values)

    def rates(self, spec: StudySpec, networks: Sequence[str]) -> dict[str, NDArray[np.float32]]:
        """The rate of every step, float32 (steps,), of each of the model's `networks`: what it is trained with.

        Which network follows the schedule is decided here, for training, records and plots.
        """
        model, ratio = spec.model.part, self.values.get("discriminator_ratio")
        return schedules.by_network(
            self.resolve(),
            spec.train.steps,
            networks=networks,
            ratios={} if ratio is None else {model.ratio: ratio},
            applies_to=spec.train.applies_to,
        )

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values, for checkpoints and remote workers."""
        return {
            "phase": self.phase,
            "schedule": self.schedule,
            "kind": self.kind,
            "point": self.point,
            "repetition": self.repetition,
            "params": dict(self.params),
            "seeds": vars(self.seeds),
        }


def design(
    spec: StudySpec, *, phase: str, schedule: str, point: int, repetition: int, params: dict[str, float]
) -> Design:
    """The design of one run of `spec`."""
    return Design(
        phase=phase,
        schedule=schedule,
        kind=spec.schedules[schedule].kind,
        point=point,
        repetition=repetition,
        params=tuple(sorted(params.items())),
        seeds=Seeds.of(spec.seed, phase, repetition),
    )
