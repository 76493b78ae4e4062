"""`harness.score`: the command's numbers, of arrays, folders and files; its messages in the words of Python."""

import json
import re

import numpy as np
import pytest
from PIL import Image

import harness
from harness.metrics import features, metric
from harness.metrics.__main__ import main
from harness.metrics.evaluation import Evaluator
from harness.metrics.in_python import in_parameters
from harness.scores import ScoreName


def pictures(seed, n=30):
    return np.random.default_rng(seed).integers(0, 256, (n, 8, 8, 1), dtype=np.uint8)


def as_folder(folder, images):
    folder.mkdir()
    for place, image in enumerate(images):
        Image.fromarray(image[..., 0]).save(folder / f"{place:03}.png")
    return folder


def test_arrays_files_and_folders_have_the_commands_scores(tmp_path, capsys):
    np.save(tmp_path / "a.npy", pictures(0))
    np.savez(tmp_path / "b.npz", images=pictures(1))
    np.save(tmp_path / "c.npy", pictures(2))
    options = ["--features", "digits", "--metric", "clipped_coverage", "--held-out", str(tmp_path / "c.npy")]
    assert main([str(tmp_path / "a.npy"), str(tmp_path / "b.npz"), *options, "--json"]) == 0
    expected = json.loads(capsys.readouterr().out)
    inputs = [
        (pictures(0), pictures(1), pictures(2)),
        (tmp_path / "a.npy", str(tmp_path / "b.npz"), tmp_path / "c.npy"),
        tuple(as_folder(tmp_path / name, pictures(seed)) for seed, name in enumerate("xyz")),
    ]
    for generated, real, held_out in inputs:
        found = harness.score(generated, real, features="digits", metrics=["clipped_coverage"], held_out=held_out)
        assert found.scores == expected["scores"]
        assert found.floor == expected["floor"]
        assert {name: found.protocol[name] for name in ("features", "features_sha256", "kid")} == {
            name: expected["protocol"][name] for name in ("features", "features_sha256", "kid")
        }
        assert found["clipped_coverage"] == expected["scores"]["clipped_coverage"]


def test_what_it_prints_is_what_the_command_prints(tmp_path, capsys):
    np.save(tmp_path / "a.npy", pictures(0))
    np.save(tmp_path / "b.npy", pictures(1))
    assert main([str(tmp_path / "a.npy"), str(tmp_path / "b.npy"), "--features", "digits", "--quiet"]) == 0
    printed = capsys.readouterr()
    found = harness.score(tmp_path / "a.npy", tmp_path / "b.npy", features="digits")
    assert repr(found) == (printed.out + printed.err).strip()
    assert not capsys.readouterr().err


def test_the_same_array_twice_is_said_and_parts_of_one_are_not():
    images = pictures(0, n=60)
    same = harness.score(images[:30], images[:30], features="digits")
    assert "generated and real are the same: scores are those of identical sets" in same.warnings
    assert abs(same["fid"]) < 1e-9
    for one, two in ((images[:30], images[30:]), (images[::2], images[1::2]), (images[:30], images[:30].copy())):
        assert not any("are the same" in line for line in harness.score(one, two, features="digits").warnings)


def test_a_name_is_one_estimator_in_a_study_and_outside():
    train, held_out, generated = pictures(1, n=200), pictures(2, n=200), pictures(0, n=200) // 2
    named = metric.extras()
    network = features.load("digits")
    evaluator = Evaluator(
        network,
        train=train,
        held_out=held_out,
        reference="train",
        generated=200,
        cache=None,
        fingerprint="",
        extras=named,
    )
    in_a_study = {
        ScoreName.parse(name, features="digits").metric: value for name, value in evaluator.scores(generated).items()
    }
    outside = harness.score(generated, train, features="digits", metrics=named, subset_size=50).scores
    shared = in_a_study.keys() & outside.keys()
    assert shared == in_a_study.keys() - {"overfit"}  # which compares with two sets of real images
    assert {"kid_subsets", "kid_subsets_std", "kid_stderr"} <= outside.keys() - shared
    for name in shared:
        assert outside[name] == pytest.approx(in_a_study[name], rel=1e-9, abs=1e-9), name


@pytest.mark.parametrize(
    ("generated", "options", "words"),
    [
        (
            np.zeros((3, 8, 8, 1)),
            {},
            "generated is an array float64 (3, 8, 8, 1), but allowed is uint8 (n, h, w, 1 or 3)",
        ),
        (np.zeros((3, 8, 8), np.uint8), {}, "generated is an array uint8 (3, 8, 8), but allowed"),
        ([[1, 2]], {}, "generated is a list, but allowed are a path and an array uint8"),
        ("gone", {}, "generated is gone, which does not exist"),
        (pictures(0), {"features": "digit"}, "features is 'digit' (did you mean 'digits'?), but allowed is one of"),
        (pictures(0), {"metrics": "fod"}, "metrics is fod, but allowed is one of: clipped_density"),
        (pictures(0), {"weights": "w.npz"}, "weights is w.npz, but features digits has weights of its own"),
        (pictures(0), {"held_out": "gone"}, "held_out is gone, which does not exist"),
        (pictures(0), {"subset_size": 1}, "subset_size is 1, but allowed is a whole number from 2"),
        (
            pictures(0),
            {"interval": True},
            "interval needs 40 images, but generated (an array uint8 (30, 8, 8, 1)) has 30",
        ),
    ],
)
def test_whatever_is_wrong_is_named_as_it_was_given(generated, options, words):
    with pytest.raises(ValueError, match=re.escape(words)):
        harness.score(generated, pictures(1), **{"features": "digits", **options})


def test_only_options_are_renamed_and_never_parts_of_paths():
    sentence = "--held-out is /x/--real/GENERATED, but GENERATED (a--features.npz) and REAL need --subset-size"
    assert in_parameters(sentence) == (
        "held_out is /x/--real/GENERATED, but generated (a--features.npz) and real need subset_size"
    )
