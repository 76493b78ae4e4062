"""Noise of generated images beside that of real ones, estimated on pixels (Immerkær 1996)."""

from __future__ import annotations

from harness.metrics.metric import MetricPart, NoScore
from harness.metrics.sample import Real, Sample


class NoiseRatio:
    """Estimated noise level of generated images divided by that of real ones."""

    def prepare(self, real: Real) -> float:
        """The noise level of real images, in grey levels."""
        level = real.sample.measured.noise_level
        if not level > 0:
            raise NoScore("real images have no noise content")
        return level

    def score(self, sample: Sample, prepared: float) -> float:
        """The ratio: 1 is as real images, above it noisier."""
        return sample.measured.noise_level / prepared

    def protocol(self, real: Real) -> str:
        """How many images are on either side, and whose estimate it is."""
        return f"{real.generated} generated, {real.sampled} real ({real.reference}) images, Immerkær's estimate"


PART = MetricPart(
    name="noise_ratio",
    title="noise ratio",
    help="estimated pixel noise of generated images divided by that of real ones",
    direction="one",
    needs="pixels",
    position=70,
    build=NoiseRatio,
)
