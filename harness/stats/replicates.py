"""What one replicate, a whole tuning with fresh confirmation runs, says of a schedule: the unit of every verdict."""

from __future__ import annotations

import math
import sys
from collections.abc import Sequence

SCALES = ("absolute", "relative")


def value(scores: Sequence[float], *, scale: str = "absolute") -> float:
    """The mean of a replicate's confirmation scores (smaller is better), or of their logarithms where `scale` is relative.

    +inf if a run diverged (score +inf); NaN if one failed (score NaN), since its seed has no pair then.

    >>> value([2.0, 3.0]), value([2.0, math.inf]), value([math.inf, math.nan])
    (2.5, inf, nan)
    """
    if any(math.isnan(each) for each in scores):
        return math.nan
    if any(math.isinf(each) for each in scores):
        return math.inf
    return sum(on_scale(each, scale) for each in scores) / len(scores)


def on_scale(score: float, scale: str) -> float:
    """A score as it is, or its logarithm; a distance of 0 counts as the smallest positive number."""
    return math.log(max(score, sys.float_info.min)) if scale == "relative" else score


def as_score(value: float, scale: str) -> float:
    """A value, or a mean of values, as a score: a geometric mean where `scale` is relative.

    >>> round(as_score(on_scale(3.0, "relative"), "relative"), 12)
    3.0
    """
    return math.exp(value) if scale == "relative" else value


def as_difference(value: float, scale: str) -> float:
    """A difference of values as it is shown: in units of the score, or as a ratio of scores minus 1.

    >>> round(as_difference(on_scale(2.0, "relative") - on_scale(4.0, "relative"), "relative"), 12)
    -0.5
    """
    return math.expm1(value) if scale == "relative" else value


def rope_on_scale(rope: float, scale: str) -> float:
    """Half the width of the region of equivalence in units of `value`: a relative one is given in per cent.

    >>> rope_on_scale(0.3, "absolute"), round(rope_on_scale(10.0, "relative"), 4)
    (0.3, 0.0953)
    """
    return math.log1p(rope / 100) if scale == "relative" else rope
