"""Energy that a run used, as the machine's own counters tell: of the processor packages (Linux powercap) and a GPU (NVML).

A counter tells what all programs together used, with the power of an idle machine in it; a run gets an equal share of it for
each worker. Where a counter cannot be read, or could have turned unseen, the energy is unknown.
"""

from __future__ import annotations

import contextlib
import ctypes
import functools
import os
import re
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

PROCESSOR, GPU = "processor", "gpu"
POWERCAP = Path("/sys/class/powercap")
# No package draws more: twice what the largest are built for (500 W). The shortest turn known, 65 kJ on AMD, then takes a minute.
MOST_WATTS = 1000.0
_READ_SECONDS = 10.0
# A zone directly below the control type, of one package or of one die of several. Zones within it (core, uncore) are parts of it,
# `dram` lies within it in the tree but is memory's, `psys` is the whole board with the packages in it, and `intel-rapl-mmio` is a
# second way to the same counters. AMD's zones have the same names.
_ZONE, _PACKAGE = re.compile(r"intel-rapl:\d+"), re.compile(r"package-\d+(-die-\d+)?")
_NOT_SUPPORTED = 3  # NVML_ERROR_NOT_SUPPORTED


class CounterError(Exception):
    """A counter that cannot be read; the message says why, and what to do where something can be done."""


@dataclass(frozen=True)
class Counter:
    """A counter of energy in joules, which begins anew at `turn` (None: never).

    `read` raises CounterError. The `part` of the machine is PROCESSOR or GPU.
    """

    part: str
    read: Callable[[], float]
    turn: float | None = None

    def used(self, joules: float, *, seconds: float) -> float | None:
        """The energy between two readings that lie `joules` and `seconds` apart; None where the counter was set back.

        None as well where it could have turned more than once.
        """
        if self.turn is None:
            return joules if joules >= 0 else None
        if seconds * MOST_WATTS >= self.turn:
            return None
        joules %= self.turn
        # The second more is for readings closer to each other than the counter's own steps.
        return joules if joules <= MOST_WATTS * (seconds + 1) else None


def packages(root: Path = POWERCAP) -> list[Counter]:
    """The counters of all processor packages; raises CounterError where there is none, or one cannot be read."""
    found = {}
    for zone in sorted(root.glob("intel-rapl:*")):
        if _ZONE.fullmatch(zone.name):
            name = _text(zone / "name")
            if _PACKAGE.fullmatch(name):
                found[name] = Counter(
                    PROCESSOR,
                    functools.partial(_joules, zone / "energy_uj"),
                    turn=_joules(zone / "max_energy_range_uj"),
                )
    if not found:
        raise CounterError(f"no processor package has a counter in {root} (virtual machines and containers have none)")
    for counter in found.values():
        counter.read()
    return list(found.values())


def _joules(path: Path) -> float:
    """What a file says in microjoules."""
    text = _text(path)
    if not text.isdecimal():
        raise CounterError(f"{path} says {text[:20]!r}, not a number of microjoules")
    return int(text) / 1e6


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii", errors="replace").strip()
    except PermissionError as error:
        raise CounterError(
            f"{path} may be read by root alone, since it can betray what other users compute (CVE-2020-8694); where nobody "
            f"else uses the machine its administrator may allow it: chmod a+r {POWERCAP}/intel-rapl:*/energy_uj, "
            "after every start"
        ) from error
    except OSError as error:
        raise CounterError(f"{path} cannot be read: {error.strerror}") from error


@functools.cache
def nvml() -> Any:
    """NVIDIA's management library, which comes with the driver; raises CounterError where it is not there."""
    try:
        library = ctypes.CDLL("libnvidia-ml.so.1")
    except OSError as error:
        raise CounterError("NVIDIA's driver, with libnvidia-ml.so.1, is not installed") from error
    _asked(library, "nvmlInit_v2")
    return library


