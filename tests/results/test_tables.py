"""Tables on disk: floats come back exactly, files are whole, and every damaged folder is named."""

import json
import shutil

import numpy as np
import pytest

from harness.results import RunRecord, tables
from harness.results.tables import ResultsError
from tests.report.example import results


@pytest.fixture
def folder(tmp_path):
    return results(tmp_path / "study")


def test_floats_come_back_bit_for_bit(folder):
    found = tables.load(folder)
    again = folder.parent / "again"
    shutil.copytree(folder, again)
    tables.write_frame(again / "runs.csv", found.runs)
    second = tables.load(again)
    scores = [name for name in found.runs if name.startswith("fid")]
    np.testing.assert_array_equal(found.runs[scores], second.runs[scores])


def test_rows_are_sorted_by_phase_schedule_point_repetition(folder):
    runs = tables.load(folder).runs
    order = {"search": 0, "select": 1, "confirm": 2}
    labels = tables.load(folder).study["schedules"]
    keys = [
        (order[row["phase"]], labels.index(row["schedule"]), row["point"], row["repetition"])
        for row in runs.to_dict("records")
    ]
    assert keys == sorted(keys)


DAMAGE = {
    "no folder": (lambda f: shutil.rmtree(f), r"study\.json: not found"),
    "no runs": (lambda f: (f / "runs.csv").unlink(), r"runs\.csv: not found; run the study's command again"),
    "broken json": (lambda f: (f / "study.json").write_text("{"), r"study\.json: cannot be read"),
    "no schema": (lambda f: (f / "study.json").write_text("{}"), "has no schema number"),
    "newer": (
        lambda f: (f / "study.json").write_text(json.dumps({"schema": 99})),
        "schema is 99, but this version reads up to 1; install the newer harness",
    ),
    "empty csv": (lambda f: (f / "runs.csv").write_text(""), r"runs\.csv: cannot be read"),
    "binary csv": (lambda f: (f / "curves.csv").write_bytes(b"\xff\xfe\x00\x01"), r"curves\.csv: cannot be read"),
    "column gone": (
        lambda f: (f / "runs.csv").write_text((f / "runs.csv").read_text().replace("status", "state", 1)),
        "column 'status' is missing",
    ),
    "stranger": (
        lambda f: (f / "runs.csv").write_text((f / "runs.csv").read_text().replace(",linear,", ",other,", 1)),
        "column 'schedule' is 'other', but allowed is one of: constant",
    ),
}


@pytest.mark.parametrize("case", DAMAGE)
def test_damage_is_one_sentence_that_names_the_file(case, folder):
    damage, words = DAMAGE[case]
    damage(folder)
    with pytest.raises(ResultsError, match=words):
        tables.load(folder)


def test_a_failed_write_leaves_the_old_file_and_no_other(tmp_path, monkeypatch):
    path = tmp_path / "a.csv"
    tables.write_bytes(path, b"old")

    def full(_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(tables.os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        tables.write_bytes(path, b"new")
    assert path.read_bytes() == b"old"
    assert [each.name for each in tmp_path.iterdir()] == ["a.csv"]


def test_a_record_with_an_unknown_status_or_missing_fields_is_refused():
    with pytest.raises(ValueError, match=r"lacks .*status"):
        RunRecord.from_json({"run": "x"})
