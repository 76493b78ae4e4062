"""What the schedules of a study differ in besides the shape of the rate: networks, optimizer, weight decay, precision."""

from __future__ import annotations

from typing import Any

from harness import kinds
from harness.report import numbers, sentences
from harness.report.analysis import Analysis
from harness.report.entries import Line, Link
from harness.results.document import Document, Limits, Schedule, as_table


def differences(analysis: Analysis) -> Line:
    """A sentence that says which schedules have something of their own; empty where none has."""
    study = analysis.results.study
    if study.elsewhere:  # no table says it
        return ()
    labels: dict[str, list[str]] = {}
    for label in study.schedules:
        if said := ", ".join(_own(study, label)):
            labels.setdefault(said, []).append(label)
    if not labels:
        return ()
    each = ", ".join(f"{sentences.listed(names)} ({said})" for said, names in labels.items())
    return (
        f"Schedules differ in more than a shape: {each}. All their settings are under ",
        Link("protocol", "Protocol"),
        ".",
    )


def _own(study: Document, label: str) -> list[str]:
    """What a schedule has instead of what the study says for all."""
    said, train = study.spec.schedules.get(label), study.spec.train
    if said is None:
        return []
    found = []
    if said.applies_to not in (None, train.applies_to):
        found.append("all networks follow" if said.applies_to == "both" else f"only the {said.applies_to} follows")
    found += [f"{kind} for the {network}" for network, kind in said.networks.items()]
    if said.optimizer is not None and said.optimizer != train.optimizer:
        found.append(f"optimizer {_described(said.optimizer, train.optimizer)}")
    if said.steps not in (None, train.steps):
        found.append(f"{numbers.count(said.steps, 'step')} instead of {train.steps:,}")
    if said.weight_decay is not None:
        searched = isinstance(said.weight_decay, Limits)
        found.append(f"weight decay {'searched' if searched else numbers.number(said.weight_decay)}")
    if said.precision not in (None, train.precision):
        found.append(f"precision {said.precision}")
    return found


def _described(optimizer: Any, others: Any) -> str:
    """An optimizer by its name; by what it sets otherwise too, where the study's has the same name."""
    named, other = as_table(optimizer), as_table(others)
    if named["name"] != other["name"]:
        return str(named["name"])
    known = {**_defaults(named["name"]), **other}
    changed = {**{key: known.get(key) for key in other}, **named}
    settings = [f"{key} {value}" for key, value in changed.items() if value != known.get(key)]
    return f"{named['name']} with {', '.join(settings) or 'its defaults'}"


def _defaults(optimizer: str) -> dict[str, Any]:
    """The settings of an optimizer of the package; empty for one of the user's own."""
    part = kinds.parts("optimizer").get(optimizer)
    return {} if part is None else {each.name: each.default for each in kinds.settings_of(part.settings)}


def weight_decay(study: Document, label: str) -> float | None:
    """The weight decay that a schedule's optimizer has of its own; None where that is not known."""
    said: Schedule | None = study.spec.schedules.get(label)
    optimizer = said.optimizer if said is not None and said.optimizer is not None else study.spec.train.optimizer
    named = as_table(optimizer)
    return {**_defaults(str(named["name"])), **named}.get("weight_decay")
