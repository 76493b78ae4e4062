"""Tables from elsewhere: the same verdicts as a study of ours, refusals in one sentence, and what adversaries put into tables."""

import json
import math
import re
import shlex
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import optuna
import pandas as pd
import pytest

import harness
from harness import __main__ as everything
from harness import stats
from harness.compare import main
from harness.compare import parser as compare_parser
from harness.elsewhere import Question, TableError, compare
from harness.elsewhere import table as tables
from harness.elsewhere.comparison import judge
from harness.elsewhere.question import Condition, command
from harness.elsewhere.runs import tidy
from harness.report.analysis import Analysis
from harness.report.render import markdown
from harness.results import archive, load
from tests.printed import check
from tests.report.example import replicated

ROOT = Path(__file__).parents[2]
ASKED = {"factor": "schedule", "pair": "seed", "score": "fid", "baseline": "constant"}
OPTIONS = ["--factor", "schedule", "--pair", "seed", "--score", "fid", "--baseline", "constant"]


def table(seeds=8, effects=None, noise=0.3, factor="schedule", pair="seed", score="fid"):
    """One row per run: a shared part of every seed, noise of each run."""
    rng = np.random.default_rng(4)
    effects = {"constant": 0.0, "linear": -1.0} if effects is None else effects
    common = rng.normal(0, noise, seeds)
    rows = [
        {factor: level, pair: seed, score: 10.0 + effect + common[seed] + rng.normal(0, noise)}
        for level, effect in effects.items()
        for seed in range(seeds)
    ]
    return pd.DataFrame(rows)


# Of one tuning or none; the quick study is whoever's ran it.
TUNED_ONCE = sorted(
    path.parent.name
    for path in (ROOT / "results").glob("*/study.json")
    if '"replicates"' not in (record := path.read_text(encoding="utf-8"))
    and len(json.loads(record)["schedules"]) > 1
    and path.parent.name != "quick"
)


@pytest.mark.parametrize("name", TUNED_ONCE)
def test_a_committed_study_as_a_plain_table_has_the_verdicts_of_its_report(name, tmp_path):
    folder = ROOT / "results" / name
    study = harness.load_results(folder).study
    runs = pd.read_csv(folder / "runs.csv")  # as anyone reads it
    runs = runs[(runs["phase"] == "confirm") & runs["chosen"]]
    plain = runs[["schedule", "repetition", study.primary, "status"]].rename(columns={"repetition": "seed"})
    plain.to_csv(tmp_path / "runs.csv", index=False)
    asked = {key: getattr(study.question, key) for key in ("rope", "alpha", "baseline", "scale")}
    found = compare(tmp_path / "runs.csv", factor="schedule", pair="seed", score=study.primary, **asked)
    for file, frame in (("contrasts", found.verdicts), ("all_pairs", found.all_pairs), ("summary", found.summary)):
        written = frame.to_csv(index=False, lineterminator="\n").replace("failed run", "diverged run")
        assert written == (folder / f"{file}.csv").read_text(encoding="utf-8"), file
    assert markdown.plain(found.headline) in (folder / "report.md").read_text(encoding="utf-8")
    drawn = [list(line.get_xdata()) for line in found.figure("forest").axes[0].lines]
    percent = 100.0 if study.question.scale == "relative" else 1.0
    ends = np.array([ends for ends in drawn if len(ends) == 2][1:])
    np.testing.assert_array_equal(ends, percent * found.verdicts[["low", "high"]].to_numpy())


def test_a_study_s_results_are_a_table_as_a_folder_and_as_an_archive(tmp_path):
    folder, packed = ROOT / "results" / "precision_linear", tmp_path / "sent.zip"
    archive.pack(folder, packed)
    asked = {"factor": "schedule", "pair": "repetition", "score": "fid_digits_5k", "baseline": "float32", "rope": 10}
    asked["where"] = {"phase": "confirm", "chosen": True}
    said = [compare(place, **asked).verdicts.to_csv(index=False) for place in (folder, packed, folder / "runs.csv")]
    assert said[0] == said[1] == said[2]
    packed.write_bytes(packed.read_bytes()[:-1000])
    with pytest.raises(TableError, match=r"sent\.zip: is damaged"):
        compare(packed, **asked)


REPLICATED = {"factor": "schedule", "pair": "repetition", "replicate": "replicate", "score": "fid_digits_5k"}
REPLICATED |= {"baseline": "constant", "where": {"phase": "confirm", "chosen": True}}


@pytest.mark.parametrize("question", [{"rope": 0.6}, {"scale": "relative", "rope": 10.0}])
def test_a_replicated_study_as_a_table_has_the_verdicts_of_its_report(question, tmp_path):
    lost = ("linear", "confirm", 3, 1)
    folder = replicated(tmp_path, looks=(12,), seeds=2, question=question, diverged=lambda *design: design == lost)
    study = Analysis(load(folder))
    found = compare(folder, **REPLICATED, **question)
    pairs = (
        (found.verdicts, study.contrasts),
        (found.all_pairs, study.tables["all_pairs"]),
        (found.summary, study.summary),
    )
    for mine, theirs in pairs:
        assert mine.to_csv().replace("failed run", "diverged run") == theirs.to_csv()
    assert found.verdicts.loc[0, ["n", "diverged"]].tolist() == [12, 1]
    assert found.scope.startswith(
        "The whole tuning was repeated 12 times: these verdicts are about schedules tuned so. "
    )
    # by hand: a replicate is the mean over its pairs
    mean = found.runs.groupby(["schedule", "replicate"])["fid_digits_5k"].mean().unstack(0)
    if "scale" not in question:
        gap = (mean["exponential"] - mean["constant"]).mean()
        assert found.verdicts.loc[1, "difference"] == pytest.approx(gap)


