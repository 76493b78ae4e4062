"""What was planned before a verdict could be seen: kept as JSON, families of schedules, and what lies beyond it in words."""

import pytest

from harness.spec import Planned
from tests.study.conftest import make


def test_it_survives_json_and_what_is_no_plan_is_none():
    planned = Planned.of(make(trials=4, seeds=6))
    assert planned == Planned(("constant", "linear", "exponential"), 4, 2, 6)
    assert Planned.from_json(planned.to_json()) == planned
    for damaged in (None, "x", {}, {**planned.to_json(), "trials": "4"}, {**planned.to_json(), "schedules": None}):
        assert Planned.from_json(damaged) is None


def test_schedules_added_later_are_a_family_of_their_own_with_the_baseline():
    planned = Planned(("linear", "constant"), 4, 2, 6)
    assert planned.families(["linear", "constant"], baseline="constant") == [["linear", "constant"]]
    assert planned.families(["cosine", "linear", "constant", "step"], baseline="constant") == [
        ["linear", "constant"],
        ["constant", "cosine", "step"],
    ]


@pytest.mark.parametrize(
    ("grown", "words"),
    [
        (
            {"more": "[schedules.cosine]\n"},
            "schedule 'cosine' was added after confirmation runs were stored: what is said of it",
        ),
        ({"more": "[schedules.cosine]\n[schedules.step]\n"}, "schedules 'cosine', 'step' were added"),
        (
            {"seeds": 9},
            "confirm.seeds was raised from 3 to 9 after confirmation runs were stored: verdicts rest on the first 3",
        ),
        ({"trials": 8}, "search.trials was raised from 5 to 8"),
    ],
)
def test_what_lies_beyond_the_plan_is_said_in_a_sentence_each(grown, words):
    planned = Planned.of(make())
    (said,) = planned.passed_by(make(**grown))
    assert said.startswith(words)
    assert "exploratory" in said
    assert planned.passed_by(make()) == []


def test_seeds_of_a_phase_that_is_left_out_are_no_growth():
    without, with_it = Planned(("constant", "linear", "exponential"), 5, 1, 3), make(top=2)
    assert without.passed_by(make()) == []
    assert [said.split(" was")[0] for said in without.passed_by(with_it)] == ["select.seeds"]
