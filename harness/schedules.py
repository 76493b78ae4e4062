"""Learning-rate schedules: a peak rate, a warm-up, and the shape of the rates after it.

The rate of step t is peak * ramp(t) * shape(progress), where a shape maps progress in [0, 1] to a fraction of the peak. The peak stands apart from the shape because it would otherwise decide every comparison
between shapes (arXiv 2603.10301, 2026). Training, the record and the plots read the same `Schedule.rates`.

A new shape is one frozen dataclass here and its entry in `SHAPES`; what a study file may set, what a search may
vary and what the documentation says follow from its fields.
"""

import math
import numbers
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol, cast

import numpy as np
import numpy.typing as npt

from harness import kinds
from harness.kinds import KindError, Part, Setting, number

FloatArray = npt.NDArray[np.float64]


class ScheduleError(KindError):
    """A schedule was asked for that cannot be: one sentence with field, value and what is allowed."""


class Shape(Protocol):
    """Progress in [0, 1] to a fraction of the peak, float64, never above 1.

    `rises` says whether it is other than a decay, which is 1 at progress 0 and never rises.
    """

    rises: ClassVar[bool]

    kind: ClassVar[str]

    def __call__(self, progress: FloatArray) -> FloatArray: ...


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


def _check(shape: Shape) -> None:
    try:
        kinds.check_settings(shape, owner=shape.kind)
    except KindError as error:
        raise ScheduleError(str(error)) from None


def _check_span(shape: "Linear | Exponential | Cosine") -> None:
    """The same, of a shape whose decay must begin before it ends."""
    _check(shape)
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

    >>> Schedule(Constant(), peak=0.5).rates(3).tolist()
    [0.5, 0.5, 0.5]
    """

    kind: ClassVar[str] = "constant"
    rises: ClassVar[bool] = False

    def __call__(self, progress: FloatArray) -> FloatArray:
        return np.ones_like(progress)


@dataclass(frozen=True)
class Linear:
    """A straight line from the peak to the floor, after an optional hold; from `until` on flat.

    With hold = 0 and floor = 0 the rate of step t of T is a - a * t / T. With hold = 0.5 it is CycleGAN's
    schedule (arXiv 1703.10593, 2017).

    >>> Schedule(Linear(), peak=1.0).rates(4).tolist()
    [1.0, 0.75, 0.5, 0.25]
    >>> Schedule(Linear(hold=0.5), peak=1.0).rates(4).tolist()
    [1.0, 1.0, 1.0, 0.5]
    >>> Schedule(Linear(floor=0.5, until=0.5), peak=1.0).rates(4).tolist()
    [1.0, 0.75, 0.5, 0.5]
    """

    kind: ClassVar[str] = "linear"
    rises: ClassVar[bool] = False
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

    >>> [round(float(rate), 3) for rate in Schedule(Exponential(final=0.0001), peak=1.0).rates(4)]
    [1.0, 0.1, 0.01, 0.001]
    """

    kind: ClassVar[str] = "exponential"
    rises: ClassVar[bool] = False
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

    >>> [round(float(rate), 3) for rate in Schedule(Cosine(), peak=1.0).rates(2)]
    [1.0, 0.5]
    """

    kind: ClassVar[str] = "cosine"
    rises: ClassVar[bool] = False
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

    >>> [round(float(rate), 3) for rate in Schedule(Polynomial(power=2.0), peak=1.0).rates(4)]
    [1.0, 0.562, 0.25, 0.062]
    """

    kind: ClassVar[str] = "polynomial"
    rises: ClassVar[bool] = False
    power: float = number(
        2.0, low=0.0, high=10.0, open_ends="low", text="exponent of the fraction of steps left after the warm-up"
    )
    floor: float = _floor()

    def __post_init__(self) -> None:
        _check(self)

    def __call__(self, progress: FloatArray) -> FloatArray:
        return self.floor + (1.0 - self.floor) * np.power(1.0 - progress, self.power)


