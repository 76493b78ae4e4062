"""The executors that ship with the package, and starting the one that a command line asks for."""

from __future__ import annotations

from harness import kinds
from harness.executors import resources
from harness.executors.executor import Executor, ExecutorPart, WorkerFault
from harness.executors.local import LocalExecutor
from harness.executors.resources import WorkerOptions
from harness.worker.process import WorkerSetup


def part(options: WorkerOptions) -> ExecutorPart:
    """The declaration of the executor that `options` name; raises harness.kinds.KindError for an unknown name."""
    found = kinds.find("executor", options.executor, key="--executor")
    assert isinstance(found, ExecutorPart)
    return found


def start(setup: WorkerSetup, options: WorkerOptions, *, runs: int) -> Executor:
    """The executor that `options` name, for `runs` runs; raises WorkerFault if it cannot train this study."""
    executor: Executor = part(options).builder(setup, options, runs=runs)
    return executor


def local(setup: WorkerSetup, options: WorkerOptions, *, runs: int) -> Executor:
    """Worker processes of this machine."""
    machine = resources.machine()
    workers = resources.local_workers(setup.spec, machine, options, runs=runs)
    return LocalExecutor(setup, workers=workers, gpus=machine.gpus)


def on_cluster(setup: WorkerSetup, options: WorkerOptions, *, runs: int) -> Executor:
    """Tasks of the Ray cluster at `options.address`."""
    try:
        from harness.executors.ray_cluster import RayExecutor
    except ModuleNotFoundError as error:
        raise WorkerFault(
            f"--cluster needs Ray, which is not installed; install the extra 'cluster' (missing: {error.name})"
        ) from error
    return RayExecutor(
        setup,
        address=options.address or "auto",
        runs=runs,
        workers=options.workers,
        workers_per_gpu=options.workers_per_gpu or resources.packed(setup.spec),
    )


PARTS = (
    ExecutorPart(name="local", help="worker processes of this machine", here=True, build=local),
    ExecutorPart(name="ray", help="tasks of a Ray cluster: ray:ADDRESS, as --cluster ADDRESS", build=on_cluster),
)
