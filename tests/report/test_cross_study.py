"""The page across studies: one sentence, aggregates, claims, budgets, averages and ranks follow from the studies' own tables."""

import json
import math
import shutil

import pandas as pd
import pytest

from harness import report, stats
from harness.report import __main__ as command
from harness.report import claims, cross_study
from harness.report import cross_study_sentences as sentences
from harness.report import cross_study_tables as tables
from harness.report.analysis import Analysis
from harness.report.cross_study_frames import Studies, sweeps
from harness.results import ResultsError, load
from tests.report.example import EFFECT, replicated, results
from tests.report.test_averages import with_averages

FEW = {"looks": (8,), "trials": 0, "noise": 0.1, "tuning": 0.1}


def changed(folder, *, name, **facts):
    """The study of another name, with other facts: `train`, `network`, `question` and whole entries."""
    study = json.loads((folder / "study.json").read_text(encoding="utf-8"))
    study["name"] = name
    study["spec"]["train"] |= facts.pop("train", {})
    study["spec"]["network"] |= facts.pop("network", {})
    study["question"] |= facts.pop("question", {})
    (folder / "study.json").write_text(json.dumps(study | facts), encoding="utf-8")
    return folder


def together(*folders):
    """The folders' studies as the subject of a page."""
    return Studies({folder.name: Analysis(load(folder)) for folder in folders})


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    """The folder of a page across two replicated studies of one family and one of another, which has fewer schedules."""
    folder = tmp_path_factory.mktemp("pages")
    relative = {"question": {"scale": "relative", "rope": 10}}
    changed(replicated(folder / "short", **FEW), name="short", train={"steps": 100}, **relative)
    changed(replicated(folder / "long", **FEW), name="long", train={"steps": 300}, **relative)
    few = replicated(folder / "photographs", labels=("constant", "linear"), **FEW)
    changed(few, name="photographs", title="Photographs (a copy)", network={"name": "article"}, **relative)
    cross_study.build(
        [folder / name for name in ("short", "long", "photographs")], output=folder / "cross", command="a command"
    )
    return folder / "cross"


def text(folder, name="report.md"):
    return (folder / name).read_text(encoding="utf-8").replace("\\", "")


def test_the_page_begins_with_one_sentence_over_all_studies(page):
    found = pd.read_csv(page / "aggregates.csv").set_index(["schedule", "weights"])
    row = found.loc["linear", "raw"]
    assert (row["studies"], row["families"], row["pairs"], row["everywhere"]) == (3, 2, 24, True)
    assert not found.loc["exponential", "raw"]["everywhere"]
    size = f"by {-100 * row['iqm']:.0f} % (interquartile mean, 95 % interval {-100 * row['iqm_high']:.0f} to {-100 * row['iqm_low']:.0f} %)"
    said = f"Over 3 studies of 2 families linear lowered the Fréchet distance of raw weights {size} against constant"
    for name in ("report.md", "README.md"):
        assert f"{said} and that of averaged weights by " in text(page, name)
        assert "better in 3 of 3 studies, worse in none." in text(page, name)
        assert "Intervals cover the luck of tunings and seeds within these studies." in text(page, name)
    html = text(page, "report.html")
    assert html.index(said) < html.index("<table")
    assert "Families: digits, dcgan: short and long; digits, article: photographs." in html


def test_aggregates_are_those_of_the_studies_own_pairs(page):
    units = Analysis(load(page.parent / "photographs")).units.pivot(
        index="repetition", columns="schedule", values="fid_digits_5k"
    )
    logs = (units["linear"] / units["constant"]).map(math.log)
    assert len(logs) == 8
    studies = together(page.parent / "photographs", page.parent / "short")
    alone = studies.frames["aggregates"].set_index(["schedule", "weights"])
    other = Analysis(load(page.parent / "short")).units.pivot(
        index="repetition", columns="schedule", values="fid_digits_5k"
    )
    means = [logs.mean(), (other["linear"] / other["constant"]).map(math.log).mean()]
    assert alone.loc["linear", "raw"]["mean"] == pytest.approx(math.expm1(sum(means) / 2))


def test_a_table_lists_the_schedules_that_some_studies_lack_by_themselves(page):
    assert "over all 3 studies" in text(page)
    assert "over the studies that have it" in text(page)
    assert "Only linear is in all studies besides constant" in text(page)
    assert pd.read_csv(page / "ranks.csv").empty


