"""What runs in a process of its own, so that a crash takes nothing else down: asks TensorFlow, trains, times.

Models are built as a worker builds them, of a study that sets nothing but what a `Setup` says.
"""

from __future__ import annotations

import gc
import os
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from harness import kinds
from harness.doctor.comparison import Trained, moved
from harness.kinds import Shape
from harness.models.model import Model
from harness.seeds import Seeds

_SEEDS = Seeds.of(1, "doctor", 0)
_IMAGES = 256
_RATE = 1e-4
_STEPS = 3


@dataclass(frozen=True)
class Place:
    """Where a process computes: on GPU number `gpu`, or on the processor alone; with so many threads of the processor."""

    gpu: int | None
    threads: int


@dataclass(frozen=True)
class Setup:
    """What is trained: a built-in network with its `settings` for images of `shape`, and how."""

    network: str
    shape: Shape
    batch: int
    precision: str = "float32"
    xla: bool = False
    tf32: bool = False
    settings: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Facts:
    """Asks what TensorFlow is built for and which GPUs it sees."""


@dataclass(frozen=True)
class Train:
    """Asks for the first steps of a run, the same again, and the same from a checkpoint."""

    setup: Setup


@dataclass(frozen=True)
class Time:
    """Asks for the seconds of a step, from so many seconds of them or more; 0 builds and warms up only."""

    setup: Setup
    seconds: float


@dataclass(frozen=True)
class Evaluate:
    """Asks how many images a second a feature network takes, from so many seconds of them or more."""

    features: str
    shape: Shape
    seconds: float


@dataclass(frozen=True)
class TrainAnswer:
    """The first steps; what moved when they were done again, and when they went on from a checkpoint; memory of the GPU.

    `launched` is how many operations a device starts in a step, `without_kernel` names those that a GPU cannot run; None and
    empty where XLA compiles the step, whose operations are its own.
    """

    trained: Trained
    again: tuple[str, ...]
    resumed: tuple[str, ...]
    gpu_mb: float | None
    launched: int | None = None
    without_kernel: tuple[str, ...] = ()


@dataclass(frozen=True)
class Failed:
    """Why there is no answer: the error's name and first line."""

    reason: str