def test_of_a_study_with_several_looks_intervals_of_all_replicates_agree_and_early_stops_are_refused(tmp_path):
    asked = {"looks": (8, 12), "labels": ("constant", "exponential")}
    study = Analysis(load(replicated(tmp_path / "open", **asked)))
    columns = ["n", "mean", "baseline_mean", "difference", "low", "high", "verdict"]
    assert study.contrasts.loc[0, ["look", "verdict"]].tolist() == [2, "undecided"]
    found = compare(study.results.path, **REPLICATED)
    pd.testing.assert_frame_equal(found.verdicts[columns], study.contrasts[columns])
    stopped = replicated(tmp_path / "early", replicates={"constant": 12, "linear": 8, "exponential": 12})
    with pytest.raises(
        TableError,
        match=r"replicate '8' .* has no run of 'linear', but allowed is the same repetition of every schedule",
    ):
        compare(stopped, **REPLICATED)


def tunings(replicates=8, seeds=2, **facts):
    """One row per run of repeated tunings, each with seeds of its own."""
    frame = table(seeds=replicates * seeds, **facts)
    return frame.assign(tuning=frame["seed"] // seeds)


def test_the_unit_of_repeated_tunings_is_the_replicate():
    frame = tunings()
    found = compare(frame, **ASKED, replicate="tuning")
    means = frame.groupby(["schedule", "tuning"])["fid"].mean().unstack(0)
    by_hand = stats.paired.sign_flip_p(means["linear"] - means["constant"])
    assert found.verdicts.loc[0, ["n", "p"]].tolist() == [8, by_hand]
    # one row per tuning, the mean over its seeds, is the same question
    once = compare(frame.groupby(["schedule", "tuning"], as_index=False)["fid"].mean(), **{**ASKED, "pair": "tuning"})
    same = ["n", "mean", "baseline_mean", "p", "p_holm", "low", "high", "verdict"]
    pd.testing.assert_frame_equal(found.verdicts[same], once.verdicts[same])
    single = frame[frame["seed"] % 2 == 0]  # one run each: the tuning itself may be what pairs
    named = compare(single, **{**ASKED, "pair": "tuning"}, replicate="tuning")
    pd.testing.assert_frame_equal(named.verdicts, compare(single, **ASKED, replicate="tuning").verdicts)
    assert list(found.runs) == ["run", "schedule", "replicate", "seed", "status", "reason", "fid"]
    assert found.runs.loc[3, "run"] == "constant, replicate 1, seed 3"
    assert found.table().title.endswith("replicates of the whole tuning")
    assert found.to_dict()["replicates"] == 8


def test_a_page_of_repeated_tunings_says_so_and_names_its_command(tmp_path, capsys):
    frame = tunings(factor="optimizer").assign(tuning=lambda each: "t" + each["tuning"].astype(str), state="finished")
    frame.loc[5, "state"] = "crashed"
    frame.to_csv(tmp_path / "runs.csv", index=False)
    options = ["--replicate", "tuning", "--factor", "optimizer", *OPTIONS[2:]]
    assert main([str(tmp_path / "runs.csv"), *options, "--json", "--output", str(tmp_path / "page")]) == 0
    first = json.loads(capsys.readouterr().out)
    check("Comparison", first)
    page = (tmp_path / "page" / "report.md").read_text(encoding="utf-8")
    assert "1 run did not finish. Each makes its replicate the worst outcome of its optimizer" in page
    assert "7 replicates, each a tuning of all optimizers" in page
    assert "replicates with a failed run count as the worst outcome and stay in every comparison." in page
    assert "looks" not in page
    words = shlex.split(re.search("^`(harness compare .*)`$", page, flags=re.M)[1])
    assert main([*words[2:], "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {key: said for key, said in first.items() if key != "page"}


def test_of_repeated_tunings_with_steps_curves_are_kept_by_replicate():
    frame = pd.concat([pd.DataFrame(HISTORY).assign(tuning=name) for name in ("a", "b")])
    found = compare(frame, **ASKED, replicate="tuning", step="_step")
    assert found.verdicts.loc[0, ["n", "difference"]].tolist() == [2, -1.0]
    assert list(found.curves) == ["run", "schedule", "replicate", "seed", "step", "fid"]
    assert found.figure("anytime").axes
    assert found.warnings == [
        "2 replicates cannot decide: signs of 2 replicates flipped in every way give no p below 0.5, and a verdict on 1 comparison at a "
        "family-wise error rate of 5 % needs 6 replicates."
    ]


def test_a_replicate_with_a_run_still_to_end_is_left_out_whole():
    frame = tunings().assign(state="finished")
    frame.loc[0, "state"] = "running"
    found = compare(frame, **ASKED, replicate="tuning")
    assert found.verdicts.loc[0, "n"] == 7
    assert found.warnings[0].startswith("4 rows of replicates with runs still to end are left out")
    with pytest.raises(TableError, match="every replicate has a run still to end"):
        compare(frame.assign(state=["running", "finished"] * 16), **ASKED, replicate="tuning")


def test_relative_questions_and_higher_is_better_are_the_functions_of_studies():
    frame = table(score="recall", effects={"constant": 0.0, "linear": 1.0, "step": 0.01})
    found = compare(frame, **{**ASKED, "score": "recall"}, scale="relative", rope=2.0, alpha=0.1)
    runs = frame.rename(columns={"seed": "repetition"}).assign(status="finished")
    same = stats.contrasts(
        runs, score="recall", baseline="constant", direction="higher", scale="relative", rope=2.0, alpha=0.1
    )
    pd.testing.assert_frame_equal(found.verdicts, same)
    assert found.verdicts["verdict"].tolist()[0] == "better"
    assert found.all_pairs.loc[0, "verdict"] == found.verdicts.loc[0, "verdict"]
    # the same question asked of the negated score: all signs turn, no p and no verdict does
    turned = compare(frame.assign(recall=-frame["recall"]), **{**ASKED, "score": "recall"}, direction="lower")
    straight = compare(frame, **{**ASKED, "score": "recall"})
    assert turned.verdicts["verdict"].tolist() == straight.verdicts["verdict"].tolist()
    np.testing.assert_allclose(turned.verdicts["difference"], -straight.verdicts["difference"])


def test_a_direction_that_its_metric_does_not_have_is_said():
    found = compare(table(), **ASKED, direction="higher")
    assert found.verdicts.loc[0, "verdict"] == "worse"
    assert found.warnings == [
        "fid is taken to be better when it is higher; the metric of that name is better when it is lower."
    ]


def test_the_order_of_rows_changes_nothing():
    frame = table(seeds=20, effects={"constant": 0.0, "linear": -0.3, "step": 0.2})
    one = compare(frame, **ASKED).verdicts.set_index("schedule")
    for seed in range(3):
        other = compare(frame.sample(frac=1, random_state=seed), **ASKED).verdicts.set_index("schedule")
        pd.testing.assert_frame_equal(one, other.loc[one.index])


def test_runs_that_failed_count_against_their_level_whatever_score_they_had():
    frame = table().assign(State="finished")
    frame.loc[frame["schedule"] == "linear", "State"] = ["finished"] * 5 + ["crashed", "killed", "failed"]
    found = compare(frame, **ASKED)
    row = found.verdicts.iloc[0]
    assert (row["n"], row["diverged"], row["baseline_diverged"]) == (8, 3, 0)
    assert row["p_better"] == 5 / 8
    assert row["verdict"] == "undecided"
    assert found.warnings == [
        "3 runs of 16 did not finish (1 crashed, 1 killed, 1 failed): 3 of linear. Each counts as the worst outcome of its schedule."
    ]
    assert "failed: 3 of its runs, 0 of constant" in found.sentence
    assert found.runs["status"].value_counts().to_dict() == {"finished": 13, "failed": 3}
    kept = compare(frame, **ASKED, status="")
    assert kept.verdicts.loc[0, "verdict"] == "better"


@pytest.mark.parametrize("cell", ["nan", "NaN", "inf", "-Infinity", ""])
def test_a_run_without_a_finite_score_counts_as_failed(cell, tmp_path):
    frame = table().astype({"fid": object})
    frame.loc[8, "fid"] = cell
    frame.to_csv(tmp_path / "runs.csv", index=False)
    found = compare(tmp_path / "runs.csv", **ASKED)
    assert found.verdicts.loc[0, "diverged"] == 1
    assert f"fid is {cell or 'missing'}" in found.runs["reason"].tolist()
    assert "1 without a score" in found.warnings[0]


def test_a_level_without_any_score_is_a_mistake_and_no_failure():
    frame = table()
    frame.loc[frame["schedule"] == "constant", "fid"] = np.nan
    with pytest.raises(TableError, match="no row of schedule 'constant' has a score in column 'fid'"):
        compare(frame, **ASKED)
    frame["State"] = np.where(frame["fid"].isna(), "failed", "finished")
    assert compare(frame, **ASKED).verdicts.loc[0, "verdict"] == "better"


def test_runs_that_still_run_are_left_out_and_said():
    frame = table(seeds=9).assign(state="COMPLETE")
    frame.loc[8, "state"] = "RUNNING"
    found = compare(frame, **ASKED)
    assert found.verdicts.loc[0, "n"] == 8
    assert found.warnings[0].startswith("1 row of runs still to end is left out")
    assert found.warnings[1].startswith("linear and constant do not share every seed: linear alone has 8.")


REFUSED = {
    "--factor is 'sched', but the table's columns are: schedule, seed, fid": lambda t: (t, {"factor": "sched"}),
    "--score is 'acc', but the table's columns are": lambda t: (t, {"score": "acc"}),
    "--baseline is 'const', but column 'schedule' holds: constant, linear": lambda t: (t, {"baseline": "const"}),
    "holds 'constant' alone, but allowed are two levels or more": lambda t: (t[:8], {}),
    "row 10, column 'fid' is '1,234.5', but allowed is a number": lambda t: (put(t, 8, "fid", "1,234.5"), {}),
    "row 3, column 'fid' is 'True', but allowed is a number": lambda t: (put(t, 1, "fid", True), {}),
    "row 2 and row 11 are both 'constant' with seed '0'": lambda t: (
        put(put(t, 9, "seed", 0), 9, "schedule", "constant"),
        {},
    ),
    "row 4 has no 'schedule' (--factor)": lambda t: (put(t, 2, "schedule", ""), {}),
    "row 4 has no 'seed' (--pair)": lambda t: (put(t, 2, "seed", " "), {}),
    "but no seed of 'constant' (0, 1, 2, 3, 4, 5 and 2 more) is one of another level (100": lambda t: (
        t.assign(seed=t["seed"] + 100 * (t["schedule"] == "linear")),
        {},
    ),
    "column 'images' (--same) is '5000' in row 2 and '10000' in row 3": lambda t: (
        t.assign(images=[5000, 10000] * 8),
        {"same": "images"},
    ),
    "--where is 'fid=3', but that column holds": lambda t: (t, {"where": "fid=3"}),
    "--where 'seed!=0 or 1 or 2 or 3 or 4 or 5 or 6 or 7' leaves no row": lambda t: (
        t,
        {"where": [f"seed!={seed}" for seed in range(8)]},
    ),
    "--where is 'seed', but allowed is COLUMN=VALUE": lambda t: (t, {"where": "seed"}),
    "row 2, column 'state' is 'odd', but allowed is how a run ended": lambda t: (
        t.assign(state=["odd"] + ["finished"] * 15),
        {},
    ),
    "every run is still to end": lambda t: (t.assign(state="running"), {}),
    "whether lower or higher is better is known of fid, kid": lambda t: (
        t.rename(columns={"fid": "loss"}),
        {"score": "loss"},
    ),
    "--scale relative allows numbers above 0 alone": lambda t: (put(t, 0, "fid", -1.0), {"scale": "relative"}),
    "--alpha is 0.7, but allowed is a number above 0 and below 0.5": lambda t: (t, {"alpha": "0.7"}),
    "--rope is -1, but allowed is a finite number from 0": lambda t: (t, {"rope": "-1"}),
    "--factor, --pair and --score name 'seed' more than once": lambda t: (t, {"factor": "seed"}),
    "--output is ": lambda t: (t, {"output": str(ROOT / "README.md")}),
    "but two columns have that name": lambda t: (pd.concat([t, t[["seed"]]], axis="columns"), {}),
    "columns are params.schedule, config.schedule; name one of them alone": lambda t: (
        t.rename(columns={"schedule": "params.schedule"}).assign(**{"config.schedule": "x"}),
        {},
    ),
    "holds 60 levels, but allowed are at most 50": lambda t: (
        table(seeds=1, effects={f"s{place}": 0.0 for place in range(60)}),
        {"baseline": "s0"},
    ),
    "replicate '2' (column 'tuning', --replicate) has no run of 'constant', but allowed is": lambda t: (
        tunings().query("tuning != 2 or schedule != 'constant'"),
        {"replicate": "tuning"},
    ),
    "has seed 4 of 'linear' and 4, 5 of 'constant', but allowed is the same seed of every schedule": lambda t: (
        tunings().drop(index=21),
        {"replicate": "tuning"},
    ),
    "leave it out with --where 'tuning!=2'": lambda t: (tunings().drop(index=21), {"replicate": "tuning"}),
    "--replicate is 'fid', which is --factor or --score, too": lambda t: (t, {"replicate": "fid"}),
    "--replicate is 'tune', but the table's columns are: tuning": lambda t: (tunings(), {"replicate": "tune"}),
    "row 3 has no 'tuning' (--replicate)": lambda t: (put(tunings(), 1, "tuning", ""), {"replicate": "tuning"}),
    "row 2 and row 3 are both 'constant' with seed '0' of replicate '0'": lambda t: (
        put(tunings(), 1, "seed", 0),
        {"replicate": "tuning"},
    ),
    "holds no rows": lambda t: (t[:0], {}),
}


def put(frame, row, column, value):
    frame = frame.astype({column: object})
    frame.loc[row, column] = value
    return frame


@pytest.mark.parametrize("said", REFUSED)
def test_what_cannot_be_judged_is_refused_in_one_sentence_that_names_it(said, tmp_path, capsys):
    frame, changed = REFUSED[said](table())
    frame.to_csv(tmp_path / "runs.csv", index=False)
    options = dict(zip(OPTIONS[::2], OPTIONS[1::2], strict=True)) | {
        f"--{name}": given for name, given in changed.items()
    }
    words = [
        word
        for name, given in options.items()
        for each in ([given] if isinstance(given, str) else given)
        for word in (name, each)
    ]
    assert main([str(tmp_path / "runs.csv"), *words]) == 2
    out, err = capsys.readouterr()
    assert said in err
    assert out == ""
    assert err.count("\n") == 1
    assert "allowed" in err or "give" in err or "but" in err
    assert sorted(path.name for path in tmp_path.iterdir()) == ["runs.csv"]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "not found"),
        (b"", "cannot be read as a table|holds no rows"),
        (b"\xff\xfe\x00\x01\x80,", "cannot be read as a table|is no text"),
        (b"schedule,seed,fid\na,1,2,3\n", "cannot be read as a table"),
        (b"PK\x03\x04\0\0", "is no text"),
    ],
)
def test_a_file_that_is_no_table_is_named(content, said, tmp_path):
    path = tmp_path / "runs.csv"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(TableError, match=said) as refused:
        compare(path, **ASKED)
    assert str(path) in str(refused.value)
    (tmp_path / "empty").mkdir()
    with pytest.raises(TableError, match=r"is a folder without runs\.csv"):
        compare(tmp_path / "empty", **ASKED)


