"""Files written whole: whoever reads one sees all of it or the one before, also after a crash."""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO


@contextlib.contextmanager
def whole(path: Path, *, keep: Path | None = None, durable: bool = True) -> Iterator[IO[bytes]]:
    """Open a file that takes the place of `path` when the block ends well; otherwise nothing changes.

    It outlasts a crash of the machine, unless `durable` is false: waiting for the disk takes milliseconds. What was at
    `path` is kept as `keep` where that is given. The folder is made where it is missing. Raises OSError.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".partial", dir=path.parent)
    temporary = Path(name)
    try:
        with os.fdopen(descriptor, "wb") as stream:
            yield stream
            if durable:
                stream.flush()
                os.fsync(stream.fileno())
        temporary.chmod(0o644)
        if keep is not None and path.exists():
            path.replace(keep)
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    if durable:
        _sync_folder(path.parent)


def _sync_folder(path: Path) -> None:
    folder = os.open(path, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def write(path: Path, content: bytes, *, durable: bool = True) -> None:
    """Write `content` to `path` whole, and durably unless that is not asked for. Raises OSError."""
    with whole(path, durable=durable) as stream:
        stream.write(content)


def holds(path: Path, content: str) -> bool:
    """Whether a file is there and holds just this text."""
    return path.is_file() and path.read_bytes() == content.encode()
