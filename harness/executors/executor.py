"""What an executor is: something that trains runs, here or elsewhere, and has a worker answer questions."""

from __future__ import annotations

from concurrent.futures import BrokenExecutor, Future
from dataclasses import dataclass
from typing import Any, ClassVar, Protocol

from harness.kinds import Part
from harness.plan.design import Design
from harness.worker.process import Question, RunOutcome

ASKED = 3  # times a question is put to a worker that dies over it
DIED = "worker died"


@dataclass(frozen=True, kw_only=True)
class ExecutorPart(Part):
    """Where runs are trained. `build` takes (setup, options, *, runs) and returns an Executor.

    `setup` is a harness.worker.process.WorkerSetup, `options` the WorkerOptions of the command line, `runs` the number of
    runs of the study. `here` says that runs are trained on this machine, whose cores the checks then count.
    """

    role: ClassVar[str] = "executor"
    here: bool = False


class WorkerFault(RuntimeError):
    """No worker can train this study; the message says why."""


class InputFault(WorkerFault):
    """A worker found that data, weights or study cannot be used as they are: bad input, for the user to fix."""


class Executor(Protocol):
    """Trains runs somewhere."""

    @property
    def slots(self) -> int:
        """How many runs may be under way."""

    def describe(self) -> str:
        """A line that says what trains the runs."""

    def submit(self, design: Design) -> Future[RunOutcome]:
        """Begin one run in a free slot; the future never raises for a fault inside the run."""

    def ask(self, question: Question) -> Future[dict[str, Any]]:
        """Have one worker answer what only a process with TensorFlow can know."""

    def stop(self) -> None:
        """End, as interrupted, all runs that no worker will leave a checkpoint of; the others see the file STOP."""

    def close(self, *, at_once: bool) -> None:
        """End all workers; `at_once` does not wait for runs."""

    def kill(self) -> None:
        """End all workers at once; called from a signal handler, so it must wait for nothing."""


def ask(executor: Executor, question: Question, *, source: str) -> dict[str, Any]:
    """A worker's answer; one that is killed meanwhile is replaced, up to ASKED times."""
    for _ in range(ASKED):
        try:
            return executor.ask(question).result()
        except BrokenExecutor:
            continue
        except WorkerFault:
            raise
        except ValueError as error:  # of data, weights or study, as everything that reads them has it
            raise InputFault(f"{source}: {error}") from error
        except Exception as error:
            raise WorkerFault(f"{source}: a worker could not be set up: {error}") from error
    raise WorkerFault(
        f"{source}: a worker could not be set up: it died {ASKED} times (killed, or out of memory); try fewer "
        "--workers or a smaller evaluate.generated"
    )
