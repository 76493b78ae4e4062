"""The report: its numbers are the tables', its page is safe and whole in every odd case."""

import json
import re
import shutil
from html.parser import HTMLParser

import numpy as np
import pandas as pd
import pytest
from scipy import stats as distributions

from harness import report
from harness.report import figures, numbers
from harness.report.analysis import Analysis
from harness.report.figures import style
from harness.report.render import readme
from harness.results import load
from tests.report.example import figures_of, results, tables_of


class Reader(HTMLParser):
    """Cells of all tables by caption, tags, and addresses of the page."""

    def __init__(self, text):
        super().__init__()
        self.tables, self.tags, self.addresses = {}, [], []
        self._caption, self._row, self._inside = "", [], ""
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        self.addresses += [value for name, value in attributes if name in ("src", "href") and value]
        if tag in ("caption", "td", "th"):
            self._inside, self._text = tag, ""
        if tag == "tr":
            self._row = []

    def handle_endtag(self, tag):
        if tag == "caption":
            self._caption = self._text
            self.tables[self._caption] = []
        elif tag in ("td", "th"):
            self._row.append(self._text)
        elif tag == "tr" and self._caption:
            self.tables[self._caption].append(self._row)
        if tag == self._inside:
            self._inside = ""

    def handle_data(self, data):
        if self._inside:
            self._text += data


def read(folder):
    return Reader((folder / "report.html").read_text(encoding="utf-8"))


def test_numbers_on_the_page_are_those_of_independent_arithmetic(tmp_path):
    folder = results(tmp_path)
    report.build(folder)
    runs = pd.read_csv(folder / "runs.csv")
    mine = runs[(runs["phase"] == "confirm")].pivot(index="repetition", columns="schedule", values="fid_digits_5k")
    table = next(rows for caption, rows in read(folder).tables.items() if ", in full" in caption)
    row = dict(zip(table[0], next(row for row in table if row[0] == "linear"), strict=True))
    difference = (mine["linear"] - mine["constant"]).mean()
    low, high = distributions.t.interval(0.95, 7, difference, distributions.sem(mine["linear"] - mine["constant"]))
    assert (
        row["difference"] == f"−{-difference:.2f}"
    )  # the half-widths of the means' intervals have their second digit there
    assert row["95 % interval"] == f"−{-low:.2f} to −{-high:.2f}"
    assert row["mean"] == f"{mine['linear'].mean():.2f}"
    assert row["correlation of pairs"] == f"{mine['linear'].corr(mine['constant']):.2f}"
    spread = (mine["linear"] - mine["constant"]).var()
    assert row["pairing efficiency"] == f"{(mine['linear'].var() + mine['constant'].var()) / spread:#.3g}"
    assert row["P(better)"] == f"{(mine['linear'] < mine['constant']).mean():.0%}".replace("%", " %")
    assert f"mean difference in Fréchet distance −{-difference:.2f}, interval" in report.headline(folder)["sentence"]


def cells(folder):
    """Texts on the page by caption, row (its leading texts) and head; and the drawings by name."""
    tables = {
        (caption, place, head): (row, text)
        for caption, rows in read(folder).tables.items()
        for place, row in enumerate(rows[1:])
        for head, text in zip(rows[0], row, strict=True)
    }
    return tables, {path.stem: path.read_bytes() for path in (folder / "figures").glob("*.svg")}


def test_one_changed_cell_changes_the_right_places_and_no_other(tmp_path):
    folder = results(tmp_path / "a")
    report.build(folder)
    other = tmp_path / "b"
    shutil.copytree(folder, other)
    runs = pd.read_csv(other / "runs.csv")
    confirmed = (runs["phase"] == "confirm") & (runs["schedule"] == "exponential")
    runs.loc[confirmed & (runs["repetition"] == 3), "fid_digits_5k"] += 1.0
    runs.to_csv(other / "runs.csv", index=False)
    assert "contrasts.csv" in report.stale(other)
    report.build(other)
    mean = [pd.read_csv(each / "contrasts.csv").set_index("schedule")["difference"] for each in (folder, other)]
    assert mean[1]["exponential"] - mean[0]["exponential"] == pytest.approx(1.0 / 8)
    assert mean[1]["linear"] == mean[0]["linear"]
    (before, drawn), (after, redrawn) = cells(folder), cells(other)
    assert before.keys() == after.keys()
    changed = [(key, after[key][0]) for key in before if before[key][1] != after[key][1]]
    for (caption, _, head), row in changed:  # Holm's adjustment binds the rows of a table together
        assert "exponential" in (*row, head) or head == "p (Holm)", (caption, row, head)
    sources = {caption.split(" ")[-1] for (caption, _, _), _ in changed}
    assert sources == {"contrasts.csv", "summary.csv", "all_pairs.csv", "scores.csv", "ema.csv", "optimism.csv"}
    assert {name for name in drawn if drawn[name] != redrawn[name]} == {"forest", "finals", "averaging"}
    assert not [key for key, row in changed if key[2] in ("schedule", "runs", "pairs", "diverged", "against")]


