"""The self-test: trains every built-in network on every device, compares, repeats, resumes; times ways of computing.

Every device has processes of its own (`Child`), so that whatever it does to them is one failed check.
"""

from __future__ import annotations

import dataclasses
import math
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Protocol, Self

from harness import kinds
from harness.doctor import comparison, gpus
from harness.doctor.children import Child, ProbeFault
from harness.doctor.comparison import BOUNDS, Trained
from harness.doctor.findings import (
    PROCESSOR,
    Check,
    Evaluation,
    Findings,
    Gpu,
    Machine,
    Speed,
    Status,
    Throughput,
)
from harness.doctor.probe import Evaluate, Place, Setup, Time, Train
from harness.kinds import Shape

AGREES, REPEATS, RESUMES, EQUALS, KERNELS = "agrees", "repeats", "resumes", "equals", "has kernels"
_SHAPES: tuple[Shape, ...] = ((8, 8, 1), (28, 28, 1), (32, 32, 3), (64, 64, 3))
_SMALL_BATCH, _BATCH = 4, 64
_LIMIT = 240.0  # seconds for one request; tracing the largest network takes ten on a slow core
_MB_PER_GPU_WORKER = (
    1500.0  # of a GPU's memory, beside what training itself takes: CUDA's context and cuDNN's work space
)
_THREADS = 8  # at most, for a run on several threads
# Narrow networks have the layers and kernels of wide ones, and are trained in less time.
NARROW: Mapping[str, Mapping[str, Any]] = MappingProxyType(
    {
        "unet_adm": {"width": 8, "blocks": 1, "attention": 4, "heads": 2},
        "ncsnpp": {
            "width": 8,
            "levels": 2,
            "blocks": 1,
            "attention": 4,
            "style": 32,
            "time": 32,
            "discriminator_width": 8,
        },
        "dcgan_cnn32": {"width": 16},
        "dcgan_studiogan": {"width": 16},
        "sndcgan": {"width": 16},
        "r3gan_small": {"width": 32},
        "sngan_resnet32": {"width": 32},
        "wgan_gp_resnet32": {"width": 32, "critic_width": 32},
    }
)
TIMED = {"dcgan": (32, 32, 3), "article": (32, 32, 3)}
QUICK = ("dcgan", "unet", "conv_vae")
_FEATURES: Mapping[str, Shape] = MappingProxyType({"cifar10": (32, 32, 3), "inception": (32, 32, 3)})


@dataclass(frozen=True)
class Options:
    """How much is tested: `quick` is a tenth of it; `networks` are trained instead of all built-in ones."""

    quick: bool = False
    networks: tuple[str, ...] = ()

    @property
    def tested(self) -> tuple[str, ...]:
        """The networks that are trained."""
        return self.networks or (QUICK if self.quick else tuple(kinds.known("network")))

    @property
    def timed(self) -> tuple[str, ...]:
        """The networks that are timed, which are also trained in lower precision."""
        return tuple(name for name in TIMED if name in self.tested)

    @property
    def seconds(self) -> float:
        """For one timing."""
        return 0.3 if self.quick else 1.5


class Asked(Protocol):
    """What the test needs of a `Child`."""

    def __enter__(self) -> Self: ...
    def __exit__(self, *_: Any) -> None: ...
    def ask(self, request: Any, *, seconds: float) -> Any: ...
    def send(self, request: Any) -> None: ...
    def receive(self, *, seconds: float) -> Any: ...


Start = Callable[[Place], Asked]


