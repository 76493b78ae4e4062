"""Search and curve analyses against enumeration and cases worked by hand."""

import itertools
import math

import numpy as np
import pandas as pd
import pytest
from scipy import stats as distributions

from harness import stats
from harness.stats.search import expected_best


def search(**scores):
    rows = [
        (
            schedule,
            "search",
            "finished" if value is not None else "diverged",
            10.0 ** (-4 + place),
            value,
            True,
        )
        for schedule, values in scores.items()
        for place, value in enumerate(values)
    ]
    return pd.DataFrame(rows, columns=["schedule", "phase", "status", "params_peak", "fid", "chosen"])


@pytest.mark.parametrize("budget", [1, 2, 3, 5, 6])
def test_expected_best_is_the_mean_over_all_subsets(budget):
    values = [3.0, 1.0, 4.0, 1.5, 9.0, 2.6]
    expected = np.mean([min(chosen) for chosen in itertools.combinations(values, budget)])
    assert expected_best(values, budget) == pytest.approx(expected, rel=1e-12)
    assert expected_best([1.0, math.inf, math.inf], 3) == 1.0
    assert math.isinf(expected_best([1.0, math.inf, math.inf], 2))
    with pytest.raises(ValueError, match="budget is 7, but allowed is 1 to 6"):
        expected_best(values, 7)


def test_bands_only_up_to_an_eighth_and_lines_up_to_a_half():
    rng = np.random.default_rng(0)
    table = stats.budget_curves(search(a=list(rng.normal(5, 1, 32))), score="fid", rng=rng)
    assert table["budget"].max() == 16
    assert table.loc[table["low"].notna(), "budget"].max() == 4
    inside = table.dropna()
    assert ((inside["low"] <= inside["expected"]) & (inside["expected"] <= inside["high"])).all()


def test_sensitivity_by_hand():
    # rates 1e-4, 1e-3, 1e-2, 1e-1: best 5.0 at 1e-3; 5.4 at 1e-2 is within 10 %, 9 and the diverged one are not
    row = stats.sensitivity(search(a=[9.0, 5.0, 5.4, None]), score="fid").iloc[0]
    assert row["best_rate"] == pytest.approx(1e-3)
    assert row["basin_decades"] == pytest.approx(1.0)
    assert row["share"] == 0.5
    assert row["double"] == pytest.approx(5.0 + 0.4 * math.log10(2))
    assert row["half"] == pytest.approx(5.0 + 4.0 * math.log10(2))
    edge = stats.sensitivity(search(a=[1.0, 2.0]), score="fid").iloc[0]
    assert math.isnan(edge["half"])


def test_boundary_flags():
    space = {"peak": {"low": 1e-4, "high": 1e-1, "log": True}}
    flags = stats.boundary_flags(
        search(low=[1.0, 2, 3, 4], middle=[2.0, 1, 3, 4], high=[4.0, 3, 2, 1]), space, score="fid"
    )
    assert list(zip(flags["schedule"], flags["edge"], strict=True)) == [("low", "lower"), ("high", "upper")]


def test_optimism_is_search_best_minus_confirmed_mean():
    frame = search(a=[3.0, 2.0])
    confirmed = frame.assign(phase="confirm", fid=[2.5, 3.5])
    row = stats.optimism(pd.concat([frame, confirmed]), score="fid").iloc[0]
    assert (row["search_best"], row["confirmed"], row["optimism"]) == (2.0, 3.0, -1.0)


def curves(**runs):
    rows = [
        (run.split("_")[0], run, 10 * (place + 1), value)
        for run, values in runs.items()
        for place, value in enumerate(values)
    ]
    return pd.DataFrame(rows, columns=["schedule", "run", "step", "fid"])


def test_final_against_best_by_hand():
    row = stats.final_against_best(curves(a_1=[4.0, 2.0, 3.0], a_2=[4.0, 3.0, 2.0]), score="fid").iloc[0]
    assert (row["final"], row["best"]) == (2.5, 2.0)
    assert row["final_over_best"] == pytest.approx(1.25)
    assert row["roughness"] == pytest.approx((1.0 / 2 / 2 + 0) / 2)


