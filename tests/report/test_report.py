"""The report: its numbers are the tables', its page is safe and whole in every odd case."""

import re
import shutil
import subprocess
from html.parser import HTMLParser

import numpy as np
import pandas as pd
import pytest

from harness import report, stats
from harness.report import cross, figures, page, style
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
    assert row["difference"] == f"{difference:.3g}"
    assert row["mean"] == f"{mine['linear'].mean():.3g}"
    assert row["p better"] == f"{(mine['linear'] < mine['constant']).mean():.3g}"
    assert f"{difference:+.3g}" in report.headline(folder)["sentence"]


def test_one_changed_cell_changes_the_right_places_and_no_other(tmp_path):
    folder = results(tmp_path / "a")
    report.build(folder)
    other = tmp_path / "b"
    shutil.copytree(folder, other)
    runs = pd.read_csv(other / "runs.csv")
    place = runs.index[(runs["phase"] == "confirm") & (runs["schedule"] == "exponential") & (runs["repetition"] == 3)][
        0
    ]
    runs.loc[place, "fid_digits_5k"] += 1.0
    runs.to_csv(other / "runs.csv", index=False)
    assert "contrasts.csv" in report.stale(other)
    report.build(other)
    before, after = pd.read_csv(folder / "contrasts.csv"), pd.read_csv(other / "contrasts.csv")
    pd.testing.assert_frame_equal(
        before[before["schedule"] == "linear"].drop(columns=["p_holm"]),
        after[after["schedule"] == "linear"].drop(columns=["p_holm"]),
    )
    changed = (
        after.set_index("schedule").loc["exponential", "difference"]
        - before.set_index("schedule").loc["exponential", "difference"]
    )
    assert changed == pytest.approx(1.0 / 8)
    for name in ("sensitivity.csv", "cost.csv", "optimism.csv", "budget.csv"):
        if name != "optimism.csv":
            assert (folder / name).read_bytes() == (other / name).read_bytes()


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
    tex = (folder / "latex" / "contrasts.tex").read_text()
    assert tex.startswith("\\begin{tabular}{l")
    assert "p\\_" not in tex
    assert "| linear" in (folder / "report.md").read_text(encoding="utf-8")
    assert page.number(0.000012345) == "1.23e-05"
    assert page.number(float("nan")) == "–"


@pytest.mark.slow
def test_ten_thousand_runs_stay_small(tmp_path):
    folder = results(tmp_path, seeds=2500, trials=833, points=20)
    report.build(folder)
    assert (folder / "report.html").stat().st_size < 5_000_000


@pytest.mark.slow
def test_a_browser_sees_no_error_no_request_and_no_sideways_scroll(tmp_path):
    chromium = shutil.which("chromium")
    if chromium is None:
        pytest.skip("no chromium on this machine")
    folder = results(tmp_path, title=HOSTILE)
    report.build(folder)
    probe = (
        (folder / "report.html")
        .read_text(encoding="utf-8")
        .replace(
            "</body>",
            "<script>const head=document.querySelector('#verdicts table thead th:nth-child(6)');head.click();head.click();"
            "document.title=JSON.stringify({wide:document.documentElement.scrollWidth>innerWidth,"
            "sorted:head.getAttribute('aria-sort'),requests:performance.getEntriesByType('resource')"
            ".filter(r=>!r.name.startsWith('data:')).length,"
            "first:document.querySelector('#verdicts tbody tr').cells[0].textContent})</script></body>",
        )
    )
    (tmp_path / "probe.html").write_text(probe, encoding="utf-8")
    done = subprocess.run(
        [
            chromium, "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking",
            "--disable-component-update", "--disable-sync", f"--user-data-dir={tmp_path / 'profile'}",
            "--window-size=360,800", "--enable-logging=stderr", "--dump-dom", f"file://{tmp_path / 'probe.html'}",
        ],
        capture_output=True, text=True, timeout=120, check=True,
    )  # fmt: skip
    title = re.search(r"<title>(.*?)</title>", done.stdout).group(1)
    assert '"wide":false' in title
    assert '"requests":0' in title
    assert '"sorted":"descending"' in title
    assert '"first":"exponential"' in title
    assert "CONSOLE" not in done.stderr
