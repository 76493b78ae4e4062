"""Ctrl-C outside training: heard even where a library swallows the exception that Python raises for it."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


@contextmanager
def heard() -> Iterator[None]:
    """Raise KeyboardInterrupt at the latest at the end of the block if Ctrl-C came within it.

    Python raises it wherever the main thread happens to be: inside a callback, a destructor or an import that catches
    everything it is lost, and the program would go on. Where Ctrl-C is ignored (a script's background job), it stays so.
    """
    came = False

    def handle(number: int, frame: Any) -> None:
        nonlocal came
        came = True
        raise KeyboardInterrupt

    before = signal.getsignal(signal.SIGINT)
    if before is not signal.default_int_handler:
        yield
        return
    signal.signal(signal.SIGINT, handle)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
    if came:
        raise KeyboardInterrupt
