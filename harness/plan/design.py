"""Designs: everything that fixes a run, so that a run is a pure function of its design."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any

from harness import schedules
from harness.spec import StudySpec, slug

PHASES = ("search", "select", "confirm")


def derive(*key: object) -> int:
    """A 63-bit seed that depends on every part of `key` and on nothing else (BLAKE2b of the parts)."""
    text = "/".join(str(part) for part in key)
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "little") >> 1


@dataclass(frozen=True)
class Seeds:
    """One seed a role; the same for every schedule at the same phase and repetition."""

    weights: int
    data: int
    latents: int
    noise: int

    @classmethod
    def of(cls, study_seed: int, phase: str, repetition: int) -> Seeds:
        """The seeds of one repetition of one phase: common random numbers over the schedules."""
        roles = ("weights", "data", "latents", "noise")
        return cls(*(derive(study_seed, phase, repetition, role) for role in roles))


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
        """The schedule of the generator's rate; raises ValueError if the shape refuses a field."""
        return schedules.of(self.kind, self.values)

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
