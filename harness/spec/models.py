"""The study file's models: what an experiment is, with defaults, limits and one line of help per key."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal, Self

from pydantic import (
    Discriminator,
    Field,
    FiniteFloat,
    PrivateAttr,
    StringConstraints,
    Tag,
    field_validator,
    model_validator,
)
from pydantic_core import PydanticCustomError

from harness import arms, kinds, schedules
from harness.own_code import Named
from harness.schedules import Run
from harness.scores import average_names
from harness.seeds import SETS, SOURCES, derive
from harness.spec.parameter import Parameter, Range, limits
from harness.spec.parts import NamedSection, PartSection, default_of, variants
from harness.spec.schedule import (
    AnyOptimizer,
    OptimizerSpec,
    Precision,
    ScheduledSpec,
    ScheduleSpec,
    TrainedWith,
    network_names,
    weight_decay,
)
from harness.spec.section import Section

# Names become folder and file names, so they hold nothing that could leave the output folder.
NAME_PATTERN = r"^\w[\w.+-]{0,59}$"
Name = Annotated[str, StringConstraints(pattern=NAME_PATTERN)]


Sha256 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]


def _of(value: str, allowed: Iterable[str]) -> str:
    """`value` if it is one of the names allowed; the fault lists them, with the nearest."""
    names = list(allowed)
    if value not in names:
        words = {"names": ", ".join(names), "hint": kinds.nearest(value, names)}
        raise PydanticCustomError("part", "allowed is one of: {names}{hint}", words)
    return value


def _primary_scores(*, ratios: bool = False) -> list[str]:
    """The metrics that a verdict may rest on; with `ratios` those of which it may be about ratios."""
    metrics: dict[str, Any] = kinds.parts("metric")
    return [name for name, part in metrics.items() if part.primary and (part.ratios or not ratios)]


class QuestionSpec(Section):
    """The question, fixed before the first run."""

    text: str = Field(
        default="Does decaying the learning rate make the generated images better than a constant rate?",
        description="the question in plain words, printed on the report",
        max_length=500,
    )
    baseline: Name = Field(
        default="constant", description="the schedule that all others are compared with; a key of [schedules]"
    )
    score: str = Field(
        default="fid",
        description="primary score (lower is better)",
        json_schema_extra=lambda schema: schema.update(enum=[*_primary_scores()]),
    )
    weights: Literal["raw", "ema"] = Field(
        default="raw", description="score the raw weights or their moving average in the verdicts"
    )
    rope: FiniteFloat = Field(
        default=0.0,
        ge=0,
        description="differences within ± this, in units of the score (per cent where scale is relative), count as equivalent",
    )
    alpha: FiniteFloat = Field(default=0.05, gt=0, lt=0.5, description="family-wise error rate (FWER) of the verdicts")
    scale: Literal["absolute", "relative"] = Field(
        default="absolute",
        description="judge differences of scores, or their ratios: relative differences in per cent, and rope in per cent (fid)",
        json_schema_extra={"later": True},
    )

    @field_validator("score")
    @classmethod
    def _score(cls, value: str) -> str:
        return _of(value, _primary_scores())


class DataSpec(Section):
    """The images."""

    name: str = Field(
        description="which data set", json_schema_extra=lambda schema: schema.update(enum=[*kinds.parts("data")])
    )
    data_dir: Path | None = Field(
        default=None,
        strict=False,
        description="folder with the data set's files, or your images (name = folder)",
    )
    size: int | None = Field(default=None, ge=8, le=256, description="height and width in pixels")
    channels: Literal[1, 3] | None = Field(default=None, description="1 for grey, 3 for colour")
    fit: Literal["pad", "resize", "crop"] = Field(
        default="pad",
        description="how an image is brought to `size`: black borders, scaled and its middle kept, or its middle",
    )
    held_out: FiniteFloat = Field(
        default=0.2,
        gt=0,
        lt=1,
        description="share of images kept from training, where no test split is published",
    )
    limit: int | None = Field(default=None, ge=16, description="use at most this many training images")

    @field_validator("name")
    @classmethod
    def _name(cls, value: str) -> str:
        return _of(value, kinds.parts("data"))

    @model_validator(mode="after")
    def _complete(self) -> Self:
        part: Any = kinds.find("data", self.name, key="data.name")
        lacking = [f"{key}: {meaning}" for key, meaning in part.needs.items() if getattr(self, key) is None]
        if lacking:
            raise ValueError(f"name is '{self.name}', which needs {'; and '.join(lacking)}")
        return self


class NetworkSpec(PartSection):
    """Which networks are trained, and their own settings."""

    role: ClassVar[str] = "network"


class ModelSpec(PartSection):
    """Which kind of model is trained, and its own settings."""

    role: ClassVar[str] = "model"


class LossSpec(NamedSection):
    """An adversarial loss, by name alone or as a table with its settings."""

    role: ClassVar[str] = "loss"


class PenaltySpec(NamedSection):
    """A penalty on the discriminator's slopes, by name alone or as a table with its settings."""

    role: ClassVar[str] = "penalty"


