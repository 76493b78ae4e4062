"""Why a GPU is not used, in one sentence with what to do; what nvidia-smi prints; which GPU is which."""

from dataclasses import replace

import pytest

from harness.doctor import gpus, machine
from harness.doctor.findings import Driver, Gpu
from tests.doctor.example import BUILD, CUDA, PLAIN, unseen, with_gpus

ONE = with_gpus()
CASES = {
    "no card": (PLAIN, "skipped", "the processor alone"),
    "one GPU": (ONE, "passed", "1 of 1 are seen"),
    "eight GPUs": (with_gpus(8), "passed", "8 of 8 are seen"),
    "hidden": (
        unseen(replace(ONE, driver=replace(ONE.driver, hidden="-1"))),
        "skipped",
        "CUDA_VISIBLE_DEVICES=-1 hides them",
    ),
    "no driver": (
        replace(PLAIN, driver=Driver(cards=1)),
        "failed",
        "install NVIDIA's driver 525.60.13 or later on this",
    ),
    "old driver": (unseen(with_gpus(driver="470.82.01")), "failed", "driver is 470.82.01, too old for the CUDA 12.5.1"),
    "old driver in WSL": (
        unseen(replace(ONE, driver=Driver("516.94", tool=True, cards=0, wsl=True))),
        "failed",
        "install 528.33 or later",
    ),
    "no CUDA inside": (
        unseen(replace(ONE, build=replace(BUILD, cuda="", cudnn=""))),
        "failed",
        "is built without CUDA: install it for Linux on x86-64 with pip install",
    ),
    "no libraries": (
        unseen(replace(ONE, cuda={})),
        "failed",
        "nvidia-cudnn-cu12, nvidia-cublas-cu12, nvidia-cuda-runtime-cu12 are not installed",
    ),
    "one library missing": (
        unseen(replace(ONE, cuda={name: CUDA[name] for name in list(CUDA)[:2]})),
        "failed",
        "nvidia-cudnn-cu12 is not installed in this environment: run pip install '.[gpu]' -c constraints.txt",
    ),
    "TensorFlow's own reason": (unseen(ONE, "Cannot dlopen some GPU libraries"), "failed", "Cannot dlopen some"),
    "one of two": (
        replace(with_gpus(2), build=replace(BUILD, gpus=1, said=("device 1 is exclusive",))),
        "failed",
        "sees 1 of 2 GPUs; it says: device 1 is exclusive",
    ),
    "broken TensorFlow": (
        replace(PLAIN, build=replace(BUILD, fault="ImportError: no module")),
        "failed",
        "could not be started: ImportError",
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_whether_the_gpus_are_used_and_what_to_do(case):
    here, status, words = CASES[case]
    first = gpus.check(here)[0]
    assert first.status == status
    assert words in first.found
    assert "\n" not in first.found


GENERATIONS = {
    "an A100": (ONE, "passed", "8.0"),
    "too old for TensorFlow": (
        with_gpus(capability=(5, 2)),
        "failed",
        "5.2 is older than TensorFlow's kernels, which begin at 6.0",
    ),
    "a V100 with cuDNN 9.10": (with_gpus(capability=(7, 0)), "passed", "7.0"),
    "a V100 with cuDNN 9.11": (
        with_gpus(capability=(7, 0), cuda={**CUDA, "nvidia-cudnn-cu12": "9.11.0.98"}),
        "failed",
        "pip install 'nvidia-cudnn-cu12<9.11'",
    ),
    "Blackwell": (with_gpus(capability=(12, 0), driver="580.65.06"), "passed", "newer than TensorFlow's kernels"),
    "Blackwell with an old driver": (
        with_gpus(capability=(12, 0)),
        "failed",
        "needs NVIDIA's driver 570.26 or later, not 550",
    ),
    "not known": (with_gpus(capability=None), "passed", "not known"),
}


@pytest.mark.parametrize("case", GENERATIONS)
def test_whether_there_is_code_for_a_gpu_s_generation(case):
    here, status, words = GENERATIONS[case]
    (generation,) = gpus.check(here)[1:]
    assert (generation.status, generation.device) == (status, "GPU 0")
    assert words in generation.found


def test_the_driver_s_tool_is_read_also_where_it_knows_no_compute_capability():
    new = "0, NVIDIA A100-SXM4-40GB, 40960, 40000, 550.54.15, 8.0\n1, NVIDIA T4, 15360, [N/A], 550.54.15, 7.5\n"
    found, version = machine.parsed(new)
    assert version == "550.54.15"
    assert [(gpu.index, gpu.name, gpu.capability) for gpu in found] == [
        (0, "NVIDIA A100-SXM4-40GB", (8, 0)),
        (1, "NVIDIA T4", (7, 5)),
    ]
    assert found[0].memory_mb == pytest.approx(42949.67, abs=0.01)
    assert found[1].free_mb is None
    old, _ = machine.parsed("0, Tesla P100, 16280, 16000, 470.82.01\n")
    assert old[0].capability is None
    assert machine.parsed("No devices were found\n") == ([], "")


def test_gpus_have_tensorflow_s_order_and_the_tool_s_memory():
    listed = [Gpu(index, f"card {index}", 1000.0 * index, None, None) for index in range(3)]
    seen = [Gpu(0, "card 2", capability=(9, 0)), Gpu(1, "card 0", capability=(8, 0))]
    merged = machine.merged(listed, seen, visible="2,0")
    assert [(gpu.index, gpu.name, gpu.memory_mb, gpu.capability) for gpu in merged] == [
        (0, "card 2", 2000.0, (9, 0)),
        (1, "card 0", 0.0, (8, 0)),
        (2, "card 1", 1000.0, None),
    ]
    assert machine.merged([], seen, visible=None) == tuple(seen)
    assert machine.merged(listed, [], visible=None) == tuple(listed)
    assert machine.merged([], [], visible=None) == ()
