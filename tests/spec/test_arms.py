"""Study files: what a schedule may say besides its shape, what else [train] and [space] may change, and what is published."""

import json
import re

import jsonschema
import pytest

from harness import spec as specs
from harness.arms import CONTROLS, Arm
from harness.driver import cautions
from harness.spec import SpecError
from tests.spec.test_loading import MINIMAL, ROOT, fault

ARMS = """
[schedules.mixed]
kind = "linear"
weight_decay = 0.01
applies_to = "generator"
optimizer = { name = "sgd", clip_norm = 1.0 }
[schedules.mixed.discriminator]
kind = "step"
drops = { low = 1, high = 4 }
factor = 0.3
[schedules.late]
kind = "cosine"
until = 0.4
[schedules.late.generator]
floor = 0.25
"""


def loaded(more="", train=""):
    return specs.parse(MINIMAL.replace("steps = 100", f"steps = 100\n{train}") + more, source="mine.toml")


def test_a_schedule_has_scope_networks_shapes_optimizer_and_weight_decay_of_its_own():
    spec = loaded(ARMS, train='applies_to = "discriminator"')
    assert spec.arm("mixed") == Arm("linear", "generator", {"discriminator": "step"})
    assert spec.arm("late") == Arm("cosine", "discriminator", {"generator": "cosine"})
    assert spec.arm("linear") == Arm("linear", "discriminator", {})
    assert [optimizer.name for optimizer in spec.optimizers] == ["adam", "sgd"]
    assert spec.controls == ("weight_decay",)
    assert list(spec.own_space("mixed")) == ["discriminator.drops"]
    assert spec.fixed("mixed") == {
        "discriminator_ratio": 1.0,
        "warmup": 0.0,
        "discriminator.factor": 0.3,
        "weight_decay": 0.01,
    }
    assert spec.whole("mixed") == {"discriminator.drops"}


def test_it_survives_a_round_trip_through_toml_and_fits_the_schema():
    spec = loaded(ARMS, train='scheduled = { beta2 = { start = 0.9, end = 0.99, kind = "cosine", until = 0.5 } }')
    again = specs.parse(specs.to_toml(spec), source="again")
    assert again == spec
    assert specs.digest(again) == specs.digest(spec)
    validator = jsonschema.Draft202012Validator(specs.schema())
    written = json.loads(json.dumps(specs.resolved(spec)))
    without_none = {**written, "data": {"name": "digits"}, "evaluate": {"features": "digits"}}
    without_none["train"].pop("generator_batch", None)
    assert [error.message for error in validator.iter_errors(without_none)] == []
    without_none["schedules"]["late"]["generator"]["flor"] = 0.1
    assert list(validator.iter_errors(without_none))


def test_nothing_of_it_stands_in_a_study_that_says_nothing_of_it():
    values = specs.resolved(loaded())
    assert not {"scheduled", "weight_decay", "published"} & {*values, *values["train"], *values["space"]}
    assert values["schedules"]["linear"] == {"kind": "linear"}


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ('applies_to = "generatr"', "schedules.x.applies_to is 'generatr', but allowed is one of: both, generator"),
        ('optimizer = "sdg"', "schedules.x.optimizer is 'sdg' (did you mean 'sgd'?), but allowed is one of: adam"),
        ("optimizer = 3", "schedules.x.optimizer is 3: allowed is a name or a table"),
        (
            'precision = "half"',
            "schedules.x.precision is 'half': allowed is 'float32', 'mixed_float16' or 'mixed_bfloat16'",
        ),
        ("weight_decay = 3", "schedules.x.weight_decay is 3, but allowed is [0, 1]"),
        ("hold = { low = 0.1, high = 0.5 }\nuntil = 0.4", "schedules.x: linear.until is 0.4, but must be above hold"),
        ("[schedules.x.encoder]\nfloor = 0.1", "schedules.x.encoder is a shape of a network's own, but the networks"),
        ("[schedules.x.discriminator]\nflor = 0.1", "schedules.x.discriminator: linear has no field 'flor' (did you"),
        ('[schedules.x.discriminator]\nkind = "cosin"', "schedules.x.discriminator: there is no schedule 'cosin' (did"),
        ("[schedules.x.discriminator]\nfloor = true", "schedules.x.discriminator.floor is True: allowed is a finite"),
        (
            '[schedules.x.discriminator]\noptimizer = "sgd"',
            "schedules.x.discriminator: optimizer is of a whole schedule: allowed here are kind and the settings of a shape",
        ),
        ("optimizer = { clip_norm = 1.0 }", "missing key 'schedules.x.optimizer.name', which has no default"),
        ('[schedules.x.optimizer]\nname = "sgd"\nfast = 1', "unknown key 'schedules.x.optimizer.fast': allowed here:"),
    ],
)
def test_faults_of_a_schedule_name_key_value_and_what_is_allowed(more, said):
    assert fault(f'{MINIMAL}[schedules.x]\nkind = "linear"\n{more}\n').startswith(f"mine.toml: {said}")


