"""A hyperparameter in a study file: one number, or a range that the search samples."""

from __future__ import annotations

import math
from typing import Annotated, Self

from pydantic import Discriminator, Field, FiniteFloat, Tag, model_validator

from harness.spec.section import Section


class Range(Section):
    """A hyperparameter that the search samples between `low` and `high` (uniformly in the logarithm if `log`)."""

    low: FiniteFloat = Field(description="smallest value the search may take")
    high: FiniteFloat = Field(description="largest value the search may take")
    log: bool = Field(default=False, description="sample uniformly in the logarithm")

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if not self.low < self.high:
            raise ValueError(f"low is {self.low:g} and high is {self.high:g}, but low must be below high")
        if self.log and self.low <= 0:
            raise ValueError(f"low is {self.low:g}, but a logarithmic range needs low above 0")
        return self

    def at(self, unit: float) -> float:
        """The value at fraction `unit` in [0, 1) of the range."""
        if self.log:
            low, high = math.log(self.low), math.log(self.high)
            return min(max(math.exp(low + (high - low) * unit), self.low), self.high)
        return min(max(self.low + (self.high - self.low) * unit, self.low), self.high)

    def whole_at(self, unit: float) -> int:
        """The whole number at fraction `unit` in [0, 1): each is as likely as in Optuna's IntDistribution."""
        low, high = self.low - 0.5, self.high + 0.5
        if self.log:
            value = math.exp(math.log(low) + (math.log(high) - math.log(low)) * unit)
        else:
            value = low + (high - low) * unit
        return int(min(max(math.floor(value + 0.5), self.low), self.high))


# The forms of a parameter, by what pydantic's faults call them; no name in a study file has such characters.
NUMBER, RANGE = "<number>", "<range>"
# A table is meant as a range and anything else as a number, so that a fault is told of the one that was meant.
Parameter = Annotated[
    Annotated[FiniteFloat, Tag(NUMBER)] | Annotated[Range, Tag(RANGE)],
    Discriminator(lambda value: RANGE if isinstance(value, dict | Range) else NUMBER),
]


def ends(value: Parameter) -> tuple[float, ...]:
    """The smallest and the largest value, or the one that there is."""
    return (value.low, value.high) if isinstance(value, Range) else (value,)


def limits(value: Parameter, *, name: str, low: float, high: float, open_low: bool = False) -> Parameter:
    """Return `value` if all of it lies within the limits; raise ValueError naming the limits otherwise."""
    bracket = "(" if open_low else "["
    for end in ends(value):
        if not (low < end if open_low else low <= end) or not end <= high:
            raise ValueError(f"{name} is {end:g}, but allowed is {bracket}{low:g}, {high:g}]")
    return value
