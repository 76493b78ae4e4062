"""RunRecord: what one run left behind, as a row of runs.csv and its part of curves.csv."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self

STATUSES = ("finished", "diverged", "failed")


@dataclass(frozen=True)
class CurvePoint:
    """One evaluation of a run, after `step` generator updates."""

    step: int
    rate_generator: float
    rate_discriminator: float
    loss_generator: float
    loss_discriminator: float
    scores: Mapping[str, float]
    seconds: float

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values."""
        return dataclasses.asdict(self)

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Self:
        """The point that `to_json` wrote."""
        return cls(**{**values, "scores": dict(values["scores"])})


@dataclass(frozen=True)
class RunRecord:
    """One run. Scores are those after the last step; a run that did not finish has none, and says why."""

    run: str
    phase: str
    schedule: str
    kind: str
    point: int
    repetition: int
    status: str
    reason: str
    last_step: int
    steps: int
    attempts: int
    seconds: float
    seconds_per_step: float
    peak_memory_mb: float
    params: Mapping[str, float]
    scores: Mapping[str, float]
    loss_generator: float | None
    loss_discriminator: float | None
    trial: int | None
    seed_weights: int
    seed_data: int
    seed_latents: int
    seed_noise: int
    data_fingerprint: str
    features_sha256: str
    device: str
    threads: int
    commit: str
    versions: Mapping[str, str]
    curve: tuple[CurvePoint, ...] = ()
    chosen: bool = field(default=True)

    def __post_init__(self) -> None:
        """Refuse a status that no table knows."""
        if self.status not in STATUSES:
            raise ValueError(f"status is {self.status!r}, but allowed is one of: {', '.join(STATUSES)}")

    def numbered(self, trial: int) -> Self:
        """The same record with its Optuna trial number."""
        return dataclasses.replace(self, trial=trial)

    def marked(self, chosen: bool) -> Self:
        """The same record, marked as of the configuration finally chosen or not."""
        return dataclasses.replace(self, chosen=chosen)

    def attempted(self, attempts: int) -> Self:
        """The same record with the number of attempts it took."""
        return dataclasses.replace(self, attempts=attempts)

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {
            **{each.name: getattr(self, each.name) for each in dataclasses.fields(self)},
            "params": dict(self.params),
            "scores": dict(self.scores),
            "versions": dict(self.versions),
            "curve": [place.to_json() for place in self.curve],
        }

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Self:
        """The record that `to_json` wrote; raises ValueError naming what is missing."""
        known = {each.name for each in dataclasses.fields(cls)}
        missing = known - set(values) - {"curve", "chosen"}
        if missing:
            raise ValueError(f"a run's record lacks {', '.join(sorted(missing))}")
        kept = {name: value for name, value in values.items() if name in known}
        return cls(**{**kept, "curve": tuple(CurvePoint.from_json(place) for place in values.get("curve", ()))})

    @classmethod
    def failed(cls, design: Mapping[str, Any], *, reason: str, attempts: int, study: Mapping[str, Any]) -> Self:
        """The record of a run that failed for good: `design` as its JSON with `run`, `study` as study.json."""
        seeds = design["seeds"]
        return cls(
            run=design["run"],
            phase=design["phase"],
            schedule=design["schedule"],
            kind=design["kind"],
            point=design["point"],
            repetition=design["repetition"],
            status="failed",
            reason=reason,
            last_step=0,
            steps=study["spec"]["train"]["steps"],
            attempts=attempts,
            seconds=0.0,
            seconds_per_step=0.0,
            peak_memory_mb=0.0,
            params=dict(design["params"]),
            scores={},
            loss_generator=None,
            loss_discriminator=None,
            trial=None,
            seed_weights=seeds["weights"],
            seed_data=seeds["data"],
            seed_latents=seeds["latents"],
            seed_noise=seeds["noise"],
            data_fingerprint=study["data"]["fingerprint"],
            features_sha256=study["features"]["sha256"],
            device=study["environment"]["device"],
            threads=study["spec"]["train"]["threads"],
            commit=study["environment"]["commit"],
            versions=study["environment"]["versions"],
        )
