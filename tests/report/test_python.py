"""What Python users call: the lazy reader, and the example script as it is shipped."""

import os
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

import harness
from tests.report.example import results

ROOT = Path(__file__).parents[2]


def test_load_results_returns_tidy_tables(tmp_path):
    found = harness.load_results(results(tmp_path))
    assert isinstance(found, harness.Results)
    assert len(found.runs) == 3 * (4 + 8)  # schedules, search trials and seeds
    assert len(found.curves) == 3 * (4 + 8) * 3
    assert isinstance(found.curves, pd.DataFrame)


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="has no attribute 'nothing'"):
        _ = harness.nothing


def test_the_example_runs_as_shipped(tmp_path):
    folder, picture = results(tmp_path / "results"), tmp_path / "compare.png"
    done = subprocess.run(
        [sys.executable, "-W", "error", str(ROOT / "examples" / "compare.py"), str(folder), str(picture)],
        capture_output=True,
        text=True,
        check=True,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
    )
    assert "exponential" in done.stdout
    assert picture.read_bytes().startswith(b"\x89PNG")


def test_the_facts_of_a_study_are_attributes_and_still_keys(tmp_path):
    study = harness.load_results(results(tmp_path)).study
    assert study.question.rope == study["question"]["rope"] == 0.1
    assert study.spec.train.steps == study["spec"]["train"]["steps"] == 300
    assert study.data.notes == []  # a default that the file need not hold
    with pytest.raises(KeyError):
        _ = study["nothing"]