@dataclass
class _Test:
    """A test under way: what it is about, how processes are started, who hears of progress, and what was found so far."""

    machine: Machine
    options: Options
    start: Start
    say: Callable[[str], None]
    checks: list[Check] = field(default_factory=list)
    speeds: list[Speed] = field(default_factory=list)
    throughput: list[Throughput] = field(default_factory=list)
    evaluations: list[Evaluation] = field(default_factory=list)
    operations: dict[str, int] = field(default_factory=dict)
    children: dict[tuple[Place, bool], list[Asked]] = field(default_factory=dict)
    stack: ExitStack = field(default_factory=ExitStack)
    references: dict[str, Trained] = field(default_factory=dict)  # of the processor on one thread, by network
    firsts: dict[str, Trained] = field(default_factory=dict)  # of the first GPU of a name

    def child(self, place: Place, number: int = 0, *, tf32: bool = True) -> Asked:
        """A process at a place; the same one for the same number, since starting TensorFlow takes seconds.

        On a GPU, those with and without TensorFloat-32 are apart: cuDNN keeps the algorithms that it has chosen.
        """
        known = self.children.setdefault((place, tf32 or place.gpu is None), [])
        while len(known) <= number:
            known.append(self.stack.enter_context(self.start(place)))
        return known[number]

    def add(self, subject: str, question: str, device: str, good: bool, found: str) -> None:
        status: Status = "passed" if good else "failed"
        self.checks.append(Check(subject, question, device, status, found))

    def failed(self, subject: str, device: str, fault: ProbeFault) -> None:
        self.checks.append(Check(subject, "trains", device, "failed", str(fault)))


def run(
    machine: Machine, options: Options, *, start: Start = Child, say: Callable[[str], None] = lambda line: None
) -> Findings:
    """All checks and timings that this machine allows; `say` hears what is under way."""
    began = time.monotonic()
    test = _Test(machine, options, start, say)
    test.checks += gpus.check(machine)
    if not machine.build.fault:
        with test.stack:
            _all(test)
    return Findings(
        machine=machine,
        checks=tuple(test.checks),
        speeds=tuple(test.speeds),
        throughput=tuple(test.throughput),
        evaluations=tuple(test.evaluations),
        operations=test.operations,
        unchecked=tuple(_unchecked(machine, options)),
        seconds=time.monotonic() - began,
    )


def _all(test: _Test) -> None:
    _processor(test)
    for gpu in test.machine.usable:
        _gpu(test, gpu)
    _other_threads(test)
    place, device = _timed_place(test.machine)
    _timings(test, place, device)
    _throughput(test, place, device)
    _evaluation(test, place, device)


def setup_of(network: str, *, shape: Shape | None = None, batch: int = _SMALL_BATCH, **ways: Any) -> Setup:
    """A narrow form of a built-in network for the smallest images that it fits, or for `shape` at its default width."""
    if shape is not None:
        return Setup(network, shape, batch, **ways)
    part = kinds.find("network", network, key="--networks")
    smallest = next(each for each in _SHAPES if part.fits(each) is None)
    return Setup(network, smallest, batch, settings=dict(NARROW.get(network, {})), **ways)


# --- numbers ---------------------------------------------------------------------------------------------------------


def _processor(test: _Test) -> None:
    """Every network on one thread of the processor, which the other devices are compared with."""
    place = Place(None, 1)
    for network in test.options.tested:
        trained = _train(test, place, setup_of(network), network, PROCESSOR)
        if trained is not None:
            test.references[network] = trained
    for network in test.options.timed if not test.machine.usable else ():
        _ways_agree(test, place, network, PROCESSOR, ("mixed_bfloat16",))


def _gpu(test: _Test, gpu: Gpu) -> None:
    """Every network on the first GPU of its kind; one network on each further one, whose bits must be the same."""
    twin = next((each for each in test.machine.usable if each.name == gpu.name), gpu)
    networks = test.options.tested if twin == gpu else test.options.tested[:1]
    place = Place(gpu.index, 1)
    for network in networks:
        trained = _train(test, place, setup_of(network), network, gpu.device)
        if trained is None:
            continue
        _agrees(test, network, gpu.device, trained, "float32")
        if twin == gpu:
            test.firsts[f"{gpu.name} {network}"] = trained
        elif (first := test.firsts.get(f"{gpu.name} {network}")) is not None:
            moved = comparison.moved(first.weights, trained.weights)
            found = f"other bits than {twin.device} in {', '.join(moved)}" if moved else f"bit for bit as {twin.device}"
            test.add(network, EQUALS, gpu.device, not moved, found)
    if twin == gpu:
        ways = ("float32, XLA", *(("TF32",) if _has_tf32(gpu) else ()), "mixed_float16", "mixed_bfloat16")
        for network in test.options.timed:
            _ways_agree(test, place, network, gpu.device, ways)


