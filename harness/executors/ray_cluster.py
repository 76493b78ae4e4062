"""Runs trained on a Ray cluster: one actor per slot, so that a process keeps its GPU and its compiled networks.

Ray places actors, ships the package and notices lost nodes. An actor that is not up yet holds no run: whichever actor
is up takes the next one, so a node that is lost, or never comes, holds nothing up.
"""

from __future__ import annotations

import logging
import math
import socket
import tempfile
import threading
import time
import warnings
from collections import deque
from collections.abc import Callable
from concurrent.futures import BrokenExecutor, Future
from dataclasses import dataclass, replace
from pathlib import Path
from queue import SimpleQueue
from typing import Any

import ray
from ray.exceptions import RayActorError, RaySystemError, RayTaskError

import harness
from harness.executors.executor import DIED, WorkerFault
from harness.plan.design import Design
from harness.worker import process
from harness.worker.process import Question, RunOutcome, WorkerSetup

MARK = "shared"  # a file the driver leaves in the work folder: an actor that sees it shares the folder
NODE_LOSSES = 100  # times a run is moved to another node before it counts as failed
_REFRESH_SECONDS = 5.0


class _Worker:
    """The actor: a process of the cluster that trains runs, one at a time."""

    def __init__(self, setup: WorkerSetup, token: str) -> None:
        process.settle(setup)
        mark = setup.work / MARK if setup.work else None
        shared = mark is not None and mark.exists() and mark.read_text(encoding="utf-8") == token
        self._setup = (
            setup if shared else replace(setup, work=None, cache=Path(tempfile.gettempdir()) / "harness-cache")
        )
        self._shared = shared

    def ready(self) -> dict[str, Any]:
        """Build the worker context; return where this is and all that must be the same on every node."""
        context = process.context_of(self._setup)
        return {
            "node": ray.get_runtime_context().get_node_id(),
            "shared": self._shared,
            "facts": {
                "the device": context.environment["device"],
                "the images' fingerprint": context.images.fingerprint,
                "the feature network's sha256": context.evaluator.extractor.sha256,
                **{f"the version of {name}": value for name, value in context.environment["versions"].items()},
            },
        }

    def train(self, design: Design) -> RunOutcome:
        """Train one run."""
        return process.train_with(self._setup, design)

    def answer(self, question: Question) -> dict[str, Any]:
        """Answer what only a process with TensorFlow can know."""
        return process.answer_with(self._setup, question)


@dataclass(eq=False)
class _Actor:
    """An actor as the driver sees it."""

    handle: Any
    node: str = ""
    up: bool = False
    shared: bool = False
    job: _Job | None = None


@dataclass(eq=False)
class _Job:
    """A call of an actor's method that waits for an idle actor."""

    method: str
    argument: Any
    future: Future[Any]
    losses: int = 0


