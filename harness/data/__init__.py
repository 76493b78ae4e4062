"""Named data sets as uint8 images with fixed splits and a fingerprint."""

from __future__ import annotations

from harness.data import data_set
from harness.data.data_set import DataSettings
from harness.data.fitting import fit, misfit
from harness.data.images import FEWEST, DataError, ImageSet, split_sizes

__all__ = ["FEWEST", "DataError", "ImageSet", "check", "fit", "load", "shape", "sizes"]


def shape(settings: DataSettings) -> tuple[int, int]:
    """Height (= width) and channels that `load` will give, without reading an image."""
    size, _, channels = data_set.find(settings).shape or (0, 0, 3)
    return settings.size or size, settings.channels or channels


def sizes(settings: DataSettings) -> tuple[int, int]:
    """How many images `load` will give to train on and held out, without reading one; DataError as `check`."""
    part = data_set.find(settings)
    train, held_out = part.split or split_sizes(part.count(settings), settings.held_out)
    return min(train, settings.limit or train), held_out


def check(settings: DataSettings) -> None:
    """Raise DataError for everything that can be found wrong without decoding all images."""
    part = data_set.find(settings)
    if part.shape is not None and settings.size is not None:
        height, width, _ = part.shape
        pixels = misfit(height, width, size=settings.size, how=settings.fit)
        if pixels is not None:
            allowed = f"{height} and more" if pixels == "more" else f"at most {height}"
            raise DataError(
                f"data.size is {settings.size}, but fit = '{settings.fit}' allows {allowed} for {settings.name}"
            )
    part.check(settings)


def load(settings: DataSettings) -> ImageSet:
    """The images of `settings`; raises DataError naming what is missing or unreadable."""
    images = data_set.find(settings).read(settings)
    train, held_out = (
        fit(part, size=settings.size, channels=settings.channels, how=settings.fit)
        for part in (images.train[: settings.limit], images.held_out)
    )
    labels = None if images.train_labels is None else images.train_labels[: settings.limit]
    return ImageSet(images.name, train, held_out, labels, images.held_out_labels, images.notes)
