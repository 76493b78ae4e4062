"""What a schedule is: a peak rate, a warm-up, and what the rate does after it.

The rate of step t is peak * ramp(t) * value, and the value is one of two things. A *table* is known in advance: it maps
progress in [0, 1] to a fraction of the peak in [0, 1], and may rise. A *rule* (`harness.schedules.rule`) decides while
training goes on, by what it sees of it, and keeps a state. The peak stands apart because it would otherwise decide every
comparison between shapes (arXiv 2603.10301, 2026). Training, the record and the plots read the same rates.
"""

import math
import numbers
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol

import numpy as np
import numpy.typing as npt

from harness import kinds
from harness.kinds import KindError, Part

FloatArray = npt.NDArray[np.float64]
_ROUNDING = 1e-9  # how far a table's values may lie outside [0, 1]


class ScheduleError(KindError):
    """A schedule was asked for that cannot be: one sentence with field, value and what is allowed."""


class Shape(Protocol):
    """Progress in [0, 1] to a fraction of the peak in [0, 1], float64: a table, which may rise.

    Of a rule it is what is known in advance: 1 throughout. One that has `over` too, a function of a run's steps and of
    those of its warm-up, gives the value at every step itself; one that has `refuses`, as rules do, may refuse a run.
    """

    kind: ClassVar[str]

    def __call__(self, progress: FloatArray) -> FloatArray: ...


@dataclass(frozen=True, kw_only=True)
class ShapePart(Part):
    """The declaration of a shape or a rule, which is its own settings: a frozen dataclass."""

    role: ClassVar[str] = "schedule"

    @classmethod
    def of(cls, declared: type[Any]) -> "ShapePart":
        """What the class of a shape or a rule says of itself."""
        return cls(
            name=declared.kind,
            help=(declared.__doc__ or "").partition("\n")[0],
            build=declared,
            settings=declared,
            position=getattr(declared, "position", 1000),
        )


def check(shape: Shape) -> None:
    """Raise ScheduleError at the first field of a shape or rule that is not allowed."""
    try:
        kinds.check_settings(shape, owner=shape.kind)
    except KindError as error:
        raise ScheduleError(str(error)) from None


@dataclass(frozen=True)
class Schedule:
    """A shape or rule times its peak rate, after a linear warm-up over a fraction of all steps.

    >>> from harness.schedules import Linear
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

        Those of a rule are the rates that its factors multiply.

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
        over = getattr(self.shape, "over", None)
        values = np.asarray(self.shape(progress) if over is None else over(steps, warming), dtype=np.float64)
        within = (values >= -_ROUNDING) & (values <= 1.0 + _ROUNDING)
        if not within.all():
            step = int(np.argmin(within))
            raise ScheduleError(
                f"{self.shape.kind} gives {values[step]:g} at progress {progress[step]:g}, but a table's value is a fraction "
                "of the peak, from 0 to 1"
            )
        return values

    def _warming(self, steps: int) -> int:
        """How many steps the warm-up takes."""
        return min(math.floor(self.warmup * steps + 0.5), steps - 1)


def _is_real(value: object) -> bool:
    return isinstance(value, numbers.Real) and not isinstance(value, bool)
