"""`reproduce` trains stored runs again: identical here, and a number that was changed in the tables is found and graded."""

import csv
import json
import shutil

import numpy as np
import pandas as pd
import pytest

from harness import reproduce
from harness.results import agreement, load
from tests.printed import check
from tests.study.test_command import run, write


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    folder = tmp_path_factory.mktemp("made")
    code, _, err = run(write(folder, steps=30, seeds=4), "--workers", 1, cwd=folder)
    assert code == 0, err
    return folder / "results" / "tiny"


def changed(made, folder, change, name="curves.csv"):
    """A copy of the results with one table changed."""
    copy = folder / "copy"
    shutil.copytree(made, copy)
    frame = pd.read_csv(copy / name)
    change(frame)
    frame.to_csv(copy / name, index=False)
    return copy


RUN = "confirm-linear-p000-r001"


@pytest.mark.slow
def test_runs_come_back_identical_and_moved_numbers_are_graded(made, tmp_path, capfd):
    assert reproduce.main([str(made), "--runs", "3", "--workers", "1"]) == 0
    assert "3 runs trained again" in capfd.readouterr().out

    def nudge(frame):
        mine = frame["run"] == RUN
        last = frame.index[mine & (frame["step"] == 30)][0]
        frame.loc[last, "kid_digits_100"] *= 1 + 1e-6
        frame.loc[last, "loss_generator"] += 1e6

    copy = changed(made, tmp_path, nudge)
    assert reproduce.main([str(copy), "--run", RUN, "--json", "--workers", "1"]) == 5
    told = json.loads(capfd.readouterr().out)
    check("Reproduction", told)
    moved = {each["name"]: each["verdict"] for each in told["numbers"] if each["verdict"] != "identical"}
    assert moved == {"kid_digits_100": "within rounding", "loss_generator": "different"}


def test_what_cannot_be_reproduced_is_refused_in_one_sentence(made, tmp_path, capsys):
    def other_seed(frame):
        frame["seed_data"] += 1

    copy = changed(made, tmp_path, other_seed, "runs.csv")
    for words, said in (
        ([str(tmp_path / "none")], "study.json: not found"),
        ([str(made), "--run", "nobody"], "--run is 'nobody'"),
        ([str(made), "--runs", "0"], "--runs is '0', but allowed is a whole number from 1, or 'all'"),
        ([str(copy)], "seed_data"),
    ):
        assert reproduce.main(words) == 2
        err = capsys.readouterr().err
        assert said in err
        assert len(err.strip().splitlines()) == 1


def test_verdicts_have_the_order_and_the_limits_they_say():
    assert agreement.verdict(1.0, 1.0, spread=None) == "identical"
    assert agreement.verdict(float("nan"), float("nan"), spread=None) == "identical"
    assert agreement.verdict(1.0, 1.0 + 0.99e-4, spread=None) == "within rounding"
    assert agreement.verdict(1.0, 1.2, spread=0.3) == "within seed spread"
    assert agreement.verdict(1.0, 1.4, spread=0.3) == "different"
    assert agreement.verdict(1.0, float("nan"), spread=9.0) == "different"
    assert agreement.worst(["identical", "within seed spread", "within rounding"]) == "within seed spread"
    assert agreement.worst([]) == "identical"


def test_two_seeds_lie_within_the_seed_spread_in_19_of_20_pairs():
    rng = np.random.default_rng(0)
    inside = [abs(a - b) <= agreement.seed_spread(seeds) for *seeds, a, b in rng.normal(3.0, 2.0, (4000, 12))]
    assert np.mean(inside) == pytest.approx(0.95, abs=0.01)
    assert agreement.seed_spread([1.0, 2.0]) is None


def test_stored_numbers_are_read_exactly(made):
    curves = load(made).curves
    with (made / "curves.csv").open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    for name in ("loss_generator", "fid_digits_100", "rate_generator"):
        assert curves[name].tolist() == [float(row[name]) for row in rows]
