"""What study.json must hold for a report to be made of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, FiniteFloat, ValidationError, model_validator

Text = Annotated[str, Field(max_length=100_000)]
Value = Annotated[FiniteFloat, Field(ge=-1e100, le=1e100)]


class _Part(BaseModel):
    model_config = ConfigDict(extra="allow", strict=True)


class Question(_Part):
    """The question as it was frozen before the first run."""

    text: Text
    baseline: Text
    rope: Annotated[FiniteFloat, Field(ge=0, le=1e100)]
    alpha: Annotated[FiniteFloat, Field(gt=0, lt=0.5)]


class Score(_Part):
    """What a score is."""

    title: Text
    direction: Literal["lower", "higher", "one"]
    help: Text
    protocol: Text


class Limits(_Part):
    """A range that was searched."""

    low: Value
    high: Value
    log: bool


class Data(_Part):
    """The data set, by name and content."""

    name: Text
    fingerprint: Text
    train: int
    held_out: int
    shape: list[int]
    notes: list[Text] = []  # files read and skipped; only where there is something to say


class Features(_Part):
    """The feature network, by name and content."""

    name: Text
    sha256: Text
    dimensions: int


class Phases(_Part):
    """Budgets of the phases."""

    search: dict[str, Any]
    select: dict[str, Any]
    confirm: dict[str, Any]


class Network(_Part):
    """The networks, by name."""

    name: Text


class Train(_Part):
    """How long a run was, and on how many images per step."""

    steps: Annotated[int, Field(gt=0)]
    batch: Annotated[int, Field(gt=0)]


class Spec(_Part):
    """The study file with its defaults: what a report names of it. What resumes a study validates all of it."""

    network: Network
    train: Train


class Environment(_Part):
    """Where the runs were trained."""

    python: Text
    cpu: Text
    device: Text
    commit: Text
    versions: dict[str, Text]
    numerics: dict[str, Any] = {}


class Sanity(_Part):
    """What the primary score makes of real images damaged in one way, and of undamaged ones."""

    damage: Text
    value: Value
    floor: Value
    seen: bool


class Document(_Part):
    """study.json."""

    name: Text
    title: Text
    harness: Text
    question: Question
    spec: Spec
    sha256: Text
    schedules: Annotated[list[Text], Field(min_length=1)]
    kinds: dict[str, Text]
    phases: Phases
    space: dict[str, Limits]
    own_space: dict[str, dict[str, Limits]]
    scores: Annotated[dict[str, Score], Field(min_length=1)]
    primary: Text
    floor: dict[str, Value]
    data: Data
    features: Features
    environment: Environment
    command: Text
    created: Text
    warnings: list[Text] = Field(default_factory=list)
    sanity: list[Sanity] = Field(default_factory=list)

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if len(set(self.schedules)) < len(self.schedules):
            raise ValueError("schedules are named twice")
        if self.question.baseline not in self.schedules:
            raise ValueError(f"question.baseline is '{self.question.baseline}', which is not one of schedules")
        if self.primary.removesuffix("_ema") not in self.scores:
            raise ValueError(f"primary is '{self.primary}', which is not one of scores")
        if set(self.kinds) != set(self.schedules):
            raise ValueError("kinds and schedules differ")
        return self


def fault(study: Mapping[str, Any]) -> str | None:
    """The first thing in a study document that a report cannot be made of, in words; None if all is well."""
    try:
        Document.model_validate(study)
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False)[0]
        place = ".".join(map(str, first["loc"])) or "it"
        return f"{place}: {first['msg'].removeprefix('Value error, ')}".replace("\n", " ")[:500]
    return None
