"""study.json: what it says of a study, when it is written again, and refusal of data or features other than its own."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from harness import files, own_code
from harness.driver import cautions, numerics, preflight
from harness.driver.folder import Folder, FolderError
from harness.driver.session import Session, warn
from harness.results import tables
from harness.results.record import RunRecord
from harness.spec import Planned, SpecError, StudySpec, digest, refused_changes, resolved, to_toml, validate
from harness.version import __version__

_MATERIAL = (
    ("data", "fingerprint"),
    ("features", "sha256"),
)  # what all runs of a study must share, and how it is known


def refresh(session: Session) -> None:
    """Bring title, question text and sizes up to date where no run is left to be trained."""
    stored = session.folder.study()
    if stored is not None and stored["sha256"] != digest(session.spec):
        write(session, content(session, stored, stored), stored)


def note_mixed_numerics(session: Session) -> None:
    """Warn, and say in study.json, that workers differ in what moves scores, as machines of a cluster may."""
    stored = session.folder.study()
    if stored is not None and numerics.noted(stored, stored, session.store.records.values())[1]:
        for warning in write(session, stored, stored):
            warn(warning, session.options)


def write(session: Session, study: dict[str, Any], stored: dict[str, Any] | None) -> list[str]:
    """Write study.json, study.toml and copies of the user's own code, with a warning where runs differ in what moves scores; return those that are new."""
    study, warnings = numerics.noted(study, stored, session.store.records.values())
    tables.write_study(session.folder.path, study)
    files.write(session.folder.path / "study.toml", to_toml(session.spec).encode())
    for name, code in session.spec.sources.items():
        files.write(session.folder.path / own_code.FOLDER / name, code)
    return warnings


def goes_on(before: Mapping[str, Any], spec: StudySpec, facts: Mapping[str, Any]) -> bool:
    """Whether what was begun under the study.json `before` is part of `spec` too."""
    try:
        changes = refused_changes(validate(before["spec"], source="study.json"), spec, ())
    except SpecError:
        return False
    same = all(before[what][key] == facts[what][key] for what, key in _MATERIAL)
    return same and not changes


def planned(stored: Mapping[str, Any] | None) -> Planned | None:
    """What the study.json `stored` says was planned; of one that an earlier version wrote, all that it was; None of none."""
    if stored is None:
        return None
    known = Planned.from_json(stored.get("planned"))
    try:
        return known or Planned.of(validate(stored["spec"], source="study.json"))
    except SpecError:
        return None


def content(session: Session, facts: Mapping[str, Any], stored: Mapping[str, Any] | None) -> dict[str, Any]:
    """What study.json says; `facts` are a worker's summary, `stored` the study.json before it (None: there is none)."""
    return {
        "schema": tables.SCHEMA,
        "harness": __version__,
        **_of_spec(session.spec),
        "primary": session.primary,
        **{key: facts[key] for key in ("scores", "floor", "data", "features", "environment")},
        **({"sanity": facts["sanity"]} if "sanity" in facts else {}),  # of no study of an earlier version
        "planned": session.store.planned.to_json(),
        "warnings": [*cautions.lasting(session.spec, facts), *session.store.planned.passed_by(session.spec)],
        "command": session.options.command,
        "created": stored["created"] if stored else datetime.now(UTC).isoformat(timespec="seconds"),
    }


def _of_spec(spec: StudySpec) -> dict[str, Any]:
    """What follows from the study file."""
    search, question = spec.search, spec.question
    own = {label: spec.own_space(label) for label in spec.schedules}
    return {
        "name": spec.name,
        "title": spec.headline,
        "question": {
            "text": question.text,
            "baseline": question.baseline,
            "score": str(preflight.primary(spec).raw),
            "weights": question.weights,
            "rope": question.rope,
            "alpha": question.alpha,
            **({} if question.scale == "absolute" else {"scale": question.scale}),
        },
        "spec": resolved(spec),
        "sha256": digest(spec),
        "schedules": list(spec.schedules),
        "kinds": {label: schedule.kind for label, schedule in spec.schedules.items()},
        "phases": {
            "search": {"trials": search.trials, "sampler": search.sampler, "allocation": search.allocation},
            "select": {"top": spec.select.top, "seeds": spec.select.seeds},
            "confirm": {"seeds": spec.confirm.seeds},
            **({"replicates": _replicates(spec)} if spec.replicated else {}),
        },
        "space": {name: limits.model_dump() for name, limits in spec.shared_space().items()},
        "own_space": {
            label: {name: limits.model_dump() for name, limits in space.items()}
            for label, space in own.items()
            if space
        },
    }


def _replicates(spec: StudySpec) -> dict[str, Any]:
    """The plan of looks."""
    return {"looks": list(spec.replicates.looks), "beyond": spec.replicates.beyond}


def refuse_other_material(
    folder: Folder, facts: Mapping[str, Any], stored: Mapping[str, Any] | None, record: RunRecord | None = None
) -> None:
    """Raise FolderError if data or features are not those of the study.json `stored`, or without one of a stored run.

    A folder is lost sooner than a shared database, whose runs know as well what they used.
    """
    for what, key in _MATERIAL:
        used = stored[what][key] if stored else getattr(record, f"{what}_{key}", facts[what][key])
        if used != facts[what][key]:
            raise FolderError(
                f"{folder.path}: {what} '{facts[what]['name']}' have {key} {facts[what][key][:12]}…, but the stored "
                f"runs used {used[:12]}…; bring back the same files, or choose another --output"
            )
