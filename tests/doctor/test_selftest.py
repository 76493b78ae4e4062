"""The self-test's course on made-up machines, and in earnest on the smallest network."""

import json
import os
from dataclasses import replace

import numpy as np
import pytest

from harness import kinds
from harness.doctor import comparison, probe, selftest
from harness.doctor.__main__ import main
from harness.doctor.children import Child, ProbeFault
from harness.doctor.comparison import Trained
from harness.doctor.findings import PROCESSOR
from harness.doctor.probe import Evaluate, Place, Time, Train, TrainAnswer
from harness.doctor.selftest import Options, crowd
from tests.doctor.example import PLAIN, with_gpus


class Answering:
    """A process whose answers are made up: numbers by device, times by way; `broken` says which request has none."""

    def __init__(self, place, *, started, off=0.0, broken=lambda place, request: False, moved=(), missing=()):
        started.append(place)
        self.place, self.off, self.broken, self.moved, self.missing = place, off, broken, moved, missing
        self.asked = []

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass

    def ask(self, request, *, seconds):
        self.send(request)
        return self.receive(seconds=seconds)

    def send(self, request):
        self.asked.append(request)

    def receive(self, *, seconds):
        request = self.asked.pop()
        if self.broken(self.place, request):
            raise ProbeFault("no kernel")
        if isinstance(request, Train):
            off = self.off if self.place.gpu is not None else 0.0
            vector = {"generator": np.array([1.0 + off, 1.0], np.float32)}
            moved = self.moved if self.place.gpu is not None else ()
            return TrainAnswer(
                Trained({"generator": [0.5, 0.5, 0.5]}, vector, vector), moved, (), None, 7, self.missing
            )
        return 0.01 if isinstance(request, Time) else 500.0


def outcome(machine, options, **answering):
    started = []
    return selftest.run(machine, options, start=lambda place: Answering(place, started=started, **answering)), started


ALL = Options()


def test_every_network_is_trained_on_the_processor_and_on_the_first_gpu_and_one_on_each_further_one():
    found, _ = outcome(with_gpus(3), ALL)
    assert found.failed == ()
    trained = {(check.subject, check.device) for check in found.checks if check.question == "repeats"}
    for network in kinds.known("network"):
        assert (network, PROCESSOR) in trained
        assert (network, "GPU 0") in trained
    assert sum(device == "GPU 2" for _, device in trained) == 1
    equals = [check for check in found.checks if check.question == "equals"]
    assert [check.found for check in equals] == ["bit for bit as GPU 0"] * 2
    assert ("article TF32", "GPU 0") in trained


def test_every_built_in_network_has_images_that_it_fits():
    for name in kinds.known("network"):
        setup = selftest.setup_of(name)
        assert kinds.find("network", name, key="").fits(setup.shape) is None
        assert set(setup.settings) <= {
            each.name for each in kinds.settings_of(kinds.find("network", name, key="").settings)
        }


def test_a_gpu_of_before_ampere_is_not_asked_for_tf32():
    found, _ = outcome(with_gpus(capability=(7, 5)), ALL)
    assert not any("TF32" in speed.way for speed in found.speeds)
    assert any("mixed_float16" in speed.way for speed in found.speeds)


def test_numbers_beyond_the_bounds_and_other_bits_fail():
    found, _ = outcome(with_gpus(), Options(networks=("dcgan",)), off=0.01, moved=("generator",))
    failed = {(check.subject, check.question) for check in found.failed}
    assert ("dcgan", "agrees") in failed
    assert ("dcgan", "repeats") in failed
    assert ("dcgan TF32", "agrees") not in failed  # looser
    (check,) = [check for check in found.failed if (check.subject, check.question) == ("dcgan", "agrees")]
    assert "gradients differ by" in check.found


def test_an_operation_that_no_gpu_can_run_fails_where_there_is_no_gpu_too():
    missing = ("GatherV2 of Tparams uint8, made in mine.py, line 3 (gather)",)
    found, _ = outcome(PLAIN, Options(networks=("dcgan",)), missing=missing)
    assert {(check.subject, check.question) for check in found.failed} >= {("dcgan", "has kernels")}
    assert all(missing[0] in check.found for check in found.failed)
    assert found.operations == {"dcgan": 7}


def test_a_check_that_crashes_fails_and_the_rest_goes_on():
    found, _ = outcome(
        with_gpus(),
        ALL,
        broken=lambda place, request: (
            place.gpu == 0 and isinstance(request, Train) and request.setup.network == "dcgan"
        ),
    )
    assert {(check.subject, check.question, check.found) for check in found.failed} == {
        (subject, "trains", "no kernel")
        for subject in ("dcgan", "dcgan float32, XLA", "dcgan TF32", "dcgan mixed_float16", "dcgan mixed_bfloat16")
    }
    assert found.throughput


