"""Runs of rules: rates are recorded as trained, and neither chunks nor interruptions move a bit of anything."""

import csv
import dataclasses
import itertools
import json
import math

import numpy as np
import pytest

from harness import load_results, run_study
from harness import spec as specs
from harness.driver.queue import Queue
from harness.models import checkpoints
from harness.report import rates
from harness.report.analysis import Analysis
from harness.results import trace
from harness.spec import SpecError
from harness.worker import device
from harness.worker.run import Control, Interrupted, train_run
from tests.test_extend import FILES

device.configure(threads=1, gpu=None)

MEASURED = ("seconds", "seconds_per_step", "seconds_evaluation", "started", "ended", "peak_memory_mb")
STEPS = 180
STUDY = """
name = "rules"
{top}
[data]
name = "digits"
limit = 200
{network}
[train]
steps = {steps}
batch = 8
{train}
[evaluate]
features = "digits"
generated = 60
points = 2
[space]
peak = 2e-3
[schedules.constant]
{schedules}
[search]
trials = 0
[confirm]
seeds = 1
[safety]
checkpoint_seconds = 1000.0
"""
RESTS = """
[schedules.rests]
kind = "resting.py:resting"
applies_to = "discriminator"
every = 60
bound = 100.0
left = 0.25
"""
GAP = """
[schedules.gap]
kind = "gap_aware"
applies_to = "discriminator"
gap = 0.05
[schedules.mixed]
kind = "kid_halving"
every = 15
back = 2
patience = 2
level = 0.01
[schedules.mixed.discriminator]
kind = "gap_aware"
every = 4
gap = 0.05
"""


def parsed(schedules=GAP, *, steps=STEPS, train="", top="", network="[network]\nwidth = 4"):
    text = STUDY.format(schedules=schedules, steps=steps, train=train, top=top, network=network)
    return specs.parse(text, source="rules.toml")


@pytest.fixture(scope="module")
def shop():
    from harness.worker import context

    return context.build(parsed(), cache=None, commit="c")


def design(shop, schedule):
    return next(each for each in Queue(shop.spec, {}).ready if each.schedule == schedule)


def steady(record):
    curve = tuple(dataclasses.replace(each, seconds=0.0) for each in record.curve)
    return dataclasses.replace(record, curve=curve, **dict.fromkeys(MEASURED, 0.0))


def weights(shop):
    return {name: array.tobytes() for name, array in shop.model.state().items()}


@pytest.fixture(scope="module")
def undisturbed(shop):
    """Record and final state of each schedule's run."""
    found = {}
    for schedule in ("gap", "mixed"):
        shop.chunk = 8
        record = train_run(design(shop, schedule), shop, Control()).record
        found[schedule] = steady(record), weights(shop)
    return found


@pytest.mark.parametrize("schedule", ["gap", "mixed"])
def test_rates_are_recorded_as_trained_and_change_as_the_rules_decide(schedule, undisturbed):
    record, _ = undisturbed[schedule]
    points = trace.unpack(record.trace)
    assert [point.step for point in points] == list(range(1, STEPS + 1))
    discriminator, generator = (
        np.array([point.rates[name] for point in points]) / 2e-3 for name in ("discriminator", "generator")
    )
    assert len(set(discriminator)) > 10
    assert 0.1 - 1e-6 <= discriminator.min() < 0.9
    assert discriminator.max() <= 2 + 1e-6
    if schedule == "gap":
        # By the losses of the trace, which are those of every step here, to six digits.
        average, expected, ideal = math.log(4), [1.0], math.log(4)
        for point in points[:-1]:
            average = 0.95 * average + 0.05 * point.losses["discriminator"]
            share = min(abs(average - ideal) / (0.05 * ideal), 1.0)
            expected.append((2.0 if average > ideal else 0.1) ** share)
        np.testing.assert_allclose(discriminator, expected, rtol=1e-4)
        assert set(generator) == {1.0}
    else:
        assert (discriminator.reshape(-1, 4) == discriminator[::4, None]).all()  # a decision every 4 steps
        assert (generator.reshape(-1, 15) == generator[::15, None]).all()
        np.testing.assert_allclose(generator[1:] / generator[:-1], np.where(np.diff(generator) < 0, 0.5, 1.0))
        assert generator[0] == 1.0 > generator[-1]
    for place in record.curve:
        assert place.rates == pytest.approx(points[place.step - 1].rates, rel=1e-6)


@pytest.mark.parametrize("schedule", ["gap", "mixed"])
@pytest.mark.parametrize("chunk", [1, 7, 64])
def test_a_run_that_is_stopped_at_many_places_is_the_undisturbed_one_bit_for_bit(
    schedule, chunk, shop, undisturbed, tmp_path
):
    looks = itertools.count(1)
    control = Control(checkpoint=tmp_path / "run.npz", stop=lambda: next(looks) % 10 == 0)
    stops = 0
    while True:
        shop.chunk = chunk
        try:
            record = train_run(design(shop, schedule), shop, control).record
            break
        except Interrupted:
            stops += 1
    assert stops >= 4  # after decisions and between them
    assert steady(record) == undisturbed[schedule][0]
    assert weights(shop) == undisturbed[schedule][1]


