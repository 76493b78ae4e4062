"""What speaks against an answer stands where the answer stands: page, Markdown, README, summary and terminal."""

import json

import pytest

from harness import report
from harness.report import cautions
from harness.report.__main__ import main
from harness.report.analysis import Analysis
from harness.results import load
from harness.results.document import read
from tests.report.example import results, study

LABELS = ("constant", "linear", "exponential")
SANITY = [
    {"damage": "blurred, radius 1", "value": 0.5, "floor": 0.56, "seen": False},
    {"damage": "shuffled pixels", "value": 12.25, "floor": 0.56, "seen": True},
    {"damage": "<i>grey</i>", "value": 0.003, "floor": 0.56, "seen": False},
]


def document(**changes):
    made = study(LABELS, dict(zip(LABELS, LABELS, strict=True)), "A title")
    for path, value in changes.items():
        *parts, last = path.split("__")
        place = made
        for part in parts:
            place = place[part]
        place[last] = value
    return made


def changed(folder, **changes):
    path = folder / "study.json"
    made = json.loads(path.read_text(encoding="utf-8")) | changes
    path.write_text(json.dumps(made), encoding="utf-8")


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({}, []),
        (
            {"schedules": ["constant"], "kinds": {"constant": "constant"}},
            ["Only one schedule, constant: there is nothing to compare it with."],
        ),
        ({"data__train": 63}, ["A batch of 64 is larger than the training data, 63 images."]),
        ({"data__train": 64}, []),
        (
            {"data__held_out": 359},
            [
                "The floor rests on 359 held-out images, the scores on 5,000 generated ones: a Fréchet distance of few images is too high."
            ],
        ),
        ({"data__held_out": 5000}, []),
        (
            {"data__held_out": 900, "spec__evaluate__generated": 500},
            ["The floor rests on 900 held-out images, the scores on 500"],
        ),
        ({"spec__evaluate__reference": "held_out", "data__train": 1000}, ["The floor rests on 1,000 training images"]),
        (
            {"features__dimensions": 6144},
            [
                "Fewer generated images (5,000) than feature dimensions (6,144): their covariance has not full rank, and Fréchet distances are too high."
            ],
        ),
        ({"features__dimensions": 5000}, []),
        ({"spec__evaluate": {}}, []),  # what a study file does not say cannot be cautioned against
    ],
)
def test_a_study_says_what_speaks_against_it(changes, said):
    found = cautions.of_study(read(document(**changes)))
    assert len(found) == len(said)
    for sentence, beginning in zip(found, said, strict=True):
        assert sentence.startswith(beginning)
        assert sentence.endswith(".")


@pytest.mark.parametrize("odd", ["text", 3, {"generated": "many"}, [None]])
@pytest.mark.parametrize("key", ["sanity", "warnings", "spec.evaluate"])
def test_a_field_that_is_not_of_the_form_is_named(key, odd):
    with pytest.raises(ValueError, match=rf"^{key}[.:]") as caught:
        read(document(**{key.replace(".", "__"): odd}))
    assert len(str(caught.value).splitlines()) == 1


def test_committed_results_show_the_warnings_of_old_studies_too(tmp_path):
    """study.json of before warnings were written has all that most of them need."""
    made = document(data__held_out=12)
    assert "warnings" not in made
    assert len(cautions.warnings(read(made))) == 1


def test_warnings_are_shown_once_and_everywhere(tmp_path, capsys):
    folder = results(tmp_path, seeds=3)
    own = "A sentence that <b>another part</b> wrote."
    repeated = "A batch of 64 is larger than the training data, 10 images."
    data = json.loads((folder / "study.json").read_text(encoding="utf-8"))["data"] | {"train": 10}
    changed(folder, warnings=[own, repeated], sanity=SANITY, data=data)
    report.build(folder)
    warnings = report.headline(folder)["warnings"]
    assert warnings[:2] == [own, repeated]
    assert warnings[2].startswith("Best searched values at the edge of their range: ")
    assert warnings[2].endswith("widen the range in a new study.")
    assert len(warnings) == 3
    first = (folder / "report.html").read_text(encoding="utf-8").split('<nav aria-label="Sections">')[0]
    assert first.count("<li>A batch of 64 is larger than the training data, 10 images.</li>") == 1
    assert "<li>A sentence that &lt;b&gt;another part&lt;/b&gt; wrote.</li>" in first
    for name in ("report.md", "README.md"):
        text = (folder / name).read_text(encoding="utf-8")
        assert r"> **Warning:** A sentence that \<b\>another part\</b\> wrote." in text, name
        assert text.index("**Warning:**") < text.index("| schedule"), name
    assert main([str(folder), "--verbose"]) == 0
    said = " ".join(capsys.readouterr().out.split())
    assert f"Warning: {own} Warning: {repeated}" in said


def test_an_edge_is_named_with_schedule_parameter_value_and_range_and_many_are_counted(tmp_path, monkeypatch):
    stored = load(results(tmp_path, labels=LABELS, trials=1))
    assert Analysis(stored).warnings == []  # one trial lies at an edge by chance
    monkeypatch.setattr("harness.report.analysis._EDGES_FROM", 1)
    analysis = Analysis(stored)
    (said,) = analysis.warnings
    assert "constant, peak 0.000316 (lower edge of 0.000316 to 0.0316)" in said
    seven = Analysis(
        load(
            results(
                tmp_path / "seven",
                labels=("constant", *map(str, range(6))),
                kinds=dict.fromkeys(("constant", *map(str, range(6))), "linear"),
                trials=1,
            )
        )
    )
    assert "; and 3 more. " in seven.warnings[0]


def test_known_damage_has_a_table_only_where_it_was_measured(tmp_path):
    folder = results(tmp_path, seeds=3)
    report.build(folder)
    assert "known damage" not in (folder / "report.html").read_text(encoding="utf-8")
    changed(folder, sanity=SANITY)
    report.build(folder)
    for name in ("report.html", "report.md"):
        text = (folder / name).read_text(encoding="utf-8")
        protocol = text[text.index("Protocol", text.index("Search")) :]
        assert "Does the score see known damage?" in protocol, name
        assert "shuffled pixels" in protocol, name
    assert "<i>grey" not in (folder / "report.html").read_text(encoding="utf-8")
    changed(folder, sanity=[row | {"seen": True} for row in SANITY])
    assert not any("does not see" in each for each in report.headline(folder)["warnings"])
