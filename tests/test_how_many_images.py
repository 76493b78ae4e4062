"""How many images a score needs: what the committed table must show."""

import numpy as np
import pandas as pd
import pytest

from benchmarks import how_many_images
from benchmarks.how_many_images import BLURRED, PARTITIONS


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


def test_committed_bias_follows_the_law_of_gaussian_features(table):
    fid = table[(table["metric"] == "fid") & (table["what"] == "real")]
    assert (abs(fid["mean"] / fid["law"] - 1) < 0.3).all()
    many = fid[fid["images"] > fid["dimensions"]]
    assert (abs(many["mean"] / many["law"] - 1) < 0.15).all()
