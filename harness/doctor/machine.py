"""Looks at the machine: processor, memory, disks, driver and GPUs, versions, variables; the TensorFlow part in a child."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import re
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import psutil

from harness import spec as specs
from harness.doctor.children import Child, ProbeFault
from harness.doctor.findings import PROCESSOR, Build, Driver, Gpu, Machine
from harness.doctor.probe import Facts
from harness.driver import code_version
from harness.executors import resources
from harness.executors.resources import WorkerOptions
from harness.metrics.features import dinov2, inception
from harness.version import __version__
from harness.worker import context, device, energy

_PCI, _NVIDIA, _DISPLAY = Path("/sys/bus/pci/devices"), "0x10de", "0x03"
_FACTS_SECONDS = 60.0
# Besides those that runs record: which GPUs are visible, how their memory is taken, where libraries are looked for.
_VARIABLES = (
    *device.MOVING,
    "TF_ENABLE_ONEDNN_OPTS",
    "CUDA_VISIBLE_DEVICES",
    "TF_FORCE_GPU_ALLOW_GROWTH",
    "TF_GPU_ALLOCATOR",
    "OMP_NUM_THREADS",
    "XLA_PYTHON_CLIENT_MEM_FRACTION",
)
_WEIGHTS = {
    "inception": inception.RELEASE,
    "dinov2_vitb14": dinov2.BASE.release,
    "dinov2_vitl14": dinov2.LARGE.release,
}
_QUERY = ("index", "name", "memory.total", "memory.free", "driver_version", "compute_cap")


def look() -> Machine:
    """The machine as it is now."""
    busy = os.getloadavg()[0]
    listed, version = _asked()
    build, seen = tensorflow()
    here = resources.machine()
    study = specs.builtin()
    return Machine(
        harness=__version__,
        commit=code_version.commit(),
        python=platform.python_version(),
        system=platform.platform(),
        processor=context.processor(),
        cores=here.cores,
        all_cores=os.cpu_count() or here.cores,
        memory_mb=here.memory_mb,
        all_memory_mb=psutil.virtual_memory().total / 1e6,
        busy=busy,
        workers=resources.local_workers(study, here, WorkerOptions(), runs=1000),
        worker_mb=resources.worker_mb(study),
        disks={name: _free_mb(path) for name, path in _disks().items()},
        packages=context.versions(),
        cuda=_cuda_packages(),
        variables={name: os.environ[name] for name in _VARIABLES if name in os.environ},
        weights={name: release.cached.is_file() for name, release in _WEIGHTS.items()},
        driver=Driver(
            version=version or _kernel_module(),
            tool=bool(listed) or bool(version),
            cards=_cards(),
            hidden=os.environ.get("CUDA_VISIBLE_DEVICES"),
            wsl="microsoft" in platform.release().lower(),
        ),
        build=build,
        gpus=merged(listed, seen, visible=os.environ.get("CUDA_VISIBLE_DEVICES")),
        energy=_energy(),
    )


def tensorflow() -> tuple[Build, list[Gpu]]:
    """What TensorFlow says of itself, and the GPUs that it sees, asked in a process of its own."""
    try:
        with Child(None) as child:
            facts: Mapping[str, Any] = child.ask(Facts(), seconds=_FACTS_SECONDS)
            said = tuple(line for line in child.said() if re.search(r"cuda|gpu|cudnn|driver|nvidia", line, re.I))
    except ProbeFault as fault:
        return Build(version=context.versions()["tensorflow"], fault=str(fault)), []
    seen = [
        Gpu(index, each["name"], capability=tuple(each["capability"]) if each["capability"] else None)
        for index, each in enumerate(facts["gpus"])
    ]
    rest = {name: facts[name] for name in ("version", "cuda", "cudnn", "kernels", "tf32", "onednn")}
    return Build(**rest, gpus=len(seen), said=tuple(dict.fromkeys(map(_message, said)))), seen


def merged(listed: Sequence[Gpu], seen: Sequence[Gpu], *, visible: str | None) -> tuple[Gpu, ...]:
    """The GPUs that TensorFlow has `seen`, in its order, with what the driver's tool `listed`, and after them the unseen.

    `visible` is CUDA_VISIBLE_DEVICES: with numbers in it, the first GPU that is seen is the one of the first number.
    """
    numbers = [int(word) for word in (visible or "").split(",") if word.strip().isdecimal()]
    order = [*numbers, *(gpu.index for gpu in listed if gpu.index not in numbers)]
    tool = {gpu.index: gpu for gpu in listed}
    found = []
    for place in range(max(len(seen), len(listed))):
        told = tool.get(order[place]) if place < len(order) else None
        ours = seen[place] if place < len(seen) else None
        named = ours or told
        if named is None:
            continue
        capability = (ours.capability if ours else None) or (told.capability if told else None)
        memory, free = (told.memory_mb, told.free_mb) if told else (None, None)
        found.append(Gpu(place, named.name, memory, free, capability))
    return tuple(found)


def parsed(table: str) -> tuple[list[Gpu], str]:
    """The GPUs and the driver's version in what nvidia-smi prints for `_QUERY` as CSV without units."""
    found, version = [], ""
    for line in table.splitlines():
        words = [word.strip() for word in line.split(",")]
        if len(words) < 5 or not words[0].isdecimal():
            continue
        version = words[4]
        major, _, minor = words[5].partition(".") if len(words) > 5 else ("", "", "")
        capability = (int(major), int(minor)) if major.isdecimal() and minor.isdecimal() else None
        # nvidia-smi counts MiB
        memory = [float(word) * 2**20 / 1e6 if re.fullmatch(r"[\d.]+", word) else None for word in words[2:4]]
        found.append(Gpu(int(words[0]), words[1], memory[0], memory[1], capability))
    return found, version


