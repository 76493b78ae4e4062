"""The report of a study that repeats its tuning: replicates are its unit, and the first screen says what stopped it."""

import math

import numpy as np
import pandas as pd
import pytest

from harness import report, stats
from harness.report import rates, sentences
from harness.report.analysis import Analysis
from harness.results import load
from harness.stats import paired, replicates, sequential
from tests.report.example import figures_of, replicated, results, tables_of

FID = "fid_digits_5k"
STAGED = {"constant": 20, "linear": 12, "exponential": 20}
CASES = {
    "undecided at the end": {"looks": (8, 12, 16, 20), "replicates": STAGED},
    "before the first look": {"replicates": {"constant": 5, "linear": 5, "exponential": 4}},
    "between looks": {"looks": (8, 12, 16), "replicates": {"constant": 10, "linear": 8, "exponential": 10}},
    "two seeds, in per cent": {"seeds": 2, "question": {"scale": "relative", "rope": 10}},
    "all diverged": {"diverged": lambda *design: True},
}


def made(tmp_path, **facts):
    return Analysis(load(replicated(tmp_path, **facts)))


@pytest.mark.parametrize("case", CASES)
def test_every_state_of_a_replicated_study_has_a_page_that_follows_from_its_tables(case, tmp_path):
    folder = replicated(tmp_path, **CASES[case])
    report.build(folder)
    assert report.stale(folder) == []
    text = (folder / "report.html").read_text(encoding="utf-8")
    assert "The whole tuning was repeated" in text
    assert ">nan<" not in text
    for name in ("README.md", "report.md", "latex/verdicts.tex"):
        assert "The whole tuning was repeated" in (folder / name).read_text(encoding="utf-8"), name


def test_a_unit_is_a_replicate_and_its_score_the_mean_over_its_runs(tmp_path):
    lost = {("linear", 2, 1): "diverged"}
    analysis = made(
        tmp_path, seeds=2, diverged=lambda label, phase, *place: phase == "confirm" and (label, *place) in lost
    )
    runs = analysis.confirmed
    units = analysis.units.set_index(["schedule", "repetition"])
    assert len(units) == 3 * 12
    assert units.index.is_unique
    for (label, replicate), mine in runs.groupby(["schedule", "replicate"]):
        row = units.loc[(label, replicate)]
        if (label, replicate) == ("linear", 2):
            assert row["status"] == "diverged"
            assert math.isnan(row[FID])
        else:
            assert row["status"] == "finished"
            for score in (FID, f"{FID}_ema", "noise_ratio_5k"):
                assert row[score] == pytest.approx(mine[score].mean())


def test_a_replicate_with_a_run_to_come_has_not_ended_nor_have_those_after_it(tmp_path):
    analysis = made(tmp_path, seeds=2, missing=["confirm-linear-t004-p000-r001"])
    counts = analysis.units["schedule"].value_counts()
    assert counts.to_dict() == {"constant": 12, "exponential": 12, "linear": 4}


@pytest.mark.parametrize("scale", replicates.SCALES)
def test_verdicts_are_those_that_the_plan_went_by(scale, tmp_path):
    """`judge` gets what the plan gives it: one value per replicate of its runs' scores."""
    rope = {"absolute": 0.3, "relative": 10.0}[scale]
    analysis = made(tmp_path, seeds=2, looks=(8, 12, 16, 20), question={"scale": scale, "rope": rope})
    runs = analysis.confirmed
    values = {
        label: [replicates.value(each[FID].tolist(), scale=scale) for _, each in mine.groupby("replicate")]
        for label, mine in runs.groupby("schedule")
    }
    judged = sequential.judge(
        values, baseline="constant", looks=(8, 12, 16, 20), alpha=0.05, rope=replicates.rope_on_scale(rope, scale)
    )
    table = analysis.contrasts.set_index("schedule")
    assert set(judged) == set(table.index)
    for label, found in judged.items():
        row = table.loc[label]
        assert (row["verdict"], row["look"], row["replicates"]) == (found.verdict, found.look, found.n)
        assert row["p"] == pytest.approx(found.p)
        gaps = (np.array(values[label]) - np.array(values["constant"]))[: found.n]
        mean = gaps.mean() if scale == "absolute" else math.expm1(gaps.mean())
        assert row["difference"] == pytest.approx(mean)


