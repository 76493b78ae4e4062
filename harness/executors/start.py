"""Starting the executor that a command line asks for."""

from __future__ import annotations

from harness.executors import resources
from harness.executors.executor import Executor, WorkerFault
from harness.executors.local import LocalExecutor
from harness.executors.resources import WorkerOptions
from harness.worker.process import WorkerSetup


def start(setup: WorkerSetup, options: WorkerOptions, *, runs: int) -> Executor:
    """An executor for `runs` runs, on the cluster that `options` name, or on this machine.

    Raises WorkerFault if there is no such cluster.
    """
    if options.cluster is not None:
        return _on_cluster(setup, options, options.cluster, runs=runs)
    machine = resources.machine()
    workers = resources.local_workers(setup.spec, machine, options, runs=runs)
    return LocalExecutor(setup, workers=workers, gpus=machine.gpus)


def _on_cluster(setup: WorkerSetup, options: WorkerOptions, address: str, *, runs: int) -> Executor:
    try:
        from harness.executors.ray_cluster import RayExecutor
    except ModuleNotFoundError as error:
        raise WorkerFault(
            f"--cluster needs Ray, which is not installed; install the extra 'cluster' (missing: {error.name})"
        ) from error
    return RayExecutor(
        setup,
        address=address,
        runs=runs,
        workers=options.workers,
        workers_per_gpu=options.workers_per_gpu or resources.packed(setup.spec),
    )
