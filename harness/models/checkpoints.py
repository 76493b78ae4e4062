"""Checkpoints: arrays and a JSON note in one file, written whole, checked when read, never unpickled.

The file is an uncompressed `.npz` behind a header with its SHA-256. Saving keeps the one before as `*.previous`.
"""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness import files

MAGIC = b"harness checkpoint 1\n"
_META = "meta.json"


class CheckpointError(ValueError):
    """A checkpoint that cannot be read; the message names the file."""


@dataclass(frozen=True)
class Checkpoint:
    """What was saved."""

    arrays: dict[str, NDArray[Any]]
    meta: dict[str, Any]


def save(path: Path, arrays: Mapping[str, NDArray[Any]], meta: Mapping[str, Any], *, lasting: bool = True) -> None:
    """Write `arrays` and `meta` (JSON values) to `path` durably; the file before becomes `path`.previous.

    One that is not `lasting` takes the place of the file before, and a crash of the machine may lose it.
    """
    buffer = io.BytesIO()
    note = np.frombuffer(json.dumps(dict(meta)).encode(), dtype=np.uint8)
    np.savez(buffer, allow_pickle=False, **{_META: note}, **dict(arrays))
    content = buffer.getvalue()
    with files.whole(path, keep=_previous(path) if lasting else None, durable=lasting) as stream:
        stream.write(MAGIC + hashlib.sha256(content).hexdigest().encode() + b"\n")
        stream.write(content)


def load(path: Path) -> Checkpoint | None:
    """The newest sound checkpoint at `path`, or None; a damaged one is renamed `*.damaged` and the one before used."""
    for place in (path, _previous(path)):
        if place.exists():
            try:
                return read(place)
            except CheckpointError:
                place.replace(place.with_name(f"{place.name}.damaged"))
    return None


def read(path: Path) -> Checkpoint:
    """The checkpoint in `path`; raises CheckpointError naming the file if it is not whole."""
    header = len(MAGIC) + 64 + 1
    try:
        content = path.read_bytes()
    except OSError as error:
        raise CheckpointError(f"{path}: cannot be read ({error.strerror})") from error
    if content[: len(MAGIC)] != MAGIC:
        raise CheckpointError(f"{path}: is not a checkpoint")
    body = content[header:]
    if hashlib.sha256(body).hexdigest().encode() != content[len(MAGIC) : header - 1]:
        raise CheckpointError(f"{path}: is damaged (its checksum does not match)")
    try:
        with np.load(io.BytesIO(body), allow_pickle=False) as stored:
            arrays = {name: stored[name] for name in stored.files if name != _META}
            meta = json.loads(stored[_META].tobytes())
    except Exception as error:  # whatever a damaged file makes a parser raise
        raise CheckpointError(f"{path}: is damaged ({type(error).__name__})") from error
    return Checkpoint(arrays, meta)


def remove(path: Path) -> None:
    """Remove the checkpoint and the one before it."""
    for place in (path, _previous(path)):
        place.unlink(missing_ok=True)


def _previous(path: Path) -> Path:
    return path.with_name(f"{path.name}.previous")
