"""All scores of a set of generated images in one pass, against a reference that is prepared once and cached."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from harness.data import FEWEST
from harness.metrics import cache as caches
from harness.metrics import neighbours, spectrum
from harness.metrics.frechet import Moments, frechet_to
from harness.metrics.kernel import Reference as KernelReference
from harness.metrics.kernel import distance_to

NEIGHBOURS = 1000  # features of either side that neighbour metrics look at: their cost grows with the square
TRAINING = 5000  # training images that memorisation is looked for among, for the same reason
_BATCH = 1000


class Extractor(Protocol):
    """A feature network."""

    name: str
    sha256: str
    dimensions: int

    def __call__(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Features (n, d) of uint8 images (n, h, w, c)."""


@dataclass(frozen=True)
class Score:
    """What a score measures, and which way is better."""

    title: str
    direction: str
    help: str


SCORES: Mapping[str, Score] = {
    "fid": Score("Fréchet distance", "lower", "distance between Gaussians fitted to real and generated features"),
    "kid": Score("kernel distance", "lower", "squared maximum mean discrepancy of features, unbiased, all pairs"),
    "precision": Score("precision", "higher", "share of generated images among real ones (k = 3)"),
    "recall": Score("recall", "higher", "share of real images among generated ones (k = 3)"),
    "density": Score("density", "higher", "how many real neighbourhoods hold a generated image, on average (k = 5)"),
    "coverage": Score("coverage", "higher", "share of real neighbourhoods that hold a generated image (k = 5)"),
    "memorised": Score("memorised", "lower", "share of generated images that are next to copies of a training image"),
    "overfit": Score(
        "overfitting",
        "lower",
        "Fréchet distance to held-out minus that to as many training images: above 0 is nearer to training",
    ),
    "noise_ratio": Score(
        "noise ratio", "one", "estimated pixel noise of generated images divided by that of real ones"
    ),
    "high_frequency_ratio": Score(
        "detail ratio",
        "one",
        "high-frequency share of the power spectrum of generated images divided by that of real ones",
    ),
}
PIXEL_SCORES = ("noise_ratio", "high_frequency_ratio")


def count_name(count: int) -> str:
    """A number of images as in a score's name: 500, 1k, 5k, 2500, 10k."""
    return f"{count // 1000}k" if count >= 1000 and count % 1000 == 0 else str(count)


def score_name(metric: str, features: str, generated: int) -> str:
    """A score's full name, which is its protocol: `fid_inception_10k`; pixel scores name no features."""
    middle = "" if metric in PIXEL_SCORES else f"_{features}"
    return f"{metric}{middle}_{count_name(generated)}"


@dataclass(frozen=True)
class _Prepared:
    """What is kept of the real images."""

    moments: Moments
    train_moments: Moments
    held_out_moments: Moments
    kernel: KernelReference
    manifold_3: neighbours.Manifold
    manifold_5: neighbours.Manifold
    train_manifold: neighbours.Manifold
    noise: float
    high_frequency: float


