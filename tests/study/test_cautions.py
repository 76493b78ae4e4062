"""Cautions: each said where its cause is, gone where it is not; a file that writes every default says nothing by that."""

import pytest

from harness import spec as specs
from harness.driver import cautions
from harness.metrics import sanity
from tests.study.conftest import make

SEEN = {"damage": "blur 1 px", "value": 9.0, "floor": 1.0, "seen": True, "images": 100}
FACTS = {
    "data": {"name": "digits", "train": 6000, "held_out": 5000},
    "features": {"name": "digits", "dimensions": 64},
    "sanity": [SEEN],
}
REPLICATED = "[replicates]\nmin = 8\nmax = 8\n"
CLEAN = {"seeds": 1, "top": 1, "more": f"{REPLICATED}[question]\nrope = 0.1"}
ONCE = "the tuning is not repeated (replicates.max = 1): verdicts are about these configurations"


def replicated(most, *, least=8):
    """A sound study that repeats its tuning at most so often."""
    return make(**{**CLEAN, "more": CLEAN["more"].replace("min = 8\nmax = 8", f"min = {least}\nmax = {most}")})


def said(spec, **facts):
    return cautions.of(spec, {**FACTS, **facts})


def test_a_sound_study_has_none_also_with_every_default_written_out():
    spec = make(**CLEAN)
    assert said(spec) == []
    assert said(specs.parse(specs.to_toml(spec), source="small.toml")) == []


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        (
            replicated(6, least=6),
            "replicates.max is 6, but 2 comparisons at question.alpha = 0.05 need 7: verdicts will be descriptive only",
        ),
        (
            replicated(20),
            "replicates.min is 8, but no look before the one at 13 replicates can call a schedule better or worse",
        ),
        (make(**{**CLEAN, "more": REPLICATED}), "question.rope is 0: no schedule can be called equivalent"),
        (make(**CLEAN, trials=1), "search.trials is 1: the settings of every schedule are one random draw"),
    ],
)
def test_what_stands_in_the_way_of_a_verdict(spec, words):
    (caution,) = said(spec)
    assert words in caution


def test_a_tuning_that_is_not_repeated_is_about_configurations():
    once = make(seeds=8, top=1, more="[question]\nrope = 0.1")
    assert said(once) == [ONCE]
    assert said(replicated(8)) == []
    few = make(seeds=3, top=1, more="[question]\nrope = 0.1")
    assert said(few) == [
        "confirm.seeds is 3, but 2 comparisons at question.alpha = 0.05 need 7: verdicts will be descriptive only",
        ONCE,
    ]
    assert ONCE not in said(make(seeds=8, trials=1))


def test_replicates_of_nothing_to_tune_repeat_seeds_alone():
    nothing = replicated(8).model_copy(
        update={
            "space": make().space.model_copy(update={"peak": 1e-3}),
            "schedules": {label: make().schedules[label] for label in ("constant", "linear")},
        }
    )
    assert (
        "replicates.max is 8, but no parameter is a range: with nothing to tune, replicates repeat seeds alone"
        in said(nothing)
    )


def test_one_schedule_has_nothing_to_be_compared_with():
    lone = make(**CLEAN).model_copy(update={"schedules": {"constant": make().schedules["constant"]}})
    assert "schedules has only 'constant': with nothing to compare it with, there will be no verdict" in said(lone)


def test_trials_without_a_range_are_all_alike():
    spec = make(**CLEAN)
    fixed = spec.model_copy(
        update={
            "space": spec.space.model_copy(update={"peak": 1e-3}),
            "schedules": {label: spec.schedules[label] for label in ("constant", "linear")},
        }
    )
    assert "search.trials is 5, but no parameter is a range: all trials of a schedule are alike" in said(fixed)


def test_a_caution_goes_away_when_a_study_grows():
    assert any("confirm.seeds" in each for each in said(make(seeds=6)))
    assert not any("confirm.seeds" in each for each in said(make(seeds=7)))


