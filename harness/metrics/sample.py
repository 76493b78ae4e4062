"""What metrics are given: a sample of images with its features, and the real images that it is compared with.

What several metrics need of a sample is computed once, when the first of them asks for it.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from harness.metrics import spectrum
from harness.metrics.frechet import Moments
from harness.metrics.neighbours import Manifold

Images = NDArray[np.uint8]
Features = NDArray[np.floating]
Value = TypeVar("Value")


class Pixels(Protocol):
    """What is measured on images themselves."""

    @property
    def images(self) -> Images:
        """The images, uint8 (n, h, w, c)."""

    @property
    def noise_level(self) -> float:
        """As `spectrum.noise_level`."""

    @property
    def high_frequency_share(self) -> float:
        """As `spectrum.high_frequency_share`."""


@dataclass(frozen=True, eq=False)
class ImagePixels:
    """Pixels of images that are in memory."""

    images: Images

    @cached_property
    def noise_level(self) -> float:
        """As `spectrum.noise_level`."""
        return spectrum.noise_level(self.images)

    @cached_property
    def high_frequency_share(self) -> float:
        """As `spectrum.high_frequency_share`."""
        return spectrum.high_frequency_share(self.images)


@dataclass(frozen=True, eq=False, kw_only=True)
class Sample:
    """Images, their features, and what metrics share.

    `features` (n, d) have no rows where a file gave `moments` alone. `pixels` is None where pixels are not measured.
    Neighbour metrics look at `nearest` features, at all where it is None: their cost grows with the square.
    """

    features: Features
    pixels: Pixels | None = None
    moments: Moments | None = None
    nearest: int | None = None
    _shared: dict[Hashable, Any] = field(default_factory=dict)

    @property
    def images(self) -> Images:
        """The images, uint8 (n, h, w, c); RuntimeError where pixels are not measured."""
        return self.measured.images

    @property
    def measured(self) -> Pixels:
        """What is measured on the images themselves; RuntimeError where pixels are not measured."""
        if self.pixels is None:
            raise RuntimeError("this sample has features only")
        return self.pixels

    @property
    def near(self) -> Features:
        """The features that neighbour metrics look at."""
        return self.features[: self.nearest]

    def manifold(self, k: int) -> Manifold:
        """Those features with the distance of each to its k-th neighbour, or to its furthest where they are fewer."""
        return self.once(("manifold", k), lambda: Manifold.of(self.near, min(k, len(self.near) - 1)))

    def once(self, key: Hashable, make: Callable[[], Value]) -> Value:
        """What `make` returns, which is called once per sample and key: for work that several metrics share."""
        if key not in self._shared:
            self._shared[key] = make()
        value: Value = self._shared[key]
        return value


@dataclass(frozen=True, eq=False, kw_only=True)
class Real:
    """The real images that generated ones are compared with.

    `sample` holds as many images of the reference as are generated, or all where there are fewer; `moments` are of all
    `count` images of the reference, None where they are no more than the sample. `train` are features of training
    images, `held_out` of images that no network was trained on: None where there is one set of real images.
    """

    sample: Sample
    train: Sample
    held_out: Sample | None = None
    moments: Moments | None = None
    reference: str = "real"
    count: int = 0
    generated: int = 0

    @property
    def sampled(self) -> int:
        """Number of real images in the sample."""
        return min(self.count, self.generated)

    @property
    def near(self) -> int:
        """Number of generated images that neighbour metrics look at."""
        nearest = self.sample.nearest
        return self.generated if nearest is None else min(nearest, self.generated)
