"""Runs that the tables hold and the database lacks: checked against the study, and counted as stored again."""

from __future__ import annotations

import math
from collections.abc import Mapping

from harness.driver import study_json
from harness.driver.folder import Folder, FolderError
from harness.driver.queue import Queue
from harness.driver.store import TrialStore
from harness.plan.design import Design, seeds_of
from harness.results import ResultsError, reading
from harness.results.record import RunRecord
from harness.spec import StudySpec

_GRIDS = ("", "-ema")  # what follows a run's name in those of its sample grids
_ADVICE = "its database lacks these runs: bring the table or the database back, or choose another --output"


def adopt(folder: Folder, spec: StudySpec, store: TrialStore) -> list[RunRecord]:
    """Have `store` count the runs of the folder's tables that it lacks; return them.

    The tables hold all that a database does, so nothing is lost by this. Raises FolderError where they are damaged, or
    are not of the study and of the runs that the database holds.
    """
    lacking = folder.tabled().keys() - store.records.keys()
    if not lacking and (store.records or not (folder.path / "runs.csv").exists()):
        return []
    try:
        recorded = reading.records(folder.path)
    except ResultsError as error:
        raise FolderError(f"{str(error).partition(';')[0]}; {_ADVICE}") from error
    for record in recorded:
        _check(folder, spec, record, store.records)
    missing = [record for record in recorded if record.run not in store.records]
    for record in missing:
        names = [f"{record.run}{grid}.png" for grid in _GRIDS]
        store.adopt(record, [name for name in names if (folder.samples / name).is_file()])
    return missing


def _check(folder: Folder, spec: StudySpec, record: RunRecord, stored: Mapping[str, RunRecord]) -> None:
    """Raise FolderError unless a run of the tables is one of the study, and the one that the database holds, if any."""
    table, study = folder.path / "runs.csv", folder.study()
    assert study is not None, "adopt has seen it"
    seeds = seeds_of(
        spec, phase=record.phase, repetition=record.repetition, replicate=record.replicate, source=record.source
    )
    kind = spec.schedules[record.schedule].kind if record.schedule in spec.schedules else None
    design = Design(
        record.phase,
        record.schedule,
        record.kind,
        record.point,
        record.repetition,
        (),
        seeds,
        record.replicate,
        record.source,
    )
    theirs = (record.seed_weights, record.seed_data, record.seed_latents, record.seed_noise)
    if record.kind != kind or design.run != record.run or theirs != tuple(vars(seeds).values()):
        raise FolderError(f"{table}: run {record.run} is none of this study; {_ADVICE}")
    if (record.data_fingerprint, record.features_sha256) != (study["data"]["fingerprint"], study["features"]["sha256"]):
        raise FolderError(f"{table}: run {record.run} used other data or features than study.json says; {_ADVICE}")
    same = stored.get(record.run, next(iter(stored.values()), None))
    if same is None:
        return
    other = (same.data_fingerprint, same.features_sha256) != (record.data_fingerprint, record.features_sha256)
    if other or (same.run == record.run and _numbers(same) != _numbers(record)):
        raise FolderError(
            f"{table}: run {record.run} is not what the database holds of run {same.run}; the database is another "
            "study's, or was replaced: bring the study's own back, or choose another --output"
        )


def _numbers(record: RunRecord) -> dict[str, float]:
    """Parameters and scores, as far as they are numbers."""
    return {name: value for name, value in {**record.params, **record.scores}.items() if not math.isnan(value)}


def complete(folder: Folder, spec: StudySpec, primary: str) -> bool:
    """Whether the folder's tables hold every run that `spec` plans, so that nothing is left to be trained."""
    try:
        stored = folder.study()
        if stored is None:
            return False
        recorded = reading.records(folder.path)
    except (FolderError, ResultsError):
        return False
    planned = study_json.planned(stored)
    return bool(recorded) and not Queue.after(spec, recorded, primary=primary, planned=planned).ready
