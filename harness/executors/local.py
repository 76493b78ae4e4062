"""Worker processes of this machine, one pool of one process per worker."""

from __future__ import annotations

import contextlib
import os
import signal
from concurrent.futures import BrokenExecutor, Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import replace
from typing import Any

from harness.executors import resources
from harness.executors.executor import DIED
from harness.executors.spawn import SpawnAlone
from harness.plan.design import Design
from harness.worker import process
from harness.worker.process import Question, RunOutcome, WorkerSetup


class LocalExecutor:
    """`workers` processes, each with its own pool of one, so that a worker that dies harms only its own run."""

    def __init__(self, setup: WorkerSetup, *, workers: int, gpus: int = 0) -> None:
        self.slots = workers
        self._spec = setup.spec
        self._setups = [_placed(setup, index, workers=workers, gpus=gpus) for index in range(workers)]
        self._pools: list[ProcessPoolExecutor | None] = [None] * workers
        self._busy: set[int] = set()

    def describe(self) -> str:
        """A line that says what trains the runs, on the machine as it is now."""
        return resources.describe(self._spec, resources.machine(), workers=self.slots)

    def submit(self, design: Design) -> Future[RunOutcome]:
        """Begin `design` in a free worker, starting (or replacing) the process where needed."""
        slot = next(slot for slot in range(self.slots) if slot not in self._busy)
        self._busy.add(slot)
        outer: Future[RunOutcome] = Future()
        outer.set_running_or_notify_cancel()
        try:
            inner = self._pool(slot).submit(process.train, design)
        except BrokenProcessPool:  # it died while idle
            self._pools[slot] = None
            inner = self._pool(slot).submit(process.train, design)
        inner.add_done_callback(lambda future: self._finish(slot, future, outer))
        return outer

    def ask(self, question: Question) -> Future[dict[str, Any]]:
        """Have the first worker, which must be idle, answer; raises in the future what the worker raised.

        The future raises BrokenExecutor if the worker is killed meanwhile; asked again, a fresh one answers. Runs
        follow any question but a probe: all other workers start while the first one answers.
        """
        try:
            answer = self._pool(0).submit(process.answer, question)
        except BrokenProcessPool:  # it died since
            self._pools[0] = None
            answer = self._pool(0).submit(process.answer, question)
        if question != "probe":
            for slot in range(1, self.slots):
                self._pool(slot)
            answer.add_done_callback(self._get_ready)
        return answer

    def _get_ready(self, answer: Future[dict[str, Any]]) -> None:
        """Have all workers build and trace what runs need, before the first of them comes; the reference is cached by now."""
        if answer.cancelled() or answer.exception() is not None:
            return
        for pool in self._pools:
            if pool is not None:
                with contextlib.suppress(BrokenExecutor, RuntimeError):  # it died, or all are being closed
                    pool.submit(process.get_ready)

    def _pool(self, slot: int) -> ProcessPoolExecutor:
        pool = self._pools[slot]
        if pool is None:
            pool = ProcessPoolExecutor(
                max_workers=1,
                mp_context=SpawnAlone(),
                initializer=process.start,
                initargs=(self._setups[slot], os.getpid()),
            )
            self._pools[slot] = pool
            # Blocked while the process starts, Ctrl-C stays blocked in the worker: the driver alone answers it.
            before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
            try:
                pool.submit(os.getpid)
            finally:
                signal.pthread_sigmask(signal.SIG_SETMASK, before)
        return pool

    def _finish(self, slot: int, inner: Future[RunOutcome], outer: Future[RunOutcome]) -> None:
        error = inner.exception()
        if error is not None:
            self._pools[slot] = None
        self._busy.discard(slot)
        if error is None:
            outer.set_result(inner.result())
        elif isinstance(error, BrokenProcessPool):
            outer.set_result(RunOutcome(None, {}, error=f"{DIED} (killed, or out of memory)", trace=str(error)))
        else:
            outer.set_result(RunOutcome(None, {}, error=f"{type(error).__name__}: {error}", trace=repr(error)))

    def stop(self) -> None:
        """Nothing to do: every run is under way, in a worker that sees the file STOP."""

    def close(self, *, at_once: bool) -> None:
        """End the workers, which hold nothing by now; with `at_once` also those that train."""
        for slot, pool in enumerate(self._pools):
            if pool is not None:
                if at_once or slot not in self._busy:
                    _kill(pool)  # their own way out, through TensorFlow's, takes seconds
                # Waiting also ends the pool's own thread: left behind, it races with the interpreter's exit.
                pool.shutdown(wait=True, cancel_futures=True)

    def kill(self) -> None:
        """Kill the workers and take no lock, so that a signal handler may call it."""
        for pool in self._pools:
            if pool is not None:
                _kill(pool)


def _placed(setup: WorkerSetup, index: int, *, workers: int, gpus: int) -> WorkerSetup:
    """What worker number `index` of so many is told: its GPU, and how many share that and the processor."""
    if not gpus:
        return replace(setup, gpu=None, processor_workers=workers)
    gpu = index % gpus
    return replace(setup, gpu=gpu, processor_workers=workers, gpu_workers=len(range(gpu, workers, gpus)))


def _kill(pool: ProcessPoolExecutor) -> None:
    # Python has a public way to kill a pool's processes from 3.14 on only (`kill_workers`).
    for child in list((pool._processes or {}).values()):
        child.kill()
