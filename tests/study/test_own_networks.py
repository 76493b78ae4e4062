"""A feature network in a file as part of a study: told by its hash, carried to workers, kept beside the results."""

import json
import pickle
import shutil
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from harness import features, kinds, reproduce, run_study
from harness.driver import cautions, preflight
from harness.metrics.own import compact_file, training
from harness.metrics.own.compact import Architecture
from harness.spec import SpecError, digest, growth_faults, load, resolved, to_toml
from harness.worker.process import WorkerSetup

STUDY = """
name = "mine"
[data]
name = "digits"
[train]
steps = 2
batch = 16
[evaluate]
features = "{features}"
generated = 100
points = 1
{more}
[space]
peak = 1e-3
[schedules.constant]
[schedules.linear]
[search]
trials = 0
[confirm]
seeds = 2
"""


def written(seed=1, *, name="digits"):
    """The content of a network's file that nothing has trained."""
    architecture = Architecture(side=8, channels=1, width=4, outputs=2)
    arrays = training._Trained(architecture, np.random.default_rng(seed)).folded()
    about = compact_file.About(
        name=name, task="classes", architecture=architecture, accuracy=0.5, train=100, held_out=10, fingerprint="0" * 64,
        seed=seed, epochs=1, mirror=False, harness="0", classes=("a", "b"),
    )  # fmt: skip
    return compact_file.write(about, arrays)


def study(folder, *, file="nets/mine.npz", content=None, more=""):
    (folder / file).parent.mkdir(parents=True, exist_ok=True)
    (folder / file).write_bytes(written() if content is None else content)
    path = folder / "mine.toml"
    path.write_text(STUDY.format(features=file, more=more), encoding="utf-8")
    return path


def said(path):
    with pytest.raises(SpecError) as told:
        load(path)
    return str(told.value).removeprefix(f"{path}: ")


def test_the_hash_is_part_of_the_study_and_the_content_goes_with_it_without_leave(tmp_path):
    path = study(tmp_path)
    spec = load(path)
    content = (tmp_path / "nets" / "mine.npz").read_bytes()
    assert spec.sources == {"nets/mine.npz": content}
    assert list(spec.code) == ["nets/mine.npz"]
    assert preflight.primary_score(spec) == "fid_mine_100"
    preflight.check(spec, source="study")
    (tmp_path / "nets" / "mine.npz").write_bytes(written(seed=2))
    assert digest(load(path)) != digest(spec)
    assert list(growth_faults(spec, load(path))) == ["code.nets/mine.npz"]


def test_a_resolved_study_finds_the_copy_and_says_when_it_is_another(tmp_path):
    spec = load(study(tmp_path / "before"))
    after = tmp_path / "after"
    shutil.copytree(tmp_path / "before" / "nets", after / "code" / "nets")
    (after / "study.toml").write_text(to_toml(spec), encoding="utf-8")
    assert digest(load(after / "study.toml")) == digest(spec)
    (after / "code" / "nets" / "mine.npz").write_bytes(written(seed=2))
    assert "it has changed since; put it back, or give the study another name" in said(after / "study.toml")


def test_a_set_up_brings_the_file_to_a_worker(tmp_path):
    spec = load(study(tmp_path))
    setup = WorkerSetup(spec, work=None, cache=None, gpu=None, commit="test")
    shutil.rmtree(tmp_path)
    arrived = pickle.loads(pickle.dumps(setup)).spec
    kinds.adopt("features", "nets/mine.npz", None)
    from harness.worker import context

    built = context.build(arrived, cache=None, commit="test")
    assert built.evaluator.extractor.name == "mine"
    assert built.evaluator.extractor.dimensions == 16


def test_names_that_cannot_be_and_files_that_are_no_networks_are_told_by_key(tmp_path):
    path = study(tmp_path)
    for file, content, words in (
        ("mine.npz", b"no network", "evaluate.features is 'mine.npz', which cannot be read as a network"),
        ("digits.npz", None, "evaluate.features is 'digits.npz', but scores would bear the name 'digits'"),
        ("my net.npz", None, "evaluate.features is 'my net.npz', but scores bear the file's name"),
    ):
        assert said(study(tmp_path, file=file, content=content)).startswith(words)
    for name in ("../mine.npz", "/tmp/mine.npz"):
        path.write_text(STUDY.format(features=name, more=""), encoding="utf-8")
        assert said(path).startswith(
            f"evaluate.features is '{name}': allowed is the name of a file beside the study file"
        )
    path.write_text(STUDY.format(features="none.npz", more=""), encoding="utf-8")
    assert said(path).startswith("evaluate.features is 'none.npz', but there is no file")


