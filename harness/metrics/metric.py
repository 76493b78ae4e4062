"""A metric: how it declares itself, what it does, and which metrics are measured.

A metric is one file in `harness.metrics.scores`, in an installed package or beside a study: a declaration, `PART`, and
the class that it builds. `Evaluator`, `python -m harness.metrics`, the study file and the report read the declarations.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, Protocol, cast, runtime_checkable

from harness import kinds
from harness.kinds import KindError, Part
from harness.metrics.sample import Real, Sample
from harness.scores import ScoreName

Direction = Literal["lower", "higher", "one"]
Needs = Literal["moments", "features", "pixels"]


class NoScore(ValueError):
    """These real images cannot be compared with; the message says why, such as "real images have no noise content"."""


class Metric(Protocol):
    """What a metric's declaration builds: a class without state."""

    def prepare(self, real: Real) -> Any:
        """What `score` needs of the real images, computed once and kept; raises NoScore where they allow no score."""

    def score(self, sample: Sample, prepared: Any) -> float:
        """The score of a sample of images against what was prepared."""

    def protocol(self, real: Real) -> str:
        """How it is measured, in words: how many images, and with what settings."""


@runtime_checkable
class Estimator(Metric, Protocol):
    """A metric that knows how sure a score of so many generated images is."""

    def error(self, sample: Sample, prepared: Any) -> float:
        """The standard error of `score` for want of generated images, the real ones being given; NaN where it is not known."""


@dataclass(frozen=True, kw_only=True)
class MetricPart(Part):
    """The declaration of a metric, which `build` returns without arguments.

    `direction` says what is better: "lower", "higher", or "one" where real images score 1. `needs` is what it is
    computed from: features, their moments alone, or pixels; a score of pixels names no feature network.
    `floor` says whether real images can be scored as well; a metric that compares with both splits of them (training,
    held out) cannot. `primary` says whether verdicts may rest on it, `ratios` whether it is never negative, so that they may
    be about ratios of scores. `optional` metrics are measured only where a study
    names them. It needs `fewest` images on either side; `family` is what messages call it and those that need as many.
    Tables, too, list metrics by `position`.
    """

    role: ClassVar[str] = "metric"
    title: str
    direction: Direction
    needs: Needs
    floor: bool = True
    primary: bool = False
    ratios: bool = False
    optional: bool = False
    fewest: int = 1
    family: str = ""

    def __post_init__(self) -> None:
        if self.primary and (self.direction != "lower" or self.needs == "pixels" or not self.floor):
            raise KindError(
                f"metric {self.name!r} cannot be a primary score: lower must be better, and it must be of features "
                "and measurable on real images"
            )

    def metric(self) -> Metric:
        """The metric itself."""
        return cast(Metric, self.builder())

    def score_name(self, features: str, count: int) -> ScoreName:
        """The full name of its score of `count` images in the features of a network."""
        return ScoreName(self.name, "" if self.needs == "pixels" else features, count)


@dataclass(frozen=True)
class Measure:
    """A metric with what it prepared of real images; `fault` says why these allow no score."""

    part: MetricPart
    metric: Metric
    prepared: Any = None
    fault: str = ""

    @classmethod
    def of(cls, part: MetricPart, real: Real) -> Measure:
        """The metric of a declaration, prepared."""
        metric = part.metric()
        try:
            return cls(part, metric, metric.prepare(real))
        except NoScore as reason:
            return cls(part, metric, fault=str(reason))

    def score(self, sample: Sample) -> float:
        """The score of a sample; infinite where the real images allow none."""
        return float("inf") if self.fault else self.metric.score(sample, self.prepared)

    def error(self, sample: Sample) -> float:
        """The standard error of that score; NaN where the metric does not know it, or the real images allow none."""
        if self.fault or not isinstance(self.metric, Estimator):
            return float("nan")
        return self.metric.error(sample, self.prepared)


def declared() -> dict[str, MetricPart]:
    """Every metric by name, in the order of tables."""
    return {name: cast(MetricPart, part) for name, part in kinds.parts("metric").items()}


def primaries() -> list[str]:
    """The metrics that a verdict may rest on."""
    return [name for name, part in declared().items() if part.primary]


def extras() -> list[str]:
    """The metrics that are measured only where a study names them."""
    return [name for name, part in declared().items() if part.optional]


def chosen(names: Iterable[str] = ()) -> dict[str, MetricPart]:
    """The metrics of every study and those named, in the order of tables; KindError names one that does not exist."""
    named = [kinds.find("metric", name, key="evaluate.metrics").name for name in names]
    return {name: part for name, part in declared().items() if not part.optional or name in named}


def score_name(metric: str, features: str, count: int) -> ScoreName:
    """The full name of a metric's score: `fid_inception_10k`; KindError for an unknown metric."""
    return cast(MetricPart, kinds.find("metric", metric, key="metric")).score_name(features, count)
