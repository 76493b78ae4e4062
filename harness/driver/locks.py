"""Files that keep a second driver out: held by the operating system, which lets go when the holder ends in any way."""

from __future__ import annotations

import time
from pathlib import Path

import filelock

TRIES = 3  # a holder that ends just now has removed the file that was found


def take(path: Path) -> filelock.BaseFileLock | None:
    """Hold the file `path`, making it; None if another process does. Raises OSError if it cannot be made."""
    held = filelock.FileLock(path, timeout=0)
    for _ in range(TRIES):
        try:
            held.acquire()
        except filelock.Timeout:
            time.sleep(0.05)
        else:
            return held
    return None


def release(held: filelock.BaseFileLock) -> None:
    """Remove the file and let go of it, in this order: whoever opened it meanwhile sees that it guards no name."""
    Path(held.lock_file).unlink(missing_ok=True)
    held.release()
