"""A user's own images, in a folder."""

from __future__ import annotations

import dataclasses
from pathlib import Path

from harness.data import folder
from harness.data.data_set import DataPart, DataSettings
from harness.data.images import FEWEST, DataError, ImageSet, split


def _given(settings: DataSettings) -> tuple[Path, int]:
    """Folder and size, which the study file's models ask for."""
    assert settings.data_dir is not None
    assert settings.size is not None
    return settings.data_dir, settings.size


def check(settings: DataSettings) -> None:
    """Raise DataError for too few images, and for every one that cannot be opened or brought to its size."""
    path, size = _given(settings)
    survey = folder.survey(path)
    if len(survey.paths) < 2 * FEWEST:
        raise DataError(
            f"data.data_dir is {path}, which holds {survey.sentence()}, but at least {2 * FEWEST} are "
            f"needed: {FEWEST} to train on and {FEWEST} held out"
        )
    folder.check(survey, size=size, how=settings.fit)


def read(settings: DataSettings) -> ImageSet:
    """All images at their size, with what is peculiar about them."""
    path, size = _given(settings)
    survey = folder.survey(path)
    images, notes = folder.load(survey, size=size, channels=settings.channels or 3, how=settings.fit)
    parts = split(images, None, held_out=settings.held_out, name="folder")
    return dataclasses.replace(parts, notes=(survey.sentence(notes),))


PART = DataPart(
    name="folder",
    title="your own images",
    help="your own images (PNG, JPEG, WebP, BMP, TIFF, GIF, PPM, …): data_dir and size",
    position=40,
    build=read,
    count=lambda settings: len(folder.survey(_given(settings)[0]).paths),
    check=check,
    needs={
        "data_dir": "the folder that holds your images",
        "size": "the height and width of training images in pixels",
    },
)
