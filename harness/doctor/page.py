"""The findings as text of at most 100 columns: what failed first, then what is there, what was tested, what to set."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence

from harness.doctor.advice import Advice
from harness.doctor.comparison import BOUNDS
from harness.doctor.findings import Check, Findings, Machine, on
from harness.doctor.selftest import AGREES, EQUALS, KERNELS, REPEATS, RESUMES

WIDTH = 100
_LABEL = 18
_MARKS = {"passed": "ok", "failed": "FAIL", "skipped": "-"}


def text(findings: Findings, advices: Sequence[Advice]) -> str:
    """The whole page."""
    parts = [_verdict(findings), _section("What is there", _machine(findings.machine))]
    if findings.checks:
        parts.append(_section("Self-test", _checks(findings)))
    if findings.speeds or findings.throughput or findings.evaluations:
        parts.append(_section("Speed", _speeds(findings)))
    if findings.unchecked:
        parts.append(_section("Not checked", (line for each in findings.unchecked for line in _wrapped(each, ""))))
    parts.append(_section("What to set", _advices(advices)))
    return "\n\n".join(parts)


def _verdict(findings: Findings) -> str:
    failed = [line for check in findings.failed for line in _wrapped(_told(check), "FAILED: ", hang=8)]
    passed = sum(check.status == "passed" for check in findings.checks)
    count = f"{passed} of {passed + len(findings.failed)} checks passed in {findings.seconds:.0f} s"
    return "\n".join([*failed, f"harness doctor {findings.machine.harness} ({findings.machine.commit}): {count}"])


def _told(check: Check) -> str:
    return f"{check.subject} {check.question} ({check.device}): {check.found}"


def _section(title: str, lines: Iterator[str]) -> str:
    return "\n".join([title, *(f"  {line}" for line in lines)])


def _machine(machine: Machine) -> Iterator[str]:
    build, driver = machine.build, machine.driver
    built = f"built with CUDA {build.cuda} and cuDNN {build.cudnn}" if build.cuda else "built without CUDA"
    yield from _row("Python", f"{machine.python} on {machine.system}")
    yield from _row("TensorFlow", f"{build.version}, {build.fault or built}")
    yield from _row("NVIDIA driver", driver.version or f"none answers; {driver.cards} NVIDIA cards in the machine")
    yield from _row("NVIDIA libraries", _pairs(machine.cuda) or "none are installed as Python packages")
    for gpu in machine.gpus:
        memory = f", {gpu.memory_mb / 1000:.0f} GB" if gpu.memory_mb else ""
        free = f" ({gpu.free_mb / 1000:.0f} free)" if gpu.free_mb else ""
        capability = f", compute capability {gpu.capability[0]}.{gpu.capability[1]}" if gpu.capability else ""
        unseen = "" if gpu in machine.usable else ", not seen by TensorFlow"
        yield from _row(gpu.device, f"{gpu.name}{memory}{free}{capability}{unseen}")
    if not machine.gpus:
        yield from _row("GPUs", "none")
    onednn = ", oneDNN on" if build.onednn else ", oneDNN off"
    yield from _row("Processor", f"{machine.processor}, {machine.cores} of {machine.all_cores} cores usable{onednn}")
    yield from _row(
        "Memory",
        f"{machine.memory_mb / 1000:.1f} of {machine.all_memory_mb / 1000:.1f} GB free, a worker of the quick study takes "
        f"{machine.worker_mb / 1000:.1f}: it would get {machine.workers} workers",
    )
    told = (f"{where}: {fault or 'can be read'}" for where, fault in machine.energy.items())
    yield from _row("Energy counters", "; ".join(told))
    yield from _row("Disk, GB free", _pairs({name: f"{free / 1000:.0f}" for name, free in machine.disks.items()}))
    yield from _row("Versions", _pairs(machine.packages))
    yield from _row("Variables set", _pairs(machine.variables, "=") or "none of those that move numbers or hide GPUs")
    cached = [name for name, there in machine.weights.items() if there]
    yield from _row(
        "Weights in cache", ", ".join(cached) or f"none ({', '.join(machine.weights)}: downloaded at first use)"
    )


def _checks(findings: Findings) -> Iterator[str]:
    """A line for each network and device, with a column for each question; then all other checks."""
    columns = (AGREES, REPEATS, RESUMES, KERNELS)
    rows: dict[tuple[str, str], dict[str, Check]] = {}
    for check in findings.checks:
        rows.setdefault((check.subject, check.device), {})[check.question] = check
    table = {key: row for key, row in rows.items() if set(row) & {*columns, EQUALS}}
    for key, row in rows.items():
        if key not in table:
            for check in row.values():
                yield from _wrapped(f"{_MARKS[check.status]:<6}{_told(check)}", "", hang=6)
    if not table:
        return
    yield ""
    subject, device = (max(len(key[place]) for key in table) for place in (0, 1))
    yield f"{'network':<{subject}}  {'device':<{device}}  repeats  resumes  kernels  agrees: losses, weights, gradients"
    for (name, place), row in table.items():
        marks = [_MARKS[row[question].status] if question in row else "" for question in columns[1:]]
        yield f"{name:<{subject}}  {place:<{device}}  {marks[0]:<7}  {marks[1]:<7}  {marks[2]:<7}  {_agreement(row)}"[
            : WIDTH - 2
        ]
    yield ""
    legend = (
        "repeats: the same run twice has the same bits. resumes: so it has from a checkpoint. kernels: a GPU has one for every operation of a step. agrees: largest relative "
        "differences from float32 on one thread of the processor, of the losses of three steps, and of weights and gradients "
        "after the first. Bounds of the three: "
    )
    bounds = "; ".join(
        f"{way} {each.losses:g}, {each.weights:g}, {each.gradients:g}"
        for way, each in BOUNDS.items()
        if "XLA" not in way
    )
    yield from _wrapped(f"{legend}{bounds}. float32 is compared with TensorFloat-32 off, with XLA and without.", "")


def _agreement(row: dict[str, Check]) -> str:
    """The largest differences of losses, weights and gradients, or what else was asked instead."""
    if (agrees := row.get(AGREES)) is not None:
        numbers = "  ".join("inf" if value is None else f"{value:.0e}" for value in agrees.differences.values())
        same = row.get(EQUALS)
        return f"{_MARKS[agrees.status]:<5}{numbers}{f'  equals: {_MARKS[same.status]}' if same is not None else ''}"
    return "(the others' reference)"


def _speeds(findings: Findings) -> Iterator[str]:
    devices = dict.fromkeys((speed.network, speed.device) for speed in findings.speeds)
    for network, device in devices:
        ways = [speed for speed in findings.speeds if (speed.network, speed.device) == (network, device)]
        told = "; ".join(
            f"{each.way} {_number(each.seconds * 1000)}"
            if each.seconds is not None
            else f"{each.way} not: {each.reason}"
            for each in ways
        )
        yield from _wrapped(f"{network} 32x32x3, batch 64, on {on(device)}, milliseconds a step: {told}", "", hang=2)
    for device in dict.fromkeys(each.device for each in findings.throughput):
        told = "; ".join(
            f"{each.workers} worker{'s' if each.workers > 1 else ''} {_number(each.steps_per_second)}"
            for each in findings.throughput
            if each.device == device
        )
        yield from _wrapped(f"steps a second of all workers on {on(device)} together: {told}", "", hang=2)
    for each in findings.evaluations:
        yield f"feature network {each.network} on {on(each.device)}: {each.images_per_second:,.0f} images a second"
    if findings.operations:
        told = "; ".join(f"{network} {count:,}" for network, count in findings.operations.items())
        yield from _wrapped(f"operations that a device starts in one training step: {told}", "", hang=2)


def _advices(advices: Sequence[Advice]) -> Iterator[str]:
    if not advices:
        yield "nothing: the defaults are right, as far as was looked"
    for each in advices:
        yield from _wrapped(f"{each.setting} = {each.value}: {each.reason}", "", hang=4)


def _row(label: str, words: str) -> Iterator[str]:
    yield from _wrapped(words, f"{label:<{_LABEL}}", hang=_LABEL)


def _wrapped(words: str, first: str, *, hang: int = 0) -> list[str]:
    """`words` after `first`, in lines that end at WIDTH with the two columns of a section's margin."""
    return textwrap.wrap(
        words,
        WIDTH - 2,
        initial_indent=first,
        subsequent_indent=" " * hang,
        break_on_hyphens=False,
        break_long_words=True,
    )


def _number(value: float) -> str:
    """Three significant digits, large numbers whole."""
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def _pairs(values: object, between: str = " ") -> str:
    return ", ".join(f"{name}{between}{value}" for name, value in dict(values).items())  # type: ignore[call-overload]