def _asked() -> tuple[list[Gpu], str]:
    """What nvidia-smi says; older ones do not know of compute capability."""
    tool = shutil.which("nvidia-smi")
    for fields in (_QUERY, _QUERY[:-1]) if tool else ():
        words = [str(tool), f"--query-gpu={','.join(fields)}", "--format=csv,noheader,nounits"]
        try:
            done = subprocess.run(words, capture_output=True, text=True, timeout=30, check=True)
        except (OSError, subprocess.SubprocessError):
            continue
        return parsed(done.stdout)
    return [], ""


def _energy() -> dict[str, str]:
    """Why the energy of processor and GPUs cannot be read, by device; "" where it can. nvidia-smi does not tell it."""
    found = {PROCESSOR: _fault(energy.packages)}
    for place, name in enumerate(resources.gpus()):
        found[f"GPU {place}"] = _fault(partial(energy.gpu, name))
    return found


def _fault(look_at: Callable[[], object]) -> str:
    try:
        look_at()
    except energy.CounterError as error:
        return str(error)
    return ""


def _kernel_module() -> str:
    """The version of the driver's kernel module; "" without one."""
    try:
        text = Path("/proc/driver/nvidia/version").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
    found = re.search(r"Module.*?\s(\d+\.\d+(?:\.\d+)?)\s", text)
    return found[1] if found else ""


def _cards() -> int:
    """NVIDIA's display and compute cards on the PCI bus."""
    try:
        return sum(
            (place / "vendor").read_text().strip() == _NVIDIA
            and (place / "class").read_text().strip().startswith(_DISPLAY)
            for place in _PCI.iterdir()
        )
    except OSError:
        return 0


def _cuda_packages() -> dict[str, str]:
    """NVIDIA's libraries that are installed as Python packages, by name."""
    found = {}
    for package in importlib.metadata.distributions():
        name = package.metadata["Name"] or ""
        if name.startswith("nvidia-"):
            found[name] = package.version
    return dict(sorted(found.items()))


def _disks() -> dict[str, Path]:
    return {
        "cache": inception.RELEASE.cached.parent,
        "temporary files": Path(tempfile.gettempdir()),
        "here": Path.cwd(),
    }


def _free_mb(path: Path) -> float:
    """Megabytes free where `path` lies or would lie."""
    there = next(place for place in (path, *path.absolute().parents) if place.exists())
    return shutil.disk_usage(there).free / 1e6


def _message(line: str) -> str:
    """A line of TensorFlow's log without time and process: "cudart_stub.cc:31] Could not find cuda drivers"."""
    return re.sub(r"^[IWEF]\d{4} [\d:.]+\s+\d+\s+|^\d{4}-\d\d-\d\d [\d:.]+: [IWEF] ", "", line)