def test_too_few_pairs_say_which_p_they_can_reach():
    found = compare(table(seeds=4), **ASKED)
    assert found.verdicts.loc[0, "verdict"] == "descriptive only"
    assert found.warnings == [
        "4 pairs cannot decide: signs of 4 pairs flipped in every way give no p below 0.125, and a verdict on 1 comparison at a "
        "family-wise error rate of 5 % needs 6 pairs."
    ]
    assert not found.decided
    one = compare(table(seeds=1), **ASKED)
    assert one.verdicts.loc[0, "n"] == 1
    assert math.isnan(one.verdicts.loc[0, "low"])


def test_a_level_that_shares_no_seed_is_said_and_the_others_are_judged():
    step = table(effects={"step": 0.1}).assign(seed=range(50, 58))
    found = compare(pd.concat([table(seeds=9), step]), **ASKED)
    assert found.verdicts[["schedule", "n", "verdict"]].values.tolist() == [
        ["linear", 9, "better"],
        ["step", 0, "descriptive only"],
    ]
    assert found.warnings == ["step and constant share no seed: nothing can be said of step."]


def test_ties_decide_nothing(tmp_path):
    frame = table().assign(fid=3.0)
    found = compare(frame, **ASKED)
    assert found.verdicts.loc[0, ["p", "verdict"]].tolist() == [1.0, "undecided"]
    assert compare(frame, **ASKED, rope=0.1).verdicts.loc[0, "verdict"] == "equivalent"
    assert found.write(tmp_path).is_file()


