"""Designs: everything that fixes a run, so that a run is a pure function of its design."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.schedules import Rule
from harness.seeds import Seeds
from harness.spec import StudySpec, slug

JUDGED = ("search", "select", "confirm")  # what configurations and verdicts come from
PHASES = (*JUDGED, "variance")


@dataclass(frozen=True)
class Design:
    """One run: which schedule with which parameters, from which seeds, and its place in the plan.

    `point` is the index of the search point whose configuration the run has; `params` holds the shared parameters
    and the shape's own fields, sorted by name. `replicate` is None in a study that tunes once. `source` says which seeds a run
    of the phase "variance" has of its own; empty of others.
    """

    phase: str
    schedule: str
    kind: str
    point: int
    repetition: int
    params: tuple[tuple[str, float], ...]
    seeds: Seeds
    replicate: int | None = None
    source: str = ""

    @property
    def run(self) -> str:
        """The run's name, unique in its study and safe as a file name."""
        tuning = "" if self.replicate is None else f"-t{self.replicate:03d}"
        source = f"-{self.source}" if self.source else ""
        return f"{self.phase}-{slug(self.schedule)}{tuning}{source}-p{self.point:03d}-r{self.repetition:03d}"

    @property
    def values(self) -> dict[str, float]:
        """The parameters by name."""
        return dict(self.params)

    def rates(self, spec: StudySpec, networks: Sequence[str]) -> dict[str, NDArray[np.float32]]:
        """The rate of every step, float32 (steps,), of each of the model's `networks`: what it is trained with.

        Which network follows the schedule is decided here, for training, records and plots. Of networks that follow a rule
        they are the rates that its factors multiply.
        """
        model, ratio = spec.model.part, self.values.get("discriminator_ratio")
        ratios = {} if ratio is None else {model.ratio: ratio}
        return spec.arm(self.schedule).rates(self.values, spec.steps(self.schedule), networks=networks, ratios=ratios)

    def rules(self, spec: StudySpec, networks: Sequence[str]) -> dict[str, tuple[Rule, tuple[str, ...]]]:
        """The rules that decide on rates, by place, each with those of the model's `networks` that follow it."""
        return spec.arm(self.schedule).rules(self.values, networks)

    def controls(self, spec: StudySpec) -> dict[str, NDArray[np.float32]]:
        """What else changes at every step, float32 (steps,), by the names in `spec.controls`: what training is given."""
        if not spec.controls:
            return {}
        steps, schedule, found = spec.steps(self.schedule), spec.arm(self.schedule).schedule(self.values), {}
        for name, course in spec.train.scheduled.courses():
            made = course.decays if name == "ema" else course.values
            # One of its own is the same for every schedule, however long its runs are.
            found[name] = made(schedule, steps if course.kind is None else spec.train.steps)[:steps]
        # A run of a schedule that says nothing of weight decay has its optimizer's own, as it would have without others.
        of_optimizer = getattr(spec.optimizer(self.schedule).settings, "weight_decay", 0.0)
        found["weight_decay"] = np.full(steps, np.float32(self.values.get("weight_decay", of_optimizer)))
        return {name: found[name] for name in spec.controls}

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values, for checkpoints and remote workers."""
        return {
            "phase": self.phase,
            "schedule": self.schedule,
            "kind": self.kind,
            "point": self.point,
            "repetition": self.repetition,
            "replicate": self.replicate,
            **({"source": self.source} if self.source else {}),
            "params": dict(self.params),
            "seeds": vars(self.seeds),
        }


def design(
    spec: StudySpec,
    *,
    phase: str,
    schedule: str,
    point: int,
    repetition: int,
    params: dict[str, float],
    replicate: int | None = None,
    source: str = "",
) -> Design:
    """The design of one run of `spec`."""
    return Design(
        phase=phase,
        schedule=schedule,
        kind=spec.schedules[schedule].kind,
        point=point,
        repetition=repetition,
        params=tuple(sorted(params.items())),
        seeds=seeds_of(spec, phase=phase, repetition=repetition, replicate=replicate, source=source),
        replicate=replicate,
        source=source,
    )


def seeds_of(spec: StudySpec, *, phase: str, repetition: int, replicate: int | None, source: str = "") -> Seeds:
    """The seeds of one run; with a `source` those of the first confirmation run but for the source's."""
    seed = spec.seed_of(replicate)
    if source:
        return Seeds.of(seed, "confirm", 0).changed(seed, source, repetition)
    return Seeds.of(seed, phase, repetition)