def test_a_way_that_cannot_be_timed_is_told_with_its_reason_and_fails_nothing():
    found, _ = outcome(with_gpus(), ALL, broken=lambda place, request: isinstance(request, Time) and request.setup.xla)
    assert found.failed == ()
    assert {speed.reason for speed in found.speeds if speed.seconds is None} == {"no kernel"}


def test_workers_or_features_that_fail_are_failed_checks():
    found, _ = outcome(PLAIN, ALL, broken=lambda place, request: isinstance(request, Time | Evaluate))
    assert {check.subject for check in found.failed} == {"workers", "cifar10", "inception"}


def test_without_a_gpu_several_threads_are_compared_and_what_was_not_checked_is_said():
    found, started = outcome(PLAIN, ALL)
    assert Place(None, 2) in started
    assert all(place.gpu is None for place in started)
    assert "agreement of a GPU with the processor" in found.unchecked[0]
    _, started = outcome(replace(PLAIN, cores=1), ALL)
    assert set(started) == {Place(None, 1)}


def test_a_tensorflow_that_does_not_start_is_the_only_failure():
    found, started = outcome(replace(PLAIN, build=replace(PLAIN.build, fault="ImportError")), ALL)
    assert started == []
    assert [check.subject for check in found.failed] == ["GPUs"]


def test_as_many_workers_are_tried_as_memory_allows():
    gpu, processor = Place(0, 1), Place(None, 1)
    assert crowd(with_gpus(), gpu, quick=False) == [1, 2, 4, 8]
    assert crowd(with_gpus(), gpu, quick=True) == [1, 2]
    assert crowd(with_gpus(memory_mb=3000.0), gpu, quick=False) == [1, 2]
    small = replace(with_gpus(), gpus=(replace(with_gpus().gpus[0], free_mb=6000.0),))
    assert crowd(small, gpu, quick=False) == [1, 2, 4]
    assert crowd(PLAIN, processor, quick=False) == [1, 2]
    assert crowd(replace(PLAIN, memory_mb=100.0), processor, quick=False) == [1]


def die(connection, errors, place):
    """A process that dies of the first request, as of a fault of the driver."""
    connection.recv()
    os.write(os.open(errors, os.O_WRONLY | os.O_CREAT), b"CUDA_ERROR_ILLEGAL_ADDRESS\n")
    os._exit(139)


def hang(connection, errors, place):
    connection.recv()
    connection.recv()


@pytest.mark.parametrize(
    ("serve", "words"),
    [(die, r"died \(exit status 139\): CUDA_ERROR_ILLEGAL_ADDRESS"), (hang, "no answer within 2 seconds")],
)
def test_a_process_that_dies_or_hangs_is_a_fault_with_its_reason(serve, words, monkeypatch):
    monkeypatch.setattr(probe, "serve", serve)
    monkeypatch.setattr("harness.doctor.children.START_SECONDS", 1.5 if serve is hang else 60.0)
    with Child(Place(None, 1)) as child, pytest.raises(ProbeFault, match=words):
        child.ask("anything", seconds=0.5)


@pytest.mark.slow
def test_in_earnest_on_the_smallest_network(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("harness.doctor.machine.tensorflow", lambda: (PLAIN.build, []))
    monkeypatch.setattr("harness.executors.resources.cores", lambda: 1)
    assert main(["--quick", "--networks", "unet", "--save", str(tmp_path), "--json"]) == 0
    printed = json.loads(capsys.readouterr().out)
    assert printed == json.loads((tmp_path / "doctor.json").read_text(encoding="utf-8"))
    assert {check["question"]: check["status"] for check in printed["checks"] if check["subject"] == "unet"} == {
        "repeats": "passed",
        "resumes": "passed",
        "has kernels": "passed",
    }
    assert printed["operations"]["unet"] > 0
    assert printed["evaluations"][0]["images_per_second"] > 0


def test_an_unknown_network_or_folder_is_refused_before_anything_is_looked_at(tmp_path, capsys):
    assert main(["--networks", "dcgn"]) == 2
    assert "--networks is 'dcgn' (did you mean 'dcgan'?), but allowed are: " in capsys.readouterr().err
    (tmp_path / "file").write_text("", encoding="utf-8")
    assert main(["--save", str(tmp_path / "file")]) == 2
    assert "--save is " in capsys.readouterr().err


def test_lower_precision_is_compared_weight_by_weight_within_its_bounds():
    exact, rounded = (
        probe.answer(Train(replace(selftest.setup_of("dcgan"), precision=precision))).trained
        for precision in ("float32", "mixed_bfloat16")
    )
    found = comparison.differences(rounded, exact)
    assert comparison.beyond(found, comparison.BOUNDS["mixed_bfloat16"]) == []
    assert comparison.beyond(found, comparison.BOUNDS["float32"]) != []
