"""Density and coverage of features (Naeem et al. 2020), from one pass over the distances."""

from __future__ import annotations

from harness.metrics import neighbours
from harness.metrics.metric import MetricPart
from harness.metrics.neighbours import DensityCoverage, Manifold
from harness.metrics.sample import Real, Sample
from harness.metrics.scores.precision_recall import protocol

NEIGHBOURS = 5


def _measured(sample: Sample, prepared: Manifold) -> DensityCoverage:
    return sample.once(
        ("density and coverage", id(prepared)), lambda: neighbours.density_coverage(sample.near, prepared)
    )


class Density:
    """How many real neighbourhoods hold a generated image."""

    def prepare(self, real: Real) -> Manifold:
        """The real neighbourhoods."""
        return real.sample.manifold(NEIGHBOURS)

    def score(self, sample: Sample, prepared: Manifold) -> float:
        """The average number divided by k: about 1 for real images, and possibly above."""
        return _measured(sample, prepared).density

    def protocol(self, real: Real) -> str:
        """How many images are on either side."""
        return protocol(real)


class Coverage:
    """Share of real neighbourhoods that hold a generated image."""

    def prepare(self, real: Real) -> Manifold:
        """The real neighbourhoods."""
        return real.sample.manifold(NEIGHBOURS)

    def score(self, sample: Sample, prepared: Manifold) -> float:
        """The share, in [0, 1]."""
        return _measured(sample, prepared).coverage

    def protocol(self, real: Real) -> str:
        """How many images are on either side."""
        return protocol(real)


PARTS = (
    MetricPart(
        name="density",
        title="density",
        help="how many real neighbourhoods hold a generated image, on average (k = 5)",
        direction="higher",
        needs="features",
        fewest=6,
        family="neighbour metrics",
        position=40,
        build=Density,
    ),
    MetricPart(
        name="coverage",
        title="coverage",
        help="share of real neighbourhoods that hold a generated image (k = 5)",
        direction="higher",
        needs="features",
        fewest=6,
        family="neighbour metrics",
        position=41,
        build=Coverage,
    ),
)
