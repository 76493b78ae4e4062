"""Detail of generated images beside that of real ones: the high-frequency share of their power spectrum."""

from __future__ import annotations

from harness.metrics.metric import MetricPart, NoScore
from harness.metrics.sample import Real, Sample


class HighFrequencyRatio:
    """High-frequency share of the power of generated images divided by that of real ones."""

    def prepare(self, real: Real) -> float:
        """The share in real images, in [0, 1]."""
        share = real.sample.measured.high_frequency_share
        if not share > 0:
            raise NoScore("real images have no high frequency content")
        return share

    def score(self, sample: Sample, prepared: float) -> float:
        """The ratio: 1 is as real images, below it smoother."""
        return sample.measured.high_frequency_share / prepared

    def protocol(self, real: Real) -> str:
        """How many images are on either side, and the window of the spectrum."""
        return f"{real.generated} generated, {real.sampled} real ({real.reference}) images, Hann window"


PART = MetricPart(
    name="high_frequency_ratio",
    title="detail ratio",
    help="high-frequency share of the power spectrum of generated images divided by that of real ones",
    direction="one",
    needs="pixels",
    position=71,
    build=HighFrequencyRatio,
)
