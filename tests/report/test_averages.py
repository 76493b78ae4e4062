"""The report of a study with several averages: decay × average as one surface, and which pair may be the best."""

import json
import math

import pandas as pd
import pytest

from harness import report
from harness.report import sentences
from harness.report.analysis import Analysis
from harness.results import load
from tests.report.example import figures_of, replicated, results, tables_of

FID = "fid_digits_5k"


def with_averages(folder, **train):
    """The folder of a study with three averages: the further ones improve linear by 1 and by 2."""
    runs = pd.read_csv(folder / "runs.csv")
    averaged = runs[f"{FID}_ema"]
    for name, gain in (("ema0.9", 1.0), ("ema0.9999", 2.0)):
        runs[f"{FID}_{name}"] = averaged - gain * (runs["schedule"] == "linear")
    runs.to_csv(folder / "runs.csv", index=False)
    study = json.loads((folder / "study.json").read_text())
    study["spec"]["train"] |= {"ema": [0.999, 0.9, 0.9999]} | train
    (folder / "study.json").write_text(json.dumps(study))
    return Analysis(load(folder))


def test_the_surface_has_a_row_per_schedule_and_average_from_short_to_long(tmp_path):
    analysis = with_averages(results(tmp_path, noise=0.02))
    surface = analysis.tables["averages"]
    assert surface["weights"].tolist() == ["raw", "ema0.9", "ema", "ema0.9999"] * 3
    assert surface[surface["may_be_best"]][["schedule", "weights"]].values.tolist() == [["linear", "ema0.9999"]]
    assert analysis.best_pair.startswith(
        "Of 12 pairs of schedule and weights, linear with EMA 0.9999 has the lowest mean Fréchet distance (1.8"
    )
    assert "Each other pair is worse than some pair: at 95 % this is the best." in analysis.best_pair
    assert "chosen by the score of raw weights, which favours these" in analysis.best_pair
    table = tables_of(analysis)["averages"]
    assert table.heads == ("schedule", "raw weights", "EMA 0.9", "EMA 0.999", "EMA 0.9999")
    assert [cell.text.endswith("•") for row in table.rows for cell in row].count(True) == 1
    gaps = surface.set_index(["schedule", "weights"])["interaction"]
    known = analysis.tables["ema"].set_index("schedule")["interaction"]
    assert gaps["linear", "ema"] == pytest.approx(known["linear"])
    assert gaps["linear", "ema0.9999"] == pytest.approx(known["linear"] - 2.0)
    assert "averages" in figures_of(analysis)


def test_pairs_that_nothing_tells_apart_are_all_said_to_be_possible(tmp_path):
    phases = {"search": {"trials": 0, "sampler": "sobol", "allocation": "balanced"}}
    analysis = with_averages(results(tmp_path, noise=5.0, trials=0, phases=phases), ema=[0.999, 0.9])
    count = int(analysis.tables["averages"]["may_be_best"].sum())
    assert count > 5
    assert f"{count - 1} other pairs may as well be the best" in analysis.best_pair
    assert f"At 95 % the best pair is one of these {count}, whichever was tried." in analysis.best_pair
    assert "chosen by" not in analysis.best_pair  # nothing was


@pytest.mark.parametrize("make", [results, replicated])
def test_every_page_with_several_averages_follows_from_its_tables(make, tmp_path):
    folder = make(tmp_path)
    analysis = with_averages(folder)
    report.build(folder)
    assert report.stale(folder) == []
    for name in ("report.html", "report.md"):
        assert sentences.listed(["EMA 0.9", "EMA 0.9999"]).split(" and ")[0] in (folder / name).read_text("utf-8")
    expected = 8 if make is replicated else analysis.units["repetition"].nunique()
    assert set(analysis.tables["averages"]["n"]) == {expected}  # of the first look alone


def test_half_lives_are_named_in_images(tmp_path):
    analysis = with_averages(results(tmp_path))
    train = analysis.results.study.spec.train.model_copy(update={"ema_half_lives": [20_000, 500]})
    assert train.averages == {"ema500": "EMA 500 images", "ema": "EMA 20,000 images"}
    assert train.half_lives["ema500"] == pytest.approx(500 / train.batch / train.steps)
    assert train.half_lives["ema"] == pytest.approx(
        math.log(0.5) / math.log(300 / 309) / 300
    )  # the ramp's, of 300 steps
    assert train.model_copy(update={"ema": 0.9, "ema_half_lives": []}).half_lives["ema"] == pytest.approx(
        6.579 / 300, 1e-4
    )


def test_a_study_with_one_average_has_no_surface(tmp_path):
    analysis = Analysis(load(results(tmp_path)))
    assert "averages" not in analysis.tables
    assert "averages" not in tables_of(analysis)
    assert analysis.best_pair == ""
