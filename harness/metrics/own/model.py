"""What Keras and ONNX files share: how their input is read, and how values of a layer become features."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from harness import kinds
from harness.metrics.own.network import SCALINGS, FileError, FileNetwork, Run

Dimension = int | str | None  # of an array; no number where any is allowed


@dataclass(frozen=True)
class Input:
    """A model's input: `batch` (None: any number of) square images of `side` pixels (None: of any), channels first or last."""

    batch: int | None
    side: int | None
    channels: int
    first: bool = False

    @classmethod
    def of(cls, shape: Sequence[Dimension], *, may_be_first: bool) -> Input:
        """The input of an array of `shape`, the batch before all; FileError if it is none of square images."""
        words = f"whose input is of shape ({', '.join('any' if not isinstance(each, int) else str(each) for each in shape)})"
        if len(shape) != 4:
            raise FileError(f"{words}, but allowed are batches of images")
        first = may_be_first and shape[1] in (1, 3)
        channels, sides = (shape[1], shape[2:]) if first else (shape[3], shape[1:3])
        if channels not in (1, 3) or (all(isinstance(each, int) for each in sides) and sides[0] != sides[1]):
            raise FileError(f"{words}, but allowed are square images of 1 or 3 channels")
        batch, side = (each if isinstance(each, int) else None for each in (shape[0], sides[0]))
        return cls(batch, side, int(channels), first)


@contextmanager
def of_file(file: str) -> Iterator[None]:
    """What is wrong with a file within this block is told with the file's name."""
    try:
        yield
    except FileError as error:
        raise FileError(f"{file}, {error}") from error


def reading_fault(
    file: str, layer: str | None, scaling: str | None, *, layers: Iterable[str] | None, role: str
) -> tuple[str, str] | None:
    """The key ("layer" or "scaling") that does not fit a file, and why, in words that follow it; None if both do."""
    if scaling is None:
        return "scaling", f"is not set, but {file} needs it: the range of its input, one of: {', '.join(SCALINGS)}"
    if layer is not None and layers is not None and layer not in layers:
        known = list(layers)
        return "layer", f"is {layer!r}{kinds.nearest(layer, known)}, but {file} has the {role}s: {', '.join(known)}"
    return None


def sha256(content: bytes, layer: str | None, scaling: str) -> str:
    """The hash of all that makes features of a file: its content, the layer, and the range of pixels."""
    told = "/".join((hashlib.sha256(content).hexdigest(), layer or "", scaling))
    return hashlib.sha256(told.encode()).hexdigest()


def network(name: str, run: Run, given: Input, *, sha256: str, scaling: str) -> FileNetwork:
    """The feature network of a model that runs; the number of its features from one black image."""
    if scaling == "imagenet" and given.channels == 1:
        raise FileError("whose input is grey, but scaling 'imagenet' is of colour")
    side = given.side or 32
    shape = (given.channels, side, side) if given.first else (side, side, given.channels)
    values = pooled(run(np.zeros((given.batch or 1, *shape), np.float32)), first=given.first)

    def features(batch: NDArray[np.float32]) -> NDArray[np.float32]:
        ordered = np.ascontiguousarray(batch.transpose(0, 3, 1, 2)) if given.first else batch
        return pooled(run(ordered), first=given.first)

    return FileNetwork(
        name,
        features,
        sha256=sha256,
        dimensions=values.shape[1],
        side=given.side,
        channels=given.channels,
        scaling=scaling,
        together=given.batch,
    )


def pooled(values: NDArray[np.floating], *, first: bool) -> NDArray[np.float32]:
    """Features (n, d) of a layer's values: those of maps are averaged over their places, channels first or last."""
    if values.ndim == 4:
        values = values.astype(np.float32).mean(axis=(2, 3) if first else (1, 2))
    if values.ndim != 2:
        raise FileError(f"whose layer gives values of shape {values.shape[1:]}, but allowed are vectors or maps")
    return np.asarray(values, np.float32)