def test_a_checkpoint_holds_the_rules_memory_and_one_without_is_begun_anew(shop, undisturbed, tmp_path):
    path, looked = tmp_path / "run.npz", iter([False] * 9)
    with pytest.raises(Interrupted):
        shop.chunk = 8
        train_run(design(shop, "mixed"), shop, Control(checkpoint=path, stop=lambda: next(looked, True)))
    stored = checkpoints.read(path)
    names = {name for name in stored.arrays if name.startswith("rule")}
    assert {"rule0.factor", "rule0.state.sums", "rule1.state.average", "rule.rate.generator"} <= names
    checkpoints.save(path, {name: value for name, value in stored.arrays.items() if name not in names}, stored.meta)
    record = train_run(design(shop, "mixed"), shop, Control(checkpoint=path)).record
    assert steady(record) == undisturbed["mixed"][0]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        (
            {"schedules": "[schedules.gap]\nkind = 'gap_aware'"},
            r"""schedules.gap.kind is 'gap_aware', which sets the rate of the discriminator alone: add applies_to = "discriminator\"""",
        ),
        (
            {"top": '[model]\nname = "vae"', "network": "", "schedules": '[schedules.gap]\nkind = "gap_aware"\n'},
            "schedules.gap.kind is 'gap_aware', which sets the rate of a discriminator, but the networks of model.name 'vae' are: "
            "encoder, decoder",
        ),
        (
            {"train": 'loss = "wasserstein_gp"'},
            "schedules.gap.kind is 'gap_aware', but no ideal loss of the discriminator is known",
        ),
        (
            {"train": 'penalties = ["dragan"]'},
            "schedules.gap.kind is 'gap_aware', but no ideal loss of the discriminator is known",
        ),
        ({"train": 'loss = "wasserstein"\npenalties = ["r1"]'}, "but the ideal loss of train.loss is 0"),
        (
            {"steps": 59},
            r"schedules.mixed.kind is 'kid_halving', but the rate could fall first after .* = 60 steps, but train.steps",
        ),
        (
            {"train": "scheduled = { beta2 = { start = 0.9, end = 0.99 } }"},
            "train.scheduled.beta2 has no kind, so it follows each schedule's shape, but 'gap' is a rule",
        ),
        (
            {"train": 'scheduled = { beta2 = { start = 0.9, end = 0.99, kind = "gap_aware" } }'},
            "kind is 'gap_aware', a rule, which is known step by step; allowed are shapes",
        ),
        (
            {"schedules": '[schedules.late]\nkind = "piecewise"\nunit = "step"\nat = [0, 181]\nvalues = [1, 0.1]'},
            "schedules.late.kind is 'piecewise', but its last place is step 181, and a run has 180 steps",
        ),
    ],
)
def test_what_a_rule_cannot_train_is_refused_in_one_sentence(changes, words):
    with pytest.raises(SpecError, match=words):
        parsed(**changes)


def test_a_rule_in_a_file_of_the_users_own_is_judged_where_it_may_be_executed(tmp_path):
    (tmp_path / "resting.py").write_text(FILES["resting"], encoding="utf-8")
    path = tmp_path / "rules.toml"

    def write(schedules):
        path.write_text(STUDY.format(schedules=schedules, steps=60, train="", top="", network=""), encoding="utf-8")

    write(RESTS)
    assert specs.load(path).schedules["rests"].kind == "resting.py:resting"
    with pytest.raises(SpecError, match=r"kind is 'resting\.py:resting', but every is 60, and a run has 60 steps"):
        specs.load(path, allow_code=True)
    write(RESTS.replace("every = 60", "every = 20").replace('applies_to = "discriminator"', ""))
    with pytest.raises(SpecError, match="which sets the rate of the discriminator alone"):
        specs.load(path, allow_code=True)


def test_the_images_that_rules_look_at_are_known_in_advance():
    spec = parsed()
    assert {label: spec.images_shown(label) for label in spec.schedules} == {"constant": 0, "gap": 0, "mixed": 12 * 60}


@pytest.mark.parametrize(
    "train", ['loss = "hinge"', 'loss = "r1"', 'penalties = ["r1", "r2"]', 'loss = "relativistic"']
)
def test_losses_with_a_known_ideal_are_taken(train):
    assert parsed(train=train).rule_run("constant").ideal > 0


