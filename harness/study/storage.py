"""The Optuna study that holds the truth: one trial a finished run, written whole in one transaction.

A trial is added when its run has ended, with its parameters, values, curve (intermediate values) and the complete
record, so that no interruption leaves a half-written or a 'running' trial behind. `optuna trials`, the Optuna
Dashboard and `study.trials_dataframe()` read it as any other study.
"""

from __future__ import annotations

import json
import uuid
import warnings
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import optuna
from optuna.artifacts._upload import ARTIFACTS_ATTR_PREFIX, ArtifactMeta
from optuna.distributions import BaseDistribution, CategoricalDistribution
from optuna.storages import BaseStorage
from optuna.trial import FrozenTrial, TrialState

from harness.results.record import RunRecord
from harness.spec import SpecError, StudySpec, digest, growth_faults, resolved, validate
from harness.study import space
from harness.study.database import Claim, StorageError, explained, open_storage, without_password

DIGEST = "harness:spec"  # user attribute of the study: SHA-256 of the study file it belongs to
SPEC = "harness:resolved"
COMPLETE = "harness:complete"  # of a draft: every trial has been copied
RECORD = "record"


class Ledger:
    """The study's trials: what has been run, and the place where records are added."""

    def __init__(self, spec: StudySpec, url: str, *, primary: str) -> None:
        """Open the study of `spec` at `url`, creating it or making room for schedules added since.

        `primary` is the full name of the score that becomes a trial's value.
        """
        self._spec, self._url, self._primary = spec, url, primary
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        self._storage = open_storage(url)
        self._claim = Claim(self._storage, spec.name)
        try:
            with explained(url):
                self._claim.renew()
                self._study = _open_study(spec, optuna.storages.get_storage(self._storage), url)
                trials = self._study.get_trials(deepcopy=False)
        except BaseException:
            self.close()
            raise
        self.records = _records(trials)
        self._last = max((trial._trial_id for trial in trials), default=-1)
        self._doubtful: set[str] = set()

    @property
    def study(self) -> optuna.Study:
        """The Optuna study."""
        return self._study

    def add(self, record: RunRecord, pictures: Sequence[str] = ()) -> RunRecord:
        """Store one ended run durably, with the file names of its sample grids; return it with its trial number.

        Raises StorageAway where the server does not answer; the same record may then be added again.
        """
        with explained(self._url):
            self._claim.renew()
            # A connection may be lost between the server's commit and its answer.
            stored = self._stored(record.run) if record.run in self._doubtful else None
            self._doubtful.add(record.run)
            if stored is None:
                trial = _trial(self._spec, record, self._primary, pictures)
                # Past Optuna's cache, which would keep all trials a second time and sort them at every run.
                stored = self._storage._create_new_trial(self._study._study_id, trial)
        self._doubtful.discard(record.run)
        self._last = max(self._last, stored._trial_id)
        self.records[record.run] = record.numbered(stored.number)
        return self.records[record.run]

    def _stored(self, run: str) -> FrozenTrial | None:
        """The trial of `run` among those stored since the last that is known of."""
        later = self._storage._get_trials(self._study._study_id, None, set(), self._last)
        return next((trial for trial in later if trial.user_attrs.get("run") == run), None)

    def close(self) -> None:
        """Let other drivers have the study, and end the connections."""
        self._claim.release()
        self._storage.engine.dispose()


def _open_study(spec: StudySpec, storage: BaseStorage, url: str) -> optuna.Study:
    """The study of `spec`: a new one, the stored one, or the stored one widened by schedules added since.

    Optuna fixes a categorical's choices with its first trial, so a study that gains a schedule is copied. The draft of
    the copy is marked complete before the original goes, so that a kill at any point leaves one whole study.
    """
    names = set(optuna.get_all_study_names(storage))
    draft = f"{spec.name} (copying)"
    if draft in names:
        _settle(storage, spec.name, draft)
        names = set(optuna.get_all_study_names(storage))
    if spec.name not in names:
        return _fill(storage, spec.name, _identity(spec), [])
    study = optuna.load_study(
        study_name=spec.name,
        storage=storage,
        sampler=optuna.samplers.RandomSampler(seed=0),
        pruner=optuna.pruners.NopPruner(),
    )
    trials = study.get_trials(deepcopy=False)
    if trials or DIGEST in study.user_attrs:  # else a driver was killed as it made the study
        _refuse_others(study, spec, url)
    labels = next((list(_choices(trial)) for trial in trials), list(spec.schedules))
    if study.user_attrs.get(DIGEST) != digest(spec):  # it grew, or its words changed
        for key, value in _identity(spec).items():
            study.set_user_attr(key, value)
    if labels == list(spec.schedules):
        return study
    _fill(storage, draft, study.user_attrs, [_widened(spec, trial) for trial in trials]).set_user_attr(COMPLETE, True)
    _settle(storage, spec.name, draft)
    return optuna.load_study(study_name=spec.name, storage=storage)


