"""Fréchet distance: closed forms to rounding, never complex, never below zero; SciPy's sqrtm as second opinion."""

import numpy as np
import pytest
import scipy.linalg
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.metrics.frechet import (
    Moments,
    frechet_distance,
    frechet_infinity,
    frechet_jackknife,
    frechet_to,
)


def orthogonal(rng, d):
    return np.linalg.qr(rng.normal(size=(d, d)))[0]


def with_covariance(mean, covariance, n=1000):
    return Moments(n, np.asarray(mean, float), np.asarray(covariance) * (n - 1))


def test_identical_sets_are_at_zero_full_rank_and_not():
    rng = np.random.default_rng(0)
    for n in (5, 40, 200):
        features = rng.normal(size=(n, 40)) * 10 ** rng.uniform(-3, 1, 40)
        assert abs(frechet_distance(Moments.of(features), Moments.of(features))) < 1e-9
        assert abs(frechet_to(features, Moments.of(features))) < 1e-9


def test_a_shift_is_its_squared_length_and_a_scale_its_closed_form():
    rng = np.random.default_rng(1)
    features = rng.normal(size=(300, 16))
    base = Moments.of(features)
    assert frechet_to(features + 2.0, base) == pytest.approx(16 * 4.0, rel=1e-12)
    scaled = 3.0 * (features - features.mean(0)) + features.mean(0)
    assert frechet_to(scaled, base) == pytest.approx(4.0 * np.trace(base.covariance), rel=1e-12)


def test_commuting_covariances():
    rng = np.random.default_rng(2)
    q, a, b = orthogonal(rng, 30), rng.uniform(0.1, 5, 30), rng.uniform(0.1, 5, 30)
    one, two = with_covariance(np.zeros(30), q * a @ q.T), with_covariance(np.ones(30), q * b @ q.T)
    assert frechet_distance(one, two) == pytest.approx(30 + ((np.sqrt(a) - np.sqrt(b)) ** 2).sum(), rel=1e-10)


def test_optimal_transport_pair_that_does_not_commute():
    rng = np.random.default_rng(3)
    root = rng.normal(size=(50, 50))
    transport = root @ root.T / 50 + np.eye(50)
    first = (lambda m: m @ m.T)(rng.normal(size=(50, 50)))
    second = transport @ first @ transport
    expected = np.trace(first) + np.trace(second) - 2 * np.trace(first @ transport)
    found = frechet_distance(with_covariance(np.zeros(50), first), with_covariance(np.zeros(50), second))
    assert found == pytest.approx(expected, rel=1e-10)


def test_a_single_point():
    rng = np.random.default_rng(4)
    cloud, point = Moments.of(rng.normal(size=(100, 8))), rng.normal(size=(1, 8))
    expected = ((point[0] - cloud.mean) ** 2).sum() + np.trace(cloud.covariance)
    assert frechet_to(point, cloud) == pytest.approx(expected, rel=1e-12)
    assert frechet_distance(Moments.of(point), cloud) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("n", [20, 64, 300])
def test_agrees_with_sqrtm_where_sqrtm_can_be_trusted_and_among_its_own_paths(n):
    rng = np.random.default_rng(n)
    mixing = rng.normal(size=(64, 64)) / 8
    real, generated = rng.normal(size=(500, 64)) @ mixing, rng.normal(0.3, 1.2, size=(n, 64)) @ mixing
    reference, moments = Moments.of(real), Moments.of(generated)
    direct, streamed = frechet_distance(moments, reference), frechet_to(generated, reference)
    assert streamed == pytest.approx(direct, rel=1e-9)
    assert frechet_distance(reference, moments) == pytest.approx(direct, rel=1e-9)
    if n > 64:
        root = scipy.linalg.sqrtm(moments.covariance @ reference.covariance)
        gap = moments.mean - reference.mean
        expected = gap @ gap + np.trace(moments.covariance + reference.covariance) - 2 * np.trace(root).real
        assert direct == pytest.approx(expected, rel=1e-8)


def test_a_collapsed_generator_is_not_flattered():
    rng = np.random.default_rng(5)
    real = Moments.of(rng.normal(size=(2000, 64)))
    collapsed = np.repeat(rng.normal(size=(1, 64)), 500, axis=0)
    expected = ((collapsed[0] - real.mean) ** 2).sum() + np.trace(real.covariance)
    assert frechet_to(collapsed, real) == pytest.approx(expected, rel=1e-12)