def test_the_pages_follow_from_the_tables_and_check_says_where_they_do_not(page, tmp_path, capsys):
    assert cross_study.stale(page) == []
    assert command.main(["--check", str(page)]) == 0
    moved = shutil.copytree(page.parent, tmp_path / "moved")
    cross = moved / "cross"
    assert cross_study.stale(cross) == []  # the record names the studies by the way to them
    (cross / "aggregates.csv").write_text("schedule\n", encoding="utf-8")
    (cross / "README.md").unlink()
    (cross / "aggregates.svg").unlink()
    assert cross_study.stale(cross) == ["aggregates.csv", "README.md", "aggregates.svg"]
    assert command.main(["--check", str(cross)]) == 1
    assert f"{cross / 'README.md'}: does not follow" in capsys.readouterr().err
    (cross / "cross.json").write_text('{"format": 2}', encoding="utf-8")
    with pytest.raises(ResultsError, match=r"cross\.json: is damaged, or of another version; make the page again"):
        cross_study.stale(cross)


def test_readme_names_question_command_studies_and_check(page):
    said = text(page, "README.md")
    assert "**Does it depend on model and task?**" in said
    assert "- command: `a command`" in said
    listed = "- [photographs](../photographs/README.md), Photographs (a copy): digits, network `article`, 300 steps"
    assert listed in said
    assert listed in text(page).partition("## Studies\n")[2]
    assert "photographs: Photographs (a copy)" in text(page, "report.html")
    assert "python -m harness.report . --check" in said
    assert "![" in said


def test_a_page_has_the_question_that_it_was_given_and_the_command_that_made_it(tmp_path, monkeypatch):
    monkeypatch.setattr(report, "build", lambda folder, pdf: folder)  # the studies' own pages
    folders = [changed(results(tmp_path / name, seeds=2, trials=0), name=name) for name in ("a", "b")]
    options = ["--output", str(tmp_path / "cross"), "--question", "Is it <so>?", "--quiet"]
    assert command.main([*map(str, folders), *options]) == 0
    assert "Is it &lt;so&gt;?" in text(tmp_path / "cross", "report.html")
    made_by = f"harness.report {folders[0]} {folders[1]} --output {tmp_path / 'cross'} --question 'Is it <so>?'`"
    assert made_by in text(tmp_path / "cross", "README.md")


def test_effects_are_those_of_the_studies_relative_to_their_baselines(tmp_path):
    one = results(tmp_path / "one", trials=0)
    effects = together(one, results(tmp_path / "two", trials=0)).frames["effects"]
    base = stats.contrasts(Analysis(load(one)).confirmed, score="fid_digits_5k", rope=0.1).set_index("schedule")
    expected = base.loc["linear", "difference"] / base.loc["linear", "baseline_mean"]
    assert effects.iloc[0]["relative"] == pytest.approx(expected)


def test_several_schedules_of_all_studies_stand_in_one_sentence_and_are_ranked(tmp_path):
    studies = together(replicated(tmp_path / "one", **FEW), replicated(tmp_path / "two", **FEW, effects=EFFECT))
    frame = studies.frames["aggregates"]
    raw = frame[frame["weights"] == "raw"].set_index("schedule")["iqm"]
    said = sentences.headline(studies)
    assert said.startswith(
        "Over 2 studies of 1 family the Fréchet distance of raw weights, against constant, changed by "
    )
    assert f"{sentences.FORM.alone(raw['linear'])} (interquartile mean, 95 % interval " in said
    assert " with linear and " in said
    assert said.endswith(" worse.")
    assert said.index("linear") < said.index("exponential")
    ranks = studies.frames["ranks"]
    assert ranks.iloc[0].to_dict() == {"schedule": "linear", "rank": 1.0, "best": 1.0, "worst": 1.0}
    assert set(ranks["schedule"]) == {"constant", "linear", "exponential"}
    assert sentences.no_ranks(studies) == ()


