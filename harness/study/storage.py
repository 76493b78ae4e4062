"""The Optuna study that holds the truth: one trial a finished run, written whole in one transaction.

A trial is added when its run has ended, with its parameters, values, curve (intermediate values) and the complete
record, so that no interruption leaves a half-written or a 'running' trial behind. `optuna trials`, the Optuna
Dashboard and `study.trials_dataframe()` read it as any other study.
"""

from __future__ import annotations

import json
import sqlite3
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

import optuna
import sqlalchemy.exc
from optuna.artifacts._upload import ARTIFACTS_ATTR_PREFIX, ArtifactMeta
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution
from optuna.storages import BaseStorage, RDBStorage, get_storage
from optuna.trial import FrozenTrial, TrialState

from harness.results.record import RunRecord
from harness.spec import Range, StudySpec, digest, resolved
from harness.study.design import Design

DIGEST = "harness:spec"  # user attribute of the study: SHA-256 of the study file it belongs to
SPEC = "harness:resolved"
COMPLETE = "harness:complete"  # of a draft: every trial has been copied
RECORD = "record"


class StorageError(RuntimeError):
    """The database cannot be used; the message says which, why, and what to do."""


def sqlite_url(results: Path) -> str:
    """The address of the results folder's own database."""
    return f"sqlite:///{(results / 'study.db').resolve()}"


@contextmanager
def _explained(url: str) -> Iterator[None]:
    """Turn every database fault into one StorageError that says what to do."""
    try:
        yield
    except (sqlalchemy.exc.SQLAlchemyError, optuna.exceptions.StorageInternalError, sqlite3.Error) as error:
        shown = without_password(url)
        text = str(getattr(error, "orig", None) or error.__cause__ or error).splitlines()[0]
        if "locked" in text:
            advice = "another program holds it; close that program and run the same command again"
        elif "malformed" in text or "not a database" in text or "I/O" in text:
            advice = "the file or its disk is damaged; restore a copy, or move it away to train the study's runs again"
        elif "full" in text:
            advice = "the disk is full; make room and run the same command again"
        elif "readonly" in text or "unable to open" in text:
            advice = "make the file and its folder writable"
        else:
            advice = "see that the server runs and the address is right, then run the same command again"
        raise StorageError(f"study database {shown}: {text}: {advice}") from error
    except ModuleNotFoundError as error:
        raise StorageError(
            f"study database {without_password(url)}: the driver '{error.name}' is not installed; "
            "for PostgreSQL install the extra 'postgres'"
        ) from error


def open_storage(url: str) -> BaseStorage:
    """Open (or create) a database; SQLite with write-ahead log and full durability, checked for damage first."""
    with _explained(url):
        if not url.startswith("sqlite"):
            return get_storage(RDBStorage(url, engine_kwargs={"pool_pre_ping": True}))
        _check_sqlite(Path(url.removeprefix("sqlite:///")))
        storage = RDBStorage(url, engine_kwargs={"connect_args": {"timeout": 30}})

        @sqlalchemy.event.listens_for(storage.engine, "connect")
        def _connect(connection: Any, _: Any) -> None:
            connection.execute("PRAGMA journal_mode=WAL")
            connection.execute("PRAGMA synchronous=FULL")

        storage.engine.dispose()  # connections opened before the listener lack its settings
        return get_storage(storage)


def _check_sqlite(path: Path) -> None:
    """Raise sqlite3.DatabaseError if the file exists and fails SQLite's own check."""
    if path.exists():
        connection = sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=30)
        try:
            answer = connection.execute("PRAGMA quick_check(1)").fetchone()
        except UnicodeDecodeError as error:  # SQLite quotes a damaged name in its answer
            raise sqlite3.DatabaseError("malformed: names in it are no text") from error
        finally:
            connection.close()
        if answer is None or answer[0] != "ok":
            raise sqlite3.DatabaseError(f"malformed: {answer[0] if answer else 'no answer'}")


