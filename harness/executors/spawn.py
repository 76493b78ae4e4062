"""Fresh processes that know nothing of the program that starts them."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.context import SpawnContext, SpawnProcess
from types import ModuleType
from typing import Any


class _Process(SpawnProcess):
    """A spawned process that does not import the caller's main module."""

    @staticmethod
    def _Popen(process_obj: Any) -> Any:
        with _no_main_module():
            return SpawnProcess._Popen(process_obj)


class SpawnAlone(SpawnContext):
    """Python's `spawn`, but for the main module.

    Python has a new process import the module that the caller was started with, for functions that it may hold. A user's
    script without `if __name__ == "__main__"` would begin its study anew in there. Ours are never in it.
    """

    Process = _Process


_alone = threading.Lock()


@contextmanager
def _no_main_module() -> Iterator[None]:
    """An empty main module for the moment in which Python notes its name for the new process."""
    with _alone:
        main = sys.modules["__main__"]
        sys.modules["__main__"] = ModuleType("__main__")
        try:
            yield
        finally:
            sys.modules["__main__"] = main
