"""What the report says of schedules that differ in more than a shape."""

from types import SimpleNamespace

import pandas as pd

from harness.report import arms, sentences, study_texts
from harness.report.analysis import Analysis
from harness.results.document import Document
from tests.report.example import study

SCHEDULES = {
    "constant": {"kind": "constant"},
    "linear": {"kind": "linear"},
    "free": {"kind": "constant", "optimizer": "schedule_free"},
    "linear_0": {"kind": "linear", "weight_decay": 0.0},
    "constant_0": {"kind": "constant", "weight_decay": 0.0},
    "one": {"kind": "linear", "applies_to": "discriminator", "weight_decay": {"low": 0.0, "high": 0.1, "log": False}},
    "two": {"kind": "linear", "discriminator": {"kind": "cosine", "floor": 0.1}},
    "clipped": {"kind": "linear", "optimizer": {"name": "adamw", "weight_decay": 0.05, "clip_norm": 1.0}},
    "coarse": {"kind": "linear", "precision": "mixed_bfloat16"},
    "fine": {"kind": "linear", "precision": "float32"},
}
ADAMW = {"name": "adamw", "weight_decay": 0.05, "clip_norm": 0.0, "epsilon": 1e-7, "form": "keras"}


def document(schedules, *, optimizer):
    written = study(list(schedules), {label: each["kind"] for label, each in schedules.items()}, "t")
    written["spec"]["schedules"] = schedules
    written["spec"]["train"]["optimizer"] = optimizer
    return Document.model_validate(written)


def said(schedules, *, optimizer=ADAMW):
    subject = SimpleNamespace(results=SimpleNamespace(study=document(schedules, optimizer=optimizer)))
    return "".join(part if isinstance(part, str) else part.text for part in arms.differences(subject))


def test_the_first_screen_says_what_each_schedule_has_of_its_own():
    assert said(SCHEDULES) == (
        "Schedules differ in more than a shape: free (optimizer schedule_free), linear_0 and constant_0 (weight decay 0), "
        "one (only the discriminator follows, weight decay searched), two (cosine for the discriminator), "
        "clipped (optimizer adamw with clip_norm 1.0), coarse (precision mixed_bfloat16). All their settings are under Protocol."
    )
    assert said({label: SCHEDULES[label] for label in ("constant", "linear")}) == ""


def test_a_schedule_that_says_nothing_of_weight_decay_has_its_optimizers():
    found = document(SCHEDULES, optimizer=ADAMW)
    assert [arms.weight_decay(found, label) for label in ("constant", "free", "clipped")] == [0.05, 0.0, 0.05]
    by_name = document(SCHEDULES, optimizer="adamw")
    assert arms.weight_decay(by_name, "constant") == 0.004  # the optimizer's default
    own = document({"constant": {"kind": "constant"}}, optimizer={"name": "mine.py:Mine", "options": {}})
    assert arms.weight_decay(own, "constant") is None


def decays(schedules, baseline):
    found = document(schedules, optimizer=ADAMW)
    subject = SimpleNamespace(results=SimpleNamespace(study=found), baseline=baseline)
    return Analysis.decays.fget(subject)


def test_only_what_lowers_the_rate_and_nothing_else_is_called_a_decay():
    assert decays(SCHEDULES, "constant") == {"linear", "two"}
    assert decays(SCHEDULES, "constant_0") == {"linear_0"}
    assert decays(SCHEDULES, "linear") == set()
    table = pd.DataFrame({"schedule": ["linear", "free", "two"], "low": [0.1, 0.1, -1.0], "high": [0.2, 0.2, 1.0]})
    assert sentences.interactions(table, decays(SCHEDULES, "constant")) == [
        "Decay helps averaged weights less than raw ones (interaction above zero): linear.",
        "Averaged weights gain less than raw ones (interaction above zero): free.",
        "Interaction undecided: two.",
    ]


def test_how_networks_were_trained_is_said_where_a_study_sets_it():
    said = {"loss": "relativistic", "penalties": [{"name": "r1", "every": 4}, "r2"], "augment": ["color"]}
    said |= {"flip": True, "updates": "alternating", "generator_batch": 48, "conditional": True}
    assert study_texts._trained(said) == [
        "loss relativistic",
        "penalties r1, r2",
        "augmented by color",
        "training images mirrored at random",
        "alternating updates",
        "48 images per update of the generator",
        "networks see classes",
    ]
    assert study_texts._trained({"loss": "non_saturating"}) == []
