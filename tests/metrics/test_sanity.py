"""Sanity of scores: what a score cannot see is called unseen, what it can see never is, whatever the images' order."""

from types import SimpleNamespace

import numpy as np
import pytest
from threadpoolctl import threadpool_limits

from harness import data
from harness.metrics import features, sanity
from harness.metrics.frechet import Moments, frechet_between, frechet_distance

DIGITS = SimpleNamespace(name="digits", data_dir=None, size=None, channels=None, fit="pad", held_out=0.2, limit=None)


@pytest.fixture(autouse=True)
def one_thread():
    """As in a worker: threads that wait for one another on a busy machine cost more than these small matrices."""
    with threadpool_limits(1):
        yield


class Summary:
    """Features by hand: per channel the mean, and per channel the mean size of slopes, of every quarter of an image."""

    name, sha256 = "by hand", "0" * 64

    def __init__(self, *, colour=True, slopes=True):
        self._colour, self._slopes = colour, slopes
        self.dimensions = 4 * (3 if colour else 1) * (2 if slopes else 1)

    def __call__(self, images):
        values = images.astype(np.float32) / 255
        if not self._colour:
            values = values.mean(axis=-1, keepdims=True)
        half = values.shape[1] // 2
        found = []
        for part in (
            values[:, :half, :half],
            values[:, :half, half:],
            values[:, half:, :half],
            values[:, half:, half:],
        ):
            found.append(part.mean(axis=(1, 2)))
            if self._slopes:
                found.append(np.abs(np.diff(part, axis=1)).mean(axis=(1, 2)))
        return np.concatenate(found, axis=1)


