"""What a paper says of a study: numbers are those of the tables, works are those that the study rests on."""

import re
from pathlib import Path

import pandas as pd
import pytest

from harness.report import methods
from harness.report.analysis import Analysis
from harness.report.catalogue import contents
from harness.report.render import readme
from harness.results import load
from tests.report import example

RESULTS = Path(__file__).parents[2] / "results"


@pytest.fixture(scope="module")
def digits():
    """A study of many schedules that repeated its tuning."""
    return Analysis(load(RESULTS / "digits"))


@pytest.fixture(scope="module")
def once():
    """A study that tuned once."""
    return Analysis(load(RESULTS / "variance"))


def said(analysis):
    return methods.paragraph(analysis)[0]


def listed(analysis):
    return "\n".join("".join(line) for line in methods.checklist(analysis))


def test_the_paragraph_states_what_was_compared_tuned_confirmed_and_tested(digits):
    text = said(digits)
    assert "the schedule constant (the baseline) with linear, exponential," in text
    assert "4 configurations per schedule were trained once each (one scrambled Sobol sequence" in text
    assert "peak 0.002 to 0.06 (log scale)" in text
    assert "decay of wsd 0.1 to 0.8)" in text
    assert "trained on 1 fresh seed within each replicate" in text
    assert "fid_digits_5k; lower is better) of the raw weights" in text
    assert "corrected over 9 comparisons by Holm's method (family-wise error rate 5 %)" in text
    assert "the difference lies within ±10 %" in text


def test_a_study_that_tuned_once_says_on_how_many_seeds(once):
    assert "trained on 10 fresh seeds;" in said(once)
    assert "the difference lies within ±0.3" in said(once)


def test_compute_is_that_of_all_runs_whatever_became_of_them(digits):
    runs = digits.results.runs
    hours = (runs["seconds"].sum() - runs["shared_seconds"].sum()) / 3600  # steps that another run trained count there
    found = re.search(r"All (\d+) runs, .* took ([\d.]+) device-hours", said(digits))
    assert int(found[1]) == len(digits.results.runs)
    assert float(found[2]) == pytest.approx(hours, rel=5e-3)


def test_energy_is_told_where_it_is_known(tmp_path, digits):
    assert "nergy" not in said(digits) + listed(digits)
    folder = example.results(tmp_path, labels=("constant", "linear"), seeds=2, trials=2)
    runs = pd.read_csv(folder / "runs.csv")
    runs.assign(joules_processor=9e5).to_csv(folder / "runs.csv", index=False)
    analysis = Analysis(load(folder))
    told = "nergy, as the machine's counters tell, in equal shares for runs side by side: 2.00 kWh of the processor packages"
    assert all(told in text for text in (said(analysis), listed(analysis), readme.render(contents(analysis))))


def test_diverged_runs_are_counted(tmp_path, once):
    assert "No run diverged; diverged runs count as the worst outcome" in said(once)
    lost = example.results(tmp_path / "once", diverged=lambda label, phase, place: (label, place) == ("linear", 0))
    assert "2 runs diverged; diverged runs count" in said(Analysis(load(lost)))


def test_a_study_that_repeats_its_tuning_says_so(tmp_path, once):
    repeated = Analysis(load(example.replicated(tmp_path, looks=(8, 12), question={"scale": "relative", "rope": 10})))
    text = said(repeated)
    assert "repeated from the beginning for every replicate" in text
    assert "at most 12 replicates were planned" in text
    assert "group-sequential sign-flip tests with alpha spending, planned after 8, 12 replicates" in text
    assert "mean ratios of the score (differences of logarithms)" in text
    assert "within ±10 %" in text
    assert "the tuning and the training together" in listed(repeated)
    assert "not the tuning" in listed(once)
    assert "obrien1979multiple" in methods.bibtex(repeated)


def test_a_study_of_one_look_is_judged_by_an_ordinary_test(tmp_path):
    once = Analysis(load(example.replicated(tmp_path, looks=(8,))))
    for text in (said(once), once.basis):
        assert "group-sequential" not in text
        assert "exact" in text
        assert "sign-flip" in text
        assert "t intervals" in text


def test_one_comparison_needs_no_correction(tmp_path):
    two = Analysis(load(example.results(tmp_path, labels=("constant", "linear"))))
    assert "Holm" not in said(two)
    assert "(error rate 5 %)" in said(two)


def test_one_schedule_alone_has_a_paragraph(tmp_path):
    assert "with no other schedule" in said(Analysis(load(example.results(tmp_path, labels=("constant",)))))


def test_every_work_that_a_study_may_rest_on_has_one_entry():
    known = methods.works()
    named = {
        key
        for table in (methods._BY_METRIC, methods._BY_FEATURES, methods._BY_MODEL, methods._BY_OPTIMIZER)
        for key in table.values()
    }
    assert named | set(methods._ALWAYS) <= set(known)
    for key, entry in known.items():
        assert entry.count("{") == entry.count("}"), key
        assert re.match(r"@\w+\{" + key + ",", entry)
        assert {"title", "author", "year"} <= set(re.findall(r"^  (\w+) = ", entry, flags=re.M)), key


def test_the_works_are_those_of_the_studys_score_model_and_optimizer(once):
    text = methods.bibtex(once)
    keys = re.findall(r"@\w+\{(\w+),", text)
    assert len(keys) == len(set(keys))
    assert {
        "schedule_harness",
        "akiba2019optuna",
        "heusel2017gans",
        "goodfellow2014generative",
        "kingma2015adam",
    } <= set(keys)
    assert not {"kingma2014auto", "lipman2023flow", "obrien1979multiple", "szegedy2016rethinking"} & set(keys)
    flow = re.findall(r"@\w+\{(\w+),", methods.bibtex(Analysis(load(RESULTS / "flow"))))
    assert "lipman2023flow" in flow
    assert "goodfellow2014generative" not in flow