def _refuse_others(study: optuna.Study, spec: StudySpec, url: str) -> None:
    """Raise StorageError unless the stored study is `spec`, or a smaller one that `spec` has grown from."""
    place = f"study '{spec.name}' in database {without_password(url)}"
    if DIGEST not in study.user_attrs:
        raise StorageError(f"{place} was not made by this harness; choose another name in the study file")
    if study.user_attrs[DIGEST] == digest(spec):
        return
    try:
        faults = growth_faults(validate(json.loads(study.user_attrs[SPEC]), source=place), spec)
    except SpecError as error:
        raise StorageError(f"{error}; the stored study cannot be read by this version") from error
    if faults:
        changes = ", ".join(f"{key}: {json.dumps(old)} -> {json.dumps(new)}" for key, (old, new) in faults.items())
        raise StorageError(
            f"{place} is another experiment ({changes}); choose another name in the study file, or another --storage"
        )


def _choices(trial: FrozenTrial) -> tuple[Any, ...]:
    """The schedules that were possible when the trial was stored."""
    distribution = trial.distributions["schedule"]
    assert isinstance(distribution, CategoricalDistribution), "schedule is a categorical parameter"
    return tuple(distribution.choices)


def _settle(storage: BaseStorage, name: str, draft: str) -> None:
    """Put a complete draft in the place of the study `name`; drop an incomplete one, whose original is whole."""
    copy = optuna.load_study(study_name=draft, storage=storage)
    attributes, trials = copy.user_attrs, copy.get_trials(deepcopy=False)
    if attributes.pop(COMPLETE, False):
        if name in optuna.get_all_study_names(storage):
            optuna.delete_study(study_name=name, storage=storage)
        _fill(storage, name, attributes, trials)
    optuna.delete_study(study_name=draft, storage=storage)


def _fill(storage: BaseStorage, name: str, attributes: dict[str, Any], trials: Sequence[FrozenTrial]) -> optuna.Study:
    study = optuna.create_study(
        study_name=name,
        storage=storage,
        direction="minimize",
        sampler=optuna.samplers.RandomSampler(seed=0),
        pruner=optuna.pruners.NopPruner(),
    )
    for key, value in attributes.items():
        study.set_user_attr(key, value)
    study.add_trials(trials)
    return study


def _identity(spec: StudySpec) -> dict[str, Any]:
    # The digest last: a study that has it is whole.
    return {SPEC: json.dumps(resolved(spec)), "question": spec.question.text, DIGEST: digest(spec)}


def _records(trials: Sequence[FrozenTrial]) -> dict[str, RunRecord]:
    """Records by run; of a run stored twice (possible only by hand) the first counts."""
    records: dict[str, RunRecord] = {}
    for trial in trials:
        if RECORD in trial.user_attrs:
            record = RunRecord.from_json(json.loads(trial.user_attrs[RECORD])).numbered(trial.number)
            records.setdefault(record.run, record)
    return records


def artifact_id(picture: str) -> str:
    """The name under which Optuna knows a sample grid: its dashboard serves hexadecimal ones only."""
    return str(uuid.uuid5(uuid.NAMESPACE_URL, picture))


def _artifacts(pictures: Sequence[str]) -> dict[str, str]:
    """What Optuna's upload_artifact stores with a running trial; ours are added when they have ended."""
    facts = [
        ArtifactMeta(artifact_id=artifact_id(name), filename=name, mimetype="image/png", encoding=None)
        for name in pictures
    ]
    return {f"{ARTIFACTS_ATTR_PREFIX}{each.artifact_id}": json.dumps(asdict(each)) for each in facts}


def _trial(spec: StudySpec, record: RunRecord, primary: str, pictures: Sequence[str]) -> FrozenTrial:
    params: dict[str, Any] = {"schedule": record.schedule}
    distributions: dict[str, BaseDistribution] = {"schedule": CategoricalDistribution(list(spec.schedules))}
    shared = spec.shared_space()
    for name, distribution in space.distributions(spec, record.schedule).items():
        key = name if name in shared else f"{record.schedule}.{name}"
        params[key] = record.params[name]
        distributions[key] = distribution
    attributes: dict[str, Any] = {
        "run": record.run,
        "phase": record.phase,
        "point": record.point,
        "repetition": record.repetition,
        "status": record.status,
        **({"reason": record.reason} if record.reason else {}),
        **record.scores,
        RECORD: json.dumps(record.to_json()),
    }
    finished = record.status == "finished"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        return optuna.trial.create_trial(
            state=TrialState.COMPLETE if finished else TrialState.FAIL,
            value=record.scores[primary] if finished else None,
            params=params,
            distributions=distributions,
            user_attrs=attributes,
            system_attrs=_artifacts(pictures),
            intermediate_values={place.step: place.scores[primary] for place in record.curve},
        )


def _widened(spec: StudySpec, trial: FrozenTrial) -> FrozenTrial:
    return optuna.trial.create_trial(
        state=trial.state,
        value=trial.value,
        params=trial.params,
        distributions={**trial.distributions, "schedule": CategoricalDistribution(list(spec.schedules))},
        user_attrs=trial.user_attrs,
        system_attrs=trial.system_attrs,
        intermediate_values=trial.intermediate_values,
    )