def test_averaged_weights_are_said_from_the_best_schedule_to_the_worst_or_once_where_all_moved_alike(tmp_path):
    studies = together(*(replicated(tmp_path / name, **FEW, effects=EFFECT) for name in ("one", "two")))
    frame = studies.frames["aggregates"]
    averaged = frame["weights"] == "averaged"
    frame.loc[averaged, "iqm"] = [-0.041, -0.038][: averaged.sum()]
    assert "; that of averaged weights by −4 %; of 4 verdicts " in sentences.headline(studies)
    frame.loc[averaged, "iqm"] = [-0.041, -0.03][: averaged.sum()]
    assert "; that of averaged weights by −4 % (linear) to −3 % (exponential); of" in sentences.headline(studies)


def test_studies_without_a_common_schedule_score_or_baseline_say_so(tmp_path):
    one = results(tmp_path / "one", labels=("constant", "linear", "rex"), trials=0, seeds=6)
    two = results(tmp_path / "two", labels=("constant", "linear"), trials=0, seeds=6)
    three = results(tmp_path / "three", labels=("constant", "cosine"), trials=0, seeds=6)
    studies = together(one, two, three)
    assert studies.common == []
    said = sentences.headline(studies)
    assert said.startswith(
        "No schedule is in all 3 studies; over 2 studies of 1 family linear lowered the Fréchet distance"
    )
    assert "No schedule but the baseline is in all studies" in sentences.no_ranks(studies)[0]
    assert tables.aggregates(studies) is None
    assert len(tables.aggregates_of_some(studies).rows) == 3
    other = changed(shutil.copytree(two, tmp_path / "four"), name="four", question={"baseline": "linear"})
    empty = results(tmp_path / "five", trials=0, seeds=0)
    studies = together(one, other, empty)
    assert studies.left_out == {"four": "its baseline is linear", "five": "has no comparison yet"}
    assert sentences.headline(studies) == (
        "These 3 studies cannot be taken together: four (its baseline is linear); five (has no comparison yet). Each answers for "
        "itself."
    )
    assert sentences.scope(studies) == ""
    assert sentences.headline(together(empty)) == "No study has a verdict yet."


def test_a_score_that_may_be_negative_has_no_ratios(tmp_path):
    runs = pd.read_csv((folder := results(tmp_path / "one", trials=0)) / "runs.csv")
    runs.loc[0, "fid_digits_5k"] = -0.1
    runs.to_csv(folder / "runs.csv", index=False)
    studies = together(folder, results(tmp_path / "two", trials=0))
    assert studies.left_out == {"one": "its Fréchet distance is not always above zero, so that it has no ratios"}


def test_a_sweep_is_of_studies_that_differ_in_their_steps_alone(tmp_path):
    """Lists of averages may differ where the question is about raw weights, and a schedule of one length is left out."""
    folders = [
        changed(results(tmp_path / "b", noise=0.1, trials=0), name="b", train={"steps": 1000, "ema": [0.99, 0.9]}),
        changed(
            results(tmp_path / "a", labels=("constant", "linear", "exponential", "rex"), trials=0),
            name="a",
            train={"steps": 2000, "ema_ramp": 3},
        ),
        changed(results(tmp_path / "c", trials=0), name="c", train={"steps": 1000}, network={"name": "article"}),
    ]
    studies = together(*folders)
    found = sweeps(studies.analyses)
    assert found["group"].nunique() == 1
    assert list(found["study"]) == ["b"] * 2 + ["a"] * 2  # by steps
    of = found.set_index(["steps", "schedule"])["difference"]
    for steps, folder in ((1000, folders[0]), (2000, folders[1])):
        wanted = Analysis(load(folder)).contrasts.set_index("schedule")["difference"].drop("rex", errors="ignore")
        assert of[steps].to_dict() == pytest.approx(wanted.to_dict())
    assert cross_study._asked(studies.analyses) == sentences.QUESTION
    assert sweeps(together(folders[0], folders[2]).analyses).empty
    assert cross_study._asked(together(*folders[:2]).analyses) == sentences.BY_STEPS
    for folder in folders[:2]:
        changed(folder, name=folder.name, primary="fid_digits_5k_ema")
    assert sweeps(together(*folders[:2]).analyses).empty  # of averaged weights the averages matter


