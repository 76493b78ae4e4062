"""Made-up machines and findings: one GPU, eight, an old driver, a GPU that is not seen, little memory."""

from dataclasses import replace

from harness.doctor.findings import Build, Check, Driver, Findings, Gpu, Machine, Speed, Throughput

BUILD = Build("2.21.0", "12.5.1", "9", ("sm_60", "sm_70", "sm_80", "sm_89", "compute_90"), tf32=True, onednn=True)
CUDA = {
    "nvidia-cublas-cu12": "12.9.1.4",
    "nvidia-cuda-runtime-cu12": "12.9.79",
    "nvidia-cudnn-cu12": "9.10.2.21",
}
PLAIN = Machine(
    harness="0.1.0",
    commit="abc",
    python="3.11.7",
    system="Linux",
    processor="A processor",
    cores=2,
    all_cores=2,
    memory_mb=8000.0,
    all_memory_mb=16000.0,
    busy=0.0,
    workers=2,
    worker_mb=1000.0,
    disks={"cache": 50e3},
    packages={"tensorflow": "2.21.0"},
    cuda={},
    variables={},
    weights={"inception": False},
    driver=Driver(),
    build=BUILD,
)


def with_gpus(count=1, *, name="NVIDIA A100-SXM4-40GB", capability=(8, 0), driver="550.54.15", cores=64, **changes):
    """A machine whose GPUs TensorFlow sees."""
    gpus = tuple(Gpu(index, name, 42e3, 40e3, capability) for index in range(count))
    machine = replace(
        PLAIN,
        cores=cores,
        all_cores=cores,
        memory_mb=256e3,
        cuda=CUDA,
        driver=Driver(version=driver, tool=True, cards=count),
        build=replace(BUILD, gpus=count),
        gpus=gpus,
    )
    return replace(machine, **changes)


def unseen(machine, *said):
    """The same machine where TensorFlow sees no GPU."""
    return replace(machine, build=replace(machine.build, gpus=0, said=said))


def passed(subject, question="agrees", device="GPU 0"):
    return Check(
        subject, question, device, "passed", "bit for bit", {"losses": 1e-6, "weights": 1e-7, "gradients": None}
    )


def findings(machine=PLAIN, **changes):
    """Findings of a machine with an A100's made-up figures: TF32 twice as fast as float32, float16 three times, XLA 1.5 times."""
    device = "GPU 0" if machine.usable else "processor"
    times = {"float32": 0.012, "TF32": 0.006, "mixed_float16": 0.004, "mixed_bfloat16": 0.005, "TF32, XLA": 0.004}
    if not machine.usable:
        times = {"float32": 0.12, "mixed_bfloat16": 0.115, "float32, 2 threads": 0.08}
    made = Findings(
        machine=machine,
        checks=(passed("dcgan", device=device),),
        speeds=tuple(Speed("article", device, way, seconds) for way, seconds in times.items()),
        throughput=tuple(
            Throughput(device, workers, speed)
            for workers, speed in (
                {1: 100.0, 2: 180.0, 4: 200.0, 8: 205.0} if machine.usable else {1: 10.0, 2: 18.0}
            ).items()
        ),
        seconds=100.0,
    )
    return replace(made, **changes)
