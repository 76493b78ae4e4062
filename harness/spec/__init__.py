"""The study file: models, loading, and every fault named at once."""

from harness.spec.document import keys_page, schema, to_toml
from harness.spec.loading import (
    BUILTIN,
    SpecError,
    StudyError,
    adopt,
    builtin,
    differences,
    digest,
    frozen_plan,
    growth_faults,
    load,
    named,
    of_tables,
    parse,
    refused_changes,
    resolved,
    validate,
)
from harness.spec.models import StudySpec, slug
from harness.spec.parameter import Range
from harness.spec.planned import Planned
from harness.spec.published import published_page
from harness.spec.schedule import OptimizerSpec, ScheduleSpec, TrainedWith

__all__ = [
    "BUILTIN",
    "OptimizerSpec",
    "Planned",
    "Range",
    "ScheduleSpec",
    "SpecError",
    "StudyError",
    "StudySpec",
    "TrainedWith",
    "adopt",
    "builtin",
    "differences",
    "digest",
    "frozen_plan",
    "growth_faults",
    "keys_page",
    "load",
    "named",
    "of_tables",
    "parse",
    "published_page",
    "refused_changes",
    "resolved",
    "schema",
    "slug",
    "to_toml",
    "validate",
]
