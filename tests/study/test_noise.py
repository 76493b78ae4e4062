"""The noise of earlier results: standard deviations worked by hand, on both scales, and one sentence where there is none."""

import json
import math

import numpy as np
import pandas as pd
import pytest

from harness.driver.noise import NoiseError, measured
from harness.driver.prospect import Prospect
from harness.stats import power
from tests.report.example import results
from tests.study.conftest import make
from tests.study.test_preview import seen
from tests.study.test_replicates import study as replicated

SCORE = "fid_digits_5k"


@pytest.fixture
def once(tmp_path):
    """A folder of a study that tuned once."""
    return results(tmp_path / "once", seeds=8)


@pytest.fixture
def repeated(once):
    """The same with each seed as a replicate."""
    study = json.loads((once / "study.json").read_text())
    study["phases"]["replicates"] = {"looks": [8], "beyond": 0}
    (once / "study.json").write_text(json.dumps(study))
    for name in ("runs.csv", "curves.csv"):
        frame = pd.read_csv(once / name, dtype=str, keep_default_na=False)
        frame["replicate"], frame["repetition"] = frame["repetition"], "0"
        frame.to_csv(once / name, index=False)
    return once


def spec(*, scale="absolute", seeds=8, repeats=False):
    more = f'[question]\nscale = "{scale}"\n'
    made = replicated(most=8, seeds=seeds, more=more) if repeats else make(seeds=seeds, more=more)
    return made.model_copy(update={"evaluate": made.evaluate.model_copy(update={"generated": 5000})})


def spread(folder, *, log=False):
    runs = pd.read_csv(folder / "runs.csv")
    confirmed = runs[runs["phase"] == "confirm"]
    unit = "replicate" if confirmed.get("replicate", pd.Series([0])).nunique() > 1 else "repetition"
    table = confirmed.pivot(index=unit, columns="schedule", values=SCORE)
    table = np.log(table) if log else table
    variances = [(table[label] - table["constant"]).var(ddof=1) for label in ("linear", "exponential")]
    return math.sqrt(sum(variances) / 2)


def test_it_is_the_spread_of_paired_differences_over_all_schedules(once):
    noise = measured(once, spec())
    assert noise.sd == pytest.approx(spread(once))
    assert (noise.pairs, noise.caution) == (16, "")
    mean = pd.read_csv(once / "runs.csv").query("phase == 'confirm' and schedule == 'constant'")[SCORE].mean()
    assert noise.effect(2.0) == pytest.approx(2 * noise.sd)
    assert noise.shown(2.0) == f"{2 * noise.sd:.2g} ({200 * noise.sd / mean:.2g} % of constant's mean)"


def test_under_the_relative_scale_it_is_of_logarithms_and_shown_in_per_cent(once):
    noise = measured(once, spec(scale="relative"))
    assert noise.sd == pytest.approx(spread(once, log=True))
    assert noise.effect(1.0) == pytest.approx(1 - math.exp(-noise.sd))
    assert noise.shown(1.0) == f"{100 * (1 - math.exp(-noise.sd)):.2g} %"


def test_a_replicates_mean_over_seeds_spreads_less_and_the_luck_of_tuning_is_missing(once):
    noise = measured(once, spec(seeds=4, repeats=True))
    assert noise.sd == pytest.approx(spread(once) / 2)
    assert "its noise lacks the luck of tuning" in noise.caution


def test_replicates_are_the_unit_where_the_tuning_was_repeated(repeated):
    noise = measured(repeated, spec(seeds=1, repeats=True))
    assert (noise.sd, noise.caution) == (pytest.approx(spread(repeated)), "")
    assert "has the luck of tuning in it" in measured(repeated, spec()).caution


def test_what_has_no_noise_to_tell_is_one_sentence(once, tmp_path):
    other = make()
    with pytest.raises(
        NoiseError, match=r"has no fid_digits_500, on which this study's verdicts rest, but fid_digits_5k"
    ):
        measured(once, other)
    with pytest.raises(NoiseError, match="holds no results of run_study"):
        measured(tmp_path / "none", spec())
    few = results(tmp_path / "few", seeds=1)
    with pytest.raises(NoiseError, match="no two pairs of finished confirmation runs"):
        measured(few, spec())


def test_the_power_of_a_plan_is_said_with_and_without_noise(once):
    plain = Prospect(spec())
    effect = power.detectable((8,), 2, 0.05)
    (line,) = plain.lines()
    assert line.startswith(
        f"power: would find an effect of {effect:.1f} standard deviations of a seed's difference in 80 %"
    )
    assert line.endswith("--noise-from results/FOLDER says how much that is")
    noise = measured(once, spec())
    (line,) = Prospect(spec(), noise).lines()
    assert f"of {noise.shown(effect)}, by the spread of 16 pairs in {once}" in line
    values = Prospect(spec(), noise).values()
    assert values["power"]["effect"] == pytest.approx(effect * noise.sd)
    assert values["noise"]["standard_deviation"] == noise.sd
    assert json.loads(json.dumps(values)) == values


def test_a_plan_that_can_find_nothing_promises_nothing():
    few = Prospect(spec(seeds=3))
    assert (few.detectable, list(few.lines())) == (None, [])
    assert few.values()["power"]["effect_in_standard_deviations"] is None


def test_the_cost_of_a_replicated_study_is_told_from_least_to_most():
    made = replicated(most=20, seeds=1)
    from harness.driver.looks import Looks
    from harness.driver.queue import Queue

    page = seen(made)
    page = type(page)(**{**vars(page), "looks": Looks(Queue(made, {}).confirmed)})
    lines = "\n".join(page._about_cost())
    most, least = 20 * 3 * 4, 8 * 3 * 4
    assert f"at most {most} runs of 40 steps" in lines
    assert f"at least {least} runs, to the first look" in lines
    assert "expected where there is no difference: about 20 replicates of each schedule" in lines
    assert "of a replicate's difference in 80 % of studies" in lines
    values = page.values()
    assert (values["runs"], values["remaining"], values["runs_to_next_look"]) == (most, most, least)
    expected = values["expected_replicates"]
    assert 8 <= expected["detectable_effect"] < expected["no_difference"] <= 20