@pytest.mark.parametrize(
    ("first", "last", "wanted"),
    [
        ((-1.0, -1.2, -0.8), (-2.0, -2.3, -1.7), sentences.LARGER),
        ((-2.0, -2.3, -1.7), (-1.0, -1.2, -0.8), sentences.SMALLER),
        ((-1.0, -1.2, -0.8), (-1.2, -1.5, -0.9), sentences.SAME),
        ((-1.0, math.nan, math.nan), (-2.0, -2.3, -1.7), sentences.SAME),
    ],
)
def test_a_trend_over_steps_is_claimed_where_the_intervals_allow_it(first, last, wanted):
    rows = pd.DataFrame([last, first], columns=["difference", "low", "high"]).assign(steps=[1000, 10])
    assert sentences.trend(rows, relative=False) == wanted
    assert sentences.trend(rows.assign(**(rows[["difference", "low", "high"]] / 10)), relative=True) == wanted


def test_the_budget_in_a_sentence(page):
    assert "From 100 to 300 steps: of linear and exponential no change is shown." in text(page)
    assert "Each schedule" not in text(page)
    assert "- linear: −" in text(page)


def test_claims_are_judged_by_what_each_decay_of_each_study_shows(tmp_path):
    """In the example the noise ratio is 1 + score/50, so that it falls with the score; nothing diverges."""
    studies = together(results(tmp_path / "one", noise=0.02, trials=0), results(tmp_path / "two", noise=0.02, trials=0))
    frame = studies.frames["claims"]
    by = frame.set_index(["study", "claim", "measure", "schedule"])
    for claim, measure in (("Better images", "Fréchet distance"), ("Less noise", "noise ratio")):
        assert by.loc["one", claim, measure, "linear"]["says"] == claims.AS_CLAIMED
    scores = Analysis(load(tmp_path / "one")).tables["scores"].set_index(["score", "schedule"])
    for key in ("difference", "low", "high"):
        assert by.loc["one", "Less noise", "noise ratio", "linear"][key] == scores.loc["noise_ratio_5k", "linear"][key]
    said = {line[0].partition(":")[0]: line[0] for line in sentences.claimed(studies)}
    assert said["Better images (Fréchet distance)"] == (
        "Better images (Fréchet distance): supported. 4 comparisons of a decay with its baseline in 2 studies show 4 as claimed, none the "
        "contrary, none neither."
    )
    assert "Of what the article says of decay supported: better images" in " ".join(sentences.answer(studies))
    assert ": not shown. " in said["More stable training (share that diverged)"]
    assert said["Costs compute (seconds per step)"].startswith("Costs compute (seconds per step): 0 % to 0 % against")
    table = tables.claim_by_study(studies)
    assert table.heads[1] == "Better images: Fréchet distance"
    assert table.rows[0][1].text.startswith("2 of 2 (−0.9")
    assert table.rows[0][table.heads.index("Costs compute: seconds per step")].text == "0 %"


@pytest.mark.parametrize(
    ("claimed", "contrary", "wanted"),
    [
        (0.5, 0.0, "supported"),
        (0.05, 0.6, "contradicted"),
        (0.6, 0.1, "mixed"),
        (0.3, 0.0, "mostly open"),
        (0.0, 0.05, "not shown"),
    ],
)
def test_the_rule_that_judges_a_claim(claimed, contrary, wanted):
    assert sentences._judged({claims.AS_CLAIMED: claimed, claims.CONTRARY: contrary}) == wanted


def test_diverged_runs_contradict_stability_where_the_rates_are_apart(tmp_path):
    lost = results(tmp_path, trials=0, seeds=8, diverged=lambda label, phase, place: label == "linear" and place > 0)
    found = claims.evidence(Analysis(load(lost))).set_index(["measure", "schedule"])["says"]
    assert found["share that diverged", "linear"] == claims.CONTRARY
    assert found["share that diverged", "exponential"] == claims.OPEN
    assert found["standard deviation", "linear"] == claims.OPEN  # of one run there is none


