"""A user's own Keras and ONNX models as feature networks: against Keras' own `predict`, and against each other."""

import hashlib
import importlib.util
import json
import os
import re
import typing
import zipfile

import numpy as np
import onnx
import pytest
import tensorflow as tf
from onnx import TensorProto, helper, numpy_helper

from harness import kinds
from harness.metrics import __main__ as metrics_command
from harness.metrics import extractor
from harness.metrics.own.model import Input, pooled
from harness.metrics.own.network import SCALINGS, FileError
from harness.spec.models import EvaluateSpec


@pytest.fixture(scope="module")
def model():
    """A small network with maps, a vector and probabilities."""
    tf.keras.utils.set_random_seed(1)
    images = tf.keras.Input((16, 16, 3), name="images")
    x = tf.keras.layers.Conv2D(6, 3, strides=2, padding="valid", activation="relu", name="maps")(images)
    x = tf.keras.layers.BatchNormalization(name="norm")(x)
    x = tf.keras.layers.Flatten(name="flat")(x)
    x = tf.keras.layers.Dense(5, activation="tanh", name="vector")(x)
    x = tf.keras.layers.Dropout(0.5)(x)
    return tf.keras.Model(images, tf.keras.layers.Dense(3, activation="softmax", name="classes")(x))


@pytest.fixture(scope="module")
def folder(model, tmp_path_factory):
    """The model as mine.keras and as mine.onnx, written by hand from its weights, with two outputs."""
    folder = tmp_path_factory.mktemp("models")
    model.save(folder / "mine.keras")
    onnx.save(as_onnx(model), folder / "mine.onnx")
    return folder


def as_onnx(model, *, batch="n"):
    """Convolution and averaged maps of the model, as frameworks export: channels first."""
    kernel, bias = (each.numpy() for each in model.get_layer("maps").weights)
    nodes = [
        helper.make_node("Conv", ["images", "kernel", "bias"], ["convolved"], strides=[2, 2]),
        helper.make_node("Relu", ["convolved"], ["maps"]),
        helper.make_node("GlobalAveragePool", ["maps"], ["averaged"]),
        helper.make_node("Flatten", ["averaged"], ["features"]),
    ]
    outputs = [
        helper.make_tensor_value_info("maps", TensorProto.FLOAT, [batch, 6, 7, 7]),
        helper.make_tensor_value_info("features", TensorProto.FLOAT, [batch, 6]),
    ]
    weights = [
        numpy_helper.from_array(np.ascontiguousarray(kernel.transpose(3, 2, 0, 1)), "kernel"),
        numpy_helper.from_array(bias, "bias"),
    ]
    images = helper.make_tensor_value_info("images", TensorProto.FLOAT, [batch, 3, 16, 16])
    graph = helper.make_graph(nodes, "mine", [images], outputs, weights)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)


def load(path, **options):
    return extractor.of_file(path, key="--features").load(None, key="--weights", **options)


@pytest.fixture(scope="module")
def images():
    return np.random.default_rng(0).integers(0, 256, (7, 16, 16, 3), dtype=np.uint8)


@pytest.mark.parametrize("scaling", SCALINGS)
def test_features_of_a_keras_file_are_what_keras_predicts(model, folder, images, scaling):
    scaled = {
        "0..255": images.astype(np.float64),
        "0..1": images / 255.0,
        "-1..1": images / 127.5 - 1.0,
        "imagenet": (images / 255.0 - [0.485, 0.456, 0.406]) / [0.229, 0.224, 0.225],
    }[scaling]
    expected = tf.keras.Model(model.input, model.get_layer("vector").output).predict(scaled, verbose=0)
    network = load(folder / "mine.keras", layer="vector", scaling=scaling)
    assert (network.name, network.dimensions) == ("mine", 5)
    np.testing.assert_allclose(network(images), expected, rtol=1e-4, atol=1e-5)


