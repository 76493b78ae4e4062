"""Networks that `harness features train` makes: what is stated of them measured again, and what they see."""

import dataclasses
import hashlib
import io
import json
import os
import re
import shutil
import subprocess
import sys
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from harness import data, features, kinds
from harness.data import folder as folders
from harness.data import images as image_sets
from harness.kinds import KindError
from harness.metrics import __main__ as metrics_command
from harness.metrics import extractor, sanity
from harness.metrics.frechet import Moments, frechet_to
from harness.metrics.own import compact_file, making, material, training
from harness.metrics.own.compact import Architecture
from harness.metrics.own.network import FileError
from tests.metrics.test_features import convolved
from tests.printed import check

QUICK = ("--width", "8", "--epochs", "40", "--quiet")


def digits():
    return data.load(
        SimpleNamespace(name="digits", data_dir=None, size=None, channels=None, fit="pad", held_out=0.2, limit=None)
    )


def folder_of(folder, images, labels=None):
    """The images as PNG files, in a folder per class where there are `labels`."""
    for place, image in enumerate(images):
        below = folder if labels is None else folder / f"class{labels[place]}"
        below.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image[..., 0]).save(below / f"{place:04}.png")
    return folder


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A network of a folder of 800 digits in classes: folder, file."""
    place = tmp_path_factory.mktemp("trained")
    real = digits()
    folder = folder_of(place / "numbers", real.train[:800], real.train_labels[:800])
    file = place / "mine.npz"
    assert features.main(["train", str(folder), "--output", str(file), *QUICK]) == 0
    return folder, file


@pytest.fixture(scope="module")
def untaught(tmp_path_factory):
    """A network of digits without classes, which learnt to tell how they are turned: folder, file."""
    place = tmp_path_factory.mktemp("untaught")
    folder = folder_of(place / "pictures", digits().train)
    file = place / "turns.npz"
    assert features.main(["train", str(folder), "--output", str(file), *QUICK]) == 0
    return folder, file


def settings(folder):
    """A study's [data] of the same images."""
    return SimpleNamespace(name="folder", data_dir=folder, size=8, channels=1, fit="pad", held_out=0.2, limit=None)


def loaded(file):
    return compact_file.load(file.stem, file.read_bytes())


