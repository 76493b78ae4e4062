"""Verdicts of a study that is looked at more than once: sign-flip tests whose error holds over all looks together."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from harness.stats import paired


@dataclass(frozen=True)
class Judgement:
    """What the looks taken so far say of one comparison."""

    verdict: str
    look: int
    n: int
    p: float
    p_holm: float
    low: float
    high: float
    done: bool


def judge(
    values: Mapping[str, ArrayLike],
    *,
    baseline: str,
    looks: Sequence[int],
    alpha: float,
    rope: float,
    ended: Mapping[str, int] | None = None,
) -> dict[str, Judgement]:
    """One judgement per schedule but the baseline, each look at an equal share of alpha (Bonferroni)."""
    found = {}
    arrays = {label: np.asarray(each, dtype=np.float64) for label, each in values.items()}
    counts = {label: len(each) for label, each in arrays.items()} if ended is None else ended
    others = [label for label in arrays if label != baseline]
    level = alpha / max(len(others), 1) / len(looks)
    for label in others:
        judged = Judgement("undecided", 0, 0, math.nan, math.nan, math.nan, math.nan, done=False)
        for look, n in enumerate(looks, start=1):
            if min(counts[label], counts[baseline]) < n or judged.done:
                break
            kept = ~(np.isnan(arrays[label][:n]) | np.isnan(arrays[baseline][:n]))
            with np.errstate(invalid="ignore"):
                d = (arrays[label][:n] - arrays[baseline][:n])[kept]
            p = min(1.0, paired.sign_flip_p(d) * len(looks))
            low, high = paired.t_interval(d[np.isfinite(d)], 0.05)
            inside = rope > 0 and np.isfinite(d).all() and _within(paired.t_interval(d, 2 * level), rope)
            better = paired.magnitudes(d).sum() < 0
            verdict = "equivalent" if inside else "undecided"
            if not inside and p <= alpha / len(others):
                verdict = "better" if better else "worse"
            done = verdict != "undecided" or look == len(looks)
            judged = Judgement(verdict, look, n, p, min(1.0, p * len(others)), low, high, done)
        found[label] = judged
    return found


def _within(interval: tuple[float, float], rope: float) -> bool:
    return -rope <= interval[0] and interval[1] <= rope
