"""Fréchet distance of features (FID; Heusel et al. 2017)."""

from __future__ import annotations

from harness.metrics.frechet import Moments, frechet_between, frechet_distance, frechet_jackknife, frechet_to
from harness.metrics.metric import MetricPart
from harness.metrics.sample import Features, Real, Sample

DIMENSIONS = 512  # features per image up to which a jackknife costs little beside the images
BLOCKS = 20


class FrechetDistance:
    """Distance to all images of the reference."""

    def prepare(self, real: Real) -> Moments | Features:
        """Moments of the reference; its features where these are no more than there are dimensions."""
        if real.moments is not None:
            return real.moments
        features = real.sample.features
        return Moments.of(features) if len(features) > features.shape[1] else features

    def score(self, sample: Sample, prepared: Moments | Features) -> float:
        """The distance; of statistics from their moments."""
        if not isinstance(prepared, Moments):
            return frechet_between(sample.features, prepared)
        if sample.moments is not None:
            return frechet_distance(sample.moments, prepared)
        return frechet_to(sample.features, prepared)

    def error(self, sample: Sample, prepared: Moments | Features) -> float:
        """The jackknife's over blocks of generated images; NaN of many dimensions, or of few images."""
        if not isinstance(prepared, Moments) or len(prepared.mean) > DIMENSIONS or len(sample.features) < 2 * BLOCKS:
            return float("nan")
        return frechet_jackknife(sample.features, prepared, blocks=BLOCKS).stderr

    def protocol(self, real: Real) -> str:
        """How many images are on either side."""
        return f"{real.generated} generated against all {real.count} {real.reference} images"


PART = MetricPart(
    name="fid",
    title="Fréchet distance",
    help="distance between Gaussians fitted to real and generated features",
    direction="lower",
    needs="moments",
    primary=True,
    ratios=True,
    position=10,
    build=FrechetDistance,
)