def test_features_are_the_network_written_again_in_numpy(trained):
    _, file = trained
    about, arrays = compact_file.read(file.read_bytes())
    images = np.random.default_rng(3).integers(0, 256, (3, 8, 8, 1), dtype=np.uint8)

    def unit(x, name, stride):
        return np.maximum(
            convolved(x, arrays[f"{name}.kernel"].astype(np.float64), stride) + arrays[f"{name}.offset"], 0.0
        )

    x = unit(images / 255.0, "first", 1)
    for place, stride in ((1, 2), (2, 1)):  # 8 pixels to 4, where it stays
        x = unit(x, f"down{place}", stride)
        x = x + unit(x, f"same{place}", 1)
    assert about.architecture.dimensions == 32
    np.testing.assert_allclose(loaded(file)(images), x.mean(axis=(1, 2)), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("side", "maps"), [(8, [4, 4]), (12, [6, 3]), (28, [14, 7, 4]), (32, [16, 8, 4]), (64, [32, 16, 8, 4])]
)
def test_maps_are_halved_down_to_four_pixels(side, maps):
    sides, at = [], side
    for _, stride in Architecture(side=side, channels=3, width=8, outputs=2).stages:
        at = -(-at // stride)
        sides.append(at)
    assert sides == maps


def test_the_stated_accuracy_is_measured_again_on_what_a_study_would_hold_out(trained):
    folder, file = trained
    about, _ = compact_file.read(file.read_bytes())
    survey = folders.survey(folder)
    names, labels = folders.classes(survey)
    images, _ = folders.load(survey, size=8, channels=1, how="pad")
    parts = image_sets.split(images, np.array(labels), held_out=0.2, name="folder")
    measured = float(np.mean(loaded(file).classify(parts.held_out) == parts.held_out_labels))
    assert about.accuracy == pytest.approx(measured, abs=1 / len(parts.held_out))
    assert about.accuracy > 0.8
    assert (about.train, about.held_out, about.chance) == (640, 160, 0.1)
    assert about.classes == names == tuple(f"class{digit}" for digit in range(10))


def test_the_fingerprint_is_that_of_a_study_of_the_same_images(trained):
    folder, file = trained
    part = extractor.of_file(file, key="--features")
    assert part.trained.fingerprint == data.load(settings(folder)).fingerprint
    assert part.trained.title == "numbers"


def test_the_same_seed_gives_the_same_file_and_another_another(trained, tmp_path, capsys):
    folder, file = trained
    for name, seed in (("same", "1"), ("other", "2")):
        words = ["train", str(folder), "--output", str(tmp_path / f"{name}.npz"), *QUICK, "--seed", seed, "--json"]
        assert features.main(words) == 0
        check("Features", json.loads(capsys.readouterr().out))
    assert (tmp_path / "same.npz").read_bytes() == file.read_bytes()
    assert (tmp_path / "other.npz").read_bytes() != file.read_bytes()


def test_folding_keeps_what_the_network_says(monkeypatch):
    """Convolution, normalisation by running moments and rectification, written out, against the folded arrays."""
    found = {}
    folded = training._Trained.folded

    def kept(self):
        found.update(
            {name: weight.numpy().astype(np.float64) for name, weight in {**self._weights, **self._running}.items()}
        )
        return folded(self)

    monkeypatch.setattr(training._Trained, "folded", kept)
    real = digits()
    architecture = Architecture(side=8, channels=1, width=4, outputs=10)
    arrays = training.train(
        architecture, real.train, real.train_labels, training.Recipe(epochs=2, seed=5), progress=lambda *_: None
    )
    x = real.held_out[:5] / 255.0
    y = convolved(x, found["first.kernel"], 1)
    y = (y - found["first.mean"]) / np.sqrt(found["first.variance"] + 1e-5) * found["first.scale"] + found[
        "first.shift"
    ]
    again = convolved(x, arrays["first.kernel"].astype(np.float64), 1) + arrays["first.offset"]
    np.testing.assert_allclose(again, y, atol=2e-3 * np.abs(y).max())  # float16 has 11 bits
    assert not np.allclose(found["first.mean"], 0.0)


def distances(file, real, change, steps):
    """Fréchet distances of one half of images, changed ever more, to the other half."""
    network = loaded(file)
    half = len(real) // 2
    reference = Moments.of(network(real[half:]))
    return [frechet_to(network(change(real[:half], step)), reference) for step in steps]


@pytest.mark.parametrize("taught", [True, False], ids=["classes", "turns"])
def test_features_order_noise_blur_and_missing_classes(trained, untaught, taught):
    _, file = trained if taught else untaught
    real = digits()
    images, labels = real.train, real.train_labels
    noise = np.random.default_rng(0).standard_normal(images[: len(images) // 2].shape)

    def noisy(batch, level):
        return np.clip(np.round(batch + 255 * level * noise), 0, 255).astype(np.uint8)

    def without(batch, missing):
        return batch[labels[: len(batch)] >= missing]

    for change, steps in (
        (noisy, (0.0, 0.1, 0.2, 0.4)),
        (lambda batch, radius: sanity._blurred(batch, radius), (0.0, 0.5, 1.0, 2.0)),
        (without, (0, 3, 6, 9)),
    ):
        found = distances(file, images, change, steps)
        assert found == sorted(found)
        assert found[-1] > 3 * found[0]


def test_a_folder_without_classes_teaches_turns_which_a_file_says(untaught):
    about, _ = compact_file.read(untaught[1].read_bytes())
    assert (about.task, about.classes, about.chance) == ("turns", (), 0.25)
    assert about.accuracy > 0.8
    assert {"noise 10 %", "blur 1.5 px", "the darker half missing"} <= {each["damage"] for each in about.sanity}
    assert about.blind == []


def test_turned_images_are_turned_by_quarters():
    image = np.arange(64, dtype=np.uint8).reshape(1, 8, 8, 1)
    made = training.turned(image.repeat(4, axis=0), np.arange(4))
    for turn in range(4):
        np.testing.assert_array_equal(made[turn, ..., 0], np.rot90(image[0, ..., 0], turn))


def test_the_rate_rises_to_its_peak_and_falls_to_nothing():
    rates = [training._rate(done, 1000) for done in range(1000)]
    assert np.argmax(rates) == pytest.approx(150, abs=1)
    assert max(rates) == pytest.approx(0.1)
    assert 0 < rates[0] < 0.001 > rates[-1] > 0


def test_images_of_another_size_are_resized_as_data_are_and_the_protocol_says_so(trained, tmp_path, capsys):
    _, file = trained
    network = loaded(file)
    rng = np.random.default_rng(0)
    large = rng.integers(0, 256, (120, 16, 16, 3), dtype=np.uint8)
    small = data.fit(large, size=8, channels=1, how="resize")
    assert network.prepared(8, 8) == ""
    np.testing.assert_array_equal(network(large), network(small))
    np.testing.assert_array_equal(network.reduced(large[0]), small[0])
    np.save(tmp_path / "a.npy", large[:60])
    np.save(tmp_path / "b.npy", large[60:])
    words = [str(tmp_path / "a.npy"), str(tmp_path / "b.npy"), "--features", str(file), "--json", "--quiet"]
    assert metrics_command.main(words) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["protocol"]["images"] == "resized from 16x16 to 8x8 (Lanczos)"
    assert report["protocol"]["features"] == "mine"
    assert report["protocol"]["features_sha256"] == hashlib.sha256(file.read_bytes()).hexdigest()


def test_images_of_several_sizes_are_scored_by_the_command(trained, tmp_path, capsys):
    folder, file = trained
    shutil.copytree(folder, tmp_path / "copy")
    Image.fromarray(np.zeros((20, 12), np.uint8)).save(tmp_path / "copy" / "odd.png")
    assert (
        metrics_command.main([str(tmp_path / "copy"), str(folder), "--features", str(file), "--json", "--quiet"]) == 0
    )
    protocol = json.loads(capsys.readouterr().out)["protocol"]
    assert protocol["images"] == "resized from 20x12 to 8x8 (Lanczos)"


def test_features_do_not_depend_on_the_batch(trained):
    network = loaded(trained[1])
    images = np.random.default_rng(3).integers(0, 256, (701, 8, 8, 1), dtype=np.uint8)
    apart = np.concatenate([network(images[:1]), network(images[1:500]), network(images[500:])])
    np.testing.assert_array_equal(network(images), apart)


# --- what is refused -------------------------------------------------------------------------------------------------


def refused(capsys, *words):
    assert features.main(["train", *map(str, words), "--quiet"]) == 2
    return capsys.readouterr().err.strip()


def test_options_that_cannot_be_met_are_one_sentence(trained, tmp_path, capsys):
    folder, file = trained
    out = tmp_path / "new.npz"
    for words, said in (
        ((folder, "--output", tmp_path / "new.pt"), "allowed is a file that ends in .npz"),
        ((folder, "--output", file), "which exists, and studies may rest on it"),
        ((folder, "--output", tmp_path / "digits.npz"), "scores would bear the name 'digits'"),
        ((folder, "--output", tmp_path / "so so.npz"), "letters, digits, _ and - alone"),
        ((folder, "--output", out, "--size", 4), "--size is 4, but allowed is 8 to 128 pixels"),
        ((folder, "--output", out, "--width", 999), "--width is 999, but allowed is 4 to 128"),
        ((folder, "--output", out, "--seed", -1), "--seed is -1, but allowed"),
        ((tmp_path / "none", "--output", out), "FOLDER is .*none, which does not exist"),
        (("digits", "--held-out", folder, "--output", out), "has held-out images of its own"),
    ):
        line = refused(capsys, *words)
        assert re.search(said, line), line
        assert "\n" not in line
    assert not out.exists()


def test_folders_that_cannot_be_used_are_one_sentence(trained, tmp_path, capsys):
    folder, _ = trained
    real, out = digits(), tmp_path / "new.npz"
    few = folder_of(tmp_path / "few", real.train[:50])
    beside = folder_of(tmp_path / "beside", real.train[:150], real.train_labels[:150])
    folder_of(beside, real.train[:2])
    rare = folder_of(tmp_path / "rare", real.train[:150], np.minimum(real.train_labels[:150], 1))
    for place in (rare / "class0").iterdir():
        place.rename(rare / "class1" / place.name)
    folder_of(rare, real.train[:3], [0, 0, 0])
    other = folder_of(tmp_path / "other", real.train[:40], real.train_labels[:40] + 5)
    flat = folder_of(tmp_path / "flat", real.train[:40])
    for words, said in (
        ((few,), "holds 50 images, but at least 100 are needed"),
        ((beside,), "2 images lie beside folders with images"),
        ((rare,), r"class 'class0' has \d images to train on, but 5 are needed"),
        ((folder, "--held-out", other), "whose class 'class10' FOLDER does not have"),
        ((folder, "--held-out", flat), "which has no folders of classes"),
    ):
        line = refused(capsys, *words, "--output", out)
        assert re.search(said, line), line
        assert "\n" not in line


def test_a_log_has_the_commands_own_lines_alone(trained, tmp_path):
    words = [sys.executable, "-m", "harness.features", "train", str(trained[0]), "--output", str(tmp_path / "new.npz")]
    environment = {name: value for name, value in os.environ.items() if name != "TF_CPP_MIN_LOG_LEVEL"}
    done = subprocess.run(
        [*words, "--width", "4", "--epochs", "2"], env=environment, capture_output=True, text=True, check=True
    )
    lines = done.stderr.splitlines()
    assert lines[0] == "numbers: 640 + 160 images of 8x8x1; 10 classes"
    assert all(re.match(r"update \d+ of 10, loss \d\.\d{3}, \d+ s left|warning: ", line) for line in lines[1:]), lines
    assert len([line for line in lines if line.startswith("update")]) == 10
    assert done.stdout.startswith(f"{tmp_path / 'new.npz'}: 16 features, ")


def test_ctrl_c_writes_nothing(trained, tmp_path, capsys, monkeypatch):
    def stopped(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(training, "train", stopped)
    assert features.main(["train", str(trained[0]), "--output", str(tmp_path / "new.npz"), "--quiet"]) == 130
    assert "nothing was written" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def rewritten(file, **changed):
    """The file's content with other arrays."""
    with np.load(file) as stored:
        arrays = {name: stored[name] for name in stored.files} | changed
    buffer = io.BytesIO()
    np.savez(buffer, **{name: array for name, array in arrays.items() if array is not None})
    return buffer.getvalue()


def test_files_that_are_no_networks_are_told_apart(trained):
    _, file = trained
    about, arrays = compact_file.read(file.read_bytes())
    huge = dataclasses.replace(about, architecture=dataclasses.replace(about.architecture, width=10**9))
    for content, said in (
        (b"", "cannot be read as a network"),
        (file.read_bytes()[:-200], "cannot be read as a network"),
        (rewritten(file, about=None), "says nothing about a network"),
        (rewritten(file, **{"first.kernel": None}), "its arrays are not those"),
        (rewritten(file, **{"first.offset": np.full(8, np.nan, np.float16)}), "no finite numbers"),
        (rewritten(file, about=np.frombuffer(b'{"format": 9}', np.uint8)), "is of format 9"),
        (compact_file.write(huge, arrays), "says sizes that no network has"),
    ):
        with pytest.raises(FileError, match=said):
            compact_file.read(content)


def test_a_name_that_another_network_has_is_refused(trained, tmp_path):
    shutil.copy(trained[1], tmp_path / "fashion_mnist.npz")
    with pytest.raises(KindError, match=r"fashion_mnist\.npz, but scores would bear the name 'fashion_mnist'"):
        extractor.of_file(tmp_path / "fashion_mnist.npz", key="--features")


def test_the_command_says_which_files_are_networks(tmp_path, capsys):
    np.save(tmp_path / "a.npy", np.zeros((30, 8, 8, 1), np.uint8))
    for name, said in (
        (tmp_path / "mine.pt", "--features is .*mine.pt, but allowed are files that end in .npz, .keras, .onnx"),
        (tmp_path / "mine.npz", "mine.npz, which cannot be read"),
        ("dgits", r"--features is 'dgits' \(did you mean 'digits'\?\), but allowed"),
    ):
        assert metrics_command.main([str(tmp_path / "a.npy")] * 2 + ["--features", str(name)]) == 2
        assert re.search(said, capsys.readouterr().err)


def test_a_small_size_is_the_images_own_and_a_large_one_is_scaled(tmp_path):
    rng = np.random.default_rng(0)
    for place in range(120):
        picture = rng.integers(0, 256, (90, 100 + place, 3), dtype=np.uint8)
        (tmp_path / "large").mkdir(exist_ok=True)
        Image.fromarray(picture).save(tmp_path / "large" / f"{place}.png")
    read = material.read(tmp_path / "large", held_out=None, size=None, name=None)
    assert read.images.train.shape == (96, 64, 64, 3)
    assert read.title == "large"
    small = folder_of(tmp_path / "small", digits().train[:120])
    assert material.read(small, held_out=None, size=None, name="mine").images.train.shape == (96, 8, 8, 1)


def test_cautions_say_what_speaks_against_a_network(trained):
    about, _ = compact_file.read(trained[1].read_bytes())
    blind = ({"damage": "blur 1 px", "value": 1.0, "floor": 1.0, "seen": False},)
    said = making.Made(dataclasses.replace(about, accuracy=0.15, sanity=blind), b"").cautions
    assert [line.partition(" ")[0] for line in said] == ["it", "Fréchet"]
    assert (
        making.Made(dataclasses.replace(about, task="turns", accuracy=0.3), b"")
        .cautions[0]
        .startswith("it tells turns")
    )


def test_every_kind_of_file_has_an_example():
    assert set(kinds.parts("features_file")) == {"npz", "keras", "onnx"}