class AugmentationSpec(NamedSection):
    """An augmentation of what the discriminator sees, by name alone or as a table with its settings."""

    role: ClassVar[str] = "augmentation"


if TYPE_CHECKING:
    AnyNetwork = NetworkSpec
    AnyModel = ModelSpec
    AnyLoss = LossSpec
    AnyPenalty = PenaltySpec
    AnyAugmentation = AugmentationSpec
else:
    AnyNetwork = variants(NetworkSpec, default="dcgan", text="which networks")
    AnyModel = variants(ModelSpec, default="gan", text="which kind of model")
    AnyLoss = variants(LossSpec, default="non_saturating", text="adversarial loss", plain=True)
    AnyPenalty = variants(PenaltySpec, default="", text="penalty", plain=True)
    AnyAugmentation = variants(AugmentationSpec, default="", text="augmentation", plain=True)


# The forms of train.ema, by what pydantic's faults call them.
_Decay = Annotated[FiniteFloat, Field(ge=0, lt=1)]
HalfLife = Annotated[int, Field(ge=1, le=10**12)]
_ONE, _SEVERAL = "<one>", "<several>"
Decays = Annotated[
    Annotated[_Decay, Tag(_ONE)]
    | Annotated[tuple[_Decay, ...], Field(min_length=1, max_length=8, strict=False), Tag(_SEVERAL)],
    Discriminator(lambda value: _SEVERAL if isinstance(value, list | tuple) else _ONE),
]


class TrainSpec(Section):
    """How every run trains; the same for all schedules."""

    steps: int = Field(
        ge=1, le=100_000_000, description="updates per run (gan: of the generator), the horizon of the decay"
    )
    batch: int = Field(default=64, ge=2, le=65_536, description="batch size: images per update")
    optimizer: AnyOptimizer = Field(
        default_factory=lambda: default_of(OptimizerSpec, "adam"),
        description="for every network, by name or as a table with its settings",
    )
    beta1: FiniteFloat = Field(default=0.5, ge=0, lt=1, description="Adam's decay of the first moment")
    beta2: FiniteFloat = Field(default=0.999, ge=0, lt=1, description="Adam's (RMSprop's) decay of the second moment")
    momentum: FiniteFloat = Field(default=0.0, ge=0, lt=1, description="of SGD and RMSprop")
    discriminator_steps: int = Field(
        default=1, ge=1, le=100, description="discriminator updates before each generator update (gan)"
    )
    loss: AnyLoss = Field(
        default_factory=lambda: default_of(LossSpec, "non_saturating"),
        description="adversarial loss, by name or as a table with its settings (gan)",
    )
    penalties: tuple[AnyPenalty, ...] = Field(
        default=(),
        strict=False,
        description="penalties on the discriminator's slopes besides the loss's own, by name or as tables (gan)",
        json_schema_extra={"later": True},
    )
    augment: tuple[AnyAugmentation, ...] = Field(
        default=(),
        strict=False,
        description="augmentations of what the discriminator sees, real and generated alike, in this order (gan)",
        json_schema_extra={"later": True},
    )
    flip: bool = Field(
        default=False,
        description="mirror each training image left to right with probability 1/2",
        json_schema_extra={"later": True},
    )
    updates: Literal["joint", "alternating"] = Field(
        default="joint",
        description="joint: both networks from the same images and weights; alternating: the generator after the discriminator, with images of its own, as most published code does (gan)",
        json_schema_extra={"later": True},
    )
    generator_batch: int | None = Field(
        default=None,
        ge=2,
        le=65_536,
        description="images per update of the generator, where other than `batch`; needs alternating updates (gan)",
        json_schema_extra={"later": True},
    )
    conditional: bool = Field(
        default=False,
        description="networks see the class of each image: needs a data set with classes and a network for them",
        json_schema_extra={"later": True},
    )
    ema: Decays = Field(
        default=0.999,
        description="per-step decay of the moving average (EMA) of the networks that make images; EMA weights are scored as well; of several, at most 8, the first is the primary average",
    )
    ema_half_lives: tuple[HalfLife, ...] = Field(
        default=(),
        strict=False,
        max_length=8,
        description="in place of ema: in how many training images each average forgets half; the first is the primary average",
        json_schema_extra={"later": True},
    )
    ema_ramp: FiniteFloat = Field(
        default=10.0,
        ge=1,
        le=1e6,
        description="at step t (from 0) an average's decay is at most (1 + t) / (ema_ramp + t): 10 lets no half-life pass about 8 % of the steps so far; 2 is the mean of all steps; 1: no ramp",
        json_schema_extra={"later": True},
    )
    precision: Precision = Field(
        default="float32", description="arithmetic of the layers; weights, losses and metrics stay float32"
    )
    xla: bool | Literal["auto"] = Field(
        default="auto",
        description="compile the training loop with XLA; auto: on a GPU (on a CPU it is many times slower)",
    )
    threads: int = Field(
        default=1,
        ge=1,
        le=256,
        description="CPU threads per run; part of the experiment, since rounding depends on it",
    )
    applies_to: str = Field(
        default=schedules.ALL,
        description="which network's rate follows the schedule; the others keep their peak",
        json_schema_extra=lambda schema: schema.update(enum=[schedules.ALL, *network_names()]),
    )
    scheduled: ScheduledSpec = Field(
        default_factory=ScheduledSpec,
        description="what else changes within a run, along with the rate or by a shape of its own",
        json_schema_extra={"later": True},
    )

    @field_validator("ema")
    @classmethod
    def _one_is_no_list(cls, value: float | tuple[float, ...]) -> float | tuple[float, ...]:
        return value[0] if isinstance(value, tuple) and len(value) == 1 else value

    @model_validator(mode="after")
    def _averages_apart(self) -> Self:
        if self.ema_half_lives and self.sets("ema"):
            raise ValueError("train.ema and train.ema_half_lives are both set, but allowed is one of them")
        key, lengths = ("ema_half_lives", self.ema_half_lives) if self.ema_half_lives else ("ema", self._decays)
        if len(set(lengths)) < len(lengths):
            raise ValueError(f"train.{key} is {list(lengths)}, but allowed is each average once")
        if len(lengths) > 1 and self.scheduled.ema is not None:
            raise ValueError(f"train.scheduled.ema changes the only average, but train.{key} has {len(lengths)}")
        return self

    @property
    def _decays(self) -> tuple[float, ...]:
        return self.ema if isinstance(self.ema, tuple) else (self.ema,)

    @property
    def averages(self) -> dict[str, float]:
        """The decay per step of each average by the name of its weights; the first is the primary one, "ema"."""
        lengths: tuple[float, ...] = self.ema_half_lives or self._decays
        decays = lengths
        if self.ema_half_lives:  # 2 ** (-batch / half-life), as EDM2 and StyleGAN count them
            decays = tuple(0.5 ** (self.batch / length) for length in lengths)
        return dict(zip(average_names(lengths), decays, strict=True))


