"""Verdicts and the statistics behind them, against SciPy, statsmodels, enumeration, and cases worked by hand."""

import itertools
import math
from unittest import mock

import numpy as np
import pandas as pd
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from scipy import stats as scipy_stats
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.proportion import proportion_confint

from harness import stats
from harness.stats import paired


def runs(**scores):
    """Confirmation runs: one list of scores per schedule; None is diverged, 'failed' is failed."""
    rows = []
    for schedule, values in scores.items():
        for repetition, value in enumerate(values):
            status = "diverged" if value is None else "failed" if value == "failed" else "finished"
            rows.append((schedule, repetition, status, value if status == "finished" else math.nan))
    return pd.DataFrame(rows, columns=["schedule", "repetition", "status", "fid"])


@settings(max_examples=60)
@given(st.lists(st.integers(-100_000, 100_000), min_size=2, max_size=10))
@example([0, 84_500, -29_000, -99_211, 0, 0, 0, 43_500])  # sums of the thousandths tie only but for rounding
@example([1, 1, -2, 3, -3, 700])
def test_sign_flip_equals_scipys_exact_permutation_test(thousandths):
    # SciPy gets whole numbers, whose sums are exact: it would take sums that differ by rounding for different ones.
    whole = np.array(thousandths, dtype=np.float64)
    expected = scipy_stats.permutation_test((whole,), np.sum, permutation_type="samples", n_resamples=np.inf).pvalue
    assert paired.sign_flip_p(whole / 1000) == pytest.approx(expected if whole.any() else 1.0, abs=1e-12)


def test_sign_flip_with_divergence_is_the_signed_rank_test_by_enumeration():
    differences = np.array([-np.inf, -3.0, 1.0, -2.0, np.nan, -0.5, -np.inf])
    magnitude = scipy_stats.rankdata(np.abs(np.nan_to_num(differences, nan=0.0, posinf=np.inf, neginf=-np.inf)))
    ranks = np.sign(np.nan_to_num(differences, posinf=1, neginf=-1)) * magnitude
    sums = [abs(np.dot(signs, ranks)) for signs in itertools.product((1, -1), repeat=len(ranks))]
    expected = np.mean(np.array(sums) >= abs(ranks.sum()) - 1e-9)
    assert paired.sign_flip_p(differences) == pytest.approx(expected)


def test_sign_flip_by_monte_carlo_is_near_the_t_test_and_never_zero():
    rng = np.random.default_rng(0)
    values = rng.normal(0.4, 1.0, 40)
    assert paired.sign_flip_p(values) == pytest.approx(scipy_stats.ttest_1samp(values, 0).pvalue, abs=0.01)
    assert paired.sign_flip_p(rng.normal(50, 1.0, 40)) > 0


@settings(max_examples=60)
@given(st.lists(st.floats(0, 1), min_size=1, max_size=8))
def test_holm_equals_statsmodels(p):
    with mock.patch("gc.collect"):  # which it calls each time: a second or two in a process that has trained
        np.testing.assert_allclose(paired.holm(p), multipletests(p, method="holm")[1], atol=1e-12)


@settings(max_examples=60)
@given(st.integers(0, 30), st.integers(1, 30))
def test_wilson_equals_statsmodels(successes, n):
    successes = min(successes, n)
    np.testing.assert_allclose(
        paired.wilson(successes, n), proportion_confint(successes, n, method="wilson"), atol=1e-12
    )


def test_interval_equals_scipys_paired_t():
    rng = np.random.default_rng(1)
    a, b = rng.normal(size=(2, 9))
    expected = scipy_stats.ttest_rel(a, b).confidence_interval()
    assert paired.t_interval(a - b) == pytest.approx((expected.low, expected.high))


def test_smallest_p_and_seeds_needed_are_the_notes():
    assert [paired.smallest_p(n) for n in (5, 6, 8, 10)] == [0.0625, 0.03125, 0.0078125, 0.001953125]
    assert paired.seeds_needed(1, 0.05) == 6
    assert paired.seeds_needed(5, 0.05) == 8
    assert paired.seeds_needed(15, 0.05) == 10


def test_further_seeds_give_the_power_they_promise():
    differences = np.array([0.3, 1.9, -0.8, 1.4, 0.2, 0.9, -0.3, 1.2])
    more = paired.further_seeds(differences, alpha=0.05)
    n, effect = len(differences) + more, differences.mean() / differences.std(ddof=1)
    rng = np.random.default_rng(0)
    samples = rng.normal(effect, 1.0, (4000, n))
    power = (scipy_stats.ttest_1samp(samples, 0, axis=1).pvalue < 0.05).mean()
    assert 0.76 < power < 0.86