def _other_threads(test: _Test) -> None:
    """The same networks on several threads, which round otherwise and must agree; the only comparison without a GPU."""
    threads = min(test.machine.cores, _THREADS)
    if threads < 2 or test.machine.usable:
        return
    device = f"{PROCESSOR}, {threads} threads"
    for network in test.options.tested:
        trained = _train(test, Place(None, threads), setup_of(network), network, device)
        if trained is not None:
            _agrees(test, network, device, trained, "float32")


def _ways_agree(test: _Test, place: Place, network: str, device: str, ways: Iterable[str]) -> None:
    """A network in other ways of computing, against float32 on the processor."""
    for way in ways:
        setup = dataclasses.replace(setup_of(network), **_way(way))
        trained = _train(test, place, setup, f"{network} {way}", device)
        if trained is not None and network in test.references:
            _agrees(test, network, device, trained, way)


def _train(test: _Test, place: Place, setup: Setup, subject: str, device: str) -> Trained | None:
    """The first steps of a run, after checks that the same again, and from a checkpoint, has the same bits."""
    test.say(f"{device}: {subject}")
    try:
        answer = test.child(place, tf32=setup.tf32).ask(Train(setup), seconds=_LIMIT)
    except ProbeFault as fault:
        test.failed(subject, device, fault)
        return None
    for question, moved in ((REPEATS, answer.again), (RESUMES, answer.resumed)):
        found = f"other bits in {', '.join(moved)}" if moved else "bit for bit"
        test.add(subject, question, device, not moved, found)
    if answer.launched is not None:  # else it was counted before
        missing = answer.without_kernel
        words = f"a GPU has none for {'; '.join(missing)}" if missing else "a GPU has one for every operation"
        test.add(subject, KERNELS, device, not missing, words)
        if setup.precision == "float32":
            test.operations[subject] = answer.launched
    trained: Trained = answer.trained
    return trained


def _agrees(test: _Test, network: str, device: str, trained: Trained, way: str) -> None:
    reference = test.references.get(network)
    if reference is None:
        return
    found = comparison.differences(trained, reference)
    faults = comparison.beyond(found, BOUNDS[way])
    subject = network if way == "float32" else f"{network} {way}"
    measured = {name: value if math.isfinite(value) else None for name, value in dataclasses.asdict(found).items()}
    status: Status = "failed" if faults else "passed"
    words = "; ".join(faults) or "within the bounds"
    test.checks.append(Check(subject, AGREES, device, status, words, measured))


# --- time ------------------------------------------------------------------------------------------------------------


def _timed_place(machine: Machine) -> tuple[Place, str]:
    """What is timed: the first GPU, or the processor."""
    if machine.usable:
        return Place(machine.usable[0].index, 1), machine.usable[0].device
    return Place(None, 1), PROCESSOR


def _way(way: str) -> dict[str, Any]:
    """What of a `Setup` a way of computing sets."""
    ways: dict[str, dict[str, Any]] = {
        "float32": {},
        "TF32": {"tf32": True},
        "TF32, XLA": {"tf32": True, "xla": True},
        "mixed_float16": {"tf32": True, "precision": "mixed_float16"},
        "mixed_bfloat16": {"tf32": True, "precision": "mixed_bfloat16"},
        "float32, XLA": {"xla": True},
    }
    return ways[way]


def _ways(machine: Machine, place: Place) -> tuple[str, ...]:
    if place.gpu is None:
        return ("float32", "mixed_bfloat16")
    if _has_tf32(machine.usable[0]):
        return ("float32", "TF32", "mixed_float16", "mixed_bfloat16", "float32, XLA", "TF32, XLA")
    return ("float32", "mixed_float16", "mixed_bfloat16", "float32, XLA")


