"""What to set on this machine, each with the measured reason: a pure function of the findings."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from harness.doctor import gpus
from harness.doctor.findings import PROCESSOR, Findings, Machine, Speed, on

_WORTH = 1.1  # times as fast, from which on a setting is worth a change
_ENOUGH = 0.95  # of the best throughput: fewer workers that reach it are preferred
_LITTLE_DISK_MB = 2000.0
_BUSY = 0.3  # of the cores


@dataclass(frozen=True)
class Advice:
    """A setting (a key of the study file, an option or a variable), the value to give it, and why, in a sentence."""

    setting: str
    value: str
    reason: str


def advice(findings: Findings) -> list[Advice]:
    """All advice: first whether the speeds count, then the most effective."""
    return [
        *_busy(findings),
        *_workers(findings),
        *_threads(findings),
        *_precision(findings),
        *_xla(findings),
        *_tf32(findings),
        *_room(findings.machine),
        *_variables(findings.machine),
        *_generations(findings.machine),
    ]


def _workers(findings: Findings) -> Iterator[Advice]:
    """The fewest workers that come near the best throughput."""
    machine = findings.machine
    for device in dict.fromkeys(each.device for each in findings.throughput):
        found = {each.workers: each.steps_per_second for each in findings.throughput if each.device == device}
        best = max(found.values())
        count = min(workers for workers, speed in found.items() if speed >= _ENOUGH * best)
        told = ", ".join(f"{workers}: {speed:.3g}" for workers, speed in sorted(found.items()))
        reason = f"training steps a second of so many workers together: {told}"
        if device == PROCESSOR:
            yield Advice("--workers", str(count), f"{reason}; memory has room for {_fit(machine)}")
            continue
        yield Advice("--workers-per-gpu", str(count), reason)
        total = min(count * len(machine.usable), _fit(machine))
        if total < count * len(machine.usable):
            least = f"memory has room for {_fit(machine)} workers of about {machine.worker_mb / 1000:.1f} GB"
            yield Advice("--workers", str(total), f"{len(machine.usable)} GPUs could have more, but {least}")
        elif total > machine.cores:
            yield Advice(
                "--workers",
                str(max(len(machine.usable), machine.cores)),
                f"each worker keeps a core busy, and this process may use {machine.cores}",
            )


def _threads(findings: Findings) -> Iterator[Advice]:
    """One thread per run unless several speed a run up by nearly as much as so many runs side by side."""
    for network in dict.fromkeys(speed.network for speed in findings.speeds if speed.device == PROCESSOR):
        times = {speed.way: speed.seconds for speed in findings.speeds if speed.network == network}
        one = times.get("float32")
        several = [(way, seconds) for way, seconds in times.items() if way.startswith("float32, ") and "threads" in way]
        if one is None or not several or several[0][1] is None:
            continue
        way, seconds = several[0]
        threads = int(way.split(", ")[1].split()[0])
        gain = one / (seconds or one)
        value = "1" if gain < 0.9 * threads else str(threads)
        yield Advice(
            "train.threads",
            value,
            f"a step of {network} is {gain:.2f} times as fast on {threads} threads as on one, and {threads} runs side by side "
            "use the same cores",
        )
        return


def _precision(findings: Findings) -> Iterator[Advice]:
    """The fastest mixed precision whose numbers agree, as something to try."""
    for network, device, times in _times(findings):
        base = times.get("TF32") or times.get("float32")
        mixed = {way: seconds for way, seconds in times.items() if way.startswith("mixed_")}
        if not base or not mixed:
            continue
        way = min(mixed, key=lambda each: mixed[each])
        gain, failed = base / mixed[way], _has_failed(findings, way)
        told = f"a step of {network} on {on(device)} is {gain:.2f} times as fast in {way}"
        if failed:
            yield Advice("train.precision", "float32", f"{told}, but its check failed")
        elif gain >= _WORTH:
            yield Advice("train.precision", way, f"{told}; it moves scores, so try it as an arm of a study first")
        else:
            yield Advice("train.precision", "float32", f"{told}: not worth moved scores")


def _xla(findings: Findings) -> Iterator[Advice]:
    for network, device, times in _times(findings):
        plain, compiled = ("TF32", "TF32, XLA") if "TF32" in times else ("float32", "float32, XLA")
        broken = next(
            (each for each in findings.speeds if each.network == network and each.way == compiled and each.reason), None
        )
        if broken is not None:
            yield Advice("train.xla", "false", f"XLA does not compile {network} on {on(device)}: {broken.reason}")
        elif plain in times and compiled in times:
            gain = times[plain] / times[compiled]
            told = f"a step of {network} on {on(device)} is {gain:.2f} times as fast with XLA"
            yield Advice("train.xla", "auto" if gain >= _WORTH else "false", f"{told}; auto is on wherever a GPU is")


def _tf32(findings: Findings) -> Iterator[Advice]:
    for network, device, times in _times(findings):
        if "TF32" not in times or "float32" not in times:
            continue
        gain = times["float32"] / times["TF32"]
        told = f"TensorFloat-32 (products rounded to 11 bits) makes a step of {network} on {on(device)} {gain:.2f} times as fast"
        if gain >= _WORTH:
            yield Advice("NVIDIA_TF32_OVERRIDE", "unset", f"{told}; TensorFlow has it on, and runs record it")
        else:
            yield Advice("NVIDIA_TF32_OVERRIDE", "0", f"{told}: exact float32 costs next to nothing here")


def _room(machine: Machine) -> Iterator[Advice]:
    if machine.memory_mb < machine.worker_mb:
        yield Advice(
            "--workers",
            "1",
            f"{machine.memory_mb / 1000:.1f} GB of memory are free, and one worker of the quick study takes about "
            f"{machine.worker_mb / 1000:.1f} GB: close something, or lower train.batch and evaluate.generated",
        )
    for name, free in machine.disks.items():
        if free < _LITTLE_DISK_MB:
            yield Advice("disk", name, f"{free / 1000:.1f} GB are free there; checkpoints and weights need some")


def _busy(findings: Findings) -> Iterator[Advice]:
    machine = findings.machine
    if findings.speeds and machine.busy > _BUSY * machine.cores:
        yield Advice(
            "run again",
            "on an idle machine",
            f"its load was {machine.busy:.1f} on {machine.cores} cores as the test began, so that speeds, and what follows from them, "
            "are those of a machine shared with others",
        )


def _variables(machine: Machine) -> Iterator[Advice]:
    for name, value in machine.variables.items():
        if name not in ("CUDA_VISIBLE_DEVICES", "OMP_NUM_THREADS"):
            yield Advice(name, value, "it is set and may move numbers: keep it for all runs of a study, or unset it")


def _generations(machine: Machine) -> Iterator[Advice]:
    for gpu in machine.usable:
        if gpus.newer_than_kernels(machine, gpu) and gpu.capability is not None:
            yield Advice(
                "train.xla",
                "false",
                f"{gpu.device} is of generation {gpu.capability[0]}.{gpu.capability[1]}, newer than the kernels of TensorFlow "
                f"{machine.build.version}: the driver translates them at first use (minutes, once), and XLA may end the process "
                "(tensorflow issue 111958)",
            )
            return


def _times(findings: Findings) -> Iterator[tuple[str, str, dict[str, float]]]:
    """The network that says most (the last one timed), its device, and its seconds a step by way of computing on one thread."""
    timed = [speed for speed in findings.speeds if "threads" not in speed.way]
    for device in dict.fromkeys(speed.device for speed in timed):
        network = [speed.network for speed in timed if speed.device == device][-1]
        mine: list[Speed] = [speed for speed in timed if speed.device == device and speed.network == network]
        yield network, device, {speed.way: speed.seconds for speed in mine if speed.seconds is not None}


def _has_failed(findings: Findings, way: str) -> bool:
    return any(way in check.subject for check in findings.failed)


def _fit(machine: Machine) -> int:
    return max(1, int(machine.memory_mb / machine.worker_mb))
