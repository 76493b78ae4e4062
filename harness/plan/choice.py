"""Which configuration a search chooses: that of its best run, or the best by a smooth curve through all its runs."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from harness.stats import response
from harness.stats.response import Limits, NoCurve


@dataclass(frozen=True)
class Choice:
    """The candidates as a search ranks them, best first, by index; how, and why not by the curve that was asked for.

    `fitted`: the curve at each candidate, in units of the score; empty without one.
    """

    order: tuple[int, ...]
    method: str
    note: str = ""
    fitted: tuple[float, ...] = ()

    @property
    def place(self) -> int:
        """Index of the chosen candidate."""
        return self.order[0]


def choose(
    method: str, params: Sequence[Mapping[str, float]], ranges: Mapping[str, Limits], scores: Sequence[float | None]
) -> Choice:
    """Rank search runs by their own score ("best"), or by a curve through all of them ("curve"); smaller is better.

    `scores`: None of a run that did not finish, which ranks behind all that did. Of equal candidates the first is the better.
    By the curve those come first that it holds low for sure (`Curve.sure`). Without a curve the best run is chosen, and `note`
    says why.
    """
    own = np.array([math.inf if each is None else each for each in scores], dtype=np.float64)
    best = tuple(int(place) for place in np.argsort(own, kind="stable"))
    if method == "best":
        return Choice(best, "best")
    try:
        curve = response.fit(params, ranges, scores)
    except NoCurve as reason:
        return Choice(best, "best", f"chosen by the best run: {reason}")
    sure = np.where(np.isfinite(own), curve.sure(params), math.inf)
    order = tuple(int(place) for place in np.argsort(sure, kind="stable"))
    return Choice(order, "curve", fitted=tuple(float(each) for each in curve.band(params)[0]))
