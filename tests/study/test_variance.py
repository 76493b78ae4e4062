"""[variance]: confirmed configurations with one kind of seed changed at a time, beside the plan that verdicts come from."""

import dataclasses
import itertools
import json
from collections import Counter, defaultdict

import numpy as np
import pytest

from harness import spec as specs
from harness.driver import preview
from harness.plan import stages
from harness.plan.design import PHASES
from harness.plan.outcomes import TrialSummary
from harness.results import reading, tables
from harness.results.record import RunRecord
from harness.results.tables import write_study
from harness.seeds import ROLES, SETS, derive
from harness.worker import device
from harness.worker.run import Control, Interrupted, train_run
from tests.report import example
from tests.study.conftest import make, trained

device.configure(threads=1, gpu=None)

PRIMARY = "fid_digits_100"
TABLE = "[variance]\nseeds = {seeds}\n{more}"


def study(seeds=4, more="", **others):
    return make(more=TABLE.format(seeds=seeds, more=more), **others)


def score(design):
    drawn = np.random.default_rng([design.seeds.weights, design.seeds.data, len(design.schedule)]).normal()
    return TrialSummary("finished", 3.0 + float(drawn), 40)


def varied(made):
    return [each for each in made if each.phase == "variance"]


def test_one_kind_of_seed_differs_from_the_first_confirmation_run():
    made, _ = trained(study(seeds=12), score)
    base = {each.schedule: each for each in made if each.phase == "confirm" and each.repetition == 0}
    changed = {"weights": {"weights"}, "data": {"data"}, "latents": {"latents", "noise"}, "evaluation": set()}
    for each in varied(made):
        first = base[each.schedule]
        assert (each.params, each.point) == (first.params, first.point)
        differ = {role for role in ROLES if getattr(each.seeds, role) != getattr(first.seeds, role)}
        assert differ == changed[each.source]
        for role in differ:
            assert getattr(each.seeds, role) == derive(7, "variance", role, each.repetition)
    counts = Counter((each.schedule, each.source) for each in varied(made))
    assert set(counts) == {(label, source) for label in base for source in changed}
    assert {counts[label, source] for label, source in counts if source != "evaluation"} == {12}
    assert {counts[label, "evaluation"] for label in base} == {2}  # 12 sets of latents, SETS to a training
    assert SETS == 10
    assert "variance-linear-weights-p" in next(
        each.run for each in made if each.source == "weights" and "lin" in each.run
    )
    assert len({each.run for each in made}) == len(made)


def test_schedules_meet_the_same_changed_seeds():
    by_place = defaultdict(set)
    for each in varied(trained(study(), score)[0]):
        if each.source != "evaluation":
            by_place[each.source, each.repetition].add(getattr(each.seeds, each.source))
    assert all(len(seeds) == 1 for seeds in by_place.values())


@pytest.mark.parametrize("others", [{}, {"allocation": "adaptive"}, {"top": 2}, {"sampler": "tpe"}])
def test_the_runs_that_verdicts_come_from_are_as_without_it(others):
    plain = trained(make(**others), score)[0]
    made, queue = trained(study(**others), score)
    assert {each for each in made if each.phase != "variance"} == set(plain)
    assert varied(made)
    assert sum(sum(group.values()) for group in stages.size(study(**others)).values()) == len(made)
    assert queue.chosen == trained(make(**others), score)[1].chosen


def test_order_of_finishing_and_resuming_change_nothing_and_verdict_runs_come_first():
    spec = study()
    one = trained(spec, score, slots=1)[0]
    phases = [each.phase for each in one]
    assert phases.index("variance") == len(phases) - phases.count("variance")
    assert set(trained(spec, score, shuffle=3, slots=5)[0]) == set(one)
    for done in (3, 20, len(one) - 5):
        outcomes = {each.run: score(each) for each in one[:done]}
        assert {each.run for each in trained(spec, score, outcomes=outcomes)[0]} == {each.run for each in one[done:]}


def test_seeds_sources_and_schedules_may_be_added_later_and_change_no_earlier_run():
    small = study(seeds=3, more='sources = ["weights"]\nschedules = ["linear"]\n')
    large = study(seeds=5)
    before, after = trained(small, score)[0], trained(large, score)[0]
    assert set(before) < set(after)
    stored = varied(before)
    assert specs.growth_faults(small, large) == {}
    assert specs.growth_faults(make(), small) == {}
    assert specs.refused_changes(large, small, stored) == {}
    assert set(specs.refused_changes(large, small, varied(after))) == {
        "variance.seeds",
        "variance.sources",
        "variance.schedules",
    }
    assert set(specs.refused_changes(small, make(), stored)) == {
        "variance.seeds",
        "variance.sources",
        "variance.schedules",
    }


def test_a_study_without_it_keeps_its_digest_and_plan():
    assert "variance" not in specs.resolved(make())
    assert "variance" not in stages.size(make())
    assert [column.header for column in preview.plan_table(make(), {}).columns] == [
        "schedule",
        "search",
        "select",
        "confirm",
    ]
    assert specs.parse(specs.to_toml(study()), source="written") == study()