class Evaluator:
    """Scores generated images against `reference` ('train' or 'held_out').

    `cache` is a folder for reference features, shared by processes; None keeps none. Raises ValueError if there are too
    few images for the metrics.
    """

    def __init__(
        self,
        extractor: Extractor,
        *,
        train: NDArray[np.uint8],
        held_out: NDArray[np.uint8],
        reference: str,
        generated: int,
        cache: Path | None,
        fingerprint: str,
    ) -> None:
        self.extractor, self.generated = extractor, generated
        self._reference = reference
        self._splits = {"train": train, "held_out": held_out}
        for name, images in self._splits.items():
            if len(images) < FEWEST:
                raise ValueError(f"{name} has {len(images)} images, but scores need at least {FEWEST}")
        self._cache, self._fingerprint = cache, fingerprint
        self._prepared = self._prepare()

    def _prepare(self) -> _Prepared:
        features = {name: self._real_features(name) for name in self._splits}
        count = min(self.generated, *(len(part.sample) for part in features.values()))
        chosen = features[self._reference].sample[: self.generated]
        train = features["train"].sample
        images = _sample(self._splits[self._reference], self.generated)
        near = chosen[:NEIGHBOURS]
        return _Prepared(
            moments=features[self._reference].moments,
            train_moments=Moments.of(train[:count]),
            held_out_moments=Moments.of(features["held_out"].sample[:count]),
            kernel=KernelReference.of(chosen),
            manifold_3=neighbours.Manifold.of(near, min(3, len(near) - 1)),
            manifold_5=neighbours.Manifold.of(near, min(5, len(near) - 1)),
            train_manifold=neighbours.Manifold.of(train[:TRAINING], 1),
            noise=spectrum.noise_level(images),
            high_frequency=spectrum.high_frequency_share(images),
        )

    def _real_features(self, split: str) -> caches.RealFeatures:
        """Moments of all features of a split, and the features of a fixed random sample, from the cache if there."""
        images = self._splits[split]
        key = hashlib.sha256(
            "/".join(["2", self._fingerprint, self.extractor.sha256, split, str(self._kept)]).encode()
        ).hexdigest()
        if self._cache is not None:
            found = caches.read(self._cache / f"{key}.npz")
            if found is not None:
                return found
        batches = (self.extractor(images[first : first + _BATCH]) for first in range(0, len(images), _BATCH))
        made = caches.RealFeatures(Moments.over(batches), self.extractor(_sample(images, self._kept)))
        if self._cache is not None:
            caches.write(self._cache / f"{key}.npz", made)
        return made

    def scores(self, images: NDArray[np.uint8]) -> dict[str, float]:
        """Every score of generated images uint8 (n, h, w, c); raises ValueError unless n is the protocol's number."""
        if len(images) != self.generated:
            raise ValueError(f"there are {len(images)} images, but the protocol scores {self.generated}")
        return self._scores(images, overfit=True)

    def _scores(self, images: NDArray[np.uint8], *, overfit: bool) -> dict[str, float]:
        real = self._prepared
        features = self.extractor(images)
        near = features[:NEIGHBOURS]
        manifold = neighbours.Manifold.of(near, min(3, len(near) - 1))
        dense = neighbours.density_coverage(near, real.manifold_5)
        values = {
            "fid": frechet_to(features, real.moments),
            "kid": distance_to(features, real.kernel),
            "precision": neighbours.share_inside(near, real.manifold_3),
            "recall": neighbours.share_inside(real.manifold_3.features, manifold),
            "density": dense.density,
            "coverage": dense.coverage,
            "memorised": neighbours.memorised(near, real.train_manifold),
            "noise_ratio": spectrum.noise_level(images) / real.noise if real.noise > 0 else float("inf"),
            "high_frequency_ratio": (
                spectrum.high_frequency_share(images) / real.high_frequency if real.high_frequency > 0 else float("inf")
            ),
        }
        if overfit:
            values["overfit"] = frechet_to(features, real.held_out_moments) - frechet_to(features, real.train_moments)
        return {self.name(metric): values[metric] for metric in SCORES if metric in values}

    def name(self, metric: str) -> str:
        """The full name of a score of this evaluator."""
        return score_name(metric, self.extractor.name, self.generated)

    @property
    def _kept(self) -> int:
        """How many real images of a split have their features kept."""
        return max(self.generated, TRAINING)

    @property
    def floor_count(self) -> int:
        """Number of real images behind the floor."""
        return min(len(self._splits[self._other]), self.generated)

    @property
    def _other(self) -> str:
        return "held_out" if self._reference == "train" else "train"

    def floor(self) -> dict[str, float]:
        """Scores of real images of the other split, as many as the protocol has, or all where there are fewer.

        Fewer than the protocol's number make a Fréchet distance larger, so that the floor is then too high;
        `describe` says at which number it was taken.
        """
        return self._scores(_sample(self._splits[self._other], self.generated), overfit=False)

    def describe(self) -> dict[str, dict[str, str]]:
        """What each score is: title, direction (lower, higher, one), help, protocol."""
        real = len(self._splits[self._reference])
        protocols = {
            "noise_ratio": f"{self.generated} generated, {min(real, self.generated)} real ({self._reference}) images, Immerkær's estimate",
            "high_frequency_ratio": f"{self.generated} generated, {min(real, self.generated)} real ({self._reference}) images, Hann window",
        }
        network = f"{self.extractor.name} features {self.extractor.sha256[:12]}"
        floor = f"; floor: {self.floor_count} {self._other} images"
        near = min(NEIGHBOURS, self.generated)
        sides = {
            "fid": f"{self.generated} generated against all {real} {self._reference} images, {network}",
            "kid": f"{self.generated} generated against {min(real, self.generated)} {self._reference} images, degree 3, {network}",
            "memorised": f"{near} generated against {len(self._prepared.train_manifold.features)} training images, {network}",
            "overfit": f"{self.generated} generated, {self._prepared.train_moments.n} images of either split, {network}",
        }
        default = (
            f"{near} generated against {len(self._prepared.manifold_3.features)} {self._reference} images, {network}"
        )
        return {
            self.name(metric): {
                "title": score.title,
                "direction": score.direction,
                "help": score.help,
                "protocol": protocols.get(metric, sides.get(metric, default)) + floor,
            }
            for metric, score in SCORES.items()
        }


def _sample(images: NDArray[np.uint8], count: int) -> NDArray[np.uint8]:
    """The first `count` images of a fixed random order."""
    order = np.random.default_rng(20_201_205).permutation(len(images))[:count]
    return images[order]