def test_building_twice_gives_the_same_bytes_and_check_agrees(tmp_path):
    folder = results(tmp_path)
    report.build(folder)
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    report.build(folder)
    assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == before
    assert report.stale(folder) == []
    (folder / "report.md").write_text("other")
    (folder / "figures" / "forest.svg").unlink()
    assert report.stale(folder) == ["report.md", "figures/forest.svg"]


def test_the_page_loads_nothing_and_has_its_landmarks(tmp_path):
    folder = results(tmp_path)
    report.build(folder)
    found = read(folder)
    assert all(address.startswith(("data:", "#")) for address in found.addresses)
    for tag in ("main", "header", "footer", "nav", "h1", "caption"):
        assert tag in found.tags
    text = (folder / "report.html").read_text(encoding="utf-8")
    assert len(re.findall("<img ", text)) == len(re.findall(r'<img [^>]*alt="[^"]+"', text))


HOSTILE = '<script>alert(1)</script>"><img src=x onerror=alert(2)>'


def test_hostile_names_do_nothing(tmp_path):
    folder = results(tmp_path, title=HOSTILE)
    study = load(folder).study
    report.build(folder)
    text = (folder / "report.html").read_text(encoding="utf-8")
    assert "<script>alert" not in text
    assert "<img src=x" not in text
    assert study.title == HOSTILE
    assert "<script>" not in (folder / "report.md").read_text(encoding="utf-8")


ODD = {
    "one schedule": {"labels": ("constant",)},
    "seven": {"labels": ("constant", "linear", "exponential", "cosine", "step", "rex", "wsd")},
    "all diverged": {"diverged": lambda label, phase, repetition: True},
    "baseline diverged": {"diverged": lambda label, phase, repetition: label == "constant"},
    "three runs": {"seeds": 1, "trials": 0},
    "no confirmation yet": {"seeds": 0},
    "zero variance": {"noise": 0.0},
    "huge": {"scale": 1e12},
    "tiny": {"scale": 1e-12},
    "one evaluation": {"points": 1},
    "long and foreign": {
        "labels": ("постоянная", "ein_sehr_langer_Name_fuer_einen_linearen_Abfall_mit_Boden", "指数衰减"),
        "kinds": {
            "постоянная": "constant",
            "ein_sehr_langer_Name_fuer_einen_linearen_Abfall_mit_Boden": "linear",
            "指数衰减": "exponential",
        },
    },
}


@pytest.mark.parametrize("case", ODD)
def test_every_odd_study_has_a_page(case, tmp_path):
    folder = results(tmp_path, **ODD[case])
    report.build(folder)
    assert report.stale(folder) == []
    sentence = report.headline(folder)["sentence"]
    words = {
        "one schedule": "nothing to compare",
        "three runs": "descriptive only: needs at least",
        "no confirmation yet": "nothing can be claimed",
        "all diverged": "undecided",
        "baseline diverged": "was better than constant",
    }
    assert words.get(case, "") in sentence
    text = (folder / "report.html").read_text(encoding="utf-8")
    for label in ODD[case].get("labels", ()):
        assert label in text
    assert ">nan<" not in text


def test_figures_are_of_the_data_with_units_and_direction(tmp_path):
    analysis = Analysis(load(results(tmp_path)))
    made = figures.finals(
        analysis.confirmed,
        analysis.summary,
        schedules=analysis.schedules,
        score=analysis.score,
        label="Fréchet distance ↓",
    )
    axes = made.axes[0]
    assert axes.get_ylabel() == "Fréchet distance ↓"
    drawn = np.concatenate([line.get_ydata() for line in axes.lines if line.get_marker() in style.MARKERS])
    np.testing.assert_allclose(sorted(drawn), sorted(analysis.confirmed["fid_digits_5k"]))
    colours = style.colours(analysis.schedules)
    assert len(set(colours.values())) == 3


