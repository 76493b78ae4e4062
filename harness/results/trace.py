"""A run's trace: losses and rates by name, much denser than its evaluations, and packed small.

A record lies in a database's text cell, in its driver's memory and on its dashboard, so 200 points take 5 KB there.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np

_Value = TypeVar("_Value")
RATE, LOSS = "rate_", "loss_"  # beginnings of the names of columns
LOSS_DIGITS = 6  # significant ones of a mean loss: seeds differ in the second or third
PAIR = ("generator", "discriminator")  # networks, and losses, of an adversarial pair: all that the first release knew
# A packed trace of these columns does not name them, as the first release wrote it.
_UNNAMED = tuple(f"{prefix}{name}" for prefix in (RATE, LOSS) for name in PAIR)


@dataclass(frozen=True)
class TracePoint:
    """Rates of step `step` by network, and each loss's mean over the steps since the point before, by name.

    Made by `point`, all numbers come back from `unpack` and from traces.csv exactly.
    """

    step: int
    rates: Mapping[str, float]
    losses: Mapping[str, float]

    @property
    def row(self) -> dict[str, float]:
        """The point as a row of traces.csv: step, rate_<network>, loss_<name>."""
        return {"step": self.step, **prefixed(RATE, self.rates), **prefixed(LOSS, self.losses)}


def prefixed(prefix: str, values: Mapping[str, _Value]) -> dict[str, _Value]:
    """`values` with names that begin with `prefix`, as columns have them."""
    return {f"{prefix}{name}": value for name, value in values.items()}


def taken(prefix: str, values: Mapping[Any, _Value]) -> dict[str, _Value]:
    """What `prefixed` was given, out of `values` that may have other names, too."""
    return {name.removeprefix(prefix): value for name, value in values.items() if name.startswith(prefix)}


def point(step: int, *, rates: Mapping[str, float], losses: Mapping[str, float]) -> TracePoint:
    """A point whose rates are exactly those of training (float32), and whose losses have LOSS_DIGITS digits."""
    return TracePoint(
        step,
        {name: _rate(value) for name, value in rates.items()},
        {name: _rounded(float(np.float32(value))) for name, value in losses.items()},
    )


def columns(points: Sequence[TracePoint]) -> tuple[str, ...]:
    """The names of the columns besides `step`; of no points those of an adversarial pair."""
    return tuple(points[0].row)[1:] if points else _UNNAMED


def pack(points: Iterable[TracePoint]) -> str:
    """The points as one line of ASCII text; empty of none."""
    kept = list(points)
    if not kept:
        return ""
    names = columns(kept)
    rows = np.array([tuple(each.row.values()) for each in kept], dtype=_packed(names))
    content = base64.b64encode(rows.tobytes()).decode("ascii")
    return content if names == _UNNAMED else f"{','.join(names)}:{content}"


def unpack(text: str) -> list[TracePoint]:
    """The points that `pack` was given; raises ValueError if `text` is not of its making."""
    head, separator, content = text.rpartition(":")
    names = tuple(head.split(",")) if separator else _UNNAMED
    if not all(name.startswith((RATE, LOSS)) for name in names):
        raise ValueError(f"a packed trace begins with {head[:80]!r}")
    try:
        rows = np.frombuffer(base64.b64decode(content, validate=True), dtype=_packed(names))
    except binascii.Error as error:
        raise ValueError(f"a packed trace is damaged ({error})") from error
    rates = [name for name in names if name.startswith(RATE)]
    known = {value: _rate(value) for name in rates for value in set(rows[name].tolist())}  # often few, and equal
    return [_point(names, row, known) for row in rows.tolist()]


def _packed(names: Sequence[str]) -> np.dtype[np.void]:
    return np.dtype([("step", "<u4"), *((name, "<f4") for name in names)])


def _point(names: Sequence[str], row: tuple[float, ...], known: Mapping[float, float]) -> TracePoint:
    values = dict(zip(names, row[1:], strict=True))
    losses = {name: _rounded(value) for name, value in taken(LOSS, values).items()}
    return TracePoint(int(row[0]), {name: known[value] for name, value in taken(RATE, values).items()}, losses)


def _rate(value: float) -> float:
    """The number of fewest digits that is this one in float32."""
    return float(str(np.float32(value)))


def _rounded(loss: float) -> float:
    return float(f"{loss:.{LOSS_DIGITS}g}")
