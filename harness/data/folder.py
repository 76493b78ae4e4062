"""A user's own images: which files of a folder are images, how many are not, and all of them at one size."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from PIL import Image

from harness.data import pictures
from harness.data.fitting import fit, misfit
from harness.data.images import DataError, Images
from harness.data.pictures import ENDINGS
from harness.data.walk import Walk

_KINDS = 8  # kinds of skipped files that are told apart


@dataclass(frozen=True)
class Survey:
    """The image files below a folder, sorted by their path in it, and how many files of which kind are skipped."""

    folder: Path
    paths: tuple[Path, ...]
    skipped: Mapping[str, int]  # kind -> number of files, or of links
    faults: tuple[str, ...]  # folders that cannot be listed, and links that lead nowhere
    folders: frozenset[str]  # real paths of all folders that were looked into

    @cached_property
    def sizes(self) -> tuple[tuple[int, int], ...]:
        """Stored height and width of each image, from its first bytes; one DataError names all that cannot be read."""
        try:
            if not self.faults:
                return tuple(pictures.size(path) for path in self.paths)
        except (
            DataError
        ):  # all of every file is read then, so that what is cut off in its middle is named with the rest
            pass
        raise pictures.refusal([*self.faults, *_unreadable(self.paths)])

    def read(self, *, upright: bool) -> Iterator[pictures.Picture]:
        """Each image in turn; at one that cannot be read the others are read too, and one DataError names all faults."""
        if self.faults:
            raise pictures.refusal(self.faults)
        for index, path in enumerate(self.paths):
            try:
                picture = pictures.read(path, upright=upright)
            except DataError as error:
                raise pictures.refusal([str(error), *_unreadable(self.paths[index + 1 :])]) from error
            yield picture

    def sentence(self, notes: Mapping[str, int] | None = None) -> str:
        """'300 images; skipped: 60 hidden, 3 .txt; 2 with transparency (stored colour kept)'."""
        return "; ".join([counted(len(self.paths)), *_skipped(self.skipped), *note_words(notes or {})])


def counted(images: int) -> str:
    """A number of images with its noun."""
    return f"{images} image{'' if images == 1 else 's'}"


def note_words(notes: Mapping[str, int]) -> list[str]:
    """What is peculiar about how many pictures, one phrase, or none."""
    return [", ".join(f"{number} {note}" for note, number in sorted(notes.items()))] if notes else []


def _skipped(kinds: Mapping[str, int]) -> list[str]:
    if not kinds:
        return []
    listed = sorted(kinds.items(), key=lambda each: (-each[1], each[0]))
    rest = sum(number for _, number in listed[_KINDS:])
    words = [f"{number} {kind}" for kind, number in listed[:_KINDS]] + ([f"{rest} of other kinds"] if rest else [])
    return ["skipped: " + ", ".join(words)]


def _unreadable(paths: Sequence[Path]) -> Iterator[str]:
    for path in paths:
        try:
            pictures.read(path, upright=False)
        except DataError as error:
            yield str(error)


def survey(folder: Path, *, name: str = "data.data_dir") -> Survey:
    """Which files below `folder` are images, by the rule in docs/protocol.md; no file is opened.

    Raises DataError if it is no folder or holds no images; `name` is the key or option that named it.
    """
    if not folder.is_dir():
        state = "is not a folder" if folder.exists() else "does not exist"
        raise DataError(f"{name} is {folder}, which {state}")
    walk = Walk(folder)
    images = Survey(folder, walk.paths, dict(walk.skipped), tuple(sorted(walk.faults)), frozenset(walk.seen))
    if not images.paths and images.faults:
        raise pictures.refusal(images.faults)
    if not images.paths:
        words = "; ".join(["holds no images", *_skipped(images.skipped)])
        raise DataError(f"{name} is {folder}, which {words}; allowed endings: {', '.join(ENDINGS)}")
    return images


def classes(survey: Survey) -> tuple[tuple[str, ...], tuple[int, ...]] | None:
    """Names of classes, sorted, and the class of each image: the name of the folder, directly below, that it lies in.

    None where all images lie in one place; raises DataError where some lie beside the folders of others.
    """
    parts = [path.relative_to(survey.folder).parts for path in survey.paths]
    beside = sum(len(each) == 1 for each in parts)
    names = tuple(sorted({each[0] for each in parts if len(each) > 1}))
    if beside and names:
        raise DataError(
            f"{survey.folder}: {beside} images lie beside folders with images ({', '.join(names[:3])}), but allowed is one folder "
            "per class, or all images without classes"
        )
    if len(names) < 2:
        return None
    return names, tuple(names.index(each[0]) for each in parts)


def check(survey: Survey, *, size: int, how: str) -> None:
    """Raise DataError for every image that cannot be opened, or that `how` cannot bring to `size`, from first bytes."""
    faults, fitting, damaged = list(survey.faults), [], bool(survey.faults)
    for path in survey.paths:
        try:
            fault = _misfit(path, *pictures.size(path), size=size, how=how)
        except DataError as error:
            fault, damaged = str(error), True
        if fault is None:
            fitting.append(path)
        else:
            faults.append(fault)
    if damaged:  # all of every file is read then, so that what is cut off in its middle is named with the rest
        faults += _unreadable(fitting)
    if faults:
        raise pictures.refusal(faults)


def load(survey: Survey, *, size: int, channels: int, how: str) -> tuple[Images, Mapping[str, int]]:
    """All images as uint8 (n, size, size, channels), one decoded at a time, and how many have which peculiarity."""
    if how != "resize":
        check(survey, size=size, how=how)
    images = np.empty((len(survey.paths), size, size, channels), np.uint8)
    notes: Counter[str] = Counter()
    for index, picture in enumerate(survey.read(upright=True)):
        images[index] = _square(picture.pixels, size=size, channels=channels, how=how)
        notes.update(picture.notes)
    return images, notes


def _misfit(path: Path, height: int, width: int, *, size: int, how: str) -> str | None:
    pixels = misfit(height, width, size=size, how=how)
    if pixels is None:
        return None
    return f"{path}: {height}x{width} pixels are {pixels} than data.size = {size}; use fit = 'resize'"


def _square(image: Images, *, size: int, channels: int, how: str) -> Images:
    """One image at its final size and channels, grey by Pillow's fixed-point luma."""
    picture = Image.fromarray(image[..., 0] if image.shape[-1] == 1 else image).convert("L" if channels == 1 else "RGB")
    pixels = np.asarray(picture).reshape(1, picture.height, picture.width, channels)
    square: Images = fit(pixels, size=size, channels=None, how=how)[0]
    return square
