"""How sure a score is, and where its spread comes from: what the section says, and that other studies lack it."""

import dataclasses

import numpy as np
import pandas as pd
import pytest

from harness.plan.design import PHASES
from harness.report import variance
from harness.report.analysis import Analysis
from harness.report.build import build, headline, stale
from harness.results import reading, tables
from harness.results.tables import load, write_study
from tests.report import example
from tests.report.example import figures_of, tables_of

PRIMARY = "fid_digits_5k"
KNOWN = {"name": "digits", "sha256": "a" * 64, "dimensions": 64, "effective_rank": 21.34, "frechet_bias": 40.0}


def varied(path, *, alone, evaluation=0.02, seeds=40, errors=True, **facts):
    """The example's study with runs of one source each, whose spreads are `alone` by source."""
    folder = example.results(path, labels=("constant", "linear"), seeds=seeds, **facts)
    records, rng = [], np.random.default_rng(5)
    stored = reading.records(folder)
    for record in stored:
        noted = {f"{PRIMARY}_se": 0.021, f"{PRIMARY}_se_ema": 0.019}
        scores = record.scores | (noted if errors and record.status == "finished" else {})
        records.append(dataclasses.replace(record, scores=scores))
    for label in ("constant", "linear"):
        base = next(each for each in stored if each.run == f"confirm-{label}-p000-r000")
        for source, spread in (alone | {"evaluation": 0.0}).items():
            for repetition in range(seeds if source != "evaluation" else 2):
                moved = spread * rng.normal()
                scores = {name: score + moved for name, score in base.scores.items()}
                sets = [
                    {name: score + evaluation * rng.normal() for name, score in base.scores.items()} for _ in range(10)
                ]
                records.append(
                    dataclasses.replace(
                        base,
                        run=f"variance-{label}-{source}-p000-r{repetition:03d}",
                        phase="variance",
                        source=source,
                        repetition=repetition,
                        scores=scores,
                        curve=tuple(dataclasses.replace(each, scores=scores) for each in base.curve[-1:]),
                        evaluations=tuple(sets) if source == "evaluation" else (),
                    )
                )
    tables.write(folder, records, phases=PHASES, schedules=["constant", "linear"])
    return Analysis(load(folder))


def said(line):
    return "".join(map(str, line))


@pytest.fixture(scope="module")
def chaotic(tmp_path_factory):
    """Each source alone moves the score as much as all together: the example's noise of 0.3 per run and of 0.3 per seed."""
    alone = dict.fromkeys(("weights", "data", "latents"), 0.3 * 2**0.5)
    return varied(tmp_path_factory.mktemp("chaotic"), alone=alone, features=KNOWN)


def test_the_tables_hold_the_spreads_that_were_put_in(chaotic):
    table = chaotic.tables["variance"].set_index(["score", "schedule", "source"])
    for label in ("constant", "linear"):
        for source in ("weights", "data", "latents"):
            row = table.loc[(PRIMARY, label, source)]
            assert row["n"] == 40
            assert row["low"] < row["sd"] < row["high"]
            assert row["sd"] == pytest.approx(0.3 * 2**0.5, rel=4 / np.sqrt(2 * 39))
        again = table.loc[(PRIMARY, label, "evaluation")]
        assert again["n"] == 2 * 10 + 1
        assert again["sd"] == pytest.approx(0.02, rel=4 / np.sqrt(2 * 20))
        confirmed = chaotic.confirmed.loc[chaotic.confirmed["schedule"] == label, PRIMARY]
        assert table.loc[(PRIMARY, label, "together"), "sd"] == pytest.approx(confirmed.std())
    assert list(dict.fromkeys(chaotic.tables["variance"]["source"])) == [
        "together",
        "weights",
        "data",
        "latents",
        "evaluation",
    ]


