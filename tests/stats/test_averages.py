"""Which pair of schedule and average may be the best, against SciPy, closed forms and simulation."""

import math

import numpy as np
import pandas as pd
import pytest
import scipy.stats

from harness import stats
from harness.stats.averages import p_best


def frame(scores, status=None):
    """Runs with scores by column, {schedule: {column: values by seed}}."""
    rows = [
        {
            "schedule": label,
            "repetition": seed,
            "status": (status or {}).get((label, seed), "finished"),
            **{column: values[seed] for column, values in columns.items()},
        }
        for label, columns in scores.items()
        for seed in range(len(next(iter(columns.values()))))
    ]
    return pd.DataFrame(rows)


def test_of_two_columns_p_is_the_one_sided_sign_flip_test():
    rng = np.random.default_rng(1)
    values = rng.normal(loc=(0.0, 0.4), size=(9, 2))
    for column, other in ((0, 1), (1, 0)):
        expected = scipy.stats.permutation_test(
            (values[:, column], values[:, other]),
            lambda a, b, axis: np.sum(a - b, axis=axis),
            permutation_type="samples",
            alternative="greater",
            n_resamples=np.inf,
        ).pvalue
        assert p_best(values)[column] == pytest.approx(expected, abs=1e-12)


def test_columns_that_are_the_same_are_all_the_best_and_each_shift_is_seen():
    column = np.random.default_rng(2).normal(size=8)
    np.testing.assert_array_equal(p_best(np.stack([column] * 3, axis=1)), 1.0)
    worse = np.stack([column, column + 1e-9, column + 2.0], axis=1)
    # Of the middle one, all signs turned is as far from 0: then it is the last column that is better.
    np.testing.assert_allclose(p_best(worse), [1.0, 2 * 2**-8, 2**-8])


def test_a_column_that_diverged_is_no_candidate():
    values = np.random.default_rng(3).normal(size=(8, 3))
    values[:, 2] = np.inf
    assert p_best(values)[2] == 2**-8
    values[2:, 2] = 0.0
    assert p_best(values)[2] > p_best(np.column_stack([values[:, :2], np.full(8, np.inf)]))[2]


@pytest.mark.parametrize("gaps", [0.0, 0.3])
def test_the_best_column_is_missed_in_no_more_studies_than_alpha(gaps):
    """Equal means are the worst case; correlated columns, of which some move with the best, are what averages are."""
    rng, studies, missed = np.random.default_rng(4), 1500, 0
    for _ in range(studies):
        common = rng.normal(size=(7, 1))
        values = 0.8 * common + rng.normal(size=(7, 6)) * [1.0, 0.1, 0.1, 2.0, 1.0, 0.5] + gaps * np.arange(6)
        missed += p_best(values)[0] <= 0.05
    assert missed / studies <= 0.05 + 4 * math.sqrt(0.05 * 0.95 / studies)


def scores(rng, n=8):
    return {
        label: {column: 5.0 + effect + rng.normal(size=n) for column in ("raw", "ema", "ema0.9")}
        for label, effect in (("constant", 0.0), ("linear", -0.5), ("step", 0.7))
    }


@pytest.mark.parametrize("scale", ["absolute", "relative"])
def test_effects_and_interactions_are_those_of_the_other_tables(scale):
    runs = frame(scores(np.random.default_rng(5)))
    columns = {name: name for name in ("raw", "ema0.9", "ema")}
    table = stats.surface(runs, scores=columns, scale=scale).set_index(["schedule", "weights"])
    assert list(table.loc["linear"].index) == ["raw", "ema0.9", "ema"]
    for weights in ("ema0.9", "ema"):
        known = stats.ema_interaction(runs, raw="raw", averaged=weights, scale=scale).set_index("schedule")
        for label in ("linear", "step"):
            row = table.loc[label, weights]
            found = [row[name] for name in ("effect", "interaction", "interaction_low", "interaction_high")]
            np.testing.assert_allclose(found, known.loc[label, ["ema", "interaction", "low", "high"]].tolist())
    for weights in columns:
        contrasts = stats.contrasts(runs, score=weights, scale=scale).set_index("schedule")
        np.testing.assert_allclose(table.loc["linear", weights]["effect"], contrasts.loc["linear", "difference"])
        np.testing.assert_allclose(table.loc["linear", weights]["mean"], contrasts.loc["linear", "mean"])
    assert math.isnan(table.loc["constant", "ema"]["effect"])


def test_a_seed_that_failed_for_one_pair_counts_for_none_and_a_diverged_one_counts_as_worst():
    made = scores(np.random.default_rng(6))
    for column in made["step"].values():
        column -= 40.0  # the best, unless it diverges
    table = stats.surface(
        frame(made, status={("step", seed): "diverged" for seed in range(7)} | {("linear", 7): "failed"}),
        scores={name: name for name in ("raw", "ema")},
    ).set_index(["schedule", "weights"])
    assert set(table["n"]) == {7}
    assert table.loc["step", "raw"]["finished"] == 0
    assert not table.loc["step"]["may_be_best"].any()
    assert stats.surface(frame(made).query("repetition < 1"), scores={"raw": "raw"}).empty


def test_what_replaces_what_is_in_ratios_of_pairs_that_finished():
    scores = {
        "constant": {"fid": [4.0, 8.0, 2.0], "fid_ema": [2.0, 4.0, 1.0]},
        "linear": {"fid": [1.0, 4.0, 9.0], "fid_ema": [1.0, 2.0, 9.0]},
    }
    found = stats.replacement(
        frame(scores, {("linear", 2): "diverged"}), scores={"raw": "fid", "ema": "fid_ema"}, baseline="constant"
    )
    rows = {(row["what"], row["schedule"], row["weights"]): row for row in found.to_dict("records")}
    assert {key: (row["n"], row["difference"]) for key, row in rows.items()} == {
        ("averaging", "constant", "ema"): (3, pytest.approx(-0.5)),
        ("decay", "linear", "raw"): (2, pytest.approx(math.sqrt(1 / 8) - 1)),
        ("decay", "linear", "ema"): (2, pytest.approx(-0.5)),
        ("decay instead of averaging", "linear", "ema"): (2, pytest.approx(math.sqrt(1 / 2) - 1)),
    }
    logs = np.log([1.0 / 4.0, 4.0 / 8.0])
    low, high = scipy.stats.t.interval(0.95, 1, loc=logs.mean(), scale=logs.std(ddof=1) / math.sqrt(2))
    row = rows["decay", "linear", "raw"]
    assert (row["low"], row["high"]) == pytest.approx((math.expm1(low), math.expm1(high)))