def test_intervals_are_said_to_be_of_the_pairs_that_have_a_difference(tmp_path):
    lost = {"linear": (0, 1), "constant": (1,), "exponential": ()}
    folder = results(tmp_path, diverged=lambda label, phase, place: phase == "confirm" and place in lost[label])
    analysis = Analysis(load(folder))
    caption = figures_of(analysis)["forest"][1].caption
    assert "95 % t intervals over 6 to 7 pairs" in caption
    assert "Pairs with a diverged run are in the verdict" in caption
    shown = tables_of(analysis)
    note = shown["verdicts_wide"].texts().set_index("schedule")["note"]
    assert note["linear"].startswith("2 of 8 pairs with a diverged run")
    assert shown["levels"].texts()["diverged"].tolist() == [
        "1 of 8 (2 to 47 %)",
        "2 of 8 (7 to 59 %)",
        "0 of 8 (0 to 32 %)",
    ]
    assert shown["claims"].texts().set_index("measure").loc["runs that diverged ↓", "linear"] == "2 of 8"


def test_one_number_is_written_the_same_way_everywhere(tmp_path):
    """The means of the primary score, and the differences, in every table, sentence and caption that has them."""
    folder = results(tmp_path, noise=0.9)
    report.build(folder)
    analysis = Analysis(load(folder))
    summary = analysis.summary.set_index("schedule")["mean"]
    difference = analysis.contrasts.set_index("schedule")["difference"]
    shown = tables_of(analysis)
    spread = analysis.spread_of(analysis.score)
    for label in summary.index:
        mean = numbers.aligned([summary[label]], spread=spread)[0]
        assert shown["levels"].texts().set_index("schedule").loc[label, "mean"] == mean
        assert shown["final_against_best"].texts().set_index("schedule").loc[label, "final"] == mean
        assert shown["optimism"].texts().set_index("schedule").loc[label, "confirmed"] == mean
        assert f"{label} {mean}" in figures_of(analysis)["finals"][1].alt
        if label in difference:
            gap = numbers.aligned([difference[label]], spread=spread, sign=True)[0]
            assert shown["verdicts"].texts().set_index("schedule").loc[label, "mean"] == mean
            assert shown["verdicts_wide"].texts().set_index("schedule").loc[label, "difference"] == gap
            assert shown["interactions"].texts().set_index("schedule").loc[label, "effect on raw weights"] == gap
            glance = shown["claims"].texts().set_index("measure").loc["Fréchet distance ↓", label]
            assert glance == shown["verdicts"].texts().set_index("schedule").iloc[:, 1][label]
            assert glance.startswith(f"{gap} (")
            assert f"Fréchet distance {gap}, interval" in analysis.sentence
    text = (folder / "report.html").read_text(encoding="utf-8")
    assert not re.search(r"[+−]0(\.0+)?(?![\d.])", text)
    assert "probability" not in text.lower()


def asked(folder, **question):
    """The study with another question."""
    study = json.loads((folder / "study.json").read_text(encoding="utf-8"))
    study["question"] |= question
    (folder / "study.json").write_text(json.dumps(study), encoding="utf-8")


def test_intervals_follow_the_alpha_of_the_question_and_say_their_level(tmp_path):
    folder = results(tmp_path)
    asked(folder, alpha=0.2)
    analysis = Analysis(load(folder))
    made = figures_of(analysis)
    for name in ("forest", "finals", "anytime", "averaging", "budget"):
        assert "80 %" in made[name][1].caption, name
        assert "95 %" not in made[name][1].caption, name
    runs = analysis.confirmed[analysis.confirmed["schedule"] == "linear"]
    wanted = [
        distributions.t.interval(0.8, 7, runs[score].mean(), distributions.sem(runs[score]))
        for score in ("fid_digits_5k", "fid_digits_5k_ema")
    ]
    places = [label.get_label() for label in made["averaging"][0].axes[0].containers]
    drawn = made["averaging"][0].axes[0].containers[places.index("linear")].lines[2][0].get_segments()
    np.testing.assert_allclose([segment[:, 1] for segment in drawn], wanted)
    last = analysis.bands[(analysis.bands["schedule"] == "linear") & (analysis.bands["step"] == 300)].iloc[0]
    assert (last["low"], last["high"]) == pytest.approx(wanted[0])
    area = made["anytime"][0].axes[0].collections[1].get_paths()[0].vertices
    at_end = sorted(set(area[area[:, 0] == 300][:, 1]))
    assert (at_end[0], at_end[-1]) == pytest.approx(wanted[0])