def test_numbers_as_levels_are_the_same_however_they_are_written(tmp_path):
    path = tmp_path / "runs.csv"
    frame = table(effects={"1e-3": 0.0, "0.01": -1.0}, factor="rate")
    frame.loc[[1, 9], "rate"] = ["0.001", "1.0E-2"]
    frame.to_csv(path, index=False)
    asked = {**ASKED, "factor": "rate", "baseline": "0.0010"}
    found = compare(path, **asked)
    assert found.verdicts[["rate", "n", "verdict"]].values.tolist() == [["0.01", 8, "better"]]
    numeric = compare(frame.astype({"rate": float}), **{**asked, "baseline": 1e-3})
    assert numeric.verdicts["difference"].tolist() == found.verdicts["difference"].tolist()
    whole = table(effects={"128": 0.0, "64": -1.0, "256": 1.0}, factor="batch").astype({"batch": float, "seed": float})
    found = compare(whole, **{**ASKED, "factor": "batch", "baseline": 128})
    assert found.verdicts["batch"].tolist() == ["64", "256"]  # in the order of numbers
    assert "64 was better than 128" in found.sentence


@pytest.mark.parametrize("spelled", ["{}", "{}.0", " {} ", "{}e0"])
def test_pairs_are_the_same_however_their_numbers_are_written(spelled, tmp_path):
    frame = table()
    frame["seed"] = [spelled.format(seed) if row % 2 else str(seed) for row, seed in enumerate(frame["seed"])]
    frame.to_csv(tmp_path / "runs.csv", index=False)
    assert compare(tmp_path / "runs.csv", **ASKED).verdicts.loc[0, "n"] == 8
    large = frame.assign(
        seed=[str(2**63 + int(float(seed))) for seed in frame["seed"]]
    )  # beyond what floats tell apart
    large.to_csv(tmp_path / "runs.csv", index=False)
    assert compare(tmp_path / "runs.csv", **ASKED).verdicts.loc[0, "n"] == 8