def test_bands_are_t_intervals_of_the_level_asked_for_and_end_where_scores_do():
    table = curves(a_1=[4.0, 0.1], a_2=[5.0, 0.9], a_3=[7.5, math.nan], b_1=[1.0])
    for alpha in (0.05, 0.2):
        found = stats.curve_bands(table, score="fid", alpha=alpha, least=0.0).set_index(["schedule", "step"])
        low, high = distributions.t.interval(1 - alpha, 2, 5.5, distributions.sem([4.0, 5.0, 7.5]))
        assert found.loc[("a", 10), ["n", "mean", "low", "high"]].tolist() == pytest.approx([3, 5.5, low, high])
    assert found.loc[("a", 20), ["n", "low"]].tolist() == [2, 0.0]  # the t interval itself would begin below zero
    assert found.loc[("b", 10)].isna()[["low", "high"]].all()


def test_time_to_target_censors_runs_that_never_get_there():
    table = curves(a_1=[4.0, 2.0, 1.0], a_2=[4.0, 3.0, 1.5], a_3=[4.0, 4.0, 4.0])
    runs = pd.DataFrame({"schedule": "a", "run": ["a_1", "a_2", "a_3"], "status": "finished", "steps": 30})
    row = stats.time_to_target(table, runs, score="fid", target=2.0).iloc[0]
    assert row["reached"] == pytest.approx(2 / 3)
    assert row["median_step"] == 30.0
    assert math.isnan(stats.time_to_target(table, runs, score="fid", target=0.5)["median_step"].item())


def test_averaging_that_replaces_decay_shows_as_interaction():
    rng = np.random.default_rng(4)
    noise = rng.normal(0, 0.05, (8, 4))
    rows = []
    for repetition in range(8):
        rows.append(("constant", repetition, "finished", 3.0 + noise[repetition, 0], 2.0 + noise[repetition, 1]))
        rows.append(("linear", repetition, "finished", 2.0 + noise[repetition, 2], 2.0 + noise[repetition, 3]))
    frame = pd.DataFrame(rows, columns=["schedule", "repetition", "status", "fid", "fid_ema"])
    row = stats.ema_interaction(frame, raw="fid", averaged="fid_ema").iloc[0]
    assert row["raw"] == pytest.approx(-1.0, abs=0.1)
    assert row["ema"] == pytest.approx(0.0, abs=0.1)
    assert row["low"] < 1.0 < row["high"]
    assert row["low"] > 0
    assert row["gain"] == pytest.approx(-1.0, abs=0.1)


def test_across_studies():
    summaries = {
        "one": pd.DataFrame({"schedule": ["a", "b", "c"], "mean": [1.0, 2.0, 3.0]}),
        "two": pd.DataFrame({"schedule": ["b", "a"], "mean": [1.0, math.nan]}),
    }
    ranks = stats.average_ranks(summaries, schedules=["a", "b"], share={"one": 0.75, "two": 0.25})
    assert ranks.to_dict("records") == [
        {"schedule": "a", "rank": 1.25, "best": 1.0, "worst": 2.0},  # a schedule without a mean is last
        {"schedule": "b", "rank": 1.75, "best": 1.0, "worst": 2.0},
    ]
    turned = stats.average_ranks(summaries, schedules=["a", "b"], share={"one": 1.0, "two": 0.0}, higher=["one"])
    assert turned.set_index("schedule")["rank"].to_dict() == {"b": 1.0, "a": 2.0}
    contrasts = {
        name: pd.DataFrame(
            {
                "schedule": ["b"],
                "baseline_mean": [4.0],
                "difference": [-1.0],
                "low": [-2.0],
                "high": [0.0],
                "verdict": [verdict],
                "n": [8],
            }
        )
        for name, verdict in (("one", "better"), ("two", "undecided"))
    }
    assert stats.verdict_matrix(contrasts).to_dict("records") == [
        {"schedule": "b", "one": "better", "two": "undecided"}
    ]
    assert stats.effect_sizes(contrasts)["relative"].tolist() == [-0.25, -0.25]
