"""Tables on disk: floats come back exactly, files are whole, and every damaged folder is named."""

import dataclasses
import json
import shutil

import numpy as np
import pandas as pd
import pytest

from harness import files
from harness.results import RunRecord, tables, trace
from harness.results.record import moment, posix
from harness.results.tables import ResultsError
from tests.report.example import pair, _record, results


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
    labels = tables.load(folder).study.schedules
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
        f"schema is 99, but this version reads up to {tables.SCHEMA}; install the newer harness",
    ),
    "empty csv": (lambda f: (f / "runs.csv").write_text(""), r"runs\.csv: cannot be read"),
    "binary csv": (lambda f: (f / "curves.csv").write_bytes(b"\xff\xfe\x00\x01"), r"curves\.csv: cannot be read"),
    "column gone": (
        lambda f: (f / "runs.csv").write_text((f / "runs.csv").read_text().replace("status", "state", 1)),
        "column 'status' is missing",
    ),
    "stranger in traces": (
        lambda f: (f / "traces.csv").write_text((f / "traces.csv").read_text().replace("search-linear", "else", 1)),
        r"traces\.csv: run is 'else-p000-r000', which runs\.csv does not list",
    ),
    "words in traces": (
        lambda f: (f / "traces.csv").write_text((f / "traces.csv").read_text().replace(",0.001,", ",much,", 1)),
        r"traces\.csv: row 2, column 'rate_generator' is 'much', but allowed is a finite number",
    ),
    "hole in traces": (
        lambda f: (f / "traces.csv").write_text((f / "traces.csv").read_text().replace(",0.001,", ",,", 1)),
        r"traces\.csv: row 2, column 'rate_generator' is empty, but allowed is a finite number",
    ),
    "traces cut in a line": (
        lambda f: (f / "traces.csv").write_text("run,step,rate_generator\n"),
        r"traces\.csv: column 'rate_discriminator' is missing",
    ),
    "no time": (
        lambda f: (f / "runs.csv").write_text((f / "runs.csv").read_text().replace(",2.0,,,", ",2.0,soon,,", 1)),
        r"runs\.csv: row 2, column 'started' is 'soon', but allowed is a time such as 2026-",
    ),
    "no numerics": (
        lambda f: (f / "runs.csv").write_text((f / "runs.csv").read_text().replace(",2.0,,,", ",2.0,,,[1]", 1)),
        r"runs\.csv: row 2, column 'numerics' is '\[1\]', but allowed is a JSON object",
    ),
    "twice": (
        lambda f: (f / "runs.csv").write_text(
            (f / "runs.csv").read_text() + (f / "runs.csv").read_text().split("\n")[1]
        ),
        r"runs\.csv: row 38 duplicates an earlier run",
    ),
    "stranger": (
        lambda f: (f / "runs.csv").write_text((f / "runs.csv").read_text().replace(",linear,", ",other,", 1)),
        "column 'schedule' is 'other', but allowed is one of: constant",
    ),
}


@pytest.mark.parametrize("case", DAMAGE)
def test_damage_is_one_sentence_that_names_the_file(case, tmp_path):
    folder = results(tmp_path / "study", traced=True)
    damage, words = DAMAGE[case]
    damage(folder)
    with pytest.raises(ResultsError, match=words):
        tables.load(folder)


