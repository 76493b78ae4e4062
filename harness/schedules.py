"""Learning-rate schedules as values: rate(step) = peak × warm-up × shape(progress), pure functions of the step.

A shape maps progress in [0, 1] to the fraction of the peak that is left. The peak is factored out because a comparison
of shapes at one common rate would otherwise mostly compare rates (Naganuma et al., arXiv 2603.10301).
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

Array = NDArray[np.float64]
_SMALLEST = 1e-12


def _limited(default: float, *, low: float, high: float, help: str) -> Any:
    """A dataclass field with closed limits and a line of help; an int default allows whole numbers only."""
    return dataclasses.field(default=default, metadata={"low": low, "high": high, "help": help})


def _hold(most: float = 0.99) -> Any:
    return _limited(0.0, low=0.0, high=most, help="share of all steps at the peak before the decay begins")


def _floor() -> Any:
    return _limited(0.0, low=0.0, high=1.0, help="fraction of the peak that is left at the end")


def _check(shape: Any) -> None:
    """Raise ValueError naming the field, its value and what is allowed."""
    for field in dataclasses.fields(shape):
        value, low, high = getattr(shape, field.name), field.metadata["low"], field.metadata["high"]
        whole = isinstance(field.default, int)
        if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value <= high:
            raise ValueError(f"{shape.kind}: {field.name} is {value!r}, but allowed is [{low:g}, {high:g}]")
        if whole and value != int(value):
            raise ValueError(f"{shape.kind}: {field.name} is {value!r}, but allowed are whole numbers")


def _after(progress: Array, hold: float) -> Array:
    """Progress of the decay itself, which begins after the share `hold`."""
    return np.maximum(progress - hold, 0.0) / (1.0 - hold) if hold else progress


class Shape(Protocol):
    """The form of a decay: a frozen dataclass that is called with progress in [0, 1]."""

    kind: ClassVar[str]

    def __call__(self, progress: Array) -> Array:
        """The fraction of the peak left at `progress`, any shape, float64."""


@dataclass(frozen=True)
class Constant:
    """The peak from first to last step: no decay."""

    kind: ClassVar[str] = "constant"

    def __post_init__(self) -> None:
        _check(self)

    def __call__(self, progress: Array) -> Array:
        return np.ones_like(progress)


@dataclass(frozen=True)
class Linear:
    """Straight down to the floor; with hold as CycleGAN (0.5) and SNGAN on ImageNet (0.8, 8/9) have it."""

    kind: ClassVar[str] = "linear"
    hold: float = _hold()
    floor: float = _floor()

    def __post_init__(self) -> None:
        _check(self)

    def __call__(self, progress: Array) -> Array:
        return 1.0 - (1.0 - self.floor) * _after(progress, self.hold)


@dataclass(frozen=True)
class Exponential:
    """The same factor every step, down to the fraction `final` of the peak."""

    kind: ClassVar[str] = "exponential"
    final: float = _limited(0.1, low=_SMALLEST, high=1.0, help="fraction of the peak that is left at the end")
    hold: float = _hold()

    def __post_init__(self) -> None:
        _check(self)

    def __call__(self, progress: Array) -> Array:
        return np.asarray(np.exp(math.log(self.final) * _after(progress, self.hold)))


@dataclass(frozen=True)
class Cosine:
    """Half a cosine down to the floor (Loshchilov & Hutter 2017, without restarts)."""

    kind: ClassVar[str] = "cosine"
    hold: float = _hold()
    floor: float = _floor()

    def __post_init__(self) -> None:
        _check(self)

    def __call__(self, progress: Array) -> Array:
        half = 0.5 * (1.0 + np.cos(np.pi * _after(progress, self.hold)))
        return np.asarray(self.floor + (1.0 - self.floor) * half)


@dataclass(frozen=True)
class Polynomial:
    """(1 - progress) to a power, down to the floor."""

    kind: ClassVar[str] = "polynomial"
    power: float = _limited(2.0, low=0.1, high=10.0, help="exponent; 1 is linear, more decays earlier")
    hold: float = _hold()
    floor: float = _floor()

    def __post_init__(self) -> None:
        _check(self)

    def __call__(self, progress: Array) -> Array:
        left = 1.0 - _after(progress, self.hold)
        return np.asarray(self.floor + (1.0 - self.floor) * left**self.power)


@dataclass(frozen=True)
class Step:
    """A staircase: `drops` equal stretches after the first, each `factor` times the one before."""

    kind: ClassVar[str] = "step"
    drops: int = _limited(3, low=1, high=1000, help="how many times the rate drops")
    factor: float = _limited(0.3, low=_SMALLEST, high=1.0, help="what is left of the rate after a drop")

    def __post_init__(self) -> None:
        _check(self)

    def __call__(self, progress: Array) -> Array:
        # A tiny nudge, so that a boundary which falls on a step exactly is not missed for lack of a last bit.
        stretch = np.minimum(np.floor(progress * (self.drops + 1) + 1e-9), self.drops)
        return np.asarray(self.factor**stretch)


@dataclass(frozen=True)
class InverseSqrt:
    """1/√(1 + c·progress) with c such that the fraction `final` is left at the end."""

    kind: ClassVar[str] = "inverse_sqrt"
    final: float = _limited(0.1, low=1e-6, high=1.0, help="fraction of the peak that is left at the end")

    def __post_init__(self) -> None:
        _check(self)

    def __call__(self, progress: Array) -> Array:
        return np.asarray(1.0 / np.sqrt(1.0 + (self.final**-2 - 1.0) * progress))


@dataclass(frozen=True)
class WarmupStableDecay:
    """The peak, then straight down over the last share `decay` (WSD; the warm-up is the schedule's own)."""

    kind: ClassVar[str] = "wsd"
    decay: float = _limited(0.2, low=0.01, high=1.0, help="share of all steps, at the end, over which the rate decays")
    floor: float = _floor()

    def __post_init__(self) -> None:
        _check(self)

    def __call__(self, progress: Array) -> Array:
        return 1.0 - (1.0 - self.floor) * np.maximum(progress - (1.0 - self.decay), 0.0) / self.decay


@dataclass(frozen=True)
class Rex:
    """(1 - p) / (1 - p + p/2): stays high, falls late (Chen et al. 2021, arXiv 2107.04197)."""

    kind: ClassVar[str] = "rex"
    hold: float = _hold()
    floor: float = _floor()

    def __post_init__(self) -> None:
        _check(self)

    def __call__(self, progress: Array) -> Array:
        left = 1.0 - _after(progress, self.hold)
        return np.asarray(self.floor + (1.0 - self.floor) * left / (0.5 + 0.5 * left))


SHAPES: Mapping[str, type[Any]] = {
    shape.kind: shape
    for shape in (Constant, Linear, Exponential, Cosine, Polynomial, Step, InverseSqrt, WarmupStableDecay, Rex)
}


def shape(kind: str, **fields: float) -> Shape:
    """The shape of `kind` with its fields; raises ValueError naming what is unknown or out of range."""
    if kind not in SHAPES:
        raise ValueError(f"kind is {kind!r}, but allowed is one of: {', '.join(SHAPES)}")
    known = {field.name: field for field in dataclasses.fields(SHAPES[kind])}
    for name in fields:
        if name not in known:
            raise ValueError(f"unknown field '{name}' of kind '{kind}'; allowed: {', '.join(known) or 'none'}")
    made: Shape = SHAPES[kind](**fields)
    return made


def field_names(kind: str) -> tuple[str, ...]:
    """The names of a shape's own fields."""
    return tuple(field.name for field in dataclasses.fields(SHAPES[kind]))


def describe(kind: str) -> str:
    """One line on a shape."""
    return (SHAPES[kind].__doc__ or "").strip().splitlines()[0]


@dataclass(frozen=True)
class Schedule:
    """A shape with its peak rate and a linear warm-up over the first share `warmup` of all steps.

    The clock counts generator steps. Step t of T has progress t/T, so that linear decay is α₀ - α₀·t/T exactly and the
    first step of an unwarmed schedule is taken at the peak. During warm-up, step t has (t + 1) / (warm-up steps) of the
    rate, so that no step is taken at rate 0.
    """

    shape: Shape
    peak: float
    warmup: float = 0.0

    def __post_init__(self) -> None:
        if not (math.isfinite(self.peak) and self.peak > 0):
            raise ValueError(f"peak is {self.peak!r}, but allowed is a finite rate above 0")
        if not 0.0 <= self.warmup < 1.0:
            raise ValueError(f"warmup is {self.warmup!r}, but allowed is [0, 1)")

    def rates(self, steps: int) -> NDArray[np.float32]:
        """The rates of steps 0 to `steps` - 1, float32 (steps,), exactly as training uses them."""
        if steps < 1:
            raise ValueError(f"steps is {steps}, but allowed is a whole number from 1")
        step = np.arange(steps, dtype=np.float64)
        rates = self.peak * self.shape(step / steps)
        rising = round(self.warmup * steps)
        if rising:
            rates *= np.minimum((step + 1.0) / rising, 1.0)
        return rates.astype(np.float32)

    def at(self, progress: ArrayLike) -> Array:
        """The fraction of the peak left at `progress` in [0, 1], without warm-up, float64."""
        return self.shape(np.asarray(progress, dtype=np.float64))