def gpu(name: str, load: Callable[[], Any] = nvml) -> Counter:
    """The counter of the GPU that CUDA_VISIBLE_DEVICES calls `name`, a number or a UUID.

    `load` gives NVML. Raises CounterError where this GPU has no counter of its own.
    """
    library, name, device = load(), name.strip(), ctypes.c_void_p()
    if name.isdecimal():
        order = os.environ.get("CUDA_DEVICE_ORDER", "PCI_BUS_ID")  # which a worker sets where nobody did
        if order != "PCI_BUS_ID":
            raise CounterError(f"CUDA_DEVICE_ORDER is {order}, which numbers GPUs otherwise than the driver")
        _asked(library, "nvmlDeviceGetHandleByIndex_v2", ctypes.c_uint(int(name)), ctypes.byref(device))
    else:
        _asked(library, "nvmlDeviceGetHandleByUUID", ctypes.c_char_p(name.encode()), ctypes.byref(device))
    divided, pending = ctypes.c_uint(), ctypes.c_uint()
    with contextlib.suppress(CounterError):  # GPUs that cannot be divided do not answer
        _asked(library, "nvmlDeviceGetMigMode", device, ctypes.byref(divided), ctypes.byref(pending))
    if divided.value:
        raise CounterError("it is divided (MIG), and its counter is of the whole GPU")

    def read() -> float:
        millijoules = ctypes.c_ulonglong()
        _asked(library, "nvmlDeviceGetTotalEnergyConsumption", device, ctypes.byref(millijoules))
        return millijoules.value / 1e3

    read()
    return Counter(GPU, read)


def _asked(library: Any, function: str, *arguments: Any) -> None:
    """Call a function of NVML; raises CounterError with the status that it answers, if that is not success."""
    try:
        status = getattr(library, function)(*arguments)
    except AttributeError as error:
        raise CounterError(f"NVIDIA's driver is too old for {function}") from error
    if status == _NOT_SUPPORTED:
        raise CounterError("the GPU has no such counter (those from Volta on have one)")
    if status:
        raise CounterError(f"{function} answers {status}")


class Meter:
    """Adds up counters from `with` on, each part's divided by the workers that share it: an even share, not a measurement.

    A thread of its own reads them, so that none can turn unseen however long an evaluation takes.
    """

    def __init__(
        self,
        counters: Sequence[Counter] = (),
        workers: Mapping[str, int] | None = None,
        *,
        clock: Callable[[], float] | None = None,
    ) -> None:
        """`workers` are how many share each part (one where it says nothing); `clock` tells seconds, those asleep included."""
        self._counters, self._workers, self._clock = counters, workers or {}, clock or _clock
        self._last: list[tuple[float, float]] = []
        self._sums = [0.0] * len(counters)
        self._lost: set[str] = set()
        self._lock, self._ended = threading.Lock(), threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    @property
    def parts(self) -> set[str]:
        """The parts of the machine that have counters here."""
        return {counter.part for counter in self._counters}

    def __enter__(self) -> Self:
        self._last = [(self._clock(), value) for value in map(self._value, self._counters)]
        if self._counters:
            self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._ended.set()
        if self._counters:
            self._thread.join()

    def joules(self) -> dict[str, float]:
        """Energy up to now, by part, of the parts of which all of it is known."""
        with self._lock:
            self._read()
            found = dict.fromkeys(self.parts - self._lost, 0.0)
            for counter, used in zip(self._counters, self._sums, strict=True):
                if counter.part in found:
                    found[counter.part] += used / self._workers.get(counter.part, 1)
        return found

    def _watch(self) -> None:
        while not self._ended.wait(_READ_SECONDS):
            with self._lock:
                self._read()

    def _read(self) -> None:
        for place, counter in enumerate(self._counters):
            value, now, (then, before) = self._value(counter), self._clock(), self._last[place]
            used = counter.used(value - before, seconds=now - then)
            self._last[place] = (now, value)
            if used is None:
                self._lost.add(counter.part)
            else:
                self._sums[place] += used

    def _value(self, counter: Counter) -> float:
        """A reading; of a counter that cannot be read any more, nothing, and its part is lost."""
        try:
            return counter.read()
        except CounterError:
            self._lost.add(counter.part)
            return 0.0


def _clock() -> float:
    """Seconds that go on while the machine sleeps, where the system counts them."""
    return time.clock_gettime(getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC))


def meter(workers: Mapping[str, int], *, root: Path = POWERCAP, load: Callable[[], Any] = nvml) -> Meter:
    """A meter of what can be read here, of the parts that `workers` names; the GPU is the one that this process sees."""
    counters: list[Counter] = []
    if PROCESSOR in workers:
        with contextlib.suppress(CounterError):
            counters += packages(root)
    name = os.environ.get("CUDA_VISIBLE_DEVICES", "")
    if GPU in workers and name:
        with contextlib.suppress(CounterError):
            counters.append(gpu(name, load))
    return Meter(counters, workers)
