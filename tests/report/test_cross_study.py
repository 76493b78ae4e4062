"""The page across studies: ranks, effects and step budgets are those of the studies' own tables."""

import json

import pandas as pd
import pytest

from harness import stats
from harness.report import cross_study
from harness.report.analysis import Analysis
from harness.results import load
from tests.report.example import results


def test_cross_study_page(tmp_path):
    one, two = results(tmp_path / "one"), results(tmp_path / "two", labels=("constant", "linear"))
    made = cross_study.build([one, two], output=tmp_path / "cross")
    text = made.read_text(encoding="utf-8")
    assert "example" in text
    ranks = pd.read_csv(tmp_path / "cross" / "ranks.csv").set_index("schedule")
    assert ranks.loc["linear", "studies"] == 2
    effects = pd.read_csv(tmp_path / "cross" / "effects.csv")
    base = stats.contrasts(Analysis(load(one)).confirmed, score="fid_digits_5k", rope=0.1).set_index("schedule")
    expected = base.loc["linear", "difference"] / base.loc["linear", "baseline_mean"]
    assert effects.iloc[0]["relative"] == pytest.approx(expected)


def renamed(folder, **changes):
    """The study with other facts: name, steps or network."""
    study = json.loads((folder / "study.json").read_text(encoding="utf-8"))
    study["name"] = changes["name"]
    study["spec"]["train"]["steps"] = changes.get("steps", 300)
    study["spec"]["network"]["name"] = changes.get("network", "dcgan")
    (folder / "study.json").write_text(json.dumps(study), encoding="utf-8")
    return folder


def test_a_sweep_is_of_studies_that_differ_in_their_steps_alone(tmp_path):
    studies = [
        renamed(results(tmp_path / "b", noise=0.1), name="digits-half", steps=1000),
        renamed(results(tmp_path / "a"), name="digits", steps=2000),
        renamed(results(tmp_path / "c"), name="other", steps=1000, network="article"),
    ]
    made = cross_study.build(studies, output=tmp_path / "cross")
    found = pd.read_csv(tmp_path / "cross" / "sweeps.csv")
    assert set(found["group"]) == {"digits"}
    assert list(found["study"]) == ["digits-half"] * 2 + ["digits"] * 2  # by steps
    of = found.set_index(["steps", "schedule"])["difference"]
    for steps, folder in ((1000, studies[0]), (2000, studies[1])):
        wanted = Analysis(load(folder)).contrasts.set_index("schedule")["difference"]
        assert of[steps].to_dict() == pytest.approx(wanted.to_dict())
    text = made.read_text(encoding="utf-8")
    assert 'id="figure-sweeps"' in text
    assert "linear: better in 3 of 3" in text
    assert "digits-half" in (tmp_path / "cross" / "report.md").read_text(encoding="utf-8")
    cross_study.build([studies[0], studies[2]], output=tmp_path / "no")
    assert pd.read_csv(tmp_path / "no" / "sweeps.csv").empty
