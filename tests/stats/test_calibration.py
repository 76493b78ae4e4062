"""Calibration in short form, and the committed tables; the long form is benchmarks/calibration.py."""

import math
from dataclasses import replace

import pytest

from benchmarks import calibration
from benchmarks.calibration import Setting

STUDIES = 300


@pytest.mark.parametrize(
    "setting",
    [
        Setting(schedules=3, seeds=8),
        Setting(schedules=6, seeds=10, noise="skewed", divergence=0.3),
        Setting(schedules=3, seeds=10, noise="heavy-tailed", correlation=0.8),
    ],
)
def test_false_claims_stay_within_five_per_cent_where_nothing_differs(setting):
    found = calibration.verdicts(setting, STUDIES, seed=1)
    assert found["false_claim"] <= 0.05 + 3 * math.sqrt(0.05 * 0.95 / STUDIES)
    assert found["coverage"] >= 0.92


def test_true_differences_are_found_and_never_reversed_and_more_seeds_find_more():
    small = calibration.verdicts(Setting(seeds=8, effect=1.5), STUDIES, seed=2)
    large = calibration.verdicts(Setting(seeds=20, effect=1.5), STUDIES, seed=2)
    assert small["better"] > 0.5
    assert large["better"] > max(small["better"], 0.98)
    assert small["worse"] == large["worse"] == 0


def test_equivalence_is_claimed_at_no_difference_and_seldom_at_the_edge_of_the_region():
    edge = Setting(seeds=20, effect=1.0, rope=1.0)
    assert calibration.verdicts(edge, STUDIES, seed=3)["equivalent"] <= 0.05
    assert calibration.verdicts(replace(edge, effect=0.0), STUDIES, seed=3)["equivalent"] > 0.5


def test_what_is_usually_done_is_wrong_far_more_often():
    found = calibration.practice(Setting(schedules=6), STUDIES, seed=4)
    assert found["best_of_search"] > 0.5
    assert found["t_test_3_seeds"] > 0.05
    assert found["bars_3_seeds"] > 0.1


def test_the_committed_page_follows_from_the_committed_tables_and_keeps_the_promise():
    tables = calibration.load(calibration.FOLDER)
    text = (calibration.FOLDER / "README.md").read_text(encoding="utf-8")
    command = text.split("Made by `")[1].split("`")[0]
    assert calibration.page(tables, command) == text
    null = tables["null"]
    assert (null["studies"] >= 2000).all()
    fair = null[
        null["noise"] != "heteroscedastic, skewed"
    ]  # see the page: a mean of 0 is then no absence of difference
    assert (fair["false_claim"] <= 0.05 + 3 * math.sqrt(0.05 * 0.95 / 2000)).all()
    promised = null[null["noise"].isin(["gaussian", "skewed"]) & (null["divergence"] == 0)]
    assert promised["coverage"].between(0.93, 0.97).all()
