"""Two sets of images compared outside a study: every metric that what is known of them allows, and why others are not had."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

from harness.metrics import spectrum
from harness.metrics.images import Images, Input, alike
from harness.metrics.metric import Measure, MetricPart
from harness.metrics.sample import Real, Sample

Details = Callable[[Sample], Mapping[str, float]]


@dataclass(frozen=True, eq=False)
class InputPixels:
    """Pixels of an input, summed up while its features were computed; a metric that asks for images has them read again."""

    source: Input
    sums: spectrum.PixelSums

    @property
    def noise_level(self) -> float:
        """As `spectrum.noise_level`."""
        return self.sums.noise_level

    @property
    def high_frequency_share(self) -> float:
        """As `spectrum.high_frequency_share`."""
        return self.sums.high_frequency_share

    @cached_property
    def images(self) -> Images:
        """All images in memory, uint8 (n, h, w, c)."""
        return np.stack(alike(list(self.source.images())))


@dataclass(frozen=True)
class Scores:
    """Scores by metric, and a sentence for those that so few images do not allow."""

    values: dict[str, float] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)


class Comparison:
    """The metrics of `parts` against one set of real images, each prepared when it is first measured."""

    def __init__(self, real: Real, parts: Iterable[MetricPart]) -> None:
        self._real = real
        self._parts = [part for part in parts if part.floor]  # others compare with two sets of real images
        self._measures: dict[str, Measure] = {}

    def scores(self, sample: Sample, *, details: Mapping[str, Details]) -> Scores:
        """What can be measured on `sample`; `details` are further numbers by the metric that they stand after."""
        scores = Scores()
        fewest = min(len(sample.features), len(self._real.sample.features))
        too_few: dict[tuple[str, int], list[MetricPart]] = {}
        for part in filter(lambda part: self._allows(part, sample), self._parts):
            if part.needs == "features" and fewest < part.fewest:
                too_few.setdefault((part.family or part.title, part.fewest), []).append(part)
                continue
            measure = self._measure(part)
            if not measure.fault:
                scores.values[part.name] = measure.score(sample)
                scores.values.update(details[part.name](sample) if part.name in details else {})
        for (family, needed), parts in too_few.items():
            verb = "need" if len(parts) > 1 else "needs"
            scores.warnings.append(f"{family} {verb} {needed} images per side, but there are {fewest}: left out")
        return scores

    @property
    def faults(self) -> list[str]:
        """A sentence for each metric, of those that were asked for, which the real images do not allow."""
        return [f"{measure.fault}: {name} is left out" for name, measure in self._measures.items() if measure.fault]

    def _allows(self, part: MetricPart, sample: Sample) -> bool:
        """Whether both sides have what a metric is computed from."""
        sides = (sample, self._real.sample)
        if part.needs == "pixels":
            return all(side.pixels is not None for side in sides)
        return part.needs == "moments" or all(side.moments is None for side in sides)

    def _measure(self, part: MetricPart) -> Measure:
        if part.name not in self._measures:
            self._measures[part.name] = Measure.of(part, self._real)
        return self._measures[part.name]
