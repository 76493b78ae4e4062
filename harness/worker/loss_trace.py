"""The trace of a run in the making: means of losses between evenly spaced steps, whatever chunks the steps come in."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.models.model import Losses
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

    def __init__(self, rates: Mapping[str, NDArray[np.float32]], losses: Sequence[str], closing: Iterable[int]) -> None:
        """The empty trace of a run with these rates by network, one per step, losses of these names, and a point at these steps."""
        self._rates, self._names = rates, tuple(losses)
        self._closing = frozenset(closing)
        self._points: list[TracePoint] = []
        self._step = 0
        self._clear()

    def _clear(self) -> None:
        self._sums, self._count = [0.0] * len(self._names), 0

    def add(self, losses: Losses) -> None:
        """Take the losses of the next steps."""
        for values in zip(*(losses[name].tolist() for name in self._names), strict=True):
            self._step += 1
            self._sums = [total + value for total, value in zip(self._sums, values, strict=True)]
            self._count += 1
            if self._step in self._closing:
                self._close()

    def end(self) -> None:
        """Close with a point of the steps since the last one, if there are any: a diverged run ends between two."""
        if self._count:
            self._close()

    def _close(self) -> None:
        rates = {network: float(rate[self._step - 1]) for network, rate in self._rates.items()}
        means = {name: total / self._count for name, total in zip(self._names, self._sums, strict=True)}
        self._points.append(trace.point(self._step, rates=rates, losses=means))
        self._clear()

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
        self._sums = [float(total) for total in stored["sums"]]
        self._count = int(stored["count"])
