"""What a machine offers, and how many workers it should have: by cores or GPUs, memory, and the size of the network."""

from __future__ import annotations

import math
import os
import shutil
import subprocess
from dataclasses import dataclass

import psutil

from harness import data, kinds
from harness.executors import limits
from harness.spec import StudySpec

_WORKER_MB = 950.0  # of a worker, measured on CPU: TensorFlow with the quick study
# Small networks leave most of a GPU idle. Pixels of an image's side -> workers that share a GPU.
_PACKING = ((16, 4), (32, 2))


@dataclass(frozen=True)
class Machine:
    """What this process may use: CPU cores, GPUs, and megabytes of free memory."""

    cores: int
    gpus: int
    memory_mb: float


@dataclass(frozen=True)
class WorkerOptions:
    """What a command line says of workers; None is for what this machine, or the cluster, has room for."""

    workers: int | None = None
    workers_per_gpu: int | None = None
    executor: str = "local"  # a part of the role "executor"
    address: str = ""  # what follows its name, as in ray:HOST:PORT


def cores() -> int:
    """CPU cores this process may use: by its affinity, and by its container's quota."""
    here = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else (os.cpu_count() or 1)
    quota = limits.cores()
    return here if quota is None else max(1, min(here, math.ceil(quota)))


def gpus() -> list[str]:
    """NVIDIA GPUs visible to this process, asked of the driver's own tool, so that TensorFlow stays unloaded."""
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if visible is not None:
        return [each for each in visible.split(",") if each.strip() not in ("", "-1")]
    tool = shutil.which("nvidia-smi")
    if tool is None:
        return []
    try:
        listed = subprocess.run([tool, "-L"], capture_output=True, text=True, timeout=20, check=True)
    except (OSError, subprocess.SubprocessError):
        return []
    return [
        str(place) for place, _ in enumerate(line for line in listed.stdout.splitlines() if line.startswith("GPU "))
    ]


def machine() -> Machine:
    """The machine as it is now, as far as its container lets it."""
    free, left = psutil.virtual_memory().available / 1e6, limits.memory_mb()
    return Machine(cores(), len(gpus()), free if left is None else min(free, left))


def worker_mb(spec: StudySpec) -> float:
    """About how many megabytes of memory one worker of this study takes."""
    size, channels = data.shape(spec.data)
    shape = (size, size, channels)
    features = kinds.find("features", spec.evaluate.features, key="evaluate.features")
    activations = spec.train.batch * float(spec.network.part.memory(spec.network.settings, shape))
    return _WORKER_MB + activations + features.memory(shape)


def packed(spec: StudySpec) -> int:
    """How many workers of this study should share a GPU (of a size that has not been tried)."""
    size, _ = data.shape(spec.data)
    return next((workers for pixels, workers in _PACKING if size <= pixels), 1)


def local_workers(spec: StudySpec, here: Machine, options: WorkerOptions, *, runs: int) -> int:
    """The number of workers: those asked for, or as many as GPUs, cores, memory and the number of runs allow.

    With GPUs there are `workers_per_gpu` per GPU; without, each run has its cores.
    """
    if options.workers is not None:
        return options.workers
    available = here.cores // spec.train.threads
    if here.gpus:
        wanted = here.gpus * (options.workers_per_gpu or packed(spec))
        available = wanted if options.workers_per_gpu else max(here.gpus, min(wanted, available))
    return max(1, min(available, int(here.memory_mb / worker_mb(spec)), runs))


def describe(spec: StudySpec, here: Machine, *, workers: int) -> str:
    """A line that says what trains the runs."""
    on = f"{here.gpus} GPUs, " if here.gpus else ""
    need, free = worker_mb(spec) / 1000, here.memory_mb / 1000
    return (
        f"{workers} local workers ({on}{here.cores} cores, {spec.train.threads} per run; "
        f"about {need:.1f} GB per worker, {free:.1f} GB free)"
    )