@pytest.mark.parametrize(
    ("facts", "words"),
    [
        (
            {"data": {"name": "digits", "train": 50, "held_out": 5000}},
            "train.batch is 64, but there are only 50 training",
        ),
        ({"features": {"name": "digits", "dimensions": 500}}, "generated is 500, but the features have 500 dimensions"),
        (
            {"data": {"name": "digits", "train": 64, "held_out": 5000}},
            "there are 64 real images (train), but the features",
        ),
        ({"data": {"name": "digits", "train": 499, "held_out": 5000}}, "compared with only 499 real images (train)"),
        (
            {"data": {"name": "digits", "train": 6000, "held_out": 499}},
            "the floor is of 499 real images (held_out), fewer",
        ),
        (
            {"data": {"name": "folder", "train": 6000, "held_out": 5000}},
            "'digits', a network trained on the handwritten",
        ),
        ({"sanity": []}, f"11000 real images are too few ({sanity.FEWEST} needed)"),
        (
            {
                "sanity": [
                    SEEN,
                    {**SEEN, "damage": "grey", "seen": False},
                    {**SEEN, "damage": "noise 10 %", "seen": False},
                ]
            },
            "fid_digits_500 does not see: grey, noise 10 % (real images damaged in these ways, 100 at a time, score",
        ),
    ],
)
def test_what_the_images_features_and_the_measured_sanity_say(facts, words):
    assert any(words in each for each in said(make(**CLEAN), **facts)), said(make(**CLEAN), **facts)


def test_documents_of_earlier_versions_have_no_measured_sanity():
    assert cautions.of(make(**CLEAN), {key: FACTS[key] for key in ("data", "features")}) == []


def test_a_kernel_distance_has_no_bias_to_be_cautious_about():
    spec = make(**{**CLEAN, "more": f'{CLEAN["more"]}\nscore = "kid"'})
    assert said(spec, features={"name": "digits", "dimensions": 2048}) == []
    few = {"name": "digits", "train": 6000, "held_out": 400}
    assert said(spec, data=few) == ["the floor is of 400 real images (held_out) only: it is a rough one"]


IGNORED = {
    "data.data_dir": (None, 'data_dir = "/nowhere"', "data"),
    "data.fit": (None, 'fit = "crop"', "data"),
    "network.width": ('name = "article"', "width = 16", "network"),
    "train.beta1": ('optimizer = "rmsprop"', "beta1 = 0.5", "train"),
    "train.beta2": ('optimizer = "sgd"', "beta2 = 0.9", "train"),
    "train.momentum": (None, "momentum = 0.0", "train"),
    "evaluate.weights": (None, 'weights = "inception.pth"', "evaluate"),
    "search.round": (None, "round = 8", "search"),
    "search.sampler": (None, 'sampler = "tpe"', "search"),
    "select.seeds": (None, "seeds = 3", "select"),
}
WHOLE = """
name = "small"
[question]
rope = 0.1
[data]
name = "digits"
{data}
[network]
{network}
[train]
steps = 40
{train}
[evaluate]
features = "digits"
generated = 500
points = 2
{evaluate}
[space]
peak = {{ low = 1e-4, high = 1e-2, log = true }}
[schedules.constant]
[schedules.linear]
[replicates]
min = 8
max = 8
[confirm]
seeds = 1
[search]
{search}
[select]
{select}
"""


@pytest.mark.parametrize("key", IGNORED)
def test_a_key_that_nothing_reads_is_named_if_the_file_sets_it(key):
    cause, line, section = IGNORED[key]
    sections = ("data", "network", "train", "evaluate", "search", "select")
    without = WHOLE.format(**{each: cause or "" if each == section else "" for each in sections})
    assert said(specs.parse(without, source="small.toml")) == []
    given = "\n".join(part for part in (cause, line) if part)
    text = WHOLE.format(**{each: given if each == section else "" for each in sections})
    (caution,) = said(specs.parse(text, source="small.toml"))
    assert caution.startswith(f"{key} is {line.split(' = ')[1].strip().replace(chr(34), chr(39))}".removesuffix(".0"))
    assert "which changes nothing: " in caution


