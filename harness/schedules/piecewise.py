"""A table that the user writes: values at places, in the study file or in a CSV file beside it."""

import csv
import itertools
import math
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from harness.kinds import choice, listed, words
from harness.schedules.rule import Run
from harness.schedules.schedule import FloatArray, ScheduleError, ShapePart, check

ROWS = 10_000  # at most, of a file: a study's results state them all
PLACES, VALUES = ("step", "fraction"), ("factor", "rate")  # names of a file's columns


@dataclass(frozen=True)
class Piecewise:
    """Values at places, from the study file or a CSV file; held or joined by straight lines between them.

    Before the first place and after the last one the value is theirs. A value that is held begins at its place.

    >>> Piecewise(at=(0.0, 0.5), values=(1.0, 0.1))(np.arange(4) / 4).tolist()
    [1.0, 1.0, 0.1, 0.1]
    >>> Piecewise(at=(0.0, 1.0), values=(0.0, 1.0), between="line")(np.arange(4) / 4).tolist()
    [0.0, 0.25, 0.5, 0.75]
    """

    kind: ClassVar[str] = "piecewise"
    position: ClassVar[int] = 1500  # in lists, after shapes with a formula
    at: tuple[float, ...] = listed(low=0.0, text="places, rising: fractions of the steps after the warm-up, or steps")
    values: tuple[float, ...] = listed(low=0.0, high=1.0, text="fraction of the peak at each place")
    unit: str = choice("fraction", ("fraction", "step"), text="what `at` counts; steps are all of a run's, from 0 on")
    between: str = choice(
        "hold", ("hold", "line"), text="whether a value is held up to the next place, or a line leads there"
    )
    file: str = words("", text="CSV file beside the study file with the columns step or fraction, and factor or rate")

    def __post_init__(self) -> None:
        check(self)
        if self.file and not self.at and not self.values:
            return  # not read yet
        if not self.at or len(self.at) != len(self.values):
            raise ScheduleError(
                f"piecewise has {len(self.at)} places in `at` and {len(self.values)} `values`, but needs as many of each, "
                "at least 1"
            )
        for before, place in itertools.pairwise(self.at):
            if not place > before:
                raise ScheduleError(f"piecewise.at has {place:g} after {before:g}, but places must rise")
        if self.unit == "fraction" and self.at[-1] > 1:
            raise ScheduleError(
                f'piecewise.at is {self.at[-1]:g}, but fractions are at most 1; with unit = "step" places are steps'
            )
        if max(self.values) == 0:
            raise ScheduleError("piecewise.values are all 0, but one must be above: nothing would be learnt")

    def __call__(self, progress: FloatArray) -> FloatArray:
        """At fractions of the steps after the warm-up; of places that are steps, see `over`."""
        return self._at(progress, np.array(self.at, dtype=np.float64))

    def refuses(self, run: Run) -> str | None:
        """A place beyond the run's last step."""
        if self.unit == "fraction" or self.at[-1] <= run.steps:
            return None
        return f"its last place is step {self.at[-1]:g}, and a run has {run.steps:,} steps"

    def over(self, steps: int, warming: int) -> FloatArray:
        """At steps 0 to `steps` - 1 of a run whose first `warming` are its warm-up; ScheduleError for a place beyond them."""
        counted = np.arange(steps, dtype=np.float64)
        if self.unit == "fraction":
            return self(np.maximum(counted - warming, 0.0) / (steps - warming))
        if (refused := self.refuses(Run(steps))) is not None:
            raise ScheduleError(refused)
        return self._at(counted / steps, np.array(self.at, dtype=np.float64) / steps)

    def _at(self, progress: FloatArray, places: FloatArray) -> FloatArray:
        values = np.array(self.values, dtype=np.float64)
        if self.between == "line":
            return np.interp(progress, places, values)
        # The small addend keeps a step that lies on a place beyond it whatever its division rounded to.
        return values[np.maximum(np.searchsorted(places, progress + 1e-9, side="right") - 1, 0)]


def read(text: str, *, name: str) -> dict[str, tuple[float, ...] | str]:
    """The settings `at`, `values` and `unit` that a CSV file's `text` gives; ScheduleError says what is wrong where.

    The first line names two columns: step or fraction, and factor (of the peak) or rate. Rates are divided by the largest.
    """
    rows = [row for row in csv.reader(text.removeprefix("\ufeff").splitlines()) if row]
    head = tuple(cell.strip().lower() for cell in rows[0]) if rows else ()
    if len(head) != 2 or head[0] not in PLACES or head[1] not in VALUES:
        raise ScheduleError(
            f"{name} begins with {','.join(head)!r}, but its first line must be one of: "
            f"{', '.join(f'{place},{value}' for place in PLACES for value in VALUES)}"
        )
    if not 2 <= len(rows) <= ROWS + 1:
        raise ScheduleError(f"{name} has {len(rows) - 1:,} rows, but must have 1 to {ROWS:,}")
    made = [_row(row, number=number, name=name) for number, row in enumerate(rows[1:], start=2)]
    at, values = zip(*made, strict=True)
    for number, (before, place) in enumerate(itertools.pairwise(at), start=3):
        if not place > before:
            raise ScheduleError(f"{name} line {number} has {head[0]} {place:g} after {before:g}, but they must rise")
    if max(values) == 0:
        raise ScheduleError(f"{name} has no {head[1]} above 0: nothing would be learnt")
    if head[1] == "rate":
        values = tuple(value / max(values) for value in values)
    elif max(values) > 1:
        number = next(number for number, value in enumerate(values, start=2) if value > 1)
        raise ScheduleError(f"{name} line {number} has factor {values[number - 2]:g}, but factors are from 0 to 1")
    if head[0] == "fraction" and at[-1] > 1:
        raise ScheduleError(f"{name} line {len(rows)} has fraction {at[-1]:g}, but fractions are from 0 to 1")
    return {"at": at, "values": values, "unit": head[0]}


def _row(row: list[str], *, number: int, name: str) -> tuple[float, float]:
    try:
        place, value = map(float, row)
    except ValueError:
        raise ScheduleError(f"{name} line {number} is {','.join(row)!r}, but must be two numbers") from None
    if not (0 <= place < math.inf and 0 <= value < math.inf):
        raise ScheduleError(f"{name} line {number} is {','.join(row)!r}, but numbers must be finite and at least 0")
    return place, value


PART = ShapePart.of(Piecewise)
