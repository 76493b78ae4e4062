"""Calibration in short form, and the committed tables; the long form is `python -m benchmarks.calibration`."""

import math
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from benchmarks.calibration import __main__ as command
from benchmarks.calibration import growth, judged, page, truth, whole
from benchmarks.calibration.whole import Design
from benchmarks.calibration.worlds import Setting, scores
from harness import stats

STUDIES = 300
SIGMA = math.sqrt(0.05 * 0.95 / STUDIES)


@pytest.mark.parametrize(
    "setting",
    [
        Setting(schedules=3, looks=(8,)),
        Setting(schedules=6, looks=(10,), noise="skewed", divergence=0.3),
        Setting(schedules=3, looks=(10,), noise="heavy-tailed", correlation=0.8),
        Setting(schedules=3, looks=(6, 10, 16)),
    ],
)
def test_false_claims_stay_within_five_per_cent_where_nothing_differs(setting):
    found = judged.verdicts(setting, STUDIES, seed=1)
    assert found["false_claim"] <= 0.05 + 4 * SIGMA
    assert found["coverage"] >= 0.92


def test_true_differences_are_found_and_never_reversed_and_more_seeds_find_more():
    small = judged.verdicts(Setting(looks=(8,), effect=1.5), STUDIES, seed=2)
    large = judged.verdicts(Setting(looks=(16,), effect=1.5), STUDIES, seed=2)
    assert small["better"] > 0.5
    assert large["better"] > max(small["better"], 0.95)
    assert small["worse"] == large["worse"] == 0


def test_looks_stop_a_study_early_where_the_difference_is_large_and_never_where_nothing_is_decided():
    early = judged.verdicts(Setting(looks=(12, 20), effect=4.0), 100, seed=3)
    assert early["better"] == 1
    assert early["replicates"] == 12
    same = judged.verdicts(Setting(looks=(12, 20)), 100, seed=3)
    assert same["replicates"] > 19


def test_equivalence_is_claimed_at_no_difference_and_seldom_at_the_edge_of_the_region():
    edge = Setting(looks=(20,), effect=1.0, rope=1.0)
    assert judged.verdicts(edge, 100, seed=3)["equivalent"] <= 0.05 + 4 * math.sqrt(0.05 * 0.95 / 100)
    assert judged.verdicts(replace(edge, effect=0.0), 100, seed=3)["equivalent"] > 0.5


@pytest.mark.parametrize("looks", [(8,), (12, 16, 20), (6, 10)])
@pytest.mark.parametrize(("schedules", "divergence", "effect"), [(3, 0.1, 0.0), (4, 0.3, 0.5)])
def test_studies_left_out_for_speed_are_those_that_are_undecided(looks, schedules, divergence, effect):
    drawn = scores(Setting(schedules, divergence=divergence, effect=effect), np.random.default_rng(8), 20, looks[-1])
    drawn = np.where(np.arange(20)[:, None, None] % 2, drawn, np.round(drawn))  # every other study has ties
    left_out = judged.undecided(drawn, looks)
    assert left_out.any()
    for fast, values in zip(judged.all_judged(drawn, looks), drawn, strict=True):
        for label, one in judged.judged(values, looks).items():
            assert (fast[label].verdict, fast[label].look, fast[label].n) == (one.verdict, one.look, one.n)
            assert (fast[label].low, fast[label].high) == pytest.approx((one.low, one.high), nan_ok=True)


def test_one_look_is_what_contrasts_says_of_all_pairs():
    for values in scores(Setting(effect=1.0, divergence=0.1), np.random.default_rng(5), 20, 10):
        runs = pd.DataFrame(
            {
                "schedule": ["s0", "s1", "s2"] * 10,
                "repetition": np.repeat(np.arange(10), 3),
                "status": np.where(np.isfinite(values), "finished", "diverged").ravel(),
                "fid": np.where(np.isfinite(values), values, np.nan).ravel(),
            }
        )
        rows = stats.contrasts(runs, score="fid", baseline="s0").set_index("schedule")
        for label, one in judged.judged(values, (10,), with_p=True).items():
            assert one.verdict == rows.loc[label, "verdict"]
            assert one.p_holm == pytest.approx(rows.loc[label, "p_holm"])
            assert (one.low, one.high) == pytest.approx((rows.loc[label, "low"], rows.loc[label, "high"]))


def test_what_is_usually_done_is_wrong_far_more_often():
    found = judged.practice(Setting(schedules=6), STUDIES, seed=4)
    assert found["best_of_search"] > 0.5
    assert found["t_test_3_seeds"] > 0.05
    assert found["bars_3_seeds"] > 0.1


@pytest.mark.parametrize("path", growth.PATHS)
def test_what_is_added_changes_no_verdict_of_the_plan(path):
    _, follow, schedules, replicates = growth.PATHS[path]
    first, second = (
        scores(Setting(schedules), np.random.default_rng(seed), 30, replicates) for seed in (6, 7)
    )  # as many others added to the same plan
    planned, of_plan = (10, 3) if path == "confirm.seeds raised" else (growth.LOOKS[-1], growth.PLANNED)
    second[:, :planned, :of_plan] = first[:, :planned, :of_plan]
    assert (follow(first)[0] == follow(second)[0]).all()


def test_whole_studies_train_the_runs_of_their_design_and_a_large_effect_is_found():
    made = whole.whole(8.0, 6.0, Design(3, 0, 1, 12, 20), 4, seed=1)
    assert made["better"] == 1
    assert made["replicates"] == 12
    assert made["runs"] == 80


def test_studies_drawn_from_a_table_without_noise_give_its_differences(tmp_path):
    table = pd.DataFrame(
        [
            {"schedule": label, "point": point, "seed": seed, "peak": 1.0, "raw": mean, "ema": mean}
            for label, mean in (("constant", 3.0), ("linear", 2.0))
            for point in range(16)
            for seed in range(8)
        ]
    )
    table.to_csv(tmp_path / truth.TABLES["2,000 steps"], index=False)
    for scale, effect in (("absolute", -1.0), ("relative", math.log(2 / 3))):
        (row,) = truth.resampled("2,000 steps", "raw", scale, Design(3, 0, 1, 8, 8), 5, 1, tmp_path)
        assert row["effect"] == pytest.approx(effect)
        assert row["better"] == 1
        assert row["sd"] == pytest.approx(0, abs=1e-12)


def test_a_tuning_takes_the_best_of_all_points_where_scores_have_no_noise():
    ordered = np.repeat(np.arange(16.0)[:, None], 8, axis=1)
    found = truth.Truth({"constant": ordered, "linear": ordered[::-1]})
    for design in (Design(16, 0, 10), Design(16, 3, 10)):
        assert (truth.tunings(found, design, 10, np.random.default_rng(1)) == [0, 15]).all()


def test_the_committed_page_follows_from_the_committed_tables():
    tables = command.load(truth.FOLDER)
    text = (truth.FOLDER / "README.md").read_text(encoding="utf-8")
    assert page.page(tables, text.split("Made by `")[1].split("`")[0]) == text


def test_the_committed_tables_keep_the_promise():
    tables = command.load(truth.FOLDER)
    null = tables["null"]
    assert (null["studies"] >= 2000).all()
    error = math.sqrt(0.05 * 0.95 / 2000)
    symmetric = null[null["noise"] != "heteroscedastic, skewed"]
    assert (symmetric["false_claim"] <= 0.05 + 4 * error).all()
    assert (tables["growth"]["plan"][tables["growth"]["noise"] != "heteroscedastic, skewed"] <= 0.05 + 4 * error).all()
