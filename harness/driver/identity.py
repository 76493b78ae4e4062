"""Whose experiment a study in a database is, and how it becomes the present one's: in one transaction, or not at all.

Optuna's public calls write one attribute each, in a transaction of its own; a study that is written in part would be
nobody's. Hence its tables' models, which are not public: tests run against the version that pyproject.toml allows.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

from optuna.distributions import CategoricalDistribution, distribution_to_json, json_to_distribution
from optuna.storages._rdb import models
from optuna.storages._rdb.storage import _create_scoped_session
from optuna.study import StudyDirection
from optuna.study._constrained_optimization import _CONSTRAINTS_KEY
from optuna.study.study import _SYSTEM_ATTR_METRIC_NAMES
from optuna.trial import FrozenTrial

from harness.driver.database import Storage, StorageError
from harness.results.record import RunRecord
from harness.spec import Planned, SpecError, StudySpec, digest, frozen_plan, refused_changes, resolved, validate
from harness.spec.loading import Placed

DIGEST = "harness:spec"  # user attribute of the study: SHA-256 of the study file it belongs to
SPEC = "harness:resolved"
PLANNED = "harness:planned"  # what was planned before its first confirmation run was stored
COMPLETE = "harness:complete"  # of a draft that an earlier version made: every trial has been copied
# Optuna's best trial is the best one that keeps its constraints. A fresh seed of a configuration that was chosen before
# is no candidate: the lowest of many is lucky. Search trials keep theirs.
NO_CANDIDATE = [1.0]


def of(storage: Storage, name: str) -> int | None:
    """The id of the study `name`; None if there is none."""
    try:
        return storage.get_study_id_from_name(name)
    except KeyError:
        return None


def stored(storage: Storage, name: str) -> int | None:
    """The id of the study that holds the trials of `name`.

    It is the draft that an earlier version left, which copied a study to add schedules, where the draft is complete and
    the study itself is gone or refilled in part only.
    """
    study, draft = of(storage, name), of(storage, _draft(name))
    if draft is None or not storage.get_study_user_attrs(draft).get(COMPLETE):
        return study
    counts = [0 if number is None else storage.get_n_trials(number) for number in (study, draft)]
    return study if counts[0] >= counts[1] and study is not None else draft


def settle(storage: Storage, name: str) -> None:
    """Leave one study, under its name, where an earlier version was killed as it copied it."""
    study, draft, whole = of(storage, name), of(storage, _draft(name)), stored(storage, name)
    if draft is None:
        return
    if whole != draft:
        storage.delete_study(draft)
        return
    with _create_scoped_session(storage.scoped_session) as session:
        if study is not None:
            session.delete(models.StudyModel.find_or_raise_by_id(study, session))
            session.flush()
        models.StudyModel.find_or_raise_by_id(draft, session).study_name = name
        session.query(models.StudyUserAttributeModel).filter_by(study_id=draft, key=COMPLETE).delete()


def _draft(name: str) -> str:
    return f"{name} (copying)"


def is_ours(attributes: Mapping[str, Any], directions: Sequence[StudyDirection], *, trials: int) -> bool:
    """Whether a stored study with so many trials was made by this harness, or is an empty one as it would make."""
    return list(directions) == [StudyDirection.MINIMIZE] and (DIGEST in attributes or trials == 0)


def refuse_others(spec: StudySpec, attributes: Mapping[str, Any], runs: Collection[RunRecord], *, where: str) -> None:
    """Raise StorageError unless a stored study with `runs` is `spec`, or one that `spec` may go on with.

    Without a run it is nobody's yet. `where` names it in the message.
    """
    if runs and attributes[DIGEST] != digest(spec):
        refuse_changes(attributes[SPEC], spec, runs, where=where)


def refuse_changes(stored: str, spec: StudySpec, runs: Iterable[Placed], *, where: str) -> None:
    """The same of a study file `stored` (resolved, as JSON), whatever its digest."""
    before = _validated(stored, where=where)
    faults = refused_changes(before, spec, runs)
    frozen = frozen_plan(before, spec, faults)
    if frozen is not None:
        raise StorageError(f"{where}: {frozen}")
    if faults:
        changes = ", ".join(f"{key}: {json.dumps(old)} -> {json.dumps(new)}" for key, (old, new) in faults.items())
        raise StorageError(
            f"{where} is another experiment ({changes}); choose another name in the study file, or another --storage"
        )


def planned(attributes: Mapping[str, Any], *, where: str) -> Planned | None:
    """What a stored study had planned; of one that an earlier version stored, all that it was; None where nothing tells.

    Raises StorageError, naming `where`, if the stored study cannot be read.
    """
    known = Planned.from_json(attributes.get(PLANNED))
    if known is not None or SPEC not in attributes:
        return known
    return Planned.of(_validated(attributes[SPEC], where=where))


def _validated(stored: str, *, where: str) -> StudySpec:
    try:
        return validate(json.loads(stored), source=where)
    except (SpecError, ValueError, KeyError, TypeError) as error:
        raise StorageError(f"{error}; the stored study cannot be read by this version") from error


def write(
    storage: Storage, study: int, spec: StudySpec, planned: Planned, primary: str, trials: Sequence[FrozenTrial]
) -> None:
    """Make the study `study` that of `spec`: attributes, metric name, room for schedules added since, marks of trials.

    `trials` are its trials of ours. Optuna wants one list of choices for a parameter, so that the schedule's is widened
    in every trial where it stands; nothing else of any trial changes, and no note or number is lost.
    """
    with _create_scoped_session(storage.scoped_session) as session:
        model = models.StudyModel.find_or_raise_by_id(study, session, for_update=True)
        attributes = {SPEC: json.dumps(resolved(spec)), PLANNED: planned.to_json(), "question": spec.question.text}
        for key, value in attributes.items():
            _put(session, models.StudyUserAttributeModel, model, key, value)
        _put(session, models.StudySystemAttributeModel, model, _SYSTEM_ATTR_METRIC_NAMES, [primary])
        session.flush()  # SQLite locks with the first change, PostgreSQL has with the first line
        _widen(session, study, list(spec.schedules))
        for trial in trials:
            if not is_marked(trial):
                session.add(
                    models.TrialSystemAttributeModel(
                        trial_id=trial._trial_id, key=_CONSTRAINTS_KEY, value_json=json.dumps(NO_CANDIDATE)
                    )
                )
        _put(session, models.StudyUserAttributeModel, model, DIGEST, digest(spec))


def is_written(
    spec: StudySpec,
    planned: Planned,
    primary: str,
    *,
    user: Mapping[str, Any],
    system: Mapping[str, Any],
    trials: Sequence[FrozenTrial],
) -> bool:
    """Whether `write` would change nothing; `trials` are the study's of ours."""
    return (
        user.get(DIGEST) == digest(spec)
        and user.get(PLANNED) == planned.to_json()
        and system.get(_SYSTEM_ATTR_METRIC_NAMES) == [primary]
        and all(is_marked(trial) and _choices(trial) == list(spec.schedules) for trial in trials)
    )