def test_a_sampler_changes_nothing_in_an_adaptive_search():
    text = make(**{**CLEAN, "more": "[question]\nrope = 0.1"}, allocation="adaptive", sampler="random")
    assert any(
        each
        == "search.sampler is 'random', which changes nothing: search.allocation is 'adaptive', which always takes tpe"
        for each in said(text)
    )


def test_a_share_to_hold_out_changes_nothing_where_a_split_is_published():
    text = WHOLE.format(data="held_out = 0.3", network="", train="", evaluate="", search="", select="")
    spec = specs.parse(text.replace('"digits"', '"fashion_mnist"'), source="small.toml")
    facts = {"data": {**FACTS["data"], "name": "fashion_mnist"}}
    assert said(spec, **facts) == [
        "data.held_out is 0.3, which changes nothing: data.name 'fashion_mnist' has a published test split"
    ]


def test_a_tuner_that_never_gets_its_turn_is_named():
    spec = make(**CLEAN, trials=8, sampler="tpe")
    assert said(spec) == [
        "search.sampler is 'tpe', which changes nothing: the first 8 trials are points of sobol, and search.trials is 8"
    ]
    assert said(make(**CLEAN, trials=9, sampler="tpe")) == []


def test_cautions_do_not_touch_the_digest():
    spec = make(**CLEAN)
    before = specs.digest(spec)
    said(spec)
    assert specs.digest(specs.parse(specs.to_toml(spec), source="small.toml")) == specs.digest(spec) == before


def test_xla_is_warned_of_where_runs_train_on_a_cpu():
    spec = make(**CLEAN)
    spec = spec.model_copy(update={"train": spec.train.model_copy(update={"xla": True})})
    assert said(spec, environment={"device": "NVIDIA H100"}) == []
    (caution,) = said(spec, environment={"device": "CPU (x86_64)"})
    assert caution.startswith("train.xla is true, but the runs train on a CPU")


ADAMW = '{ name = "adamw", weight_decay = 0.05 }'


