"""A score's name is its protocol: which metric, on whose features, of how many images, by which weights."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

EMA = "_ema"  # suffix of a score of the averaged weights, of the primary average where there are several
_COUNT = re.compile(r"_(\d+)(k?)$")
_WEIGHTS = re.compile(r"_(ema(?:\d[\w.+-]*)?)$")


def count_name(count: int) -> str:
    """A number of images as in a score's name: 500, 1k, 5k, 2500, 10k."""
    return f"{count // 1000}k" if count >= 1000 and count % 1000 == 0 else str(count)


def average_names(lengths: Sequence[float]) -> list[str]:
    """What the weights of averages are called, the primary one's first."""
    return ["ema", *map(average_name, lengths[1:])]


def average_name(length: float) -> str:
    """What the weights of a further average are called, by its decay per step, or its half-life in images.

    >>> average_name(0.9997), average_name(20_000)
    ('ema0.9997', 'ema20k')
    """
    return f"ema{count_name(int(length)) if length >= 1 else repr(float(length))}"


@dataclass(frozen=True, order=True)
class ScoreName:
    """The parts of a name such as `fid_inception_10k_ema`; `features` is empty of a score of the pixels themselves.

    `count` is 0 of a score that was measured elsewhere: its name is all that is known, and says nothing of how.

    `weights` says by which weights the images were made: 'raw', as trained; 'ema', by the primary average; or by a further
    one, as `average_name` calls it.
    """

    metric: str
    features: str
    count: int
    weights: str = "raw"

    def __str__(self) -> str:
        features = f"_{self.features}" if self.features else ""
        count = f"_{count_name(self.count)}" if self.count else ""
        return f"{self.metric}{features}{count}{'' if self.weights == 'raw' else f'_{self.weights}'}"

    @classmethod
    def parse(cls, text: str, *, features: str) -> Self:
        """The parts of `text`, a score of a study whose feature network is `features`; ValueError if it is no score."""
        averaged = _WEIGHTS.search(text)
        weights = averaged.group(1) if averaged else "raw"
        body = text[: averaged.start()] if averaged else text
        found = _COUNT.search(body)
        if found is None:
            raise ValueError(f"{text!r} is no score's name: it lacks a number of images, as in fid_{features}_5k")
        count = int(found.group(1)) * (1000 if found.group(2) else 1)
        metric = body[: found.start()]
        if metric.endswith(f"_{features}"):
            return cls(metric.removesuffix(f"_{features}"), features, count, weights)
        return cls(metric, "", count, weights)

    @property
    def error(self) -> str:
        """What its standard error is called, which is no score's name: `fid_digits_5k_se`, `fid_digits_5k_se_ema`."""
        raw = str(self.raw)
        return f"{raw}_se{str(self).removeprefix(raw)}"

    @property
    def raw(self) -> Self:
        """The same score of the weights as trained."""
        return self.of("raw")

    @property
    def averaged(self) -> Self:
        """The same score of the averaged weights: the primary average."""
        return self.of("ema")

    def of(self, weights: str) -> Self:
        """The same score of other weights."""
        return dataclasses.replace(self, weights=weights)

    @property
    def other(self) -> Self:
        """The same score of the other weights."""
        return self.averaged if self.weights == "raw" else self.raw
