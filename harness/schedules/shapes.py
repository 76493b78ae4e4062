"""Shapes: tables known in advance, each a frozen dataclass that maps progress in [0, 1] to a fraction of the peak."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from harness.kinds import number
from harness.schedules.schedule import FloatArray, ScheduleError, Shape, ShapePart, check


def _hold() -> Any:
    text = "fraction of the steps after the warm-up that stay at the peak before the decay begins"
    return number(0.0, low=0.0, high=1.0, open_ends="high", text=text)


def _floor() -> Any:
    return number(0.0, low=0.0, high=1.0, text="fraction of the peak left at the end")


def _until() -> Any:
    text = "fraction of the steps after the warm-up at which the decay is over; above hold"
    return number(1.0, low=0.0, high=1.0, open_ends="low", text=text, later=True)


def _final(default: float) -> Any:
    return number(default, low=0.0, high=1.0, open_ends="low", text="fraction of the peak left at the end")


def _decay() -> Any:
    text = "fraction of the steps after the warm-up that the decay takes, at the end"
    return number(0.2, low=0.0, high=1.0, open_ends="low", text=text)


def _check_span(shape: "Linear | Exponential | Cosine") -> None:
    """The same, of a shape whose decay must begin before it ends."""
    check(shape)
    if shape.until <= shape.hold:
        raise ScheduleError(
            f"{shape.kind}.until is {shape.until:g}, but must be above hold, which is {shape.hold:g}: the decay lies between"
        )


def _after(progress: FloatArray, hold: float, until: float = 1.0) -> FloatArray:
    """Return the progress of the decay itself, in [0, 1], which begins at progress `hold` and ends at `until`."""
    return np.clip((progress - hold) / (until - hold), 0.0, 1.0)


@dataclass(frozen=True)
class Constant:
    """The peak rate at every step.

    >>> Constant()(np.arange(3) / 3).tolist()
    [1.0, 1.0, 1.0]
    """

    kind: ClassVar[str] = "constant"

    def __call__(self, progress: FloatArray) -> FloatArray:
        return np.ones_like(progress)


@dataclass(frozen=True)
class Linear:
    """A straight line from the peak to the floor, after an optional hold; from `until` on flat.

    With hold = 0 and floor = 0 the rate of step t of T is a - a * t / T. With hold = 0.5 it is CycleGAN's
    schedule (arXiv 1703.10593, 2017).

    >>> Linear()(np.arange(4) / 4).tolist()
    [1.0, 0.75, 0.5, 0.25]
    >>> Linear(hold=0.5)(np.arange(4) / 4).tolist()
    [1.0, 1.0, 1.0, 0.5]
    >>> Linear(floor=0.5, until=0.5)(np.arange(4) / 4).tolist()
    [1.0, 0.75, 0.5, 0.5]
    """

    kind: ClassVar[str] = "linear"
    hold: float = _hold()
    floor: float = _floor()
    until: float = _until()

    def __post_init__(self) -> None:
        _check_span(self)

    def __call__(self, progress: FloatArray) -> FloatArray:
        return 1.0 - (1.0 - self.floor) * _after(progress, self.hold, self.until)


@dataclass(frozen=True)
class Exponential:
    """The same factor at every step, down to a final fraction of the peak, after an optional hold; from `until` on flat.

    >>> [round(float(rate), 3) for rate in Exponential(final=0.0001)(np.arange(4) / 4)]
    [1.0, 0.1, 0.01, 0.001]
    """

    kind: ClassVar[str] = "exponential"
    final: float = _final(0.01)
    hold: float = _hold()
    until: float = _until()

    def __post_init__(self) -> None:
        _check_span(self)

    def __call__(self, progress: FloatArray) -> FloatArray:
        return np.power(self.final, _after(progress, self.hold, self.until))


@dataclass(frozen=True)
class Cosine:
    """Half a cosine from the peak to the floor, after an optional hold (arXiv 1608.03983, 2016); from `until` on flat.

    Without restarts. With floor = 0.25 and until below 1 it is R3GAN's (brownvc/R3GAN, training/training_loop.py,
    `cosine_decay_with_warmup`), whose decay takes a first number of images.

    >>> [round(float(rate), 3) for rate in Cosine()(np.arange(2) / 2)]
    [1.0, 0.5]
    """

    kind: ClassVar[str] = "cosine"
    floor: float = _floor()
    hold: float = _hold()
    until: float = _until()

    def __post_init__(self) -> None:
        _check_span(self)

    def __call__(self, progress: FloatArray) -> FloatArray:
        left = 0.5 * (1.0 + np.cos(np.pi * _after(progress, self.hold, self.until)))
        return self.floor + (1.0 - self.floor) * left


@dataclass(frozen=True)
class Polynomial:
    """A power of the steps that are left: above 1 drops early, below 1 drops late.

    >>> [round(float(rate), 3) for rate in Polynomial(power=2.0)(np.arange(4) / 4)]
    [1.0, 0.562, 0.25, 0.062]
    """

    kind: ClassVar[str] = "polynomial"
    power: float = number(
        2.0, low=0.0, high=10.0, open_ends="low", text="exponent of the fraction of steps left after the warm-up"
    )
    floor: float = _floor()

    def __post_init__(self) -> None:
        check(self)

    def __call__(self, progress: FloatArray) -> FloatArray:
        return self.floor + (1.0 - self.floor) * np.power(1.0 - progress, self.power)


@dataclass(frozen=True)
class Step:
    """A staircase: plateaus of equal length, each lower than the one before by the same factor.

    The first step at or after a boundary has the new rate; the last plateau is factor ** drops.

    >>> [round(float(rate), 3) for rate in Step(drops=1)(np.arange(4) / 4)]
    [1.0, 1.0, 0.5, 0.5]
    """

    kind: ClassVar[str] = "step"
    drops: int = number(3, low=1, high=20, text="number of drops, between drops + 1 plateaus of equal length")
    factor: float = number(0.5, low=0.0, high=1.0, open_ends="low high", text="what each drop multiplies the rate by")

    def __post_init__(self) -> None:
        check(self)

    def __call__(self, progress: FloatArray) -> FloatArray:
        # The small addend keeps a step that lies on a boundary beyond it whatever its division rounded to.
        plateau = np.floor(progress * (self.drops + 1) + 1e-9)
        return np.power(self.factor, np.minimum(plateau, self.drops))


@dataclass(frozen=True)
class InverseSqrt:
    """One over the square root of a line through the steps, down to a final fraction of the peak.

    1 / sqrt(1 + progress * (1 / final ** 2 - 1)): fast at first, then ever slower (the decay of
    arXiv 1706.03762, 2017, whose warm-up is `Schedule.warmup` here).

    >>> [round(float(rate), 3) for rate in InverseSqrt(final=0.5)(np.arange(3) / 3)]
    [1.0, 0.707, 0.577]
    """

    kind: ClassVar[str] = "inverse_sqrt"
    final: float = _final(0.1)

    def __post_init__(self) -> None:
        check(self)

    def __call__(self, progress: FloatArray) -> FloatArray:
        squared = self.final * self.final
        return self.final / np.sqrt(squared + progress * (1.0 - squared))


@dataclass(frozen=True)
class WarmupStableDecay:
    """The peak until a last fraction of the steps after the warm-up, then a straight line to the floor (a trapezoid).

    The shape of warm-up-stable-decay (arXiv 2404.06395, 2024) with a linear tail; its warm-up is
    `Schedule.warmup`. The same curve as `linear` with hold = 1 - decay, named by the length of its tail.

    >>> [round(float(rate), 3) for rate in WarmupStableDecay(decay=0.5)(np.arange(4) / 4)]
    [1.0, 1.0, 1.0, 0.5]
    """

    kind: ClassVar[str] = "wsd"
    decay: float = number(
        0.2,
        low=0.0,
        high=1.0,
        open_ends="low",
        text="fraction of the steps after the warm-up that the decay takes, at the end",
    )
    floor: float = _floor()

    def __post_init__(self) -> None:
        check(self)

    def __call__(self, progress: FloatArray) -> FloatArray:
        return self.floor + (1.0 - self.floor) * np.clip((1.0 - progress) / self.decay, 0.0, 1.0)


@dataclass(frozen=True)
class WarmupStableSqrtDecay:
    """The peak until a last fraction of the steps after the warm-up, then 1 - sqrt down to the floor: steep at first.

    The cooldown of arXiv 2405.18392 (2024), 1 - sqrt((t - n) / (T - n)), found better there than a straight line.

    >>> [round(float(rate), 3) for rate in WarmupStableSqrtDecay(decay=0.5)(np.arange(4) / 4)]
    [1.0, 1.0, 1.0, 0.293]
    """

    kind: ClassVar[str] = "wsd_sqrt"
    decay: float = _decay()
    floor: float = _floor()

    def __post_init__(self) -> None:
        check(self)

    def __call__(self, progress: FloatArray) -> FloatArray:
        return self.floor + (1.0 - self.floor) * (1.0 - np.sqrt(_after(progress, 1.0 - self.decay)))


@dataclass(frozen=True)
class CosineRestarts:
    """Half a cosine from the peak to the floor, several times; each cycle may be longer and begin lower.

    Warm restarts of arXiv 1608.03983 (2016), with the settings of Keras' CosineDecayRestarts. The cycles fill all steps after the warm-up; the first step at or after a
    boundary begins the next one.

    >>> [round(float(rate), 3) for rate in CosineRestarts(cycles=2)(np.arange(4) / 4)]
    [1.0, 0.5, 1.0, 0.5]
    """

    kind: ClassVar[str] = "restarts"
    cycles: int = number(3, low=2, high=50, text="number of cycles, each a decay from its peak to the floor")
    lengthen: float = number(1.0, low=1.0, high=4.0, text="length of each cycle divided by that of the one before")
    lower: float = number(
        1.0,
        low=0.0,
        high=1.0,
        open_ends="low",
        text="height above the floor of each cycle divided by that of the one before",
    )
    floor: float = _floor()

    def __post_init__(self) -> None:
        check(self)

    def __call__(self, progress: FloatArray) -> FloatArray:
        lengths = np.power(self.lengthen, np.arange(self.cycles, dtype=np.float64))
        ends = np.cumsum(lengths) / lengths.sum()
        # The small addend keeps a step that lies on a boundary beyond it whatever its division rounded to.
        cycle = np.minimum(np.searchsorted(ends, progress + 1e-9, side="right"), self.cycles - 1)
        begins = np.concatenate([[0.0], ends[:-1]])[cycle]
        within = np.clip((progress - begins) / (ends[cycle] - begins), 0.0, 1.0)
        height = (1.0 - self.floor) * np.power(self.lower, cycle)
        return np.asarray(self.floor + height * 0.5 * (1.0 + np.cos(np.pi * within)), dtype=np.float64)


@dataclass(frozen=True)
class OneCycle:
    """Half a cosine up to the peak, then half a cosine down to the end, far below where it began.

    The one-cycle policy of arXiv 1708.07120 (2017) with the cosine form and the defaults of PyTorch's OneCycleLR,
    without its cycle of the momentum.

    >>> [round(float(rate), 3) for rate in OneCycle(rise=0.5, start=0.0)(np.arange(4) / 4)]
    [0.0, 0.5, 1.0, 0.5]
    """

    kind: ClassVar[str] = "onecycle"
    rise: float = number(
        0.3, low=0.0, high=1.0, open_ends="low high", text="fraction of the steps after the warm-up before the peak"
    )
    start: float = number(0.04, low=0.0, high=1.0, text="fraction of the peak at the beginning")
    final: float = number(4e-6, low=0.0, high=1.0, text="fraction of the peak left at the end")

    def __post_init__(self) -> None:
        check(self)

    def __call__(self, progress: FloatArray) -> FloatArray:
        up = 0.5 * (1.0 - np.cos(np.pi * np.clip(progress / self.rise, 0.0, 1.0)))
        down = 0.5 * (1.0 + np.cos(np.pi * _after(progress, self.rise)))
        rising = self.start + (1.0 - self.start) * up
        falling = self.final + (1.0 - self.final) * down
        return np.where(progress < self.rise, rising, falling)


@dataclass(frozen=True)
class Rex:
    """Above the straight line at first and steep at the end: (1 - p) / (1/2 + (1 - p)/2), arXiv 2107.04197 (2021).

    >>> [round(float(rate), 3) for rate in Rex()(np.arange(4) / 4)]
    [1.0, 0.857, 0.667, 0.4]
    """

    kind: ClassVar[str] = "rex"
    floor: float = _floor()

    def __post_init__(self) -> None:
        check(self)

    def __call__(self, progress: FloatArray) -> FloatArray:
        left = 1.0 - progress
        return self.floor + (1.0 - self.floor) * left / (0.5 + 0.5 * left)


@dataclass(frozen=True)
class BudgetAware:
    """A family in one number: 2 u / (2 phi + (2 - phi) u) with u = 1 + cos(pi p); phi = 2 is half a cosine.

    The unified budget-aware schedule in one phase (arXiv 2505.24452, 2025): above half a cosine for phi below 2, and the
    nearer the peak the smaller phi is; below it for phi above 2. The paper relates phi to the condition number.

    >>> [round(float(rate), 3) for rate in BudgetAware(phi=1.0)(np.arange(4) / 4)]
    [1.0, 0.921, 0.667, 0.255]
    """

    kind: ClassVar[str] = "uba"
    phi: float = number(
        1.0, low=0.0, high=100.0, open_ends="low", text="the smaller, the longer the rate stays near its peak"
    )
    floor: float = _floor()

    def __post_init__(self) -> None:
        check(self)

    def __call__(self, progress: FloatArray) -> FloatArray:
        left = 1.0 + np.cos(np.pi * progress)
        return self.floor + (1.0 - self.floor) * 2.0 * left / (2.0 * self.phi + (2.0 - self.phi) * left)


SHAPES: Mapping[str, type[Shape]] = {
    kind.kind: kind
    for kind in (
        Constant,
        Linear,
        Exponential,
        Cosine,
        Polynomial,
        Step,
        InverseSqrt,
        WarmupStableDecay,
        WarmupStableSqrtDecay,
        Rex,
        CosineRestarts,
        OneCycle,
        BudgetAware,
    )
}


PARTS = tuple(ShapePart.of(declared) for declared in SHAPES.values())
