"""What the doctor found: the machine, checks that passed or failed, and figures; values that become JSON as they are."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

FORMAT = 1  # of the JSON document; a reader refuses a larger one
PROCESSOR = "processor"  # the device's name in checks and figures; a GPU is "GPU 0"


@dataclass(frozen=True)
class Gpu:
    """A GPU as the driver's tool and TensorFlow have it; what neither says is None.

    `capability` is NVIDIA's number of the generation (compute capability), as (8, 0) for an A100. Memory is in MB.
    """

    index: int
    name: str
    memory_mb: float | None = None
    free_mb: float | None = None
    capability: tuple[int, int] | None = None

    @property
    def device(self) -> str:
        """Its name in checks and figures."""
        return f"GPU {self.index}"


@dataclass(frozen=True)
class Build:
    """TensorFlow here: its version, what it was built for, and how many GPUs it sees.

    `kernels` are the generations whose machine code is inside, such as "sm_80"; "compute_90" is code that the driver
    translates for newer ones. `fault` says why TensorFlow cannot be used, `said` what it printed about GPUs.
    """

    version: str
    cuda: str = ""
    cudnn: str = ""
    kernels: tuple[str, ...] = ()
    gpus: int = 0
    tf32: bool = False
    onednn: bool = False
    fault: str = ""
    said: tuple[str, ...] = ()


@dataclass(frozen=True)
class Driver:
    """The NVIDIA driver: its version ("" where none answers), whether its tool nvidia-smi answered, NVIDIA cards in the machine.

    `hidden` is what CUDA_VISIBLE_DEVICES says where it hides GPUs; `wsl` is whether this is Linux within Windows.
    """

    version: str = ""
    tool: bool = False
    cards: int = 0
    hidden: str | None = None
    wsl: bool = False


@dataclass(frozen=True)
class Machine:
    """What is there. Memory and disks are in MB.

    `cores` are those that this process may use (affinity and the container's quota), `all_cores` those of the machine; so
    are `memory_mb`, free, and `all_memory_mb`. `busy` is the load of the minute before: how many processes ran or waited for a core. `workers` is how many a study like the quick one would get here, `worker_mb`
    what each of them takes. `packages` are versions that scores depend on, `cuda` those of NVIDIA's libraries, `variables`
    the environment variables that change numbers or hide devices, `weights` the published feature networks and whether
    their weights are in the cache. `energy` says of each device why its energy cannot be read, or nothing where it can.
    """

    harness: str
    commit: str
    python: str
    system: str
    processor: str
    cores: int
    all_cores: int
    memory_mb: float
    all_memory_mb: float
    busy: float
    workers: int
    worker_mb: float
    disks: Mapping[str, float]
    packages: Mapping[str, str]
    cuda: Mapping[str, str]
    variables: Mapping[str, str]
    weights: Mapping[str, bool]
    driver: Driver
    build: Build
    gpus: tuple[Gpu, ...] = ()
    energy: Mapping[str, str] = dataclasses.field(default_factory=dict)

    @property
    def usable(self) -> tuple[Gpu, ...]:
        """The GPUs that TensorFlow sees."""
        return self.gpus[: self.build.gpus]


Status = Literal["passed", "failed", "skipped"]


def on(device: str) -> str:
    """The device after "on": "the processor", "GPU 0"."""
    return f"the {device}" if device.startswith(PROCESSOR) else device


@dataclass(frozen=True)
class Check:
    """One question about a `subject`, such as a network, on a device, and what was found, in words.

    `differences` are the relative ones of losses, weights and gradients where numbers were compared, None for infinite.
    """

    subject: str
    question: str
    device: str
    status: Status
    found: str
    differences: Mapping[str, float | None] = dataclasses.field(default_factory=dict)


@dataclass(frozen=True)
class Speed:
    """Seconds of a training step of a network in one way of computing; None where it could not be timed, for a `reason`."""

    network: str
    device: str
    way: str
    seconds: float | None
    reason: str = ""


@dataclass(frozen=True)
class Throughput:
    """Training steps a second of all `workers` processes of one device together."""

    device: str
    workers: int
    steps_per_second: float


@dataclass(frozen=True)
class Evaluation:
    """Images a second through a feature network."""

    network: str
    device: str
    images_per_second: float


@dataclass(frozen=True)
class Findings:
    """All of it. `operations` are those that the device starts in one training step, by network; `unchecked` in words."""

    machine: Machine
    checks: tuple[Check, ...] = ()
    speeds: tuple[Speed, ...] = ()
    throughput: tuple[Throughput, ...] = ()
    evaluations: tuple[Evaluation, ...] = ()
    operations: Mapping[str, int] = dataclasses.field(default_factory=dict)
    unchecked: tuple[str, ...] = ()
    seconds: float = 0.0

    @property
    def failed(self) -> tuple[Check, ...]:
        """The checks that failed."""
        return tuple(check for check in self.checks if check.status == "failed")

    def to_json(self) -> dict[str, Any]:
        """The document without advice: what was found, and `format`."""
        return {"format": FORMAT, **dataclasses.asdict(self)}
