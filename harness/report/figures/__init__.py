"""Figures: tidy tables in, matplotlib figures out."""

from harness.report.figures.study import anytime, averaging, budget, finals, forest, rates, sensitivity

__all__ = ["anytime", "averaging", "budget", "finals", "forest", "rates", "sensitivity"]