def test_layer_and_scaling_are_asked_for_where_a_model_needs_them_and_change_nothing_elsewhere(tmp_path):
    images = tf.keras.Input((8, 8, 1))
    vector = tf.keras.layers.Dense(6, name="vector")(tf.keras.layers.Flatten()(images))
    tf.keras.Model(images, vector).save(tmp_path / "model.keras")
    content = (tmp_path / "model.keras").read_bytes()
    path = study(tmp_path, file="model.keras", content=content)
    with pytest.raises(preflight.CheckError, match=r"evaluate\.scaling is not set, but model\.keras needs it"):
        preflight.check(load(path), source="study")
    path = study(tmp_path, file="model.keras", content=content, more='layer = "vektor"\nscaling = "0..1"')
    with pytest.raises(preflight.CheckError, match=r"evaluate\.layer is 'vektor' \(did you mean 'vector'\?\)"):
        preflight.check(load(path), source="study")
    path = study(tmp_path, file="model.keras", content=content, more='layer = "vector"\nscaling = "0..1"')
    preflight.check(load(path), source="study")
    assert resolved(load(path))["evaluate"]["scaling"] == "0..1"
    path = study(tmp_path, more='scaling = "0..1"')
    assert "layer" not in resolved(load(path))["evaluate"]
    assert any(
        line.startswith("evaluate.scaling is '0..1', which changes nothing") for line in cautions.of_file(load(path))
    )


def facts(fingerprint):
    return {
        "data": {"name": "digits", "fingerprint": fingerprint, "train": 1438, "held_out": 359},
        "features": {"dimensions": 16},
    }


def test_a_network_of_other_images_is_a_caution(tmp_path):
    spec = load(study(tmp_path))
    (line,) = [line for line in cautions.of(spec, facts("f" * 64)) if "a network trained on" in line]
    assert line.startswith(
        "evaluate.features is 'nets/mine.npz', a network trained on digits, but it scores other images"
    )
    assert not any("a network trained on" in line for line in cautions.of(spec, facts("0" * 64)))


@pytest.mark.slow
def test_a_study_is_scored_by_a_trained_file_refused_with_another_and_reproduced(tmp_path, monkeypatch, capsys):
    path = study(tmp_path)
    file = tmp_path / "nets" / "mine.npz"
    file.unlink()
    words = ["train", "digits", "--output", str(file), "--width", "8", "--epochs", "5", "--quiet"]
    assert features.main(words) == 0
    monkeypatch.chdir(tmp_path)
    assert run_study.main([str(path), "--workers", "1", "--quiet"]) == 0
    results = tmp_path / "results" / "mine"
    assert (results / "code" / "nets" / "mine.npz").read_bytes() == file.read_bytes()
    stored = json.loads((results / "study.json").read_text(encoding="utf-8"))
    assert stored["features"]["name"] == "mine"
    assert stored["question"]["score"] == "fid_mine_100"
    assert not any("a network trained on" in line for line in stored["warnings"])  # it saw the very same images
    file.write_bytes(written(seed=2))
    assert run_study.main([str(path), "--quiet"]) == 2
    assert "code.nets/mine.npz" in capsys.readouterr().err
    shutil.rmtree(tmp_path / "nets")
    Path("mine.toml").unlink()
    assert reproduce.main([str(results)]) == 0
    assert "identical" in capsys.readouterr().out


def test_a_study_of_cifar10_is_offered_the_network_of_cifar10(tmp_path):
    path = study(tmp_path)
    text = (
        path.read_text(encoding="utf-8")
        .replace('"nets/mine.npz"', '"digits"')
        .replace('"digits"\n[train]', '"cifar10"\n[train]')
    )
    path.write_text(text, encoding="utf-8")
    with pytest.raises(preflight.CheckError, match="gives 32; choose 'cifar10' or 'fashion_mnist' or 'inception'"):
        preflight.check(load(path), source="study")
