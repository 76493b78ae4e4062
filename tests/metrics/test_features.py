"""Feature networks: stated accuracy measured again, features that depend on an image alone, bad input named."""

import hashlib
import importlib.resources
import io
import json
import re
import zipfile
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from harness import data
from harness.metrics import extractor as networks
from harness.metrics import features
from harness.metrics.features import classifier, inception
from harness.metrics.own import compact_file

WEIGHTS = importlib.resources.files("harness.metrics").joinpath("weights")
SIZES = {"digits": (8, 64), "fashion_mnist": (28, 96)}  # side, features


def settings(name, folder=None):
    return SimpleNamespace(name=name, data_dir=folder, size=None, channels=None, fit="pad", held_out=0.2, limit=None)


def noise(name, n, *, channels=1, side=None):
    side = side or SIZES[name][0]
    return np.random.default_rng(3).integers(0, 256, (n, side, side, channels), dtype=np.uint8)


@pytest.fixture(scope="module", params=sorted(SIZES))
def extractor(request):
    return features.load(request.param)


WITH_WEIGHTS = [name for name, part in networks.declared().items() if part.check_weights is None]


@pytest.mark.parametrize("name", WITH_WEIGHTS)
def test_every_network_states_its_dimensions_before_it_is_loaded(name):
    assert networks.declared()[name].dimensions == features.load(name).dimensions


def test_inception_states_its_dimensions():
    assert inception.PART.dimensions == inception.Inception.dimensions


def test_every_classifier_has_an_example():
    assert SIZES.keys() == {part.name for part in classifier.PARTS}


def stated_and_measured(name, images):
    """The note beside the weights, and the share of held-out images classified rightly."""
    note = json.loads(WEIGHTS.joinpath(f"{name}.json").read_text(encoding="utf-8"))
    assert note["data"] == images.fingerprint, "the note is about other images"
    guessed = features.load(name).classify(images.held_out)
    return note, float((guessed == images.held_out_labels).mean())


def test_digits_has_its_stated_accuracy():
    note, measured = stated_and_measured("digits", data.load(settings("digits")))
    assert measured == pytest.approx(note["accuracy"], abs=1 / 359)
    assert measured >= 0.98


def test_fashion_mnist_has_its_stated_accuracy(fashion_mnist):
    if fashion_mnist is None:
        pytest.skip("Fashion-MNIST's files are not on this machine")
    note, measured = stated_and_measured("fashion_mnist", data.load(settings("fashion_mnist", fashion_mnist)))
    assert measured == pytest.approx(note["accuracy"], abs=1e-3)
    assert measured >= 0.91


def test_cifar10_has_its_stated_accuracy_on_the_jpeg_copy(cifar10_jpeg):
    if cifar10_jpeg is None:
        pytest.skip("CIFAR-10's JPEG copy is not on this machine")
    about, _ = compact_file.read(WEIGHTS.joinpath("cifar10.npz").read_bytes())
    with zipfile.ZipFile(cifar10_jpeg) as archive:
        names = sorted(name for name in archive.namelist() if re.fullmatch(r"test/\w+/\w+\.jpg", name))
        images = np.stack([np.asarray(Image.open(archive.open(name)).convert("RGB")) for name in names])
    labels = [about.classes.index(name.split("/")[1]) for name in names]
    measured = float(np.mean(features.load("cifar10").classify(images) == labels))
    assert measured == pytest.approx(about.accuracy, abs=1e-3)
    assert (about.name, about.train, about.held_out) == ("CIFAR-10, JPEG copy", 50_000, 10_000)
    assert len(images) == 10_000
    assert measured >= 0.79


def test_cifar10_is_a_small_file_that_sees_every_damage_and_takes_its_own_size():
    content = WEIGHTS.joinpath("cifar10.npz").read_bytes()
    about, _ = compact_file.read(content)
    assert len(content) < 2_000_000
    assert about.blind == []
    assert features.load("cifar10").sha256 == hashlib.sha256(content).hexdigest()
    assert networks.declared()["cifar10"].fits((32, 32, 3)) is None
    assert networks.declared()["cifar10"].fits((64, 64, 3)) == "images of 32 pixels"
    assert "cifar10" in networks.that_take([(32, 32, 3)])


