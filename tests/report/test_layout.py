"""Figures whose parts do not run into one another, however long names are: read off the rendered figure."""

import itertools
import json

import pytest
from matplotlib.text import Text

from harness.report import cross_study_tables as tables
from harness.report.analysis import Analysis
from harness.report.cross_study_frames import Studies
from harness.report.figures import cross_study as cross_figures
from harness.report.figures import style
from harness.results import load
from harness.stats.averages import DECAY
from tests.report.example import EFFECT, figures_of, results

LONG = (
    "Fréchet distance of many features and a very long explanation that nobody would put on an axis, but somebody does"
)
CASES = {
    "three": {},
    "seven": {"labels": tuple(EFFECT)},
    "long names": {
        "labels": ("constant", *(f"a_rather_long_schedule_name_{place}" for place in range(4))),
        "kinds": {"constant": "constant"} | {f"a_rather_long_schedule_name_{place}": "linear" for place in range(4)},
    },
    "diverged": {"diverged": lambda label, phase, place: label == "linear"},
}


def boxes(made):
    """Boxes of a drawn figure, in pixels: panels with their ticks, labels of axes, legends, labels of the figure."""
    with style.context():
        made.draw_without_rendering()
    renderer = made.canvas.get_renderer()
    found = {}
    for place, axes in enumerate(made.axes):
        found[f"panel {place}"] = axes.get_window_extent(renderer)
        for name, axis in (("x", axes.xaxis), ("y", axes.yaxis)):
            found[f"{name} ticks {place}"] = axis.get_tightbbox(renderer, for_layout_only=True)
            if axis.label.get_text():
                found[f"{name} label {place}"] = axis.label.get_window_extent(renderer)
            if axis.offsetText.get_text():
                found[f"{name} offset {place}"] = axis.offsetText.get_window_extent(renderer)
        if axes.get_title(loc="left"):
            found[f"title {place}"] = axes._left_title.get_window_extent(renderer)
    for place, legend in enumerate(made.legends):
        found[f"legend {place}"] = legend.get_window_extent(renderer)
    for name in ("_supxlabel", "_suptitle"):
        text = getattr(made, name)
        if isinstance(text, Text) and text.get_text():
            found[name] = text.get_window_extent(renderer)
    return {name: box for name, box in found.items() if box is not None and "ticks" not in name}


def faults(made):
    """Pairs of parts that overlap by more than a pixel, and parts beyond the figure."""
    found = boxes(made)
    width, height = made.get_size_inches() * made.dpi
    outside = [
        name for name, box in found.items() if box.x0 < -1 or box.y0 < -1 or box.x1 > width + 1 or box.y1 > height + 1
    ]
    return outside + [
        (one, two)
        for (one, a), (two, b) in itertools.combinations(found.items(), 2)
        if min(a.x1, b.x1) - max(a.x0, b.x0) > 1 and min(a.y1, b.y1) - max(a.y0, b.y0) > 1
    ]


@pytest.mark.parametrize("title", [LONG, "d" * 200], ids=["long", "one long word"])
@pytest.mark.parametrize("case", CASES)
def test_labels_legends_and_panels_keep_clear_of_each_other(case, title, tmp_path):
    folder = results(tmp_path, **{"seeds": 3, "trials": 3} | CASES[case])
    study = json.loads((folder / "study.json").read_text(encoding="utf-8"))
    study["scores"]["fid_digits_5k"]["title"] = title
    study["spec"]["train"]["applies_to"] = "discriminator"
    (folder / "study.json").write_text(json.dumps(study), encoding="utf-8")
    made = figures_of(Analysis(load(folder)))
    assert set(made) == {"forest", "finals", "averaging", "anytime", "rates", "sensitivity"}
    for name, (figure, _) in made.items():
        assert faults(figure) == [], name
        panels = [axes.get_window_extent().height / figure.dpi for axes in figure.axes]
        assert min(panels) > 0.6, name  # inches: labels have not eaten what they label


def test_budget_and_figures_across_studies_keep_clear_too(tmp_path):
    one = results(tmp_path / "one", trials=8, seeds=3, labels=tuple(EFFECT))
    analysis = Analysis(load(one))
    assert faults(figures_of(analysis)["budget"][0]) == []
    study = json.loads((one / "study.json").read_text(encoding="utf-8"))
    two = results(tmp_path / "two", seeds=3, labels=tuple(EFFECT))
    study["spec"]["train"]["steps"] *= 2
    (two / "study.json").write_text(json.dumps(study), encoding="utf-8")
    studies = Studies({"a study": analysis, "a study of a long name " * 3: Analysis(load(two))})
    for draw in (tables.aggregates_figure, tables.effects_figure, tables.sweeps_figure):
        assert faults(draw(studies).draw()) == []
    frame = studies.frames["averages"]
    assert faults(cross_figures.averages(frame[frame["what"] == DECAY])) == []


def test_text_is_broken_between_words_and_cut_where_lines_end():
    assert style.wrapped("expected best Fréchet distance\N{NO-BREAK SPACE}↓", 1.7) == (
        "expected best Fréchet\ndistance\N{NO-BREAK SPACE}↓"
    )
    lines = style.wrapped(LONG, 1.5, lines=2).split("\n")
    assert len(lines) == 2
    assert lines[-1].endswith("…")
    assert style.wrapped("short", 1.5) == "short"
    assert style.wrapped("", 1.5) == ""