@pytest.mark.parametrize(
    ("train", "said"),
    [
        ('penalties = ["r3"]', "train.penalties[0] is 'r3', but allowed is one of: "),
        ('penalties = ["r1", { name = "r3" }]', "train.penalties[1] is 'r3', but allowed is one of: "),
        ('penalties = "r1"', "train.penalties is 'r1': allowed is a list of names or tables"),
        ("penalties = [3]", "train.penalties[0] is 3: allowed is a name or a table"),
        ("penalties = [{ every = 2 }]", "missing key 'train.penalties[0].name', which has no default"),
        (
            'penalties = [{ name = "r1", weigth = 3 }]',
            "unknown key 'train.penalties[0].weigth': did you mean 'weight'? allowed here: name, every, weight",
        ),
        ('penalties = [{ name = "r1", every = 0 }]', "train.penalties[0].every is 0: allowed is greater than"),
        ('augment = ["x"]', "train.augment[0] is 'x', but allowed is one of: "),
        (
            "scheduled = { beta3 = { start = 1, end = 2 } }",
            "unknown key 'train.scheduled.beta3': did you mean 'beta2'? allowed here: beta2, ema, penalty",
        ),
        ("scheduled = { beta2 = { start = 0.9 } }", "missing key 'train.scheduled.beta2.end'"),
        ("scheduled = { beta2 = { start = 1, end = 0 } }", "train.scheduled.beta2: start is 1, but must be at least 0"),
        (
            'scheduled = { ema = { start = 0, end = 0.9, kind = "cosne" } }',
            "train.scheduled.ema.kind: there is no schedule 'cosne' (did you mean 'cosine'?)",
        ),
        (
            "scheduled = { ema = { start = 0, end = 0.9, until = 0.4 } }",
            "train.scheduled.ema: until is 0.4, but only a shape of its own has one",
        ),
    ],
)
def test_faults_of_lists_of_parts_and_of_what_else_changes(train, said):
    assert fault(MINIMAL.replace("steps = 100", f"steps = 100\n{train}")).startswith(f"mine.toml: {said}")


def test_averages_are_decays_or_half_lives_in_images_and_the_first_is_the_primary_one():
    assert loaded(train="ema = [0.99, 0.9, 0.9997]").train.averages == {"ema": 0.99, "ema0.9": 0.9, "ema0.9997": 0.9997}
    (half, tenth) = loaded(train="batch = 50\nema_half_lives = [500, 20_000]").train.averages.items()
    assert (half[0], tenth[0]) == ("ema", "ema20k")
    assert half[1] ** 10 == pytest.approx(0.5)  # 10 steps show 500 images
    assert tenth[1] ** 400 == pytest.approx(0.5)
    assert specs.digest(loaded(train="ema = [0.99]")) == specs.digest(loaded(train="ema = 0.99"))
    again = loaded(train="ema = [0.99, 0.9]")
    assert specs.parse(specs.to_toml(again), source="again") == again
    validator = jsonschema.Draft202012Validator(specs.schema())
    assert not list(validator.iter_errors(json.loads(json.dumps(specs.resolved(again)))))


@pytest.mark.parametrize(
    ("train", "said"),
    [
        ("ema = 1.0", "train.ema is 1.0: allowed is less than 1"),
        ("ema = [0.9, 1.5]", "train.ema[1] is 1.5: allowed is less than 1"),
        ("ema = ['a']", "train.ema[0] is 'a': allowed is a number"),
        ("ema = []", "train.ema is []: allowed is a list of at least 1"),
        (f"ema = {[0.9] * 9}", f"train.ema is {[0.9] * 9}: allowed is a list of at most 8"),
        ("ema = [0.9, 0.9]", "train.ema is [0.9, 0.9], but allowed is each average once"),
        ("ema_half_lives = 500", "train.ema_half_lives is 500: allowed is a list of numbers"),
        ("ema_half_lives = [0]", "train.ema_half_lives[0] is 0: allowed is greater than or equal to 1"),
        (
            "ema = 0.9\nema_half_lives = [5]",
            "train.ema and train.ema_half_lives are both set, but allowed is one of them",
        ),
        (
            "ema = [0.9, 0.99]\nscheduled = { ema = { start = 0.9, end = 0.99 } }",
            "train.scheduled.ema changes the only average, but train.ema has 2",
        ),
    ],
)
def test_faults_of_averages_name_key_value_and_what_is_allowed(train, said):
    assert fault(MINIMAL.replace("steps = 100", f"steps = 100\n{train}")) == f"mine.toml: {said}"