@pytest.mark.parametrize(
    ("train", "more", "words"),
    [
        (
            "scheduled = { penalty = { start = 1, end = 0 } }",
            "",
            "train.scheduled.penalty is set, which changes nothing: train.penalties is empty",
        ),
        (
            'optimizer = "sgd"\nscheduled = { beta2 = { start = 0.9, end = 0.99 } }',
            "",
            "train.scheduled.beta2 is set, which changes nothing: train.optimizer is 'sgd'",
        ),
        (
            "scheduled = { beta2 = { start = 0.9, end = 0.99, kind = 'constant' } }",
            "",
            "train.scheduled.beta2 does not change: its kind is 'constant'",
        ),
        (
            "scheduled = { ema = { start = 0.9, end = 0.9 } }",
            "",
            "train.scheduled.ema does not change: its end is its start, 0.9",
        ),
        (
            "beta2 = 0.9\nscheduled = { beta2 = { start = 0.9, end = 0.99 } }",
            "",
            "train.beta2 is 0.9, which changes nothing: train.scheduled.beta2 takes its place",
        ),
        (
            "ema = [0.999, 0.7, 0.99]",
            "",
            "the averages with decays 0.999, 0.99 are one and the same: in 40 steps their ramp (train.ema_ramp = 10) does not "
            "pass 0.816327",
        ),
        (
            "ema = 0.99\nscheduled = { ema = { start = 0.9, end = 0.99 } }",
            "",
            "train.ema is 0.99, which changes nothing: train.scheduled.ema takes its place",
        ),
        (
            "",
            f"[schedules.mine]\nkind = 'linear'\nweight_decay = 0.01\noptimizer = {ADAMW}",
            "schedules.mine.optimizer sets weight_decay = 0.05, which schedules.mine.weight_decay takes the place of",
        ),
        (
            "",
            "until = 0.5",
            "schedules.linear.until is 0.5, but its floor is 0: from there on the rate is 0, and nothing is learnt",
        ),
        (
            "",
            "[schedules.linear.discriminator]\nkind = 'cosine'\nuntil = { low = 0.5, high = 1.0 }",
            "schedules.linear.discriminator.until is 0.5, but its floor is 0",
        ),
        (
            "",
            "applies_to = 'generator'\n[schedules.linear.generator]\nkind = 'cosine'",
            "schedules.linear.applies_to is set, which changes nothing: generator has a shape of its own, and discriminator is "
            "kept at its peak by applies_to = 'generator'",
        ),
        (
            "",
            "floor = 0.1\n[schedules.linear.generator]\nkind = 'cosine'\n[schedules.linear.discriminator]\nkind = 'step'",
            "schedules.linear.floor is set, which changes nothing: generator and discriminator have shapes of their own",
        ),
        (
            'penalties = ["r1", { name = "r1", every = 4 }]',
            "",
            "train.penalties has 'r1' 2 times: each counts",
        ),
        (
            'loss = "wasserstein_gp"\npenalties = ["gradient_penalty"]',
            "",
            "train.penalties has 'gradient_penalty', which train.loss 'wasserstein_gp' has within it as well: both count",
        ),
        (
            'loss = "wasserstein"',
            "",
            "train.loss is 'wasserstein', which needs a bound on the discriminator's slopes, but train.penalties is empty",
        ),
        (
            'applies_to = "generator"',
            "[schedules.constant.discriminator]\nkind = 'linear'\n[schedules.linear]\napplies_to = 'both'",
            "train.applies_to is 'generator', which changes nothing: all schedules that it is of are constant",
        ),
    ],
)
def test_what_changes_within_a_run_and_makes_no_sense_is_said(train, more, words):
    schedules = more if "[schedules.linear]" in more else f"[schedules.linear]\n{more}"
    text = WHOLE.format(data="", network="", train=train, evaluate="", search="", select="")
    (caution,) = said(specs.parse(text.replace("[schedules.linear]", schedules), source="small.toml"))
    assert caution.startswith(words)


def test_a_weight_decay_that_some_schedules_keep_and_others_replace_is_no_fault():
    train = f"optimizer = {ADAMW}"
    text = WHOLE.format(data="", network="", train=train, evaluate="", search="", select="")
    crossed = text + "\n[schedules.constant_0]\nkind = 'constant'\nweight_decay = 0.0\n"
    assert said(specs.parse(crossed, source="small.toml")) == []
    every = text.replace("[space]", "[space]\nweight_decay = 0.01")
    first = "train.optimizer sets weight_decay = 0.05, which space.weight_decay takes the place of for 'constant'"
    assert first in said(specs.parse(every, source="small.toml"))


@pytest.mark.parametrize("train", ['penalties = ["gradient_penalty"]', 'penalties = ["r1"]'])
def test_a_wasserstein_loss_with_a_penalty_is_sound(train):
    text = WHOLE.format(data="", network="", train=f'loss = "wasserstein"\n{train}', evaluate="", search="", select="")
    assert said(specs.parse(text, source="small.toml")) == []


@pytest.mark.parametrize(
    "train", ['loss = "wasserstein_gp"', 'penalties = ["r1"]', 'loss = "r1"\npenalties = [{ name = "r2", every = 4 }]']
)
def test_penalties_of_the_loss_and_of_the_study_may_be_scheduled(train):
    train += "\nscheduled = { penalty = { start = 1, end = 0 } }"
    text = WHOLE.format(data="", network="", train=train, evaluate="", search="", select="")
    assert said(specs.parse(text, source="small.toml")) == []


def test_an_optimizer_that_reads_what_anothers_does_not_keeps_its_key():
    text = WHOLE.replace("[schedules.linear]", "[schedules.linear]\noptimizer = 'sgd'")
    spec = specs.parse(
        text.format(data="", network="", train="momentum = 0.9", evaluate="", search="", select=""), source="small.toml"
    )
    assert said(spec) == []
