"""Kernel distance of features (KID; Bińkowski et al. 2018), over all pairs."""

from __future__ import annotations

from harness.metrics.kernel import Reference, distance_to, error_to
from harness.metrics.metric import MetricPart
from harness.metrics.sample import Real, Sample


class KernelDistance:
    """Squared maximum mean discrepancy to as many images of the reference as are generated."""

    def prepare(self, real: Real) -> Reference:
        """The real features, with the sums over them that every score needs."""
        return Reference.of(real.sample.features)

    def score(self, sample: Sample, prepared: Reference) -> float:
        """The unbiased estimate over all pairs, which may be slightly below 0."""
        return distance_to(_once(sample), prepared)

    def error(self, sample: Sample, prepared: Reference) -> float:
        """The jackknife's over the generated images."""
        return error_to(_once(sample), prepared)

    def protocol(self, real: Real) -> str:
        """How many images are on either side, and the kernel."""
        return f"{real.generated} generated against {real.sampled} {real.reference} images, degree 3"


def _once(sample: Sample) -> Reference:
    """The features of a sample with the sums over them that its score and its standard error share."""
    return sample.once("kernel distance", lambda: Reference.of(sample.features))


PART = MetricPart(
    name="kid",
    title="kernel distance",
    help="squared maximum mean discrepancy of features, unbiased, all pairs",
    direction="lower",
    needs="features",
    primary=True,
    fewest=3,
    family="KID",
    position=20,
    build=KernelDistance,
)
