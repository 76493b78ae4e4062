"""The one list of what a report shows: an entry in it is on the page, in report.md and among the LaTeX tables."""

from matplotlib.figure import Figure

from harness import report
from harness.report import catalogue, cross_study
from harness.report.analysis import Analysis
from harness.report.entries import Code, Drawing, FigureEntry, Link, Section, TableEntry, Text, Verbatim, walk
from harness.report.tables import Cell, Table
from harness.results import load
from tests.report.example import results


def test_names_and_anchors_are_given_once():
    for report_ in (catalogue, cross_study):
        entries = list(walk(report_.FIRST, report_.SECTIONS))
        for kind in (TableEntry, FigureEntry):
            names = [entry.name for entry in entries if isinstance(entry, kind)]
            assert len(set(names)) == len(names)
        anchors = [section.id for section in report_.SECTIONS]
        assert len(set(anchors)) == len(anchors)


def test_links_lead_to_sections(tmp_path):
    analysis = Analysis(load(results(tmp_path)))
    anchors = {section.id for section in catalogue.SECTIONS}
    lines = [entry.make(analysis) for entry in walk((), catalogue.SECTIONS) if isinstance(entry, Text)]
    links = [part.section for line in lines for part in line if isinstance(part, Link)]
    assert links
    assert set(links) <= anchors


def test_a_new_table_and_a_new_figure_need_an_entry_and_nothing_else(tmp_path, monkeypatch):
    cell = Cell("3 < 4", 3)
    table = Table("How many there are", ("number",), ((cell,),), "new.csv")
    entries = (
        TableEntry("new", lambda analysis: table, title="A heading", brief=True, paper=lambda analysis: table),
        FigureEntry(
            "blank", lambda analysis: Drawing(lambda: Figure(figsize=(1, 1)), "Nothing.", "A blank."), brief=True
        ),
        FigureEntry("absent", lambda analysis: None, brief=True),
        TableEntry("empty", lambda analysis: None, title="Unseen", otherwise="No data here."),
        Text(lambda analysis: ("Say ", Code("x < y"), "."), brief=True),
        Text(lambda analysis: ()),
        Verbatim("A command:", lambda analysis: "run <it>", brief=True),
    )
    section = Section("new", "Something new", "New", entries)
    monkeypatch.setattr(catalogue, "SECTIONS", (*catalogue.SECTIONS, section))
    report.build(results(tmp_path))
    assert report.stale(tmp_path) == []
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    for part in (
        '<li><a href="#new">New</a></li>',
        '<h2 id="h-new">Something new</h2>',
        "<h3>A heading</h3>",
        "How many there are",
        "3 &lt; 4",
        '<figure id="figure-blank">',
        "<h3>Unseen</h3>\n<p>No data here.</p>",
        "<p>Say <code>x &lt; y</code>.</p>",
        "run &lt;it&gt;",
    ):
        assert part in page, part
    markdown = (tmp_path / "report.md").read_text(encoding="utf-8")
    for part in ("## Something new", r"3 \< 4", "![Nothing.](figures/blank.png)", "Say `x < y`.", "`run <it>`"):
        assert part in markdown, part
    assert "Unseen" not in markdown
    assert r"3 \textless{} 4" in (tmp_path / "latex" / "new.tex").read_text(encoding="utf-8")
    assert (tmp_path / "figures" / "blank.png").is_file()
    assert not (tmp_path / "figures" / "absent.png").exists()