class EvaluateSpec(Section):
    """How a score is measured."""

    features: str = Field(
        description="feature network; scores of different networks cannot be compared",
        json_schema_extra=lambda schema: schema.update(enum=[*kinds.known("features")]),
    )
    weights: Path | None = Field(
        default=None,
        strict=False,
        description="weights file of a feature network whose weights are no part of the package (inception, dinov2_…); else the public release",
    )
    layer: str | None = Field(
        default=None,
        min_length=1,
        description="layer of your own Keras model, or output of your own ONNX model, whose values are the features; else its only output",
        json_schema_extra={"later": True},
    )
    scaling: Literal["0..255", "0..1", "-1..1", "imagenet"] | None = Field(
        default=None,
        description="range in which your own Keras or ONNX model takes pixels; imagenet: 0..1, less ImageNet's mean, divided by its deviation",
        json_schema_extra={"later": True},
    )
    generated: int = Field(default=5000, ge=2, le=1_000_000, description="generated images per score")
    reference: Literal["train", "held_out"] = Field(
        default="train", description="the real images that scores compare with"
    )
    points: int = Field(default=5, ge=1, le=1000, description="evaluations per run, evenly spaced, the last at the end")
    metrics: tuple[str, ...] = Field(
        default=(),
        strict=False,
        description="further metrics that are measured as well: clipped_density, clipped_coverage, those of installed packages or files of your own",
        json_schema_extra={"later": True},
    )

    @field_validator("features")
    @classmethod
    def _features(cls, value: str) -> str:
        if kinds.is_own(value) or kinds.is_file(value):
            return value
        endings = [f".{name}" for name in kinds.parts("features_file")]
        if value.endswith((*endings, ".py")):
            raise PydanticCustomError(
                "part",
                "allowed is the name of a file beside the study file, or in a folder there: neither absolute nor with ..",
            )
        return _of(value, kinds.known("features"))

    @field_validator("metrics")
    @classmethod
    def _metrics(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        metrics: dict[str, Any] = kinds.parts("metric")
        optional = [name for name, part in metrics.items() if part.optional]
        for name in value:
            if kinds.is_own(name):
                continue
            _of(name, optional)
        if len(set(value)) < len(value):
            raise PydanticCustomError("part", "allowed is each metric once")
        return value


class SpaceSpec(Section):
    """Nuisance hyperparameters: sampled at the same points for every schedule, or fixed."""

    peak: Parameter = Field(description="peak learning rate (gan: of the generator); above 0, at most 10")
    discriminator_ratio: Parameter = Field(
        default=1.0, description="the discriminator's peak divided by the generator's (TTUR); above 0, at most 1000"
    )
    warmup: Parameter = Field(
        default=0.0, description="fraction of all steps over which the rate rises to its peak; 0 to 0.9"
    )
    weight_decay: Parameter | None = Field(
        default=None,
        description="decoupled weight decay: each update first takes this times the rate off each weight; the optimizer's own setting unless set; 0 to 1",
        json_schema_extra={"later": True},
    )

    @field_validator("peak")
    @classmethod
    def _peak(cls, value: Parameter) -> Parameter:
        return limits(value, name="peak", low=0.0, high=10.0, open_low=True)

    @field_validator("discriminator_ratio")
    @classmethod
    def _ratio(cls, value: Parameter) -> Parameter:
        return limits(value, name="discriminator_ratio", low=0.0, high=1000.0, open_low=True)

    @field_validator("warmup")
    @classmethod
    def _warmup(cls, value: Parameter) -> Parameter:
        return limits(value, name="warmup", low=0.0, high=0.9)

    @field_validator("weight_decay")
    @classmethod
    def _decay(cls, value: Parameter | None) -> Parameter | None:
        return weight_decay(value)


class SearchSpec(Section):
    """Phase 1: the same number of trials for every schedule."""

    trials: int = Field(default=8, ge=0, le=100_000, description="search trials per schedule")
    sampler: Literal["sobol", "random", "tpe"] = Field(
        default="sobol",
        description="sobol: one scrambled sequence, same points for all; random: independent points, same for all; tpe: one tuner per schedule that sees only its own",
    )
    allocation: Literal["balanced", "adaptive"] = Field(
        default="balanced",
        description="adaptive: Optuna's TPE chooses the schedule as well (budgets become unequal)",
    )
    round: int = Field(
        default=4,
        ge=1,
        le=1000,
        description="size of a batch of proposals of tpe, so that the order of finishing does not matter",
    )
    choice: Literal["best", "curve"] = Field(
        default="best",
        description="which configuration the search chooses: that of the best run, or the best by a smooth curve through all runs",
        json_schema_extra={"later": True},
    )


class ReplicatesSpec(Section):
    """How often the whole tuning is repeated, each time with other search points and seeds; the looks at what they say."""

    min: int = Field(default=1, ge=1, le=1000, description="replicates before the first look")
    max: int = Field(default=1, ge=1, le=1000, description="replicates at most; 1: one tuning")
    every: int = Field(default=5, ge=1, le=1000, description="further replicates between two looks")
    beyond: int = Field(
        default=0,
        ge=0,
        le=1000,
        description="replicates after the plan's end, of what is still undecided: exploratory, they change no verdict",
    )

    @property
    def looks(self) -> tuple[int, ...]:
        """Numbers of replicates at which the verdicts are looked at; the last is `max`."""
        return (*range(self.min, self.max, self.every), self.max)

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.min > self.max:
            raise ValueError(f"min is {self.min}, but allowed is at most replicates.max = {self.max}")
        if self.beyond and self.max == 1:
            raise ValueError(
                f"beyond is {self.beyond}, but replicates.max is 1: one tuning has no plan of looks to go beyond"
            )
        return self


class SelectSpec(Section):
    """Phase 2: the best configurations of the search again, on fresh seeds; may be left out."""

    top: int = Field(default=0, ge=0, le=100, description="configurations per schedule; 0 leaves the phase out")
    seeds: int = Field(default=3, ge=1, le=1000, description="fresh seeds per configuration")


class ConfirmSpec(Section):
    """Phase 3: one configuration per schedule on fresh seeds; the verdicts rest on it alone."""

    seeds: int = Field(default=10, ge=1, le=10_000, description="fresh seeds per schedule")


class VarianceSpec(Section):
    """Phase 4: the confirmed configurations again with one kind of seed changed at a time, to see where the spread comes from."""

    seeds: int = Field(default=10, ge=2, le=1000, description="seeds per source and schedule")
    sources: tuple[Literal["weights", "data", "latents", "evaluation"], ...] = Field(
        default=tuple(SOURCES),  # type: ignore[arg-type]  # the same names, once as types
        min_length=1,
        strict=False,
        description="what is changed: initial weights, order of the data, latents and noise of training, latents of evaluation",
    )
    schedules: tuple[Name, ...] = Field(
        default=(), strict=False, description="schedules that are looked at; all unless named"
    )

    def runs(self, source: str) -> int:
        """Runs of a schedule for one source: of evaluation one serves SETS sets of latents."""
        if source not in self.sources:
            return 0
        return -(-self.seeds // SETS) if source == "evaluation" else self.seeds

    def of(self, schedule: str) -> int:
        """Runs of a schedule in all."""
        return sum(map(self.runs, self.sources)) if not self.schedules or schedule in self.schedules else 0

    @field_validator("sources", "schedules")
    @classmethod
    def _once(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        if len(set(value)) < len(value):
            raise PydanticCustomError("part", "allowed is each name once")
        return value


class SafetySpec(Section):
    """What happens when something breaks."""

    checkpoint_seconds: FiniteFloat = Field(default=60.0, gt=0, description="time between checkpoints of a run")
    retries: int = Field(default=2, ge=0, le=100, description="times a failed run is tried again with the same seeds")
    share: bool = Field(
        default=True,
        description="whether steps that several runs have in common are trained once; no number depends on it",
        json_schema_extra={"later": True},
    )


def _said(text: str) -> Any:
    return Field(default="", description=text, max_length=2000, json_schema_extra={"later": True})


class PublishedSpec(Section):
    """What is published about the setting that the study is made after: words for readers, which no run depends on."""

    source: str = _said("paper and code")
    figure: str = _said("the published score, with its name")
    schedule: str = _said("the published schedule")
    average: str = _said("whether weights were averaged, and how")
    step: str = _said("what a step counts in the source: updates of which network, epochs, images")
    protocol: str = _said("how the figure was measured: images, reference, features")
    gpu_hours: FiniteFloat | None = Field(
        default=None, gt=0, description="estimated hours on one GPU, per run", json_schema_extra={"later": True}
    )
    differences: str = _said("what differs here")
    comparison: str = _said("which comparison of schedules the study makes possible")

    @property
    def said(self) -> dict[str, str | float]:
        """What is given, by key, in order."""
        values = {key: getattr(self, key) for key in type(self).model_fields}
        return {key: value for key, value in values.items() if value not in ("", None)}


def _network_of_a_file(raw: dict[str, Any]) -> dict[str, Any]:
    """A study whose [network] has `file` and `make` with the `name` that they are another way to write."""
    network = raw.get("network")
    if not isinstance(network, dict) or not isinstance(network.get("file"), str):
        return raw
    if "name" in network:
        raise ValueError("network has a name and a file: give one of them")
    named = f"{network['file']}:{network.get('make', 'build')}"
    if not kinds.is_own(named):
        raise ValueError(
            f"network.file is {network['file']!r} with make {network.get('make', 'build')!r}, but allowed is the name of a "
            "Python file beside the study file, and the name of a function or class in it"
        )
    others = {key: value for key, value in network.items() if key not in ("file", "make")}
    return {**raw, "network": {"name": named, **others}}


class StudySpec(Section):
    """A whole study."""

    name: Name = Field(description="short name, also of the results folder")
    title: str = Field(default="", max_length=200, description="headline of the report")
    seed: int = Field(default=0, ge=0, lt=2**63, description="every random draw of the study derives from it")
    model: AnyModel = Field(
        default_factory=lambda: default_of(ModelSpec, "gan"),
        description="kind of model",
        json_schema_extra={"later": True},
    )
    question: QuestionSpec = Field(default_factory=QuestionSpec)
    data: DataSpec
    network: AnyNetwork = Field(
        default_factory=lambda: default_of(NetworkSpec, "dcgan"), description="the networks of the model"
    )
    train: TrainSpec
    evaluate: EvaluateSpec
    space: SpaceSpec
    schedules: dict[Name, ScheduleSpec] = Field(min_length=1, max_length=50)
    search: SearchSpec = Field(default_factory=SearchSpec)
    select: SelectSpec = Field(default_factory=SelectSpec)
    confirm: ConfirmSpec = Field(default_factory=ConfirmSpec)
    replicates: ReplicatesSpec = Field(default_factory=ReplicatesSpec, json_schema_extra={"later": True})
    variance: VarianceSpec | None = Field(default=None, json_schema_extra={"later": True})
    safety: SafetySpec = Field(default_factory=SafetySpec)
    published: PublishedSpec = Field(default_factory=PublishedSpec, json_schema_extra={"later": True})
    code: dict[str, Sha256] = Field(
        default_factory=dict,
        description="SHA-256 of every file of your own that a key names; filled in",
        json_schema_extra={"later": True},
    )
    _sources: dict[str, bytes] = PrivateAttr(default_factory=dict)

    @property
    def sources(self) -> dict[str, bytes]:
        """The content of the files of `code` by name, which go with the study to every worker.

        Python files are not among them where the user has not allowed that they are executed.
        """
        return self._sources

    def with_code(self, code: dict[str, str], sources: dict[str, bytes]) -> Self:
        """The study with the sums of its files and, where they may be executed, their content."""
        made = self.model_copy(update={"code": code})
        made._sources = dict(sources)
        return made

    def named_code(self) -> list[Named]:
        """Every key that names a file of the user's own."""
        named = [
            Named("model.name", "model", self.model.name),
            Named("network.name", "network", self.network.name),
            Named("train.loss", "loss", self.train.loss.name),
            Named("train.optimizer", "optimizer", self.train.optimizer.name),
            *(
                Named(f"train.penalties[{index}]", "penalty", each.name)
                for index, each in enumerate(self.train.penalties)
            ),
            *(
                Named(f"train.augment[{index}]", "augmentation", each.name)
                for index, each in enumerate(self.train.augment)
            ),
            *(Named(f"schedules.{label}.kind", "schedule", each.kind) for label, each in self.schedules.items()),
            *(
                Named(f"schedules.{label}.{network}.kind", "schedule", shape.kind)
                for label, each in self.schedules.items()
                for network, shape in each.networks.items()
            ),
            *(
                Named(f"schedules.{label}.optimizer", "optimizer", each.optimizer.name)
                for label, each in self.schedules.items()
                if each.optimizer is not None
            ),
            Named("evaluate.features", "features", self.evaluate.features),
            *(Named("evaluate.metrics", "metric", name) for name in self.evaluate.metrics),
        ]
        return [each for each in named if kinds.is_own(each.name)]

    def named_networks(self) -> list[Named]:
        """Every key that names a file with a feature network."""
        features = self.evaluate.features
        return [Named("evaluate.features", "features", features)] if kinds.is_file(features) else []

    @model_validator(mode="before")
    @classmethod
    def _network_of_the_model(cls, raw: Any) -> Any:
        """Networks that are not named are those of the model."""
        if not isinstance(raw, dict) or not isinstance(raw.get("network", {}), dict):
            return raw
        raw = _network_of_a_file(raw)
        named = raw.get("model")
        name = named.get("name", "gan") if isinstance(named, dict) else getattr(named, "name", "gan")
        part: Any = kinds.parts("model").get(str(name))
        if (kinds.is_own(str(name)) or getattr(part, "network", "dcgan") == "") and "name" not in raw.get(
            "network", {}
        ):
            raise ValueError(f"model.name is '{name}', which needs network.file: a Python file beside the study file")
        return {**raw, "network": {"name": getattr(part, "network", "dcgan"), **raw.get("network", {})}}

    @field_validator("schedules", mode="before")
    @classmethod
    def _kind_from_label(cls, raw: Any) -> Any:
        """A schedule without `kind` is of the kind its label names."""
        if not isinstance(raw, dict):
            return raw
        return {
            label: {"kind": label, **body} if isinstance(body, dict) and "kind" not in body else body
            for label, body in raw.items()
        }

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.question.baseline not in self.schedules:
            raise ValueError(
                f"question.baseline is '{self.question.baseline}', but allowed is one of the schedules: "
                f"{', '.join(self.schedules)}"
            )
        if len({label.casefold() for label in self.schedules}) < len(self.schedules):
            raise ValueError("schedules has two labels that differ only in case, which would share files")
        if self.evaluate.points > self.train.steps:
            raise ValueError(
                f"evaluate.points is {self.evaluate.points}, but allowed is at most train.steps = {self.train.steps}"
            )
        for label, schedule in self.schedules.items():
            if (schedule.steps or 0) > self.train.steps:
                raise ValueError(
                    f"schedules.{label}.steps is {schedule.steps}, but allowed is at most train.steps = {self.train.steps}"
                )
        if faults := list(self._model_faults()):
            raise ValueError("\n".join(faults))
        sampled = [key for key in self.shared_parameters if isinstance(getattr(self.space, key), Range)]
        if self.search.trials == 0 and (sampled or any(self.own_space(label) for label in self.schedules)):
            names = [f"space.{key}" for key in sampled] or ["a schedule's own range"]
            raise ValueError(f"search.trials is 0, but {names[0]} is a range: give it one value, or allow trials")
        if self.select.top > self.search.trials:
            raise ValueError(
                f"select.top is {self.select.top}, but allowed is at most search.trials = {self.search.trials}"
            )
        of_ratios = _primary_scores(ratios=True)
        if self.question.scale == "relative" and self.question.score not in of_ratios:
            raise ValueError(
                f"question.scale is 'relative', but question.score is '{self.question.score}', which may be negative; ratios "
                f"are allowed of: {', '.join(of_ratios)}"
            )
        if self.replicated and self.search.allocation == "adaptive":
            raise ValueError(
                f"replicates.max is {self.replicates.max}, but search.allocation is 'adaptive', which may leave a schedule "
                "out of a replicate; allowed is 'balanced'"
            )
        if self.variance is not None:
            self._check_variance(self.variance)
        return self

    def _check_variance(self, variance: VarianceSpec) -> None:
        """Raise ValueError where the sources of the spread cannot be told."""
        if self.replicated:
            raise ValueError(
                f"variance.seeds is {variance.seeds}, but replicates.max is {self.replicates.max}: replicates differ in their "
                "configurations, too; allowed is [variance] in a study that tunes once"
            )
        for label in variance.schedules:
            if label not in self.schedules:
                raise ValueError(
                    f"variance.schedules has '{label}', but allowed is one of the schedules: {', '.join(self.schedules)}"
                )

    def _model_faults(self) -> Iterator[str]:
        """What the kind of model has no use for, or no network for."""
        model, network = self.model.part, self.network.part
        own_model = kinds.is_own(model.name)
        if not own_model and network.model not in ("", model.name):
            parts: dict[str, Any] = kinds.parts("network")
            names = ", ".join(name for name, part in parts.items() if part.model == model.name) or "files of your own"
            yield f"network.name is '{network.name}', but model.name is '{model.name}', whose networks are: {names}"
        allowed = [schedules.ALL, *model.networks]
        if model.networks and self.train.applies_to not in allowed:  # else a worker knows the networks
            yield f"train.applies_to is {self.train.applies_to!r}, but allowed is one of: {', '.join(allowed)}"
        if model.networks:
            for label in self.schedules:
                yield from self.scope_faults(label, model.networks)
        yield from self._course_faults()
        models: dict[str, Any] = kinds.parts("model")
        for key in () if own_model else sorted({key for part in models.values() for key in part.reads}):
            if key not in model.reads and self.train.sets(key):
                readers = " or ".join(f"'{name}'" for name, part in models.items() if key in part.reads)
                yield f"train.{key} is set, but only model.name {readers} reads it, and model.name is '{model.name}'"
        if not own_model and self.train.scheduled.penalty is not None and "penalties" not in model.reads:
            yield f"train.scheduled.penalty is set, but model.name is '{model.name}', which has no penalties"
        reads = (lambda key: True) if own_model else model.reads.__contains__  # what it does not read is said above
        if self.train.generator_batch is not None and self.train.updates != "alternating" and reads("generator_batch"):
            yield (
                f"train.generator_batch is {self.train.generator_batch}, but the generator has a batch of its own only with "
                'train.updates = "alternating"'
            )
        if self.train.conditional and reads("conditional"):
            yield from self._class_faults()
        if not model.ratio and self.space.sets("discriminator_ratio"):
            yield f"space.discriminator_ratio is set, but model.name is '{model.name}', which has no discriminator"

    def _course_faults(self) -> Iterator[str]:
        """What would follow a schedule's shape where the schedule is a rule, which has none."""
        rules = [label for label, each in self.schedules.items() if schedules.is_rule(each.kind)]
        for name, course in self.train.scheduled.courses():
            if rules and course.kind is None:
                yield (
                    f"train.scheduled.{name} has no kind, so it follows each schedule's shape, but '{rules[0]}' is a rule, "
                    "which is known step by step: give it a kind"
                )

    def _class_faults(self) -> Iterator[str]:
        """What stands in the way of networks that see the class of each image."""
        parts: dict[str, Any] = kinds.parts("network")
        network = self.network.part
        if not kinds.is_own(network.name) and not network.conditional:
            allowed = ", ".join(
                name for name, part in parts.items() if part.conditional and part.model == network.model
            )
            yield (
                f"train.conditional is true, but the networks of network.name '{network.name}' see no classes; "
                f"{f'those of {allowed} do' if allowed else 'no networks of this model do'}"
            )
        data: Any = kinds.find("data", self.data.name, key="data.name")
        if not data.classes:
            sets: dict[str, Any] = kinds.parts("data")
            allowed = ", ".join(name for name, part in sets.items() if part.classes)
            yield f"train.conditional is true, but data.name is '{self.data.name}', without classes; {allowed} have them"

    def scope_faults(self, label: str, networks: Sequence[str]) -> Iterator[str]:
        """What a schedule says of networks that a model with these `networks` does not have."""
        schedule, allowed = self.schedules[label], (schedules.ALL, *networks)
        if schedule.applies_to is not None and schedule.applies_to not in allowed:
            key = f"schedules.{label}.applies_to"
            yield f"{key} is {schedule.applies_to!r}, but allowed is one of: {', '.join(allowed)}"
        for network in schedule.networks:
            if network not in networks:
                yield (
                    f"schedules.{label}.{network} is a shape of a network's own, but the networks of model.name "
                    f"'{self.model.name}' are: {', '.join(networks)}"
                )
        if schedule.applies_to in (None, *allowed) and self.train.applies_to in allowed:
            yield from self._rule_faults(label, networks)

    def _rule_faults(self, label: str, networks: Sequence[str]) -> Iterator[str]:
        """Why a schedule's rules, or tables by step, cannot train such a model."""
        schedule, arm = self.schedules[label], self.arm(label)
        for place, shape in schedule.shapes().items():
            if schedules.is_unread(shape.kind):  # a worker looks again
                continue
            key = f"schedules.{label}.{place}.kind" if place else f"schedules.{label}.kind"
            followers = (place,) if place else arm.following(networks)
            for made in shape.made():
                fault = self._rule_fault(made, label, followers, networks) if followers else None
                if fault is not None:
                    yield f"{key} is '{shape.kind}', {fault}"
                    break

    def _rule_fault(self, made: Any, label: str, followers: Sequence[str], networks: Sequence[str]) -> str | None:
        only = getattr(made, "network", "")
        if only and only not in networks:
            names = ", ".join(networks)
            return f"which sets the rate of a {only}, but the networks of model.name '{self.model.name}' are: {names}"
        if only and tuple(followers) != (only,):
            return f'which sets the rate of the {only} alone: add applies_to = "{only}", or a table of that network with this kind'
        refuses = getattr(made, "refuses", None)
        refused = refuses(self.rule_run(label)) if refuses is not None else None
        return None if refused is None else f"but {refused}"

    def rule_run(self, label: str) -> Run:
        """What rules know in advance of the runs of a schedule."""
        return Run(self.steps(label), self._ideal_loss, self.evaluate.generated)

    def images_shown(self, label: str) -> int:
        """How many generated images a schedule's rules look at in a run; of searched settings, where they look at fewest."""
        shown = 0
        for shape in self.schedules[label].shapes().values():
            if schedules.is_rule(shape.kind):
                rules: list[Any] = list(shape.made())
                shown += min(
                    self.steps(label) // rule.every * min(rule.images, self.evaluate.generated) for rule in rules
                )
        return shown

    @property
    def _ideal_loss(self) -> float | None:
        """The discriminator's loss, with its penalties, in an ideal game; None where that is not known."""
        model = self.model.part
        if "loss" not in model.reads:
            return getattr(model, "ideal", None)
        loss = self.train.loss.part
        penalties = [each.part for each in self.train.penalties]
        if loss.penalty:
            penalties.append(kinds.find("penalty", loss.penalty, key="train.loss"))
        return loss.ideal if all(each.vanishes for each in penalties) else None

    @property
    def replicated(self) -> bool:
        """Whether the whole tuning is repeated, so that verdicts are about tuned schedules and not configurations."""
        return self.replicates.max > 1

    def seed_of(self, replicate: int | None) -> int:
        """The seed that a replicate's points and runs derive from: each is the study with another seed, the first its own."""
        return derive(self.seed, "replicate", replicate) if replicate else self.seed

    @property
    def shared_parameters(self) -> tuple[str, ...]:
        """The hyperparameters that all schedules share; those that came later stand last, so that no point moves."""
        ratio = ("discriminator_ratio",) if self.model.part.ratio else ()
        decay = () if self.space.weight_decay is None else ("weight_decay",)
        return ("peak", *ratio, "warmup", *decay)

    @property
    def controls(self) -> tuple[str, ...]:
        """What else than rates changes within runs, or from run to run: of arms.CONTROLS, in that order."""
        named = {name for name, _ in self.train.scheduled.courses()}
        decays = (self.space.weight_decay, *(each.weight_decay for each in self.schedules.values()))
        if any(decay is not None for decay in decays):
            named.add("weight_decay")
        return tuple(name for name in arms.CONTROLS if name in named)

    def steps(self, label: str) -> int:
        """How many steps the runs of a schedule have."""
        return self.schedules[label].steps or self.train.steps

    def arm(self, label: str) -> arms.Arm:
        """Which shapes the networks follow under a schedule."""
        return self.schedules[label].arm(self.train.applies_to)

    def optimizer(self, label: str) -> OptimizerSpec:
        """The optimizer that a schedule's runs are trained with."""
        return self.schedules[label].optimizer or self.train.optimizer

    def precision(self, label: str) -> Precision:
        """The arithmetic of the layers in a schedule's runs."""
        return self.schedules[label].precision or self.train.precision

    def trained_with(self, label: str) -> TrainedWith:
        """What the model of a schedule's runs is built with: schedules of equal ones share a model."""
        return TrainedWith(self.optimizer(label), self.precision(label))

    @property
    def mixes_precisions(self) -> bool:
        """Whether schedules differ in their precision."""
        return len({self.precision(label) for label in self.schedules}) > 1

    @property
    def optimizers(self) -> list[OptimizerSpec]:
        """The optimizers of all schedules, each once."""
        found: list[OptimizerSpec] = []
        for label in self.schedules:
            if self.optimizer(label) not in found:
                found.append(self.optimizer(label))
        return found

    @property
    def headline(self) -> str:
        """The title, or the name where there is none."""
        return self.title or self.name

    def shared_space(self) -> dict[str, Range]:
        """The shared parameters that the search samples, in a fixed order."""
        values = {key: getattr(self.space, key) for key in self.shared_parameters}
        return {key: value for key, value in values.items() if isinstance(value, Range)}

    def own_space(self, label: str) -> dict[str, Range]:
        """What is of one schedule alone and sampled by the search: fields, and what it has instead of a shared one."""
        return {key: value for key, value in self.schedules[label].parameters.items() if isinstance(value, Range)}

    def sampled(self, label: str) -> dict[str, Range]:
        """All that the search samples of one schedule: shared parameters, then its own."""
        fixed = self.fixed(label)
        sampled = {**self.shared_space(), **self.own_space(label)}
        return {name: limits for name, limits in sampled.items() if name not in fixed}

    def trial_parameter(self, label: str, name: str) -> str:
        """What Optuna calls a parameter: one of a schedule's own carries its label, since another's is another parameter."""
        return name if name in self.shared_space() and name not in self.own_space(label) else f"{label}.{name}"

    def whole(self, label: str) -> frozenset[str]:
        """The parameters of one schedule that are whole numbers."""
        return self.arm(label).whole

    def fixed(self, label: str) -> dict[str, float]:
        """The shared parameters and fields of one schedule that have one value."""
        values: dict[str, Parameter] = {key: getattr(self.space, key) for key in self.shared_parameters}
        values |= self.schedules[label].parameters
        return {key: value for key, value in values.items() if not isinstance(value, Range)}


def slug(label: str) -> str:
    """`label` as part of a file name: every character that is not a letter, digit, dot or dash becomes '_'."""
    return re.sub(r"[^\w.-]", "_", label)