@dataclass(frozen=True)
class Step:
    """A staircase: plateaus of equal length, each lower than the one before by the same factor.

    The first step at or after a boundary has the new rate; the last plateau is factor ** drops.

    >>> [round(float(rate), 3) for rate in Schedule(Step(drops=1), peak=1.0).rates(4)]
    [1.0, 1.0, 0.5, 0.5]
    """

    kind: ClassVar[str] = "step"
    rises: ClassVar[bool] = False
    drops: int = number(3, low=1, high=20, text="number of drops, between drops + 1 plateaus of equal length")
    factor: float = number(0.5, low=0.0, high=1.0, open_ends="low high", text="what each drop multiplies the rate by")

    def __post_init__(self) -> None:
        _check(self)

    def __call__(self, progress: FloatArray) -> FloatArray:
        # The small addend keeps a step that lies on a boundary beyond it whatever its division rounded to.
        plateau = np.floor(progress * (self.drops + 1) + 1e-9)
        return np.power(self.factor, np.minimum(plateau, self.drops))


@dataclass(frozen=True)
class InverseSqrt:
    """One over the square root of a line through the steps, down to a final fraction of the peak.

    1 / sqrt(1 + progress * (1 / final ** 2 - 1)): fast at first, then ever slower (the decay of
    arXiv 1706.03762, 2017, whose warm-up is `Schedule.warmup` here).

    >>> [round(float(rate), 3) for rate in Schedule(InverseSqrt(final=0.5), peak=1.0).rates(3)]
    [1.0, 0.707, 0.577]
    """

    kind: ClassVar[str] = "inverse_sqrt"
    rises: ClassVar[bool] = False
    final: float = _final(0.1)

    def __post_init__(self) -> None:
        _check(self)

    def __call__(self, progress: FloatArray) -> FloatArray:
        squared = self.final * self.final
        return self.final / np.sqrt(squared + progress * (1.0 - squared))


@dataclass(frozen=True)
class WarmupStableDecay:
    """The peak until a last fraction of the steps after the warm-up, then a straight line to the floor (a trapezoid).

    The shape of warm-up-stable-decay (arXiv 2404.06395, 2024) with a linear tail; its warm-up is
    `Schedule.warmup`. The same curve as `linear` with hold = 1 - decay, named by the length of its tail.

    >>> [round(float(rate), 3) for rate in Schedule(WarmupStableDecay(decay=0.5), peak=1.0).rates(4)]
    [1.0, 1.0, 1.0, 0.5]
    """

    kind: ClassVar[str] = "wsd"
    rises: ClassVar[bool] = False
    decay: float = number(
        0.2,
        low=0.0,
        high=1.0,
        open_ends="low",
        text="fraction of the steps after the warm-up that the decay takes, at the end",
    )
    floor: float = _floor()

    def __post_init__(self) -> None:
        _check(self)

    def __call__(self, progress: FloatArray) -> FloatArray:
        return self.floor + (1.0 - self.floor) * np.clip((1.0 - progress) / self.decay, 0.0, 1.0)


@dataclass(frozen=True)
class WarmupStableSqrtDecay:
    """The peak until a last fraction of the steps after the warm-up, then 1 - sqrt down to the floor: steep at first.

    The cooldown of arXiv 2405.18392 (2024), 1 - sqrt((t - n) / (T - n)), found better there than a straight line.

    >>> [round(float(rate), 3) for rate in Schedule(WarmupStableSqrtDecay(decay=0.5), peak=1.0).rates(4)]
    [1.0, 1.0, 1.0, 0.293]
    """

    kind: ClassVar[str] = "wsd_sqrt"
    rises: ClassVar[bool] = False
    decay: float = _decay()
    floor: float = _floor()

    def __post_init__(self) -> None:
        _check(self)

    def __call__(self, progress: FloatArray) -> FloatArray:
        return self.floor + (1.0 - self.floor) * (1.0 - np.sqrt(_after(progress, 1.0 - self.decay)))