def test_several_columns_pair_and_rows_are_chosen_by_others():
    frame = pd.concat([table().assign(data="a"), table(effects={"constant": 5.0, "linear": 3.0}).assign(data="b")])
    found = compare(frame, **{**ASKED, "pair": ["data", "seed"]})
    assert found.verdicts.loc[0, "n"] == 16
    assert "paired by data and seed" in found.table().title
    assert compare(frame, **ASKED, where={"data": "b"}).verdicts.loc[0, "difference"] < -1.5
    indexed = frame.set_index(["data", "schedule", "seed"])  # as groupby and pivot leave frames
    assert compare(indexed, **{**ASKED, "pair": ["data", "seed"]}).verdicts.equals(found.verdicts)
    with pytest.raises(TableError, match=r"row 0 and row 16 are both 'constant' with seed '0'.*further pair"):
        compare(frame, **ASKED)


def test_what_differs_along_with_the_factor_is_said():
    frame = table().assign(note="x", run=[f"run {place}" for place in range(16)])
    frame["batch"] = np.where(frame["schedule"] == "linear", 256, 128)
    frame["label"] = "exp-" + frame["schedule"]  # a name of the level is no other cause
    frame["gamma"] = np.where(frame["schedule"] == "linear", "0.1", "")  # nor a setting that one level alone has
    assert compare(frame, **ASKED).warnings == [
        "Confounded: batch differs between levels of schedule, and not within them: a verdict may be about it."
    ]