class RayExecutor:
    """Trains runs on the cluster at `address` ('auto', 'host:port' or 'ray://host:port')."""

    def __init__(
        self, setup: WorkerSetup, *, address: str, runs: int, workers: int | None, workers_per_gpu: int
    ) -> None:
        """Connect; with `workers` None there are as many slots as the cluster has room for now.

        With a number there are so many, whatever the cluster's size: what has no room waits in Ray, where an
        autoscaler sees it. Raises WorkerFault if there is no cluster at `address`.
        """
        self._address, self._runs, self._workers = address, runs, workers
        _connect(address)
        self._gpu_share = 1 / workers_per_gpu if _total("GPU") else 0.0
        self._threads = setup.spec.train.threads
        # Who else uses a node's processors, nobody knows.
        self._setup = (
            replace(setup, gpu=0, gpu_workers=workers_per_gpu) if self._gpu_share else replace(setup, gpu=None)
        )
        self._token = f"{time.time_ns()}"
        if setup.work is not None:
            setup.work.mkdir(parents=True, exist_ok=True)
            (setup.work / MARK).write_text(self._token, encoding="utf-8")
        # Replies come in Ray's own threads, which must not be kept waiting: with ray:// they also carry what we ask next.
        self._replies: SimpleQueue[tuple[Callable[[Future[Any]], None], Future[Any]]] = SimpleQueue()
        threading.Thread(target=self._reply_loop, daemon=True).start()
        self._lock = threading.RLock()
        self._actors: set[_Actor] = set()
        self._idle: list[_Actor] = []
        self._waiting: deque[_Job] = deque()
        self._facts: dict[str, str] | None = None
        self._capacity, self._counted = self._room(), time.monotonic()
        self._closed = False
        if not self._capacity and workers is None:
            raise WorkerFault(
                f"--cluster {address}: the cluster has no node with room for a run (it takes {self._threads} CPUs"
                f"{f' and {self._gpu_share:g} of a GPU' if self._gpu_share else ''}); add a node, lower train.threads, or "
                "say with --workers how many to wait for"
            )

    @property
    def slots(self) -> int:
        """How many runs may be under way: grows and shrinks with the cluster."""
        if self._workers is not None:
            return min(self._workers, self._runs)
        if time.monotonic() - self._counted > _REFRESH_SECONDS:
            self._capacity, self._counted = self._room(), time.monotonic()
        return max(1, min(self._capacity, self._runs))

    def _room(self) -> int:
        room = 0
        for node in _nodes():
            resources = node["Resources"]
            fits = math.floor(resources.get("CPU", 0) / self._threads)
            if self._gpu_share:
                fits = min(fits, math.floor(resources.get("GPU", 0) / self._gpu_share + 1e-9))
            room += fits
        return room

    def describe(self) -> str:
        """A line that says what trains the runs."""
        gpus = f", {_total('GPU'):g} GPUs" if self._gpu_share else ""
        return f"Ray cluster {self._address}: {len(_nodes())} nodes, {_total('CPU'):g} CPUs{gpus}; {self.slots} runs at a time"

    def submit(self, design: Design) -> Future[RunOutcome]:
        """Begin `design` on the next actor that is idle; raises WorkerFault in the future if nodes disagree."""
        return self._enqueue(_Job("train", design, Future()))

    def ask(self, question: Question) -> Future[dict[str, Any]]:
        """Have an actor answer; the future raises BrokenExecutor if it is lost meanwhile."""
        return self._enqueue(_Job("answer", question, Future()))

    def _enqueue(self, job: _Job) -> Future[Any]:
        job.future.set_running_or_notify_cancel()
        with self._lock:
            self._waiting.append(job)
            self._dispatch()
        return job.future

    def _dispatch(self) -> None:
        """Give waiting jobs to idle actors, and have as many actors coming up as jobs still wait."""
        if self._closed:
            return
        while self._waiting and self._idle:
            self._begin(self._idle.pop(), self._waiting.popleft())
        coming = sum(not actor.up for actor in self._actors)
        for _ in range(len(self._waiting) - coming):
            self._start()

    def _start(self) -> None:
        remote = ray.remote(_Worker).options(
            num_cpus=self._threads, num_gpus=self._gpu_share, max_restarts=0, max_task_retries=0
        )
        actor = _Actor(remote.remote(self._setup, self._token))
        self._actors.add(actor)
        self._when_done(actor.handle.ready.remote(), lambda future: self._on_ready(actor, future))

    def _on_ready(self, actor: _Actor, future: Future[Any]) -> None:
        with self._lock:
            if self._closed:
                return
            error = future.exception()
            if error is not None:
                self._actors.discard(actor)
                self._refuse(error)
            else:
                self._admit(actor, future.result())
            self._dispatch()

    def _admit(self, actor: _Actor, ready: dict[str, Any]) -> None:
        """Let an actor that is up take jobs, unless its node is unlike the first one; `ready` is its own answer."""
        actor.up, actor.node, actor.shared = True, ready["node"], ready["shared"]
        self._facts = self._facts or ready["facts"]
        unlike = [what for what, value in ready["facts"].items() if self._facts[what] != value]
        if not unlike:
            self._idle.append(actor)
            return
        self._actors.discard(actor)
        ray.kill(actor.handle)
        what = unlike[0]
        self._fail_all(
            f"--cluster {self._address}: {what} is {ready['facts'][what]!r} on node {actor.node[:12]}, but "
            f"{self._facts[what]!r} on the first; runs from unlike nodes cannot be compared: give all nodes the same "
            "installation, data and devices"
        )

    def _refuse(self, error: BaseException) -> None:
        """An actor could not come up: a lost process or node is tried again, a fault in its set-up ends the study."""
        if isinstance(error, RayActorError | RaySystemError) and not _cause(error):
            self._fail_next(f"{DIED} while it was set up (killed, out of memory, or its node was lost)", str(error))
        else:
            cause = _cause(error) or error
            self._fail_all(f"--cluster {self._address}: a worker could not be set up: {cause}")

    def _fail_next(self, error: str, trace: str) -> None:
        """Charge a lost actor to the first waiting job, so that actors that always die end the study."""
        if not self._waiting:
            return
        job = self._waiting.popleft()
        if job.method == "answer":
            job.future.set_exception(BrokenExecutor(error))
        else:
            job.future.set_result(RunOutcome(None, {}, error=error, trace=trace))

    def _fail_all(self, message: str) -> None:
        """No run can go on: every waiting job says why."""
        while self._waiting:
            self._waiting.popleft().future.set_exception(WorkerFault(message))

    def _begin(self, actor: _Actor, job: _Job) -> None:
        actor.job = job
        reference = getattr(actor.handle, job.method).remote(job.argument)
        self._when_done(reference, lambda future: self._done(actor, job, future))

    def _when_done(self, reference: Any, call: Callable[[Future[Any]], None]) -> None:
        reference.future().add_done_callback(lambda future: self._replies.put((call, future)))

    def _reply_loop(self) -> None:
        while True:
            call, future = self._replies.get()
            call(future)

    def _done(self, actor: _Actor, job: _Job, future: Future[Any]) -> None:
        error = future.exception()
        with self._lock:
            if self._closed:
                return
            actor.job = None
            if error is None or isinstance(error, RayTaskError):
                self._idle.append(actor)
            else:
                self._actors.discard(actor)
            if error is None:
                result = future.result()
            elif isinstance(error, RayTaskError):
                result = RunOutcome(None, {}, error=f"{type(error).__name__}: {error}"[:500], trace=str(error))
            elif actor.node not in {node["NodeID"] for node in _nodes()} and job.losses < NODE_LOSSES:
                job.losses += 1  # the node's fault, not the run's: it goes on elsewhere
                self._waiting.appendleft(job)
                result = None
            else:
                result = RunOutcome(None, {}, error=f"{DIED} (killed, or out of memory)", trace=str(error))
            self._dispatch()
        # Outside the lock: whoever waits for the future may submit at once.
        if result is None or job.future.done():
            return
        if job.method == "answer" and error is not None:
            job.future.set_exception(_cause(error) or BrokenExecutor(str(error)))
        else:
            job.future.set_result(result)

    def stop(self) -> None:
        """End, as interrupted, runs that still wait for an actor, or have one that does not share the folder."""
        with self._lock:
            under_way = [actor.job for actor in self._actors if actor.job is not None and not actor.shared]
            ended = [job for job in (*self._waiting, *under_way) if job.method == "train"]
            self._waiting.clear()
        for job in ended:
            job.future.set_result(RunOutcome(None, {}))

    def close(self, *, at_once: bool) -> None:
        """End the actors and leave the cluster, which goes on for others."""
        with self._lock:
            self._closed = True
            actors, self._actors, self._idle = list(self._actors), set(), []
            self._waiting.clear()
        for actor in actors:
            ray.kill(actor.handle)
        ray.shutdown()
        if self._setup.work is not None:
            (self._setup.work / MARK).unlink(missing_ok=True)

    def kill(self) -> None:
        """Nothing to do: Ray ends a driver's actors when the driver's process ends."""


