"""The KID-halving rule: the rate is halved when generated images have stopped coming nearer to real ones."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from harness.kinds import number
from harness.schedules.rule import Rule, Run, Seen, State
from harness.schedules.schedule import FloatArray, ShapePart, check
from harness.schedules.three_sample import Sums, p_value


@dataclass(frozen=True)
class KidHalving(Rule):
    """Halved when KID's three-sample test finds no gain several times in a row (Bińkowski et al. 2018).

    Every `every` steps generated images are compared with those of `back` tests before: unless they are nearer to real ones
    at p <= `level`, the test has failed, and those before stay what is compared with. After `patience` failures in a row the
    rate is multiplied by `factor`, and the memory keeps the last `patience` samples. So gan/utils/scorer.py of
    mbinkowski/MMD-GAN has it, with `every` = 500 steps for MNIST and 2,000 else, and a floor of 1e-6 / 1e-4. That code takes
    no variance below 1e-5, which is far above those of most features; here the test is the paper's.
    """

    kind: ClassVar[str] = "kid_halving"
    lowers: ClassVar[bool] = True
    every: int = number(500, low=1, high=100_000_000, text="steps between tests")
    back: int = number(10, low=1, high=1000, text="tests between the images that are compared")
    patience: int = number(3, low=1, high=1000, text="failures in a row before the rate is lowered")
    level: float = number(0.1, low=0.0, high=1.0, open_ends="low high", text="a test fails with a p-value above this")
    factor: float = number(0.5, low=0.0, high=1.0, open_ends="low high", text="what the rate is multiplied by")
    floor: float = number(0.01, low=0.0, high=1.0, text="fraction of the peak that is left at least")
    images: int = number(2048, low=3, high=20_000, text="images per sample, or as many as are generated for scores")

    def __post_init__(self) -> None:
        check(self)

    def refuses(self, run: Run) -> str | None:
        """A run that is over before the rate could fall once, or too few images."""
        if run.images < 3:
            return f"the test needs 3 images, and evaluate.generated is {run.images}"
        first = self.every * (self.back + self.patience)
        if first >= run.steps:
            return (
                f"the rate could fall first after every × (back + patience) = {first:,} steps, but train.steps is "
                f"{run.steps:,}: lower `every` or `back`"
            )
        return None

    def begin(self, run: Run) -> State:
        """No sample yet."""
        return {
            "sums": np.zeros((0, 3, 0)),
            "squares": np.zeros((0, 2)),
            "failures": np.int64(0),
            "factor": np.float64(1.0),
        }

    def decide(self, state: State, seen: Seen) -> tuple[State, float]:
        """Test the images of now against the oldest that are kept."""
        kept = [_unpacked(*each) for each in zip(state["sums"], state["squares"], strict=True)]
        failures, factor = int(state["failures"]), float(state["factor"])
        now = Sums.of(seen.generated(), seen.real())
        if len(kept) < self.back:
            kept.append(now)
        elif p_value(now, kept[0]) <= self.level:
            kept, failures = [*kept[1:], now], 0
        else:
            failures += 1
            if failures == self.patience:
                kept, failures = [*kept, now][-self.patience :], 0
                factor = max(factor * self.factor, self.floor)
        return {**_packed(kept), "failures": np.int64(failures), "factor": np.float64(factor)}, factor


def _packed(kept: list[Sums]) -> State:
    return {
        "sums": np.stack([np.stack([each.own, each.with_reference, each.of_reference]) for each in kept]),
        "squares": np.array([[each.own_squares, each.cross_squares] for each in kept]),
    }


def _unpacked(sums: FloatArray, squares: FloatArray) -> Sums:
    return Sums(*sums, *map(float, squares))


PART = ShapePart.of(KidHalving)