def test_the_first_screen_says_how_often_it_tuned_when_it_looked_and_what_stopped_it(tmp_path):
    def scope(name, **facts):
        return made(tmp_path / name, **facts).scope

    two = ("constant", "linear")
    tuned = "The whole tuning was repeated"
    looks = (8, 12, 16, 20)
    assert scope("a", labels=two, looks=looks, replicates={"constant": 12, "linear": 12}) == (
        f"{tuned} 12 times; looked at after 8 and 12 of at most 20 replicates; stopped since every comparison was decided."
    )
    assert scope("b", looks=looks, replicates=STAGED) == (
        f"{tuned} 20 times; looked at after 8, 12, 16 and 20 of at most 20 replicates; ended with the last look, at which "
        "exponential was undecided."
    )
    assert scope("c", **CASES["before the first look"]) == (
        f"{tuned} 5 times so far; nothing is decided before the first look, after 8 of at most 12 replicates."
    )
    assert scope("d", **CASES["between looks"]) == (
        f"{tuned} 10 times so far; looked at after 8 of at most 16 replicates; the next look comes after 12."
    )
    analysis = made(tmp_path / "e", looks=looks, replicates=STAGED)
    assert analysis.headline.startswith("Better than constant: linear. Undecided after 20 replicates: exponential.")
    assert analysis.sentences[0].startswith(
        "Linear was better than constant, each tuned with 2 trials (mean difference"
    )
    assert "would probably decide" not in analysis.sentence
    assert "further" not in analysis.sentence
    decided = tables_of(analysis)["verdicts"].texts().set_index("schedule")["decided after"]
    assert decided.to_dict() == {"linear": "12 replicates", "exponential": "–"}


def test_what_the_other_weights_leave_open_is_said_to_be_so_for_good_once_the_study_has_ended(tmp_path):
    analysis = made(tmp_path, looks=(8, 12, 16, 20), replicates=STAGED)
    left = analysis.contrasts.assign(verdict="undecided", done=False)
    said = [sentences.headline(left, analysis.way, ended=ended) for ended in (True, False)]
    assert said == [f"Undecided {words}: linear and exponential." for words in ("when the study ended", "so far")]
    assert "so far" not in analysis.weights


def test_before_the_first_look_nothing_is_claimed(tmp_path):
    analysis = made(tmp_path, **CASES["before the first look"])
    assert analysis.headline == "Undecided so far: linear and exponential."
    assert set(analysis.contrasts["verdict"]) == {"undecided"}
    assert "forest" not in figures_of(analysis)
    assert analysis.basis == ""


def test_the_json_says_looks_replicates_and_scale(tmp_path):
    folder = replicated(tmp_path, looks=(8, 12, 16, 20), replicates=STAGED)
    summary = report.headline(folder)
    assert (summary["look"], summary["looks"], summary["replicates"]) == (4, [8, 12, 16, 20], 20)
    assert summary["verdict"].startswith("Better than constant: linear.")
    assert (summary["exploratory"], summary["scale"]) == (False, "absolute")
    assert summary["schedules"]["linear"]["against_baseline"]["look"] == 2
    once = report.headline(results(tmp_path / "once"))
    assert (once["look"], once["looks"], once["replicates"]) == (None, [], None)


def test_ratios_are_written_in_per_cent_wherever_a_difference_of_the_primary_score_stands(tmp_path):
    folder = replicated(tmp_path, question={"scale": "relative", "rope": 10})
    report.build(folder)
    analysis = Analysis(load(folder))
    row = analysis.contrasts.set_index("schedule").loc["linear"]
    runs = analysis.confirmed.pivot(index="replicate", columns="schedule", values=FID)
    ratio = math.exp(np.log(runs["linear"] / runs["constant"]).mean())
    assert row["difference"] == pytest.approx(ratio - 1)
    form = analysis.form_of(FID)
    text = form.estimate(row["difference"], row["low"], row["high"])
    assert text.startswith(f"−{round(100 * (1 - ratio))} % (−")
    assert text.endswith(" %)")
    shown = {name: table.texts().set_index(table.heads[0]) for name, table in tables_of(analysis).items()}
    assert shown["verdicts"].loc["linear"].iloc[1] == text
    assert shown["verdicts_wide"].loc["linear", "difference"] == form.alone(row["difference"])
    assert shown["claims"].set_index("measure").loc["Fréchet distance ↓", "linear"] == text
    assert "%" not in shown["claims"].set_index("measure").loc["noise ratio (target 1)", "linear"]
    assert shown["interactions"].loc["linear", "effect on raw weights"] == form.alone(row["difference"])
    assert f"mean difference in Fréchet distance {form.alone(row['difference'])}, interval" in analysis.sentence
    figure, drawing = figures_of(analysis)["forest"]
    assert "difference to constant in %" in figure.get_supxlabel().replace("\n", " ")
    marks = [line.get_xdata()[0] for line in figure.axes[0].lines if line.get_marker() == "s"]
    assert marks == pytest.approx([100 * row["difference"]])
    band = figure.axes[0].patches[0]
    assert (band.get_x(), band.get_x() + band.get_width()) == pytest.approx((100 / 1.1 - 100, 10.0))
    assert "within ±10 %" in drawing.caption
    assert report.headline(folder)["schedules"]["linear"]["against_baseline"]["difference"] == pytest.approx(ratio - 1)
    assert r"\%" in (folder / "latex" / "verdicts.tex").read_text(encoding="utf-8")


