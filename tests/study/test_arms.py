"""Schedules that say more than their shape: planned, trained by their own model, stored, tabled and reported as such."""

import dataclasses
from types import SimpleNamespace

import numpy as np
import optuna
import pandas as pd
import pytest

from harness import kinds, schedules
from harness import spec as specs
from harness.driver.database import sqlite_url
from harness.driver.queue import Queue
from harness.plan import points
from harness.report import catalogue, rates
from harness.report.analysis import Analysis
from harness.report.render import latex, markdown
from harness.results import frames, load, reading, tables
from harness.worker import context
from harness.worker.run import Control, WorkerContext, train_run
from tests.study.conftest import TEXT, make
from tests.study.test_engine import Instant, conduct
from tests.study.test_plan import conduct as planned

ARMS = """
[schedules.mixed]
kind = "linear"
weight_decay = 0.01
optimizer = "sgd"
[schedules.mixed.discriminator]
kind = "step"
drops = { low = 1, high = 4 }
[schedules.alone]
kind = "cosine"
applies_to = "generator"
until = 0.5
weight_decay = { low = 0.5, high = 0.9 }
"""
PHASES = ("search", "select", "confirm")


def study(more=ARMS, *, train="", space="", **options):
    text = TEXT.replace("steps = 40", f"steps = 40\n{train}").replace("[space]", f"[space]\n{space}")
    values = {"trials": 5, "sampler": "sobol", "allocation": "balanced", "top": 0, "seeds": 2, **options}
    return specs.parse(text.format(**values, more=more), source="small.toml")


DECAY = "weight_decay = {{ low = 1e-3, high = 1e-1, log = true }}"


@pytest.mark.parametrize("sampler", ["sobol", "random"])
def test_no_point_moves_when_weight_decay_is_sampled_too(sampler):
    before, after = study("", sampler=sampler), study(sampler=sampler, space=DECAY)
    for index in range(6):
        shared = [points.point(after, label, index) for label in ("constant", "linear")]
        for point in shared:
            assert point["peak"] == points.point(before, "constant", index)["peak"]
            assert point["weight_decay"] == shared[0]["weight_decay"]
        assert 1e-3 <= shared[0]["weight_decay"] <= 1e-1
        assert points.point(after, "mixed", index)["weight_decay"] == 0.01
        # The same place of the unit cube, in the schedule's own range.
        unit = (np.log(shared[0]["weight_decay"]) - np.log(1e-3)) / np.log(100)
        assert points.point(after, "alone", index)["weight_decay"] == pytest.approx(0.5 + 0.4 * unit)


def test_a_schedules_own_dimensions_stay_whatever_others_say_and_are_whole_where_they_should():
    spec = study(space=DECAY)
    unit = points.unit_point(spec, 3)
    assert points.point(spec, "mixed", 3)["discriminator.drops"] == 1 + int(4 * unit[2])  # peak, weight decay, its own
    assert points.point(study(), "mixed", 3)["discriminator.drops"] == 1 + int(4 * unit[1])
    assert list(points.distributions(spec, "mixed")) == ["peak", "discriminator.drops"]
    assert list(points.distributions(spec, "alone")) == ["peak", "weight_decay"]


@pytest.mark.parametrize("options", [{"sampler": "tpe"}, {"sampler": "tpe", "allocation": "adaptive"}])
def test_a_tuner_samples_what_each_schedule_has(options):
    spec = study(space=DECAY, trials=12, **options)
    decays = {label: set() for label in spec.schedules}
    for design in planned(spec):
        decays[design.schedule].add(design.values["weight_decay"])
    assert decays["mixed"] == {0.01}
    assert all(0.5 <= each <= 0.9 for each in decays["alone"])
    assert all(1e-3 <= each <= 1e-1 for each in decays["linear"])
    assert len(decays["alone"]) > 2 < len(decays["linear"])


