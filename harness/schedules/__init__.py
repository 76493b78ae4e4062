"""Learning-rate schedules: tables known in advance, and rules with a state.

A new shape is a frozen dataclass in `shapes`; a new rule is a file here that declares one, as `gap_aware` does. What a
study file may set, what a search may vary and what the documentation says follow from their fields.
"""

from harness.schedules.lookup import (
    ALL,
    all_shapes,
    by_network,
    is_decay,
    is_rule,
    is_unread,
    losses_read,
    of,
    shape,
    shape_fields,
    shape_help,
    whole_fields,
)
from harness.schedules.rule import Rule, Run, Seen, State
from harness.schedules.schedule import FloatArray, Schedule, ScheduleError, Shape, ShapePart
from harness.schedules.shapes import SHAPES, Constant, Cosine, Exponential, Linear, Polynomial, Step

__all__ = [
    "ALL",
    "SHAPES",
    "Constant",
    "Cosine",
    "Exponential",
    "FloatArray",
    "Linear",
    "Polynomial",
    "Rule",
    "Run",
    "Schedule",
    "ScheduleError",
    "Seen",
    "Shape",
    "ShapePart",
    "State",
    "Step",
    "all_shapes",
    "by_network",
    "is_decay",
    "is_rule",
    "is_unread",
    "losses_read",
    "of",
    "shape",
    "shape_fields",
    "shape_help",
    "whole_fields",
]
