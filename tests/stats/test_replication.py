"""The benchmark of real replication: how well studies agree, by hand, and the committed page."""

import numpy as np
import pandas as pd
import pytest

from benchmarks.replication import __main__ as command
from benchmarks.replication import page, studies
from harness import spec as specs

ONE, EIGHT = studies.DESIGNS


def confirmed(each, seed, differences, *, status="finished"):
    """A study's confirmation runs: constant is 3, the others lower by `differences`, one per replicate or seed."""
    rows = [
        {
            "design": each.name,
            "seed": seed,
            "phase": "confirm",
            "schedule": label,
            "replicate": place if each.design.last > 1 else 0,
            "point": 0,
            "repetition": 0 if each.design.last > 1 else place,
            "status": status if label == "linear" and not place else "finished",
            "peak": 1e-3,
            "raw": 3.0 + (label != "constant") * difference,
            "ema": 2.0,
        }
        for place, difference in enumerate(differences)
        for label in studies.SCHEDULES
    ]
    return pd.DataFrame(rows)


@pytest.mark.parametrize("each", studies.DESIGNS, ids=lambda each: each.name)
def test_study_files_are_valid_train_equal_numbers_of_runs_and_differ_in_seed_and_design_alone(each):
    spec, other = (specs.parse(each.text(seed), source=each.name) for seed in (101, 102))
    assert spec.model_copy(update={"seed": 102, "name": other.name}) == other
    assert each.runs == 32
    assert spec.replicated == (each is EIGHT)
    assert spec.question.rope == studies.ROPE["absolute"]


def test_unit_of_a_verdict_is_the_seed_of_one_tuning_and_the_replicate_of_several():
    for each, number in ((ONE, 16), (EIGHT, 8)):
        differences = np.linspace(-1.2, -0.8, number)
        made = studies.verdicts(confirmed(each, 101, differences)).set_index(["schedule", "weights", "scale"])
        row = made.loc["linear", "raw", "absolute"]
        assert row["difference"] == pytest.approx(-1.0)
        assert row["standard_error"] == pytest.approx(differences.std(ddof=1) / number**0.5)
        assert row["verdict"] == "better"
        relative = made.loc["linear", "raw", "relative"]
        assert relative["difference"] == pytest.approx(np.exp(np.log(1 + differences / 3).mean()) - 1)
        assert (made["verdict"].xs("ema", level="weights") == "equivalent").all()


def test_a_diverged_pair_counts_in_the_verdict_and_not_in_the_mean():
    made = studies.verdicts(confirmed(ONE, 101, np.full(16, -1.0), status="diverged"))
    rows = made[(made["weights"] == "raw") & (made["scale"] == "absolute")].set_index("schedule")
    assert rows.loc["linear", "diverged"] == 1
    assert rows.loc["linear", "difference"] == rows.loc["exponential", "difference"] == -1.0
    assert rows.loc["linear", "p"] > rows.loc["exponential", "p"]


def test_agreement_counts_pairs_of_studies_and_intervals_that_hold_the_others_mean():
    answers = pd.DataFrame(
        {
            "design": "one_tuning",
            "seed": [101, 102, 103],
            "schedule": "linear",
            "weights": "raw",
            "scale": "absolute",
            "difference": [-1.0, -1.2, 0.6],
            "low": [-1.5, -1.4, 0.5],
            "high": [0.0, -1.0, 0.7],
            "standard_error": [0.1, 0.2, 0.3],
            "p": 0.01,
            "verdict": ["better", "better", "worse"],
            "diverged": 0,
            "runs": 32,
        }
    )
    (row,) = page.agreement(answers).to_dict("records")
    assert row["same"] == pytest.approx(1 / 3)
    assert row["opposite"] == pytest.approx(2 / 3)
    assert row["held"] == pytest.approx(1 / 3)  # the others' means are -0.3, -0.2 and -1.1: the first interval alone
    assert row["sd"] == pytest.approx(np.std([-1.0, -1.2, 0.6], ddof=1))
    assert row["standard_error"] == pytest.approx(0.2)


def test_perfect_intervals_hold_the_mean_of_very_many_others_in_95_per_cent_and_of_few_less_often():
    assert page.expected(8, 10**9) == pytest.approx(0.95)
    assert 0.9 < page.expected(8, 8) < 0.95


def test_the_committed_page_follows_from_the_committed_tables_and_they_from_the_runs():
    found = command.load(command.FOLDER)
    assert (command.FOLDER / "README.md").read_text(encoding="utf-8") == page.page(found, command.COMMAND)
    assert (command.FOLDER / f"{page.PICTURE}.png").is_file()
    again = studies.verdicts(found["scores"])
    assert list(again["verdict"]) == list(found["studies"]["verdict"])
    assert np.allclose(again["difference"], found["studies"]["difference"], rtol=1e-4, atol=1e-5)
