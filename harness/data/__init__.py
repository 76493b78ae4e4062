"""Named data sets as uint8 images with fixed splits and a fingerprint."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Protocol

from harness.data import folder, published
from harness.data.images import FEWEST, DataError, ImageSet, fit, split, split_sizes

__all__ = ["DATA_SETS", "FEWEST", "DataError", "ImageSet", "check", "load", "shape", "sizes"]

DATA_SETS: Mapping[str, str] = {
    "digits": "handwritten digits, 1,797 of 8x8x1, shipped with scikit-learn: no download",
    "fashion_mnist": "Fashion-MNIST, 60,000 + 10,000 of 28x28x1: data_dir, or Keras' download",
    "cifar10": "CIFAR-10, 50,000 + 10,000 of 32x32x3: data_dir, or Keras' download",
    "folder": "your own images (PNG, JPEG, WebP, BMP, TIFF, GIF, PPM, …): data_dir and size",
}
_PUBLISHED = {"fashion_mnist": (60_000, 10_000), "cifar10": (50_000, 10_000)}
_DIGITS = 1797
_NATIVE = {"digits": (8, 1), "fashion_mnist": (28, 1), "cifar10": (32, 3)}


class DataSettings(Protocol):
    """What is read of a study's [data]."""

    @property
    def name(self) -> str: ...
    @property
    def data_dir(self) -> Path | None: ...
    @property
    def size(self) -> int | None: ...
    @property
    def channels(self) -> int | None: ...
    @property
    def fit(self) -> str: ...
    @property
    def held_out(self) -> float: ...
    @property
    def limit(self) -> int | None: ...


def shape(settings: DataSettings) -> tuple[int, int]:
    """Height (= width) and channels that `load` will give, without reading an image."""
    size, channels = _NATIVE.get(settings.name, (settings.size or 0, 3))
    return settings.size or size, settings.channels or channels


def sizes(settings: DataSettings) -> tuple[int, int]:
    """How many images `load` will give to train on and held out, without reading one; DataError as `check`."""
    if settings.name in _PUBLISHED:
        train, held_out = _PUBLISHED[settings.name]
    else:
        train, held_out = split_sizes(_count(settings), settings.held_out)
    return min(train, settings.limit or train), held_out


def _count(settings: DataSettings) -> int:
    """Images of a data set that has no published split."""
    if settings.name == "digits":
        return _DIGITS
    assert settings.data_dir is not None, "the study file's models ask for data_dir"
    return len(folder.survey(settings.data_dir).paths)


def check(settings: DataSettings) -> None:
    """Raise DataError for everything that can be found wrong without decoding all images."""
    native = _NATIVE.get(settings.name)
    if native is not None and settings.size is not None:
        size = native[0]
        if settings.fit == "pad" and settings.size < size:
            raise DataError(f"data.size is {settings.size}, but fit = 'pad' allows {size} and more for {settings.name}")
        if settings.fit == "crop" and settings.size > size:
            raise DataError(f"data.size is {settings.size}, but fit = 'crop' allows at most {size} for {settings.name}")
    if settings.name == "folder":
        assert settings.data_dir is not None, "the study file's models ask for data_dir"
        assert settings.size is not None, "and for size"
        found = folder.survey(settings.data_dir)
        if len(found.paths) < 2 * FEWEST:
            raise DataError(
                f"data.data_dir is {settings.data_dir}, which holds {found.sentence()}, but at least {2 * FEWEST} are "
                f"needed: {FEWEST} to train on and {FEWEST} held out"
            )
        folder.check(found, size=settings.size, how=settings.fit)
    elif settings.name != "digits" and settings.data_dir is not None:
        if not settings.data_dir.is_dir():
            raise DataError(f"data.data_dir is {settings.data_dir}, which is not a folder")
        published.files(settings.name, settings.data_dir)


def load(settings: DataSettings) -> ImageSet:
    """The images of `settings`; raises DataError naming what is missing or unreadable."""
    notes: tuple[str, ...] = ()
    if settings.name == "folder":
        assert settings.data_dir is not None, "the models ask for it"
        assert settings.size is not None, "the models ask for it"
        files = folder.survey(settings.data_dir)
        images, peculiar = folder.load(files, size=settings.size, channels=settings.channels or 3, how=settings.fit)
        notes = (files.sentence(peculiar),)
        found = split(images, None, held_out=settings.held_out, name="folder")
    elif settings.name == "digits":
        found = published.digits(settings.held_out)
    elif settings.name == "fashion_mnist":
        found = published.fashion_mnist(settings.data_dir)
    else:
        found = published.cifar10(settings.data_dir)
    parts = [
        fit(part, size=settings.size, channels=settings.channels, how=settings.fit)
        for part in (found.train[: settings.limit], found.held_out)
    ]
    labels = None if found.train_labels is None else found.train_labels[: settings.limit]
    return ImageSet(found.name, parts[0], parts[1], labels, found.held_out_labels, notes)
