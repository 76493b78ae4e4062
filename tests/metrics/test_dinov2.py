"""DINOv2: equal to the reference implementation's golden features, every known mistake seen, weights read and named."""

import io
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from harness.metrics import extractor, images
from harness.metrics.features import dinov2, weights_files
from harness.metrics.features import dinov2_resampling as resampling
from harness.metrics.features.weights_files import WeightsError
from tests.metrics.golden import dinov2_recipe as recipe
from tests.metrics.golden.dinov2_cases import CASES, NETWORKS
from tests.metrics.test_inception import pth

TOLERANCE = 2e-5  # of features whose standard deviation is 1
RESIZES = {"bicubic224": resampling.bicubic, "bicubic224float": resampling.bicubic_float}


@pytest.fixture(scope="module")
def golden():
    with np.load(Path(__file__).with_name("golden") / "dinov2.npz") as stored:
        return dict(stored)


def architecture(name):
    width, depth, heads = NETWORKS[name]
    return dinov2.Architecture(width=width, depth=depth, heads=heads)


def torch_shape(shape):
    """PyTorch's shape of a tensor in TensorFlow's layout."""
    if len(shape) == 4:
        return (shape[3], shape[2], *shape[:2])
    return shape[::-1] if len(shape) == 2 else shape


def drawn(name):
    """The recipe's weights in TensorFlow's layout."""
    shapes = {key: torch_shape(shape) for key, shape in architecture(name).shapes().items()}
    turned = {4: (2, 3, 1, 0), 2: (1, 0)}
    made = recipe.weights(shapes, seed=0)
    return {key: value.transpose(turned.get(value.ndim, range(value.ndim))) for key, value in made.items()}


@pytest.fixture(scope="module")
def networks():
    weights = {}

    def get(name, resize="bicubic224"):
        if name not in weights:
            weights.clear()  # the large ones fill a gigabyte
            weights[name] = drawn(name)
        return dinov2.DinoV2(weights[name], architecture(name), name=name, resize=RESIZES[resize], sha256="0" * 64)

    return get


def given(case):
    return recipe.images(case.count, case.height, case.width, seed=case.seed)


def marked(case):
    return pytest.param(case, marks=() if case.network == "tiny" else pytest.mark.slow, id=str(case))


@pytest.mark.parametrize("case", [marked(case) for case in CASES])
def test_features_equal_the_reference_implementations(case, networks, golden):
    found = networks(case.network, case.resize)(given(case))
    assert found.shape == (case.count, NETWORKS[case.network][0])
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, golden[str(case)], atol=TOLERANCE, rtol=0)


def test_positions_equal_the_reference_implementations(golden):
    table = drawn("tiny")["pos_embed"][0, 1:].reshape(dinov2.GRID, dinov2.GRID, -1)
    np.testing.assert_allclose(resampling.positions(table[..., ::8], side=16), golden["positions"], atol=5e-6, rtol=0)
    np.testing.assert_array_equal(resampling.positions(table, side=dinov2.GRID), table)


