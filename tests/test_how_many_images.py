"""How many images a score needs: the law of its bias, and what the committed table must show."""

import numpy as np
import pandas as pd
import pytest

from benchmarks import how_many_images
from benchmarks.how_many_images import BLURRED, PARTITIONS, effective_rank, first_order_bias
from harness.metrics.frechet import Moments, frechet_to


def test_the_law_of_one_variance_has_a_closed_form():
    # S = s I of d dimensions: trace d s, pairs s / 2 each, diagonal twice.
    d, s = 7, 3.0
    assert first_order_bias(s * np.eye(d), images=100, reference=400) == pytest.approx(
        (d * s + (d * d + d) * s / 4) * (1 / 100 + 1 / 400)
    )


def test_the_law_is_the_mean_distance_of_two_gaussian_samples():
    rng = np.random.default_rng(0)
    scales = np.sqrt([4.0, 2.0, 1.0, 0.5, 0.1])
    n, m, draws = 1000, 1500, 200
    found = [
        frechet_to(rng.normal(size=(n, 5)) * scales, Moments.of(rng.normal(size=(m, 5)) * scales)) for _ in range(draws)
    ]
    law = first_order_bias(np.diag(scales**2), images=n, reference=m)
    assert np.mean(found) == pytest.approx(law, abs=4.5 * np.std(found) / np.sqrt(draws) + law * 0.01)


def test_the_effective_rank_counts_equal_directions():
    assert effective_rank(np.diag([2.0, 2.0, 2.0, 0.0])) == pytest.approx(3.0)
    assert 1.0 < effective_rank(np.diag([10.0, 1.0])) < 2.0


@pytest.fixture(scope="module")
def table():
    return pd.read_csv(how_many_images.RESULTS / "how_many_images.csv")


def test_the_committed_page_is_of_the_committed_table(table):
    committed = (how_many_images.RESULTS / "how_many_images.md").read_text(encoding="utf-8")
    assert committed == how_many_images.page(table)


def test_committed_distances_of_real_images_are_bias_that_falls_and_none(table):
    for _, rows in table[table["what"] == "real"].groupby("data"):
        fid, kid = (rows[rows["metric"] == metric].sort_values("images") for metric in ("fid", "kid"))
        assert (np.diff(fid["mean"]) < 0).all()
        assert (fid["mean"] > 4 * fid["deviation"] / np.sqrt(PARTITIONS)).all()
        assert (kid["mean"].abs() < 4.5 * kid["deviation"] / np.sqrt(PARTITIONS)).all()


def test_committed_blurs_stand_out_from_some_number_of_images_on(table):
    most = table["images"] == table.groupby("data")["images"].transform("max")
    at = table[most].set_index(["data", "metric", "what"])
    for name in table["data"].unique():
        for metric in ("fid", "kid"):
            real, blurred = (at.loc[(name, metric, what)] for what in ("real", BLURRED))
            assert blurred["mean"] - real["mean"] > 3 * real["deviation"]