class Ledger:
    """The study's trials: what has been run, and the place where records are added."""

    def __init__(self, spec: StudySpec, url: str, *, primary: str) -> None:
        """Open the study of `spec` at `url`, creating it or making room for schedules added since.

        `primary` is the full name of the score that becomes a trial's value.
        """
        self._spec, self._url, self._primary = spec, url, primary
        optuna.logging.set_verbosity(optuna.logging.WARNING)
        storage = open_storage(url)
        with _explained(url):
            self._study = _open_study(spec, storage)
            self.records = _records(self._study)

    @property
    def study(self) -> optuna.Study:
        """The Optuna study."""
        return self._study

    def add(self, record: RunRecord, design: Design, pictures: Sequence[str] = ()) -> RunRecord:
        """Store one ended run durably, with the file names of its sample grids; return it with its trial number."""
        with _explained(self._url):
            numbered = record.numbered(self._study._storage.get_n_trials(self._study._study_id))
            self._study.add_trial(_trial(self._spec, numbered, design, self._primary, pictures))
        self.records[record.run] = numbered
        return numbered


def _open_study(spec: StudySpec, storage: BaseStorage) -> optuna.Study:
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
    if DIGEST not in study.user_attrs:
        raise StorageError(
            f"study '{spec.name}' in the database was not made by this harness; choose another name in the study file"
        )
    trials = study.get_trials(deepcopy=False)
    labels = next((list(_choices(trial)) for trial in trials), list(spec.schedules))
    if study.user_attrs[DIGEST] != digest(spec):  # it grew, or its words changed
        for key, value in _identity(spec).items():
            study.set_user_attr(key, value)
    if labels == list(spec.schedules):
        return study
    _fill(storage, draft, study.user_attrs, [_widened(spec, trial) for trial in trials]).set_user_attr(COMPLETE, True)
    _settle(storage, spec.name, draft)
    return optuna.load_study(study_name=spec.name, storage=storage)


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
    return {DIGEST: digest(spec), SPEC: json.dumps(resolved(spec)), "question": spec.question.text}


def _records(study: optuna.Study) -> dict[str, RunRecord]:
    """Records by run; of a run stored twice (possible only by hand) the first counts."""
    records: dict[str, RunRecord] = {}
    for trial in study.get_trials(deepcopy=False):
        if RECORD in trial.user_attrs:
            record = RunRecord.from_json(json.loads(trial.user_attrs[RECORD])).numbered(trial.number)
            records.setdefault(record.run, record)
    return records


def _artifacts(pictures: Sequence[str]) -> dict[str, str]:
    """What Optuna's upload_artifact stores with a running trial; ours are added when they have ended.

    A grid's id is its file name, so that the folder of samples is the artifact store and nothing is stored twice.
    """
    facts = [ArtifactMeta(artifact_id=name, filename=name, mimetype="image/png", encoding=None) for name in pictures]
    return {f"{ARTIFACTS_ATTR_PREFIX}{each.artifact_id}": json.dumps(asdict(each)) for each in facts}


def _trial(
    spec: StudySpec, record: RunRecord, design: Design, primary: str, pictures: Sequence[str] = ()
) -> FrozenTrial:
    params: dict[str, Any] = {"schedule": design.schedule}
    distributions: dict[str, BaseDistribution] = {"schedule": CategoricalDistribution(list(spec.schedules))}
    shared = spec.shared_space()
    ranges: dict[str, Range] = {**shared, **spec.own_space(design.schedule)}
    for name, limits in ranges.items():
        key = name if name in shared else f"{design.schedule}.{name}"
        params[key] = design.values[name]
        distributions[key] = FloatDistribution(limits.low, limits.high, log=limits.log)
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


def without_password(url: str) -> str:
    """The address with its password left out."""
    scheme, separator, rest = url.partition("://")
    if "@" not in rest:
        return url
    credentials, _, place = rest.rpartition("@")
    return f"{scheme}{separator}{credentials.split(':')[0]}@{place}"
