"""Figures: tidy tables in, matplotlib figures out."""

from harness.report.figures.study import (
    CURVES_DRAWN,
    anytime,
    averages,
    averaging,
    budget,
    finals,
    forest,
    joined,
    rates,
    sensitivity,
)

__all__ = [
    "CURVES_DRAWN",
    "anytime",
    "averages",
    "averaging",
    "budget",
    "finals",
    "forest",
    "joined",
    "rates",
    "sensitivity",
]