def test_a_failed_write_leaves_the_old_file_and_no_other(tmp_path, monkeypatch):
    path = tmp_path / "a.csv"
    files.write(path, b"old")

    def full(_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(files.os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        files.write(path, b"new")
    assert path.read_bytes() == b"old"
    assert [each.name for each in tmp_path.iterdir()] == ["a.csv"]


def test_traces_come_back_exactly_and_are_small(tmp_path):
    folder = results(tmp_path, traced=True)
    found = tables.load(folder)
    assert list(found.traces.columns) == ["run", "step", *trace.columns([])]
    assert len(found.traces) == len(found.runs) * 15
    mine = found.traces[found.traces["run"] == "confirm-linear-p000-r003"]
    expected = [
        trace.point(step, rates=pair(1e-3, 1e-3), losses=pair(1 + 20 / step, 2.0)).row for step in range(20, 301, 20)
    ]
    assert mine.drop(columns="run").to_dict("records") == expected
    assert (folder / "traces.csv").stat().st_size / len(found.traces) < 100  # bytes per point: 100 runs in 2 MB


def test_results_of_an_earlier_version_have_empty_traces_and_nothing_of_what_came_later(tmp_path):
    folder = results(tmp_path)
    assert not (folder / "traces.csv").exists()
    later = ["seconds_evaluation", "started", "ended", "numerics"]
    assert not set(later) & set(pd.read_csv(folder / "runs.csv"))
    found = tables.load(folder)
    assert found.traces.empty
    assert list(found.traces.columns) == ["run", "step", *trace.columns([])]
    assert found.runs[later].isna().all(axis=None)


def test_times_are_stored_as_utc_and_come_back_exactly():
    when = round(1_764_075_134.25, 3)
    assert moment(when) == "2025-11-25T12:52:14.250+00:00"
    assert posix(moment(when)) == when
    assert all(posix(moment(each / 1000)) == each / 1000 for each in range(1_764_075_134_000, 1_764_075_134_400))
    assert moment(None) is None
    with pytest.raises(ValueError, match="names no time zone"):
        posix("2025-11-25T12:52:14")


def test_energy_has_a_column_for_each_part_that_any_run_knows_and_others_none():
    one, two = (_record("linear", "linear", "confirm", place, 4.5, lost=False, points=2) for place in range(2))
    orders = {"phases": ("confirm",), "schedules": ("linear",)}
    plain, _ = tables.frames([one, two], **orders)
    assert not list(plain.filter(like="joules"))
    known = dataclasses.replace(one, joules={"gpu": 7.5}, shared_joules={"gpu": 0.5})
    told, _ = tables.frames([known, two], **orders)
    assert list(told)[: len(plain.columns)] == list(plain)
    assert told.filter(like="joules").fillna(-1).to_dict("records") == [
        {"joules_gpu": 7.5, "shared_joules_gpu": 0.5},
        {"joules_gpu": -1, "shared_joules_gpu": -1},
    ]


def test_a_record_stored_before_traces_were_kept_is_read():
    made = _record("linear", "linear", "confirm", 3, 4.5, lost=False, points=2)
    old = made.to_json()
    for name in ("trace", "seconds_evaluation", "started", "ended", "numerics", "joules", "shared_joules"):
        del old[name]
    assert RunRecord.from_json(old) == made


def test_a_record_with_an_unknown_status_or_missing_fields_is_refused():
    with pytest.raises(ValueError, match=r"lacks .*status"):
        RunRecord.from_json({"run": "x"})


@pytest.mark.parametrize("name", ["file:x", "s3:x", "http:x", "a?b#c%20d", "zip:x"])
def test_folders_whose_names_look_like_addresses_are_read(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    folder = results(tmp_path / "made")
    folder.rename(name)
    assert len(tables.load(name).runs) == len(tables.load(tmp_path / name).runs) > 0


def test_tables_that_a_spreadsheet_saved_are_read(tmp_path):
    folder = results(tmp_path)
    before = tables.load(folder)
    for path in folder.glob("*.csv"):
        path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes().replace(b"\n", b"\r\n"))
    pd.testing.assert_frame_equal(tables.load(folder).runs, before.runs)
    pd.testing.assert_frame_equal(tables.load(folder).curves, before.curves)


def test_a_file_given_as_a_results_folder_is_named(tmp_path):
    (tmp_path / "mine.toml").write_text("", encoding="utf-8")
    with pytest.raises(ResultsError, match=r"mine\.toml: is a file, but allowed is the results folder"):
        tables.load(tmp_path / "mine.toml")
