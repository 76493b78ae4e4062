"""Whether XLA compiles a study's training loops is decided once, and said where it is not as the file has it."""

from types import SimpleNamespace

import pytest

from harness import spec as specs
from harness.worker.compilation import Models
from tests.study.test_cautions import make, said

FAULT = "Detected unsupported operations: Unique"


def study(xla, *, own=True):
    """A study whose loss is the user's, or of built-in parts."""
    spec = make()
    spec = spec.model_copy(update={"train": spec.train.model_copy(update={"xla": xla})})
    named = [SimpleNamespace(name="loss.py:build", role="loss")] if own else []
    return SimpleNamespace(train=spec.train, named_code=lambda: named)


def build(fault, *, gpu=True, draws=False):
    """A model as Training is, on a machine with or without a GPU."""

    def model(optimizer, *, xla):
        compiled = gpu if xla == "auto" else xla
        modules = {"generator": SimpleNamespace(draws=draws), "discriminator": SimpleNamespace()}
        return SimpleNamespace(xla=compiled, modules=modules, fault_of_xla=lambda: fault if compiled else None)

    return model


@pytest.mark.parametrize("gpu", [True, False])
@pytest.mark.parametrize("own", [True, False])
def test_auto_compiles_on_a_gpu_and_nowhere_else(gpu, own):
    models = Models(study("auto", own=own), build(None, gpu=gpu))
    assert models(None).xla is gpu
    assert models.notes == []


def test_auto_falls_back_with_a_caution_where_xla_cannot_compile_the_users_code():
    models = Models(study("auto"), build(FAULT))
    assert [models(None).xla, models(None).xla] == [False, False]
    (note,) = models.notes
    assert (
        note
        == f"train.xla is 'auto', but XLA cannot compile loss.py:build ({FAULT}): the runs train without it, which is slower"
    )
    assert note in said(make(), environment={"device": "NVIDIA H100", "notes": models.notes})


def test_true_is_refused_there():
    with pytest.raises(
        ValueError, match=r"train.xla is true, but XLA cannot compile loss.py:build \(Detected.*set it to false"
    ):
        Models(study(True), build(FAULT))(None)


def test_layers_of_keras_that_draw_are_said_to_draw_others_within_xla():
    models = Models(study("auto"), build(None, draws=True))
    models(None)
    (note,) = models.notes
    assert "(network 'generator') draw others" in note


def test_auto_is_the_experiment_that_a_file_without_the_key_has_always_been():
    spec = make()
    assert spec.train.xla == "auto"
    plain, compiled = (
        spec.model_copy(update={"train": spec.train.model_copy(update={"xla": each})}) for each in (False, True)
    )
    assert specs.digest(spec) == specs.digest(plain) != specs.digest(compiled)
    assert not specs.refused_changes(plain, spec, ())
    assert specs.parse(specs.to_toml(spec), source="").train.xla == "auto"