def test_resizing_keeps_constants_and_averages_where_it_shrinks():
    flat = np.full((300, 30, 3), 77, np.uint8)
    np.testing.assert_allclose(resampling.bicubic_float(flat), 77.0, rtol=1e-6)
    np.testing.assert_array_equal(resampling.bicubic(flat), 77)
    own = recipe.images(1, 224, 224, seed=0)[0]
    np.testing.assert_allclose(resampling.bicubic_float(own), own, atol=1e-4)
    np.testing.assert_array_equal(resampling.bicubic(own), own)
    # Where nothing is clipped, Pillow's bytes are the same interpolation, rounded after either direction.
    mild = (64 + recipe.images(1, 300, 50, seed=1)[0] // 2).astype(np.uint8)
    assert np.abs(resampling.bicubic_float(mild) - resampling.bicubic(mild)).max() < 1.3


def with_step(step):
    def positions(embedding, *, side):
        places = (np.arange(side) + 0.5) * step - 0.5
        lower = np.floor(places).astype(int)
        matrix = np.zeros((side, len(embedding)))
        for neighbour in range(-1, 3):
            weights = resampling._keys(places - lower - neighbour, -0.75)
            np.add.at(matrix, (np.arange(side), np.clip(lower + neighbour, 0, len(embedding) - 1)), weights)
        return np.einsum("ih,hwc,jw->ijc", matrix, embedding, matrix).astype(np.float32)

    return positions


MISTAKES = {
    "positions at 37 / 16, as one would mean it": (resampling, "positions", with_step(37 / 16)),
    "approximate GELU": (
        dinov2,
        "_mlp",
        lambda x, block: dinov2._dense(
            tf.nn.gelu(dinov2._dense(x, block["mlp.fc1"]), approximate=True), block["mlp.fc2"]
        ),
    ),
    "epsilon of 1e-3": (dinov2, "_EPSILON", 1e-3),
    "mean and deviation of 1/2": (dinov2, "_MEAN", (0.5, 0.5, 0.5)),
    "no ImageNet deviation": (dinov2, "_DEVIATION", (1.0, 1.0, 1.0)),
    "bilinear resize": (
        resampling,
        "bicubic",
        lambda image: tf.image.resize(image, (224, 224), "bilinear").numpy().round().astype(np.uint8),
    ),
    "no antialiasing": (
        resampling,
        "bicubic",
        lambda image: tf.image.resize(image, (224, 224), "bicubic", antialias=False).numpy().clip(0, 255),
    ),
    "no LayerScale": (dinov2, "_scaled", lambda weights, name, factor: dinov2._vectors(weights, name)),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_every_likely_mistake_is_seen(mistake, golden, monkeypatch):
    case = next(case for case in CASES if case.height == 300 and case.resize == "bicubic224")
    owner, name, wrong = MISTAKES[mistake]
    monkeypatch.setattr(owner, name, wrong)
    made = dinov2.DinoV2(
        drawn("tiny"), architecture("tiny"), name="", resize=lambda image: resampling.bicubic(image), sha256=""
    )
    assert np.abs(made(given(case)) - golden[str(case)]).max() > 5 * TOLERANCE


def test_features_do_not_depend_on_the_batch_and_grey_is_colour_repeated(networks):
    network = networks("tiny")
    shown = recipe.images(5, 20, 30, seed=1)
    whole = network(shown)
    network.batch = 2
    np.testing.assert_allclose(network(shown), whole, atol=TOLERANCE)
    np.testing.assert_array_equal(network(shown[..., :1]), network(shown[..., :1].repeat(3, axis=-1)))


@pytest.mark.parametrize("resize", RESIZES)
def test_an_image_has_the_features_that_it_has_reduced(resize, networks):
    network = networks("tiny", resize)
    shown = recipe.images(2, 40, 500, seed=2)
    reduced = np.stack([network.reduced(image) for image in shown])
    assert reduced.shape == (2, 224, 224, 3)
    np.testing.assert_array_equal(network(reduced), network(shown))


def test_a_folder_of_images_of_many_sizes_is_scored(networks, tmp_path):
    from PIL import Image

    shown = [recipe.images(1, *size, seed=place)[0] for place, size in enumerate([(20, 30), (300, 8), (9, 9)])]
    for place, image in enumerate(shown):
        Image.fromarray(image).save(tmp_path / f"{place}.png")
    network = networks("tiny")
    found = images.features(images.read(tmp_path, name="REAL"), network, pixels=None, progress=lambda done: None)
    alone = np.concatenate([network(image[None]) for image in shown])
    np.testing.assert_allclose(found.features, alone, atol=TOLERANCE)
    assert found.logits is None


@pytest.mark.parametrize(
    "wrong", [np.zeros((1, 8, 8, 3)), np.zeros((0, 8, 8, 3), np.uint8), np.zeros((1, 8, 8, 4), np.uint8)]
)
def test_anything_but_bytes_of_images_is_refused(wrong, networks):
    with pytest.raises(ValueError, match="images are"):
        networks("tiny")(wrong)


# --- weights and declarations ------------------------------------------------------------------------------------


def test_names_state_the_resize_and_dimensions_are_the_networks():
    parts = {name: part for name, part in extractor.declared().items() if name.startswith("dinov2")}
    assert {name: part.dimensions for name, part in parts.items()} == {
        "dinov2_vitb14_bicubic224": 768,
        "dinov2_vitl14_bicubic224": 1024,
        "dinov2_vitl14_bicubic224float": 1024,
    }
    assert all(part.fits((7, 300, 1)) is None for part in parts.values())
    with pytest.raises(ValueError, match="did you mean 'dinov2_vitl14_bicubic224'"):
        extractor.find("dinov2_vitl14", key="evaluate.features")


def test_a_state_dict_saved_by_torch_gives_the_recipes_features(tmp_path, golden):
    shapes = {key: torch_shape(shape) for key, shape in architecture("tiny").shapes().items()}
    state = recipe.weights(shapes, seed=0) | {"mask_token": np.zeros((1, 48), np.float32)}
    (tmp_path / "dinov2.pth").write_bytes(pth(state))
    tiny = replace(dinov2.BASE, architecture=architecture("tiny"))
    network = dinov2.load(tmp_path / "dinov2.pth", key="--weights", name="x", size=tiny, resize=resampling.bicubic)
    case = CASES[0]
    np.testing.assert_allclose(network(given(case)), golden[str(case)], atol=TOLERANCE, rtol=0)
    assert network.sha256 == weights_files.read(tmp_path / "dinov2.pth").sha256


def test_weights_of_another_network_are_named_with_the_key_that_named_them(tmp_path):
    np.savez(tmp_path / "w.npz", x=np.zeros(3))
    part = extractor.find("dinov2_vitb14_bicubic224", key="features")
    with pytest.raises(
        WeightsError, match=r"^--weights is .*w\.npz, which does not fit: DINOv2 weights: cls_token is mis"
    ):
        part.load(tmp_path / "w.npz", key="--weights")
    with pytest.raises(WeightsError, match=r"allowed endings are \.pth, \.pt and \.npz"):
        part.check_weights(tmp_path / "w.pb", "--weights")


def test_missing_weights_without_network_say_which_file_to_put_where(tmp_path, monkeypatch):
    def offline(*_, **__):
        raise OSError("no network")

    monkeypatch.setenv("HARNESS_CACHE", str(tmp_path))
    monkeypatch.setattr(weights_files.urllib.request, "urlopen", offline)
    for letter, size in (("b", dinov2.BASE), ("l", dinov2.LARGE)):
        part = extractor.find(f"dinov2_vit{letter}14_bicubic224", key="features")
        name = f"dinov2_vit{letter}14_pretrain.pth"
        with pytest.raises(WeightsError, match=rf"{size.words} weights .* put the file {name} .* at {tmp_path}/{name}"):
            part.load(None, key="--weights")


class Broken(io.BytesIO):
    """A download whose connection breaks."""

    def read(self, *_):
        raise OSError("connection reset")


@pytest.mark.parametrize(
    ("answer", "words"),
    [(io.BytesIO(b"other"), "have another SHA-256"), (Broken(), r"cannot be downloaded \(connection reset\)")],
)
def test_a_download_that_is_another_or_breaks_leaves_nothing(answer, words, tmp_path, monkeypatch):
    monkeypatch.setenv("HARNESS_CACHE", str(tmp_path))
    monkeypatch.setattr(weights_files.urllib.request, "urlopen", lambda *_, **__: answer)
    with pytest.raises(WeightsError, match=words):
        weights_files.public(dinov2.BASE.release)
    assert not list(tmp_path.iterdir())
