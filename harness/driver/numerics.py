"""Warns where runs of one study are trained under settings that move scores, and keeps that in study.json."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from harness.results import numerics
from harness.results.record import RunRecord

_BEGINS = "numerics: "


def noted(
    study: Mapping[str, Any], stored: Mapping[str, Any] | None, records: Iterable[RunRecord]
) -> tuple[dict[str, Any], list[str]]:
    """`study` with its list of warnings, and those of them that are new.

    `study` is the study.json about to be written, `stored` the one before it (None: there is none), whose warnings of
    this kind are kept; `records` are the stored runs.
    """
    before = [warning for warning in _warnings(stored or {}) if warning.startswith(_BEGINS)]
    here = study["environment"].get("numerics", {})
    warning = numerics.mixed([*(record.numerics for record in records), here])
    new = [warning] if warning is not None and warning not in before else []
    warnings = list(dict.fromkeys([*_warnings(study), *before, *new]))
    return {**study, **({"warnings": warnings} if warnings else {})}, new


def _warnings(study: Mapping[str, Any]) -> list[str]:
    listed = study.get("warnings", [])
    return [warning for warning in listed if isinstance(warning, str)] if isinstance(listed, list) else []
