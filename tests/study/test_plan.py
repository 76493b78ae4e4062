"""The plan: balanced, paired, the same in any order of finishing, and kept by a study that grows."""

import hashlib
from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.driver.queue import Queue
from harness.plan import points, stages
from harness.plan.design import PHASES, Design
from harness.plan.outcomes import TrialSummary
from harness.seeds import Seeds, derive
from tests.study.conftest import make, trained


def scored(design: Design) -> TrialSummary:
    """A score that depends on the design alone; one run in eleven diverges."""
    digest = hashlib.sha256(design.run.encode()).digest()
    if digest[0] % 11 == 0:
        return TrialSummary("diverged", None, digest[1])
    return TrialSummary("finished", float((np.log10(design.values["peak"]) + 3) ** 2 + digest[2] / 255), 40)


def conduct(spec, *, shuffle: int | None = None, slots: int = 3) -> list[Design]:
    """Train the whole plan with `slots` runs at a time that end in random order; the runs that were made."""
    return trained(spec, scored, shuffle=shuffle, slots=slots)[0]


@pytest.mark.parametrize("sampler", ["sobol", "random", "tpe"])
@pytest.mark.parametrize("top", [0, 2])
def test_every_schedule_gets_the_same_number_of_runs_in_every_phase(sampler, top):
    spec = make(trials=10, sampler=sampler, top=top)
    made = conduct(spec)
    counts = Counter((each.phase, each.schedule) for each in made)
    expected = {
        (phase, label): number
        for phase, group in stages.size(spec).items()
        for label, number in group.items()
        if number
    }
    assert counts == expected
    assert len({each.run for each in made}) == len(made)


@settings(max_examples=8)
@given(st.integers(0, 2**32), st.integers(1, 40), st.sampled_from(["balanced", "adaptive"]))
def test_order_of_finishing_and_number_of_slots_change_nothing(shuffle, slots, allocation):
    spec = make(trials=10, sampler="tpe", top=2, allocation=allocation)
    one = sorted(conduct(spec, slots=1), key=lambda each: each.run)
    other = sorted(conduct(spec, shuffle=shuffle, slots=slots), key=lambda each: each.run)
    assert one == other


def test_a_plan_resumed_after_any_number_of_runs_goes_on_as_if_never_stopped():
    spec = make(trials=10, sampler="tpe", top=2)
    whole = conduct(spec)
    for done in range(0, len(whole), 7):
        outcomes = {each.run: scored(each) for each in whole[:done]}
        queue = Queue(spec, outcomes)
        rest = []
        while queue.ready:
            design = queue.take()
            rest.append(design)
            queue.ended(design.run, scored(design))
        assert {each.run: each for each in [*whole[:done], *rest]} == {each.run: each for each in whole}


def test_schedules_share_points_seeds_and_repetitions():
    made = conduct(make(trials=16))
    for phase in PHASES:
        by_place: dict[tuple[int, int], set[Seeds]] = {}
        for each in made:
            if each.phase == phase:
                place = each.repetition
                by_place.setdefault((place, 0), set()).add(each.seeds)
        assert all(len(seeds) == 1 for seeds in by_place.values())
    peaks: dict[int, set[float]] = {}
    for each in made:
        if each.phase == "search":
            peaks.setdefault(each.point, set()).add(each.values["peak"])
    assert all(len(values) == 1 for values in peaks.values())
    seeds = {each.seeds for each in made}
    assert len({seed for each in seeds for seed in vars(each).values()}) == 4 * len(seeds)


def test_search_confirm_and_select_never_share_a_seed():
    assert Seeds.of(7, "search", 0) != Seeds.of(7, "confirm", 0) != Seeds.of(7, "select", 0)
    assert 0 <= derive(1, "x") < 2**63


def test_sixteen_points_fill_every_sixteenth_of_the_peak_range_once():
    spec = make(trials=16)
    logs = [np.log(points.point(spec, "linear", index)["peak"]) for index in range(16)]
    strata = np.floor((np.array(logs) - np.log(1e-4)) / (np.log(1e-2) - np.log(1e-4)) * 16)
    assert sorted(strata) == list(range(16))