def serve(connection: Connection, errors: str, place: Place | None) -> None:
    """Answer requests until there are no more; what native libraries print goes into the file `errors`.

    `place` is None where only facts will be asked for: TensorFlow then says all that it has to say.
    """
    stream = os.open(errors, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    os.dup2(stream, 2)
    os.close(stream)
    if place is None:
        os.environ["TF_CPP_MIN_LOG_LEVEL"] = "0"
        os.environ.setdefault("CUDA_DEVICE_ORDER", "PCI_BUS_ID")  # as workers have it
    else:
        from harness.worker import device

        device.configure(threads=place.threads, gpu=place.gpu)
    while True:
        try:
            request = connection.recv()
        except EOFError:
            return
        connection.send(answer(request))


def answer(request: Facts | Train | Time | Evaluate) -> Any:
    """The answer to a request; every error becomes a `Failed`."""
    try:
        match request:
            case Facts():
                return _facts()
            case Train():
                return _train(request.setup)
            case Time():
                return _time(request)
            case Evaluate():
                return _evaluate(request)
    except Exception as error:  # whatever a device makes TensorFlow raise
        lines = str(error).strip().splitlines()
        return Failed(f"{type(error).__name__}: {lines[0] if lines else 'no message'}"[:300])


def _facts() -> dict[str, Any]:
    from harness.worker import device

    return device.facts()


def _train(setup: Setup) -> TrainAnswer:
    model = _model(setup)
    launched, without_kernel = (None, ()) if setup.xla else _operations(model)
    model.start(_SEEDS)
    losses = model.advance(_rates(model, 1))
    first = model.state()
    further = model.advance(_rates(model, _STEPS - 1))
    last = model.state()
    trained = Trained(
        losses={name: [float(x) for x in (*losses[name], *further[name])] for name in losses},
        weights={name: _values(model, name, first[name]) for name in model.networks},
        gradients={name: _values(model, name, first[f"{name}_slot0"]) for name in model.networks},
    )
    model.start(_SEEDS)
    model.advance(_rates(model, 1))
    model.advance(_rates(model, _STEPS - 1))
    again = moved(last, model.state())
    model.start(Seeds.of(1, "doctor", 1))
    model.restore(_stored(first))
    model.advance(_rates(model, _STEPS - 1))
    return TrainAnswer(trained, again, moved(last, model.state()), _gpu_mb(), launched, without_kernel)


def _operations(model: Any) -> tuple[int | None, tuple[str, ...]]:
    """How many operations a step of a fresh model launches, and those that a GPU has no kernel for."""
    from harness.models import operations

    launched = operations.of_a_step(model).total() if model.traces == 0 else None
    return launched, tuple(operations.without_kernel(model._chunk.get_concrete_function()))


def _values(model: Any, network: str, vector: NDArray[Any]) -> NDArray[Any]:
    """A vector of a network's state without the zeros between its weights, whose places depend on the precision."""
    packing = model._packing[network]
    parts = np.split(vector, np.cumsum(packing.sizes(moving=False))[:-1])
    sizes = [weight.size for weight in packing.weights if not weight.moving]
    return np.concatenate([part[:size] for part, size in zip(parts, sizes, strict=True)])


def _stored(state: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
    """The state as a checkpoint's file has it."""
    from harness.models import checkpoints

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "checkpoint.npz"
        checkpoints.save(path, state, {})
        return checkpoints.read(path).arrays


def _time(request: Time) -> float | None:
    """Seconds of a step; None where nothing was to be timed."""
    model = _model(request.setup)
    if model.step == 0:
        model.start(_SEEDS)
        model.advance(_rates(model, 2))
    return _seconds(lambda count: model.advance(_rates(model, count)), request.seconds)


def _evaluate(request: Evaluate) -> float:
    from harness.metrics import features
    from harness.metrics.features import inception

    if request.features == "inception":  # its weights may be missing, and do not matter to its speed
        network: Any = inception.Inception(inception.random_weights(0), sha256="")
    else:
        network = features.load(request.features)
    images = np.random.default_rng(0).integers(0, 256, (64, *request.shape), dtype=np.uint8)
    network(images)
    seconds = _seconds(lambda count: [network(images) for _ in range(count)], request.seconds)
    return len(images) / cast(float, seconds)


def _seconds(repeat: Callable[[int], object], wanted: float) -> float | None:
    """Seconds of one repetition, from `wanted` seconds of them or more."""
    count, elapsed = 1, 0.0
    while elapsed < wanted:
        count = min(4 * count, max(count + 1, int(1.2 * count * wanted / elapsed))) if elapsed else count
        started = time.monotonic()
        repeat(count)
        elapsed = time.monotonic() - started
    return elapsed / count if wanted else None


_built: dict[str, Model] = {}  # the last one, by its setup


def _model(setup: Setup) -> Model:
    """The model as a worker builds it, on images of noise; the last one is kept."""
    from harness.lazy import tf
    from harness.spec.models import NetworkSpec, TrainSpec
    from harness.spec.parts import variant

    tf.config.experimental.enable_tensor_float_32_execution(setup.tf32)
    key = repr(setup)
    if key not in _built:
        _built.clear()
        gc.collect()
        network: Any = kinds.find("network", setup.network, key="network.name")
        part: Any = kinds.find("model", network.model, key="model.name")
        images = np.random.default_rng(0).integers(0, 256, (_IMAGES, *setup.shape), dtype=np.uint8)
        train = TrainSpec(steps=1, batch=setup.batch, precision=cast(Any, setup.precision), xla=setup.xla)
        section = variant(NetworkSpec, setup.network)(name=setup.network, **setup.settings)
        _built[key] = part.builder(section, train, images, part.set({}))
    return _built[key]


def _rates(model: Model, count: int) -> dict[str, NDArray[np.float32]]:
    return dict.fromkeys(model.networks, np.full(count, _RATE, np.float32))


def _gpu_mb() -> float | None:
    """The most memory that TensorFlow used on the GPU so far; None without one."""
    from harness.lazy import tf

    if not tf.config.list_physical_devices("GPU"):
        return None
    return float(tf.config.experimental.get_memory_info("GPU:0")["peak"]) / 1e6
