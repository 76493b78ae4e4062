"""Precision and recall of features (Kynkäänniemi et al. 2019): each side's share within the other's neighbourhoods."""

from __future__ import annotations

from harness.metrics import neighbours
from harness.metrics.metric import MetricPart
from harness.metrics.neighbours import Manifold
from harness.metrics.sample import Real, Sample

NEIGHBOURS = 3


class Precision:
    """Share of generated images that lie among real ones."""

    def prepare(self, real: Real) -> Manifold:
        """The real neighbourhoods."""
        return real.sample.manifold(NEIGHBOURS)

    def score(self, sample: Sample, prepared: Manifold) -> float:
        """The share, in [0, 1]."""
        return neighbours.share_inside(sample.near, prepared)

    def protocol(self, real: Real) -> str:
        """How many images are on either side."""
        return protocol(real)


class Recall:
    """Share of real images that lie among generated ones."""

    def prepare(self, real: Real) -> Manifold:
        """The real neighbourhoods."""
        return real.sample.manifold(NEIGHBOURS)

    def score(self, sample: Sample, prepared: Manifold) -> float:
        """The share, in [0, 1]."""
        return neighbours.share_inside(prepared.features, sample.manifold(NEIGHBOURS))

    def protocol(self, real: Real) -> str:
        """How many images are on either side."""
        return protocol(real)


def protocol(real: Real) -> str:
    """How many images of either side neighbour metrics look at."""
    return f"{real.near} generated against {len(real.sample.near)} {real.reference} images"


PARTS = (
    MetricPart(
        name="precision",
        title="precision",
        help="share of generated images among real ones (k = 3)",
        direction="higher",
        needs="features",
        fewest=6,
        family="neighbour metrics",
        position=30,
        build=Precision,
    ),
    MetricPart(
        name="recall",
        title="recall",
        help="share of real images among generated ones (k = 3)",
        direction="higher",
        needs="features",
        fewest=6,
        family="neighbour metrics",
        position=31,
        build=Recall,
    ),
)
