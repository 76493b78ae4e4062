"""Memorisation: generated images that are next to copies of a training image."""

from __future__ import annotations

from harness.metrics import neighbours
from harness.metrics.metric import MetricPart
from harness.metrics.neighbours import Manifold
from harness.metrics.sample import Real, Sample


class Memorised:
    """Share of generated images nearer to a training image than half that one's distance to its next of kin."""

    def prepare(self, real: Real) -> Manifold:
        """Training images with the distance of each to its nearest other."""
        return real.train.manifold(1)

    def score(self, sample: Sample, prepared: Manifold) -> float:
        """The share: near 0 for fresh images, 1 for copies."""
        return neighbours.memorised(sample.near, prepared)

    def protocol(self, real: Real) -> str:
        """How many images are compared with how many training images."""
        return f"{real.near} generated against {len(real.train.near)} training images"


PART = MetricPart(
    name="memorised",
    title="memorised",
    help="share of generated images that are next to copies of a training image",
    direction="lower",
    needs="features",
    fewest=6,
    family="neighbour metrics",
    position=50,
    build=Memorised,
)
