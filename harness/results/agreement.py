"""How far two tellings of one run agree: number by number, and by how much a number may move before it means something."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd
from scipy import stats

# From best to worst; the verdict on many numbers is the worst one's.
VERDICTS = ("identical", "within rounding", "within seed spread", "different")
ROUNDING = 1e-4  # relative: what another order of summation makes of a score after many steps, and no seed stays within
_NOT_NUMBERS = {"run", "phase", "schedule", "point", "repetition", "replicate", "source", "step"}
_NOT_NUMBERS |= {"seconds", "seconds_per_step", "seconds_evaluation", "started", "ended"}  # time is the machine's


@dataclass(frozen=True)
class Agreement:
    """One number of a run, as stored and as found again, and the verdict on the two."""

    run: str
    step: int
    name: str
    stored: float | str
    found: float | str
    verdict: str


def worst(verdicts: Iterable[str]) -> str:
    """The worst of `verdicts`; 'identical' of none."""
    return max(verdicts, key=VERDICTS.index, default=VERDICTS[0])


def verdict(stored: float, found: float, *, spread: float | None) -> str:
    """The verdict on two numbers; `spread` is how far apart two seeds may lie (None: not known)."""
    if stored == found or (math.isnan(stored) and math.isnan(found)):
        return VERDICTS[0]
    distance = abs(stored - found)
    if math.isnan(distance):
        return VERDICTS[3]
    if distance <= ROUNDING * max(abs(stored), abs(found)):
        return VERDICTS[1]
    return VERDICTS[2] if spread is not None and distance <= spread else VERDICTS[3]


def seed_spread(values: Iterable[float]) -> float | None:
    """How far apart two seeds lie in 19 of 20 pairs, from one number's `values` over seeds; None from fewer than 3.

    The 95 % prediction interval of the difference of two draws from a normal distribution whose standard deviation s
    is estimated from n values: t(0.975, n - 1) · s · √2.
    """
    known = [value for value in values if not math.isnan(value)]
    if len(known) < 3:
        return None
    mean = sum(known) / len(known)
    variance = sum((value - mean) ** 2 for value in known) / (len(known) - 1)
    return float(stats.t.ppf(0.975, len(known) - 1)) * math.sqrt(2.0 * variance)


def compare(
    stored: tuple[Mapping[Any, Any], pd.DataFrame],
    found: tuple[Mapping[Any, Any], pd.DataFrame],
    *,
    seeds: pd.DataFrame,
) -> list[Agreement]:
    """Every number of a run as `stored` and as `found` (its row of runs.csv and its rows of curves.csv each).

    `seeds` are rows of curves.csv of runs of one configuration that differ by seed alone: they tell the spread.
    """
    (old_row, old_curve), (new_row, new_curve) = stored, found
    run = str(old_row["run"])
    ending = [
        Agreement(run, int(str(old_row["last_step"])), name, str(old_row[name]), str(new_row[name]), _same(old, new))
        for name in ("status", "reason", "last_step")
        for old, new in [(str(old_row[name]), str(new_row[name]))]
    ]
    old_at, new_at = old_curve.set_index("step"), new_curve.set_index("step")
    names = [name for name in old_curve.columns if name not in _NOT_NUMBERS]
    rows = []
    for step in old_at.index.union(new_at.index):
        among = seeds[seeds["step"] == step]
        for name in names:
            old, new = _cell(old_at, step, name), _cell(new_at, step, name)
            spread = seed_spread(among[name]) if name in among else None
            rows.append(Agreement(run, int(step), name, old, new, verdict(old, new, spread=spread)))
    return ending + rows


def _same(old: str, new: str) -> str:
    return VERDICTS[0] if old == new else VERDICTS[3]


def _cell(frame: pd.DataFrame, step: int, name: str) -> float:
    """A number of a curve; NaN where the curve has none."""
    return float(frame[name].to_dict().get(step, math.nan)) if name in frame else math.nan