def test_verdicts_in_a_case_worked_by_hand():
    base = [10.0, 11.0, 9.0, 10.5, 9.5, 10.2, 9.8, 10.1]
    table = stats.contrasts(
        runs(
            constant=base,
            linear=[x - 2 - 0.1 * i for i, x in enumerate(base)],
            worse=[x + 3 for x in base],
            same=[x + 0.01 * (-1) ** i for i, x in enumerate(base)],
        ),
        score="fid",
        rope=0.5,
    ).set_index("schedule")
    assert table["verdict"].to_dict() == {"linear": "better", "worse": "worse", "same": "equivalent"}
    assert table.loc["linear", "difference"] == pytest.approx(-2.35)
    assert table.loc["linear", "p"] == 2 / 2**8
    assert table.loc["linear", "p_better"] == 1.0
    assert table.loc["worse", ["low", "high"]].tolist() == pytest.approx([3.0, 3.0])


def test_direction_turns_better_round():
    base = list(np.linspace(0.4, 0.6, 8))
    frame = runs(constant=base, linear=[x + 0.2 + 0.001 * i for i, x in enumerate(base)])
    assert stats.contrasts(frame, score="fid", direction="higher")["verdict"].tolist() == ["better"]
    row = stats.contrasts(frame, score="fid", direction="higher").iloc[0]
    assert row["difference"] == pytest.approx(0.2035)
    assert row["low"] <= row["difference"] <= row["high"]
    assert stats.contrasts(frame, score="fid")["verdict"].tolist() == ["worse"]


def test_diverged_runs_count_as_worst_and_never_vanish():
    base = [10.0 + 0.1 * i for i in range(8)]
    frame = runs(constant=base, linear=[None] * 8)
    row = stats.contrasts(frame, score="fid").iloc[0]
    assert (row["verdict"], row["diverged"], row["p"], row["p_better"]) == ("worse", 8, 2 / 2**8, 0.0)
    some = stats.contrasts(runs(constant=[None] * 7 + [10.0], linear=base), score="fid").iloc[0]
    assert (some["verdict"], some["baseline_diverged"]) == ("better", 7)
    assert "7 of 8 pairs with a diverged run" in some["note"]
    both = stats.contrasts(runs(constant=[None] * 8, linear=[None] * 8), score="fid").iloc[0]
    assert (both["verdict"], both["p"], both["p_better"]) == ("undecided", 1.0, 0.5)


def test_a_single_divergence_does_not_hide_behind_better_survivors():
    base = [10.0 + 0.1 * i for i in range(8)]
    better = [x - 1 - 0.01 * i for i, x in enumerate(base)]
    assert stats.contrasts(runs(constant=base, linear=better), score="fid")["verdict"].item() == "better"
    lost = [None, None, *better[2:]]
    assert stats.contrasts(runs(constant=base, linear=lost), score="fid")["verdict"].item() == "undecided"


def test_failed_runs_leave_their_pair_only():
    base = [10.0 + 0.1 * i for i in range(9)]
    frame = runs(
        constant=base,
        linear=["failed", *[x - 1 - i * 0.01 for i, x in enumerate(base[1:])]],
        cosine=[x - 1 - i * 0.01 for i, x in enumerate(base)],
    )
    table = stats.contrasts(frame, score="fid").set_index("schedule")
    assert table["n"].to_dict() == {"linear": 8, "cosine": 9}
    assert table["failed"].to_dict() == {"linear": 1, "cosine": 0}


@pytest.mark.parametrize("n", [1, 2, 5])
def test_no_verdict_where_seeds_cannot_support_one(n):
    row = stats.contrasts(runs(constant=[10.0] * n, linear=[1.0] * n), score="fid").iloc[0]
    assert row["verdict"] == "descriptive only"
    assert row["note"] == "descriptive only: needs at least 6 seeds"
    assert row["more_seeds"] == 6 - n


def test_ties_and_identical_scores():
    row = stats.contrasts(runs(constant=[3.0] * 8, linear=[3.0] * 8), score="fid").iloc[0]
    assert (row["verdict"], row["p"], row["p_better"], row["difference"]) == ("undecided", 1.0, 0.5, 0.0)
    assert (
        stats.contrasts(runs(constant=[3.0] * 8, linear=[3.0] * 8), score="fid", rope=0.1)["verdict"].item()
        == "equivalent"
    )


