"""The evaluator: scores by protocol, a floor, a cache that changes nothing; classifiers as accurate as stated."""

import importlib.resources
import json
from types import SimpleNamespace

import numpy as np
import pytest

from harness import data
from harness.metrics import cache, features, metric
from harness.metrics.evaluation import Evaluator
from harness.metrics.features import classifier
from harness.metrics.frechet import Moments, frechet_jackknife, frechet_to
from harness.metrics.metric import score_name

DIGITS = SimpleNamespace(name="digits", data_dir=None, size=None, channels=None, fit="pad", held_out=0.2, limit=None)


class Flat:
    """Pixels as features."""

    name, sha256, dimensions = "flat", "0" * 64, 16

    def __init__(self):
        self.seen = 0

    def __call__(self, images):
        self.seen += len(images)
        return images[:, 2:6, 2:6, 0].reshape(len(images), -1).astype(np.float32) / 255


def evaluator(extractor, path=None, generated=300, reference="train"):
    images = data.load(DIGITS)
    return Evaluator(
        extractor,
        train=images.train,
        held_out=images.held_out,
        reference=reference,
        generated=generated,
        cache=path,
        fingerprint=images.fingerprint,
    )


def test_every_score_is_described_named_by_its_protocol_and_measured():
    found = evaluator(Flat())
    images = np.random.default_rng(0).integers(0, 256, (300, 8, 8, 1), dtype=np.uint8)
    scores = found.scores(images)
    assert set(scores) == {str(score_name(name, "flat", 300)) for name in metric.chosen()} == set(found.describe())
    assert all(np.isfinite(value) for value in scores.values())
    real = data.load(DIGITS).train
    assert scores["fid_flat_300"] == pytest.approx(frechet_to(Flat()(images), Moments.of(Flat()(real))), rel=1e-9)


def test_names():
    assert str(score_name("fid", "inception", 10_000)) == "fid_inception_10k"
    assert str(score_name("kid", "digits", 2500)) == "kid_digits_2500"
    assert str(score_name("noise_ratio", "digits", 500)) == "noise_ratio_500"


def test_standard_errors_stand_beside_the_scores_that_have_one_and_move_none():
    found, real = evaluator(Flat()), data.load(DIGITS).train
    images = real[::-1][:300] // 2
    plain, known = found.scores(images), found.scores(images, errors=True)
    assert {name: known[name] for name in plain} == plain
    assert set(known) - set(plain) == {"fid_flat_300_se", "kid_flat_300_se"}
    jackknifed = frechet_jackknife(Flat()(images), Moments.of(Flat()(real))).stderr
    assert known["fid_flat_300_se"] == pytest.approx(jackknifed, rel=1e-6)
    assert 0 < known["kid_flat_300_se"] < plain["kid_flat_300"]
    geometry = found.geometry()
    assert 1 <= geometry["effective_rank"] <= Flat.dimensions
    assert geometry["frechet_bias"] == pytest.approx(Moments.of(Flat()(real)).bias, rel=1e-6)


def test_real_images_score_near_the_floor_and_noise_far_above():
    found = evaluator(Flat())
    floor = found.floor()
    noise = np.random.default_rng(0).integers(0, 256, (300, 8, 8, 1), dtype=np.uint8)
    scores = found.scores(noise)
    assert floor["fid_flat_300"] < 0.2 < scores["fid_flat_300"]
    assert floor["noise_ratio_300"] == pytest.approx(1.0, abs=0.05)
    assert scores["precision_flat_300"] < 0.4 < 0.7 < floor["precision_flat_300"]


def test_training_images_are_memorised_and_overfit():
    found = evaluator(Flat())
    copies = found.scores(data.load(DIGITS).train[:300])
    fresh = found.scores(data.load(DIGITS).held_out[:300])
    assert copies["memorised_flat_300"] > 0.9 > 0.3 > fresh["memorised_flat_300"]
    assert copies["overfit_flat_300"] > fresh["overfit_flat_300"]


def test_the_cache_saves_the_features_changes_no_number_and_survives_damage(tmp_path):
    images = np.random.default_rng(1).integers(0, 256, (300, 8, 8, 1), dtype=np.uint8)
    plain = evaluator(Flat()).scores(images)
    first, second = Flat(), Flat()
    assert evaluator(first, tmp_path).scores(images) == plain
    assert evaluator(second, tmp_path).scores(images) == plain
    assert second.seen == 300 < first.seen  # the generated images only
    for path in tmp_path.iterdir():
        content = bytearray(path.read_bytes())
        content[len(content) // 2] ^= 1
        path.write_bytes(bytes(content))
        assert cache.read(path) is None
    assert evaluator(Flat(), tmp_path).scores(images) == plain


def test_another_number_of_images_is_refused():
    with pytest.raises(ValueError, match="there are 20 images, but the protocol scores 300"):
        evaluator(Flat()).scores(np.zeros((20, 8, 8, 1), np.uint8))


def test_collapsed_images_have_scores():
    scores = evaluator(Flat()).scores(np.zeros((300, 8, 8, 1), np.uint8))
    assert scores["recall_flat_300"] < 0.1
    assert scores["noise_ratio_300"] == 0.0


@pytest.mark.parametrize("name", [part.name for part in classifier.PARTS])
def test_classifier_is_as_accurate_on_held_out_images_as_stated(name, fashion_mnist):
    if name == "fashion_mnist" and fashion_mnist is None:
        pytest.skip("Fashion-MNIST's files are not on this machine")
    settings = SimpleNamespace(
        **{**vars(DIGITS), "name": name, "data_dir": fashion_mnist if name != "digits" else None}
    )
    images = data.load(settings)
    note = json.loads(importlib.resources.files("harness.metrics").joinpath("weights", f"{name}.json").read_text())
    guessed = features.load(name).classify(images.held_out)
    assert (guessed == images.held_out_labels).mean() == pytest.approx(note["accuracy"], abs=1e-3)
    assert note["accuracy"] > {"digits": 0.98, "fashion_mnist": 0.91}[name]
    assert note["data"] == images.fingerprint


def test_features_do_not_depend_on_how_many_images_are_asked_for():
    extractor = features.load("digits")
    images = data.load(DIGITS).train
    whole = extractor(images)
    assert whole.shape == (len(images), extractor.dimensions)
    np.testing.assert_array_equal(extractor(images[5:17]), whole[5:17])
    colour = images[:10].repeat(3, axis=-1)
    np.testing.assert_allclose(extractor(colour), whole[:10], rtol=1e-5, atol=1e-6)


def test_padded_fashion_images_have_the_features_of_unpadded_ones():
    extractor = features.load("fashion_mnist")
    images = np.random.default_rng(0).integers(0, 256, (7, 28, 28, 1), dtype=np.uint8)
    padded = np.pad(images, ((0, 0), (2, 2), (2, 2), (0, 0)))
    np.testing.assert_array_equal(extractor(padded), extractor(images))


def test_wrong_sizes_and_names_are_refused():
    with pytest.raises(ValueError, match="16x16 pixels, but features 'digits' take 8x8"):
        features.load("digits")(np.zeros((2, 16, 16, 1), np.uint8))
    with pytest.raises(ValueError, match="'vgg', but allowed is one of: cifar10, digits, fashion_mnist, "):
        features.load("vgg")
