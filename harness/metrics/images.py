"""What `python -m harness.metrics` scores: folders and arrays of images, and published statistics (`mu`, `sigma`)."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.data import folder
from harness.metrics.frechet import Moments

Images = NDArray[np.uint8]


class InputError(ValueError):
    """An input that cannot be scored; the message names the file."""


@dataclass(frozen=True)
class Input:
    """Either images, in groups (n, h, w, c) of one size each, or moments from a statistics file, whose n is unknown."""

    path: Path
    groups: tuple[Images, ...] = ()
    moments: Moments | None = None

    @property
    def count(self) -> int:
        """Number of images; 0 for statistics."""
        return sum(map(len, self.groups))


def read(path: Path) -> Input:
    """A folder of images, a .npy or .npz of uint8 images (n, h, w, c), or a .npz with `mu` and `sigma`."""
    if path.is_dir():
        return Input(path, _by_size([folder.read(each) for each in folder.paths(path)]))
    if path.suffix not in (".npy", ".npz"):
        raise InputError(f"{path}: allowed is a folder of images, a .npy or a .npz file")
    try:
        with path.open("rb") as stream:  # NumPy leaves a file open that turns out to be no archive
            found = np.load(stream, allow_pickle=False)
            arrays = {"images": found} if isinstance(found, np.ndarray) else _members(found)
    except Exception as error:  # whatever a damaged file makes a parser raise
        raise InputError(f"{path}: cannot be read as NumPy arrays ({type(error).__name__})") from error
    if {"mu", "sigma"} <= arrays.keys():
        return Input(path, moments=_moments(path, arrays["mu"], arrays["sigma"]))
    if len(arrays) != 1:
        raise InputError(f"{path}: holds {', '.join(arrays)}, but allowed is one array of images, or mu and sigma")
    images = next(iter(arrays.values()))
    if images.dtype != np.uint8 or images.ndim != 4 or images.shape[-1] not in (1, 3) or not images.size:
        raise InputError(f"{path}: holds {images.dtype} {images.shape}, but allowed is uint8 (n, h, w, 1 or 3), n > 0")
    return Input(path, (images,))


def _members(archive: Any) -> dict[str, NDArray[Any]]:
    with archive:
        return {name: archive[name] for name in archive.files}


def _by_size(images: list[Images]) -> tuple[Images, ...]:
    """Images of one shape together, so that a network takes them at once; features do not depend on the order."""
    groups: dict[tuple[int, ...], list[Images]] = {}
    for image in images:
        groups.setdefault(image.shape, []).append(image)
    return tuple(np.stack(group) for group in groups.values())


def _moments(path: Path, mean: NDArray[Any], covariance: NDArray[Any]) -> Moments:
    shape = (mean.size, mean.size)
    if (
        mean.ndim != 1
        or covariance.shape != shape
        or not all(np.issubdtype(x.dtype, np.floating) for x in (mean, covariance))
    ):
        raise InputError(
            f"{path}: mu {mean.shape} and sigma {covariance.shape} are not a mean (d,) and covariance (d, d)"
        )
    if not (np.isfinite(mean).all() and np.isfinite(covariance).all()):
        raise InputError(f"{path}: mu or sigma holds values that are not finite")
    # With n = 2 the sum of squared deviations is the covariance itself: the file does not say n, and no score needs it.
    return Moments(2, mean.astype(np.float64), covariance.astype(np.float64))


def write_statistics(path: Path, moments: Moments) -> None:
    """Write `mu` and `sigma` (divisor n - 1) as pytorch-fid and TTUR read them."""
    temporary = path.with_name(f"{path.name}.{os.getpid()}.partial")
    with temporary.open("wb") as stream:
        np.savez(stream, mu=moments.mean, sigma=moments.covariance)
    temporary.replace(path)


def features(
    images: Input,
    extract: Callable[[Images], NDArray[np.float32]],
    *,
    batch: int,
    progress: Callable[[int], None],
) -> NDArray[np.float32]:
    """Features (n, d) of all images; `progress` hears how many are done after each batch."""
    parts, done = [], 0
    for group in images.groups:
        for first in range(0, len(group), batch):
            parts.append(extract(group[first : first + batch]))
            done += len(parts[-1])
            progress(done)
    return np.concatenate(parts)
