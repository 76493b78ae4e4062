"""The Optuna study that holds the truth: one trial per run that ended, written whole in one transaction.

A trial is added when its run has ended, with its parameters, values, curve (intermediate values) and the complete
record, so that no interruption leaves a half-written or a 'running' trial behind. `optuna trials`, the Optuna
Dashboard and `study.trials_dataframe()` read it as any other study. Trials that others added stay as they are.
"""

from __future__ import annotations

import json
import time
import warnings
from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime
from functools import cached_property
from typing import Any

import optuna
from optuna.artifacts import ArtifactMeta
from optuna.artifacts._upload import ARTIFACTS_ATTR_PREFIX  # no public name says it
from optuna.distributions import BaseDistribution, CategoricalDistribution
from optuna.storages._rdb import models
from optuna.storages._rdb.storage import _create_scoped_session
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState

from harness.driver import identity
from harness.driver.database import Database, Storage, StorageError, explained, without_password
from harness.driver.pictures import artifact_id
from harness.driver.study_lock import StudyLock
from harness.plan import points
from harness.results.record import RunRecord
from harness.spec import Planned, StudySpec

RECORD = "record"
GAP = 10_000  # trials that are put in the place of lost ones at most, so that others keep their numbers


class TrialStore:
    """The study's trials: what has been run, and the place where records are added.

    Opening one reads; it writes nothing before `begin_writing`, by which the study in the database becomes `spec`.
    """

    def __init__(self, spec: StudySpec, url: str, *, primary: str) -> None:
        """Read the study of `spec` at `url`; raises StorageError if its runs are another experiment's.

        `primary` is the full name of the score that becomes a trial's value.
        """
        self._spec, self._url, self.primary = spec, url, primary
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        self._database = Database(url)
        self._storage: Storage | None = None
        self._study: optuna.Study | None = None
        self._number = -1  # the study's, in the database; -1 before `begin_writing`
        self._adopted: list[tuple[RunRecord, Sequence[str]]] = []
        self._doubtful: set[str] = set()
        self._before: Planned | None = None  # what the study had planned when it was stored last
        self.records: dict[str, RunRecord] = {}
        self.others: list[str] = []  # studies with trials in a database that lacks this one
        self._lock = StudyLock(self._database, spec.name)
        try:
            with explained(url):
                self._lock.hold()
                self._look()
        except BaseException:
            self.close()
            raise

    def _look(self) -> None:
        """Take the records of the study as it is stored."""
        storage = self._database.stored()
        if storage is None:
            return
        try:
            study = identity.stored(storage, self._spec.name)
            if study is None:
                names = [other.study_name for other in storage.get_all_studies()]
                self.others = [name for name in names if storage.get_n_trials(storage.get_study_id_from_name(name))]
                return
            trials = storage.get_all_trials(study, deepcopy=False)
            self.records = _records(trials)
            where = f"study '{self._spec.name}' in database {without_password(self._url)}"
            attributes = storage.get_study_user_attrs(study)
            if not identity.is_ours(attributes, storage.get_study_directions(study), trials=len(trials)):
                raise StorageError(f"{where} was not made by this harness; choose another name in the study file")
            identity.refuse_others(self._spec, attributes, self.records.values(), where=where)
            self._before = identity.planned(attributes, where=where) if self.records else None
        finally:
            storage.engine.dispose()

    def adopt(self, record: RunRecord, pictures: Sequence[str] = ()) -> None:
        """Count a run as stored that the database lacks; `begin_writing` stores it, under its trial number where that is free."""
        self.records[record.run] = record
        self._adopted.append((record, pictures))

    def recall(self, planned: Planned | None) -> None:
        """Take what the folder says was planned, where the database does not know; to be said before `planned` is asked for."""
        self._before = self._before or planned

    @cached_property
    def planned(self) -> Planned:
        """What was planned before the first confirmation run was stored: the study as it is, where none is stored yet."""
        now = Planned.of(self._spec)
        confirmed = any(record.phase == "confirm" for record in self.records.values())
        return self._before if confirmed and self._before is not None else now

    def begin_writing(self) -> None:
        """Make the study that of `spec`, in the database; afterwards no other experiment may have its name there.

        What is written is written whole: after a kill or a fault the study is as it was, or as it shall be.
        """
        if self._study is not None:
            return
        with explained(self._url):
            self._lock.hold()
            if self._storage is None:
                self._storage = self._database.create()
            identity.settle(self._storage, self._spec.name)
            number = identity.of(self._storage, self._spec.name)
            if number is None:
                number = self._storage.create_new_study([StudyDirection.MINIMIZE], self._spec.name)
            trials = self._storage.get_all_trials(number, deepcopy=False)
            ours = [trial for trial in trials if _record(trial) is not None]
            user, system = self._storage.get_study_user_attrs(number), self._storage.get_study_system_attrs(number)
            mine = self._spec, self.planned, self.primary
            if not identity.is_written(*mine, user=user, system=system, trials=ours):
                identity.write(self._storage, number, *mine, ours)
            self._number = number
            self._store_adopted(len(trials))
            self._study = optuna.load_study(
                study_name=self._spec.name,
                storage=optuna.storages.get_storage(self._storage),
                sampler=optuna.samplers.RandomSampler(seed=0),
                pruner=optuna.pruners.NopPruner(),
            )

    def _store_adopted(self, trials: int) -> None:
        """Store in one transaction what was adopted; `trials` are stored already."""
        assert self._storage is not None, "begin_writing opens it"
        if not self._adopted:
            return
        added = []
        with _create_scoped_session(self._storage.scoped_session) as session:
            models.StudyModel.find_or_raise_by_id(self._number, session, for_update=True)

            def add(template: FrozenTrial) -> Any:
                assert self._storage is not None, "begin_writing opens it"
                return self._storage._get_prepared_new_trial(self._number, template, session)

            ordered = sorted(self._adopted, key=lambda adopted: (adopted[0].trial is None, adopted[0].trial))
            for record, pictures in ordered:
                if record.trial is not None and trials < record.trial <= trials + GAP:
                    for _ in range(trials, record.trial):
                        add(_lost())
                trial = add(_trial(self._spec, record, self.primary, pictures))
                added.append(record.numbered(trial.number))
                trials = trial.number + 1
        self._adopted = []
        self.records.update({record.run: record for record in added})

    @property
    def study(self) -> optuna.Study:
        """The Optuna study, which is that of the spec from now on."""
        self.begin_writing()
        assert self._study is not None, "begin_writing opens it"
        return self._study

    def add(self, record: RunRecord, pictures: Sequence[str] = ()) -> RunRecord:
        """Store one ended run durably, with the file names of its sample grids; return it with its trial number.

        Raises StorageAway where the server does not answer; the same record may then be added again.
        """
        self.begin_writing()
        assert self._storage is not None, "begin_writing opens it"
        with explained(self._url):
            self._lock.hold()
            try:
                # A connection may be lost between the server's commit and its answer.
                stored = self._stored(record.run) if record.run in self._doubtful else None
                self._doubtful.add(record.run)
                if stored is None:
                    trial = _trial(self._spec, record, self.primary, pictures)
                    # Bypasses Optuna's cache, which would hold every trial twice and sort them at every run; and the
                    # public name of this tells the trial's id, from which its number costs reading it back.
                    stored = self._storage._create_new_trial(self._number, trial)
            except KeyError as error:
                raise StorageError(
                    f"study '{self._spec.name}' in database {without_password(self._url)} was deleted meanwhile; "
                    "run the same command again, which restores its runs from the tables"
                ) from error
        self._doubtful.discard(record.run)
        self.records[record.run] = record.numbered(stored.number)
        return self.records[record.run]

    def _stored(self, run: str) -> FrozenTrial | None:
        """The trial of `run`, if it is stored. Reads all trials: asked only after a connection was lost."""
        assert self._storage is not None, "begin_writing opens it"
        trials = self._storage.get_all_trials(self._number, deepcopy=False)
        return next((trial for trial in trials if trial.user_attrs.get("run") == run), None)

    def close(self) -> None:
        """Release the study to other drivers, and end the connections."""
        self._lock.release()
        self._database.close()
        if self._storage is not None:
            self._storage.engine.dispose()


