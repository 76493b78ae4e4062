"""Runs that ended while the database was away: kept as files beside their checkpoints until it can take them."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from harness.results import tables
from harness.results.record import RunRecord
from harness.study.design import Design
from harness.study.storage import Ledger

SUFFIX = ".ended"


@dataclass(frozen=True)
class Kept:
    """A run that ended, and the file names of its sample grids."""

    design: Design
    record: RunRecord
    pictures: tuple[str, ...]


def save(work: Path, each: Kept) -> None:
    """Write the run's file durably."""
    content = {"record": each.record.to_json(), "pictures": each.pictures}
    tables.write_bytes(work / f"{each.record.run}{SUFFIX}", json.dumps(content).encode())


def store(work: Path, ledger: Ledger) -> int:
    """Store the runs that an earlier driver could not; return how many. A damaged file's run is trained again."""
    stored = 0
    for path in sorted(work.glob(f"*{SUFFIX}")):
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
            record = RunRecord.from_json(content["record"])
            pictures = [str(name) for name in content["pictures"]]
        except (ValueError, KeyError, TypeError):
            path.unlink()
            continue
        if record.run not in ledger.records:
            ledger.add(record, pictures)
            stored += 1
        for left in work.glob(f"{record.run}.*"):
            left.unlink(missing_ok=True)
    return stored
