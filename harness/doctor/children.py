"""Processes that answer requests of `probe`, each within a time limit; one that dies or hangs is a fault with its reason."""

from __future__ import annotations

import multiprocessing
import tempfile
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from harness.doctor import probe
from harness.doctor.probe import Failed, Place

START_SECONDS = 90.0  # for Python and TensorFlow, the first time from a cold disk
_ENDING_SECONDS = 5.0


class ProbeFault(Exception):
    """A request has no answer; the message says why, in one line."""


class Child:
    """A process at one `place`, replaced after a fault: what a device did to TensorFlow then is gone with it."""

    def __init__(self, place: Place | None) -> None:
        self._place = place
        self._folder = tempfile.TemporaryDirectory()
        self._errors = Path(self._folder.name) / "errors.txt"
        self._process: Any = None
        self._connection: Any = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.end()
        self._folder.cleanup()

    def ask(self, request: Any, *, seconds: float) -> Any:
        """The answer to `request`, `seconds` after the process has started at the latest; raises ProbeFault."""
        self.send(request)
        return self.receive(seconds=seconds)

    def send(self, request: Any) -> None:
        """Hand `request` over, starting the process if there is none."""
        if self._process is not None and not self._process.is_alive():
            self.end()
        if self._process is None:
            context = multiprocessing.get_context("spawn")
            self._connection, theirs = context.Pipe()
            self._process = context.Process(
                target=probe.serve, args=(theirs, str(self._errors), self._place), daemon=True
            )
            self._process.start()
            theirs.close()
            self._starting = True
        self._connection.send(request)

    def receive(self, *, seconds: float) -> Any:
        """The answer to what was sent; raises ProbeFault."""
        limit = seconds + (START_SECONDS if self._starting else 0.0)
        self._starting = False
        if not self._connection.poll(limit):
            self.end()
            raise ProbeFault(f"no answer within {limit:.0f} seconds")
        try:
            answer = self._connection.recv()
        except (EOFError, OSError) as error:
            self._process.join(_ENDING_SECONDS)
            ended = self._process.exitcode
            self.end()
            said = self.said()
            raise ProbeFault(
                f"the process died (exit status {ended}){f': {said[-1]}' if said else ''}"[:300]
            ) from error
        if isinstance(answer, Failed):
            self.end()
            raise ProbeFault(answer.reason)
        return answer

    def said(self) -> list[str]:
        """The lines that native libraries printed."""
        try:
            return [line.strip() for line in self._errors.read_text(errors="replace").splitlines() if line.strip()]
        except OSError:
            return []

    def end(self) -> None:
        """End the process; the next request starts another."""
        if self._process is not None:
            self._connection.close()
            self._process.kill()
            self._process.join(_ENDING_SECONDS)
            self._process = None