@pytest.mark.parametrize("sampler", ["sobol", "random", "tpe"])
def test_growing_keeps_all_earlier_search_points_and_confirmation_seeds(sampler):
    before = {each.run: each for each in conduct(make(trials=6, sampler=sampler))}
    after = {each.run: each for each in conduct(make(trials=40, sampler=sampler, seeds=12))}
    kept = [run for run in before if run.startswith("search")]
    assert all(after[run] == before[run] for run in kept)
    same = [run for run in before if run.startswith("confirm") and run in after]
    assert all(after[run] == before[run] for run in same)


def test_a_schedule_added_later_moves_no_point_of_the_others():
    more = "[schedules.cosine]\nfloor = { low = 0.0, high = 0.5 }\nhold = { low = 0.0, high = 0.5 }\n"
    before = {each.run: each for each in conduct(make(trials=16))}
    after = {each.run: each for each in conduct(make(trials=16, more=more))}
    assert all(after[run] == before[run] for run in before)
    shared = {each.point: each.values["peak"] for each in before.values() if each.phase == "search"}
    added = [each for each in after.values() if each.schedule == "cosine" and each.phase == "search"]
    assert len(added) == 16
    assert all(each.values["peak"] == shared[each.point] for each in added)


def test_the_best_finished_point_is_confirmed_and_diverged_ones_only_when_nothing_finished():
    spec = make(trials=3, seeds=1)
    queue, confirmed = Queue(spec, {}), {}
    scores = {0: 5.0, 1: 3.0, 2: 4.0}
    while queue.ready:
        each = queue.take()
        if each.phase == "confirm":
            confirmed[each.schedule] = each.point
        if each.schedule == "constant":
            queue.ended(each.run, TrialSummary("diverged", None, last_step=each.point))
        elif each.point == 1 and each.schedule == "linear":
            queue.ended(each.run, TrialSummary("failed", None, 0))
        else:
            queue.ended(each.run, TrialSummary("finished", scores[each.point], 40))
    assert confirmed == {"constant": 2, "linear": 2, "exponential": 1}


def test_selection_prefers_runs_that_finish_then_the_mean():
    spec = make(trials=4, top=2, seeds=1)
    queue, confirmed = Queue(spec, {}), {}
    while queue.ready:
        each = queue.take()
        if each.phase == "confirm":
            confirmed[each.schedule] = each.point
        if each.phase == "select" and each.point == 0:
            outcome = TrialSummary("finished", 1.0, 40) if each.repetition == 0 else TrialSummary("diverged", None, 3)
            queue.ended(each.run, outcome)
        else:
            queue.ended(each.run, TrialSummary("finished", float(each.point + 2), 40))
    assert set(confirmed.values()) == {1}


def test_adaptive_search_spends_the_same_total_and_confirms_every_schedule_it_tried():
    spec = make(trials=8, sampler="tpe", allocation="adaptive")
    made = conduct(spec)
    search = Counter(each.schedule for each in made if each.phase == "search")
    assert sum(search.values()) == 24
    assert set(search) == set(spec.schedules)
    assert Counter(each.schedule for each in made if each.phase == "confirm") == dict.fromkeys(spec.schedules, 3)


def test_without_search_the_fixed_parameters_are_confirmed():
    text = make(trials=5).model_dump()
    text["search"]["trials"] = 0
    text["space"]["peak"] = 0.001
    text["schedules"]["exponential"] = {"kind": "exponential", "final": 0.1}
    from harness import spec as specs

    made = conduct(specs.validate(text, source="x"))
    assert {(each.phase, each.values["peak"]) for each in made} == {("confirm", 0.001)}
    assert len(made) == 9


@pytest.mark.parametrize("sampler", ["sobol", "random", "tpe"])
@pytest.mark.parametrize("log", ["false", "true"])
def test_whole_numbers_are_sampled_as_whole_numbers_over_all_of_their_range(sampler, log):
    more = f"[schedules.step]\ndrops = {{ low = 1, high = 4, log = {log} }}"
    spec = make(trials=24, sampler=sampler, more=more)
    made = conduct(spec)
    drops = [each.values["drops"] for each in made if each.schedule == "step" and each.phase == "search"]
    assert {type(each) for each in drops} == {int}
    assert set(drops) == {1, 2, 3, 4}
    assert all(len(spec.arm(each.schedule).schedule(each.values).rates(40)) == 40 for each in made)
