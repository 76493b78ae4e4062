"""Settings that move scores are recorded as TensorFlow has them, and a study that mixes them says so, once."""

import dataclasses
import json
import os
import subprocess
import sys

import pytest

from harness.driver import reproduction
from harness.driver.numerics import noted
from harness.results import numerics
from tests.report.example import _record

ON = {"onednn": True, "intra_op_threads": 1}
OFF = {"onednn": False, "intra_op_threads": 1, "XLA_FLAGS": "--xla_cpu_enable_fast_math=true"}
ENVIRONMENT = {"cpu": "c", "device": "d", "python": "3", "commit": "x", "versions": {}}


@pytest.mark.slow
@pytest.mark.parametrize("chosen", ["0", "1", None])
def test_whether_onednn_is_on_is_what_tensorflow_says(chosen):
    code = (
        "import json; from harness.worker import device; device.configure(threads=2, gpu=None)\n"
        "from tensorflow.python.framework import test_util\n"
        "print(json.dumps([device.numerics(), test_util.IsMklEnabled()]))"
    )
    kept = {name: value for name, value in os.environ.items() if name not in ("TF_ENABLE_ONEDNN_OPTS", "XLA_FLAGS")}
    named = {"TF_ENABLE_ONEDNN_OPTS": chosen} if chosen else {}
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        env=kept | named | {"TF_XLA_FLAGS": "--tf_xla_auto_jit=0"},
    )
    found, enabled = json.loads(done.stdout)
    assert found["onednn"] is enabled
    assert found["onednn"] or chosen == "0"
    assert not (found["onednn"] and chosen == "0")
    assert (found["intra_op_threads"], found["inter_op_threads"]) == (2, 1)
    assert found["TF_XLA_FLAGS"] == "--tf_xla_auto_jit=0"
    assert "XLA_FLAGS" not in found


def record(settings):
    made = _record("linear", "linear", "confirm", 3, 4.5, lost=False, points=2)
    return dataclasses.replace(made, numerics=settings)


def study(settings, **more):
    return {"environment": {"numerics": settings}, **more}


def test_a_study_resumed_under_another_setting_says_so_once_and_keeps_it():
    assert noted(study(ON), None, [record(ON)]) == (study(ON), [])
    assert noted(study(OFF), None, [record({})])[1] == []  # what an earlier version ran under is not known
    first, new = noted(study(OFF), study(ON), [record(ON)])
    assert len(new) == 1
    assert "oneDNN off and on; XLA_FLAGS --xla_cpu_enable_fast_math=true and not set" in new[0]
    assert first["warnings"] == new
    for again in (study(OFF), study(ON)):
        assert noted(again, first, [record(ON), record(OFF)]) == ({**again, "warnings": new}, [])
    other = study(ON, warnings=["one schedule only"])  # of another kind: made anew each time, or not
    assert noted(other, first, [record(ON)])[0]["warnings"] == ["one schedule only", *new]
    assert noted(study(ON), {**first, "warnings": ["one schedule only"]}, [])[0] == study(ON)
    assert noted(study(ON), {**first, "warnings": 5}, [])[0] == study(ON)


def test_reproduce_names_them_among_the_differences():
    def told(stored, here):
        return reproduction.differences({**ENVIRONMENT, **stored}, {**ENVIRONMENT, "numerics": here})

    assert told({"numerics": ON}, ON) == []
    assert told({"numerics": ON}, OFF) == [
        "oneDNN was on, here off",
        "XLA_FLAGS was not set, here --xla_cpu_enable_fast_math=true",
    ]
    assert told({}, ON) == ["oneDNN was not recorded, here on"]
    assert numerics.described(ON) == "oneDNN on, threads within operations 1"
