"""A run's trace: losses and rates of both networks, much denser than its evaluations, and packed small.

A record lies in a database's text cell, in its driver's memory and on its dashboard, so 200 points take 5 KB there.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable
from typing import NamedTuple

import numpy as np

LOSS_DIGITS = 6  # significant ones of a mean loss: seeds differ in the second or third
_PACKED = np.dtype(
    [
        ("step", "<u4"),
        ("rate_generator", "<f4"),
        ("rate_discriminator", "<f4"),
        ("loss_generator", "<f4"),
        ("loss_discriminator", "<f4"),
    ]
)


class TracePoint(NamedTuple):
    """Rates of generator step `step`, and each loss's mean over the steps since the point before.

    Made by `point`, all numbers come back from `unpack` and from traces.csv exactly.
    """

    step: int
    rate_generator: float
    rate_discriminator: float
    loss_generator: float
    loss_discriminator: float


COLUMNS = TracePoint._fields


def point(step: int, *, rates: tuple[float, float], losses: tuple[float, float]) -> TracePoint:
    """A point whose rates are exactly those of training (float32), and whose losses have LOSS_DIGITS digits.

    Both come generator first.
    """
    return TracePoint(
        step, *(_rate(value) for value in rates), *(_rounded(float(np.float32(value))) for value in losses)
    )


def pack(points: Iterable[TracePoint]) -> str:
    """The points as one line of ASCII text; empty of none."""
    return base64.b64encode(np.array(list(points), dtype=_PACKED).tobytes()).decode("ascii")


def unpack(text: str) -> list[TracePoint]:
    """The points that `pack` was given; raises ValueError if `text` is not of its making."""
    rows = np.frombuffer(base64.b64decode(text, validate=True), dtype=_PACKED)
    both = set(rows["rate_generator"].tolist()) | set(rows["rate_discriminator"].tolist())
    rates = {value: _rate(value) for value in both}  # often few, and equal for both networks
    return [
        TracePoint(step, rates[generator], rates[discriminator], _rounded(loss_g), _rounded(loss_d))
        for step, generator, discriminator, loss_g, loss_d in rows.tolist()
    ]


def _rate(value: float) -> float:
    """The number of fewest digits that is this one in float32."""
    return float(str(np.float32(value)))


def _rounded(loss: float) -> float:
    return float(f"{loss:.{LOSS_DIGITS}g}")
