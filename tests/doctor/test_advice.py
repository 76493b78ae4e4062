"""What to set on made-up machines, and the page that says it."""

import json
from dataclasses import replace

import pytest

from harness.doctor.__main__ import document
from harness.doctor.advice import advice
from harness.doctor.findings import Check, Evaluation, Speed
from harness.doctor.page import WIDTH, text
from tests import printed
from tests.doctor.example import PLAIN, findings, passed, with_gpus


def said(found):
    return {each.setting: (each.value, each.reason) for each in advice(found)}


def test_one_gpu_gets_the_fewest_workers_near_the_best_throughput():
    found = said(findings(with_gpus()))
    assert found["--workers-per-gpu"] == (
        "4",
        "training steps a second of so many workers together: 1: 100, 2: 180, 4: 200, 8: 205",
    )
    assert "--workers" not in found


def test_eight_gpus_are_bounded_by_cores_and_by_memory():
    assert said(findings(with_gpus(8, cores=16)))["--workers"][0] == "16"
    value, reason = said(findings(with_gpus(8, memory_mb=20e3)))["--workers"]
    assert value == "20"
    assert "memory has room for 20 workers of about 1.0 GB" in reason
    assert said(findings(with_gpus(8, cores=4)))["--workers"][0] == "8"  # every GPU is used, whatever the cores


def test_what_is_faster_is_advised_with_the_measured_gain():
    found = said(findings(with_gpus()))
    assert found["train.precision"] == (
        "mixed_float16",
        "a step of article on GPU 0 is 1.50 times as fast in mixed_float16; it moves scores, so try it as an arm of a study first",
    )
    assert found["train.xla"] == (
        "auto",
        "a step of article on GPU 0 is 1.50 times as fast with XLA; auto is on wherever a GPU is",
    )
    assert found["NVIDIA_TF32_OVERRIDE"][0] == "unset"
    assert "2.00 times" in found["NVIDIA_TF32_OVERRIDE"][1]


def test_a_precision_whose_check_failed_is_not_advised():
    bad = Check("article mixed_float16", "agrees", "GPU 0", "failed", "losses differ")
    value, reason = said(findings(with_gpus(), checks=(bad,)))["train.precision"]
    assert value == "float32"
    assert reason.endswith("but its check failed")


def test_xla_that_cannot_compile_is_left_off():
    made = findings(with_gpus())
    speeds = tuple(each for each in made.speeds if "XLA" not in each.way)
    broken = Speed("article", "GPU 0", "TF32, XLA", None, "the process died")
    assert said(replace(made, speeds=(*speeds, broken)))["train.xla"] == (
        "false",
        "XLA does not compile article on GPU 0: the process died",
    )


def test_a_gpu_newer_than_the_kernels_is_told_of_its_first_minutes():
    found = said(replace(findings(with_gpus(capability=(12, 0), driver="580.65.06")), speeds=()))
    assert found["train.xla"][0] == "false"
    assert "newer than the kernels" in found["train.xla"][1]


def test_on_a_processor_runs_side_by_side_beat_threads_that_gain_less():
    found = said(findings())
    assert found["--workers"][0] == "2"
    assert found["train.threads"][0] == "1"
    assert "1.50 times as fast on 2 threads" in found["train.threads"][1]
    assert found["train.precision"][0] == "float32"
    assert "train.xla" not in found
    assert "NVIDIA_TF32_OVERRIDE" not in found


def test_little_memory_a_full_disk_set_variables_and_a_busy_machine_are_named():
    tight = replace(PLAIN, memory_mb=500.0, disks={"cache": 100.0}, variables={"XLA_FLAGS": "x"}, busy=2.0)
    made = findings(tight)
    found = said(replace(made, throughput=()))
    assert found["--workers"][0] == "1"
    assert "0.5 GB of memory are free" in found["--workers"][1]
    assert found["disk"][0] == "cache"
    assert found["XLA_FLAGS"][0] == "x"
    assert "load was 2.0 on 2 cores" in found["run again"][1]


@pytest.mark.parametrize("here", [PLAIN, with_gpus(), with_gpus(8)], ids=["no GPU", "one", "eight"])
def test_the_page_fits_100_columns_and_says_all_advice(here):
    made = findings(here, evaluations=(Evaluation("inception", "processor", 120.0),), unchecked=("what " * 40,))
    page = text(made, advice(made))
    assert max(map(len, page.splitlines())) <= WIDTH
    assert page.splitlines()[0].startswith("harness doctor 0.1.0 (abc): 1 of 1 checks passed in 100 s")
    joined = " ".join(page.split())
    for each in advice(made):
        assert " ".join(f"{each.setting} = {each.value}: {each.reason}".split()) in joined


def test_the_page_says_whose_energy_can_be_read_and_why_others_cannot():
    here = replace(with_gpus(), energy={"processor": "root alone", "GPU 0": ""})
    page = " ".join(text(findings(here), []).split())
    assert "Energy counters processor: root alone; GPU 0: can be read" in page


def test_what_failed_comes_first():
    bad = Check("dcgan", "repeats", "GPU 0", "failed", "other bits in generator")
    made = findings(with_gpus(), checks=(passed("dcgan"), bad))
    first, second, *_ = text(made, []).splitlines()
    assert first == "FAILED: dcgan repeats (GPU 0): other bits in generator"
    assert "1 of 2 checks passed" in second


def test_the_document_is_json_with_a_format_and_all_that_was_found():
    made = findings(with_gpus(2))
    written = json.loads(json.dumps(document(made, advice(made)), allow_nan=False))
    printed.check("Doctor", written)
    assert written["machine"]["gpus"][1]["capability"] == [8, 0]
    assert written["checks"][0]["differences"]["gradients"] is None
    assert written["advice"][0]["setting"] == "--workers-per-gpu"
