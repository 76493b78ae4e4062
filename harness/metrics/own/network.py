"""A network of a file as a feature network: images brought to its size, channels and range, and given to it in equal batches."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import PurePath
from typing import ClassVar, cast

import numpy as np
from numpy.typing import NDArray

from harness import kinds
from harness.data import fit
from harness.kinds import Part
from harness.metrics.extractor import FeaturesPart

Images = NDArray[np.uint8]
Run = Callable[[NDArray[np.float32]], NDArray[np.float32]]  # equal batches in the network's range, to features (n, d)
LARGEST_MB = 100  # of a file: it goes with every study to every worker and into the results folder
_VALUES = 500 * 32 * 32  # pixels given at a time
_TOGETHER = 500  # images given at a time at most
_IMAGENET = np.array([[0.485, 0.456, 0.406], [0.229, 0.224, 0.225]], np.float32)  # mean and standard deviation of 0..1

SCALINGS: dict[str, Callable[[NDArray[np.float32]], NDArray[np.float32]]] = {
    "0..255": lambda values: values,
    "0..1": lambda values: values / np.float32(255.0),
    "-1..1": lambda values: values / np.float32(127.5) - np.float32(1.0),
    "imagenet": lambda values: (values / np.float32(255.0) - _IMAGENET[0]) / _IMAGENET[1],
}


class FileError(ValueError):
    """A file that is no feature network that can be used; the message says of the file what is wrong: "which …"."""


@dataclass(frozen=True, kw_only=True)
class FeaturesFilePart(Part):
    """The declaration of a kind of file, told by the ending that is its name.

    `build` takes the name that scores have, and the file's content, and returns the FeaturesPart; it raises FileError, and runs no code of the file.
    """

    role: ClassVar[str] = "features_file"

    def read(self, path: str, content: bytes) -> FeaturesPart:
        """The feature network in the content of a file, named after it; ValueError in words that follow the file's name."""
        name = PurePath(path).stem
        if name in kinds.known("features"):
            raise FileError(
                f"but scores would bear the name '{name}', which another network has; give the file another"
            )
        if fault := self.name_fault(name):
            raise FileError(fault)
        if len(content) > LARGEST_MB * 1_000_000:
            raise FileError(f"which has {len(content) / 1e6:.0f} MB, but allowed are at most {LARGEST_MB} MB")
        return cast(FeaturesPart, self.builder(name, content))

    @staticmethod
    def name_fault(name: str) -> str | None:
        """Why scores cannot bear a file's name, in words that follow it; None if they can."""
        if re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_-]*", name) is not None:
            return None
        return "but scores bear the file's name, which may hold letters, digits, _ and - alone"


class FileNetwork:
    """An `Extractor` made of `run`, which takes float32 (n, side, side, channels), always as many images at a time.

    `side` is None of a network that takes images of any size, `together` how many it takes at a time, where it says so.
    """

    def __init__(
        self,
        name: str,
        run: Run,
        *,
        sha256: str,
        dimensions: int,
        side: int | None,
        channels: int,
        scaling: str,
        together: int | None = None,
    ) -> None:
        self.name, self.sha256, self.dimensions = name, sha256, dimensions
        self._run, self._side, self._channels, self._together = run, side, channels, together
        self._scaled = SCALINGS[scaling]

    def __call__(self, images: Images) -> NDArray[np.float32]:
        """Features float32 (n, d) of uint8 images (n, h, w, 1 or 3)."""
        if images.ndim != 4 or images.dtype != np.uint8 or images.shape[-1] not in (1, 3) or not len(images):
            raise ValueError(f"images are {images.dtype} {images.shape}, but allowed is uint8 (n, h, w, 1 or 3), n > 0")
        ready = fit(images, size=self._side, channels=self._channels, how="resize")
        count, (height, width) = len(ready), ready.shape[1:3]
        together = self._together or max(1, min(_TOGETHER, _VALUES // (height * width)))
        parts = []
        for first in range(0, count, together):
            batch = ready[first : first + together]
            filled = np.concatenate([batch, np.zeros((together - len(batch), *batch.shape[1:]), np.uint8)])
            parts.append(self._run(self._scaled(filled.astype(np.float32)))[: len(batch)])
        return np.concatenate(parts)

    def reduced(self, image: Images) -> Images:
        """One image (h, w, 1 or 3) at the network's size and channels, so that images of many sizes can be stacked."""
        square: Images = fit(image[None], size=self._side, channels=self._channels, how="resize")[0]
        return square

    def prepared(self, height: int, width: int) -> str:
        """What is done to images of such a size before the network sees them, in words; empty where nothing is."""
        if self._side is None or (height, width) == (self._side, self._side):
            return ""
        return f"resized from {height}x{width} to {self._side}x{self._side} (Lanczos)"