def _connect(address: str) -> None:
    _probe_address(address)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Ray's own, of its coming defaults
        try:
            ray.init(
                address=address,
                log_to_driver=False,
                logging_level=logging.ERROR,
                # The package reaches nodes as it is here; what it depends on must be installed there.
                runtime_env={"py_modules": [str(Path(harness.__file__).parent)]},
            )
        except Exception as error:
            text = (str(error).strip() or type(error).__name__).splitlines()[0]
            raise _no_cluster(address, text) from error


def _probe_address(address: str) -> None:
    """Raise WorkerFault at once where nobody listens; Ray itself tries for minutes and prints what it tries."""
    if address == "auto":
        return
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if not host or not port.isdigit():
        raise WorkerFault(f"--cluster is '{address}', but allowed are auto, HOST:PORT and ray://HOST:PORT")
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=10).close()
    except (OSError, OverflowError) as error:
        raise _no_cluster(address, str(error)) from error


def _no_cluster(address: str, why: str) -> WorkerFault:
    return WorkerFault(
        f"--cluster {address}: no Ray cluster there ({why}); start one with 'ray start --head', or give its address as "
        "HOST:PORT or ray://HOST:PORT"
    )


def _nodes() -> list[dict[str, Any]]:
    return [node for node in ray.nodes() if node["Alive"]]


def _total(resource: str) -> float:
    return float(sum(node["Resources"].get(resource, 0) for node in _nodes()))


def _cause(error: BaseException) -> BaseException | None:
    """What the worker raised, where Ray wraps it."""
    cause = getattr(error, "cause", None)
    return cause if isinstance(cause, BaseException) else None
