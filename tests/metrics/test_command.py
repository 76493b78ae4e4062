"""`python -m harness.metrics`: folders, arrays and statistics agree; every bad input is one sentence that names it."""

import json

import numpy as np
import pytest
from PIL import Image

from harness.metrics import features, images
from harness.metrics.__main__ import main
from harness.metrics.frechet import Moments, frechet_to


def pictures(seed, n=30):
    return np.random.default_rng(seed).integers(0, 256, (n, 8, 8, 1), dtype=np.uint8)


@pytest.fixture
def two(tmp_path):
    np.save(tmp_path / "a.npy", pictures(0))
    np.savez(tmp_path / "b.npz", images=pictures(1))
    return tmp_path


def run(capsys, *arguments):
    status = main([*map(str, arguments), "--features", "digits", "--json"])
    return status, capsys.readouterr()


def test_scores_are_those_of_the_parts_and_a_folder_scores_as_its_array(two, capsys):
    (two / "a").mkdir()
    for place, image in enumerate(pictures(0)):
        Image.fromarray(image[..., 0]).save(two / "a" / f"{place:03}.png")
    extractor = features.load("digits")
    reports = [json.loads(run(capsys, two / name, two / "b.npz")[1].out) for name in ("a.npy", "a")]
    assert reports[0]["scores"] == reports[1]["scores"]
    expected = frechet_to(extractor(pictures(0)), Moments.of(extractor(pictures(1))))
    assert reports[0]["scores"]["fid"] == pytest.approx(expected, rel=1e-9)
    assert reports[0]["protocol"]["features_sha256"] == extractor.sha256
    assert any("30 images for" in line for line in reports[0]["warnings"])
    assert "kid" not in reports[0]["scores"]
    assert "kid_full" in reports[0]["scores"]


def test_statistics_are_written_and_give_the_same_distance(two, capsys):
    whole = json.loads(run(capsys, two / "a.npy", two / "b.npz", "--save-statistics", two / "s.npz")[1].out)
    with np.load(two / "s.npz") as stored:
        np.testing.assert_allclose(
            stored["sigma"], np.cov(features.load("digits")(pictures(0)).astype(float), rowvar=False), atol=1e-9
        )
    again = json.loads(run(capsys, two / "s.npz", two / "b.npz")[1].out)
    assert list(again["scores"]) == ["fid"]
    assert again["scores"]["fid"] == pytest.approx(whole["scores"]["fid"], rel=1e-9)


def test_identical_sets_are_at_zero(two, capsys):
    scores = json.loads(run(capsys, two / "a.npy", two / "a.npy")[1].out)["scores"]
    assert abs(scores["fid"]) < 1e-9
    assert scores["precision"] == scores["recall"] == scores["noise_ratio"] == 1.0


def test_images_of_several_sizes_are_grouped(tmp_path):
    for size in (8, 9):
        Image.new("L", (size, size)).save(tmp_path / f"{size}.png")
    assert sorted(group.shape for group in images.read(tmp_path).groups) == [(1, 8, 8, 1), (1, 9, 9, 1)]


@pytest.mark.parametrize(
    ("name", "arrays", "words"),
    [
        ("x.npz", {"a": np.zeros((2, 8, 8, 1))}, "float64 (2, 8, 8, 1), but allowed is uint8"),
        ("x.npz", {"a": np.zeros((0, 8, 8, 1), np.uint8)}, "n > 0"),
        ("x.npz", {"a": np.zeros(1), "b": np.zeros(1)}, "holds a, b, but allowed is one array"),
        ("x.npz", {"mu": np.zeros(3), "sigma": np.zeros((2, 2))}, "not a mean (d,) and covariance"),
        ("x.npz", {"mu": np.full(2, np.nan), "sigma": np.zeros((2, 2))}, "not finite"),
        ("x.npz", None, "cannot be read as NumPy arrays"),
        ("x.png", None, "allowed is a folder of images"),
    ],
)
def test_bad_inputs_are_named_in_one_sentence(name, arrays, words, two, capsys):
    if arrays is None:
        (two / name).write_bytes(b"junk")
    else:
        np.savez(two / name, **arrays)
    status, printed = run(capsys, two / name, two / "b.npz")
    assert status == 2
    assert printed.err.count("\n") == 1
    assert str(two / name) in printed.err
    assert words in printed.err


def test_an_array_that_would_need_unpickling_is_refused(two, capsys):
    np.save(two / "evil.npy", np.array([{"a": 1}], dtype=object), allow_pickle=True)
    status, printed = run(capsys, two / "evil.npy", two / "b.npz")
    assert status == 2
    assert "cannot be read as NumPy arrays (ValueError)" in printed.err


def test_inception_gives_the_inception_score_and_a_held_out_set_the_floor(two, capsys, monkeypatch):
    from harness.metrics import inception
    from harness.metrics.inception_score import inception_score

    network = inception.Inception(inception.random_weights(0), sha256="0" * 64)
    monkeypatch.setattr(inception, "load", lambda path: network)
    np.save(two / "c.npy", pictures(2, n=12))
    np.save(two / "d.npy", pictures(3, n=12))
    status = main([*map(str, (two / "c.npy", two / "d.npy", "--held-out", two / "c.npy")), "--json"])
    report = json.loads(capsys.readouterr().out)
    scores = report["scores"]
    assert status == 0
    assert scores["inception_score"] == pytest.approx(inception_score(network.outputs(pictures(2, n=12)).logits)[0])
    assert report["floor"]["images"] == 12
    assert {name: scores[name] for name in report["floor"] if name != "images"} == {
        name: value for name, value in report["floor"].items() if name != "images"
    }


def test_copies_are_memorised_and_infinity_needs_many_images(two, capsys):
    scores = json.loads(run(capsys, two / "a.npy", two / "a.npy")[1].out)["scores"]
    assert scores["memorised"] == 1.0
    status, printed = run(capsys, two / "a.npy", two / "b.npz", "--infinity")
    assert status == 2
    assert "FID infinity needs at least 4 x" in printed.err
