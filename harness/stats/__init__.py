"""Statistics of a study: pure functions from tidy tables to tables."""

from harness.stats.across import average_ranks, effect_sizes, verdict_matrix
from harness.stats.aggregates import aggregate, log_ratios, shares
from harness.stats.averages import replacement, surface
from harness.stats.contrasts import Omnibus, Words, all_pairs, contrasts, omnibus, summary
from harness.stats.search import (
    EDGE,
    boundary_flags,
    budget_curves,
    choices,
    curve_table,
    expected_best,
    optimism,
    sensitivity,
    without_curve,
)
from harness.stats.sequential import Judgement, judge
from harness.stats.training import cost, curve_bands, ema_interaction, final_against_best, time_to_target
from harness.stats.words import DECIDED, DESCRIPTIVE

__all__ = [
    "DECIDED",
    "DESCRIPTIVE",
    "EDGE",
    "Judgement",
    "Omnibus",
    "Words",
    "aggregate",
    "all_pairs",
    "average_ranks",
    "boundary_flags",
    "budget_curves",
    "choices",
    "contrasts",
    "cost",
    "curve_bands",
    "curve_table",
    "effect_sizes",
    "ema_interaction",
    "expected_best",
    "final_against_best",
    "judge",
    "log_ratios",
    "omnibus",
    "optimism",
    "replacement",
    "sensitivity",
    "shares",
    "summary",
    "surface",
    "time_to_target",
    "verdict_matrix",
    "without_curve",
]