def test_what_averaging_replaces_is_said_per_study(tmp_path):
    """Linear gains 1 and 2 more of the further averages: these replace nothing of it, the primary one some of it."""
    folder = replicated(tmp_path / "one", **FEW)
    with_averages(folder, steps=1000)
    plain = results(tmp_path / "two", noise=0.02, trials=0, seeds=6)
    flat = results(
        tmp_path / "three", labels=("constant", "wsd"), kinds={"constant": "constant", "wsd": "constant"}, trials=0
    )
    changed(flat, name="three", kinds={"constant": "constant", "wsd": "wsd"})
    studies = together(folder, plain, flat)
    frame = studies.frames["averages"]
    lives = frame[frame["study"] == "one"].set_index("weights")["half_life"]
    assert lives["ema0.9"].iloc[0] == pytest.approx(math.log(0.5) / math.log(0.9) / 1000)
    assert set(lives["raw"]) == {0.0}
    kinds = {study: kind for study, (kind, _) in sentences.replaced(studies).items()}
    assert kinds["one"] == kinds["two"] == sentences.NOTHING
    assert "linear" in sentences.replaced(studies)["one"][1]
    shown = tables.averages(studies)
    assert [row[1].text for row in shown.rows] == ["EMA 0.9", "EMA 0.999", "EMA 0.9999", "EMA 0.999", "EMA 0.999"]
    assert tables.averages_figure(studies).draw().axes[0].get_title(loc="left") == "one"
    said = " ".join(sentences.answer(studies))
    assert "What averaging replaces of decay, over 3 studies: in one and two none of it (all decays that" in said
    frame.loc[(frame["what"] == "decay") & (frame["weights"] != "raw"), "high"] = 0.1
    assert {study: kind for study, (kind, _) in sentences.replaced(studies).items()}["two"] == sentences.ALL


def test_a_matrix_takes_the_fewer_columns_and_is_scrolled_where_they_are_too_many(tmp_path):
    nine = ("constant", *"abcdefgh")
    kinds = dict.fromkeys(nine, "linear") | {"constant": "constant"}
    folders = [results(tmp_path / "0", labels=nine, kinds=kinds, trials=0, seeds=2)]
    studies = together(*folders)
    assert tables.matrix(studies).heads == ("schedule", "0, 300 steps")
    many = Studies({str(index): studies.analyses["0"] for index in range(9)})
    assert tables.matrix(many) is None
    assert tables.wide_matrix(many).heads[:2] == ("study", "steps")
    assert len(tables.wide_matrix(many).rows) == 9


def test_schedules_that_lose_runs_or_have_none_yet_are_said_to(tmp_path):
    """Of two studies: linear diverges in half of the pairs of one, exponential has ended in the other alone."""
    lossy = replicated(
        tmp_path / "one",
        **FEW,
        diverged=lambda label, phase, replicate, place: label == "linear" and replicate % 2 == 0,
    )
    going = replicated(tmp_path / "two", **FEW, replicates={"exponential": 0})
    studies = together(lossy, going)
    assert studies.having == {"linear": ["one", "two"], "exponential": ["one"]}
    assert studies.common == ["linear"]
    row = studies.frames["aggregates"].iloc[0]
    assert (row["schedule"], row["pairs"], row["lost"]) == ("linear", 16, 4)
    assert row["iqm_high"] == math.inf
    assert sentences.headline(studies).startswith(
        "Over 2 studies of 1 family linear changed the Fréchet distance of raw weights"
    )
    assert " to ∞)" in sentences.headline(studies)
    assert tables.aggregates(studies).rows[0][3].text.endswith(" to ∞)")
    assert len(tables.aggregates_in_full(studies).rows) == 4
    assert "pairs with a diverged run" in tables.aggregates_in_full(studies).heads
    tables.aggregates_figure(studies).draw()
    nothing = together(
        *(replicated(tmp_path / name, **FEW, replicates={"linear": 0, "exponential": 0}) for name in "ab")
    )
    assert "yet" in sentences.headline(nothing)
    assert sentences.sized(math.inf, -0.1, math.inf) == "∞"


def test_the_answer_to_the_page_s_question_comes_first(page):
    studies = cross_study._studies(page)
    asked = {
        "Anything": "Over 3 studies of 2 families linear lowered",
        sentences.QUESTION: "Over 3 studies of 2 families linear lowered",
        sentences.BY_STEPS: "From 100 to 300 steps:",
        sentences.REPLACES: "What averaging replaces of decay, over 3 studies:",
    }
    said = {question: sentences.answer(Studies(studies.analyses, question)) for question in asked}
    assert all(said[question][0].startswith(begin) for question, begin in asked.items())
    assert len({frozenset(each) for each in said.values()}) == 1