SCHEDULED = (
    "scheduled = {{ beta2 = {{ start = 0.9, end = 0.99 }}, "
    'ema = {{ start = 0, end = 0.999, kind = "cosine", until = 0.5 }} }}'
)
PUBLISHED = '[published]\nsource = "a paper, its code"\nfigure = "FID 16.77"\ngpu_hours = 12\ncomparison = "none"\n'


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A study of which all runs are stored."""
    folder = tmp_path_factory.mktemp("study") / "out"
    conduct(study(ARMS + PUBLISHED, space=DECAY, train=SCHEDULED), folder, Instant())[1].close()
    return folder


def test_parameters_of_networks_shapes_have_names_that_tables_optuna_and_reports_carry(folder, tmp_path):
    spec = study(ARMS + PUBLISHED, space=DECAY, train=SCHEDULED)
    runs = pd.read_csv(folder / "runs.csv")
    drops = runs.loc[runs["schedule"] == "mixed", "params_discriminator.drops"]
    assert drops.notna().all()
    assert runs.loc[runs["schedule"] != "mixed", "params_discriminator.drops"].isna().all()
    trials = optuna.load_study(study_name="small", storage=sqlite_url(folder)).trials
    names = {trial.params["schedule"]: set(trial.params) for trial in trials}
    assert names["mixed"] == {"schedule", "peak", "mixed.discriminator.drops"}
    assert names["alone"] == {"schedule", "peak", "alone.weight_decay"}
    assert names["linear"] == {"schedule", "peak", "weight_decay"}
    # The way back writes the same bytes, whole numbers whole.
    records = reading.records(folder)
    assert {type(each.params["discriminator.drops"]) for each in records if each.schedule == "mixed"} == {int}
    tables.write(tmp_path, records, phases=PHASES, schedules=list(spec.schedules))
    assert (tmp_path / "runs.csv").read_bytes() == (folder / "runs.csv").read_bytes()


def test_the_report_says_what_schedules_differ_in_and_draws_each_networks_rate(folder):
    analysis = Analysis(load(folder))
    contents = catalogue.contents(analysis)
    settings = contents.tables["settings"].texts().set_index("schedule")
    assert settings.loc["mixed", ["discriminator kind", "optimizer", "applies to"]].tolist() == ["step", "sgd", "both"]
    assert settings.loc["alone", ["discriminator kind", "optimizer", "applies to"]].tolist() == [
        "–",
        "adam",
        "generator",
    ]
    assert settings.loc["mixed", "weight decay"] == "0.01"
    assert {"discriminator.drops", "until"} <= set(settings.columns)
    text = latex.render(catalogue.papers(analysis)["settings"], label="x")
    assert "discriminator.drops" in text
    boundary = analysis.tables["boundary"]
    assert set(boundary.loc[boundary["schedule"] == "mixed", "parameter"]) <= {"peak", "discriminator.drops"}
    used = rates.of(analysis)
    row = analysis.confirmed[analysis.confirmed["schedule"] == "mixed"].iloc[0]
    np.testing.assert_array_equal(
        used.by_schedule["mixed"], schedules.of("linear", {"peak": row["params_peak"]}).rates(40)
    )
    own = schedules.of("step", {"peak": row["params_peak"], "drops": row["params_discriminator.drops"]})
    np.testing.assert_array_equal(used.others["mixed"][0], own.rates(40))
    assert set(used.others) == {"mixed", "alone"}
    assert used.label == "learning rate"
    assert (
        "whole lines are the generator's rates, dotted ones those of the discriminator where they take another course."
    ) in contents.figures["rates"].caption
    lines = contents.figures["rates"].draw().axes[0].lines
    assert [line.get_linestyle() for line in lines].count(":") == 2
    page = markdown.render(contents, folder=folder)
    for said in (
        "## What is published about this setting",
        "Source: a paper, its code",
        "Figure: FID 16.77",
        "GPU hours per run: 12",
        "Comparison that it makes possible: none",
        "Changed within runs besides the rates: beta2 from 0.9 to 0.99, along with the schedule; ema from 0 to 0.999, by a "
        "shape of its own (cosine over the first 50 % of the steps)",
    ):
        assert said in page


def test_an_arm_that_is_applied_to_one_network_in_all_schedules_is_drawn_as_that_networks(tmp_path):
    more = "".join(
        f'[schedules.{label}]\nkind = "{label}"\napplies_to = "discriminator"\n' for label in ("cosine", "rex")
    )
    folder = tmp_path / "out"
    conduct(study(more, train='applies_to = "discriminator"', trials=1, seeds=1), folder, Instant())[1].close()
    used = rates.of(Analysis(load(folder)))
    assert used.network == "discriminator"
    assert used.others == {}
    assert used.note == "The schedule was applied to the discriminator alone; the generator kept its peak rate."


class Recorder:
    """A model that trains nothing and keeps what it was given."""

    networks, losses, latent = ("generator", "discriminator"), ("generator", "discriminator"), 4

    def __init__(self, optimizer, precision="float32"):
        self.optimizer, self.precision, self.given, self.step = optimizer.name, precision, [], 0

    def prepare(self):
        pass

    def start(self, seeds):
        self.given, self.step = [], 0

    def advance(self, rates, *controls):
        self.given.append((rates, *controls))
        count = len(rates["generator"])
        self.step += count
        return dict.fromkeys(self.losses, np.ones(count, np.float32))

    def generate(self, latents, *, weights):
        return np.arange(len(latents) * 64, dtype=np.uint8).reshape(len(latents), 8, 8, 1)


def shop(spec):
    """What runs of `spec` share, and the models that were made."""
    made = []

    def make_model(trained_with):
        made.append(Recorder(*trained_with))
        return made[-1]

    evaluator = SimpleNamespace(
        scores=lambda images, **_: {"fid_digits_500": 1.0}, extractor=SimpleNamespace(sha256="s", name="digits")
    )
    environment = {"device": "CPU", "commit": "c", "versions": {}}
    shared = WorkerContext(spec, SimpleNamespace(fingerprint="f"), make_model, evaluator, environment)
    return shared, made


def design_of(spec, schedule):
    return next(each for each in Queue(spec, {}).ready if each.schedule == schedule and each.point == 0)


def trained(spec, schedule, shared):
    shared.chunk = 7
    record = train_run(design_of(spec, schedule), shared, Control()).record
    model = shared.model_of(schedule)
    rates = {name: np.concatenate([given[0][name] for given in model.given]) for name in model.networks}
    names = spec.controls
    controls = {name: np.concatenate([given[1][name] for given in model.given]) for name in names}
    return record, rates, controls


def test_a_run_hands_its_model_the_chunks_of_rates_and_of_what_else_changes():
    spec = study(train="scheduled = {{ beta2 = {{ start = 0.9, end = 0.99 }}, ema = {{ start = 0, end = 0.9 }} }}")
    shared, _ = shop(spec)
    record, rates, controls = trained(spec, "mixed", shared)
    design = design_of(spec, "mixed")
    assert record.status == "finished"
    assert list(controls) == ["beta2", "ema", "weight_decay"]
    for name, values in design.controls(spec).items():
        assert values.dtype == np.float32
        np.testing.assert_array_equal(controls[name], values)
    np.testing.assert_array_equal(controls["weight_decay"], np.full(40, np.float32(0.01)))
    np.testing.assert_allclose(controls["beta2"], 0.99 - 0.09 * (1 - np.arange(40) / 40), rtol=1e-6)
    for name, values in design.rates(spec, shared.model.networks).items():
        np.testing.assert_array_equal(rates[name], values)
    assert record.curve[-1].rates == {name: float(values[-1]) for name, values in rates.items()}


def test_a_schedule_that_says_nothing_of_weight_decay_has_its_optimizers_own():
    spec = study(train='optimizer = "adamw"')
    assert set(design_of(spec, "linear").controls(spec)["weight_decay"]) == {np.float32(0.004)}
    assert set(design_of(study(), "linear").controls(study())["weight_decay"]) == {0.0}


def test_each_precision_has_one_model_and_records_say_it_where_schedules_differ_in_it():
    spec = study('[schedules.coarse]\nkind = "linear"\nprecision = "mixed_bfloat16"\n')
    assert spec.trained_with("linear") == spec.trained_with("constant") != spec.trained_with("coarse")
    shared, made = shop(spec)
    records = [trained(spec, schedule, shared)[0] for schedule in ("linear", "coarse", "constant")]
    assert [model.precision for model in made] == ["float32", "mixed_bfloat16"]
    assert [record.precision for record in records] == ["float32", "mixed_bfloat16", "float32"]
    runs, _ = frames(records, phases=["search"], schedules=list(spec.schedules))
    assert runs.set_index("schedule")["precision"].to_dict()["coarse"] == "mixed_bfloat16"
    plain, _ = frames([trained(study(), "linear", shop(study())[0])[0]], phases=["search"], schedules=["linear"])
    assert "precision" not in plain


def test_each_optimizer_has_one_model_built_when_it_is_needed_and_told_no_controls_without_any():
    plain = ARMS.replace("weight_decay = 0.01\n", "").replace("weight_decay = { low = 0.5, high = 0.9 }\n", "")
    spec = study(plain)
    shared, made = shop(spec)
    assert spec.controls == ()
    for schedule in ("linear", "constant", "alone"):
        trained(spec, schedule, shared)
    assert [model.optimizer for model in made] == ["adam"]
    assert {len(given) for given in made[0].given} == {1}  # models of the old signature go on
    for _ in range(2):
        trained(spec, "mixed", shared)
    assert [model.optimizer for model in made] == ["adam", "sgd"]


def test_a_studys_own_model_that_has_other_networks_is_told_by_key():
    spec = make()
    assert list(spec.scope_faults("linear", ("velocity",))) == []
    (fault,) = study().scope_faults("alone", ("velocity",))
    assert fault == "schedules.alone.applies_to is 'generator', but allowed is one of: both, velocity"


def test_a_model_that_takes_nothing_but_rates_is_named_before_it_is_built(monkeypatch):
    part = kinds.find("model", "gan", key="model")
    plain = dataclasses.replace(part, build=lambda network, train, images, settings: Recorder(train.optimizer))
    monkeypatch.setattr(type(make().model), "part", plain)
    with pytest.raises(ValueError, match=r"model\.name is 'gan', which cannot change weight_decay within a run"):
        context.build(study(), cache=None, commit="c")