def is_marked(trial: FrozenTrial) -> bool:
    """Whether a trial of ours is a search trial, or says that it is no candidate for the best one."""
    return trial.user_attrs.get("phase") == "search" or _CONSTRAINTS_KEY in trial.system_attrs


def marks(phase: str) -> dict[str, Any]:
    """The system attributes by which a trial says so."""
    return {} if phase == "search" else {_CONSTRAINTS_KEY: NO_CANDIDATE}


def _choices(trial: FrozenTrial) -> list[Any] | None:
    distribution = trial.distributions.get("schedule")
    return list(distribution.choices) if isinstance(distribution, CategoricalDistribution) else None


def _widen(session: Any, study: int, labels: list[str]) -> None:
    """Let `schedule` have the choices `labels` in each trial whose choices are among them."""
    wide = CategoricalDistribution(labels)
    parameters = (
        session.query(models.TrialParamModel)
        .join(models.TrialModel)
        .filter(models.TrialModel.study_id == study)
        .filter(models.TrialParamModel.param_name == "schedule")
    )
    for parameter in parameters:
        narrow = json_to_distribution(parameter.distribution_json)
        if isinstance(narrow, CategoricalDistribution) and all(label in labels for label in narrow.choices):
            parameter.param_value = wide.to_internal_repr(narrow.to_external_repr(parameter.param_value))
            parameter.distribution_json = distribution_to_json(wide)


def _put(session: Any, kind: Any, study: Any, key: str, value: Any) -> None:
    """Set an attribute of a study."""
    attribute = kind.find_by_study_and_key(study, key, session)
    if attribute is None:
        session.add(kind(study_id=study.study_id, key=key, value_json=json.dumps(value)))
    else:
        attribute.value_json = json.dumps(value)
