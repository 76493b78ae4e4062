"""A data set: what a study says of it, and how it declares itself."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar, Protocol, cast

from harness import kinds
from harness.data.images import ImageSet
from harness.kinds import Part, Shape


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


def _nothing_to_check(_: DataSettings) -> None:
    """No files are looked for."""


@dataclass(frozen=True, kw_only=True)
class DataPart(Part):
    """The declaration of a data set; `build` takes a study's [data] and returns an ImageSet of images as they are stored.

    `title` names its images in a sentence. `shape` is that of its images, None where the study file gives it. `split`
    says how many images are published to train on and held out; where none is published, `count` tells how many there
    are without decoding one, and `data.held_out` splits them. `check` raises DataError for what can be found wrong
    without decoding images. `needs` are the keys of [data] that it cannot do without, each with what it means;
    `classes` is how many classes its images have, 0 where they have none. `files` says whether it reads `data.data_dir` at all.
    """

    role: ClassVar[str] = "data"
    title: str
    shape: Shape | None = None
    split: tuple[int, int] | None = None
    classes: int = 0
    count: Callable[[DataSettings], int] = lambda _: 0
    check: Callable[[DataSettings], None] = _nothing_to_check
    needs: Mapping[str, str] = field(default_factory=dict)
    files: bool = True

    def read(self, settings: DataSettings) -> ImageSet:
        """The images as they are stored; raises DataError naming what is missing or unreadable."""
        return cast(ImageSet, self.builder(settings))


def declared() -> dict[str, DataPart]:
    """Every data set by name."""
    return {name: cast(DataPart, part) for name, part in kinds.parts("data").items()}


def find(settings: DataSettings) -> DataPart:
    """The data set of a study's [data]; KindError for an unknown name."""
    return cast(DataPart, kinds.find("data", settings.name, key="data.name"))
