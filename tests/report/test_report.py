"""The report: its numbers are the tables', its page is safe and whole in every odd case."""

import re
import shutil
from html.parser import HTMLParser

import numpy as np
import pandas as pd
import pytest
from scipy import stats as distributions

from harness import report, stats
from harness.report import cross, figures, style
from harness.report.analysis import Analysis
from harness.results import load
from tests.report.example import results


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
    table = next(
        rows for caption, rows in read(folder).tables.items() if caption.startswith("Each schedule against constant")
    )
    row = dict(zip(table[0], next(row for row in table if row[0] == "linear"), strict=True))
    difference = (mine["linear"] - mine["constant"]).mean()
    low, high = distributions.t.interval(0.95, 7, difference, distributions.sem(mine["linear"] - mine["constant"]))
    assert row["difference"] == f"−{-difference:.2f}"  # the interval's half-width, 0.26, has its second digit there
    assert row["95 % interval"] == f"−{-low:.2f} to −{-high:.2f}"
    assert row["mean"] == f"{mine['linear'].mean():.2f}"
    assert row["better in"] == f"{(mine['linear'] < mine['constant']).mean():.0%}".replace("%", " %")
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
    assert study["title"] == HOSTILE
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


def test_cross_study_page(tmp_path):
    one, two = results(tmp_path / "one"), results(tmp_path / "two", labels=("constant", "linear"))
    made = cross.build([one, two], output=tmp_path / "cross")
    text = made.read_text(encoding="utf-8")
    assert "example" in text
    ranks = pd.read_csv(tmp_path / "cross" / "ranks.csv").set_index("schedule")
    assert ranks.loc["linear", "studies"] == 2
    effects = pd.read_csv(tmp_path / "cross" / "effects.csv")
    base = stats.contrasts(Analysis(load(one)).confirmed, score="fid_digits_5k", rope=0.1).set_index("schedule")
    expected = base.loc["linear", "difference"] / base.loc["linear", "baseline_mean"]
    assert effects.iloc[0]["relative"] == pytest.approx(expected)


def test_latex_escapes_and_markdown_has_the_verdicts(tmp_path):
    folder = results(tmp_path)
    report.build(folder)
    tex = (folder / "latex" / "verdicts.tex").read_text(encoding="utf-8")
    assert r"\begin{tabular}{l" in tex
    assert r"\toprule" in tex
    assert r"95 \% interval" in tex
    assert r"$-$1.09 to $-$0.57" in tex
    assert not re.search(r"(?<!\\)[%_&#]", tex.replace(" & ", "").split("\n", 1)[1])
    assert "| linear" in (folder / "report.md").read_text(encoding="utf-8")


def test_many_runs_stay_small(tmp_path):
    """The page does not grow with the runs; tests/benchmarks/report_scale.py measures 10,000 of them."""
    folder = results(tmp_path, seeds=100, trials=100, points=5)
    report.build(folder)
    assert (folder / "report.html").stat().st_size < 1_500_000
    assert "grey lines join" not in (folder / "report.html").read_text(encoding="utf-8")  # they would cover everything