def test_a_band_of_a_distance_does_not_go_below_zero(tmp_path):
    folder = results(tmp_path, labels=("constant",), seeds=2)
    asked(folder, alpha=0.001)
    analysis = Analysis(load(folder))
    assert analysis.bands["low"].min() == 0.0
    assert analysis.summary["low"].min() == 0.0
    assert analysis.least_of("kid_digits_5k") == -np.inf  # unbiased: it can be negative


def test_the_other_weights_and_the_interaction_are_on_the_first_screen(tmp_path):
    """Averaged weights of the example are 0.9 times as far apart: the same verdicts, said with the same words."""
    folder = results(tmp_path)
    report.build(folder)
    first = (folder / "report.html").read_text(encoding="utf-8").split('<nav aria-label="Sections">')[0]
    assert "With averaged weights: Better than constant: linear. Undecided: exponential." in first
    assert "Decay helps averaged weights less than raw ones (interaction above zero): linear." in first
    assert "The answer depends on the weights" not in first
    runs = pd.read_csv(folder / "runs.csv")
    runs["fid_digits_5k_ema"] = 3.0 + 1e-3 * runs["repetition"] + 1e-4 * runs["fid_digits_5k"]
    runs.to_csv(folder / "runs.csv", index=False)
    report.build(folder)
    for name in ("report.html", "report.md", "README.md"):
        text = (folder / name).read_text(encoding="utf-8")
        said = "The answer depends on the weights: averaged ones change the verdict on linear and exponential."
        assert said in text, name
        assert "With averaged weights: Equivalent to constant: linear and exponential." in text, name


def test_pairing_is_shown_where_it_is_claimed(tmp_path):
    folder = results(tmp_path, noise=0.1)
    report.build(folder)
    text = (folder / "report.html").read_text(encoding="utf-8")
    said = (
        "Correlation of paired scores: −0.02 (exponential) to 0.39 (linear). Pairing gained: in the median an unpaired"
    )
    assert said in text
    assert Analysis(load(results(tmp_path / "one", seeds=1))).pairing == ""


def test_a_range_of_a_schedules_own_decides_whether_its_best_value_is_at_an_edge(tmp_path):
    """Two schedules may search one parameter in different ranges."""
    folder = results(
        tmp_path,
        labels=("constant", "exponential", "inverse"),
        kinds={"constant": "constant", "exponential": "exponential", "inverse": "exponential"},
    )
    study = json.loads((folder / "study.json").read_text(encoding="utf-8"))
    wide = {"low": 0.001, "high": 0.9, "log": True}
    study["own_space"] = {"exponential": {"final": {"low": 0.01, "high": 0.1, "log": True}}, "inverse": {"final": wide}}
    (folder / "study.json").write_text(json.dumps(study), encoding="utf-8")
    flags = Analysis(load(folder)).tables["boundary"]
    final = flags[flags["parameter"] == "final"]
    assert final[["schedule", "edge", "high"]].to_numpy().tolist() == [["exponential", "upper", 0.1]]


def test_a_readme_shows_the_differences_to_the_baseline_or_the_curve_of_a_study_that_compares_nothing(tmp_path):
    for labels, shown in ((("constant", "linear"), "forest"), (("constant",), "anytime")):
        folder = results(tmp_path / shown, labels=labels, kinds={label: label for label in labels})
        report.build(folder)
        text = (folder / "README.md").read_text(encoding="utf-8")
        assert re.findall(r"\(figures/(\w+)\.png\)", text) == [shown]


@pytest.mark.parametrize(("change", "stale"), [(1e-13, []), (1e-6, ["summary.csv"]), ("text", ["summary.csv"])])
def test_a_table_follows_where_its_numbers_do_to_within_rounding(tmp_path, change, stale):
    folder = results(tmp_path)
    report.build(folder)
    table = folder / "summary.csv"
    text = table.read_text(encoding="utf-8")
    mean = str(pd.read_csv(table, dtype=str).loc[0, "mean"])
    other = change if change == "text" else repr(float(mean) * (1 + change))
    assert other != mean
    table.write_text(text.replace(mean, other), encoding="utf-8")
    assert report.stale(folder) == stale