def test_the_interaction_of_ratios_is_the_ratio_of_the_effects(tmp_path):
    analysis = made(tmp_path, question={"scale": "relative", "rope": 10})
    for row in analysis.tables["ema"].to_dict("records"):
        assert (1 + row["ema"]) / (1 + row["raw"]) == pytest.approx(1 + row["interaction"])
        assert row["low"] < row["interaction"] < row["high"]


def test_curves_have_a_band_over_replicates_not_over_runs(tmp_path):
    analysis = made(tmp_path, seeds=3)
    assert set(analysis.bands["n"]) == {12}
    last = analysis.bands[(analysis.bands["schedule"] == "linear") & (analysis.bands["step"] == 300)].iloc[0]
    assert last["mean"] == pytest.approx(analysis.summary.set_index("schedule").loc["linear", "mean"])


def test_samples_rates_and_settings_are_of_replicates(tmp_path):
    folder = replicated(tmp_path, looks=(6, 9))
    report.build(folder)
    analysis = Analysis(load(folder))
    assert (folder / "report.md").read_text(encoding="utf-8").count("samples/confirm-linear-t000-p000-r000.png") == 1
    peaks = analysis.confirmed[analysis.confirmed["schedule"] == "linear"].groupby("replicate")["params_peak"].first()
    assert rates.of(analysis).by_schedule["linear"][0] == np.float32(peaks.median())  # of an odd number
    shown = tables_of(analysis)
    assert len(shown["settings"].rows) == 3
    assert len(shown["settings_by_replicate"].rows) == 27
    choices = analysis.tables["choices"].set_index(["schedule", "parameter"]).loc[("linear", "peak")]
    assert (choices["low"], choices["median"], choices["high"]) == pytest.approx(
        (peaks.min(), peaks.median(), peaks.max())
    )
    assert choices["replicates"] == 9


def test_optimism_is_a_mean_over_replicates_with_an_interval(tmp_path):
    analysis = made(tmp_path, trials=3)
    table = analysis.tables["optimism"].set_index("schedule")
    runs = analysis.results.runs[analysis.results.runs["schedule"] == "linear"]
    gaps = [
        mine.loc[mine["phase"] == "search", FID].min() - mine.loc[mine["phase"] == "confirm", FID].mean()
        for _, mine in runs.groupby("replicate")
    ]
    assert table.loc["linear", "optimism"] == pytest.approx(np.mean(gaps))
    low, high = paired.t_interval(gaps)
    assert (table.loc["linear", "low"], table.loc["linear", "high"]) == pytest.approx((low, high))
    assert (table.loc["linear", "trials"], table.loc["linear", "replicates"]) == (3, 12)


def test_the_response_curve_is_of_the_search_points_of_all_replicates(tmp_path):
    analysis = made(tmp_path)
    caption = figures_of(analysis)["sensitivity"][1].caption
    assert "72 search runs of all replicates" in caption
    assert "Rings: the runs that were chosen" in caption
    assert set(analysis.tables["response"]["schedule"]) == {"constant", "linear", "exponential"}
    assert "without_curve" not in analysis.tables


def test_where_a_curve_should_have_chosen_and_could_not_it_is_said(tmp_path):
    """Two trials carry no curve: the best run of every replicate was chosen."""
    spec = {"network": {"name": "dcgan"}, "train": {"steps": 300, "batch": 64}, "search": {"choice": "curve"}}
    folder = replicated(tmp_path, looks=(8,), spec=spec)
    report.build(folder)
    analysis = Analysis(load(folder))
    assert len(analysis.tables["without_curve"]) == 3 * 8
    text = (folder / "report.html").read_text(encoding="utf-8")
    assert "no curve to choose by" in text
    assert "chosen by a smooth curve through all search runs" in text


def test_values_often_chosen_at_an_edge_are_warned_of_and_such_by_chance_are_not():
    """With 12 replicates one in ten lies at either edge by chance: 2 are nothing, 12 are."""
    rows = [("linear", replicate, 0.02) for replicate in range(12)]
    rows += [("rex", replicate, 0.001 if replicate < 2 else 0.005) for replicate in range(12)]
    runs = pd.DataFrame(rows, columns=["schedule", "replicate", "params_peak"])
    table = stats.choices(runs, {"peak": {"low": 0.001, "high": 0.02, "log": True}}).set_index("schedule")
    assert table["edge"].to_dict() == {"linear": "upper", "rex": ""}
    assert table["at_lower"].to_dict() == {"linear": 0, "rex": 2}
