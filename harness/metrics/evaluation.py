"""All scores of a set of generated images in one pass, against a reference that is prepared once and cached."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from harness.data import FEWEST
from harness.metrics import cache as caches
from harness.metrics import extractor as extractors
from harness.metrics import metric as metrics
from harness.metrics.extractor import Extractor
from harness.metrics.frechet import Moments
from harness.metrics.metric import Measure, MetricPart
from harness.metrics.sample import ImagePixels, Real, Sample
from harness.scores import ScoreName

NEIGHBOURS = 1000  # features of either side that neighbour metrics look at: their cost grows with the square
TRAINING = 5000  # training images that memorisation is looked for among, for the same reason
_BATCH = 1000


class Evaluator:
    """Scores generated images against `reference` ('train' or 'held_out').

    `cache` is a folder for reference features, shared by processes; None keeps none. `extras` names metrics beyond those
    of every study. Raises ValueError if there are too few images for the metrics. `reference_features` are of as many
    images of the reference as are generated, float32 (n, d), or of all where there are fewer.
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
        extras: Iterable[str] = (),
    ) -> None:
        self.extractor, self.generated = extractor, generated
        self._reference = reference
        self._splits = {"train": train, "held_out": held_out}
        for name, images in self._splits.items():
            if len(images) < FEWEST:
                raise ValueError(f"{name} has {len(images)} images, but scores need at least {FEWEST}")
        self._cache, self._fingerprint = cache, fingerprint
        real = self._real()
        self.reference_features = real.sample.features
        self._moments = real.moments
        self._measures = [Measure.of(part, real) for part in metrics.chosen(extras).values()]
        self._protocols = {each.part.name: each.metric.protocol(real) for each in self._measures}

    def _real(self) -> Real:
        """Both splits as metrics see them."""
        features = {name: self._real_features(name) for name in self._splits}
        reference = features[self._reference]
        images = _sample(self._splits[self._reference], self.generated)
        return Real(
            sample=self._sample(reference.sample[: self.generated], images),
            train=Sample(features=features["train"].sample, nearest=TRAINING),
            held_out=Sample(features=features["held_out"].sample),
            moments=reference.moments,
            reference=self._reference,
            count=len(self._splits[self._reference]),
            generated=self.generated,
        )

    def _sample(self, features: NDArray[np.float32], images: NDArray[np.uint8]) -> Sample:
        return Sample(features=features, pixels=ImagePixels(images), nearest=NEIGHBOURS)

    def _real_features(self, split: str) -> caches.RealFeatures:
        """Moments of all features of a split, and the features of a fixed random sample, from the cache if there."""
        images = self._splits[split]
        key = hashlib.sha256(
            "/".join(["2", self._fingerprint, self.extractor.sha256, split, str(self._kept)]).encode()
        ).hexdigest()
        if self._cache is not None:
            stored = caches.read(self._cache / f"{key}.npz")
            if stored is not None:
                return stored
        batches = (self.extractor(images[first : first + _BATCH]) for first in range(0, len(images), _BATCH))
        computed = caches.RealFeatures(Moments.over(batches), self.extractor(_sample(images, self._kept)))
        if self._cache is not None:
            caches.write(self._cache / f"{key}.npz", computed)
        return computed

    def scores(self, images: NDArray[np.uint8], *, weights: str = "raw", errors: bool = False) -> dict[str, float]:
        """Every score of generated images uint8 (n, h, w, c), named as of the `weights` that made them.

        With `errors` also the standard errors of the scores whose metric knows it, under `ScoreName.error`. Raises ValueError
        unless n is the protocol's number.
        """
        if len(images) != self.generated:
            raise ValueError(f"there are {len(images)} images, but the protocol scores {self.generated}")
        return self._scores(images, self._measures, weights=weights, errors=errors)

    def _scores(
        self,
        images: NDArray[np.uint8],
        measures: Sequence[Measure],
        *,
        weights: str = "raw",
        errors: bool = False,
    ) -> dict[str, float]:
        sample = self._sample(self.extractor(images), images)
        named = [(self._name(each.part).of(weights), each) for each in measures]
        found = {str(name): each.score(sample) for name, each in named}
        known = {name.error: each.error(sample) for name, each in named} if errors else {}
        return found | {name: error for name, error in known.items() if math.isfinite(error)}

    def _name(self, part: MetricPart) -> ScoreName:
        return part.score_name(self.extractor.name, self.generated)

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
        images = _sample(self._splits[self._other], self.generated)
        return self._scores(images, [each for each in self._measures if each.part.floor])

    def geometry(self) -> dict[str, float]:
        """How many directions the reference's features spread in, and what finitely many images cost a Fréchet distance."""
        if self._moments is None:
            return {}
        return {"effective_rank": self._moments.effective_rank, "frechet_bias": self._moments.bias}

    def describe(self) -> dict[str, dict[str, str]]:
        """What each score is: title, direction (lower, higher, one), help, protocol."""
        network = f", {self.extractor.name} features {self.extractor.sha256[:12]}"
        if prepared := extractors.prepared(self.extractor, *self._splits["train"].shape[1:3]):
            network += f" of images {prepared}"
        floor = f"; floor: {self.floor_count} {self._other} images"
        return {
            str(self._name(part)): {
                "title": part.title,
                "direction": part.direction,
                "help": part.help,
                "protocol": self._protocols[part.name] + ("" if part.needs == "pixels" else network) + floor,
            }
            for part in (each.part for each in self._measures)
        }


def _sample(images: NDArray[np.uint8], count: int) -> NDArray[np.uint8]:
    """The first `count` images of a fixed random order."""
    order = np.random.default_rng(20_201_205).permutation(len(images))[:count]
    return images[order]