def test_a_model_without_penalties_has_none_to_schedule():
    text = MINIMAL.replace(
        "[train]", '[model]\nname = "flow"\n[train]\nscheduled = { penalty = { start = 1, end = 0 } }'
    )
    assert "train.scheduled.penalty is set, but model.name is 'flow', which has no penalties" in fault(text)


@pytest.mark.parametrize("key", ["conditional = true", "generator_batch = 8"])
def test_a_key_that_the_model_does_not_read_is_one_fault(key):
    (said,) = fault(MINIMAL.replace("[train]", f'[model]\nname = "flow"\n[train]\n{key}')).splitlines()
    name = key.partition(" ")[0]
    assert said == f"mine.toml: train.{name} is set, but only model.name 'gan' reads it, and model.name is 'flow'"


def test_what_changes_has_the_order_that_models_take_it_in():
    spec = loaded(
        train="scheduled = { penalty = { start = 1, end = 0 }, ema = { start = 0.0, end = 0.9 } }",
        more="[schedules.decayed]\nkind = 'linear'\nweight_decay = 0.1\n",
    )
    assert spec.controls == ("ema", "penalty", "weight_decay")
    assert loaded().controls == ()


PUBLISHED = '\n[published]\nsource = "a paper"\nfigure = "FID 16.77"\ngpu_hours = 12.5\n'


def test_what_is_published_may_change_freely_and_is_kept():
    plain, told = loaded(), loaded(PUBLISHED)
    assert specs.growth_faults(plain, told) == specs.growth_faults(told, plain) == {}
    assert specs.growth_faults(told, loaded(PUBLISHED.replace("16.77", "14.21"))) == {}
    assert specs.digest(plain) != specs.digest(told)
    assert told.published.said == {"source": "a paper", "figure": "FID 16.77", "gpu_hours": 12.5}
    assert specs.parse(specs.to_toml(told), source="again").published == told.published
    with pytest.raises(SpecError, match=r"published\.figure is 16\.77"):
        loaded(PUBLISHED.replace('"FID 16.77"', "16.77"))


def test_a_study_may_grow_by_a_schedule_that_says_more_and_not_by_more_said_of_one_that_is_there():
    assert specs.growth_faults(loaded(), loaded(ARMS)) == {}
    other = ARMS.replace("weight_decay = 0.01", "weight_decay = 0.02")
    assert specs.growth_faults(loaded(ARMS), loaded(other)) == {"schedules.mixed.weight_decay": (0.01, 0.02)}


def test_the_example_of_the_documentation_is_a_study():
    page = (ROOT / "docs" / "study.md").read_text(encoding="utf-8")
    (example,) = re.findall(r"## More than a shape\n\n```toml\n(.*?)```", page, re.DOTALL)
    head = MINIMAL.partition("[space]")[0].replace("steps = 100", 'steps = 100\npenalties = ["r1"]')
    spec = specs.parse(head + example, source="study.md")
    assert spec.controls == CONTROLS
    assert [each.name for each in spec.optimizers] == ["adam", "schedule_free"]
    assert spec.fixed("plain")["weight_decay"] == 0.0
    assert list(spec.sampled("mixed")) == ["peak", "weight_decay", "discriminator.floor"]
    about_verdicts = ("question.rope is 0", "the tuning is not repeated")
    assert [said for said in cautions.of_file(spec) if not said.startswith(about_verdicts)] == []


def test_a_schedule_may_end_its_runs_earlier_and_never_later():
    spec = loaded('[schedules.short]\nkind = "cosine"\nsteps = 40\n')
    assert {label: spec.steps(label) for label in ("linear", "short")} == {"linear": 100, "short": 40}
    assert any("'short' has another number of steps" in caution for caution in cautions.of_file(spec))
    with pytest.raises(
        SpecError, match=r"mine.toml: schedules.short.steps is 101, but allowed is at most train.steps = 100"
    ):
        loaded('[schedules.short]\nkind = "cosine"\nsteps = 101\n')
    with pytest.raises(SpecError, match=r"steps is of a whole schedule"):
        loaded('[schedules.short]\nkind = "cosine"\n[schedules.short.generator]\nsteps = 40\n')
