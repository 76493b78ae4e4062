"""Which runs are the same up to a step, by their tables alone."""

import dataclasses

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness import spec as specs
from harness.driver.queue import Queue
from harness.plan.prefixes import Prefixes, agreeing, longest

TEXT = """
name = "small"
[data]
name = "digits"
[train]
steps = 200
[evaluate]
features = "digits"
generated = 500
points = 2
[space]
peak = { low = 1e-4, high = 1e-2, log = true }
[schedules.constant]
[schedules.wsd]
decay = { low = 0.1, high = 0.6 }
[schedules.cosine]
[search]
trials = 4
[confirm]
seeds = 2
"""


def study(text=TEXT, **changes):
    for old, new in changes.items():
        text = text.replace(*new) if isinstance(new, tuple) else text + f"[{old}]\n{new}\n"
    return specs.parse(text, source="small.toml")


def common(a, b):
    """Steps that two tables share, step by step."""
    for step, (one, other) in enumerate(zip(a.tolist(), b.tolist(), strict=False)):
        if one != other:
            return step
    return min(len(a), len(b))


@given(st.lists(st.lists(st.tuples(*[st.integers(0, 1)] * 2), min_size=1, max_size=4), min_size=1, max_size=12))
def test_the_longest_beginnings_are_those_of_all_pairs(rows):
    tables = [np.array(row, np.uint32) for row in rows]
    for place, (first, steps) in enumerate(longest(tables)):
        with_earlier = [common(tables[place], each) for each in tables[:place]]
        assert steps == max(with_earlier, default=0)
        assert not steps or first == with_earlier.index(steps)
        assert all(agreeing(tables[place], each) == common(tables[place], each) for each in tables[:place])


def test_a_plateau_is_shared_up_to_the_step_where_the_decay_begins():
    spec = study()
    ready = list(reversed(Queue(spec, {}).ready))
    found = Prefixes(spec).beginnings(ready)
    assert sorted({run.rpartition("-p")[0] for run in found}) in (["search-constant"], ["search-wsd"])
    for design in ready:
        if design.run not in found:
            continue
        wsd = next(each for each in ready if (each.schedule, each.point) == ("wsd", design.point))
        assert found[design.run].steps == pytest.approx(200 * (1 - wsd.values["decay"]), abs=1.5)
        assert found[design.run].run.endswith(design.run[-len("-p000-r000") :])  # of the same point and seeds


def test_seeds_optimizers_rules_and_what_else_is_scheduled_part_runs():
    of = Prefixes(study())
    design = next(each for each in Queue(of.spec, {}).ready if each.schedule == "wsd")
    same = dataclasses.replace(design, schedule="constant", kind="constant")
    assert of.group(design) == of.group(same)
    assert of.identity(design, 50) == of.identity(same, 50)
    seeded = dataclasses.replace(design, seeds=dataclasses.replace(design.seeds, noise=1))
    assert of.group(seeded) != of.group(design)
    assert of.identity(design, 50) not in (of.identity(design, 51), of.identity(seeded, 50))
    own = Prefixes(study(wsd=("[schedules.wsd]", '[schedules.wsd]\noptimizer = "rmsprop"')))
    assert own.group(design) != own.group(same)
    longer = Prefixes(study(points=("points = 2", "points = 4")))
    assert longer.identity(design, 50) != of.identity(design, 50)
    decays = Prefixes(study(wsd=("[schedules.wsd]", "[schedules.wsd]\nweight_decay = 0.1")))
    assert decays.group(design) == decays.group(same)
    decayed = dataclasses.replace(design, params=(*design.params, ("weight_decay", 0.1)))
    assert agreeing(decays.table(decayed), decays.table(same)) == 0
    rule = Prefixes(study(cosine=("[schedules.cosine]", '[schedules.cosine]\nkind = "kid_halving"\nevery = 10')))
    assert not rule.tabled("cosine")
    assert rule.tabled("wsd")


def test_budgets_of_one_plateau_part_where_each_decay_begins():
    arms = "".join(f'[schedules.for_{steps}]\nkind = "wsd"\ndecay = 0.2\nsteps = {steps}\n' for steps in (50, 100))
    of = Prefixes(study(cosine=("[schedules.cosine]", arms)))
    point = [each for each in Queue(of.spec, {}).ready if each.point == 0 and each.schedule != "wsd"]
    first = sorted(point, key=lambda each: each.schedule != "constant")
    found = of.beginnings(first)
    assert {run.split("-")[1]: each.steps for run, each in found.items()} == {"for_50": 41, "for_100": 81}
    assert {each.run for each in found.values()} == {first[0].run}
    longest_last = of.beginnings(sorted(first, key=lambda each: of.spec.steps(each.schedule)))
    assert [each.steps for each in longest_last.values()] == [41, 81]


def test_a_beginning_of_a_few_steps_is_not_worth_a_checkpoint():
    spec = study(decay=("decay = { low = 0.1, high = 0.6 }", "decay = 0.97"))
    assert not Prefixes(spec).beginnings(Queue(spec, {}).ready)
