"""Aggregates over studies: rliable's measures on a fixed array, weights of families, diverged runs, and intervals."""

import math

import numpy as np
import pandas as pd
import pytest

from harness.stats import aggregates

# Runs x tasks: logarithms of ratios to a baseline.
SCORES = np.array(
    [
        [-0.31, -0.02, 0.10, -0.55],
        [-0.12, 0.07, -0.04, -0.41],
        [-0.25, -0.11, 0.22, -0.73],
        [0.05, -0.08, 0.01, -0.38],
        [-0.40, 0.03, -0.15, -0.60],
    ]
)
# rliable 1.2.0 (arch 7.2.0): metrics.aggregate_mean, _median and _iqm of SCORES, metrics.aggregate_optimality_gap of -SCORES
# with gamma=0; library.get_interval_estimates with reps=50000 after np.random.seed(1).
RLIABLE = {
    "mean": (-0.1835, -0.237, -0.129),
    "median": (-0.114, -0.190, -0.041),
    "iqm": (-0.145, -0.210, -0.066),
    "optimality_gap": (0.024, 0.006, 0.0455),
}


def pairs(values, *, study, schedule="linear", weights="raw", lost=False):
    return pd.DataFrame(
        {
            "study": study,
            "schedule": schedule,
            "weights": weights,
            "repetition": range(len(values)),
            "value": values,
            "lost": np.isinf(values) | lost,
        }
    )


def of(tables, families=None, **options):
    """The only row."""
    joined = pd.concat(tables, ignore_index=True)
    families = families or {study: study for study in joined["study"]}
    (row,) = aggregates.aggregate(joined, families=families, **options).to_dict("records")
    return row


def test_measures_and_intervals_are_those_of_rliable():
    row = of([pairs(SCORES[:, task], study=f"study {task}") for task in range(4)])
    for name, (middle, low, high) in RLIABLE.items():
        assert math.log1p(row[name]) == pytest.approx(middle, abs=1e-8), name
        assert math.log1p(row[f"{name}_low"]) == pytest.approx(low, abs=0.004), name
        assert math.log1p(row[f"{name}_high"]) == pytest.approx(high, abs=0.004), name
    assert row["p_better"] == pytest.approx(np.mean([4 / 5, 3 / 5, 2 / 5, 1]))
    assert (row["studies"], row["families"], row["pairs"], row["lost"]) == (4, 4, 20, 0)


def test_studies_of_one_family_share_the_weight_of_one():
    """Five copies of a study say no more than the study."""
    alike = [pairs(SCORES[:, 0], study=f"length {index}") for index in range(5)]
    other = pairs(SCORES[:, 2], study="other")
    families = {f"length {index}": "digits" for index in range(5)} | {"other": "photographs"}
    many, few = of([*alike, other], families), of([alike[0], other])
    for name in aggregates.MEASURES:
        assert many[name] == pytest.approx(few[name]), name
    assert (many["studies"], many["families"]) == (6, 2)
    assert many["mean_high"] - many["mean_low"] < few["mean_high"] - few["mean_low"]  # the luck of seeds evens out
    assert sum(aggregates.shares(families).values()) == pytest.approx(1)


def test_the_median_of_an_even_weight_lies_between_the_middle_two():
    means = np.array([[-1.0, 0.0, 3.0], [3.0, -1.0, 0.0]])
    assert aggregates._median(means, np.array([0.25, 0.25, 0.5])).tolist() == [1.5, 0.0]


def test_a_diverged_run_is_worst_where_ranks_count_and_left_out_of_means():
    runs = pd.DataFrame(
        {
            "schedule": ["constant"] * 4 + ["linear"] * 4,
            "repetition": [0, 1, 2, 3] * 2,
            "status": ["finished", "finished", "diverged", "diverged", "diverged", "finished", "finished", "diverged"],
            "fid": [2.0, 2.0, math.nan, math.nan, math.nan, 1.0, 5.0, math.nan],
        }
    )
    found = aggregates.log_ratios(runs, score="fid", baseline="constant")
    assert found["value"].tolist() == [math.inf, math.log(0.5), -math.inf, 0.0]
    assert found["lost"].tolist() == [True, False, True, True]
    row = of([found.assign(study="one", weights="raw")])
    assert row["lost"] == 3
    assert row["mean"] == row["median"] == -0.5
    assert row["p_better"] == (2 + 0.5) / 4
    assert row["iqm"] == pytest.approx(math.sqrt(0.5) - 1)  # of log(0.5) and 0, the middle half
    assert row["iqm_high"] == math.inf


def test_a_higher_score_is_better_where_the_score_says_so():
    runs = pd.DataFrame(
        {"schedule": ["constant", "linear"], "repetition": 0, "status": "finished", "recall": [0.25, 0.5]}
    )
    found = aggregates.log_ratios(runs, score="recall", baseline="constant", direction="higher")
    assert found["value"].tolist() == [pytest.approx(-math.log(2))]


def test_numbers_depend_neither_on_the_order_of_studies_nor_on_other_schedules():
    tables = [pairs(SCORES[:, task], study=f"study {task}") for task in range(3)]
    more = [pairs(SCORES[:, 3], study="study 1", schedule="cosine"), *tables[::-1]]
    families = {f"study {task}": f"study {task}" for task in range(3)}
    both = aggregates.aggregate(pd.concat(more, ignore_index=True), families=families)
    assert both.set_index("schedule").loc["linear"].to_dict() | {"schedule": "linear"} == of(tables)


def test_schedules_are_resampled_together():
    """A schedule that is another with half the ratio has, in every draw, half of it: the same repetitions are drawn."""
    tables = [pairs(SCORES[:, 0], study="one"), pairs(2 * SCORES[:, 0], study="one", schedule="cosine")]
    found = aggregates.aggregate(pd.concat(tables, ignore_index=True), families={"one": "one"}).set_index("schedule")
    for end in ("mean", "mean_low", "mean_high"):
        assert math.log1p(found.loc["cosine", end]) == pytest.approx(2 * math.log1p(found.loc["linear", end]))


@pytest.mark.parametrize(("studies", "size", "least"), [(5, 8, 0.90), (3, 5, 0.75)])
def test_intervals_cover_other_tunings_and_seeds_of_the_same_studies(studies, size, least):
    """Of eight pairs and more about 95 %; of five, as every bootstrap of five numbers, too little (docs/reading.md)."""
    rng = np.random.default_rng(7)
    effects = np.linspace(-0.4, 0.1, studies)
    truth = {"mean": effects.mean(), "median": np.median(effects)}
    inside = dict.fromkeys(truth, 0)
    for _ in range(150):
        tables = [pairs(rng.normal(effect, 0.25, size), study=str(study)) for study, effect in enumerate(effects)]
        row = of(tables, draws=400)
        for name, value in truth.items():
            inside[name] += row[f"{name}_low"] <= math.expm1(value) <= row[f"{name}_high"]
    assert min(inside.values()) / 150 >= least, inside
