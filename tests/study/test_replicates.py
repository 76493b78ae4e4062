"""Replicates: whole tunings repeated, wave after wave, until a look decides; the same plan in any order of finishing."""

from collections import Counter, defaultdict

import numpy as np
import pytest

from harness import spec as specs
from harness.plan import points
from harness.plan.design import Design
from harness.plan.outcomes import TrialSummary
from tests.study.conftest import make, trained

PLAN = "[replicates]\nmin = {min}\nmax = {max}\nevery = {every}\nbeyond = {beyond}\n"


def study(*, trials=3, seeds=2, most=16, least=8, every=4, beyond=0, more="", **others):
    return make(
        trials=trials,
        seeds=seeds,
        more=PLAN.format(min=least, max=most, every=every, beyond=beyond) + more,
        **others,
    )


def scored(effects, *, noise=0.1, diverging=frozenset()):
    """Scores that depend on the design alone: a schedule's effect, and noise of its run."""

    def score(design: Design) -> TrialSummary:
        if (design.schedule, design.replicate) in diverging and design.phase == "confirm":
            return TrialSummary("diverged", None, 10)
        drawn = np.random.default_rng([design.seeds.weights, len(design.schedule)]).normal()
        return TrialSummary("finished", 3.0 + effects.get(design.schedule, 0.0) + noise * float(drawn), 40)

    return score


def test_a_schedule_is_trained_until_a_look_decides_it_and_the_baseline_goes_along():
    made, queue = trained(study(least=10), scored({"linear": -5.0, "exponential": 0.0}, noise=0.0001))
    replicates = defaultdict(set)
    for each in made:
        replicates[each.schedule].add(each.replicate)
    # exponential differs from constant by noise alone here, which the sign-flip test cannot decide
    assert len(replicates["linear"]) == 10
    assert replicates["constant"] == replicates["exponential"]
    assert queue.confirmed.judged()["linear"].verdict == "better"


def test_all_decided_at_the_first_look_ends_the_study():
    made, queue = trained(study(least=10), scored({"linear": -5.0, "exponential": 5.0}))
    counts = Counter((each.phase, each.schedule) for each in made)
    assert set(counts.values()) == {10 * 3, 10 * 2}
    assert {label: found.verdict for label, found in queue.confirmed.judged().items()} == {
        "linear": "better",
        "exponential": "worse",
    }


def test_order_of_finishing_slots_and_resuming_change_nothing():
    spec, score = study(), scored({"linear": -0.08, "exponential": 0.01}, diverging={("linear", 3)})
    one = sorted(trained(spec, score, slots=1)[0], key=lambda each: each.run)
    assert len({each.run for each in one}) == len(one)
    for shuffle, slots in ((1, 4), (2, 50)):
        assert sorted(trained(spec, score, shuffle=shuffle, slots=slots)[0], key=lambda each: each.run) == one
    for done in range(0, len(one), 37):
        outcomes = {each.run: score(each) for each in trained(spec, score)[0][:done]}
        rest, _ = trained(spec, score, outcomes=outcomes)
        assert sorted([*outcomes, *(each.run for each in rest)]) == [each.run for each in one]


def test_each_replicate_is_the_study_of_another_seed():
    spec = study()
    made, _ = trained(spec, scored({}, noise=1.0))
    alone = make(trials=3, seeds=2)
    for replicate in (0, 5):
        other = alone.model_copy(update={"seed": spec.seed_of(replicate)})
        expected = {
            (each.phase, each.schedule, each.repetition): (each.seeds, each.params)
            for each in trained(other, scored({}, noise=1.0))[0]
            if each.phase == "search"
        }
        found = {
            (each.phase, each.schedule, each.repetition): (each.seeds, each.params)
            for each in made
            if each.phase == "search" and each.replicate == replicate
        }
        assert found == expected
    seeds = {each.seeds.weights for each in made}
    assert len(seeds) == len({(each.phase, each.replicate, each.repetition) for each in made})


def test_schedules_share_points_and_seeds_within_a_replicate():
    made, _ = trained(study(), scored({}, noise=1.0))
    peaks, seeds = defaultdict(set), defaultdict(set)
    for each in made:
        seeds[each.phase, each.replicate, each.repetition].add(each.seeds)
        if each.phase == "search":
            peaks[each.replicate, each.point].add(each.values["peak"])
    assert all(len(values) == 1 for values in (*peaks.values(), *seeds.values()))
    assert len({values.copy().pop() for values in peaks.values()}) == len(peaks)


def test_replicates_beyond_the_plan_change_no_verdict():
    score = scored({"linear": -0.1, "exponential": 0.0}, noise=0.3)
    planned, queue = trained(study(most=8), score)
    further, grown = trained(study(most=8, beyond=6), score)
    assert {each.run for each in planned} < {each.run for each in further}
    open_ = {label for label, found in queue.confirmed.judged().items() if found.verdict == "undecided"}
    assert open_
    beyond = {each.schedule for each in further if each.replicate >= 8}
    assert beyond == open_ | {"constant"}
    assert grown.confirmed.judged() == queue.confirmed.judged()


def test_names_tell_the_replicate_and_studies_that_tune_once_keep_theirs():
    runs = {each.run for each in trained(study(), scored({}))[0]}
    assert "search-linear-t000-p002-r002" in runs
    assert sum(run.startswith("confirm-constant-t007-") for run in runs) == 2
    assert {each.run for each in trained(make(), scored({}))[0]} >= {"search-linear-p002-r002"}


@pytest.mark.parametrize(
    ("table", "said"),
    [
        ("min = 9\nmax = 8", "replicates: min is 9, but allowed is at most replicates.max = 8"),
        (
            "beyond = 4",
            "replicates: beyond is 4, but replicates.max is 1: one tuning has no plan of looks to go beyond",
        ),
    ],
)
def test_a_plan_that_makes_no_sense_is_refused_in_a_sentence(table, said):
    with pytest.raises(specs.SpecError, match=said):
        make(more=f"[replicates]\n{table}\n")


def test_ratios_are_asked_only_of_a_score_that_is_never_negative():
    asked = "[question]\nscale = 'relative'\nscore = '{}'\n"
    assert make(more=asked.format("fid")).question.scale == "relative"
    words = "question.score is 'kid', which may be negative; ratios are allowed of: fid$"
    with pytest.raises(specs.SpecError, match=words):
        make(more=asked.format("kid"))


def test_replicates_need_a_search_that_is_balanced():
    with pytest.raises(
        specs.SpecError, match="allocation is 'adaptive', which may leave a schedule out of a replicate"
    ):
        study(allocation="adaptive")


def test_looks_end_at_the_most_replicates():
    assert study(least=8, most=18, every=4).replicates.looks == (8, 12, 16, 18)
    assert study(least=8, most=8).replicates.looks == (8,)
    assert make().replicates.looks == (1,)
    assert not make().replicated


def test_points_of_replicates_are_scrambled_by_themselves():
    spec = study()
    first = np.array([points.unit_point(spec, index, 1) for index in range(16)])
    second = np.array([points.unit_point(spec, index, 2) for index in range(16)])
    assert not np.isclose(first, second).any()
    assert sorted(np.floor(first[:, 0] * 16)) == list(range(16))