def _records(trials: Sequence[FrozenTrial]) -> dict[str, RunRecord]:
    """Records by run; of a run stored twice (possible only by hand) the first counts."""
    records: dict[str, RunRecord] = {}
    for trial in trials:
        record = _record(trial)
        if record is not None:
            records.setdefault(record.run, record)
    return records


def _record(trial: FrozenTrial) -> RunRecord | None:
    """The record of a trial of ours; None for one that others added, whatever it holds."""
    text = trial.user_attrs.get(RECORD)
    if not isinstance(text, str) or not trial.state.is_finished():
        return None
    try:
        record = RunRecord.from_json(json.loads(text)).numbered(trial.number)
    except (ValueError, KeyError, TypeError, AttributeError):
        return None
    return record if record.run == trial.user_attrs.get("run") else None


def _artifacts(pictures: Sequence[str]) -> dict[str, str]:
    """What Optuna's upload_artifact stores with a running trial; ours are added when they have ended."""
    metas = [
        ArtifactMeta(artifact_id=artifact_id(name), filename=name, mimetype="image/png", encoding=None)
        for name in pictures
    ]
    return {f"{ARTIFACTS_ATTR_PREFIX}{meta.artifact_id}": json.dumps(asdict(meta)) for meta in metas}


def _trial(spec: StudySpec, record: RunRecord, primary: str, pictures: Sequence[str]) -> FrozenTrial:
    params: dict[str, Any] = {"schedule": record.schedule}
    distributions: dict[str, BaseDistribution] = {"schedule": CategoricalDistribution(list(spec.schedules))}
    for name, distribution in points.distributions(spec, record.schedule).items():
        key = spec.trial_parameter(record.schedule, name)
        params[key] = record.params[name]
        distributions[key] = distribution
    attributes: dict[str, Any] = {
        "run": record.run,
        "phase": record.phase,
        "point": record.point,
        "repetition": record.repetition,
        **({} if record.replicate is None else {"replicate": record.replicate}),
        **({"source": record.source} if record.source else {}),
        "status": record.status,
        **({"reason": record.reason} if record.reason else {}),
        **record.scores,
        RECORD: json.dumps(record.to_json()),
    }
    finished = record.status == "finished"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        trial = optuna.trial.create_trial(
            state=TrialState.COMPLETE if finished else TrialState.FAIL,
            value=record.scores[primary] if finished else None,
            params=params,
            distributions=distributions,
            user_attrs=attributes,
            system_attrs={**_artifacts(pictures), **identity.marks(record.phase)},
            intermediate_values={
                point.step: point.scores[primary] for point in record.curve if primary in point.scores
            },
        )
    trial.datetime_start, trial.datetime_complete = _times(record)
    return trial


def _times(record: RunRecord) -> tuple[datetime, datetime]:
    """When the run began and ended, as Optuna has it: local time without a zone."""
    ended = time.time() if record.ended is None else record.ended
    started = ended - record.seconds if record.started is None else record.started
    return datetime.fromtimestamp(started), datetime.fromtimestamp(ended)


def _lost() -> FrozenTrial:
    """A trial in the place of one that was in a lost database and was no run of the study."""
    return optuna.trial.create_trial(
        state=TrialState.FAIL, user_attrs={"status": "lost", "reason": "a trial of others, lost with the database"}
    )
