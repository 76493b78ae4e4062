"""study.json: what it holds, read and checked once; whoever needs a fact of a study asks this."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, FiniteFloat, PrivateAttr, ValidationError, model_validator

from harness.arms import MAIN, Arm
from harness.scores import ScoreName, average_names

Text = Annotated[str, Field(max_length=100_000)]
Value = Annotated[FiniteFloat, Field(ge=-1e100, le=1e100)]


class _Part(BaseModel):
    model_config = ConfigDict(extra="allow", strict=True)


def as_table(part: str | dict[str, Any]) -> dict[str, Any]:
    """A part's table: of one whose name stands alone, the table that sets nothing."""
    return part if isinstance(part, dict) else {"name": part}


def _named(part: str | dict[str, Any]) -> str:
    """The name of a part that stands alone, or in a table with its settings."""
    return str(as_table(part).get("name", ""))


class Question(_Part):
    """The question as it was frozen before the first run."""

    text: Text
    baseline: Text
    rope: Annotated[FiniteFloat, Field(ge=0, le=1e100)]
    alpha: Annotated[FiniteFloat, Field(gt=0, lt=0.5)]
    scale: Literal["absolute", "relative"] = "absolute"


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
    """The feature network, by name and content, and the reference's features: None of a study that an earlier version made.

    `effective_rank` is that of their covariance; a Fréchet distance of n perfect images to N real ones is about
    `frechet_bias` x (1/n + 1/N).
    """

    name: Text
    sha256: Text
    dimensions: int
    effective_rank: Value | None = None
    frechet_bias: Value | None = None


class Search(_Part):
    """Budget of the search: trials per schedule, and whether every schedule got as many ('balanced') or not."""

    trials: int
    sampler: Text
    allocation: Text


class Select(_Part):
    """How many of the best searched configurations were compared on how many fresh seeds; 0 for none."""

    top: int
    seeds: int


class Confirm(_Part):
    """On how many fresh seeds each schedule was confirmed."""

    seeds: int


class Replicates(_Part):
    """At how many replicates, whole tunings, the verdicts are looked at; how many lie beyond that plan."""

    looks: Annotated[list[int], Field(min_length=1)]
    beyond: int = 0


class Planned(_Part):
    """What may grow, as it was before the first confirmation run was stored: the verdicts rest on that."""

    schedules: list[Text]
    trials: int
    select_seeds: int
    confirm_seeds: int


class Phases(_Part):
    """Budgets of the phases, of each replicate where the tuning is repeated."""

    search: Search
    select: Select
    confirm: Confirm
    replicates: Replicates | None = None  # None of a study that tunes once


class Model(_Part):
    """The kind of model, by name; studies of the first release knew one."""

    name: Text = "gan"


class Network(_Part):
    """The networks, by name."""

    name: Text


class Course(_Part):
    """From which value to which something else than a rate went: along with the schedule, or by a shape of its own."""

    start: Value
    end: Value
    kind: Text | None = None
    until: Value | None = None


class Train(_Part):
    """How long a run was, on how many images per step, and which networks followed the schedule."""

    steps: Annotated[int, Field(gt=0)]
    batch: Annotated[int, Field(gt=0)]
    applies_to: Text = "both"
    optimizer: Text | dict[str, Any] = "adam"
    scheduled: dict[str, Course] = {}
    ema: Value | list[Value] = 0.999
    ema_half_lives: list[int] = []
    ema_ramp: Annotated[FiniteFloat, Field(ge=1)] = 10
    precision: Text = "float32"

    @property
    def averages(self) -> dict[str, str]:
        """Each average in words, 'EMA 0.999', by the name of its weights, from the shortest to the longest."""
        lengths: list[float] = [*self.ema_half_lives] or (self.ema if isinstance(self.ema, list) else [self.ema])
        named = sorted(zip(lengths, average_names(lengths), strict=True))
        return {
            name: f"EMA {length:,} images" if self.ema_half_lives else f"EMA {length:.10g}"
            for length, name in named
        }

    @property
    def half_lives(self) -> dict[str, float]:
        """Each average's half-life at the end of a run, as a share of it, by the name of its weights.

        No longer than the ramp lets it be. NaN of an average that changes within runs.
        """
        lengths: list[float] = [*self.ema_half_lives] or (self.ema if isinstance(self.ema, list) else [self.ema])
        ramped = self.steps / (self.ema_ramp - 1 + self.steps)  # the most that the decay of the last step is
        lives = {}
        for name, length in zip(average_names(lengths), lengths, strict=True):
            decay = min(0.5 ** (self.batch / length) if self.ema_half_lives else length, ramped)
            known = "ema" not in self.scheduled and 0 < decay < 1
            lives[name] = math.log(0.5) / math.log(decay) / self.steps if known else math.nan
        return lives

    @property
    def optimizer_name(self) -> str:
        """The optimizer, by name."""
        return _named(self.optimizer)


class Choosing(_Part):
    """How the search chooses a configuration: by its best run, or by a smooth curve through all its runs."""

    choice: Literal["best", "curve"] = "best"


class Evaluate(_Part):
    """How many images were generated for a score, and which split they were compared with; None where not stored."""

    generated: int | None = None
    reference: Text | None = None


