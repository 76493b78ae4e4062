"""A feature network: what it does for metrics, and how it declares itself."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Protocol, cast

import numpy as np
from numpy.typing import NDArray

from harness import kinds
from harness.kinds import KindError, Part, Shape

WeightsCheck = Callable[[Path, str], None]
# Of layer and scaling, to which of them ("layer", "scaling") is wrong, and why in words that follow it.
ReadingCheck = Callable[[str | None, str | None], tuple[str, str] | None]


class Extractor(Protocol):
    """A feature network: images to features.

    `sha256` (hex) identifies its weights, `dimensions` is the number of features per image.
    """

    name: str
    sha256: str
    dimensions: int

    def __call__(self, images: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Features (n, d) of uint8 images (n, h, w, c)."""


@dataclass(frozen=True)
class Trained:
    """What images a network in a file was trained on: their name in a sentence, and the fingerprint that a study's data would have."""

    title: str
    fingerprint: str


@dataclass(frozen=True, kw_only=True)
class FeaturesPart(Part):
    """The declaration of a feature network, an `Extractor`, which `build` loads.

    `dimensions` is the number of its features per image, where that is known before it is loaded; `trained_on` the data
    set that it was trained on, where it is good for that one alone, `trained` the images of a user's own. A network
    whose weights a user may replace has `check_weights`, which raises ValueError for a file that cannot be used, naming
    the key or option that named it; its `build` is called with that file (or None) and `key`. A model of a user's own has
    `check_reading`, which says what is wrong with the layer and the scaling of its input that were named for it (None: not
    named); its `build` is called with both. Any other's is called without arguments.
    """

    role: ClassVar[str] = "features"
    dimensions: int | None = None
    trained_on: str = ""
    trained: Trained | None = None
    check_weights: WeightsCheck | None = None
    check_reading: ReadingCheck | None = None

    def load(
        self, weights: Path | None, *, key: str, layer: str | None = None, scaling: str | None = None
    ) -> Extractor:
        """The network itself; raises ValueError that names `key` for weights that cannot be used."""
        if self.check_reading is not None:
            return cast(Extractor, self.builder(layer, scaling))
        if self.check_weights is None:
            return cast(Extractor, self.builder())
        return cast(Extractor, self.builder(weights, key=key))


def prepared(network: Extractor, height: int, width: int) -> str:
    """What a network does to images of such a size first, in words that a protocol must have; empty where nothing is."""
    words: Callable[[int, int], str] | None = getattr(network, "prepared", None)
    return "" if words is None else words(height, width)


def of_file(path: Path, *, key: str) -> FeaturesPart:
    """The feature network in a file anywhere; KindError names `key`, the file and what is wrong with it."""
    kind = kinds.parts("features_file").get(path.suffix.removeprefix("."))
    if kind is None:
        endings = ", ".join(f".{name}" for name in kinds.parts("features_file"))
        raise KindError(f"{key} is {path}, but allowed are files that end in {endings}")
    try:
        content = path.read_bytes()
    except OSError as error:
        raise KindError(f"{key} is {path}, which cannot be read ({error.strerror})") from error
    try:
        return cast(FeaturesPart, cast(Any, kind).read(path.name, content))
    except ValueError as error:
        raise KindError(f"{key} is {path}, {error}") from error


def declared() -> dict[str, FeaturesPart]:
    """Every feature network of the package and of installed ones by name."""
    return {name: cast(FeaturesPart, part) for name, part in kinds.known("features").items()}


def find(name: str, *, key: str) -> FeaturesPart:
    """The feature network `name`; KindError names `key` and what is allowed."""
    return cast(FeaturesPart, kinds.find("features", name, key=key))


def that_take(shapes: Iterable[Shape]) -> list[str]:
    """The feature networks that take images of all of these shapes."""
    given = list(shapes)
    return [name for name, part in declared().items() if not any(map(part.fits, given))]


def squares(*sides: int) -> Callable[[Shape], str | None]:
    """A rule for `fits`: square images whose height is one of `sides`."""
    words = f"images of {' or '.join(map(str, sides))} pixels"
    return lambda shape: None if shape[0] == shape[1] and shape[0] in sides else words
