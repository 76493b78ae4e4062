"""Ctrl-C outside training: heard even where a library swallows the exception that Python raises for it."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


def in_main_thread() -> bool:
    """Whether this is the thread that hears signals."""
    return threading.current_thread() is threading.main_thread()


@contextmanager
def heard() -> Iterator[None]:
    """Raise KeyboardInterrupt at the latest at the end of the block if Ctrl-C came within it.

    Python raises it wherever the main thread happens to be: inside a callback, a destructor or an import that catches
    everything it is lost, and the program would go on. Where Ctrl-C is ignored (a script's background job), it stays so;
    a thread besides the main one never hears it.
    """
    came = False

    def handle(number: int, frame: Any) -> None:
        nonlocal came
        came = True
        raise KeyboardInterrupt

    before = signal.getsignal(signal.SIGINT)
    if before is not signal.default_int_handler or not in_main_thread():
        yield
        return
    signal.signal(signal.SIGINT, handle)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
    if came:
        raise KeyboardInterrupt
