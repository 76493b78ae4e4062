"""Checks before anything is written: what a worker demands as it is set up is demanded here, all faults at once."""

import numpy as np
import pytest
from PIL import Image

from harness import data
from harness import spec as specs
from harness.driver import preflight
from harness.metrics.evaluation import Evaluator
from harness.spec.models import NetworkSpec, default_of
from tests.metrics.test_sanity import Summary

STUDY = """
name = "mine"
[data]
{data}
[train]
steps = 10
{train}
[evaluate]
features = "{features}"
generated = 12
points = 1
{evaluate}
[space]
peak = 1e-3
[schedules.constant]
[schedules.linear]
[search]
trials = 0
"""
DIGITS = 'name = "digits"'


def study(*, data=DIGITS, train="", features="digits", evaluate=""):
    return specs.parse(STUDY.format(data=data, train=train, features=features, evaluate=evaluate), source="mine.toml")


def faults(spec, **words):
    try:
        preflight.check(spec, source="mine.toml", **words)
    except preflight.CheckError as error:
        return str(error).splitlines()
    return []


@pytest.fixture
def pictures(tmp_path):
    """A function that writes so many pictures of 8x8 and gives their folder."""

    def write(count):
        folder = tmp_path / "pictures"
        folder.mkdir()
        rng = np.random.default_rng(0)
        for place in range(count):
            Image.fromarray(rng.integers(0, 256, (8, 8), np.uint8)).save(folder / f"{place:03}.png")
        return folder

    return write


def of_folder(folder, *, held_out=0.2):
    return study(data=f'name = "folder"\ndata_dir = "{folder}"\nsize = 8\nchannels = 1\nheld_out = {held_out}')


def test_too_few_pictures_are_named_with_how_many_are_needed(pictures):
    (fault,) = faults(of_folder(pictures(19)))
    assert fault.endswith("holds 19 images, but at least 20 are needed: 10 to train on and 10 held out")


@pytest.mark.parametrize("held_out", [0.01, 0.24, 0.26, 0.5, 0.74, 0.76, 0.9])
def test_a_split_passes_the_check_just_when_an_evaluator_takes_its_parts(pictures, held_out):
    spec = of_folder(pictures(40), held_out=held_out)
    found = data.load(spec.data)
    assert data.sizes(spec.data) == (len(found.train), len(found.held_out))

    def evaluator():
        return Evaluator(
            Summary(),
            train=found.train,
            held_out=found.held_out,
            reference="train",
            generated=12,
            cache=None,
            fingerprint="",
        )

    if faults(spec):
        with pytest.raises(ValueError, match="scores need at least 10"):
            evaluator()
        assert "but either part needs 10: allowed is 0.25 to 0.75" in faults(spec)[0]
    else:
        evaluator()


def test_sizes_of_digits_are_known_without_reading_them():
    for held_out, limit in ((0.2, None), (0.3, 500)):
        spec = study(data=f"{DIGITS}\nheld_out = {held_out}" + (f"\nlimit = {limit}" if limit else ""))
        found = data.load(spec.data)
        assert data.sizes(spec.data) == (len(found.train), len(found.held_out))
    assert (
        "leaves 1793 of 1797 images for training and 4 held out" in faults(study(data=f"{DIGITS}\nheld_out = 0.002"))[0]
    )


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("absent.pth", None, "absent.pth, which cannot be read (No such file or directory)"),
        ("weights.h5", b"x", "weights.h5, but allowed endings are .pth, .pt, .npz and .pb"),
        ("weights.pth", b"no weights", "weights.pth: cannot be read as weights (BadZipFile); the file is damaged"),
        ("absent.pb", None, "absent.pb, which cannot be read"),
    ],
)
def test_a_weights_file_that_cannot_be_used_is_named(tmp_path, name, content, words):
    if content is not None:
        (tmp_path / name).write_bytes(content)
    (fault,) = faults(study(features="inception", evaluate=f'weights = "{tmp_path / name}"'))
    assert words in fault


def test_weights_that_other_features_do_not_read_are_no_fault(tmp_path):
    assert faults(study(evaluate=f'weights = "{tmp_path / "absent.pth"}"')) == []


def test_the_results_may_not_lie_among_the_pictures(pictures):
    folder = pictures(40)
    spec = of_folder(folder, held_out=0.5)
    assert "whose sample grids would be taken for images" in faults(spec, output=folder / "results" / "mine")[0]
    assert faults(spec, output=folder.parent / "results") == []


def test_all_faults_are_named_at_once(tmp_path):
    spec = study(
        data=f"{DIGITS}\nheld_out = 0.001",
        train="threads = 256",
        features="inception",
        evaluate=f'weights = "{tmp_path / "absent.npz"}"',
    ).model_copy(update={"network": default_of(NetworkSpec, "article")})
    found = faults(spec)
    assert [fault.split(": ", 1)[1].split(" is ")[0] for fault in found] == [
        "network.name",
        "data.held_out",
        "evaluate.weights",
        "train.threads",
    ]