@dataclass(frozen=True)
class CosineRestarts:
    """Half a cosine from the peak to the floor, several times; each cycle may be longer and begin lower.

    Warm restarts of arXiv 1608.03983 (2016), with the settings of Keras' CosineDecayRestarts. The cycles fill all steps after the warm-up; the first step at or after a
    boundary begins the next one.

    >>> [round(float(rate), 3) for rate in Schedule(CosineRestarts(cycles=2), peak=1.0).rates(4)]
    [1.0, 0.5, 1.0, 0.5]
    """

    kind: ClassVar[str] = "restarts"
    rises: ClassVar[bool] = True
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
        _check(self)

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

    >>> [round(float(rate), 3) for rate in Schedule(OneCycle(rise=0.5, start=0.0), peak=1.0).rates(4)]
    [0.0, 0.5, 1.0, 0.5]
    """

    kind: ClassVar[str] = "onecycle"
    rises: ClassVar[bool] = True
    rise: float = number(
        0.3, low=0.0, high=1.0, open_ends="low high", text="fraction of the steps after the warm-up before the peak"
    )
    start: float = number(0.04, low=0.0, high=1.0, text="fraction of the peak at the beginning")
    final: float = number(4e-6, low=0.0, high=1.0, text="fraction of the peak left at the end")

    def __post_init__(self) -> None:
        _check(self)

    def __call__(self, progress: FloatArray) -> FloatArray:
        up = 0.5 * (1.0 - np.cos(np.pi * np.clip(progress / self.rise, 0.0, 1.0)))
        down = 0.5 * (1.0 + np.cos(np.pi * _after(progress, self.rise)))
        rising = self.start + (1.0 - self.start) * up
        falling = self.final + (1.0 - self.final) * down
        return np.where(progress < self.rise, rising, falling)


@dataclass(frozen=True)
class Rex:
    """Above the straight line at first and steep at the end: (1 - p) / (1/2 + (1 - p)/2), arXiv 2107.04197 (2021).

    >>> [round(float(rate), 3) for rate in Schedule(Rex(), peak=1.0).rates(4)]
    [1.0, 0.857, 0.667, 0.4]
    """

    kind: ClassVar[str] = "rex"
    rises: ClassVar[bool] = False
    floor: float = _floor()

    def __post_init__(self) -> None:
        _check(self)

    def __call__(self, progress: FloatArray) -> FloatArray:
        left = 1.0 - progress
        return self.floor + (1.0 - self.floor) * left / (0.5 + 0.5 * left)


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
    )
}


@dataclass(frozen=True, kw_only=True)
class ShapePart(Part):
    """The declaration of a shape, which is its own settings: a frozen dataclass, called with progress."""

    role: ClassVar[str] = "schedule"

    @classmethod
    def of(cls, declared: type[Shape]) -> "ShapePart":
        """What a shape's class says of itself."""
        return cls(
            name=declared.kind, help=(declared.__doc__ or "").partition("\n")[0], build=declared, settings=declared
        )


PARTS = tuple(ShapePart.of(declared) for declared in SHAPES.values())


def all_shapes() -> dict[str, type[Shape]]:
    """Return every shape by kind: ours, then those of installed packages and of a study's own files."""
    return {name: cast(type[Shape], part.settings) for name, part in kinds.parts("schedule").items()}


def _known(kind: str) -> type[Shape]:
    if kind in SHAPES:
        return SHAPES[kind]
    if kinds.is_own(kind):
        part = kinds.find("schedule", kind, key="kind")
        if isinstance(part, kinds.Unread):
            raise ScheduleError(f"schedule {kind!r} is a study's own, whose file has not been executed here")
        return cast(type[Shape], part.settings)
    known = all_shapes()
    if kind not in known:
        raise ScheduleError(
            f"there is no schedule {kind!r}{kinds.nearest(kind, known)}: it must be one of {', '.join(known)}"
        )
    return known[kind]


def is_unread(kind: str) -> bool:
    """Whether a shape is in a file of the user's own that has not been executed in this process."""
    return kinds.is_own(kind) and isinstance(kinds.find("schedule", kind, key="kind"), kinds.Unread)


def shape_fields(kind: str) -> tuple[Setting, ...]:
    """Return what may be set on a shape, in order; ScheduleError for an unknown kind."""
    return kinds.settings_of(_known(kind))


def whole_fields(kind: str) -> frozenset[str]:
    """Return the names of a shape's fields that are whole numbers; ScheduleError for an unknown kind.

    Of a shape in a file that has not been executed here none is known.
    """
    if is_unread(kind):
        return frozenset()
    return frozenset(info.name for info in shape_fields(kind) if info.type is int)


def shape_help(kind: str) -> str:
    """Return the one line that says what a shape does."""
    return (_known(kind).__doc__ or "").partition("\n")[0]


