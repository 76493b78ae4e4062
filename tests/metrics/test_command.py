"""`python -m harness.metrics`: folders, arrays and statistics agree; every bad input is one sentence that names it."""

import json
import os
import subprocess
import sys
import tracemalloc
import zipfile
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from harness.metrics import arrays, extractor, features, images, kernel, spectrum
from harness.metrics.__main__ import main
from harness.metrics.frechet import Moments, frechet_jackknife, frechet_to
from tests.printed import check

ROOT = Path(__file__).parents[2]


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
    assert "kid_subsets" not in reports[0]["scores"]
    assert {"kid", "kid_stderr"} <= reports[0]["scores"].keys()


def test_kid_is_the_studys_over_all_pairs_and_kid_subsets_the_published_one(two, capsys):
    extractor = features.load("digits")
    first, second = (extractor(pictures(seed)) for seed in (0, 1))
    report = json.loads(run(capsys, two / "a.npy", two / "b.npz", "--subset-size", "20")[1].out)
    scores = report["scores"]
    assert scores["kid"] == kernel.distance_to(first, kernel.Reference.of(second))
    published = kernel.kernel_distance(first, second, subset_size=20)
    assert (scores["kid_subsets"], scores["kid_subsets_std"]) == (published.mean, published.std)
    assert scores["kid_stderr"] == published.stderr
    assert report["protocol"]["kid"] == "degree 3, all pairs"
    assert report["protocol"]["kid_subsets"] == "degree 3, 100 subsets of 20, seed 2020"


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