def test_commands_and_links_are_relative_to_the_folder_and_the_baseline_is_named(tmp_path):
    one, two = (
        results(tmp_path / "here" / "one"),
        results(tmp_path / "two", labels=("flat", "linear"), kinds={"flat": "constant", "linear": "linear"}),
    )
    report.build(one)
    text = (one / "README.md").read_text(encoding="utf-8")
    assert "python -m harness.report . --check" in text
    assert "results/" not in text
    analyses = {"one": Analysis(load(one)), "two": Analysis(load(two))}
    assert readme.overview({"one": analyses["one"]}, root=tmp_path).startswith("| against constant")
    both = readme.overview(analyses, root=tmp_path / "here")
    assert both.startswith("| schedule")
    assert "[one](one/README.md)<br>300 steps<br>against constant" in both
    assert "[two](../two/README.md)<br>300 steps<br>against flat" in both


def test_many_runs_stay_small(tmp_path):
    """The page does not grow with the runs; benchmarks/report_scale.py measures 10,000 of them."""
    folder = results(tmp_path, seeds=100, trials=100, points=5)
    report.build(folder)
    assert (folder / "report.html").stat().st_size < 1_500_000
    assert "grey lines join" not in (folder / "report.html").read_text(encoding="utf-8")  # they would cover everything


def test_the_cost_table_says_whether_evaluations_are_in_its_seconds(tmp_path):
    def caption(folder):
        return tables_of(Analysis(load(folder)))["cost"].caption

    assert caption(results(tmp_path / "new", traced=True)).startswith(
        "Seconds per run with its evaluations, and seconds of"
    )
    old = results(tmp_path / "old")
    assert caption(old).startswith("Seconds per run and per step, evaluations included in both, and the ratio")
    runs = pd.read_csv(old / "runs.csv")
    runs.loc[runs["repetition"] > 5, "seconds_evaluation"] = 2.0
    runs.to_csv(old / "runs.csv", index=False)
    assert "included in both in runs stored by an earlier version" in caption(old)


def test_the_page_says_which_files_of_a_folder_were_read_and_which_were_skipped(tmp_path):
    folder = results(tmp_path, seeds=3)
    study = json.loads((folder / "study.json").read_text(encoding="utf-8"))
    study["data"]["notes"] = ["60 images; skipped: 2 hidden, 1 .<b>"]
    (folder / "study.json").write_text(json.dumps(study), encoding="utf-8")
    report.build(folder)
    assert "60 images; skipped: 2 hidden, 1 .&lt;b&gt;" in (folder / "report.html").read_text(encoding="utf-8")
    assert r"60 images; skipped: 2 hidden, 1 .\<b\>" in (folder / "report.md").read_text(encoding="utf-8")


def test_a_score_is_of_the_metric_it_names_and_one_without_a_claim_is_shown_too(tmp_path):
    """`fid_infinity` is no `fid`: it gets a table of its own, and may be negative as far as the report knows."""
    folder = results(tmp_path)
    runs = pd.read_csv(folder / "runs.csv")
    runs["fid_infinity_digits_5k"], runs["fid_infinity_digits_5k_ema"] = runs["fid_digits_5k"] - 9, -1.0
    runs.to_csv(folder / "runs.csv", index=False)
    study = json.loads((folder / "study.json").read_text(encoding="utf-8"))
    study["scores"]["fid_infinity_digits_5k"] = study["scores"]["fid_digits_5k"] | {"title": "extrapolated distance"}
    (folder / "study.json").write_text(json.dumps(study), encoding="utf-8")
    report.build(folder)
    tables = {caption.partition(" scores by")[0]: rows for caption, rows in read(folder).tables.items()}
    assert {row[0] for row in tables["Better images:"][1:]} == {"fid_digits_5k"}
    assert {row[0] for row in tables["Other scores:"][1:]} == {"fid_infinity_digits_5k"}
    assert {row[1] for row in tables["Other scores:"][1:]} == {"raw", "averaged"}
    glance = next(rows for caption, rows in read(folder).tables.items() if caption.startswith("Each claim"))
    assert [row[:2] for row in glance].count(["Other scores", "extrapolated distance ↓"]) == 1
    assert Analysis(load(folder)).least_of("fid_infinity_digits_5k") == -np.inf