def shape(kind: str, **fields: float) -> Shape:
    """Return the shape of that kind with those fields; ScheduleError names an unknown kind, field or bad value."""
    made = _known(kind)
    names = [info.name for info in kinds.settings_of(made)]
    for name in fields:
        if name not in names:
            allowed = f"its fields are {', '.join(names)}" if names else "it has no fields"
            raise ScheduleError(f"{kind} has no field {name!r}{kinds.nearest(name, names)}: {allowed}")
    shape = made(**fields)
    _check(shape)  # ours have done so; a shape of another package need not
    return shape


@dataclass(frozen=True)
class Schedule:
    """A shape times its peak rate, after a linear warm-up over a fraction of all steps.

    >>> [round(float(rate), 3) for rate in Schedule(Linear(), peak=1.0, warmup=0.5).rates(4)]
    [0.333, 0.667, 1.0, 0.5]
    """

    shape: Shape
    peak: float
    warmup: float = 0.0

    def __post_init__(self) -> None:
        if not (_is_real(self.peak) and 0.0 < self.peak < math.inf):
            raise ScheduleError(f"schedule.peak is {self.peak!r}, but must be a finite number above 0")
        if not (_is_real(self.warmup) and 0.0 <= self.warmup < 1.0):
            raise ScheduleError(f"schedule.warmup is {self.warmup!r}, but must be at least 0 and below 1")

    def rates(self, steps: int) -> npt.NDArray[np.float32]:
        """Return the rates of steps 0 to `steps` - 1, float32 (steps,), exactly as training uses them.

        The first w = round(warmup * steps) steps rise as peak * (t + 1) / (w + 1) times the shape's first value, never 0;
        the shape spans the steps from w on: its progress is (t - w) / (steps - w), without warm-up t / steps.
        Computed in float64 and rounded once.
        """
        if not isinstance(steps, numbers.Integral) or isinstance(steps, bool) or steps < 1:
            raise ScheduleError(f"steps is {steps!r}, but must be a whole number of at least 1")
        ramp = np.minimum((np.arange(steps, dtype=np.float64) + 1.0) / (self._warming(steps) + 1.0), 1.0)
        return (self.peak * ramp * self.fractions(steps)).astype(np.float32)

    def fractions(self, steps: int) -> FloatArray:
        """Return the shape's value at steps 0 to `steps` - 1, float64 (steps,): its first throughout the warm-up."""
        warming = self._warming(steps)
        progress = np.maximum(np.arange(steps, dtype=np.float64) - warming, 0.0) / (steps - warming)
        return self.shape(progress)

    def _warming(self, steps: int) -> int:
        """How many steps the warm-up takes."""
        return min(math.floor(self.warmup * steps + 0.5), steps - 1)


def of(kind: str, values: Mapping[str, float]) -> Schedule:
    """Return the schedule of `kind` that `values` (a run's parameters by name) describe; other names are not looked at.

    `peak` must be among them, `warmup` counts as 0 where it is not. Fields that are whole numbers may come as floats, as
    a table has them. Raises ScheduleError if the shape refuses a value.
    """
    own = {info.name: values[info.name] for info in shape_fields(kind) if info.name in values}
    own |= {name: int(own[name]) for name in whole_fields(kind) & own.keys() if float(own[name]).is_integer()}
    return Schedule(shape(kind, **own), peak=values["peak"], warmup=values.get("warmup", 0.0))


ALL = "both"  # `applies_to` of a schedule that every network follows; of the first release, which knew two networks


def by_network(
    schedule: Schedule,
    steps: int,
    *,
    networks: Sequence[str] = ("generator", "discriminator"),
    ratios: Mapping[str, float] | None = None,
    applies_to: str = ALL,
    own: Mapping[str, Schedule] | None = None,
) -> dict[str, npt.NDArray[np.float32]]:
    """Return the rates of each network by name, float32 (steps,): the schedule's, times its ratio where it has one.

    Networks in `own` follow a schedule of their own; others than `applies_to` (unless it is ALL) keep the peak throughout.
    """
    following = schedule.rates(steps)
    constant = np.full(steps, np.float32(schedule.peak))
    rates = {}
    for network in networks:
        if own is not None and network in own:
            mine = own[network].rates(steps)
        else:
            mine = following if applies_to in (ALL, network) else constant
        ratio = (ratios or {}).get(network)
        rates[network] = mine if ratio is None else (mine.astype(np.float64) * ratio).astype(np.float32)
    return rates


def _is_real(value: object) -> bool:
    return isinstance(value, numbers.Real) and not isinstance(value, bool)
