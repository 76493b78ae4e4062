"""What `python -m harness.metrics` scores: folders and arrays of images, and published statistics (`mu`, `sigma`)."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from harness.data import DataError, folder
from harness.metrics import arrays, spectrum, statistics_files
from harness.metrics.frechet import Moments

Images = NDArray[np.uint8]
Source = Path | Images
Features = NDArray[np.float32]
_TOGETHER = 500  # images given to a feature network that does not say how many it takes


class InputError(ValueError):
    """An input that cannot be scored; the message names the option and the file."""


@dataclass(frozen=True)
class Input:
    """Images of a folder or an array, or moments from a statistics file, whose number of images is unknown.

    `name` is the option that named it, `path` where it lies, or what it is in words where it lies in memory. Nothing but
    file names and headers was read, except for moments.
    """

    name: str
    path: Path | str
    files: folder.Survey | None = None
    array: arrays.Stored | arrays.Held | None = None
    moments: Moments | None = None
    unused: tuple[str, ...] = ()  # other arrays of the file
    notes: Counter[str] = field(default_factory=Counter)  # what is peculiar about pictures, counted as they are read

    @property
    def count(self) -> int:
        """Number of images; 0 for statistics."""
        if self.files is not None:
            return len(self.files.paths)
        return self.array.shape[0] if self.array is not None else 0

    @property
    def sizes(self) -> frozenset[tuple[int, int]]:
        """Height and width of the images, all different ones."""
        if self.files is not None:
            return frozenset(self.files.sizes)
        return frozenset([(self.array.shape[1], self.array.shape[2])]) if self.array is not None else frozenset()

    def images(self) -> Iterator[Images]:
        """Each image (h, w, 1 or 3) in the order of names, one decoded at a time; InputError names what is damaged."""
        if self.files is not None:
            try:
                for picture in self.files.read(upright=False):
                    self.notes.update(picture.notes)
                    yield picture.pixels
            except DataError as error:
                raise InputError(str(error)) from error
        elif self.array is not None:
            try:
                yield from self.array.images()
            except Exception as error:  # whatever a damaged file makes a parser raise
                raise self.refused(f"which cannot be read to its end ({type(error).__name__})") from error

    def refused(self, words: str) -> InputError:
        """An error that names this input."""
        return InputError(f"{self.name} is {self.path}, {words}")

    @property
    def sentence(self) -> str:
        """How many images there are, which files are skipped, and what is peculiar about those read so far."""
        if self.files is not None:
            return self.files.sentence(self.notes)
        words = "statistics" if self.moments is not None else folder.counted(self.count)
        return "; ".join([words, *([f"skipped: {', '.join(self.unused)}"] if self.unused else [])])

    def record(self) -> dict[str, Any]:
        """The same for programs."""
        skipped = dict(self.files.skipped) if self.files is not None else dict.fromkeys(self.unused, 1)
        return {"path": str(self.path), "images": self.count or None, "skipped": skipped, "notes": dict(self.notes)}


def read(source: Source, *, name: str) -> Input:
    """A folder of images, a .npy or .npz of uint8 images (n, h, w, c), a .npz with `mu` and `sigma`, or images in memory.

    Raises InputError with one sentence that names the option `name` and what cannot be scored.
    """
    if not isinstance(source, Path):
        return _held(source, name=name)
    path = source
    described = Input(name, path)
    if path.is_dir():
        try:
            given = Input(name, path, files=folder.survey(path, name=name))
            _ = given.sizes  # opens every file
        except DataError as error:
            raise InputError(str(error)) from error
        return given
    if not path.exists():
        raise described.refused("which does not exist")
    if path.suffix.lower() not in (".npy", ".npz"):
        raise described.refused("but allowed is a folder of images, a .npy or a .npz file")
    try:
        stored = arrays.listed(path)
        statistics = (
            {each: stored[each].whole() for each in ("mu", "sigma")} if {"mu", "sigma"} <= stored.keys() else None
        )
    except Exception as error:  # whatever a damaged file makes a parser raise
        raise described.refused(f"which cannot be read as NumPy arrays ({type(error).__name__})") from error
    if statistics is not None:
        try:
            moments = statistics_files.moments(statistics["mu"], statistics["sigma"])
        except statistics_files.StatisticsError as error:
            raise described.refused(f"but {error}") from error
        return Input(name, path, moments=moments, unused=tuple(sorted(stored.keys() - {"mu", "sigma"})))
    if len(stored) != 1:
        raise described.refused(
            f"which holds {', '.join(stored) or 'nothing'}, but allowed is one array of images, or mu and sigma"
        )
    images = next(iter(stored.values()))
    if not _are_images(images.dtype, images.shape):
        raise described.refused(f"which holds {images.dtype} {images.shape}, but allowed is {_ALLOWED}")
    return Input(name, path, array=images)


_ALLOWED = "uint8 (n, h, w, 1 or 3), n > 0"


def _are_images(dtype: np.dtype[Any], shape: tuple[int, ...]) -> bool:
    return dtype == np.uint8 and len(shape) == 4 and shape[-1] in (1, 3) and 0 not in shape


def _held(given: Any, *, name: str) -> Input:
    """Images in memory; InputError for anything else that is not a path."""
    if not isinstance(given, np.ndarray):
        raise InputError(f"{name} is a {type(given).__name__}, but allowed are a path and an array {_ALLOWED}")
    described = Input(name, f"an array {given.dtype} {given.shape}", array=arrays.Held(given))
    if not _are_images(given.dtype, given.shape):
        raise described.refused(f"but allowed is {_ALLOWED}")
    return described


class Network(Protocol):
    """A feature network as this command uses it."""

    def __call__(self, images: Images) -> Features:
        """Features (n, d) of uint8 images (n, h, w, c)."""


@dataclass(frozen=True)
class Extracted:
    """Features (n, d) of all images in their order, logits (n, classes) where the network has them."""

    features: Features
    logits: Features | None


def features(
    images: Input, network: Network, *, pixels: spectrum.PixelSums | None, progress: Callable[[int], None]
) -> Extracted:
    """Features of all images, a few of which are in memory at a time, whatever their number, sizes and order.

    `pixels` takes part in the same pass; `progress` hears how many are done. Raises InputError as `Input.images`.
    """
    pooled: list[Features] = []
    logits: list[Features] = []
    done = 0
    for batch in _batches(images.images(), network, pixels):
        if hasattr(network, "outputs"):
            outputs = network.outputs(batch)
            pooled.append(outputs.pooled)
            logits.append(outputs.logits)
        else:
            pooled.append(network(np.stack(alike(batch))))
        done += len(batch)
        progress(done)
    return Extracted(np.concatenate(pooled), np.concatenate(logits) if logits else None)


def _batches(
    images: Iterator[Images], network: Network, pixels: spectrum.PixelSums | None
) -> Iterator[list[NDArray[Any]]]:
    """Lists of images as many as the network takes at once, large ones reduced as soon as they are decoded."""
    reduced: Callable[[Images], NDArray[Any]] | None = getattr(network, "reduced", None)
    batch: list[NDArray[Any]] = []
    for image in images:
        if pixels is not None:
            pixels.add(image)
        batch.append(image if reduced is None else reduced(image))
        if len(batch) == getattr(network, "batch", _TOGETHER):
            yield batch
            batch = []
    if batch:
        yield batch


def alike(batch: list[Images]) -> list[Images]:
    """Images with as many channels each, grey ones repeated where there are coloured ones."""
    if len({image.shape[-1] for image in batch}) == 1:
        return batch
    return [image.repeat(3, axis=-1) if image.shape[-1] == 1 else image for image in batch]


def overlaps(inputs: Mapping[str, Input]) -> tuple[list[str], list[str]]:
    """Sentences that refuse an input which lies inside another one, and warnings of inputs that share images."""
    faults, warnings = [], []
    given = list(inputs.values())
    for index, one in enumerate(given):
        for two in given[index + 1 :]:
            if _same(one, two):
                warnings.append(f"{one.name} and {two.name} are the same: scores are those of identical sets")
                continue
            for inner, outer in ((one, two), (two, one)):
                if _inside(inner, outer):
                    faults.append(
                        f"{inner.name} is {inner.path}, which lies inside {outer.name} ({outer.path}), "
                        "whose images it would count among; give folders beside each other"
                    )
                    break
            else:
                shared = len(_real(one) & _real(two))
                if shared:
                    warnings.append(f"{folder.counted(shared)} of {one.name} and {two.name} are the same files")
    return faults, warnings


def _same(one: Input, two: Input) -> bool:
    """Whether they are one place: on disk, or in memory."""
    if isinstance(one.array, arrays.Held) and isinstance(two.array, arrays.Held):
        return one.array.values.__array_interface__ == two.array.values.__array_interface__
    held = isinstance(one.array, arrays.Held) or isinstance(two.array, arrays.Held)
    return not held and os.path.realpath(one.path) == os.path.realpath(two.path)


def _inside(inner: Input, outer: Input) -> bool:
    """Whether the folder of one input is among those that were looked into for another."""
    return inner.files is not None and outer.files is not None and os.path.realpath(inner.path) in outer.files.folders


def _real(images: Input) -> set[str]:
    return {os.path.realpath(path) for path in images.files.paths} if images.files is not None else set()