@pytest.mark.parametrize(
    ("factor", "pair", "score"),
    [
        ("status", "run", "fid"),
        ("replicate", "repetition", "fid"),
        ("verdict", "phase", "fid"),
        ("p", "n", "fid"),
        ("schedule", "chosen", "step"),
        ("reason", "schedule", "replicate"),
        ("mean", "pair", "difference"),
        ("学習率", "シード", "fid"),
    ],
)
def test_columns_of_any_name_are_judged_and_shown(factor, pair, score, tmp_path):
    frame = table(seeds=6, factor=factor, pair=pair, score=score, effects={"constant": 0.0, "linear": -3.0})
    found = compare(frame, factor=factor, pair=pair, score=score, baseline="constant", direction="lower")
    plain = compare(table(seeds=6, effects={"constant": 0.0, "linear": -3.0}), **ASKED)
    assert found.verdicts["verdict"].tolist() == plain.verdicts["verdict"].tolist() == ["better"]
    assert found.verdicts["difference"].tolist() == plain.verdicts["difference"].tolist()
    assert len(found.verdicts.columns) == len(set(found.verdicts.columns)) == len(plain.verdicts.columns)
    assert found.table().row_count == 2
    json.dumps(found.to_dict())


def test_a_page_shows_names_that_mean_something_to_html_and_tex(tmp_path):
    frame = table(seeds=6, factor="{{ x }}", pair="$\\alpha$ & <i>", score="<b>fid</b>")
    found = compare(frame, factor="{{ x }}", pair="$\\alpha$ & <i>", score="<b>fid</b>", baseline="constant")
    page = found.write(tmp_path).read_text(encoding="utf-8")
    assert ("<b>fid</b>" in page, "<i>" in page) == (False, False)
    assert "&lt;b&gt;fid&lt;/b&gt; by {{ x }}" in page
    assert r"\{\{ x \}\} & mean" in (tmp_path / "latex" / "verdicts.tex").read_text(encoding="utf-8")


HISTORY = [
    {
        "schedule": level,
        "seed": seed,
        "_step": step,
        "fid": 10.0 - step + (level == "constant") + 0.1 * seed * (step < 3),
    }
    for level in ("constant", "linear")
    for seed in range(6)
    for step in range(4)
]


def test_of_a_long_table_the_last_step_is_judged_and_curves_are_drawn(tmp_path):
    frame = pd.DataFrame(HISTORY).sample(frac=1, random_state=0)
    found = compare(frame, **ASKED, step="_step")
    assert found.verdicts[["difference", "verdict"]].values.tolist() == [[-1.0, "better"]]
    assert found.warnings == []
    assert len(found.curves) == 48
    assert found.figures == ["forest", "finals", "anytime"]
    page = found.write(tmp_path).read_text(encoding="utf-8")
    assert "fid ↓ against step" in page
    assert len(pd.read_csv(tmp_path / "curves.csv")) == 48
    sparse = frame.assign(fid=frame["fid"].where(frame["_step"] % 2 == 1))  # other rows hold other metrics
    assert compare(sparse, **ASKED, step="_step").verdicts.loc[0, "difference"] == -1.0
    with pytest.raises(TableError, match=r"are both 'constant' with seed '.' at _step 0"):
        compare(pd.concat([frame, frame[frame["_step"] == 0]]), **ASKED, step="_step")
    with pytest.raises(TableError, match="or step if rows are steps of a run"):
        compare(frame, **ASKED)


def test_runs_that_end_early_are_named():
    frame = pd.DataFrame(HISTORY)
    short = frame[~((frame["schedule"] == "linear") & (frame["seed"] == 2) & (frame["_step"] > 1))]
    assert compare(short, **ASKED, step="_step").warnings == [
        "Runs are judged at different steps, their last with a score: 1 run of 12 at 1 to 1, the others at 3 (linear, seed 2); a run "
        "that broke off needs a state that says so."
    ]
    stated = short.assign(State="finished")
    stated.loc[(stated["schedule"] == "linear") & (stated["seed"] == 2), "State"] = "crashed"
    assert compare(stated, **ASKED, step="_step").verdicts.loc[0, "diverged"] == 1


def test_ten_thousand_runs_are_read_in_seconds():
    frame = table(seeds=250, effects={f"level {place}": 0.01 * place for place in range(40)})
    frame = frame.assign(**{f"c{place}": range(10_000) for place in range(20)})
    begun = time.process_time()
    found = tidy(tables.read(frame), Question(**{**ASKED, "pair": ("seed",), "baseline": "level 0"}))
    assert (len(found.runs), found.warnings) == (10_000, [])
    assert time.process_time() - begun < 20  # it takes one


def test_optuna_s_own_frame_is_read_by_the_names_of_its_parameters():
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    scores = table().set_index(["schedule", "seed"])["fid"]
    for (schedule, seed), value in scores.items():
        state = (
            optuna.trial.TrialState.PRUNED if (schedule, seed) == ("linear", 3) else optuna.trial.TrialState.COMPLETE
        )
        study.add_trial(
            optuna.create_trial(
                params={"schedule": schedule},
                distributions={"schedule": optuna.distributions.CategoricalDistribution(("constant", "linear"))},
                user_attrs={"seed": seed},
                value=value,
                state=state,
            )
        )
    for frame in (study.trials_dataframe(), study.trials_dataframe(multi_index=True)):
        found = compare(frame, **{**ASKED, "score": "value"}, direction="lower")
        assert found.verdicts.loc[0, ["n", "diverged"]].tolist() == [8, 1]
        assert "1 run of 16 did not finish (1 pruned): 1 of linear." in found.warnings[0]


