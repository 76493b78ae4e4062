"""What came after the plan changes no verdict, and is called exploratory wherever it stands."""

import io

import pandas as pd
import pytest
from rich.console import Console

from harness import report, stats
from harness.report.analysis import Analysis
from harness.results import load
from tests.report.example import replicated, results, tables_of

THREE = ("constant", "linear", "exponential")
FOUR = (*THREE, "cosine")
PLANNED = {"schedules": list(THREE), "trials": 4, "select_seeds": 0, "confirm_seeds": 8}


def read(folder):
    """All that a reader may see of a folder, by name."""
    report.build(folder)
    assert report.stale(folder) == []
    console = Console(width=200, record=True, file=io.StringIO())
    sentence = report.headline(folder)["sentence"]
    console.print(report.terminal_table(folder))
    console.print(sentence, markup=False)  # as the commands do
    pages = {name: (folder / name).read_text(encoding="utf-8") for name in ("report.html", "report.md", "README.md")}
    return pages | {"terminal": console.export_text(), "sentence": sentence}


def test_seeds_after_the_plan_leave_the_verdicts_as_they_were(tmp_path):
    folder = results(tmp_path / "grown", seeds=12, planned=PLANNED)
    analysis = Analysis(load(folder))
    before = analysis.confirmed[analysis.confirmed["repetition"] < 8]
    assert len(analysis.confirmed) == 3 * 8
    wanted = stats.contrasts(before, score="fid_digits_5k", rope=0.1)
    pd.testing.assert_frame_equal(analysis.contrasts, wanted)
    everything = load(folder).runs
    everything = everything[everything["phase"] == "confirm"]
    later = analysis.exploratory.set_index("schedule")
    over_all = stats.contrasts(everything, score="fid_digits_5k").set_index("schedule")
    for label in ("linear", "exponential"):
        assert later.loc[label, "n"] == 12
        assert later.loc[label, "difference"] == pytest.approx(over_all.loc[label, "difference"])
        assert pd.isna(later.loc[label, "p"])
        assert later.loc[label, "verdict"] == "descriptive only"
    for name, text in read(folder).items():
        assert "seeds after the plan" in text, name
        assert "xploratory" in text, name
    found = report.headline(folder)
    assert found["exploratory"] is False
    assert [row["what"] for row in found["later"]] == ["seeds after the plan"] * 2


def test_an_added_schedule_is_a_family_of_its_own(tmp_path):
    folder = results(tmp_path / "added", labels=FOUR, planned=PLANNED)
    analysis = Analysis(load(folder))
    assert list(analysis.contrasts["schedule"]) == ["linear", "exponential"]
    p = analysis.contrasts.set_index("schedule")
    assert p.loc["linear", "p_holm"] == pytest.approx(2 * p.loc["linear", "p"])  # over two, not three
    added = analysis.exploratory.set_index("schedule").loc["cosine"]
    assert added["p_holm"] == added["p"]
    assert "Added later, exploratory: Better than constant: cosine." in analysis.headline
    assert "Exploratory, since the schedule was added later: Cosine was better" in analysis.sentence
    shown = tables_of(analysis)
    assert "cosine" not in set(shown["verdicts"].texts()["schedule"])
    assert shown["exploratory"].texts()["verdict (exploratory)"].tolist() == ["better"]
    assert set(shown["levels"].texts()["schedule"]) == set(FOUR)
    glance = shown["claims"].texts().set_index("measure").loc["Fréchet distance ↓", "cosine"]
    assert glance == analysis.form_of(analysis.score).estimate(added["difference"], added["low"], added["high"])
    for name, text in read(folder).items():
        assert "xploratory" in text, name


@pytest.mark.parametrize(
    ("phases", "planned", "said"),
    [
        ({"search": {"trials": 6, "sampler": "sobol", "allocation": "balanced"}}, {}, "search trials"),
        ({"select": {"top": 2, "seeds": 3}}, {"select_seeds": 1}, "seeds of the selection"),
    ],
)
def test_a_choice_that_may_have_changed_makes_every_verdict_exploratory(phases, planned, said, tmp_path):
    folder = results(tmp_path, phases=phases, planned=PLANNED | planned)
    analysis = Analysis(load(folder))
    assert analysis.headline.startswith("Exploratory: Better than constant: linear.")
    assert f"{said} were raised from" in analysis.scope
    assert report.headline(folder)["exploratory"] is True
    for name, text in read(folder).items():
        assert "xploratory" in text, name


def test_seeds_of_no_selection_change_no_choice(tmp_path):
    folder = results(tmp_path, phases={"select": {"top": 0, "seeds": 3}}, planned=PLANNED)
    assert "xploratory" not in Analysis(load(folder)).headline


def test_replicates_beyond_the_plan_change_no_verdict(tmp_path):
    within = {"constant": 12, "linear": 12, "exponential": 12}
    one = Analysis(load(replicated(tmp_path / "one", replicates=within | {"constant": 16, "exponential": 16})))
    planned = one.confirmed
    assert planned["replicate"].max() == 11
    row = one.exploratory.set_index("schedule").loc["exponential"]
    assert list(one.exploratory["what"]) == ["replicates beyond the plan"]
    assert row["n"] == 16
    assert one.contrasts.set_index("schedule").loc["exponential", "n"] == 12
    assert "over 16 replicates" in one.sentence
    for name, text in read(one.results.path).items():
        assert "beyond the plan" in text, name


def test_a_schedule_added_to_a_replicated_study_is_judged_at_the_looks_by_itself(tmp_path):
    planned = PLANNED | {"trials": 2, "confirm_seeds": 1}
    grown = Analysis(load(replicated(tmp_path, labels=FOUR, planned=planned)))
    units = grown.units[grown.units["schedule"].isin(["constant", "cosine"])]
    alone = stats.contrasts(units, score="fid_digits_5k", rope=0.1, looks=(8, 12)).iloc[0]
    row = grown.exploratory.iloc[0]
    assert (row["schedule"], row["verdict"], row["look"]) == ("cosine", alone["verdict"], alone["look"])
    assert row["p_holm"] == alone["p_holm"]


def test_of_one_tuning_every_page_says_what_its_verdicts_are_about(tmp_path):
    about = "about one tuned configuration per schedule, not about the schedules: the tuning was not repeated"
    folder = results(tmp_path / "tuned")
    for name, text in read(folder).items():
        assert about in " ".join(text.split()), name
    assert about in (folder / "latex" / "verdicts.tex").read_text(encoding="utf-8")
    assert "whose tuning was not repeated" in Analysis(load(folder)).basis
    phases = {"search": {"trials": 0, "sampler": "sobol", "allocation": "balanced"}}
    fixed = Analysis(load(results(tmp_path / "fixed", trials=0, phases=phases)))
    assert fixed.scope == "These verdicts are about the configurations in the study file: nothing was tuned."


def test_an_undecided_study_is_told_the_size_of_a_new_one_and_not_to_grow(tmp_path):
    analysis = Analysis(load(results(tmp_path)))
    row = analysis.contrasts.set_index("schedule").loc["exponential"]
    wanted = int(row["n"] + row["more_seeds"])
    assert f"; a new study with about {wanted} seeds would probably decide." in analysis.sentence
    assert "further seed" not in analysis.sentence
    shown = tables_of(analysis)["verdicts"].texts().set_index("schedule")
    assert shown.loc["exponential", "seeds to decide (new study)"] == str(wanted)
