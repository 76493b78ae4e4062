"""Whether TensorFlow uses the GPUs that are there, and why not: one sentence with what to install. Pure."""

from __future__ import annotations

import re

from harness.doctor.findings import Check, Gpu, Machine

INSTALL = "pip install '.[gpu]' -c constraints.txt"
# The oldest driver that runs programs of a major version of CUDA, on Linux and within Windows (WSL2), in TensorFlow's guide to
# installing it and in NVIDIA's CUDA Compatibility, "Minor Version Compatibility", table 1.
_DRIVERS = {12: ("525.60.13", "528.33"), 13: ("580", "580")}
# Generations from 10.0 on (Blackwell) need CUDA 12.8 and its driver; cuDNN 9.11 ended those before 7.5 (support matrix).
_BLACKWELL, _BLACKWELL_DRIVER = (10, 0), "570.26"
_TURING, _CUDNN_WITHOUT_OLD = (7, 5), "9.11"
_NEEDED = ("nvidia-cudnn-cu", "nvidia-cublas-cu", "nvidia-cuda-runtime-cu")
_QUESTION = "used by TensorFlow"


def minimum_driver(cuda: str, *, wsl: bool) -> str:
    """The oldest driver for a version of CUDA; "" where that is not known."""
    major = cuda.partition(".")[0]
    pair = _DRIVERS.get(int(major)) if major.isdecimal() else None
    return pair[1 if wsl else 0] if pair else ""


def check(machine: Machine) -> list[Check]:
    """Whether every GPU is seen, and whether TensorFlow has code for each."""
    fault = _unseen(machine)
    if fault is not None:
        return [Check("GPUs", _QUESTION, "machine", "failed", fault)]
    if not machine.gpus:
        found = "no NVIDIA GPU, and no driver, is here: the self-test is of the processor alone"
        return [Check("GPUs", _QUESTION, "machine", "skipped", found)]
    if not machine.usable:
        found = f"CUDA_VISIBLE_DEVICES={machine.driver.hidden} hides them; unset it to train on them"
        return [Check("GPUs", _QUESTION, "machine", "skipped", found)]
    seen = Check("GPUs", _QUESTION, "machine", "passed", f"{machine.build.gpus} of {len(machine.gpus)} are seen")
    return [seen, *(_fits(machine, gpu) for gpu in machine.usable)]


def _unseen(machine: Machine) -> str | None:
    """Why TensorFlow sees none of the GPUs, or not all, in a sentence with what to do; None if it does or none is there."""
    build, driver = machine.build, machine.driver
    if build.fault:
        return f"TensorFlow {build.version} could not be started: {build.fault}"
    if build.gpus or _hidden(machine) or not (driver.cards or driver.version or driver.tool):
        missing = len(machine.gpus) - build.gpus
        if build.gpus and missing and driver.hidden is None:
            return f"TensorFlow sees {build.gpus} of {len(machine.gpus)} GPUs; it says: {_said(machine)}"
        return None
    least = minimum_driver(build.cuda, wsl=driver.wsl)
    there = f"{len(machine.gpus) or driver.cards} NVIDIA GPU{'s' if (len(machine.gpus) or driver.cards) > 1 else ''}"
    if not build.cuda:
        return f"{there} but TensorFlow {build.version} is built without CUDA: install it for Linux on x86-64 with {INSTALL}"
    if not driver.version:
        where = "in Windows, not in WSL," if driver.wsl else "on this machine"
        return f"{there} but no driver answers: install NVIDIA's driver {least} or later {where} and run this again"
    if least and _number(driver.version) < _number(least):
        return (
            f"the NVIDIA driver is {driver.version}, too old for the CUDA {build.cuda} of TensorFlow {build.version}: "
            f"install {least} or later"
        )
    missing_libraries = [f"{name}12" for name in _NEEDED if not any(each.startswith(name) for each in machine.cuda)]
    if missing_libraries:
        return (
            f"the driver ({driver.version}) is there, but {', '.join(missing_libraries)} "
            f"{'is' if len(missing_libraries) == 1 else 'are'} not installed in this environment: run {INSTALL}"
        )
    return f"the driver ({driver.version}) and CUDA's libraries are there, but TensorFlow sees no GPU; it says: {_said(machine)}"


def _fits(machine: Machine, gpu: Gpu) -> Check:
    """Whether TensorFlow, cuDNN and the driver have code for a GPU's generation."""

    def told(status: str, found: str) -> Check:
        return Check(gpu.name, "generation", gpu.device, "failed" if status == "failed" else "passed", found)

    if gpu.capability is None:
        return told("passed", "the generation is not known")
    generation = f"{gpu.capability[0]}.{gpu.capability[1]}"
    machine_code = [pair for word in machine.build.kernels if (pair := _capability(word)) is not None]
    if machine_code and gpu.capability < min(machine_code):
        least = ".".join(map(str, min(machine_code)))
        return told(
            "failed", f"compute capability {generation} is older than TensorFlow's kernels, which begin at {least}"
        )
    cudnn = next((version for name, version in machine.cuda.items() if name.startswith("nvidia-cudnn-cu")), "")
    if gpu.capability < _TURING and cudnn and _number(cudnn) >= _number(_CUDNN_WITHOUT_OLD):
        return told(
            "failed",
            f"cuDNN {cudnn} has no code for compute capability {generation}: run pip install 'nvidia-cudnn-cu12<9.11'",
        )
    driver = machine.driver.version
    if gpu.capability >= _BLACKWELL and driver and _number(driver) < _number(_BLACKWELL_DRIVER):
        return told(
            "failed",
            f"compute capability {generation} needs NVIDIA's driver {_BLACKWELL_DRIVER} or later, not {driver}",
        )
    if newer_than_kernels(machine, gpu):
        return told("passed", f"compute capability {generation}, newer than TensorFlow's kernels: see what to set")
    return told("passed", f"compute capability {generation}")


def newer_than_kernels(machine: Machine, gpu: Gpu) -> bool:
    """Whether the driver must translate TensorFlow's kernels for a GPU before they run.

    Machine code of one major generation runs on all later ones of that generation.
    """
    known = [pair for word in machine.build.kernels if (pair := _capability(word)) is not None]
    return bool(gpu.capability and known) and (gpu.capability or (0, 0))[0] > max(known)[0]


def _hidden(machine: Machine) -> bool:
    hidden = machine.driver.hidden
    return hidden is not None and not [word for word in hidden.split(",") if word.strip() not in ("", "-1")]


def _said(machine: Machine) -> str:
    return " | ".join(machine.build.said[-2:]) or "nothing"


def _capability(word: str) -> tuple[int, int] | None:
    """(8, 0) of "sm_80" or "compute_80"."""
    found = re.fullmatch(r"(?:sm|compute)_(\d+)(\d)[af]?", word)
    return (int(found[1]), int(found[2])) if found else None


def _number(version: str) -> tuple[int, ...]:
    return tuple(int(word) for word in re.findall(r"\d+", version)[:4])