def test_optuna_s_names_of_metrics_are_read():
    frame = table().rename(columns={"schedule": "params_schedule", "seed": "user_attrs_seed"}).assign(state="COMPLETE")
    alone, of_several = (frame.rename(columns={"fid": f"{prefix}_fid"}) for prefix in ("value", "values"))
    assert compare(alone, **ASKED).verdicts.equals(compare(table(), **ASKED).verdicts)
    both = compare(of_several.assign(values_kid=0.1), **ASKED)
    assert both.verdicts["difference"].tolist() == compare(alone, **ASKED).verdicts["difference"].tolist()
    assert both.headline == "Better than constant: linear."


def test_what_mlflow_exports_is_read_by_the_names_of_its_parameters():
    """What `mlflow.search_runs` of MLflow 3.17 gave of 15 runs: one failed, one still ran."""
    exported = Path(__file__).with_name("mlflow_runs.csv")
    found = compare(exported, **ASKED)
    assert found.verdicts.columns[0] == "schedule"
    assert found.verdicts.loc[0, ["n", "diverged", "baseline_diverged"]].tolist() == [7, 1, 0]
    assert found.warnings == [
        "1 row of runs still to end is left out: judged again when they have ended, they may change the verdicts.",
        "1 run of 14 did not finish (1 failed): 1 of linear. Each counts as the worst outcome of its schedule.",
    ]
    frame = pd.read_csv(exported, dtype={"params.seed": str})  # numbers and times as its frame has them
    assert compare(frame, **ASKED).verdicts.equals(found.verdicts)


def test_the_page_claims_nothing_that_no_table_tells(tmp_path):
    frame = table(factor="optimizer", pair="fold", effects={"constant": 0.0, "linear": -1.0, "step": 0.1})
    frame.loc[0, "fid"] = np.inf
    found = compare(frame, **{**ASKED, "factor": "optimizer", "pair": "fold"}, rope=0.2)
    assert found.write(tmp_path) == tmp_path / "report.html"
    page = re.sub(
        r"<style>.*?</style>|<script>.*?</script>|<path[^>]*>|<summary>BibTeX.*?</pre>",
        "",
        (tmp_path / "report.html").read_text(),
        flags=re.S,
    )
    strange = "schedule|seed|diverged|tuned|trial|fresh|confirm|GAN|Floor|learning rate|raw weights"
    for said in (
        page,
        (tmp_path / "report.md").read_text(),
        *(path.read_text() for path in (tmp_path / "latex").iterdir()),
    ):
        said = said.replace("how each optimizer was tuned and in how many trials", "").replace("schedule-harness", "")
        assert re.findall(strange, said) == []
    assert "The harness did not train these runs" in page
    assert "each optimizer" in page.lower()
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        *("all_pairs.csv", "contrasts.csv", "figures", "latex", "report.html", "report.md", "runs.csv", "summary.csv")
    ]
    assert pd.read_csv(tmp_path / "contrasts.csv").columns[0] == "optimizer"
    assert list(pd.read_csv(tmp_path / "runs.csv").columns) == ["run", "optimizer", "fold", "status", "reason", "fid"]


def test_a_notebook_shows_the_first_screen_of_a_comparison_as_it_does_of_a_study():
    frame = table(factor="optimizer", effects={"constant": 0.0, "a<b>": -1.0})
    found = compare(frame, **{**ASKED, "factor": "optimizer"})
    shown = found._repr_html_()
    for words in ("The harness did not train these runs", "95 % interval", "<svg", "verdict"):
        assert words in shown
    assert "<script" not in shown
    assert "A&lt;b&gt; was better than constant" in shown
    assert compare(frame, **{**ASKED, "factor": "optimizer"})._repr_html_() == shown
    assert repr(found) == "<harness.compare of the table: 16 runs by optimizer. Better than constant: a<b>.>"


