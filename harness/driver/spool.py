"""Spool of finished runs while the database is unreachable: files beside their checkpoints, until it can take them."""

from __future__ import annotations

import json
from dataclasses import dataclass

from harness import files
from harness.driver.folder import ENDED, Folder
from harness.driver.store import TrialStore
from harness.plan.design import Design
from harness.results.record import RunRecord


@dataclass(frozen=True)
class FinishedRun:
    """A run that ended, and the file names of its sample grids."""

    design: Design
    record: RunRecord
    pictures: tuple[str, ...]


def save(folder: Folder, run: FinishedRun) -> None:
    """Write the run's file durably."""
    content = {"record": run.record.to_json(), "pictures": run.pictures}
    files.write(folder.work / f"{run.record.run}{ENDED}", json.dumps(content).encode())


def adopt(folder: Folder, store: TrialStore) -> None:
    """Count the runs as stored that an earlier driver could not store. A damaged file's run is trained again."""
    for path in sorted(folder.work.glob(f"*{ENDED}")):
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
            record = RunRecord.from_json(content["record"])
            pictures = [str(name) for name in content["pictures"]]
        except (ValueError, KeyError, TypeError):
            path.unlink()
            continue
        if record.run not in store.records:
            store.adopt(record, pictures)


def empty(folder: Folder, store: TrialStore) -> None:
    """Store those runs in the study; then remove their files and checkpoints."""
    adopt(folder, store)
    store.begin_writing()
    for path in sorted(folder.work.glob(f"*{ENDED}")):
        run = path.name.removesuffix(ENDED)
        if run in store.records:
            folder.forget(run)