def test_without_a_layer_the_models_output_counts_and_maps_are_averaged(model, folder, images):
    whole = load(folder / "mine.keras", scaling="0..1")
    np.testing.assert_allclose(whole(images), model.predict(images / 255.0, verbose=0), rtol=1e-4, atol=1e-6)
    maps = tf.keras.Model(model.input, model.get_layer("maps").output).predict(images / 255.0, verbose=0)
    network = load(folder / "mine.keras", layer="maps", scaling="0..1")
    np.testing.assert_allclose(network(images), maps.mean(axis=(1, 2)), rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("output", ["maps", "features"])
def test_features_of_an_onnx_file_are_those_of_the_keras_model_it_was_made_of(folder, images, output):
    expected = load(folder / "mine.keras", layer="maps", scaling="-1..1")(images)
    network = load(folder / "mine.onnx", layer=output, scaling="-1..1")
    assert network.dimensions == 6
    np.testing.assert_allclose(network(images), expected, rtol=1e-4, atol=1e-6)


def test_a_model_of_one_image_at_a_time_sees_all(model, folder, images, tmp_path):
    onnx.save(as_onnx(model, batch=1), tmp_path / "single.onnx")
    expected = load(folder / "mine.onnx", layer="features", scaling="0..1")(images)
    np.testing.assert_allclose(
        load(tmp_path / "single.onnx", layer="features", scaling="0..1")(images), expected, rtol=1e-5
    )


def test_hashes_tell_files_layers_and_scalings_apart(folder):
    told = {
        load(folder / file, layer=layer, scaling=scaling).sha256
        for file, layers in (("mine.keras", ("vector", "maps")), ("mine.onnx", ("features", "maps")))
        for layer in layers
        for scaling in ("0..1", "-1..1")
    }
    assert len(told) == 8
    content = hashlib.sha256((folder / "mine.keras").read_bytes()).hexdigest()
    stated = hashlib.sha256(f"{content}/vector/0..1".encode()).hexdigest()
    assert load(folder / "mine.keras", layer="vector", scaling="0..1").sha256 == stated


def test_images_of_another_size_are_resized_and_the_protocol_says_so(folder):
    network = load(folder / "mine.keras", layer="vector", scaling="0..1")
    assert network.prepared(16, 16) == ""
    assert network.prepared(32, 32) == "resized from 32x32 to 16x16 (Lanczos)"
    grey = np.full((2, 32, 32, 1), 90, np.uint8)
    np.testing.assert_allclose(network(grey), network(np.full((2, 16, 16, 3), 90, np.uint8)), rtol=1e-6)


def test_a_model_of_any_size_takes_images_as_they_are(tmp_path):
    images = tf.keras.Input((None, None, 1))
    averaged = tf.keras.layers.GlobalAveragePooling2D(name="mean")(images)
    tf.keras.Model(images, averaged).save(tmp_path / "any.keras")
    network = load(tmp_path / "any.keras", scaling="0..255")
    assert network.prepared(40, 40) == ""
    picture = np.random.default_rng(0).integers(0, 256, (3, 40, 40, 1), dtype=np.uint8)
    np.testing.assert_allclose(network(picture)[:, 0], picture.mean(axis=(1, 2, 3)), rtol=1e-5)


def test_code_in_a_keras_file_is_not_run(tmp_path):
    ran = tmp_path / "ran"
    path = str(ran)
    images = tf.keras.Input((8, 8, 1))
    x = tf.keras.layers.Flatten()(images)
    x = tf.keras.layers.Lambda(lambda x: [open(path, "w").close(), x][1], name="code", output_shape=(64,))(x)  # noqa: PTH123
    model = tf.keras.Model(images, x)
    ran.unlink(missing_ok=True)
    model.save(tmp_path / "bad.keras")
    with pytest.raises(FileError, match=r"bad\.keras, which cannot be loaded by Keras in its safe mode"):
        load(tmp_path / "bad.keras", scaling="0..1")
    assert not ran.exists()


def test_files_that_cannot_be_used_are_one_sentence(model, folder, tmp_path):
    (tmp_path / "broken.keras").write_bytes(b"PK")
    (tmp_path / "broken.onnx").write_bytes(b"nothing")
    with zipfile.ZipFile(tmp_path / "own.keras", "w") as archive:
        archive.writestr("config.json", json.dumps({"module": "mine", "class_name": "Mine", "config": {}}))
    wide = tf.keras.Input((8, 16, 3))
    tf.keras.Model(wide, tf.keras.layers.Flatten()(wide)).save(tmp_path / "wide.keras")
    five = tf.keras.Input((8, 8, 5))
    tf.keras.Model(five, tf.keras.layers.Flatten()(five)).save(tmp_path / "five.keras")
    for path, options, said in (
        (tmp_path / "broken.keras", {}, "which cannot be read as a Keras model"),
        (tmp_path / "own.keras", {}, "a model of the class Mine, but allowed is"),
        (tmp_path / "broken.onnx", {}, "which cannot be loaded by ONNX Runtime"),
        (
            tmp_path / "wide.keras",
            {},
            r"wide\.keras, whose input is of shape \(any, 8, 16, 3\), but allowed are square",
        ),
        (tmp_path / "five.keras", {}, r"five\.keras, whose input is of shape \(any, 8, 8, 5\)"),
        (folder / "mine.onnx", {}, r"mine\.onnx, of which no layer is named, but its outputs are: maps, features"),
        (
            folder / "mine.onnx",
            {"layer": "feature"},
            r"layer is 'feature' \(did you mean 'features'\?\), but its outputs",
        ),
    ):
        with pytest.raises(ValueError, match=said) as told:
            load(path, **({"scaling": "0..1"} | options))
        assert "\n" not in str(told.value)


def test_layer_and_scaling_are_asked_for_before_anything_is_loaded(folder, tmp_path, capsys):
    np.save(tmp_path / "a.npy", np.zeros((30, 16, 16, 3), np.uint8))
    for options, said in (
        (
            (),
            "--scaling is not set, but mine.keras needs it: the range of its input, one of: 0..255, 0..1, -1..1, imagenet",
        ),
        (
            ("--layer", "vectr", "--scaling", "0..1"),
            r"--layer is 'vectr' \(did you mean 'vector'\?\), but mine.keras has",
        ),
    ):
        words = [str(tmp_path / "a.npy")] * 2 + ["--features", str(folder / "mine.keras"), *options]
        assert metrics_command.main(words) == 2
        assert re.search(said, capsys.readouterr().err)
    words = [str(tmp_path / "a.npy")] * 2 + ["--features", "inception", "--layer", "pool"]
    assert metrics_command.main(words) == 2
    assert "--layer is pool, but --features inception says itself how it is read" in capsys.readouterr().err


def test_without_its_extra_an_onnx_file_says_what_to_install(folder, monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ValueError, match=r"mine\.onnx, which needs ONNX Runtime: install the extra, pip install"):
        extractor.of_file(folder / "mine.onnx", key="--features")


def test_the_command_scores_by_a_model(folder, tmp_path, capsys):
    rng = np.random.default_rng(0)
    for name in ("a", "b"):
        np.save(tmp_path / f"{name}.npy", rng.integers(0, 256, (40, 16, 16, 3), dtype=np.uint8))
    words = [str(tmp_path / "a.npy"), str(tmp_path / "b.npy"), "--features", os.fspath(folder / "mine.onnx")]
    assert metrics_command.main([*words, "--layer", "features", "--scaling", "0..1", "--json", "--quiet"]) == 0
    report = json.loads(capsys.readouterr().out)
    network = load(folder / "mine.onnx", layer="features", scaling="0..1")
    assert (report["protocol"]["features"], report["protocol"]["features_sha256"]) == ("mine", network.sha256)


def test_inputs_of_either_order_are_told_by_their_channels():
    assert Input.of(("n", 3, 32, 32), may_be_first=True) == Input(None, 32, 3, first=True)
    assert Input.of((4, 32, 32, 3), may_be_first=True) == Input(4, 32, 3)
    assert Input.of(("n", 1, "h", "w"), may_be_first=True) == Input(None, None, 1, first=True)
    with pytest.raises(FileError, match="allowed are batches of images"):
        Input.of((None, 64), may_be_first=False)


def test_values_that_are_neither_vectors_nor_maps_are_refused():
    with pytest.raises(FileError, match=r"of shape \(7, 8\), but allowed are vectors or maps"):
        pooled(np.zeros((2, 7, 8)), first=False)


def test_a_study_may_name_the_same_scalings():
    allowed = typing.get_args(typing.get_args(EvaluateSpec.model_fields["scaling"].annotation)[0])
    assert set(allowed) == set(SCALINGS)


def test_networks_of_files_bear_the_files_names():
    assert [kinds.plain(name) for name in ("mine.onnx", "nets/mine.keras", "a.b.npz", "digits")] == [
        "mine", "mine", "a.b", "digits",
    ]  # fmt: skip
