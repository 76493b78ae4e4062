"""What Python users call: the lazy reader, and the example script as it is shipped."""

import os
import re
import subprocess
import sys
from pathlib import Path

import matplotlib as mpl
import pandas as pd
import pytest

import harness
from harness import report
from harness.report import catalogue
from harness.report.entries import FigureEntry, walk
from harness.report.in_python import Plot
from tests.report.example import results

PAGE = {entry.name for entry in walk(catalogue.FIRST, catalogue.SECTIONS) if isinstance(entry, FigureEntry)}
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


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    path = tmp_path_factory.mktemp("found") / "results"
    return harness.load_results(results(path, seeds=6, trials=3, title="<script>alert('<b>')</script> & more"))


def test_what_is_found_is_what_the_page_says(found):
    told = report.headline(found.path)
    assert found.values() == told
    assert (found.sentence, found.decided) == (told["sentence"], told["decided"])
    assert dict(zip(found.verdicts["schedule"], found.verdicts["verdict"], strict=True)) == {
        label: row["against_baseline"]["verdict"] for label, row in told["schedules"].items() if label != "constant"
    }
    assert list(found.summary["schedule"]) == list(told["schedules"])
    assert found.tables["contrasts"] is found.verdicts
    assert found.headline in repr(found)
    assert (found.path / "report.html").exists() is False
    assert found.page == found.path / "report.html"
    assert found.page.is_file()


def test_there_is_a_method_for_every_figure_of_the_page():
    methods = {name for name, each in vars(Plot).items() if not name.startswith("_") and callable(each)}
    assert methods - {"caption", "curves"} == PAGE


def test_figures_are_matplotlib_s_own_and_change_no_setting(found, monkeypatch):
    monkeypatch.setitem(mpl.rcParams, "lines.linewidth", 7.0)
    before = dict(mpl.rcParams)
    figure = found.plot.curves()
    assert isinstance(figure, mpl.figure.Figure)
    assert figure._repr_png_().startswith(b"\x89PNG")
    assert dict(mpl.rcParams) == before
    assert "forest" in repr(found.plot)
    assert found.plot.caption("forest").startswith("Mean paired difference")
    with pytest.raises(ValueError, match="no data for the figure 'variance'; there are: forest, finals"):
        found.plot.variance()


def test_a_notebook_shows_the_first_screen_safely_and_the_same_again(found):
    shown = found._repr_html_()
    for words in (found.headline, "95 % interval", "<svg", "verdict"):
        assert words in shown.replace("&#39;", "'")
    assert "<script" not in shown
    assert "&lt;script&gt;alert(" in shown
    assert shown.count("<div") == shown.count("</div>")
    assert harness.load_results(found.path)._repr_html_() == shown
    other = harness.load_results(results(found.path.parent / "other", seeds=2, trials=1, points=1))._repr_html_()
    ids = [set(re.findall(r' id="([^"]+)"', each)) for each in (shown, other)]
    assert not ids[0] & ids[1]


def test_results_without_a_confirmation_run_are_shown_too(tmp_path):
    empty = harness.load_results(results(tmp_path, seeds=0, points=1))
    assert "nothing can be claimed" in empty._repr_html_()
    assert not empty.decided
