"""What changes from step to step of a run: each network's rate, and what else a study schedules.

An arm of a study is one of its schedules: the shape that its networks follow, or a shape of its own for some of them. The
parameters of a network's own shape are named after it: "discriminator.floor".
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from harness import schedules
from harness.schedules import ALL, FloatArray, Rule, Schedule

MAIN = ""  # the place of an arm's own shape or rule, beside those of networks' own

# What else than rates may change within a run, in the order in which a model takes it; the same names as in
# harness.models.training, which no plan imports.
CONTROLS = ("beta2", "ema", "penalty", "weight_decay")


@dataclass(frozen=True)
class Arm:
    """The shape's or rule's kind, the network that alone follows it (or ALL), and the kinds of networks' own.

    `given` are settings that no search varies, lists and texts: by network those of its own shape, under MAIN the arm's.
    """

    kind: str
    applies_to: str = ALL
    networks: Mapping[str, str] = field(default_factory=dict)
    given: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    def rates(
        self, values: Mapping[str, float], steps: int, *, networks: Sequence[str], ratios: Mapping[str, float]
    ) -> dict[str, npt.NDArray[np.float32]]:
        """The rate of every step, float32 (steps,), of each of `networks`, by a run's parameters.

        Raises ScheduleError if a shape refuses a value, KeyError naming a parameter that is missing.
        """
        return schedules.by_network(
            self.schedule(values),
            steps,
            networks=networks,
            ratios=ratios,
            applies_to=self.applies_to,
            own={network: self._own(network, values) for network in self.networks},
        )

    def schedule(self, values: Mapping[str, float]) -> Schedule:
        """What networks without a shape of their own follow, by a run's parameters."""
        return schedules.of(self.kind, values, self.given.get(MAIN))

    def _own(self, network: str, values: Mapping[str, float]) -> Schedule:
        return schedules.of(self.networks[network], of_network(network, values), self.given.get(network))

    def rules(self, values: Mapping[str, float], networks: Sequence[str]) -> dict[str, tuple[Rule, tuple[str, ...]]]:
        """The rules by place, MAIN or the network whose own it is, each with those of `networks` that follow it."""
        found = {MAIN: (self.schedule(values).shape, self.following(networks))}
        found |= {network: (self._own(network, values).shape, (network,)) for network in self.networks}
        return {
            place: (rule, followers)
            for place, (rule, followers) in found.items()
            if isinstance(rule, Rule) and followers
        }

    def following(self, networks: Iterable[str]) -> tuple[str, ...]:
        """Those of `networks` that follow the arm's own shape or rule."""
        return tuple(name for name in networks if self.applies_to in (ALL, name) and name not in self.networks)

    @property
    def kinds(self) -> list[str]:
        """The kinds of all its shapes."""
        return [self.kind, *self.networks.values()]

    @property
    def whole(self) -> frozenset[str]:
        """The parameters that are whole numbers."""
        own = {
            qualified(network, name) for network, kind in self.networks.items() for name in schedules.whole_fields(kind)
        }
        return schedules.whole_fields(self.kind) | own


def qualified(network: str, name: str) -> str:
    """The parameter that is a field of a network's own shape."""
    return f"{network}.{name}"


def of_network(network: str, values: Mapping[str, float]) -> dict[str, float]:
    """The parameters of a network's own shape by its fields' names, with the peak and the warm-up, which all share."""
    beginning = qualified(network, "")
    shared = {name: values[name] for name in ("peak", "warmup") if name in values}
    return shared | {
        name.removeprefix(beginning): value for name, value in values.items() if name.startswith(beginning)
    }


@dataclass(frozen=True)
class Course:
    """A value that goes from `start` to `end` within a run: along with the rate, or by a shape of its own.

    The own shape is of `kind` with its defaults, and takes the first `until` of all steps, whatever the warm-up.
    """

    start: float
    end: float
    kind: str | None = None
    until: float = 1.0

    def fractions(self, schedule: Schedule, steps: int) -> FloatArray:
        """How much of `start` is left at every step, float64 (steps,): of an arm's schedule, 1 during its warm-up."""
        if self.kind is None:
            return schedule.fractions(steps)
        progress = np.arange(steps, dtype=np.float64) / steps
        return schedules.shape(self.kind)(np.minimum(progress / self.until, 1.0))

    def values(self, schedule: Schedule, steps: int) -> npt.NDArray[np.float32]:
        """The value at every step, float32 (steps,): end + (start - end) times what is left."""
        return _between(self.start, self.end, self.fractions(schedule, steps)).astype(np.float32)

    def decays(self, schedule: Schedule, steps: int) -> npt.NDArray[np.float32]:
        """The same of an average's decay per step, whose half-life in steps goes from the one to the other.

        As R3GAN does (brownvc/R3GAN, training/training_loop.py): decay = 0.5 ** (1 / half-life), 0 for a half-life of 0.
        """
        lives = _between(half_life(self.start), half_life(self.end), self.fractions(schedule, steps))
        return np.power(0.5, 1.0 / np.maximum(lives, 1e-8)).astype(np.float32)


def half_life(decay: float) -> float:
    """In how many steps an average with this decay per step forgets half of what it holds.

    >>> half_life(0.5), half_life(0.0)
    (1.0, 0.0)
    """
    return math.log(0.5) / math.log(decay) if decay > 0 else 0.0


def _between(start: float, end: float, left: FloatArray) -> FloatArray:
    return end + (start - end) * left