def test_sentences_say_training_against_evaluation_and_that_sources_do_not_add_up(chaotic):
    words = said(variance.finding(chaotic))
    both = chaotic.tables["variance_together"].set_index(["score", "schedule"])
    ratio = both.loc[(PRIMARY, "constant"), "ratio"]
    assert f"(raw weights): constant {ratio:.2g} (" in words
    assert "arXiv 2606.20536" in words
    assert "3.2 times more than redrawing" in words
    assert "With constant and linear that is more: what one seed does depends on the others." in words
    assert both.loc[(PRIMARY, "linear"), "sum"] == pytest.approx(3.0, rel=0.9)


def test_sources_that_add_up_are_said_to(tmp_path):
    alone = dict.fromkeys(("weights", "data", "latents"), 0.3 * (2 / 3) ** 0.5)
    words = said(variance.finding(varied(tmp_path, alone=alone)))
    assert "With constant and linear it is not ruled out that the sources act independently." in words


def test_errors_of_one_score_stand_beside_the_spreads(chaotic):
    errors = chaotic.tables["score_errors"].set_index(["score", "schedule"])
    assert errors.loc[(PRIMARY, "linear"), "standard_error"] == pytest.approx(0.021)
    assert errors.loc[(f"{PRIMARY}_ema", "linear"), "standard_error"] == pytest.approx(0.019)
    assert errors.loc[(PRIMARY, "linear"), "evaluation_sd"] == pytest.approx(0.02, rel=0.6)
    shown = tables_of(chaotic)["score_errors"]
    assert "sd over latents of evaluation" in shown.heads
    assert "fid_digits_5k" in shown.texts()["score"].tolist()


def test_no_verdict_or_table_of_another_question_sees_those_runs(chaotic, tmp_path):
    plain = Analysis(load(example.results(tmp_path, labels=("constant", "linear"), seeds=40, features=KNOWN)))
    pd.testing.assert_frame_equal(chaotic.contrasts, plain.contrasts)
    mine = {"variance", "variance_together", "score_errors"}
    assert set(chaotic.tables) - set(plain.tables) == mine
    for name, table in plain.tables.items():
        pd.testing.assert_frame_equal(chaotic.tables[name], table)
    assert headline(chaotic.results.path)["schedules"] == headline(plain.results.path)["schedules"]


def test_the_page_is_built_and_follows_from_its_tables(chaotic):
    build(chaotic.results.path)
    assert stale(chaotic.results.path) == []
    assert set(figures_of(chaotic)["variance"][1].caption.split()) & {"chi-square"}
    page = (chaotic.results.path / "report.html").read_text(encoding="utf-8")
    assert "How sure a score is, and where its spread comes from" in page
    assert "effective rank" in page


@pytest.mark.parametrize(
    ("bias", "generated", "words"),
    [
        (40.0, 5000, "Enough for the Fréchet distance: that is 1 % of the lowest mean"),
        (4000.0, 5000, "Few for the Fréchet distance: that is"),
        (
            40.0,
            50,
            "With no more images than dimensions a Fréchet distance is far too high: use the kernel distance (kid)",
        ),
    ],
)
def test_whether_so_many_images_are_enough(bias, generated, words, tmp_path):
    folder = example.results(tmp_path, labels=("constant", "linear"))
    facts = example.study(["constant", "linear"], {"constant": "constant", "linear": "linear"}, "t")
    facts["features"] = KNOWN | {"frechet_bias": bias}
    if generated == 50:  # of a study whose features outnumber the images
        facts["features"]["dimensions"] = 6000
    write_study(folder, facts)
    line = said(variance.enough(Analysis(load(folder))))
    assert words in line
    assert "about 21.3 directions (effective rank" in line
    assert "the floor is 0.5." in line


def test_a_study_of_an_earlier_version_has_no_such_section(tmp_path):
    analysis = Analysis(load(example.results(tmp_path, labels=("constant", "linear"))))
    assert variance.enough(analysis) == ()
    assert variance.finding(analysis) == ()
    assert not {"variance", "variance_together", "score_errors"} & set(analysis.tables)
    build(analysis.results.path)
    assert "How sure a score is" not in (analysis.results.path / "report.html").read_text(encoding="utf-8")
