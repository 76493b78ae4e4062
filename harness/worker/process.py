"""A worker process: set up once (device, images, compiled networks, evaluator), then trains run after run."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import threading
import time
import traceback
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from harness import files
from harness.plan.design import Design
from harness.plan.prefixes import Forks
from harness.results.record import RunRecord
from harness.spec import StudySpec
from harness.worker import energy

Question = Literal["summary", "facts", "probe"]
STOP = "stop"  # a file of this name in the work folder asks all workers to checkpoint and stop
FORKS = ".forks"  # suffix of the file in the work folder that tells a run of its forks
_WATCH_SECONDS = 1.0


@dataclass(frozen=True)
class WorkerSetup:
    """What a worker must know before its first run; picklable, so that it reaches processes and cluster nodes."""

    spec: StudySpec
    work: Path | None  # checkpoints and progress of runs; None: no folder is shared with the driver
    cache: Path | None  # reference features
    gpu: int | None
    commit: str
    # How many workers share the processors, and the GPU; None: nobody knows, and their energy is not metered.
    processor_workers: int | None = None
    gpu_workers: int | None = None


@dataclass(frozen=True)
class RunOutcome:
    """How a run ended in a worker: with a record, or stopped, or failed with an error."""

    record: RunRecord | None
    grids: dict[str, bytes]
    error: str = ""
    trace: str = ""

    @property
    def interrupted(self) -> bool:
        """Whether the run was stopped on request and can go on later."""
        return self.record is None and not self.error


_setup: WorkerSetup | None = None
_context: Any = None
_terminated = threading.Event()


def start(setup: WorkerSetup, driver: int) -> None:
    """Prepare this process for runs of one study; ends with the driver, so that no orphan trains on."""
    global _setup
    _setup = setup
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, lambda *_: _terminated.set())
    threading.Thread(target=_end_with, args=(driver,), daemon=True).start()
    _quiet()
    settle(setup)


def settle(setup: WorkerSetup) -> None:
    """Give this process its threads and its device; before TensorFlow is first used."""
    from threadpoolctl import threadpool_limits

    from harness.worker import device

    threadpool_limits(setup.spec.train.threads)
    device.configure(threads=setup.spec.train.threads, gpu=setup.gpu)


def _quiet() -> None:
    """Send what native libraries print to nowhere; Python's own errors travel back as values."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    os.close(nowhere)


def _end_with(driver: int) -> None:
    while os.getppid() == driver:
        time.sleep(_WATCH_SECONDS)
    os._exit(1)


def context_of(setup: WorkerSetup) -> Any:
    """This process's worker context for `setup`, built at the first call."""
    global _context
    if _context is None or _context.spec != setup.spec:
        from harness.worker.context import build

        _context = build(setup.spec, cache=setup.cache, commit=setup.commit)
    return _context


def train(design: Design) -> RunOutcome:
    """Train one run; every error becomes a value, so that it fails the run and not the study."""
    assert _setup is not None, "a worker trains only after start()"
    if _terminated.is_set():  # asked to end by SIGTERM while the study goes on: a fresh worker takes its place
        os._exit(1)
    return train_with(_setup, design)


def train_with(setup: WorkerSetup, design: Design) -> RunOutcome:
    """Train one run with `setup`; used by local workers and by cluster tasks."""
    from harness.worker.run import Control, Interrupted, train_run

    work = setup.work
    try:
        control = Control(
            checkpoint=work / f"{design.run}.npz" if work else None,
            report=_Reporter(work / f"{design.run}.progress") if work else lambda message: None,
            stop=lambda: _terminated.is_set() or (work is not None and (work / STOP).exists()),
            forks=_forks(work / f"{design.run}{FORKS}") if work else Forks(),
            meter=_meter(setup),
        )
        control.report({"run": design.run, "step": 0, "scores": {}})
        result = train_run(design, context_of(setup), control)
    except Interrupted:
        return RunOutcome(None, {})
    except MemoryError as error:
        return RunOutcome(None, {}, error=_out_of_memory(setup.spec, error), trace=traceback.format_exc())
    except Exception as error:
        if type(error).__name__ == "ResourceExhaustedError":
            return RunOutcome(None, {}, error=_out_of_memory(setup.spec, error), trace=traceback.format_exc())
        text = str(error).strip().splitlines()
        named = f"{type(error).__name__}: {text[0] if text else 'no message'}"
        return RunOutcome(None, {}, error=named[:500], trace=traceback.format_exc())
    return RunOutcome(result.record, result.grids)


def _meter(setup: WorkerSetup) -> energy.Meter:
    """A meter for one run, of the parts of the machine that train it."""
    from harness.worker import device

    workers = {energy.PROCESSOR: setup.processor_workers}
    if setup.gpu_workers is not None and device.on_gpu():  # or it is there, and TensorFlow cannot use it
        workers[energy.GPU] = setup.gpu_workers
    return energy.meter({part: count for part, count in workers.items() if count is not None})


def _forks(path: Path) -> Forks:
    """What the driver says of a run's forks; none where it says nothing, and the run is trained by itself."""
    try:
        return Forks.from_json(json.loads(path.read_text(encoding="utf-8")))
    except (OSError, ValueError, KeyError, TypeError):
        return Forks()


def get_ready() -> None:
    """Build and trace what runs need, so that the first one begins at once; what goes wrong, that run will say."""
    assert _setup is not None, "a worker gets ready only after start()"
    with contextlib.suppress(Exception):
        context = context_of(_setup)
        context.model.prepare()


def answer(question: Question) -> dict[str, Any]:
    """Answer for this process's study: what data, features and scores are (and see), or how long things take."""
    assert _setup is not None, "a worker answers only after start()"
    return answer_with(_setup, question)


def answer_with(setup: WorkerSetup, question: Question) -> dict[str, Any]:
    """Answer `question` with `setup`; used by local workers and by cluster tasks."""
    from harness.worker import context

    started = time.monotonic()
    shared = context_of(setup)
    if question == "probe":
        return context.probe(shared, started=started)
    return context.facts(shared) if question == "facts" else context.summary(shared)


def _out_of_memory(spec: StudySpec, error: Exception) -> str:
    return (
        f"out of memory ({type(error).__name__}): train.batch is {spec.train.batch} and evaluate.generated is "
        f"{spec.evaluate.generated}; try a smaller batch, fewer generated images or fewer workers"
    )


class _Reporter:
    """Writes the latest progress of a run to a small file, whole, at most a few times a second."""

    def __init__(self, path: Path) -> None:
        self._path, self._last = path, 0.0

    def __call__(self, message: dict[str, Any]) -> None:
        now = time.monotonic()
        if now - self._last < 0.25:
            return
        self._last = now
        # Progress is a courtesy: stale after a crash of the machine, and a full disk is reported where records and
        # checkpoints are written.
        with contextlib.suppress(OSError):
            files.write(self._path, json.dumps(message).encode(), durable=False)
