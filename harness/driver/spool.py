"""Runs that ended while the database was away: kept as files beside their checkpoints until it can take them."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from harness.driver.folder import ENDED
from harness.driver.store import TrialStore
from harness.plan.design import Design
from harness.results import tables
from harness.results.record import RunRecord


@dataclass(frozen=True)
class FinishedRun:
    """A run that ended, and the file names of its sample grids."""

    design: Design
    record: RunRecord
    pictures: tuple[str, ...]


def save(work: Path, each: FinishedRun) -> None:
    """Write the run's file durably."""
    content = {"record": each.record.to_json(), "pictures": each.pictures}
    tables.write_bytes(work / f"{each.record.run}{ENDED}", json.dumps(content).encode())


def adopt(work: Path, store: TrialStore) -> None:
    """Count the runs as stored that an earlier driver could not store. A damaged file's run is trained again."""
    for path in sorted(work.glob(f"*{ENDED}")):
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
            record = RunRecord.from_json(content["record"])
            pictures = [str(name) for name in content["pictures"]]
        except (ValueError, KeyError, TypeError):
            path.unlink()
            continue
        if record.run not in store.records:
            store.adopt(record, pictures)


def empty(work: Path, store: TrialStore) -> None:
    """Claim the study and store those runs in it; then remove their files and checkpoints."""
    adopt(work, store)
    store.begin_writing()
    for path in sorted(work.glob(f"*{ENDED}")):
        run = path.name.removesuffix(ENDED)
        if run in store.records:
            for left in work.glob(f"{run}.*"):
                left.unlink(missing_ok=True)