def test_one_schedule_only_and_missing_baseline():
    assert stats.contrasts(runs(constant=[1.0] * 8), score="fid").empty
    with pytest.raises(ValueError, match="baseline is 'constant', but runs have: linear"):
        stats.contrasts(runs(linear=[1.0]), score="fid")
    with pytest.raises(ValueError, match="no column 'kid'"):
        stats.contrasts(runs(linear=[1.0]), score="kid")
    twice = pd.concat([runs(linear=[1.0])] * 2)
    with pytest.raises(ValueError, match="'linear', repetition 0 more than once"):
        stats.contrasts(twice, score="fid", baseline="linear")


@settings(max_examples=30)
@given(st.integers(0, 2**32 - 1))
def test_order_of_rows_and_a_shift_of_all_scores_change_no_verdict(seed):
    rng = np.random.default_rng(seed)
    frame = runs(constant=list(rng.normal(5, 1, 8)), linear=list(rng.normal(4, 1, 8)), cosine=list(rng.normal(5, 1, 8)))
    base = stats.contrasts(frame, score="fid").set_index("schedule").sort_index()
    shuffled = (
        stats.contrasts(frame.sample(frac=1, random_state=seed % 1000), score="fid").set_index("schedule").sort_index()
    )
    moved = stats.contrasts(frame.assign(fid=frame["fid"] + 7), score="fid").set_index("schedule").sort_index()
    for other in (shuffled, moved):
        np.testing.assert_allclose(other["difference"], base["difference"], atol=1e-9)
        assert other["verdict"].tolist() == base["verdict"].tolist()


def test_all_pairs_are_all_pairs_and_antisymmetric_in_meaning():
    rng = np.random.default_rng(2)
    frame = runs(a=list(rng.normal(size=8)), b=list(rng.normal(size=8)), c=list(rng.normal(size=8)))
    table = stats.all_pairs(frame, score="fid")
    assert list(zip(table["schedule"], table["baseline"], strict=True)) == [
        ("b", "a"),
        ("c", "a"),
        ("c", "b"),
    ]
    one = stats.contrasts(frame, score="fid", baseline="a").set_index("schedule")
    assert table.set_index(["schedule", "baseline"]).loc[("c", "a"), "difference"] == one.loc["c", "difference"]


def test_omnibus_is_friedmans():
    rng = np.random.default_rng(3)
    values = rng.normal(size=(3, 9))
    found = stats.omnibus(runs(a=list(values[0]), b=list(values[1]), c=list(values[2])), score="fid")
    expected = scipy_stats.friedmanchisquare(*values)
    assert (found.statistic, found.p, found.n) == pytest.approx((expected.statistic, expected.pvalue, 9))
    assert "at least 3 schedules" in stats.omnibus(runs(a=[1.0], b=[2.0]), score="fid").note


def test_summary_counts_what_was_lost():
    table = stats.summary(runs(a=[1.0, 2.0, 3.0, 10.0, None, "failed"]), score="fid").iloc[0]
    assert (table["n"], table["finished"], table["diverged"], table["failed"]) == (5, 4, 1, 1)
    assert table["mean"] == 4.0
    assert table["iqm"] == 2.5
    assert table["median"] == 3.0
    assert math.isinf(stats.summary(runs(a=[1.0, None, None]), score="fid")["median"].item())


def test_looks_give_the_sequential_judgement_over_the_replicates_up_to_the_last_look():
    rng = np.random.default_rng(6)
    base = rng.normal(10.0, 0.5, 16)
    scores = {"constant": base, "linear": base - rng.normal(3.0, 0.5, 16), "cosine": base + rng.normal(0.0, 1.0, 16)}
    frame = runs(**{label: list(values) for label, values in scores.items()})
    looks = (10, 13, 16)
    table = stats.contrasts(frame, score="fid", looks=looks).set_index("schedule")
    judged = stats.judge(scores, baseline="constant", looks=looks, alpha=0.05, rope=0.0)
    for label, found in judged.items():
        row = table.loc[label]
        assert (row["verdict"], row["look"], row["replicates"], row["done"]) == (
            found.verdict,
            found.look,
            found.n,
            found.done,
        )
        assert row[["p", "p_holm", "low", "high"]].tolist() == pytest.approx(
            [found.p, found.p_holm, found.low, found.high]
        )
        assert row["n"] == found.n
        assert row["difference"] == pytest.approx((scores[label] - base)[: found.n].mean())
    assert table["n"].to_dict() == {"linear": 10, "cosine": 16}
    assert table["more_seeds"].isna().all()


