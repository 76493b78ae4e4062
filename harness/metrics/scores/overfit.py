"""Overfitting: nearer to training images than to ones that no network was trained on."""

from __future__ import annotations

from typing import NamedTuple

from harness.metrics.frechet import Moments, frechet_to
from harness.metrics.metric import MetricPart, NoScore
from harness.metrics.sample import Features, Real, Sample


class Splits(NamedTuple):
    """Moments of as many images of either split."""

    train: Moments
    held_out: Moments


class Overfit:
    """Fréchet distance to held-out images minus that to as many training images."""

    def prepare(self, real: Real) -> Splits:
        """Moments of both splits."""
        train, held_out = _alike(real)
        return Splits(Moments.of(train), Moments.of(held_out))

    def score(self, sample: Sample, prepared: Splits) -> float:
        """The difference, above 0 for images nearer to training ones."""
        return frechet_to(sample.features, prepared.held_out) - frechet_to(sample.features, prepared.train)

    def protocol(self, real: Real) -> str:
        """How many images are generated, and how many of either split they are compared with."""
        return f"{real.generated} generated, {len(_alike(real)[0])} images of either split"


def _alike(real: Real) -> tuple[Features, Features]:
    """Features of as many training as held-out images, no more than are generated."""
    if real.held_out is None:
        raise NoScore("there is one set of real images")
    train, held_out = real.train.features, real.held_out.features
    count = min(real.generated, len(train), len(held_out))
    return train[:count], held_out[:count]


PART = MetricPart(
    name="overfit",
    title="overfitting",
    help="Fréchet distance to held-out minus that to as many training images: above 0 is nearer to training",
    direction="lower",
    needs="features",
    floor=False,
    position=60,
    build=Overfit,
)
