"""Clipped density and coverage: equal to the published formulas written out, calibrated, and deaf to outliers."""

import numpy as np
import pytest
from scipy.spatial.distance import cdist
from scipy.special import comb
from scipy.stats import betabinom

from harness.metrics import metric, neighbours
from harness.metrics.neighbours import Manifold
from harness.metrics.sample import Real, Sample
from harness.metrics.scores.clipped_density_coverage import PARTS, ClippedCoverage, ClippedDensity

K = 5


def written_out(real, fake):
    """The authors' two numbers by whole matrices of distances and sums over every outcome."""
    within, across = cdist(real, real), cdist(real, fake)
    order = np.argsort(within, axis=1, kind="stable")[:, 1 : K + 1]
    radius = np.take_along_axis(within, order, axis=1)[:, -1]
    small = np.clip(radius, 0, np.median(radius))
    of_fake = np.minimum((across <= small[:, None]).sum(axis=0) / K, 1).mean()
    kept = order[np.take_along_axis(within, order, axis=1) <= small[:, None]]
    of_real = np.minimum(np.bincount(kept, minlength=len(real)) / K, 1).mean()
    nearest = np.sort(across, axis=1)[:, :K]
    coverage = (nearest < radius[:, None]).mean()
    expected = np.array([expectation(len(real), m) if m >= K else 0.0 for m in range(len(fake) + 1)])
    return min(of_fake / of_real, 1.0), (expected < coverage).sum() / len(expected)


def expectation(n, m):
    """Mean of min(j, K) / K for j of m images in a ball whose mass is Beta(K, n - K), outcome by outcome."""
    outcomes = np.arange(m + 1)
    return float((np.minimum(outcomes, K) * betabinom.pmf(outcomes, m, K, n - K)).sum() / K)


def scores(real, fake):
    of_real = Sample(features=real)
    given = Real(sample=of_real, train=of_real, count=len(real), generated=len(fake))
    found = []
    for made in (ClippedDensity(), ClippedCoverage()):
        found.append(made.score(Sample(features=fake), made.prepare(given)))
    return tuple(found)


@pytest.mark.parametrize("block", [13, 1024])
@pytest.mark.parametrize(("shift", "spread"), [(0.0, 1.0), (0.4, 0.9), (1.0, 0.3), (0.0, 3.0), (50.0, 1.0)])
def test_equal_the_published_formulas_written_out(shift, spread, block, monkeypatch):
    monkeypatch.setattr(neighbours, "_BLOCK", block)
    rng = np.random.default_rng(0)
    real, fake = rng.normal(size=(90, 4)), rng.normal(shift, spread, size=(70, 4))
    assert scores(real, fake) == pytest.approx(written_out(real, fake), abs=1e-12)


def test_expected_coverage_is_that_of_real_images_whatever_their_distribution():
    n, m, draws = 40, 30, 400
    rng = np.random.default_rng(1)
    for distribution in (rng.normal, rng.exponential):
        found = []
        for _ in range(draws):
            real = Manifold.of(distribution(size=(n, 2)), K)
            found.append(neighbours.clipped_coverage(distribution(size=(m, 2)), real))
        expected = neighbours.expected_coverage(K, real=n, most=m)[-1]
        assert np.mean(found) == pytest.approx(expected, abs=4.5 * np.std(found) / np.sqrt(draws))


def test_expected_coverage_of_one_neighbour_has_a_closed_form():
    # k = 1: a ball stays empty with probability C(n - 1 + m - 1, m) / C(n + m - 1, m) = (n - 1) / (n - 1 + m).
    n, m = 12, 9
    empty = comb(n + m - 2, m, exact=True) / comb(n + m - 1, m, exact=True)
    assert empty == pytest.approx((n - 1) / (n - 1 + m))
    assert neighbours.expected_coverage(1, real=n, most=m)[-1] == pytest.approx(1 - empty)


def test_expected_coverage_rises_from_nothing_and_stays_exact_for_many_images():
    expected = neighbours.expected_coverage(K, real=1000, most=5000)
    assert len(expected) == 5001
    assert (expected[:K] == 0).all()
    assert (np.diff(expected) >= 0).all()
    for m in (K, 100, 5000):
        assert expected[m] == pytest.approx(expectation(1000, m), rel=1e-8)
    assert list(neighbours.expected_coverage(K, real=10, most=3)) == [0.0] * 4


@pytest.mark.parametrize("good", [0.3, 0.6, 0.9])
def test_both_read_as_the_share_of_good_images(good):
    rng = np.random.default_rng(2)
    readings = []
    for _ in range(12):
        real, fake = rng.normal(size=(500, 3)), rng.normal(size=(500, 3))
        fake[: round((1 - good) * 500)] += 1000.0
        readings.append(scores(real, fake))
    error = 4.5 * np.std(readings, axis=0, ddof=1) / np.sqrt(len(readings))
    assert np.abs(np.mean(readings, axis=0) - good)[0] < error[0] + 0.01
    assert np.abs(np.mean(readings, axis=0) - good)[1] < error[1] + K / 500


def test_outliers_among_real_images_do_not_make_bad_images_good():
    rng = np.random.default_rng(3)
    real, bad = rng.normal(size=(300, 3)), rng.uniform(-60, 60, size=(300, 3))
    outliers = np.concatenate([real[:-30], rng.uniform(-60, 60, size=(30, 3))])
    plain = [neighbours.density_coverage(bad, Manifold.of(each, K)).density for each in (real, outliers)]
    assert plain[1] > 0.3 > 10 * plain[0]
    assert max(scores(each, bad)[0] for each in (real, outliers)) < 0.05


def test_identical_sets_are_wholly_good():
    real = np.random.default_rng(4).normal(size=(60, 4))
    assert scores(real, real) == (1.0, 1.0)


def test_they_are_measured_where_a_study_names_them():
    names = [part.name for part in PARTS]
    assert names == ["clipped_density", "clipped_coverage"]
    assert set(names) <= set(metric.extras())
    assert not set(names) & metric.chosen().keys()
    assert set(names) <= metric.chosen(names).keys()