@settings(max_examples=40)
@given(st.lists(st.integers(1, 30), min_size=1, max_size=6), st.integers(0, 2**32 - 1))
def test_moments_merge_exactly_whatever_the_batches(sizes, seed):
    rng = np.random.default_rng(seed)
    features = rng.normal(100.0, 1.0, size=(sum(sizes), 5))
    parts = np.split(features, np.cumsum(sizes)[:-1])
    merged = Moments.over(parts)
    assert merged.n == len(features)
    np.testing.assert_allclose(merged.mean, features.mean(0), rtol=1e-13)
    if len(features) > 1:
        np.testing.assert_allclose(merged.covariance, np.cov(features, rowvar=False), atol=1e-11)


def test_infinity_takes_out_the_bias_and_refuses_too_few():
    rng = np.random.default_rng(6)
    d = 32
    population = with_covariance(np.zeros(d), np.eye(d), n=10**9)
    features = rng.normal(size=(1600, d))
    found = frechet_infinity(features, population, rng=rng)
    assert frechet_to(features, population) > 0.15
    assert abs(found.value) < 0.1
    assert found.stderr > 0
    with pytest.raises(ValueError, match="at least 4 x 32 = 128 features, but there are 100"):
        frechet_infinity(features[:100], population, rng=rng)


def test_jackknife_error_is_the_spread_of_repeated_samples():
    rng = np.random.default_rng(7)
    reference = Moments.of(rng.normal(size=(5000, 6)))
    draw = lambda: rng.normal(0.5, 1.3, size=(400, 6))  # noqa: E731
    values = [frechet_to(draw(), reference) for _ in range(200)]
    errors = [frechet_jackknife(draw(), reference).stderr for _ in range(30)]
    assert np.mean(errors) == pytest.approx(np.std(values), rel=0.25)


def test_the_effective_rank_counts_equal_directions_and_is_blind_to_scale_and_turn():
    rng = np.random.default_rng(8)
    turn = orthogonal(rng, 7)
    for rank in (1, 3, 7):
        covariance = turn @ np.diag([4.0] * rank + [0.0] * (7 - rank)) @ turn.T
        assert with_covariance(np.zeros(7), covariance).effective_rank == pytest.approx(rank, rel=1e-6)
    # shares 1/2, 1/4, 1/4: an entropy of 3/2 bits
    assert with_covariance(np.zeros(3), np.diag([2.0, 1.0, 1.0])).effective_rank == pytest.approx(2**1.5)


def test_the_bias_of_perfect_images_has_its_closed_form_and_is_what_samples_show():
    # of d equal eigenvalues v: d v for the mean, v (d(d - 1)/4 + d/2) for the covariance
    assert with_covariance(np.zeros(6), 3.0 * np.eye(6)).bias == pytest.approx(3.0 * (6 + 6 * 5 / 4 + 6 / 2))
    assert with_covariance(np.zeros(2), np.diag([2.0, 0.0])).bias == pytest.approx(2.0 + 2.0 / 2)
    rng = np.random.default_rng(9)
    scales = np.linspace(0.2, 2.0, 12)
    real = with_covariance(np.zeros(12), np.diag(scales**2), n=10**9)
    values = [frechet_to(rng.normal(size=(400, 12)) * scales, real) for _ in range(200)]
    error = np.std(values) / np.sqrt(200)
    assert abs(np.mean(values) - real.bias / 400) < 4 * error + 0.01 * real.bias / 400  # the law is of second order
    pairs = [frechet_distance(*(Moments.of(rng.normal(size=(n, 12)) * scales) for n in (400, 600))) for _ in range(200)]
    expected = real.bias * (1 / 400 + 1 / 600)
    assert abs(np.mean(pairs) - expected) < 4 * np.std(pairs) / np.sqrt(200) + 0.02 * expected


@pytest.mark.parametrize(
    ("features", "words"),
    [
        (np.zeros((0, 3)), "no rows"),
        (np.zeros(3), "1 dimensions"),
        (np.array([[1.0, np.nan]]), "1 values that are not finite"),
    ],
)
def test_bad_features_are_named(features, words):
    with pytest.raises(ValueError, match=words):
        Moments.of(features)


def test_sets_of_different_dimensions_are_refused():
    with pytest.raises(ValueError, match="3 and 4 dimensions"):
        frechet_distance(Moments.of(np.zeros((2, 3))), Moments.of(np.zeros((2, 4))))