class Schedule(_Part):
    """What the study file says of a schedule besides its shape's fields; tables of networks' own shapes lie beside it."""

    kind: Text
    applies_to: Text | None = None
    optimizer: Text | dict[str, Any] | None = None
    weight_decay: Value | Limits | None = None
    precision: Text | None = None
    steps: Annotated[int, Field(gt=0)] | None = None

    @property
    def networks(self) -> dict[str, str]:
        """The kinds of shapes that networks have of their own."""
        tables = {name: table for name, table in (self.model_extra or {}).items() if isinstance(table, dict)}
        return {name: str(table["kind"]) for name, table in tables.items() if "kind" in table}

    @property
    def given(self) -> dict[str, dict[str, Any]]:
        """The lists and texts of its shape, under MAIN, and of networks' own."""
        tables = {MAIN: self.model_extra or {}, **{name: (self.model_extra or {})[name] for name in self.networks}}
        found = {
            place: {name: value for name, value in table.items() if name != "kind" and isinstance(value, list | str | bool)}
            for place, table in tables.items()
        }
        return {place: given for place, given in found.items() if given}

    @property
    def optimizer_name(self) -> str:
        """The optimizer, if it is another than the study's."""
        return _named(self.optimizer or "")


class Spec(_Part):
    """The study file with its defaults: what a report names of it. What resumes a study validates all of it."""

    model: Model = Model()
    network: Network
    train: Train
    evaluate: Evaluate = Evaluate()
    search: Choosing = Choosing()
    schedules: dict[str, Schedule] = {}
    published: dict[str, Text | Value] = {}
    seed: int | None = None

    @property
    def precisions(self) -> dict[str, str]:
        """The arithmetic of each schedule's runs, by label."""
        return {label: schedule.precision or self.train.precision for label, schedule in self.schedules.items()}


class Environment(_Part):
    """Where the runs were trained."""

    python: Text
    cpu: Text
    device: Text
    commit: Text
    versions: dict[str, Text]
    numerics: dict[str, Any] = {}
    xla: bool | None = None  # whether it compiled the training loop; of no study of an earlier version


class Sanity(_Part):
    """What the primary score makes of real images damaged in one way, and of undamaged ones."""

    damage: Text
    value: Value
    floor: Value
    seen: bool


class Elsewhere(_Part):
    """A table of runs that were trained elsewhere: where it is from, and what its columns are called in sentences.

    `unit` is what a pair has in common ('seed'), and `paired_by` all of it in words ('seed and fold'). `facts` are sentences on
    what the table says, `command` judges it again.
    """

    table: Text
    factor: Text
    unit: Text
    paired_by: Text
    step: Text
    facts: list[Text]
    command: Text


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
    planned: Planned | None = None  # None of a study that an earlier version made
    warnings: list[Text] | None = None  # None of a study that an earlier version made: it was given none
    sanity: list[Sanity] = Field(default_factory=list)
    elsewhere: Elsewhere | None = None  # None of a study: its runs were trained here
    _source: Mapping[str, Any] = PrivateAttr(default_factory=dict)

    def arm(self, label: str) -> Arm:
        """Which shapes the networks followed under a schedule."""
        said = self.spec.schedules.get(label)
        if said is None:
            return Arm(self.kinds[label], self.spec.train.applies_to)
        return Arm(said.kind, said.applies_to or self.spec.train.applies_to, said.networks, said.given)

    def ranges(self, label: str) -> dict[str, Limits]:
        """What the search sampled of a schedule: the shared ranges but for what it has a value of its own for, and its own."""
        said = self.spec.schedules.get(label)
        own = {**self.space, **self.own_space.get(label, {})}
        fixed = said is not None and said.weight_decay is not None and not isinstance(said.weight_decay, Limits)
        return {name: limits for name, limits in own.items() if not (fixed and name == "weight_decay")}

    @property
    def primary_score(self) -> ScoreName:
        """The score that the question is about, of the weights that it is about."""
        return self.score(self.primary)

    def score(self, name: str) -> ScoreName:
        """The parts of a score's name; ValueError if it is none."""
        if self.elsewhere is not None:
            return ScoreName(name, "", 0)
        return ScoreName.parse(name, features=self.features.name)

    @property
    def source(self) -> Mapping[str, Any]:
        """study.json as it stands, in the order of the file, with all that this version does not know."""
        return self._source

    def __getitem__(self, name: str) -> Any:
        """An entry of study.json as plain values: what `study` was made of in version 0.1."""
        return self._source[name]

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if len(set(self.schedules)) < len(self.schedules):
            raise ValueError("schedules are named twice")
        if self.question.baseline not in self.schedules:
            raise ValueError(f"question.baseline is '{self.question.baseline}', which is not one of schedules")
        for name in self.scores:
            self.score(name)
        if str(self.primary_score.raw) not in self.scores:
            raise ValueError(f"primary is '{self.primary}', which is not one of scores")
        if set(self.kinds) != set(self.schedules):
            raise ValueError("kinds and schedules differ")
        return self


def read(source: Mapping[str, Any]) -> Document:
    """The document of what study.json holds; raises ValueError with the first thing wrong, as 'key: reason'."""
    try:
        document = Document.model_validate(source)
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False)[0]
        key = ".".join(map(str, first["loc"])) or "it"
        raise ValueError(f"{key}: {first['msg'].removeprefix('Value error, ')}".replace("\n", " ")[:500]) from error
    document._source = source
    return document


def fault(source: Mapping[str, Any]) -> str | None:
    """The first thing in a study document that a report cannot be made of, in words; None if all is well."""
    try:
        read(source)
    except ValueError as error:
        return str(error)
    return None
