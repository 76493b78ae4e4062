"""Kernel distance: the reference's loop written out, the plain double sum, and sampling truths."""

import numpy as np
import pytest

from harness.metrics.kernel import Reference, distance_to, error_to, full_distance, kernel_distance


def k(x, y):
    return (x @ y.T / x.shape[1] + 1.0) ** 3


def unbiased(x, y):
    n, m = len(x), len(y)
    a, b = k(x, x), k(y, y)
    return (a.sum() - np.trace(a)) / (n * (n - 1)) + (b.sum() - np.trace(b)) / (m * (m - 1)) - 2 * k(x, y).mean()


def subset_loop(x, y, subsets, size, seed):
    """torch-fidelity's loop (kid_features_to_metric), in float64."""
    rng = np.random.RandomState(seed)
    out = []
    for _ in range(subsets):
        one = x[rng.choice(len(x), size, replace=False)]
        two = y[rng.choice(len(y), size, replace=False)]
        out.append(unbiased(one, two))
    return np.mean(out), np.std(out)


def data(n, m, d=24, shift=0.2, seed=0):
    rng = np.random.default_rng(seed)
    return rng.normal(size=(n, d)), rng.normal(shift, 1.1, size=(m, d))


def test_subset_numbers_are_the_references():
    x, y = data(300, 250)
    found = kernel_distance(x, y, subsets=20, subset_size=100, seed=2020)
    assert (found.mean, found.std) == pytest.approx(subset_loop(x, y, 20, 100, 2020), rel=1e-11)


@pytest.mark.parametrize("dimensions", [3, 24])  # few: through sums of powers; many: through Gram matrices
def test_full_is_the_double_sum_however_it_is_cut(dimensions, monkeypatch):
    from harness.metrics import kernel

    x, y = data(120, 90, dimensions)
    for rows, strip, tile in ((7, 14, 7), (64, 64, 64), (4096, 4096, 4096)):
        monkeypatch.setattr(kernel, "_ROWS", rows)
        monkeypatch.setattr(kernel, "_STRIP", strip)
        monkeypatch.setattr(kernel, "_TILE", tile)
        assert full_distance(x, y)[0] == pytest.approx(unbiased(x, y), rel=1e-11)
        assert distance_to(y, Reference.of(x)) == pytest.approx(unbiased(x, y), rel=1e-11)


def test_the_distance_to_a_near_set_keeps_its_digits():
    rng = np.random.default_rng(5)
    x, y = (3.0 + rng.normal(size=(400, 8)) for _ in range(2))
    assert distance_to(y, Reference.of(x)) == pytest.approx(unbiased(x, y), abs=1e-9 * k(x, y).mean())


def test_the_estimate_is_unbiased_and_its_error_is_its_spread():
    values, errors = [], []
    for seed in range(150):
        x, y = data(60, 60, shift=0.0, seed=seed)
        x, y = x[:, :6], y[:, :6] / 1.1
        value, error = full_distance(x, y)
        values.append(value)
        errors.append(error)
    assert abs(np.mean(values)) < 3 * np.std(values) / np.sqrt(150)
    assert np.sqrt(np.mean(np.square(errors))) == pytest.approx(np.std(values), rel=0.5)
    shifted = [full_distance(*data(60, 60, d=6, shift=0.5, seed=seed)) for seed in range(150)]
    assert np.mean([error for _, error in shifted]) == pytest.approx(np.std([value for value, _ in shifted]), rel=0.2)


@pytest.mark.parametrize("dimensions", [3, 24])  # few: through sums of powers; many: through Gram matrices
def test_the_error_for_want_of_generated_images_is_the_jackknife_written_out(dimensions):
    x, y = data(50, 40, dimensions)
    left_out = [distance_to(np.delete(y, row, axis=0), Reference.of(x)) for row in range(len(y))]
    assert error_to(y, Reference.of(x)) == pytest.approx(np.sqrt(39 * np.var(left_out)), rel=1e-8)


def test_the_error_for_want_of_generated_images_is_the_spread_at_one_reference():
    x, _ = data(300, 2, d=6)
    values, errors = [], []
    for seed in range(300):
        _, y = data(2, 100, d=6, seed=seed)
        values.append(distance_to(y, Reference.of(x)))
        errors.append(error_to(y, Reference.of(x)))
    # a standard deviation of 300 values is known to some 5 %, of heavier tails than normal
    assert np.mean(errors) == pytest.approx(np.std(values), rel=0.25)
    assert np.mean(errors) < np.mean([full_distance(x, data(2, 100, d=6, seed=seed)[1])[1] for seed in range(20)])
    assert error_to(y[:2], Reference.of(x)) == np.inf


def test_symmetry():
    x, y = data(50, 70)
    assert full_distance(x, y) == pytest.approx(full_distance(y, x), rel=1e-11)


@pytest.mark.parametrize(
    ("n", "size", "words"),
    [(20, 1000, "subset_size is 1000, but there are only 20 real"), (20, 1, "at least 2")],
)
def test_too_few_features_are_refused_with_the_numbers(n, size, words):
    x, y = data(n, 30)
    with pytest.raises(ValueError, match=words):
        kernel_distance(x, y, subset_size=size)
    with pytest.raises(ValueError, match="each set needs at least 2"):
        full_distance(x[:1], y)
