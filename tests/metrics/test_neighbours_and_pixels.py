"""Neighbour metrics against naive formulas; noise and detail on images whose noise and blur are known."""

import numpy as np
import pytest
from scipy import ndimage
from scipy.spatial.distance import cdist

from harness.metrics import neighbours, spectrum
from harness.metrics.inception_score import inception_score
from harness.metrics.neighbours import Manifold


@pytest.mark.parametrize("block", [13, 1024])
def test_equal_the_published_formulas_written_out(block, monkeypatch):
    monkeypatch.setattr(neighbours, "_BLOCK", block)
    rng = np.random.default_rng(0)
    real, fake = rng.normal(size=(80, 5)), rng.normal(0.4, 0.9, size=(60, 5))
    within, across = cdist(real, real), cdist(real, fake)
    radius3 = np.sort(within, axis=1)[:, 3]
    radius5 = np.sort(within, axis=1)[:, 5]
    fake_radius3 = np.sort(cdist(fake, fake), axis=1)[:, 3]
    assert neighbours.share_inside(fake, Manifold.of(real, 3)) == (across <= radius3[:, None]).any(axis=0).mean()
    assert neighbours.share_inside(real, Manifold.of(fake, 3)) == (across <= fake_radius3[None]).any(axis=1).mean()
    found = neighbours.density_coverage(fake, Manifold.of(real, 5))
    assert found.density == pytest.approx((across < radius5[:, None]).sum(axis=0).mean() / 5)
    assert found.coverage == (across.min(axis=1) < radius5).mean()


def test_copies_are_memorised_and_fresh_images_are_not():
    rng = np.random.default_rng(1)
    train = Manifold.of(rng.normal(size=(400, 8)), 1)
    assert neighbours.memorised(train.features[:50] + 1e-6, train) == 1.0
    assert neighbours.memorised(rng.normal(size=(400, 8)), train) < 0.05


def test_identical_sets_and_too_few():
    same = np.random.default_rng(2).normal(size=(30, 4))
    manifold = Manifold.of(same, 3)
    assert neighbours.share_inside(same, manifold) == 1.0
    with pytest.raises(ValueError, match="3-th neighbour needs more than 3 features, but there are 3"):
        Manifold.of(same[:3], 3)


def smooth(n=40, size=48, channels=1):
    ramp = np.linspace(60, 180, size)
    image = ramp[:, None] * 0.5 + ramp[None, :] * 0.5
    return np.repeat(image[None, :, :, None], n, axis=0).repeat(channels, axis=-1)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("sigma", [2.0, 5.0, 12.0])
def test_known_noise_is_measured(sigma, channels):
    rng = np.random.default_rng(3)
    noise = rng.normal(0, sigma, (40, 48, 48, 1))
    noisy = np.clip(np.round(smooth(channels=channels) + noise), 0, 255).astype(np.uint8)
    assert spectrum.noise_level(noisy) == pytest.approx(np.hypot(sigma, 1 / np.sqrt(12)), rel=0.05)


def test_blur_takes_detail_and_noise_adds_it():
    rng = np.random.default_rng(4)
    images = ndimage.gaussian_filter(rng.normal(128, 200, (20, 32, 32, 1)), (0, 1, 1, 0)).clip(0, 255).astype(np.uint8)
    shares = []
    for sigma in (0.0, 0.5, 1.0, 2.0):
        blurred = ndimage.gaussian_filter(images.astype(float), (0, sigma, sigma, 0))
        shares.append(spectrum.high_frequency_share(np.round(blurred).astype(np.uint8)))
    assert shares == sorted(shares, reverse=True)
    assert shares[0] > 3 * shares[2]
    noisy = np.clip(images + rng.normal(0, 20, images.shape), 0, 255).astype(np.uint8)
    assert spectrum.high_frequency_share(noisy) > shares[0]


def test_a_wave_has_its_power_at_its_frequency():
    x = np.arange(64)
    wave = np.round(127.5 + 100 * np.cos(2 * np.pi * 9 * x / 64)).astype(np.uint8)
    images = np.repeat(wave[None, None, :, None], 64, axis=1)
    assert spectrum.radial_spectrum(images).argmax() == 9


def test_constant_images_have_no_noise_and_no_detail():
    flat = np.full((3, 8, 8, 1), 7, np.uint8)
    assert spectrum.noise_level(flat) == 0.0
    assert spectrum.high_frequency_share(flat) == 0.0


@pytest.mark.parametrize(
    "images",
    [
        np.zeros((2, 8, 8, 1)),
        np.zeros((2, 8, 8, 2), np.uint8),
        np.zeros((8, 8, 1), np.uint8),
        np.zeros((0, 8, 8, 1), np.uint8),
    ],
)
def test_anything_but_bytes_of_images_is_refused(images):
    with pytest.raises(ValueError, match="images are"):
        spectrum.noise_level(images)


def test_inception_score_of_certain_and_of_equal_predictions():
    certain = np.full((100, 10), -50.0)
    certain[np.arange(100), np.arange(100) % 10] = 50.0
    assert inception_score(certain, splits=10, seed=None) == pytest.approx((10.0, 0.0), abs=1e-9)
    assert inception_score(np.zeros((100, 10)), splits=10) == pytest.approx((1.0, 0.0), abs=1e-12)
    with pytest.raises(ValueError, match="splits is 10, but there are only 3"):
        inception_score(np.zeros((3, 10)))
