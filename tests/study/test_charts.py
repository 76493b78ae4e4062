"""Charts for Optuna Dashboard: the numbers of the tables, plain JSON, names as text, and kept with the study."""

import json

import optuna
import pytest

from harness.driver import dashboard
from harness.report.analysis import Analysis
from harness.results import load
from tests.report.example import results


def test_charts_hold_the_numbers_of_the_tables(tmp_path):
    analysis = Analysis(load(results(tmp_path)))
    made = {name: json.loads(chart.to_json()) for name, chart in dashboard.charts(analysis).items()}
    assert list(made) == ["differences", "finals", "curves"]
    assert made["differences"]["data"][0]["x"] == pytest.approx(list(analysis.contrasts["difference"]))
    finals = {trace["name"]: trace["y"] for trace in made["finals"]["data"]}
    runs = analysis.confirmed
    assert finals["linear"] == list(runs.loc[runs["schedule"] == "linear", analysis.score])
    assert [trace["x"] for trace in made["curves"]["data"]] == [[100, 200, 300]] * 3


def test_intervals_reach_as_far_as_the_tables_say_and_ratios_are_per_cent(tmp_path):
    folder = results(tmp_path)
    study = json.loads((folder / "study.json").read_text(encoding="utf-8"))
    study["question"]["scale"] = "relative"
    (folder / "study.json").write_text(json.dumps(study), encoding="utf-8")
    analysis = Analysis(load(folder))
    table = analysis.contrasts
    chart = json.loads(dashboard.charts(analysis)["differences"].to_json())
    (dots,) = chart["data"]
    assert chart["layout"]["xaxis"]["title"]["text"] == "difference in %"
    x = [100 * value for value in table["difference"]]
    assert dots["x"] == pytest.approx(x)
    ends = dots["error_x"]
    assert [value + up for value, up in zip(x, ends["array"], strict=True)] == pytest.approx(list(100 * table["high"]))
    assert [value - down for value, down in zip(x, ends["arrayminus"], strict=True)] == pytest.approx(
        list(100 * table["low"])
    )


@pytest.mark.parametrize("odd", [{"diverged": lambda *_: True}, {"seeds": 0}, {"labels": ("constant",)}, {"seeds": 1}])
def test_odd_studies_have_charts_of_plain_json(odd, tmp_path):
    for chart in dashboard.charts(Analysis(load(results(tmp_path, **odd)))).values():
        assert "NaN" not in chart.to_json()


def test_names_are_text(tmp_path):
    label = "<b>x</b>"
    folder = results(tmp_path, labels=("constant", label), kinds={"constant": "constant", label: "linear"})
    for chart in dashboard.charts(Analysis(load(folder))).values():
        assert label not in chart.to_json()


def test_the_dashboard_finds_them_in_the_study_and_saving_again_replaces_them(tmp_path):
    custom = pytest.importorskip("optuna_dashboard._custom_plot_data", reason="optuna-dashboard is not installed")
    folder = results(tmp_path)
    study = optuna.create_study()
    for _ in range(2):
        assert dashboard.save(study, folder) is None
    found = custom.get_plotly_graph_objects(study._storage.get_study_system_attrs(study._study_id))
    assert {name: json.loads(text) for name, text in found.items()} == {
        name: json.loads(chart.to_json()) for name, chart in dashboard.charts(Analysis(load(folder))).items()
    }


def test_a_database_that_is_away_is_a_sentence(tmp_path, monkeypatch):
    pytest.importorskip("optuna_dashboard", reason="optuna-dashboard is not installed")
    study = optuna.create_study()

    def away(*_):
        raise optuna.exceptions.StorageInternalError("the server is away\nand more")

    monkeypatch.setattr(study._storage, "set_study_system_attr", away)
    assert "were not stored (the server is away)" in dashboard.save(study, results(tmp_path))
