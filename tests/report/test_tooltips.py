"""Runs are named on hover, hostile names do nothing, and no name vanishes from a figure or a caption."""

import re
import xml.etree.ElementTree as ElementTree

from harness import load_results, report
from harness.report import figures
from harness.report.figures import style, tooltips
from tests.report.example import results

HOSTILE = 'a|b <script>alert(1)</script> *x* `y` "'


def titles(svg):
    return [each.text for each in ElementTree.fromstring(svg).iter("{http://www.w3.org/2000/svg}title")]


def drawn(runs):
    made = figures.sensitivity(
        runs, schedules=list(dict.fromkeys(runs["schedule"])), score="fid_digits_5k", label="FID"
    )
    return style.rendered(made, "svg").decode()


def test_every_dot_and_cross_names_its_run(tmp_path):
    found = load_results(results(tmp_path, diverged=lambda label, phase, repetition: repetition == 2))
    runs = found.runs[found.runs["phase"] == "search"]
    shown = titles(drawn(runs))
    assert len(shown) == len(runs) == 12
    row = runs[runs["status"] == "finished"].iloc[0]
    assert f"{row['run']}: {row['fid_digits_5k']:.4g}" in shown
    assert "search-linear-p002-r002: diverged" in shown


def test_a_dot_carries_its_own_run_and_not_its_neighbours(tmp_path):
    runs = load_results(results(tmp_path, labels=("constant",), trials=8)).runs
    runs = runs[runs["phase"] == "search"]
    marks = re.findall(r'<use [^>]*x="([\d.]+)"[^>]*><title>([^:]+):', drawn(runs))
    left_to_right = [run for _, run in sorted(marks, key=lambda each: float(each[0]))]
    assert left_to_right == list(runs.sort_values("params_peak")["run"])


def test_hostile_run_names_are_text(tmp_path):
    runs = load_results(results(tmp_path)).runs
    runs = runs[runs["phase"] == "search"].assign(run="</title><script>alert(1)</script>\x00")
    svg = drawn(runs)
    assert "<script" not in svg
    assert titles(svg)[0].startswith("</title><script>alert(1)</script>")  # as text


def test_too_many_dots_carry_no_titles(tmp_path, monkeypatch):
    monkeypatch.setattr(tooltips, "MOST", 3)
    runs = load_results(results(tmp_path)).runs
    assert titles(drawn(runs[runs["phase"] == "search"])) == []


def test_the_page_holds_the_titles_and_every_id_once(tmp_path):
    report.build(results(tmp_path))
    text = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "<title>confirm-linear-p000-r003: " in text  # a dot
    assert "<title>confirm-linear-p000-r003</title>" in text  # a curve
    svg_ids = re.findall(r'\bid="([^"]+)"', text)
    referred = set(re.findall(r'href="#([^"]+)"|url\(#([^)]+)\)', text))
    assert len(set(svg_ids)) == len(svg_ids)
    assert {one or two for one, two in referred} <= set(svg_ids)


def test_captions_and_cells_are_escaped_in_markdown(tmp_path):
    labels = ("constant", HOSTILE)
    report.build(results(tmp_path, labels=labels, kinds={"constant": "constant", HOSTILE: "linear"}, title=HOSTILE))
    text = (tmp_path / "report.md").read_text(encoding="utf-8")
    for marked in (r"(?<!\\)<", r"(?<!\\)`y", r"(?<!\\)\*x"):
        assert not re.search(marked, text), marked
    assert r"a\|b \<script\>" in text
    assert "<script>alert" not in (tmp_path / "report.html").read_text(encoding="utf-8")


NAMES = (
    "constant",
    "постоянная",
    "指数衰减",
    "تناقص",
    "📉",
    "ein_langer_Name_mit_Boden_a",
    "ein_langer_Name_mit_Boden_b",
)


def test_names_a_figure_cannot_draw_get_a_key_and_the_key_is_in_the_captions(tmp_path):
    keys = style.keys(NAMES)
    assert keys == {f"S{place + 1}": NAMES[place] for place in (2, 3, 4, 5, 6)}
    report.build(results(tmp_path, labels=NAMES, kinds=dict.fromkeys(NAMES, "linear")))  # a missing glyph would warn
    for file in ("report.html", "report.md"):
        assert "S3 is 指数衰减; S4 is \u2068تناقص\u2069; S5 is 📉; " in (tmp_path / file).read_text(encoding="utf-8")


def test_a_key_is_never_another_schedules_name():
    assert style.keys(["S2", "指数"]) == {"S2*": "指数"}
    assert len(set(style.names(["S2", "指数", "S2*"]).values())) == 3
