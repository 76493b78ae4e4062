"""Clipped density and clipped coverage of features (Salvy et al., ICLR 2026, arXiv 2507.01761): both read as a share of good images.

No image counts for more than one, and no real outlier spans a large neighbourhood: what made density exceed 1, and made
either of the older pair rise with outliers. Both equal the authors' implementation, k = 5 as there.
"""

from __future__ import annotations

from typing import NamedTuple

from harness.metrics import neighbours
from harness.metrics.frechet import Array
from harness.metrics.metric import MetricPart
from harness.metrics.neighbours import Manifold
from harness.metrics.sample import Real, Sample
from harness.metrics.scores.density_coverage import NEIGHBOURS
from harness.metrics.scores.precision_recall import protocol


class Fidelity(NamedTuple):
    """Real neighbourhoods that are no larger than the median one, and the share of them that real images themselves fill."""

    manifold: Manifold
    of_real: float


class ClippedDensity:
    """How well real neighbourhoods hold each generated image, beside how they hold real ones."""

    def prepare(self, real: Real) -> Fidelity:
        """Neighbourhoods with clipped radii, and what real images score in them."""
        manifold = neighbours.clipped(real.sample.manifold(NEIGHBOURS))
        return Fidelity(manifold, neighbours.filled_by_own(manifold))

    def score(self, sample: Sample, prepared: Fidelity) -> float:
        """The ratio, at most 1."""
        return min(neighbours.filled(sample.near, prepared.manifold) / prepared.of_real, 1.0)

    def protocol(self, real: Real) -> str:
        """How many images are on either side."""
        return protocol(real)


class Coverage(NamedTuple):
    """Real neighbourhoods, and the coverage that 0, 1, … good images among as many as are generated would have."""

    manifold: Manifold
    expected: dict[int, Array]


class ClippedCoverage:
    """Which share of good images, the others far from all real ones, would cover real neighbourhoods as well."""

    def prepare(self, real: Real) -> Coverage:
        """The real neighbourhoods; what is to be expected of a number of images is computed once for each number."""
        return Coverage(real.sample.manifold(NEIGHBOURS), {})

    def score(self, sample: Sample, prepared: Coverage) -> float:
        """The share, in [0, 1]."""
        manifold, count = prepared.manifold, len(sample.near)
        if count not in prepared.expected:
            prepared.expected[count] = neighbours.expected_coverage(manifold.k, real=len(manifold.features), most=count)
        return neighbours.good_share(neighbours.clipped_coverage(sample.near, manifold), prepared.expected[count])

    def protocol(self, real: Real) -> str:
        """How many images are on either side."""
        return protocol(real)


PARTS = (
    MetricPart(
        name="clipped_density",
        title="clipped density",
        help="share of good images that would fill real neighbourhoods as well (k = 5, Salvy et al. 2026)",
        direction="higher",
        needs="features",
        optional=True,
        fewest=6,
        family="neighbour metrics",
        position=42,
        build=ClippedDensity,
    ),
    MetricPart(
        name="clipped_coverage",
        title="clipped coverage",
        help="share of good images that would cover real neighbourhoods as well (k = 5, Salvy et al. 2026)",
        direction="higher",
        needs="features",
        optional=True,
        fewest=6,
        family="neighbour metrics",
        position=43,
        build=ClippedCoverage,
    ),
)
