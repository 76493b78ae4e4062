"""RunRecord: what one run left behind, as a row of runs.csv and its parts of curves.csv and traces.csv."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import MISSING, dataclass, field
from datetime import UTC, datetime
from typing import Any, Self

from harness.results.trace import LOSS, PAIR, RATE, prefixed, taken

STATUSES = ("finished", "diverged", "failed")


def moment(seconds: float | None) -> str | None:
    """POSIX seconds as tables hold them: ISO 8601, UTC, milliseconds, as in 2026-11-25T12:52:14.250+00:00."""
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds")


def posix(moment: str) -> float:
    """The POSIX seconds of what `moment` wrote; raises ValueError if it is none or names no time zone."""
    when = datetime.fromisoformat(moment)
    if when.tzinfo is None:
        raise ValueError(f"{moment!r} names no time zone")
    return when.timestamp()


@dataclass(frozen=True)
class CurvePoint:
    """One evaluation of a run, after `step` steps; rates (by network) and losses (by name) are those of that one step."""

    step: int
    rates: Mapping[str, float]
    losses: Mapping[str, float]
    scores: Mapping[str, float]
    seconds: float

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values: rate_<network> and loss_<name> beside the others."""
        return {
            "step": self.step,
            **prefixed(RATE, self.rates),
            **prefixed(LOSS, self.losses),
            "scores": dict(self.scores),
            "seconds": self.seconds,
        }

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Self:
        """The point that `to_json` wrote."""
        return cls(
            step=values["step"],
            rates=taken(RATE, values),
            losses=taken(LOSS, values),
            scores=dict(values["scores"]),
            seconds=values["seconds"],
        )


@dataclass(frozen=True)
class RunRecord:
    """One run. Scores and losses are those after the last step; a run that did not finish has none, and says why.

    `seconds` are all that the run took, of which `seconds_evaluation` went into generating images and scoring them;
    `seconds_per_step` are of training alone. In records without `seconds_evaluation` (earlier versions) they are
    `seconds` by steps. `started` (of the first attempt whose work is in the record) and `ended` are POSIX seconds,
    whole milliseconds; the time between them holds interruptions. `trace` is packed by harness.results.trace.
    `replicate` is None in a study that tunes once. `source` says which seeds a run of the phase "variance" has of its own, and
    `evaluations` are the final scores of one of evaluation, on further sets of latents. `precision` is the arithmetic of the
    layers in a study whose schedules differ in it; empty of others. The first `shared_steps` steps were trained once for
    several runs, by the run `shared_from`; the `shared_seconds` that they took count in `seconds`, as if the run had trained
    them itself, and so do `shared_joules` in `joules`: energy by part of the machine (harness.worker.energy), of those parts
    that told it.
    """

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
    losses: Mapping[str, float]
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
    trace: str = ""
    seconds_evaluation: float | None = None
    started: float | None = None
    ended: float | None = None
    numerics: Mapping[str, Any] = field(default_factory=dict)
    replicate: int | None = None
    source: str = ""
    evaluations: tuple[Mapping[str, float], ...] = ()
    precision: str = ""
    shared_steps: int = 0
    shared_from: str = ""
    shared_seconds: float = 0.0
    joules: Mapping[str, float] = field(default_factory=dict)
    shared_joules: Mapping[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Refuse a status that no table knows."""
        if self.status not in STATUSES:
            raise ValueError(f"status is {self.status!r}, but allowed is one of: {', '.join(STATUSES)}")

    @property
    def own_seconds(self) -> float:
        """What the run took but for the steps that another one had trained."""
        return self.seconds - self.shared_seconds

    def numbered(self, trial: int) -> Self:
        """The same record with its Optuna trial number."""
        return dataclasses.replace(self, trial=trial)

    def marked(self, chosen: bool) -> Self:
        """The same record, marked as of the configuration finally chosen or not."""
        return dataclasses.replace(self, chosen=chosen)

    def attempted(self, attempts: int) -> Self:
        """The same record with the number of attempts it took."""
        return dataclasses.replace(self, attempts=attempts)

    def timed(self, *, started: float | None, ended: float | None) -> Self:
        """The same record with when it began and ended, POSIX seconds."""
        return dataclasses.replace(self, started=started, ended=ended)

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values; of a run without losses the names that an adversarial pair's have, as empty."""
        plain = {each.name: getattr(self, each.name) for each in dataclasses.fields(self) if each.name != "losses"}
        return {
            **plain,
            **prefixed(LOSS, self.losses or dict.fromkeys(PAIR)),
            "params": dict(self.params),
            "scores": dict(self.scores),
            "versions": dict(self.versions),
            "numerics": dict(self.numerics),
            "joules": dict(self.joules),
            "shared_joules": dict(self.shared_joules),
            "evaluations": [dict(scores) for scores in self.evaluations],
            "curve": [place.to_json() for place in self.curve],
        }

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Self:
        """The record that `to_json` wrote; raises ValueError naming what is missing."""
        known = {each.name for each in dataclasses.fields(cls)} - {"losses"}
        needed = {
            each.name for each in dataclasses.fields(cls) if each.default is MISSING and each.default_factory is MISSING
        } - {"losses"}
        missing = needed - set(values)
        if missing:
            raise ValueError(f"a run's record lacks {', '.join(sorted(missing))}")
        kept = {name: value for name, value in values.items() if name in known}
        losses = {name: value for name, value in taken(LOSS, values).items() if value is not None}
        curve = tuple(CurvePoint.from_json(place) for place in values.get("curve", ()))
        evaluations = tuple(dict(scores) for scores in values.get("evaluations", ()))
        return cls(**{**kept, "losses": losses, "curve": curve, "evaluations": evaluations})

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
            replicate=design.get("replicate"),
            source=design.get("source", ""),
            status="failed",
            reason=reason,
            last_step=0,
            steps=_steps(study["spec"], design["schedule"]),
            attempts=attempts,
            seconds=0.0,
            seconds_per_step=0.0,
            peak_memory_mb=0.0,
            params=dict(design["params"]),
            scores={},
            losses={},
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
            numerics=study["environment"].get("numerics", {}),
        )


def _steps(spec: Mapping[str, Any], schedule: str) -> int:
    """How many steps the runs of a schedule have, by a resolved study."""
    own = spec.get("schedules", {}).get(schedule, {}).get("steps")
    return int(spec["train"]["steps"] if own is None else own)
