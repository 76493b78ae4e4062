"""The rates that the page draws are those that training recorded, of the network that follows the schedule."""

import json
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from harness import load_results, run_study, schedules
from harness.report import rates
from harness.report.analysis import Analysis
from harness.report.figures import study as figures
from harness.results import load
from harness.results.tables import ResultsError
from tests.report.example import figures_of, results

COMMITTED = sorted(path.parent for path in (Path(__file__).parents[2] / "results").glob("*/curves.csv"))
STUDY = """
name = "tiny"
seed = 3
[data]
name = "digits"
[network]
latent = 8
width = 4
[train]
steps = 12
batch = 16
applies_to = "discriminator"
[evaluate]
features = "digits"
generated = 100
points = 4
[space]
peak = 0.004
discriminator_ratio = 0.5
warmup = 0.25
[schedules.constant]
[schedules.cosine]
[search]
trials = 1
[confirm]
seeds = 1
"""


def recorded(analysis):
    """Steps and rates of the network that the page draws, as curves.csv has them, by schedule: of its median peak's run."""
    firsts = analysis.confirmed.drop_duplicates(["schedule", "replicate"]).sort_values("params_peak", kind="stable")
    runs = {each["run"].iloc[(len(each) - 1) // 2] for _, each in firsts.groupby("schedule")}
    columns = [name for name in analysis.curves if name.startswith("rate_")]
    network = rates.of(analysis).network or columns[0].removeprefix("rate_")  # the rate of all networks
    return {
        label: (mine["step"].to_numpy(), mine[f"rate_{network}"].to_numpy())
        for label, mine in analysis.curves[analysis.curves["run"].isin(runs)].groupby("schedule")
    }


def assert_drawn_as_recorded(analysis):
    """Both figures of rates pass through every recorded one, from the first step to the last."""
    made = figures_of(analysis)
    wanted = recorded(analysis)
    assert set(wanted) == set(analysis.schedules)
    for name, axes in (("rates", made["rates"][0].axes[0]), ("anytime", made["anytime"][0].axes[1])):
        lines = dict(zip(analysis.schedules, axes.lines, strict=True))
        for label, (steps, values) in wanted.items():
            x, y = lines[label].get_xdata(), lines[label].get_ydata()
            assert (x[0], x[-1]) == (1, steps[-1]), name
            np.testing.assert_allclose(np.interp(steps, x, y), values, rtol=2e-3, err_msg=f"{name} {label}", atol=1e-9)
    return made


@pytest.mark.parametrize("folder", COMMITTED, ids=lambda folder: folder.name)
def test_rates_of_committed_studies_are_those_that_training_recorded(folder):
    analysis = Analysis(load(folder))
    for label, (steps, values) in recorded(analysis).items():
        np.testing.assert_array_equal(rates.of(analysis).by_schedule[label][steps - 1], values.astype(np.float32))
    made = assert_drawn_as_recorded(analysis)
    pair = "rate_discriminator" in analysis.curves
    assert ("The discriminator's rate was" in made["rates"][1].caption) == pair


@pytest.mark.slow
def test_a_study_of_the_discriminators_rate_shows_that(tmp_path, capsys):
    (tmp_path / "tiny.toml").write_text(STUDY, encoding="utf-8")
    arguments = ["--output", str(tmp_path / "out"), "--workers", "1", "--quiet"]
    assert run_study.main([str(tmp_path / "tiny.toml"), *arguments]) == 0
    analysis = Analysis(load(tmp_path / "out"))
    curves = load_results(tmp_path / "out").curves
    assert set(curves["rate_generator"]) == {float(np.float32(0.004))}  # it does not follow
    for label, (steps, values) in recorded(analysis).items():
        np.testing.assert_array_equal(rates.of(analysis).by_schedule[label][steps - 1], values.astype(np.float32))
    made = assert_drawn_as_recorded(analysis)
    assert made["rates"][0].axes[0].get_ylabel().replace("\n", " ") == "discriminator's learning rate"
    assert made["anytime"][0].axes[1].get_ylabel().replace("\n", " ") == "discriminator's learning rate"
    assert "below, the discriminator's learning rate" in made["anytime"][1].caption
    caption = "The schedule was applied to the discriminator alone; the generator kept its peak rate."
    assert caption in (tmp_path / "out" / "report.html").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("applies_to", "network", "words"),
    [
        ("both", "generator", "The discriminator's rate was a multiple of it: 0.5 (constant), 0.5 (linear)."),
        ("generator", "generator", "applied to the generator alone; the discriminator kept its peak rate"),
        ("discriminator", "discriminator", "applied to the discriminator alone; the generator kept its peak rate"),
    ],
)
def test_the_network_that_follows_is_drawn_and_named(applies_to, network, words, tmp_path):
    folder = results(tmp_path, labels=("constant", "linear"), seeds=2, trials=0)
    study = json.loads((folder / "study.json").read_text(encoding="utf-8"))
    study["spec"]["train"]["applies_to"] = applies_to
    (folder / "study.json").write_text(json.dumps(study), encoding="utf-8")
    runs, curves = (pd.read_csv(folder / name) for name in ("runs.csv", "curves.csv"))
    runs["params_discriminator_ratio"], runs["params_warmup"] = 0.5, 0.1
    made = schedules.by_network(
        schedules.Schedule(schedules.shape("linear"), peak=1e-3, warmup=0.1),
        300,
        ratios={"discriminator": 0.5},
        applies_to=applies_to,
    )
    runs.to_csv(folder / "runs.csv", index=False)
    for name in ("generator", "discriminator"):  # as worker/run.py records them: the rate of the last step done
        mine = curves["schedule"] == "linear"
        curves.loc[mine, f"rate_{name}"] = made[name][curves.loc[mine, "step"] - 1]
    curves.to_csv(folder / "curves.csv", index=False)
    analysis = Analysis(load(folder))
    found = rates.of(analysis)
    assert found.network == network
    steps, values = recorded(analysis)["linear"]
    np.testing.assert_array_equal(found.by_schedule["linear"][steps - 1], values.astype(np.float32))
    assert found.by_schedule["linear"][0] < found.by_schedule["linear"].max() > found.by_schedule["linear"][-1]
    assert words in figures_of(analysis)["rates"][1].caption


def test_a_curve_is_drawn_smooth_and_a_staircase_upright():
    """A long run's rates are thinned for drawing: what is drawn is nowhere far from what is not."""
    for kind, most in (("cosine", 0.001), ("step", 0.0), ("linear", 1e-6)):
        table = schedules.Schedule(schedules.shape(kind), peak=1.0, warmup=0.01).rates(100_000)
        places = figures._telling(table)
        assert len(places) < 1300
        drawn = np.interp(np.arange(len(table)), places, table[places])
        assert np.abs(drawn - table)[2000:].max() <= most, kind


def test_parameters_that_make_no_schedule_are_named(tmp_path):
    folder = results(tmp_path, labels=("constant", "exponential"), seeds=2, trials=0)
    runs = pd.read_csv(folder / "runs.csv")
    runs.loc[runs["schedule"] == "exponential", "params_final"] = 5.0
    runs.to_csv(folder / "runs.csv", index=False)
    message = r"runs\.csv: run 'confirm-exponential-p000-r000' exponential\.final is 5\.0, but must be"
    with pytest.raises(ResultsError, match=message):
        rates.of(Analysis(load(folder)))
    runs["params_peak"] = np.nan
    runs.to_csv(folder / "runs.csv", index=False)
    with pytest.raises(ResultsError, match=re.escape("has no parameter 'peak'")):
        rates.of(Analysis(load(folder)))
