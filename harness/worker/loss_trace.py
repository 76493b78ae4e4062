"""The trace of a run in the making: means of losses between evenly spaced steps, whatever chunks the steps come in."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.models.training import Losses
from harness.results import trace
from harness.results.trace import TracePoint

POINTS = 200  # of a run; of a shorter one, every step


def even_steps(steps: int, points: int) -> tuple[int, ...]:
    """At most `points` of the steps 1 to `steps`, evenly spaced, the last at `steps`."""
    return tuple(sorted({max(1, round(steps * (place + 1) / points)) for place in range(points)}))


class LossTrace:
    """The points so far, and the sums since the last one.

    Sums are of float64 and grow step by step, so that neither chunks nor an interruption move a bit of any mean.
    """

    def __init__(self, generator_rates: NDArray[np.float32], discriminator_rates: NDArray[np.float32]) -> None:
        """The empty trace of a run with these rates, one per step."""
        self._rates = generator_rates, discriminator_rates
        self._closing = frozenset(even_steps(len(generator_rates), POINTS))
        self._points: list[TracePoint] = []
        self._step = 0
        self._sums, self._count = (0.0, 0.0), 0

    def add(self, losses: Losses) -> None:
        """Take the losses of the next steps."""
        for generator, discriminator in zip(losses.generator.tolist(), losses.discriminator.tolist(), strict=True):
            self._step += 1
            self._sums = self._sums[0] + generator, self._sums[1] + discriminator
            self._count += 1
            if self._step in self._closing:
                self._close()

    def end(self) -> None:
        """Close with a point of the steps since the last one, if there are any: a diverged run ends between two."""
        if self._count:
            self._close()

    def _close(self) -> None:
        rates = float(self._rates[0][self._step - 1]), float(self._rates[1][self._step - 1])
        means = self._sums[0] / self._count, self._sums[1] / self._count
        self._points.append(trace.point(self._step, rates=rates, losses=means))
        self._sums, self._count = (0.0, 0.0), 0

    def packed(self) -> str:
        """The points as a record holds them."""
        return trace.pack(self._points)

    def to_json(self) -> dict[str, Any]:
        """Everything that `resume` needs, as plain JSON values."""
        return {"points": self.packed(), "step": self._step, "sums": list(self._sums), "count": self._count}

    def resume(self, stored: Mapping[str, Any]) -> None:
        """Go on from what `to_json` gave."""
        self._points = trace.unpack(stored["points"])
        self._step = int(stored["step"])
        self._sums = float(stored["sums"][0]), float(stored["sums"][1])
        self._count = int(stored["count"])