@pytest.mark.parametrize(
    ("name", "arrays", "words"),
    [
        ("x.npz", {"a": np.zeros((2, 8, 8, 1))}, "float64 (2, 8, 8, 1), but allowed is uint8"),
        ("x.npz", {"a": np.zeros((0, 8, 8, 1), np.uint8)}, "n > 0"),
        ("x.npz", {"a": np.zeros(1), "b": np.zeros(1)}, "holds a, b, but allowed is one array"),
        ("x.npz", {}, "holds nothing, but allowed is one array"),
        ("x.npz", {"a": np.zeros((2, 8, 8, 4), np.uint8)}, "but allowed is uint8 (n, h, w, 1 or 3)"),
        ("x.npz", {"mu": np.zeros(3), "sigma": np.zeros((2, 2))}, "not a mean (d,) and covariance"),
        ("x.npz", {"mu": np.zeros((1, 2)), "sigma": np.zeros((2, 2))}, "not a mean (d,) and covariance"),
        ("x.npz", {"mu": np.zeros(2), "sigma": np.zeros((2, 2), complex)}, "sigma is complex128, but allowed are real"),
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
    assert printed.err.startswith(f"GENERATED is {two / name}, ")
    assert words in printed.err


def test_an_array_that_would_need_unpickling_is_refused(two, capsys):
    np.save(two / "evil.npy", np.array([{"a": 1}], dtype=object), allow_pickle=True)
    status, printed = run(capsys, two / "evil.npy", two / "b.npz")
    assert status == 2
    assert "cannot be read as NumPy arrays (ValueError)" in printed.err


def test_inception_gives_the_inception_score_and_a_held_out_set_the_floor(two, capsys, monkeypatch):
    from harness.metrics.features import inception
    from harness.metrics.inception_score import inception_score

    network = inception.Inception(inception.random_weights(0), sha256="0" * 64)
    monkeypatch.setattr(inception, "load", lambda path, key: network)
    np.save(two / "c.npy", pictures(2, n=12))
    np.save(two / "d.npy", pictures(3, n=12))
    status = main([*map(str, (two / "c.npy", two / "d.npy", "--held-out", two / "c.npy")), "--json"])
    report = json.loads(capsys.readouterr().out)
    scores = report["scores"]
    assert status == 0
    check("Scores", report)
    assert scores["inception_score"] == pytest.approx(inception_score(network.outputs(pictures(2, n=12)).logits)[0])
    assert report["floor"]["images"] == 12
    assert {name: scores[name] for name in report["floor"] if name != "images"} == {
        name: value for name, value in report["floor"].items() if name != "images"
    }


def test_copies_are_memorised(two, capsys):
    scores = json.loads(run(capsys, two / "a.npy", two / "a.npy")[1].out)["scores"]
    assert scores["memorised"] == 1.0


# Folders


def fill(folder, seed, n=30, ending="png", size=8):
    folder.mkdir(parents=True, exist_ok=True)
    for place, image in enumerate(np.random.default_rng(seed).integers(0, 256, (n, size, size), dtype=np.uint8)):
        Image.fromarray(image).save(folder / f"{place:03}.{ending}")
    return folder


def test_what_is_read_and_skipped_is_printed_and_recorded(two, capsys):
    folder = fill(two / "g", 0)
    for name in (".a.png", "notes.txt"):
        (folder / name).write_text("")
    Image.fromarray(np.full((8, 8, 4), 7, np.uint8)).save(folder / "000.png")
    said = "30 images; skipped: 1 .txt, 1 hidden"
    status, printed = run(capsys, folder, two / "b.npz")
    report = json.loads(printed.out)
    assert status == 0
    assert report["protocol"]["generated"] == f"{said}; 1 with transparency (stored colour kept)"
    assert report["protocol"]["real"] == "30 images"
    assert report["inputs"]["generated"] == {
        "path": str(folder),
        "images": 30,
        "skipped": {".txt": 1, "hidden": 1},
        "notes": {"with transparency (stored colour kept)": 1},
    }
    assert f"GENERATED: {said}\n" in printed.err
    main([str(folder), str(two / "b.npz"), "--features", "digits", "--quiet"])
    printed = capsys.readouterr()
    assert printed.out.startswith("fid ")
    assert f"\ngenerated: {said}; 1 with" in printed.out
    assert all(line.startswith("warning: ") for line in printed.err.splitlines())


def test_endings_and_links_change_no_score(two, capsys):
    plain = fill(two / "plain", 0)
    mixed = two / "mixed"
    fill(two / "store", 0)
    for place, ending in enumerate(["png", "BMP", "tiff", "gif", "pgm", "ppm"] * 5):
        image = Image.open(plain / f"{place:03}.png")
        (mixed / "own").mkdir(parents=True, exist_ok=True)
        if place < 20:
            image.save(mixed / "own" / f"{place:03}.{ending}")
        else:
            (mixed / "linked").mkdir(exist_ok=True)
            image.save(two / "store" / f"{place:03}.{ending}")
            (mixed / "linked" / f"{place:03}.{ending}").symlink_to(two / "store" / f"{place:03}.{ending}")
    (mixed / "zz").symlink_to(mixed)
    scores = [json.loads(run(capsys, folder, two / "b.npz")[1].out)["scores"] for folder in (plain, mixed)]
    assert scores[0] == pytest.approx(scores[1], rel=1e-6)  # the order differs, and products are float32


def test_unreadable_files_of_all_inputs_are_named_together(two, capsys):
    (fill(two / "g", 0) / "000.png").write_bytes(b"")
    (fill(two / "r", 1) / "000.png").write_bytes(b"junk")
    status, printed = run(capsys, two / "g", two / "r", "--held-out", two / "none", "--subset-size", "1")
    assert status == 2
    assert [line.split("; ")[0] for line in printed.err.splitlines()] == [
        f"{two}/g/000.png: cannot be read as an image (empty)",
        f"{two}/r/000.png: cannot be read as an image (no picture that Pillow knows)",
        f"--held-out is {two}/none, which does not exist",
        "--subset-size is 1, but allowed is a whole number from 2",
    ]


def test_damage_that_only_decoding_shows_is_named_for_all_inputs(two, capsys):
    for name in ("g", "r"):
        path = fill(two / name, 0, size=64) / "007.png"
        path.write_bytes(path.read_bytes()[:-100])
        for other in (two / name).iterdir():
            if other != path:
                Image.new("L", (8, 8)).save(other)
    for name in ("g", "r"):
        content = bytearray((two / name / "003.png").read_bytes())
        content[-30] ^= 255
        (two / name / "003.png").write_bytes(content[:-20])
        Image.new("L", (8, 8)).save(two / name / "007.png")
    status, printed = run(capsys, two / "g", two / "r")
    assert status == 2
    assert [line.split(": ")[0] for line in printed.err.splitlines()] == [f"{two}/{name}/003.png" for name in "gr"]


@pytest.mark.parametrize("outer", ["generated", "real"])
@pytest.mark.parametrize("way", ["inside", "linked"])
def test_a_folder_inside_another_is_refused(way, outer, two, capsys):
    big = fill(two / "big", 0)
    small = fill(big / "small" if way == "inside" else two / "small", 1)
    if way == "linked":
        (big / "link").symlink_to(small)
    given = [big, small] if outer == "generated" else [small, big]
    status, printed = run(capsys, *given)
    assert status == 2
    inner = "REAL" if outer == "generated" else "GENERATED"
    assert printed.err.startswith(f"{inner} is {small}, which lies inside {outer.upper()} ({big}), ")
    assert printed.err.count("\n") == 1
    status, printed = run(capsys, two / "a.npy", big, "--held-out", small)
    assert (status, printed.err.split(",")[0]) == (2, f"--held-out is {small}")


def test_equal_folders_and_shared_files_are_scored_with_a_warning(two, capsys):
    folder = fill(two / "g", 0)
    (two / "link").symlink_to(folder)
    report = json.loads(run(capsys, folder, two / "link")[1].out)
    assert abs(report["scores"]["fid"]) < 1e-9
    assert "GENERATED and REAL are the same: scores are those of identical sets" in report["warnings"]
    half = two / "half"
    half.mkdir()
    for path in sorted(folder.iterdir())[:12]:
        (half / path.name).symlink_to(path)
    report = json.loads(run(capsys, half, folder)[1].out)
    assert "12 images of GENERATED and REAL are the same files" in report["warnings"]


# Memory


class Counting:
    """A network that takes images of any size, five at a time, and gives their means."""

    batch = 5

    def __init__(self):
        self.most = 0

    def reduced(self, image):
        return image[::50, ::50].copy()

    def outputs(self, batch):
        self.most = max(self.most, len(batch))
        means = np.array([[image.mean(), 1.0] for image in batch], np.float32)
        return SimpleNamespace(pooled=means, logits=means)


@pytest.mark.parametrize("kind", ["folder", "npy", "npz"])
def test_memory_holds_few_images_whatever_their_number_and_features_keep_their_order(kind, tmp_path, monkeypatch):
    monkeypatch.setattr(arrays, "_AT_A_TIME", 2**20)
    side, n = 400, 40
    one = side * side * 3
    values = [
        np.full((side, side - 50 * (place % 2 if kind == "folder" else 0), 3), place * 6, np.uint8)
        for place in range(n)
    ]
    path = tmp_path / f"x.{kind}"
    if kind == "folder":
        path.mkdir()
        for place, image in enumerate(values):
            Image.fromarray(image).save(path / f"{place:02}.bmp")
    else:
        (np.save if kind == "npy" else np.savez_compressed)(path, np.stack(values))
    expected = [image.mean() for image in values]
    del values
    source, network = images.read(path, name="GENERATED"), Counting()
    tracemalloc.start()
    made = images.features(source, network, pixels=None, progress=lambda done: None)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    np.testing.assert_allclose(made.features[:, 0], expected)
    assert network.most == 5
    assert peak < 8 * one < source.count * one / 4


def test_sums_over_images_that_come_one_at_a_time_are_those_of_all_together():
    images = np.random.default_rng(6).integers(0, 256, (300, 40, 32, 3), dtype=np.uint8)
    sums = spectrum.PixelSums()
    for image in images:
        sums.add(image)
    assert sums.noise_level == pytest.approx(spectrum.noise_level(images), rel=1e-12)
    assert sums.high_frequency_share == pytest.approx(spectrum.high_frequency_share(images), rel=1e-12)
    assert sums.count == 300


def test_pixels_of_grey_and_coloured_images_of_one_size_are_summed_together(two, capsys):
    folder = fill(two / "g", 0)
    coloured = np.asarray(Image.open(folder / "003.png").convert("RGB"))
    before = json.loads(run(capsys, folder, two / "b.npz")[1].out)["scores"]
    Image.fromarray(coloured).save(folder / "003.png")
    after = json.loads(run(capsys, folder, two / "b.npz")[1].out)["scores"]
    assert before == pytest.approx(after, rel=1e-9)


def test_an_array_in_fortran_order_is_read_as_any_other(two, capsys):
    np.save(two / "f.npy", np.asfortranarray(pictures(0)))
    scores = [json.loads(run(capsys, two / name, two / "b.npz")[1].out)["scores"] for name in ("a.npy", "f.npy")]
    assert scores[0] == scores[1]


def test_a_header_that_promises_more_than_there_is_is_named_before_anything_is_read(two, capsys):
    header = b"{'descr': '|u1', 'fortran_order': False, 'shape': (99999999999, 8, 8, 1), }".ljust(118)
    with zipfile.ZipFile(two / "x.npz", "w") as archive:
        archive.writestr("a.npy", b"\x93NUMPY\x01\x00\x76\x00" + header)
    status, printed = run(capsys, two / "x.npz", two / "b.npz")
    assert status == 2
    assert printed.err == f"GENERATED is {two}/x.npz, which cannot be read as NumPy arrays (EOFError)\n"


@pytest.mark.parametrize("name", ["a.npy", "b.npz"])
def test_an_array_that_is_cut_short_is_named(name, two, capsys):
    content = (two / name).read_bytes()
    (two / name).write_bytes(content[: len(content) // 2])
    status, printed = run(capsys, two / "a.npy", two / "b.npz")
    assert status == 2
    option = "GENERATED" if name == "a.npy" else "REAL"
    assert printed.err.startswith(f"{option} is {two / name}, which cannot be read as NumPy arrays (")


def test_an_array_that_is_damaged_within_is_named(two, capsys):
    np.savez(two / "b.npz", pictures(1, 3000))
    with zipfile.ZipFile(two / "b.npz") as archive:
        place = archive.infolist()[0].header_offset
    content = bytearray((two / "b.npz").read_bytes())
    content[place + 100_000] ^= 255
    (two / "b.npz").write_bytes(content)
    status, printed = run(capsys, two / "a.npy", two / "b.npz")
    assert status == 2
    assert printed.err == f"REAL is {two / 'b.npz'}, which cannot be read to its end (BadZipFile)\n"


# Statistics


def covariance(dimensions=64, n=500, seed=0):
    rng = np.random.default_rng(seed)
    values = rng.normal(size=(n, dimensions)) * np.geomspace(2, 0.05, dimensions)
    return values.mean(0), np.cov(values.T)


def spoilt(kind):
    mean, sigma = covariance()
    if kind == "negative":
        sigma = -sigma
    elif kind == "not symmetric":
        sigma[0, 1] += 5
    elif kind == "hardly symmetric":
        sigma[-1, 0] += 0.01
    elif kind == "one negative variance":
        sigma[-1, -1] *= -1
    elif kind == "correlation above 1":
        sigma[0, 1] = sigma[1, 0] = 1.5 * np.sqrt(sigma[0, 0] * sigma[1, 1])
    elif kind == "scatter minus its diagonal":
        np.fill_diagonal(sigma, 0)
    elif kind == "triangle alone":
        sigma = np.tril(sigma)
    return mean, sigma


@pytest.mark.parametrize("option", ["GENERATED", "REAL", "--held-out"])
@pytest.mark.parametrize(
    ("kind", "words"),
    [
        ("negative", "it holds negative variances (down to -4"),
        ("not symmetric", "it is not symmetric (entries differ by up to 5)"),
        ("hardly symmetric", "it is not symmetric (entries differ by up to 0.01)"),
        ("one negative variance", "it holds negative variances"),
        ("correlation above 1", "it has negative eigenvalues (down to -1"),
        ("scatter minus its diagonal", "it has negative eigenvalues"),
        ("triangle alone", "it is not symmetric"),
    ],
)
def test_statistics_that_are_no_covariance_are_refused(kind, words, option, two, capsys):
    mean, sigma = covariance()
    np.savez(two / "good.npz", mu=mean, sigma=sigma)
    mean, sigma = spoilt(kind)
    np.savez(two / "bad.npz", mu=mean, sigma=sigma)
    given = {"GENERATED": ["bad", "good"], "REAL": ["good", "bad"], "--held-out": ["good", "good", "--held-out", "bad"]}
    status = main([str(two / f"{each}.npz") if each[0] != "-" else each for each in given[option]])
    printed = capsys.readouterr()
    assert status == 2
    assert printed.err.startswith(f"{option} is {two / 'bad.npz'}, but sigma cannot be a covariance: {words}")
    assert printed.err.count("\n") == 1


def rounded(kind):
    mean, sigma = covariance(n=40)  # of rank 39 in 64 dimensions
    if kind == "of whole numbers":
        return np.zeros(3, int), np.diag([1, 2, 3])
    if kind == "all images equal":
        return mean, np.zeros_like(sigma)
    if kind == "one dimension":
        return mean[:1], sigma[:1, :1]
    if kind == "float32 sums":
        values = np.random.default_rng(1).normal(size=(20_000, 64)).astype(np.float32) * np.geomspace(
            2, 0.05, 64, dtype=np.float32
        )
        values = values[:, :20] @ np.random.default_rng(2).normal(size=(20, 64)).astype(np.float32)
        centre = values.mean(0)
        return centre, values.T @ values / np.float32(20_000) - np.outer(centre, centre)
    if kind == "float32 noise":
        noise = np.random.default_rng(3).normal(size=sigma.shape) * 2**-24
        return mean, sigma * (1 + noise)
    return mean.astype(kind), sigma.astype(kind)


@pytest.mark.parametrize(
    "kind",
    [
        "float64",
        "float32",
        "float16",
        ">f8",
        "of whole numbers",
        "all images equal",
        "one dimension",
        "float32 sums",
        "float32 noise",
    ],
)
def test_statistics_with_the_rounding_that_published_ones_have_are_accepted(kind, two, capsys):
    mean, sigma = rounded(kind)
    np.savez(two / "s.npz", mu=mean, sigma=sigma)
    assert main([str(two / "s.npz"), str(two / "s.npz"), "--json"]) == 0
    fid = json.loads(capsys.readouterr().out)["scores"]["fid"]
    assert fid == pytest.approx(0, abs=1e-3 * max(float(np.trace(sigma)), 1))


def test_other_arrays_beside_statistics_are_said_to_be_unused(two, capsys):
    mean, sigma = covariance()
    np.savez(two / "adm.npz", arr_0=pictures(0), mu=mean, sigma=sigma)
    main([str(two / "adm.npz"), str(two / "adm.npz"), "--json"])
    assert json.loads(capsys.readouterr().out)["protocol"]["real"] == "statistics; skipped: arr_0"


@pytest.mark.parametrize("place", range(3))
def test_other_dimensions_are_said_in_one_sentence_before_features_are_computed(place, two, capsys, monkeypatch):
    monkeypatch.setattr(images, "features", None)
    np.savez(two / "s.npz", mu=np.zeros(2048), sigma=np.eye(2048))
    given = [two / "a.npy", two / "b.npz", two / "a.npy"]
    given[place] = two / "s.npz"
    status, printed = run(capsys, given[0], given[1], "--held-out", given[2])
    assert status == 2
    assert printed.err.count("\n") == 1
    assert f"({two / 's.npz'}) has statistics of 2048 dimensions" in printed.err
    assert printed.err.count("has digits features of 64 dimensions") == 2


# Options


REFUSED = {
    "subset of one": (["--subset-size", "1"], "--subset-size is 1, but allowed is a whole number from 2"),
    "subset too large": (["--subset-size", "31"], "--subset-size is 31, but GENERATED ({}/a.npy) has 30 images"),
    "infinity": (
        ["--infinity"],
        "--infinity needs 4 images for each of 64 dimensions = 256, but GENERATED ({}/a.npy) has 30",
    ),
    "interval": (["--interval"], "--interval needs 40 images, but GENERATED ({}/a.npy) has 30"),
    "weights of another network": (
        ["--weights", "w.pth"],
        "--weights is w.pth, but --features digits has weights of its own",
    ),
    "target without ending": (["--save-statistics", "{}/s"], "--save-statistics is {}/s, whose ending must be .npz"),
    "target in no folder": (["--save-statistics", "{}/no/s.npz"], "cannot be written: {}/no does not exist"),
    "target below a file": (["--save-statistics", "{}/a.npy/s.npz"], "cannot be written: {}/a.npy is no folder"),
    "target is a folder": (["--save-statistics", "{}/folder.npz"], "cannot be written: it is a folder"),
    "target is an input": (["--save-statistics", "{}/b.npz"], "must not be one of the inputs"),
    "target is an input by another name": (["--save-statistics", "{}/link.npz"], "must not be one of the inputs"),
    "target is somebody's": (["--save-statistics", "{}/other.npz"], "must not be overwritten: it exists and holds no"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_options_that_cannot_be_met_are_refused_before_features_are_computed(case, two, capsys, monkeypatch):
    monkeypatch.setattr(images, "features", None)
    (two / "folder.npz").mkdir()
    (two / "link.npz").symlink_to(two / "b.npz")
    np.savez(two / "other.npz", x=1)
    before = {path: path.read_bytes() for path in two.iterdir() if path.is_file()}
    options, words = REFUSED[case]
    status, printed = run(capsys, two / "a.npy", two / "b.npz", *(each.format(two) for each in options))
    assert status == 2
    assert words.format(two) in printed.err
    assert {path: path.read_bytes() for path in two.iterdir() if path.is_file()} == before


def test_options_that_need_images_are_refused_for_statistics(two, capsys):
    np.savez(two / "s.npz", mu=np.zeros(64), sigma=np.eye(64))
    options = ["--interval", "--infinity", "--subset-size", "5", "--save-statistics", two / "t.npz"]
    status, printed = run(capsys, two / "s.npz", two / "b.npz", *options)
    assert status == 2
    assert [line.split(" needs images, but GENERATED is ")[0] for line in printed.err.splitlines()] == [
        "--interval",
        "--infinity",
        "--save-statistics",
        "--subset-size",
    ]


def test_sizes_that_a_network_does_not_take_are_named_before_features_are_computed(two, capsys, monkeypatch):
    monkeypatch.setattr(images, "features", None)
    for size in (9, 10):
        Image.new("L", (size, 9)).save(fill(two / "g", 0) / f"{size}.png")
    status, printed = run(capsys, two / "g", two / "b.npz")
    assert status == 2
    assert printed.err == (
        f"GENERATED is {two}/g, with images of 9x9 pixels and 1 other sizes, "
        "but --features digits takes images of 8 pixels; "
        + " or ".join(f"--features {name}" for name in extractor.that_take([(9, 9, 1), (9, 10, 1)]))
        + " take them\n"
    )
    assert "--features inception or " in printed.err


def test_statistics_replace_older_ones_and_a_full_disk_is_said_after_the_scores(two, capsys, monkeypatch):
    np.savez(two / "s.npz", mu=np.zeros(2), sigma=np.eye(2))
    assert run(capsys, two / "a.npy", two / "b.npz", "--save-statistics", two / "s.npz")[0] == 0
    assert np.load(two / "s.npz")["mu"].shape == (64,)

    def full(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(np, "savez", full)
    status, printed = run(capsys, two / "a.npy", two / "b.npz", "--save-statistics", two / "t.npz")
    assert status == 2
    assert "fid" in json.loads(printed.out)["scores"]
    assert f"--save-statistics is {two}/t.npz, which cannot be written (No space left on device)\n" in printed.err
    assert sorted(path.name for path in two.iterdir()) == ["a.npy", "b.npz", "s.npz"]


@pytest.mark.parametrize("name", ["none.pth", "w.txt", "w.npz"])
def test_weights_are_named_by_their_option_and_no_message_names_a_study_key(name, two, capsys):
    if name == "w.npz":
        np.savez(two / name, x=np.zeros(3))
    status = main([str(two / "a.npy"), str(two / "b.npz"), "--weights", str(two / name)])
    printed = capsys.readouterr()
    assert status == 2
    assert printed.err.startswith(f"--weights is {two / name}, ")
    assert "evaluate." not in printed.err


def test_options_of_no_use_for_statistics_alone_are_said(two, capsys):
    np.savez(two / "s.npz", mu=np.zeros(2), sigma=np.eye(2))
    report = json.loads(run(capsys, two / "s.npz", two / "s.npz")[1].out)
    assert "--features and --weights are of no use for statistics alone" in report["warnings"]


def test_the_jackknife_does_not_hang_on_the_order_of_files(tmp_path, capsys):
    extractor = features.load("digits")
    dark, light = pictures(0, 60) // 4, 255 - pictures(1, 60) // 4
    np.save(tmp_path / "sorted.npy", np.concatenate([dark, light]))
    np.save(tmp_path / "mixed.npy", np.stack([dark, light], axis=1).reshape(120, 8, 8, 1))
    np.save(tmp_path / "r.npy", pictures(2, 100))
    spread = [
        json.loads(run(capsys, tmp_path / name, tmp_path / "r.npy", "--interval")[1].out)["scores"]["fid_stderr"]
        for name in ("sorted.npy", "mixed.npy")
    ]
    assert spread[0] == pytest.approx(spread[1], rel=0.6)
    in_order = frechet_jackknife(
        extractor(np.concatenate([dark, light])), Moments.of(extractor(pictures(2, 100)))
    ).stderr
    assert in_order > 2 * max(spread)


@pytest.mark.slow
def test_nothing_of_tensorflow_is_printed(two):
    environment = {key: value for key, value in os.environ.items() if key != "TF_CPP_MIN_LOG_LEVEL"}
    done = subprocess.run(
        [sys.executable, "-m", "harness.metrics", two / "a.npy", two / "a.npy", "--features", "digits"],
        capture_output=True,
        text=True,
        check=True,
        cwd=ROOT,
        env=environment,
    )
    assert done.stdout.startswith("fid ")
    assert all(line.startswith("warning: ") for line in done.stderr.splitlines()), done.stderr


def test_sanity_says_what_scores_do_not_see_and_changes_no_score(tmp_path, capsys):
    rng = np.random.default_rng(5)
    images = rng.integers(0, 256, (240, 8, 8, 3), dtype=np.uint8)
    images[..., 1:] //= 4  # has colour to lose, which features of grey digits have no use for
    np.save(tmp_path / "a.npy", images[:120])
    np.save(tmp_path / "b.npy", images[120:])
    plain = json.loads(run(capsys, tmp_path / "a.npy", tmp_path / "b.npy")[1].out)
    status, said = run(capsys, tmp_path / "a.npy", tmp_path / "b.npy", "--sanity")
    report = json.loads(said.out)
    assert status == 0
    assert report["scores"] == plain["scores"]
    assert "sanity" not in plain
    for metric in ("fid", "kid"):
        rows = {row["damage"]: row for row in report["sanity"][metric]}
        assert not rows["channels swapped"]["seen"]
        assert rows["channels swapped"]["value"] == pytest.approx(rows["channels swapped"]["floor"], abs=1e-6)
        assert any(f"{metric} in digits features does not see: " in line for line in report["warnings"])


def test_sanity_is_measured_on_the_commonest_size_of_a_folder(tmp_path, capsys):
    for name, count in (("a", 12), ("b", 110)):
        (tmp_path / name).mkdir()
        for place, image in enumerate(pictures(7, count)):
            Image.fromarray(image[..., 0]).save(tmp_path / name / f"{place:03}.png")
    status = main([*map(str, (tmp_path / "a", tmp_path / "b")), "--features", "digits", "--sanity"])
    said = capsys.readouterr()
    assert status == 0
    assert "sanity of fid: REAL damaged, 55 images at a time" in said.out


@pytest.mark.parametrize(
    ("count", "words"), [(99, "--sanity needs 100 images, but REAL"), (0, "which holds statistics")]
)
def test_sanity_needs_enough_real_images(count, words, two, capsys):
    if count:
        np.save(two / "real.npy", pictures(3, count))
    else:
        np.savez(two / "real.npz", mu=np.zeros(64), sigma=np.eye(64))
    status, said = run(capsys, two / "a.npy", two / ("real.npy" if count else "real.npz"), "--sanity")
    assert status == 2
    assert words in said.err


def test_what_so_few_or_such_real_images_do_not_allow_is_left_out_and_said(tmp_path, capsys):
    np.save(tmp_path / "two.npy", pictures(0, 2))
    np.save(tmp_path / "five.npy", pictures(1, 5))
    np.save(tmp_path / "flat.npy", np.full((5, 8, 8, 1), 7, np.uint8))
    report = json.loads(run(capsys, tmp_path / "two.npy", tmp_path / "five.npy")[1].out)
    assert list(report["scores"]) == ["fid", "noise_ratio", "high_frequency_ratio"]
    assert report["warnings"][-2:] == [
        "KID needs 3 images per side, but there are 2: left out",
        "neighbour metrics need 6 images per side, but there are 2: left out",
    ]
    report = json.loads(
        run(capsys, tmp_path / "five.npy", tmp_path / "flat.npy", "--held-out", tmp_path / "two.npy")[1].out
    )
    assert list(report["scores"]) == ["fid", "kid", "kid_stderr"]
    assert list(report["floor"]) == ["images", "fid"]
    assert report["warnings"][-6:] == [
        "subsets of 1000 images need as many, but there are 5: kid_subsets is left out",
        "neighbour metrics need 6 images per side, but there are 5: left out",
        "real images have no noise content: noise_ratio is left out",
        "real images have no high frequency content: high_frequency_ratio is left out",
        "floor: KID needs 3 images per side, but there are 2: left out",
        "floor: neighbour metrics need 6 images per side, but there are 2: left out",
    ]