def _timings(test: _Test, place: Place, device: str) -> None:
    """Seconds of a step of each timed network in each way; on a processor also on several threads."""
    for network in test.options.timed:
        for way in _ways(test.machine, place):
            _timing(test, place, network, device, way)
    threads = min(test.machine.cores, _THREADS)
    if place.gpu is None and threads > 1:
        for network in test.options.timed:
            _timing(test, Place(None, threads), network, device, "float32", f", {threads} threads")


def _timing(test: _Test, place: Place, network: str, device: str, way: str, several: str = "") -> None:
    test.say(f"{device}: time of a step of {network}, {way}{several}")
    setup = setup_of(network, shape=TIMED[network], batch=_BATCH, **_way(way))
    try:
        child = test.child(place, tf32=setup.tf32)
        seconds = child.ask(Time(setup, test.options.seconds), seconds=_LIMIT)
        test.speeds.append(Speed(network, device, f"{way}{several}", seconds))
    except ProbeFault as fault:
        test.speeds.append(Speed(network, device, f"{way}{several}", None, str(fault)))


def crowd(machine: Machine, place: Place, *, quick: bool) -> list[int]:
    """How many processes are tried together on a device: what memory allows of 1, 2, 4 and 8; on a processor 1 and its cores."""
    room = max(1, int(machine.memory_mb / machine.worker_mb))
    if place.gpu is None:
        return sorted({1, min(machine.cores, room)})
    free = machine.usable[0].free_mb
    if free is not None:
        room = min(room, max(1, int(free / _MB_PER_GPU_WORKER)))
    return [count for count in ((1, 2) if quick else (1, 2, 4, 8)) if count <= room]


def _throughput(test: _Test, place: Place, device: str) -> None:
    """Training steps a second of several processes on one device together."""
    network = next(iter(test.options.timed), None)
    if network is None:
        return
    compiles = any("XLA" in speed.way and speed.seconds is not None for speed in test.speeds)
    setup = setup_of(network, shape=TIMED[network], batch=_BATCH, tf32=True, xla=compiles)
    counts = crowd(test.machine, place, quick=test.options.quick)
    children = [test.child(place, number) for number in range(counts[-1])]
    test.say(f"{device}: {counts[-1]} workers start")
    try:
        _together(children, Time(setup, 0.0))
        for count in counts:
            test.say(f"{device}: {count} workers")
            found = _together(children[:count], Time(setup, 2 * test.options.seconds))
            test.throughput.append(Throughput(device, count, sum(1.0 / seconds for seconds in found)))
    except ProbeFault as fault:
        test.add("workers", "train together", device, False, str(fault))


def _together(children: list[Asked], request: Time) -> list[Any]:
    for child in children:
        child.send(request)
    return [child.receive(seconds=_LIMIT) for child in children]


def _evaluation(test: _Test, place: Place, device: str) -> None:
    """Images a second through a small feature network and, unless it is to be quick, through Inception."""
    child = test.child(place)
    for name in _features(test.options):
        test.say(f"{device}: feature network {name}")
        try:
            speed = child.ask(Evaluate(name, _FEATURES[name], test.options.seconds), seconds=_LIMIT)
            test.evaluations.append(Evaluation(name, device, speed))
        except ProbeFault as fault:
            test.add(name, "makes features", device, False, str(fault))


def _features(options: Options) -> tuple[str, ...]:
    return tuple(_FEATURES)[:1] if options.quick else tuple(_FEATURES)


def _has_tf32(gpu: Gpu) -> bool:
    """TensorFloat-32 came with the generation 8.0 (Ampere)."""
    return gpu.capability is not None and gpu.capability >= (8, 0)


def _unchecked(machine: Machine, options: Options) -> Iterator[str]:
    if not machine.usable:
        yield (
            "without a GPU: agreement of a GPU with the processor, its bit-equal repetition and resume, TensorFloat-32, "
            "mixed_float16 and XLA on it, workers that share it, and memory growth"
        )
    left = [name for name in kinds.known("network") if name not in options.tested]
    if left:
        yield f"networks that were not asked for: {', '.join(left)}"