def pictures(rng, n=600, size=8):
    """Colour pictures (n, size, size, 3) of two classes: reddish with fine grain, or bluish with coarse grain."""
    labels = rng.integers(0, 2, n)
    fine = rng.random((n, size, size, 1))
    coarse = rng.random((n, size // 2, size // 2, 1)).repeat(2, axis=1).repeat(2, axis=2)
    grain = np.where(labels[:, None, None, None] == 0, fine, coarse)
    tint = np.where(labels[:, None] == 0, [1.0, 0.5, 0.2], [0.3, 0.5, 0.9]) * rng.uniform(0.6, 1.0, (n, 1))
    return (255 * np.clip(tint[:, None, None] * (0.5 + 0.5 * grain), 0, 1)).astype(np.uint8), labels


def blind(extractor, images, **words):
    return set(sanity.unseen(sanity.measure(extractor, images, **words)))


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("metric", ["fid", "kid"])
def test_a_score_that_averages_channels_is_blind_to_their_order_and_one_that_does_not_is_not(metric, seed):
    images, labels = pictures(np.random.default_rng(seed))
    seeing, averaging = (
        blind(Summary(colour=colour), images, metric=metric, labels=labels) for colour in (True, False)
    )
    assert seeing <= {"blur 0.5 px"}  # the slightest of all damages
    assert "channels swapped" in averaging


@pytest.mark.parametrize("seed", range(4))
def test_a_score_of_means_alone_is_blind_to_blur_and_noise(seed):
    images, labels = pictures(np.random.default_rng(seed))
    found = blind(Summary(slopes=False), images, labels=labels)
    assert "blur 0.5 px" in found
    assert "channels swapped" not in found


@pytest.mark.parametrize(("metric", "seed"), [("fid", 0), ("fid", 1), ("fid", 2), ("kid", 0)])
def test_the_digits_features_are_blind_to_nothing_on_digits(metric, seed):
    digits = data.load(DIGITS)
    images = np.concatenate([digits.train, digits.held_out])
    labels = np.concatenate([digits.train_labels, digits.held_out_labels])
    order = np.random.default_rng(seed).permutation(len(images))
    found = sanity.measure(features.load("digits"), images[order], metric=metric, labels=labels[order])
    assert sanity.unseen(found) == []
    assert [each.damage for each in found] == [
        "blur 0.5 px",
        "blur 1.5 px",
        "noise 10 %",
        "pixels shuffled",
        "a tenth, ten times each",
        "half the classes missing",
    ]
    blur = {each.damage: each.value for each in found}
    assert blur["blur 0.5 px"] < blur["blur 1.5 px"]


def test_features_of_clothes_are_blind_to_the_colours_of_pictures():
    images, labels = pictures(np.random.default_rng(0), n=300, size=32)
    assert "channels swapped" in blind(features.load("fashion_mnist"), images, labels=labels)


def test_damages_that_images_cannot_have_are_left_out_and_few_images_are_not_judged():
    rng = np.random.default_rng(0)
    images, _ = pictures(rng)
    grey = images[..., :1].repeat(3, axis=-1)
    names = {each.damage for each in sanity.measure(Summary(), grey, labels=np.zeros(len(grey), np.int64))}
    assert names.isdisjoint({"grey", "channels swapped", "half the classes missing"})
    assert "the darker half missing" in names
    assert sanity.measure(Summary(), images[: sanity.FEWEST - 1]) == []
    with pytest.raises(ValueError, match="metric is 'is', but allowed is one of: fid, kid"):
        sanity.measure(Summary(), images, metric="is")


def test_as_many_images_are_scored_as_the_protocol_has_so_that_few_see_less():
    images, labels = pictures(np.random.default_rng(0))
    many, few = (sanity.measure(Summary(), images, labels=labels, count=count) for count in (None, 12))
    assert {each.images for each in many if "missing" not in each.damage} == {300}
    assert {each.images for each in few if "missing" not in each.damage} == {12}
    assert set(sanity.unseen(many)) < set(sanity.unseen(few))
    again = sanity.measure(Summary(), images, labels=labels)
    assert again == many


def test_rare_classes_and_the_smallest_counts_are_no_trouble():
    images, _ = pictures(np.random.default_rng(0), n=200)
    rare = np.ones(len(images), np.int64)
    rare[:2] = 0
    for metric in ("fid", "kid"):
        found = sanity.measure(Summary(), images, metric=metric, labels=rare, count=2)
        assert all(np.isfinite([each.value, each.floor, each.spread]).all() for each in found)
        assert "half the classes missing" not in {each.damage for each in found}


def test_grey_pictures_before_coloured_ones_in_a_sorted_folder_do_not_hide_the_colours():
    images, _ = pictures(np.random.default_rng(0))
    mixed = np.concatenate([images[:250, ..., :1].repeat(3, axis=-1), images[250:]])
    assert "channels swapped" in {each.damage for each in sanity.measure(Summary(), mixed)}


def test_a_pool_is_a_fixed_sample_of_all_parts_and_says_which_images_it_holds():
    parts = [np.arange(start, stop, dtype=np.uint8).reshape(-1, 1, 1, 1) for start, stop in ((0, 90), (90, 130))]
    chosen, places = sanity.pool(parts, dimensions=64)
    assert chosen.ravel().tolist() == places.tolist() == list(range(130))
    large = np.zeros((1500, 1, 1, 1), np.uint8), np.ones((1500, 1, 1, 1), np.uint8)
    chosen, places = sanity.pool(large, dimensions=64)
    assert len(chosen) == sanity.IMAGES
    assert (chosen.ravel() == (places >= 1500)).all()
    assert len(sanity.pool(large, dimensions=2048)[0]) == sanity.IMAGES_SLOW


@pytest.mark.parametrize(("n", "m", "d"), [(7, 5, 20), (30, 40, 8), (12, 12, 12)])
def test_the_distance_through_rows_is_the_distance_through_covariances(n, m, d):
    rng = np.random.default_rng(n)
    one, two = rng.standard_normal((n, d)), 2 + rng.standard_normal((m, d))
    expected = frechet_distance(Moments.of(one), Moments.of(two))
    assert frechet_between(one, two) == pytest.approx(expected, rel=1e-9)
    assert frechet_between(one, one) == pytest.approx(0, abs=1e-9)