def test_the_hash_is_that_of_a_small_file(extractor):
    content = WEIGHTS.joinpath(f"{extractor.name}.npz").read_bytes()
    assert extractor.sha256 == hashlib.sha256(content).hexdigest()
    assert len(content) < 500_000


def test_features_do_not_depend_on_the_batch(extractor):
    images = noise(extractor.name, 701)  # more than one chunk, and not a whole number of them
    together = extractor(images)
    assert together.dtype == np.float32
    assert together.shape == (701, SIZES[extractor.name][1]) == (701, extractor.dimensions)
    apart = np.concatenate([extractor(images[:1]), extractor(images[1:500]), extractor(images[500:])])
    np.testing.assert_array_equal(together, apart)


def test_features_are_the_networks_written_again_in_numpy(extractor):
    images = noise(extractor.name, 3)
    with np.load(io.BytesIO(WEIGHTS.joinpath(f"{extractor.name}.npz").read_bytes())) as stored:
        arrays = {key: stored[key].astype(np.float64) for key in stored.files}
    x = images / 255.0
    for place in ("1", "2", "3"):
        stride = 1 if place == "1" and x.shape[1] == 8 else 2
        x = np.maximum(convolved(x, arrays[f"w{place}"], stride) + arrays[f"b{place}"], 0.0)
    expected = np.maximum(x.reshape(3, -1) @ arrays["w4"] + arrays["b4"], 0.0)
    np.testing.assert_allclose(extractor(images), expected, rtol=1e-4, atol=1e-4)


def convolved(x, kernel, stride):
    """A 3x3 convolution with TensorFlow's SAME padding, whose odd pixel lies at the lower right."""
    size = -(-x.shape[1] // stride)
    total = max((size - 1) * stride + 3 - x.shape[1], 0)
    edges = (total // 2, total - total // 2)
    padded = np.pad(x, ((0, 0), edges, edges, (0, 0)))
    windows = np.lib.stride_tricks.sliding_window_view(padded, (3, 3), axis=(1, 2))[:, ::stride, ::stride]
    return np.einsum("nhwcij,ijco->nhwo", windows[:, :size, :size], kernel)


def test_grey_repeated_in_three_channels_is_grey(extractor):
    grey = noise(extractor.name, 5)
    np.testing.assert_array_equal(extractor(grey.repeat(3, axis=-1)), extractor(grey))


def test_colour_is_averaged(extractor):
    side = SIZES[extractor.name][0]
    colour = np.broadcast_to(np.array([30, 60, 90], np.uint8), (2, side, side, 3))
    np.testing.assert_array_equal(extractor(colour), extractor(np.full((2, side, side, 1), 60, np.uint8)))


def test_fashion_mnist_padded_to_32_is_itself():
    grey = noise("fashion_mnist", 5)
    large = np.pad(grey, ((0, 0), (2, 2), (2, 2), (0, 0))).repeat(3, axis=-1)
    extractor = features.load("fashion_mnist")
    np.testing.assert_array_equal(extractor(large), extractor(grey))


@pytest.mark.parametrize(
    ("name", "side", "allowed"), [("digits", 28, "take 8x8$"), ("fashion_mnist", 64, "take 28x28 or 32x32$")]
)
def test_a_wrong_size_names_the_sizes_allowed(name, side, allowed):
    with pytest.raises(ValueError, match=rf"have {side}x{side} pixels, but features '{name}' {allowed}"):
        features.load(name)(noise(name, 2, side=side))


@pytest.mark.parametrize(
    "images",
    [np.zeros((2, 8, 8, 1), np.float32), np.zeros((2, 8, 8, 2), np.uint8), np.zeros((0, 8, 8, 1), np.uint8)],
    ids=["float", "two channels", "none"],
)
def test_other_arrays_are_refused(images):
    with pytest.raises(ValueError, match="allowed is uint8"):
        features.load("digits")(images)


def test_an_unknown_name_is_answered_with_the_known_ones():
    with pytest.raises(ValueError, match="'resnet', but allowed is one of: cifar10, digits, fashion_mnist, "):
        features.load("resnet")