@pytest.mark.parametrize(
    ("table", "said"),
    [
        ("seeds = 1", "variance.seeds is 1: allowed is greater than or equal to 2"),
        (
            'schedules = ["cosine"]',
            "variance.schedules has 'cosine', but allowed is one of the schedules: constant, linear",
        ),
        ('sources = ["weather"]', r"variance.sources\[0\] is 'weather'"),
        ('sources = ["data", "data"]', "allowed is each name once"),
        (
            "[replicates]\nmax = 8",
            "replicates differ in their configurations, too; allowed is .variance. in a study that tunes",
        ),
    ],
)
def test_what_cannot_be_told_is_refused_in_a_sentence(table, said):
    with pytest.raises(specs.SpecError, match=said):
        make(more=f"[variance]\n{table}\n")


def test_the_preview_counts_runs_and_further_evaluations():
    spec = study(seeds=12)
    probe = {"step": 0.01, "evaluation": 2.0, "set_up": 0.0}
    page = preview.Preview(spec, {}, {}, probe, 2, None)
    assert page.remaining == preview.remaining(make(), {}) + 3 * (3 * 12 + 2)
    plain = preview.Preview(make(), {}, {}, probe, 2, None)
    trained = page.remaining - plain.remaining - 3 * 2  # those of evaluation begin where a confirmation run ends
    more = trained * page.seconds_per_run + 3 * 2 * SETS * 2.0
    assert page.seconds - plain.seconds == pytest.approx(more / 2)


@pytest.fixture(scope="module")
def shop():
    from harness.worker import context

    spec = study(trials=1, seeds=2)
    spec = spec.model_copy(
        update={
            "train": spec.train.model_copy(update={"steps": 30, "batch": 8}),
            "evaluate": spec.evaluate.model_copy(update={"generated": 100}),
            "network": spec.network.model_copy(update={"width": 4}),
        }
    )
    return context.build(spec, cache=None, commit="c")


def run_of(shop, phase, source=""):
    made, _ = trained(shop.spec, score)
    found = (each for each in made if (each.phase, each.source, each.schedule) == (phase, source, "linear"))
    return min(found, key=lambda each: each.repetition)


def numbers(record):
    return [(place.step, dict(place.scores)) for place in record.curve], dict(record.scores)


def test_evaluation_scores_the_confirmed_runs_own_weights_on_further_latents_wherever_it_is_stopped(shop, tmp_path):
    base = train_run(run_of(shop, "confirm"), shop, Control()).record
    wanted = train_run(run_of(shop, "variance", "evaluation"), shop, Control())
    assert numbers(wanted.record) == numbers(base)
    assert not base.evaluations
    assert not wanted.grids
    sets = wanted.record.evaluations
    assert len(sets) == SETS
    assert len({scores[PRIMARY] for scores in (*sets, base.scores)}) == SETS + 1
    assert all(np.isfinite(list(scores.values())).all() for scores in sets)
    further = dataclasses.replace(run_of(shop, "variance", "evaluation"), repetition=1)
    assert {each[PRIMARY] for each in train_run(further, shop, Control()).record.evaluations}.isdisjoint(
        {each[PRIMARY] for each in sets}
    )
    control, stops = Control(checkpoint=tmp_path / "run.npz", stop=iter_stop()), 0
    while True:
        try:
            found = train_run(run_of(shop, "variance", "evaluation"), shop, control).record
            break
        except Interrupted:
            stops += 1
    assert stops > 3
    assert found.evaluations == sets
    assert numbers(found) == numbers(base)


def iter_stop():
    """Asks to stop every third time."""
    asked = itertools.count(1)
    return lambda: next(asked) % 3 == 0


def test_one_source_alone_changes_what_it_stands_for(shop):
    base = train_run(run_of(shop, "confirm"), shop, Control()).record
    for source in ("weights", "data", "latents"):
        other = train_run(run_of(shop, "variance", source), shop, Control()).record
        assert other.source == source
        assert other.scores[PRIMARY] != base.scores[PRIMARY]


def test_records_and_tables_of_it_read_back_the_same(shop, tmp_path):
    designs = [run_of(shop, "confirm"), *(run_of(shop, "variance", source) for source in ("evaluation", "data"))]
    records = [train_run(each, shop, Control()).record for each in designs]
    assert [RunRecord.from_json(json.loads(json.dumps(each.to_json()))) for each in records] == records
    folder = example.results(tmp_path, labels=("constant", "linear", "exponential"))
    facts = example.study(list(shop.spec.schedules), {label: label for label in shop.spec.schedules}, "t")
    facts["primary"] = facts["question"]["score"] = PRIMARY
    facts["scores"] = {PRIMARY: facts["scores"]["fid_digits_5k"]}
    write_study(folder, facts)
    tables.write(folder, records, phases=PHASES, schedules=list(shop.spec.schedules))
    loaded = tables.load(folder)
    assert list(loaded.runs["source"]) == ["", "data", "evaluation"]
    assert list(loaded.evaluations["set"]) == list(range(SETS))
    before = {path.name: path.read_bytes() for path in folder.glob("*.csv")}
    found = reading.records(folder)
    assert [each.evaluations for each in found] == [(), (), records[1].evaluations]
    tables.write(folder, found, phases=PHASES, schedules=list(shop.spec.schedules))
    assert {path.name: path.read_bytes() for path in folder.glob("*.csv")} == before