def test_the_command_prints_verdicts_and_says_by_its_status_whether_they_are_decided(tmp_path, capsys):
    path = tmp_path / "runs.csv"
    table(effects={"constant": 0.0, "linear": -3.0}).to_csv(path, index=False, sep=";")
    assert main([str(path), *OPTIONS, "--fail-if-undecided", "--output", str(tmp_path / "page")]) == 0
    said = " ".join(capsys.readouterr().out.split())
    assert "Linear was better than constant" in said
    assert (tmp_path / "page" / "report.html").is_file()
    table(effects={"constant": 0.0, "linear": 0.0}).to_csv(path, index=False)
    assert main([str(path), *OPTIONS, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    check("Comparison", found)
    assert found["levels"]["linear"]["against_baseline"]["verdict"] == "undecided"
    assert (found["decided"], found["factor"], found["pair"], found["direction"]) == (
        False,
        "schedule",
        "seed",
        "lower",
    )
    assert main([str(path), *OPTIONS, "--fail-if-undecided", "--quiet"]) == 3
    assert "Whether" not in capsys.readouterr().out


def test_a_page_names_the_command_that_makes_it_again(tmp_path, capsys):
    path = tmp_path / "a b.csv"
    pd.concat([table().assign(x="1"), table().assign(x="2", seed=99)]).drop_duplicates(["schedule", "seed"]).to_csv(
        path, index=False
    )
    asked = [
        *OPTIONS,
        "--where",
        "x!=2",
        "--where",
        "seed!=7",
        "--alpha",
        "0.1",
        "--title",
        "it's",
        "--lower-is-better",
    ]
    assert main([str(path), *asked, "--json"]) == 0
    first = capsys.readouterr().out
    question = Question(
        **{**ASKED, "pair": ("seed",)},
        where=(Condition("x", ("2",), False), Condition("seed", ("7",), False)),
        alpha=0.1,
        title="it's",
        direction="lower",
    )
    words = shlex.split(command(str(path), question))
    assert words[:2] == ["harness", "compare"]
    assert main([*words[2:], "--json"]) == 0
    assert capsys.readouterr().out == first
    assert judge(path, question).to_dict() == json.loads(first)


def test_the_function_is_the_package_s_also_after_the_command_was_imported():
    frame = table()
    assert harness.compare(frame, **ASKED).headline == compare(frame, **ASKED).headline


def test_a_parquet_file_is_read_where_pandas_can(tmp_path):
    path = tmp_path / "runs.parquet"
    try:
        table().to_parquet(path)
    except ImportError:
        path.write_bytes(b"PAR1")
        with pytest.raises(
            TableError,
            match=r"needs the package pyarrow to read Parquet; install the extra, .*, or save the table as CSV",
        ):
            compare(path, **ASKED)
    else:
        assert compare(path, **ASKED).verdicts.loc[0, "n"] == 8


def test_a_named_index_of_a_parquet_file_is_columns(tmp_path, monkeypatch):
    path = tmp_path / "runs.parquet"
    path.write_bytes(b"PAR1")
    monkeypatch.setattr(pd, "read_parquet", lambda _: table().set_index(["schedule", "seed"]))  # as pyarrow gives it
    assert compare(path, **ASKED).verdicts.equals(compare(table(), **ASKED).verdicts)


PAGE = (ROOT / "docs" / "compare.md").read_text(encoding="utf-8")


def test_the_commands_of_the_docs_do_what_the_docs_say(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "examples").symlink_to(ROOT / "examples")
    made = pd.read_csv(ROOT / "examples" / "runs_elsewhere.csv")
    made.to_csv("wandb_export.csv", index=False)
    pd.DataFrame(HISTORY).to_csv("history.csv", index=False)
    tunings(factor="optimizer", effects={"adam": 0.0, "sgd": 1.0}).to_csv("tunings.csv", index=False)
    replicated(tmp_path / "results" / "mine", looks=(12,))
    commands = re.findall(r"^harness (compare .*)$", PAGE, flags=re.M)
    assert len(commands) == 5
    for words in commands:
        assert everything.main(shlex.split(words)) == 0
    said = capsys.readouterr().out
    assert "1 run of 32 did not finish (1 crashed): 1 of step." in " ".join(said.split())
    assert (tmp_path / "results" / "elsewhere" / "report.html").is_file()


def test_the_python_of_the_docs_runs_with_frames_such_as_these_tools_give(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    frame = table()
    mlflow = frame.rename(columns={"schedule": "params.schedule", "seed": "params.seed", "fid": "metrics.fid"})
    optuna_s = frame.rename(columns={"schedule": "params_schedule", "seed": "user_attrs_seed", "fid": "value"})
    run = SimpleNamespace(
        config={"schedule": "constant", "seed": 0},
        state="finished",
        scan_history=lambda keys: [{"_step": 1, "fid": 2.0}],
    )
    values = [[SimpleNamespace(step=step, value=value + 1 - step) for step in (0, 1)] for value in frame["fid"]]
    client = SimpleNamespace(get_metric_history=lambda run, _: values[run])
    stand_ins = {
        "mlflow": SimpleNamespace(
            search_runs=lambda **_: mlflow.assign(status="FINISHED", run_id=range(len(mlflow))),
            MlflowClient=lambda: client,
        ),
        "optuna": SimpleNamespace(
            load_study=lambda **_: SimpleNamespace(trials_dataframe=lambda: optuna_s.assign(state="COMPLETE"))
        ),
        "wandb": SimpleNamespace(Api=lambda: SimpleNamespace(runs=lambda _: [run])),
    }
    for name, module in stand_ins.items():
        monkeypatch.setitem(sys.modules, name, module)
    blocks = re.findall(r"```python\n(.*?)```", PAGE, flags=re.S)
    assert len(blocks) == 4
    for block in blocks:
        exec(block, {})
    said = capsys.readouterr().out
    assert said.startswith("Better than constant: linear.\n")
    assert list(pd.read_csv("history.csv")) == ["schedule", "seed", "State", "_step", "fid"]
    assert (tmp_path / "results" / "mlflow" / "report.html").is_file()


def test_the_docs_name_every_option():
    options = {word for action in compare_parser()._actions for word in action.option_strings if word.startswith("--")}
    assert {word for word in options - {"--help", "--version"} if word not in PAGE} == set()
