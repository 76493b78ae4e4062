"""Spreads by source: closed forms, and intervals that hold the truth as often as they say, by simulation."""

import math

import numpy as np
import pandas as pd
import pytest

from harness.stats import variance
from harness.stats.variance import Spread

STUDIES = 4000


def within(share, *, level=0.95, studies=STUDIES):
    """Whether a share of studies is the level, up to four standard errors."""
    return abs(share - level) < 4 * math.sqrt(level * (1 - level) / studies)


def test_the_spread_of_three_numbers_by_hand():
    found = Spread.of([1.0, 2.0, 3.0, math.inf, math.nan])
    assert (found.n, found.mean, found.sd) == (3, 2.0, 1.0)
    # the chi-square law with 2 degrees of freedom is exponential: quantile -2 ln(1 - q)
    assert found.low == pytest.approx(math.sqrt(2 / (-2 * math.log(0.025))))
    assert found.high == pytest.approx(math.sqrt(2 / (-2 * math.log(0.975))))
    assert math.isnan(Spread.of([1.0]).sd)
    assert Spread.of([4.0, 4.0]).high == 0.0


@pytest.mark.parametrize("n", [3, 10])
def test_intervals_of_spreads_and_ratios_hold_the_truth_as_often_as_they_say(n):
    rng = np.random.default_rng(n)
    spreads = [Spread.of(row) for row in rng.normal(5, 2.0, (STUDIES, n))]
    others = [Spread.of(row) for row in rng.normal(5, 0.5, (STUDIES, 11))]
    assert within(np.mean([each.low <= 2.0 <= each.high for each in spreads]))
    ratios = [variance.ratio(one, other) for one, other in zip(spreads, others, strict=True)]
    assert within(np.mean([low <= 4.0 <= high for _, low, high in ratios]))


@pytest.mark.parametrize(
    ("sources", "together"),
    [
        ((1.0, 1.0, 1.0), math.sqrt(3)),
        ((1.0, 1.0, 1.0), 1.0),
        ((3.0, 0.5, 0.1), math.sqrt(9.26)),
        ((0.2, 0.2, 2.0), 1.0),
    ],
)
def test_sums_of_sources_over_all_together_are_covered_nearly_as_often(sources, together):
    rng = np.random.default_rng(1)
    truth = sum(sd**2 for sd in sources) / together**2
    held = []
    for _ in range(STUDIES):
        spreads = [Spread.of(rng.normal(0, sd, 10)) for sd in sources]
        _, low, high = variance.added_up(spreads, Spread.of(rng.normal(0, together, 10)))
        held.append(low <= truth <= high)
    assert 0.94 < np.mean(held) < 0.985  # the interval is approximate, and errs to the safe side


def test_scores_that_are_skewed_as_small_gans_scores_are_lose_little_coverage():
    """A log-normal of a coefficient of variation of 15 %, the level of our own studies."""
    rng = np.random.default_rng(2)
    sigma = math.sqrt(math.log(1 + 0.15**2))
    truth = math.sqrt((math.exp(sigma**2) - 1) * math.exp(sigma**2))
    spreads = [Spread.of(row) for row in np.exp(rng.normal(0, sigma, (STUDIES, 10)))]
    assert np.mean([each.low <= truth <= each.high for each in spreads]) > 0.92


def frame(scores, status="finished"):
    return pd.DataFrame(
        [
            {"schedule": schedule, "source": source, "score": value, "status": status}
            for (schedule, source), values in scores.items()
            for value in values
        ]
    )


def test_tables_by_hand():
    runs = frame(
        {
            ("linear", "together"): [1.0, 5.0],  # variance 8
            ("linear", "weights"): [2.0, 4.0],  # 2
            ("linear", "data"): [1.0, 3.0, math.nan],  # 2
            ("linear", "evaluation"): [3.0, 3.0 + math.sqrt(2.0)],  # 1
            ("constant", "together"): [1.0, 2.0],
        }
    )
    runs.loc[runs["score"].isna(), "status"] = "diverged"
    table = variance.by_source(runs, score="score").set_index(["schedule", "source"])
    assert table.loc[("linear", "weights"), "sd"] == pytest.approx(math.sqrt(2))
    assert table.loc[("linear", "weights"), "cv"] == pytest.approx(math.sqrt(2) / 3)
    assert table.loc[("linear", "weights"), "share"] == pytest.approx(1 / 4)
    assert table.loc[("linear", "data"), "lost"] == 1
    both = variance.combined(runs, score="score", training=["weights", "data"]).set_index("schedule")
    assert both.loc["linear", "ratio"] == pytest.approx(math.sqrt(8))
    assert both.loc["linear", "alone"] == pytest.approx(2.0)
    assert both.loc["linear", "sum"] == pytest.approx(0.5)
    assert both.loc["linear", "sum_low"] < 0.5 < both.loc["linear", "sum_high"]
    assert both.loc["constant", ["ratio", "sum"]].isna().all()


def test_units_change_no_ratio():
    rng = np.random.default_rng(3)
    runs = frame({("a", source): rng.normal(5, 1, 10) for source in ("together", "weights", "data", "evaluation")})
    other = runs.assign(score=1000 * runs["score"])
    tables = [variance.combined(each, score="score", training=["weights", "data"]) for each in (runs, other)]
    names = ["ratio", "ratio_low", "ratio_high", "sum", "sum_low", "sum_high"]
    np.testing.assert_allclose(tables[0][names], tables[1][names])
