"""The images that a network of one's own is trained on: a folder with or without classes, or a data set with classes."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace

import numpy as np
from numpy.typing import NDArray

from harness import data
from harness.data import DataError, ImageSet, data_set, folder, images
from harness.metrics.own.compact import LARGEST, SMALLEST

HELD_OUT = 0.2  # share of the images of a folder, as in a study
FEWEST = 100  # images in all
FEWEST_OF_CLASS = 5
USUAL = 64  # pixels of a side that larger images are brought to


@dataclass(frozen=True)
class Material:
    """Images with fixed splits; their classes, where they have any; and the name that a file says of them."""

    title: str
    images: ImageSet
    classes: tuple[str, ...] = ()


def read(place: Path, *, held_out: Path | None, size: int | None, name: str | None) -> Material:
    """The images of a folder, or of the data set of that name; raises DataError with what is wrong and what is allowed.

    `held_out` is a folder of images that are not trained on; without, a share of the images is held out as in a study.
    Images of several sizes, and those above USUAL pixels, are scaled to `size`.
    """
    if size is not None and not SMALLEST <= size <= LARGEST:
        raise DataError(f"--size is {size}, but allowed is {SMALLEST} to {LARGEST} pixels")
    part = data_set.declared().get(str(place))
    if part is not None and part.classes and not place.is_dir():
        if held_out is not None:
            raise DataError(f"--held-out is {held_out}, but the data set '{place}' has held-out images of its own")
        settings = SimpleNamespace(
            name=str(place), data_dir=None, size=size, channels=None, fit="resize", held_out=HELD_OUT, limit=None
        )
        loaded = data.load(settings)
        return Material(name or part.title, loaded, tuple(map(str, range(part.classes))))
    found = _of_folder(place, held_out, size)
    return Material(name or place.resolve().name, *found)


def _of_folder(place: Path, held_out: Path | None, size: int | None) -> tuple[ImageSet, tuple[str, ...]]:
    survey = folder.survey(place, name="FOLDER")
    if len(survey.paths) < FEWEST:
        raise DataError(f"FOLDER is {place}, which holds {survey.sentence()}, but at least {FEWEST} are needed")
    found = folder.classes(survey)
    side = size or _side(survey)
    pixels, _ = folder.load(survey, size=side, channels=3, how="resize")
    names, labels = ((), None) if found is None else (found[0], np.array(found[1], np.int64))
    if held_out is None:
        parts = images.split(pixels, labels, held_out=HELD_OUT, name="folder")
    else:
        other = folder.survey(held_out, name="--held-out")
        others, _ = folder.load(other, size=side, channels=3, how="resize")
        parts = ImageSet("folder", pixels, others, labels, _labels(other, names) if names else None)
    if len(parts.held_out) < data.FEWEST:
        raise DataError(
            f"--held-out is {held_out}, which holds {len(parts.held_out)} images, but {data.FEWEST} are needed"
        )
    if parts.train_labels is not None:
        for label, count in enumerate(np.bincount(parts.train_labels, minlength=len(names))):
            if count < FEWEST_OF_CLASS:
                raise DataError(
                    f"FOLDER is {place}, whose class '{names[label]}' has {count} images to train on, but {FEWEST_OF_CLASS} are needed"
                )
    grey = all(bool((part == part[..., :1]).all()) for part in (parts.train, parts.held_out))
    return _of_channels(parts, 1 if grey else 3), names


def _of_channels(parts: ImageSet, channels: int) -> ImageSet:
    train, held_out = (np.ascontiguousarray(part[..., :channels]) for part in (parts.train, parts.held_out))
    return ImageSet(parts.name, train, held_out, parts.train_labels, parts.held_out_labels)


def _side(survey: folder.Survey) -> int:
    """The side of images that are squares of one size up to USUAL; else the smallest side, up to USUAL."""
    side = min(USUAL, min(min(size) for size in survey.sizes))
    if side < SMALLEST:
        raise DataError(f"FOLDER is {survey.folder}, with images of {side} pixels, but allowed are {SMALLEST} and more")
    return side


def _labels(survey: folder.Survey, names: tuple[str, ...]) -> NDArray[np.int64]:
    """Classes of held-out images, by the names that those to train on have."""
    found = folder.classes(survey)
    if found is None:
        raise DataError(
            f"--held-out is {survey.folder}, which has no folders of classes, but FOLDER has {', '.join(names)}"
        )
    strange = sorted(set(found[0]) - set(names))
    if strange:
        raise DataError(f"--held-out is {survey.folder}, whose class '{strange[0]}' FOLDER does not have")
    return np.array([names.index(found[0][label]) for label in found[1]], np.int64)
