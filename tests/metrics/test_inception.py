"""Inception: equal to torch-fidelity's golden values, every known mistake seen, weights read as data only."""

import collections
import io
import json
import pickle
import zipfile
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from harness.metrics.features import inception, inception_architecture, inception_graph, weights_files
from harness.metrics.features.weights_files import WeightsError
from harness.metrics.frechet import Moments, frechet_to
from harness.metrics.kernel import kernel_distance

GOLDEN = json.loads(Path(__file__).with_name("golden").joinpath("inception.json").read_text())["cases"]
TOLERANCE = 2e-5


def synthetic_images(n, size, seed):
    """The structured images of the golden script, drawn in the same order, uint8 (n, h, w, 3)."""
    rng = np.random.Generator(np.random.PCG64(seed))
    yy, xx = np.meshgrid(np.linspace(0, 1, size), np.linspace(0, 1, size), indexing="ij")
    images = np.empty((n, 3, size, size), np.uint8)
    for place in range(n):
        image = np.zeros((3, size, size))
        for _ in range(4):
            frequency = rng.uniform(-6, 6, 2)
            colour = rng.standard_normal(3)[:, None, None]
            phase = rng.uniform(0, 6.28)
            image += colour * np.sin(2 * np.pi * (frequency[0] * xx + frequency[1] * yy) + phase)
        shift = rng.standard_normal(3)[:, None, None] * 40
        grain = rng.standard_normal((3, size, size)) * rng.uniform(0, 25)
        images[place] = np.clip(np.rint(127.5 + 45 * image + shift + grain), 0, 255).astype(np.uint8)
    return images.transpose(0, 2, 3, 1)


def two_sets(case):
    first, second = (synthetic_images(case["n"], case["size"], 10 * case["seed"] + place) for place in (1, 2))
    return first, np.clip(second.astype(np.int16) + 12, 0, 255).astype(np.uint8)


@pytest.fixture(scope="module")
def network():
    made = {}

    def get(seed):
        if seed not in made:
            weights = inception.random_weights(seed)
            made[seed] = inception.Inception(weights, sha256=inception.digest(weights))
        return made[seed]

    return get