def test_one_look_at_all_replicates_says_what_the_fixed_test_says():
    rng = np.random.default_rng(7)
    frame = runs(**{label: list(rng.normal(mean, 1.0, 12)) for label, mean in (("constant", 0), ("a", 1), ("b", 2))})
    fixed, looked = (stats.contrasts(frame, score="fid", looks=looks) for looks in (None, (12,)))
    same = [column for column in fixed.columns if column not in ("more_seeds", "p", "p_holm")]
    pd.testing.assert_frame_equal(looked[same], fixed[same])
    np.testing.assert_allclose(looked[["p", "p_holm"]], fixed[["p", "p_holm"]], atol=1e-12)


def test_before_the_first_look_a_comparison_is_undecided_and_has_no_pairs():
    frame = runs(constant=[1.0, 2.0, 3.0], linear=[0.0, 1.0, 2.0], late=["failed"])
    table = stats.contrasts(frame, score="fid", looks=(8, 12)).set_index("schedule")
    row = table.loc["linear"]
    assert (row["verdict"], row["look"], row["replicates"], row["n"], row["done"]) == (
        "undecided",
        0,
        0,
        0,
        False,
    )
    assert row[["difference", "low", "high", "p", "p_holm"]].isna().all()
    assert table.loc["late", "failed"] == 1


def test_a_failed_replicate_has_ended_but_one_that_is_not_there_has_not():
    base = [10.0 + 0.1 * place for place in range(10)]
    lower = [each - 1 - 0.01 * place for place, each in enumerate(base)]
    frame = runs(constant=base, failed=["failed", *lower[1:]], gone=lower)
    frame = frame[(frame["schedule"] != "gone") | (frame["repetition"] != 4)]
    table = stats.contrasts(frame, score="fid", looks=(10,)).set_index("schedule")
    assert table["look"].to_dict() == {"failed": 1, "gone": 0}
    assert table["n"].to_dict() == {"failed": 9, "gone": 0}


@pytest.mark.parametrize("looks", [None, (10,)])
def test_relative_differences_are_ratios_whatever_the_unit(looks):
    rng = np.random.default_rng(9)
    base = np.exp(rng.normal(2.0, 0.3, 10))
    lower = base * 0.8 * np.exp(rng.normal(0.0, 0.05, 10))
    asked = {"score": "fid", "scale": "relative", "looks": looks}
    row = stats.contrasts(runs(constant=list(base), linear=list(lower)), **asked).iloc[0]
    ratios = np.log(lower / base)
    low, high = scipy_stats.ttest_1samp(ratios, 0.0).confidence_interval()
    assert row["difference"] == pytest.approx(np.exp(ratios.mean()) - 1)
    assert row["difference"] == pytest.approx(row["mean"] / row["baseline_mean"] - 1)
    assert (row["low"], row["high"]) == pytest.approx((np.expm1(low), np.expm1(high)))
    assert row["p"] == pytest.approx(paired.sign_flip_p(ratios))
    other = stats.contrasts(runs(constant=list(7 * base), linear=list(7 * lower)), **asked).iloc[0]
    assert other[["difference", "low", "high", "p"]].tolist() == pytest.approx(
        row[["difference", "low", "high", "p"]].tolist()
    )
    turned = stats.contrasts(runs(linear=list(lower), constant=list(base)), baseline="linear", **asked).iloc[0]
    assert 1 + turned["difference"] == pytest.approx(1 / (1 + row["difference"]))


def test_a_relative_rope_is_in_per_cent():
    base = np.linspace(5.0, 9.0, 10)
    near = base * np.exp(0.05 * np.array([1, -1] * 5))
    frame = runs(constant=list(base), near=list(near))
    verdicts = [
        stats.contrasts(frame, score="fid", scale="relative", rope=rope)["verdict"].item() for rope in (0.5, 10.0)
    ]
    assert verdicts == ["undecided", "equivalent"]
    with pytest.raises(ValueError, match="scale is 'log', but allowed is 'absolute' or 'relative'"):
        stats.contrasts(frame, score="fid", scale="log")


def test_relative_differences_of_scores_of_which_more_is_better_keep_their_sign():
    base = np.linspace(0.4, 0.6, 8)
    row = stats.contrasts(
        runs(constant=list(base), linear=list(1.5 * base + 0.001 * np.arange(8))),
        score="fid",
        scale="relative",
        direction="higher",
    ).iloc[0]
    assert row["verdict"] == "better"
    assert 0.5 < row["low"] <= row["difference"] <= row["high"]
