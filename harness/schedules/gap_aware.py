"""The gap-aware rule: the discriminator's rate follows how far its loss is from that of an ideal game."""

import math
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from harness.kinds import number
from harness.schedules.rule import Rule, Run, Seen, State
from harness.schedules.schedule import ShapePart, check


@dataclass(frozen=True)
class GapAware(Rule):
    """The discriminator's rate: raised while its average loss is above the ideal one, lowered while below (Hazimeh & Ponomareva 2023).

    With x the distance of the average from the ideal loss, the factor is highest ** min(x / width, 1) above and lowest **
    min(x / width, 1) below it; width is `gap` times the ideal loss. Formula, defaults and the average's first value, the ideal
    loss, are those of google-research/google-research, adversarial_nets_lr_scheduler/demo.ipynb (arXiv 2302.00089). There a
    step's own loss counts towards its rate; here, where a decision follows a step, towards the next one's.
    """

    kind: ClassVar[str] = "gap_aware"
    network: ClassVar[str] = "discriminator"
    losses: ClassVar[tuple[str, ...]] = ("discriminator",)
    decay: float = number(
        0.95, low=0.0, high=1.0, open_ends="high", text="per-step decay of the average of the discriminator's loss"
    )
    gap: float = number(
        0.1, low=0.0, high=10.0, open_ends="low", text="distance at which the factor is at its end, over the ideal loss"
    )
    lowest: float = number(0.1, low=0.0, high=1.0, open_ends="low", text="smallest factor")
    highest: float = number(2.0, low=1.0, high=100.0, text="largest factor")
    ideal: float = number(
        0.0, low=0.0, high=1000.0, text="the discriminator's ideal loss; 0: that which train.loss is known to have"
    )
    every: int = number(1, low=1, high=1_000_000, text="steps between decisions")

    def __post_init__(self) -> None:
        check(self)

    def refuses(self, run: Run) -> str | None:
        """Without an ideal loss, or with one of 0, there is no gap to measure."""
        if self.ideal:
            return None
        if run.ideal is None:
            return "no ideal loss of the discriminator is known for train.loss with these penalties: set `ideal`"
        if run.ideal == 0:
            return "the ideal loss of train.loss is 0, of which no gap can be a fraction: choose another loss, or set `ideal`"
        return None

    def begin(self, run: Run) -> State:
        """The average, which begins at the ideal loss."""
        ideal = self.ideal or run.ideal
        return {"ideal": np.float64(ideal), "average": np.float64(ideal)}

    def decide(self, state: State, seen: Seen) -> tuple[State, float]:
        """The average takes every step's loss; the factor follows from it."""
        average, ideal = float(state["average"]), float(state["ideal"])
        for loss in seen.losses["discriminator"].tolist():
            average = self.decay * average + (1.0 - self.decay) * loss
        share = min(abs(average - ideal) / (self.gap * ideal), 1.0)
        factor = math.pow(self.highest if average > ideal else self.lowest, share)
        return {"ideal": np.float64(ideal), "average": np.float64(average)}, factor


PART = ShapePart.of(GapAware)