def test_a_rule_that_reads_a_loss_that_the_model_has_not_is_refused_by_the_worker(monkeypatch):
    from harness.worker import context

    class Other:
        networks, losses, latent = ("generator", "discriminator"), ("one",), 4

    monkeypatch.setattr(context.WorkerContext, "model", property(lambda self: Other()))
    with pytest.raises(
        ValueError, match=r"the rule 'gap_aware', which reads the loss 'discriminator', but the losses of .* are: one"
    ):
        context.build(parsed(), cache=None, commit="c")


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    """A study of rules and a table of the user's, trained, reported and trained again in part."""
    folder = tmp_path_factory.mktemp("rules")
    (folder / "rates.csv").write_text("step,rate\n0,1e-4\n60,4e-4\n120,2e-4\n", encoding="utf-8")
    (folder / "resting.py").write_text(FILES["resting"], encoding="utf-8")
    tables = '[schedules.table]\nkind = "piecewise"\nfile = "rates.csv"\n'
    text = STUDY.format(schedules=GAP + tables + RESTS, steps=STEPS, train="", top="", network="[network]\nwidth = 4")
    (folder / "rules.toml").write_text(text, encoding="utf-8")
    words = ["--output", str(folder / "out"), "--workers", "1", "--quiet", "--allow-code"]
    assert run_study.main([str(folder / "rules.toml"), *words]) == 0
    return folder


def test_a_study_of_rules_and_of_a_users_table_is_trained_and_reported(study):
    results = load_results(study / "out")
    used = rates.of(Analysis(results))
    assert set(used.by_schedule) == {"constant", "gap", "mixed", "table", "rests"}
    with (study / "out" / "traces.csv").open(encoding="utf-8") as stream:
        rows = [row for row in csv.DictReader(stream) if row["run"].startswith("confirm-mixed-")]
    np.testing.assert_allclose(used.by_schedule["mixed"], [float(row["rate_generator"]) for row in rows])
    np.testing.assert_allclose(used.others["mixed"][0], [float(row["rate_discriminator"]) for row in rows])
    assert (
        "gap and mixed follow a rule, so that each run has rates of its own: those of the first confirmation run"
        in used.note
    )
    expected = 2e-3 * np.repeat([0.25, 1.0, 0.5], 60)
    np.testing.assert_allclose(used.by_schedule["table"], expected, rtol=1e-6)
    generator, rests = used.by_schedule["rests"], used.others["rests"][0]
    assert set(generator) == {np.float32(2e-3)}
    np.testing.assert_allclose(rests, 2e-3 * np.repeat([1.0, 0.25, 0.25], 60), rtol=1e-6)
    page = (study / "out" / "report.html").read_text(encoding="utf-8")
    assert "follow a rule" in page


def test_what_a_csv_file_held_is_the_studys_own_and_a_change_of_it_is_refused(study, capsys):
    stored = (study / "out" / "study.toml").read_text(encoding="utf-8")
    assert 'file = "rates.csv"' in stored
    document = json.loads((study / "out" / "study.json").read_text(encoding="utf-8"))
    assert document["spec"]["schedules"]["table"] == {
        "kind": "piecewise",
        "file": "rates.csv",
        "at": [0.0, 60.0, 120.0],
        "values": [0.25, 1.0, 0.5],
        "unit": "step",
    }
    before = (study / "rates.csv").read_text(encoding="utf-8")
    (study / "rates.csv").write_text(before.replace("4e-4", "8e-4"), encoding="utf-8")
    try:
        code = run_study.main([str(study / "rules.toml"), "--output", str(study / "out"), "--quiet", "--allow-code"])
    finally:
        (study / "rates.csv").write_text(before, encoding="utf-8")
    assert code != 0
    assert "schedules.table.values" in capsys.readouterr().err


def test_runs_of_rules_and_tables_are_reproduced_without_the_file(study, capsys):
    from harness import reproduce

    names = [f"confirm-{label}-p000-r000" for label in ("gap", "mixed", "table", "rests")]
    words = [*(word for name in names for word in ("--run", name)), "--workers", "1", "--allow-code"]
    code = reproduce.main([str(study / "out"), *words])
    assert code == 0, capsys.readouterr()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (None, r"schedules.table.file is 'rates.csv', but .*rates.csv cannot be read as a text file \(no such file"),
        (
            "step,rate\n0,x\n",
            r"schedules.table.file is 'rates.csv': .*rates.csv line 2 is '0,x', but must be two numbers",
        ),
        ("step,rate\n0,1\n181,1\n", "its last place is step 181, and a run has 180 steps"),
    ],
)
def test_a_csv_file_that_makes_no_table_is_refused_before_training(text, words, tmp_path):
    if text is not None:
        (tmp_path / "rates.csv").write_text(text, encoding="utf-8")
    tables = '[schedules.table]\nkind = "piecewise"\nfile = "rates.csv"\n'
    path = tmp_path / "rules.toml"
    path.write_text(STUDY.format(schedules=tables, steps=STEPS, train="", top="", network=""), encoding="utf-8")
    with pytest.raises(SpecError, match=words):
        specs.load(path)


def test_a_file_and_values_that_say_otherwise_are_refused(tmp_path):
    (tmp_path / "rates.csv").write_text("step,rate\n0,1\n", encoding="utf-8")
    tables = '[schedules.table]\nkind = "piecewise"\nfile = "rates.csv"\nat = [0.0]\nvalues = [0.5]\n'
    path = tmp_path / "rules.toml"
    path.write_text(STUDY.format(schedules=tables, steps=STEPS, train="", top="", network=""), encoding="utf-8")
    with pytest.raises(
        SpecError, match=r"schedules.table has both a file, 'rates.csv', and at, values or unit that say otherwise"
    ):
        specs.load(path)