@pytest.mark.slow
@pytest.mark.parametrize("case", GOLDEN, ids=lambda case: f"seed{case['seed']}-{case['size']}px")
def test_features_fid_and_kid_equal_torch_fidelitys(case, network):
    first, second = (network(case["seed"])(images) for images in two_sets(case))
    np.testing.assert_allclose(first[0][::8], case["first"], atol=TOLERANCE, rtol=0)
    np.testing.assert_allclose(second[-1][::8], case["last"], atol=TOLERANCE, rtol=0)
    fid = frechet_to(first, Moments.of(second))
    assert fid == pytest.approx(case["fid_float64"], rel=1e-5)
    assert fid == pytest.approx(case["fid"], rel=1e-4)
    found = kernel_distance(first, second, subsets=20, subset_size=case["n"] // 2)
    # Features are float32 sums, whose order is the processor's: 1.2e-6 has been seen.
    assert found.mean == pytest.approx(case["kid_float64"], rel=1e-5, abs=2e-6)
    # torch-fidelity sums its kernel in float32, whose rounding shows where few features are large.
    assert found.mean == pytest.approx(case["kid"], rel=1e-5, abs=1e-5)
    assert found.std == pytest.approx(case["kid_std"], rel=1e-5, abs=1e-5)


MISTAKES = {
    "half-pixel resize": (
        "_prepare",
        lambda self, x: (tf.image.resize(tf.cast(x, tf.float32), (299, 299)) - 128) / 128,
    ),
    "align corners": (
        "_prepare",
        lambda self, x: (
            (tf.raw_ops.ResizeBilinear(images=tf.cast(x, tf.float32), size=[299, 299], align_corners=True) - 128) / 128
        ),
    ),
    "bicubic": (
        "_prepare",
        lambda self, x: (tf.image.resize(tf.cast(x, tf.float32), (299, 299), "bicubic", antialias=True) - 128) / 128,
    ),
    "x / 127.5 - 1": (
        "_prepare",
        lambda self, x: tf.raw_ops.ResizeBilinear(images=tf.cast(x, tf.float32), size=[299, 299]) / 127.5 - 1,
    ),
    "average pool in the last block": (
        "_pool",
        lambda self, x, kind: (
            tf.nn.max_pool2d(x, 3, 2, "VALID") if kind == "reduce" else tf.nn.avg_pool2d(x, 3, 1, "SAME")
        ),
    ),
    "padding counted in averages": (
        "_pool",
        lambda self, x, kind: (
            tf.nn.max_pool2d(x, 3, 2, "VALID")
            if kind == "reduce"
            else tf.nn.max_pool2d(x, 3, 1, "SAME")
            if kind == "max"
            else tf.nn.avg_pool2d(tf.pad(x, ((0, 0), (1, 1), (1, 1), (0, 0))), 3, 1, "VALID")
        ),
    ),
}


@pytest.mark.slow
@pytest.mark.parametrize("mistake", MISTAKES)
def test_every_classic_mistake_is_seen(mistake, monkeypatch):
    case = next(case for case in GOLDEN if case["size"] == 32 and case["seed"] == 0)
    weights = inception.random_weights(0)
    method, wrong = MISTAKES[mistake]
    monkeypatch.setattr(inception.Inception, method, wrong)
    features = inception.Inception(weights, sha256="")(two_sets(case)[0][:1])
    assert np.abs(features[0][::8] - case["first"]).max() > 50 * TOLERANCE


@pytest.mark.slow
def test_features_do_not_depend_on_the_batch_and_grey_is_colour_repeated(network, monkeypatch):
    images = synthetic_images(6, 32, 5)
    whole = network(0)(images)
    monkeypatch.setattr(inception, "BATCH", 4)
    np.testing.assert_allclose(network(0)(images), whole, atol=TOLERANCE)
    grey = images[:2, :, :, :1]
    np.testing.assert_array_equal(network(0)(grey), network(0)(grey.repeat(3, axis=-1)))


@pytest.mark.slow
def test_large_images_and_mixed_sizes_have_the_features_that_they_have_alone(network):
    given = [synthetic_images(seed, size, 1)[0] for seed, size in ((1, 8), (2, 350), (3, 64))]
    given.append(given[1][:, :200, :1])
    reduced = [network(0).reduced(image) for image in given]
    assert [(image.shape, str(image.dtype)) for image in reduced] == [
        ((8, 8, 3), "uint8"),
        ((299, 299, 3), "float32"),
        ((64, 64, 3), "uint8"),
        ((350, 200, 1), "uint8"),
    ]
    together = network(0).outputs(reduced)
    for place, image in enumerate(given):
        alone = network(0).outputs(image[None])
        np.testing.assert_allclose(together.pooled[place], alone.pooled[0], atol=TOLERANCE)
        np.testing.assert_allclose(together.logits[place], alone.logits[0], atol=10 * TOLERANCE)
    alike = np.stack([given[1], given[1][::-1]])
    np.testing.assert_array_equal(
        network(0).outputs([network(0).reduced(image) for image in alike]).pooled, network(0)(alike)
    )


def test_a_grey_image_is_reduced_as_its_repetition(network):
    grey = synthetic_images(4, 400, 1)[0][..., :1]
    np.testing.assert_array_equal(network(0).reduced(grey), network(0).reduced(grey.repeat(3, axis=-1)))


@pytest.mark.parametrize(
    "images", [np.zeros((1, 8, 8, 3)), np.zeros((0, 8, 8, 3), np.uint8), np.zeros((1, 8, 8, 4), np.uint8)]
)
def test_anything_but_bytes_of_images_is_refused(images, network):
    with pytest.raises(ValueError, match="allowed is uint8"):
        network(0)(images)


# --- weights -----------------------------------------------------------------------------------------------------


class Tensor:
    """Pickles itself as torch pickles a tensor, without torch."""

    def __init__(self, values, place):
        self.values, self.place = values, place


class Pickler(pickle._Pickler):
    """Writes what torch.save writes."""

    def persistent_id(self, value):
        if isinstance(value, tuple) and value and value[0] == "storage":
            return value
        return None

    def save(self, value, **arguments):
        if isinstance(value, Tensor):
            self.write(pickle.GLOBAL + b"torch._utils\n_rebuild_tensor_v2\n")
            strides = tuple(step // value.values.itemsize for step in value.values.strides)
            self.write(pickle.MARK)
            self.write(pickle.MARK)
            super().save("storage")
            self.write(pickle.GLOBAL + b"torch\nFloatStorage\n")
            for part in (str(value.place), "cpu", value.values.size):
                super().save(part)
            self.write(pickle.TUPLE + pickle.BINPERSID)
            for part in (0, value.values.shape, strides, False, collections.OrderedDict()):
                super().save(part)
            self.write(pickle.TUPLE + pickle.REDUCE)
            return
        super().save(value, **arguments)


def pth(state):
    """The bytes of a .pth with these arrays in torch's layout."""
    tensors = {name: Tensor(np.ascontiguousarray(value), place) for place, (name, value) in enumerate(state.items())}
    index = io.BytesIO()
    Pickler(index, protocol=2).dump(collections.OrderedDict(tensors))
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("archive/data.pkl", index.getvalue())
        for tensor in tensors.values():
            archive.writestr(f"archive/data/{tensor.place}", tensor.values.tobytes())
    return buffer.getvalue()


def test_a_pth_is_read_in_tensorflows_layout_without_torch(tmp_path):
    rng = np.random.default_rng(0)
    state = {
        "a.conv.weight": rng.normal(size=(5, 4, 3, 2)).astype(np.float32),
        "fc.weight": rng.normal(size=(7, 6)).astype(np.float32),
        "b": np.arange(3, dtype=np.float32),
    }
    (tmp_path / "w.pth").write_bytes(pth(state))
    found = weights_files.read(tmp_path / "w.pth").tensors
    np.testing.assert_array_equal(found["a.conv.weight"], state["a.conv.weight"].transpose(2, 3, 1, 0))
    np.testing.assert_array_equal(found["fc.weight"], state["fc.weight"].T)
    np.testing.assert_array_equal(found["b"], state["b"])


class Evil:
    def __reduce__(self):
        import os

        return os.system, ("touch /tmp/harness-was-here",)


@pytest.mark.parametrize("evil", [Evil(), {"a": Evil()}, print, pickle.Unpickler])
def test_a_malicious_pickle_is_refused(evil, tmp_path):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("archive/data.pkl", pickle.dumps(evil, protocol=2))
    (tmp_path / "w.pth").write_bytes(buffer.getvalue())
    with pytest.raises(WeightsError, match=r"w\.pth: .*refused"):
        weights_files.read(tmp_path / "w.pth")
    assert not Path("/tmp/harness-was-here").exists()


@pytest.mark.parametrize(
    ("name", "content"), [("w.pth", b"junk"), ("w.npz", b"junk"), ("w.pb", b"\xffjunk"), ("w.h5", b"")]
)
def test_damaged_and_unknown_files_are_named(name, content, tmp_path):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(WeightsError, match=name.replace(".", r"\.")):
        weights_files.read(tmp_path / name, further=inception.READERS)


def test_every_cut_or_flip_of_a_pth_ends_in_one_sentence(tmp_path):
    whole = pth({"b": np.arange(300, dtype=np.float32)})
    rng = np.random.default_rng(0)
    for trial in range(200):
        content = bytearray(whole)
        if trial % 2:
            content = content[: int(rng.integers(len(content)))]
        else:
            content[int(rng.integers(len(content)))] ^= 1 << int(rng.integers(8))
        (tmp_path / "w.pth").write_bytes(bytes(content))
        try:
            weights_files.read(tmp_path / "w.pth")
        except WeightsError as error:
            assert str(error).startswith(f"{tmp_path}/w.pth: ")


def test_missing_weights_without_network_say_which_file_to_put_where(tmp_path, monkeypatch):
    def offline(*_, **__):
        raise OSError("no network")

    monkeypatch.setenv("HARNESS_CACHE", str(tmp_path))
    monkeypatch.setattr(weights_files.urllib.request, "urlopen", offline)
    with pytest.raises(WeightsError, match=f"put the file {inception.RELEASE.name} .* at {tmp_path}"):
        inception.load()
    with pytest.raises(WeightsError, match=r"or name it as --weights$"):
        inception.load(key="--weights")
    (tmp_path / inception.RELEASE.name).write_bytes(pth({"b": np.zeros(2, np.float32)}))
    with pytest.raises(WeightsError, match=r"SHA-256 is .*, but must be 6726825d"):
        inception.load()


def test_the_frozen_graph_gives_the_same_tensors_by_its_own_names():
    weights = inception.random_weights(0)
    graph = tf.compat.v1.GraphDef()

    def add(name, value):
        node = graph.node.add()
        node.name, node.op = name, "Const"
        node.attr["value"].tensor.CopyFrom(tf.make_tensor_proto(value))

    parts = {"weight": "gamma", "bias": "beta", "running_mean": "moving_mean", "running_var": "moving_variance"}
    for unit in inception_architecture.units():
        place = inception_graph.scope(unit.name)
        add(f"{place}/conv2d_params", weights[f"{unit.name}.conv.weight"])
        for ours, theirs in parts.items():
            add(f"{place}/batchnorm/{theirs}", weights[f"{unit.name}.bn.{ours}"])
    add("softmax/weights", weights["fc.weight"])
    add("softmax/biases", weights["fc.bias"])
    found = inception_graph.constants(graph.SerializeToString())
    assert found.keys() == weights.keys()
    assert all(np.array_equal(found[name], weights[name]) for name in weights)


def test_scopes_are_those_of_the_published_conversion():
    known = {
        "Conv2d_4a_3x3": "conv_4",
        "Mixed_5b.branch_pool": "mixed/tower_2/conv",
        "Mixed_5d.branch3x3dbl_3": "mixed_2/tower_1/conv_2",
        "Mixed_6a.branch3x3": "mixed_3/conv",
        "Mixed_6a.branch3x3dbl_3": "mixed_3/tower/conv_2",
        "Mixed_6e.branch7x7dbl_5": "mixed_7/tower_1/conv_4",
        "Mixed_7a.branch7x7x3_4": "mixed_8/tower_1/conv_3",
        "Mixed_7b.branch3x3_2a": "mixed_9/tower/mixed/conv",
        "Mixed_7c.branch3x3dbl_3b": "mixed_10/tower_1/mixed/conv_1",
    }
    assert {name: inception_graph.scope(name) for name in known} == known
    assert len({inception_graph.scope(unit.name) for unit in inception_architecture.units()}) == 94
    assert len(inception_architecture.shapes()) == 472


def test_a_missing_tensor_is_named():
    with pytest.raises(ValueError, match=r"fc\.weight is missing"):
        inception.Inception({}, sha256="")


def test_weights_of_another_network_are_named_with_the_key_that_named_them(tmp_path):
    np.savez(tmp_path / "w.npz", x=np.zeros(3))
    with pytest.raises(
        WeightsError, match=r"^--weights is .*w\.npz, which does not fit: Inception weights: .* is missing"
    ):
        inception.load(tmp_path / "w.npz", key="--weights")
    with pytest.raises(WeightsError, match=r"^evaluate\.weights is .*gone\.npz, which cannot be read \(No such file"):
        inception.load(tmp_path / "gone.npz")


def test_a_cache_that_cannot_be_written_is_said_in_one_sentence(tmp_path, monkeypatch):
    import hashlib
    import io

    content = b"weights"
    release = weights_files.Release("Inception", "w.pth", "https://example.com", hashlib.sha256(content).hexdigest())
    monkeypatch.setattr(weights_files.urllib.request, "urlopen", lambda *_, **__: io.BytesIO(content))
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("HARNESS_CACHE", str(tmp_path / "file" / "cache"))
    with pytest.raises(WeightsError, match=r"cannot be kept there .*set HARNESS_CACHE to a folder"):
        weights_files.public(release)
