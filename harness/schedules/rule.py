"""Rules: schedules that decide while training goes on, by what they see of it.

A rule is a frozen dataclass that extends `Rule`. Its settings are fields, as a shape's are. Every `every` steps it is shown
what happened since its last decision, and answers with a factor: until its next decision the networks that follow it are
trained at their peak, with its warm-up, times that factor. Before its first decision the factor is 1.

What it remembers is its state, arrays by name, which lie in a run's checkpoint. So a decision must follow from the state and
from what is seen alone: a run that was interrupted then goes on bit for bit.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from harness.schedules.schedule import FloatArray

State = Mapping[str, Any]  # arrays and NumPy scalars by name


@dataclass(frozen=True)
class Run:
    """What a rule knows of a run before its first step.

    `steps` is the number of steps; `ideal` is the discriminator's loss, without penalties that are not 0 there, where
    generated images are distributed like real ones and the discriminator is the best possible; None where it is not known.
    `images` is how many generated, and how many real, images a decision can be shown.
    """

    steps: int
    ideal: float | None = None
    images: int = 0


@dataclass(frozen=True)
class Seen:
    """What a rule is shown at a decision, after `step` steps.

    `losses` are those of every step since the last decision by name, float32 (k,). `generated` and `real` give features
    float32 (n, d): of images that the raw weights make of the study's evaluation latents, and of real images, always the same
    latents and the same images. They are computed only where they are called, with n = `Rule.images` or the most there are.
    """

    step: int
    losses: Mapping[str, npt.NDArray[np.float32]]
    generated: Callable[[], npt.NDArray[np.float32]]
    real: Callable[[], npt.NDArray[np.float32]]


class Rule(ABC):
    """A schedule with a state.

    `every` is the number of steps between its decisions. `network` is the one network whose rate it may set, empty where it
    may be any; `losses` are the names of the losses that it reads; `images` is how many images it looks at. A rule whose
    factors never rise `lowers` the rate: it is a decay.
    """

    position: ClassVar[int] = 2000  # in lists, after shapes
    kind: ClassVar[str]
    network: ClassVar[str] = ""
    losses: ClassVar[tuple[str, ...]] = ()
    lowers: ClassVar[bool] = False
    every: int
    images: int = 0

    def __call__(self, progress: FloatArray) -> FloatArray:
        """What is known in advance: 1, the peak, throughout."""
        return np.ones_like(progress)

    def refuses(self, run: Run) -> str | None:
        """In words why it cannot train such a run; None if it can."""
        return None

    @abstractmethod
    def begin(self, run: Run) -> State:
        """The state before the first step."""

    @abstractmethod
    def decide(self, state: State, seen: Seen) -> tuple[State, float]:
        """The state from now on, and the factor, at least 0, that rates are multiplied by until the next decision."""
