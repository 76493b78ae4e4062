"""Rules: the gap-aware one by its published code's arithmetic, the three-sample test by sums over distinct points, halving by hand."""

import itertools
import math

import numpy as np
import pytest

from harness import schedules
from harness.schedules import Run, ScheduleError, Seen, shape
from harness.schedules.three_sample import Sums, difference, p_value

RUN = Run(steps=10_000, ideal=math.log(4), images=64)


def seen(*losses, generated=None, real=None):
    return Seen(1, {"discriminator": np.array(losses, np.float32)}, lambda: generated, lambda: real)


def published_gap_factor(loss, ideal, x_min, x_max, h_min, f_max):
    """`lr_scheduler` of adversarial_nets_lr_scheduler/demo.ipynb, written again."""
    x = abs(loss - ideal)
    rising = min(max(f_max ** (x / x_max), 1.0), f_max)
    falling = min(max(h_min ** (x / x_min), h_min), 1.0)
    return rising if loss > ideal else falling


def test_the_gap_aware_factor_is_that_of_the_published_code_step_by_step():
    rule, ideal = shape("gap_aware"), math.log(4)
    state, average = rule.begin(RUN), ideal
    losses = np.random.default_rng(0).normal(ideal, 0.5, 400).astype(np.float32)
    factors = []
    for loss in losses:
        state, factor = rule.decide(state, seen(loss))
        average = 0.95 * average + 0.05 * float(loss)
        width = 0.1 * ideal
        assert factor == pytest.approx(published_gap_factor(average, ideal, width, width, 0.1, 2.0), rel=1e-12)
        factors.append(factor)
    assert min(factors) < 0.3 < 1.5 < max(factors)


def test_the_gap_aware_rule_sees_every_loss_between_its_decisions():
    often, seldom = shape("gap_aware"), shape("gap_aware", every=3)
    losses = [1.0, 2.0, 1.5]
    state = often.begin(RUN)
    for loss in losses:
        state, factor = often.decide(state, seen(loss))
    assert seldom.decide(seldom.begin(RUN), seen(*losses))[1] == factor
    assert shape("gap_aware").decide(often.begin(RUN), seen(RUN.ideal + 1e9))[1] == 2.0
    assert shape("gap_aware").decide(often.begin(RUN), seen(0.0, 0.0, 0.0, 0.0, 0.0))[1] == pytest.approx(0.1)


@pytest.mark.parametrize(
    ("ideal", "fields", "words"),
    [(None, {}, "no ideal loss"), (0.0, {}, "is 0, of which"), (None, {"ideal": 0.7}, None), (2.0, {}, None)],
)
def test_the_gap_aware_rule_needs_an_ideal_loss_above_0(ideal, fields, words):
    refused = shape("gap_aware", **fields).refuses(Run(100, ideal))
    assert refused is None if words is None else words in refused


def drawn(rng, count, mean, scale=1.0):
    return (rng.normal(size=(count, 2)) * scale + mean).astype(np.float32)


def kernel(x, y):
    return (float(x @ y) / len(x) + 1.0) ** 3


def test_the_variance_of_the_test_is_the_one_by_sums_over_distinct_points():
    """Every expectation of the variance as a mean over all places with distinct indices: O(m³) terms, no sums by row."""
    rng = np.random.default_rng(1)
    m = 6
    x, y, z = (drawn(rng, m, mean).astype(np.float64) for mean in (0.0, 0.3, 0.8))
    pairs, triples = list(itertools.permutations(range(m), 2)), list(itertools.permutations(range(m), 3))
    across = list(itertools.product(range(m), repeat=2))

    def mean(values):
        return float(np.mean(list(values)))

    def parts(s):
        own = mean(kernel(s[i], s[j]) for i, j in pairs)
        cross = mean(kernel(x[i], s[j]) for i, j in across)
        within = mean(kernel(s[i], s[j]) * kernel(s[i], s[k]) for i, j, k in triples) - own**2
        by_x = mean(kernel(x[i], s[j]) * kernel(x[i], s[k]) for i in range(m) for j, k in pairs) - cross**2
        by_s = mean(kernel(x[j], s[i]) * kernel(x[k], s[i]) for i in range(m) for j, k in pairs) - cross**2
        mixed = mean(kernel(s[i], s[j]) * kernel(x[k], s[i]) for i, j in pairs for k in range(m)) - own * cross
        squares = mean(kernel(s[i], s[j]) ** 2 for i, j in pairs) - own**2
        squares += 2 * (mean(kernel(x[i], s[j]) ** 2 for i, j in across) - cross**2) - 4 * mixed
        return own, cross, within + by_x + by_s - 2 * mixed, squares

    of_y, of_z = parts(y), parts(z)
    shared = mean(kernel(x[i], y[j]) * kernel(x[i], z[k]) for i in range(m) for j, k in across) - of_y[1] * of_z[1]
    expected = 4 * (m - 2) / (m * (m - 1)) * (of_y[2] + of_z[2] - 2 * shared)
    expected += 2 / (m * (m - 1)) * (of_y[3] + of_z[3] - 4 * shared)
    found, variance = difference(Sums.of(y, x), Sums.of(z, x))
    assert found == pytest.approx(of_y[0] - 2 * of_y[1] - of_z[0] + 2 * of_z[1], rel=1e-10)
    assert variance == pytest.approx(expected, rel=1e-9)


def test_the_test_rejects_as_often_as_its_level_where_both_samples_are_as_near_and_always_where_one_is_far_nearer():
    rng, count, tries = np.random.default_rng(2), 100, 1500
    found = []
    for _ in range(tries):
        x, y, z = drawn(rng, count, 0.0), drawn(rng, count, 0.5), drawn(rng, count, 0.5)
        found.append((*difference(Sums.of(y, x), Sums.of(z, x)), p_value(Sums.of(y, x), Sums.of(z, x))))
    distances, variances, p_values = np.array(found).T
    assert abs(distances.mean()) < 4.5 * distances.std() / math.sqrt(tries)
    # The standard error of a variance over its size is sqrt(2 / tries) of normal values; theirs have heavier tails.
    assert variances.mean() == pytest.approx(distances.var(), rel=4.5 * math.sqrt(4 / tries))
    for level in (0.1, 0.5):
        assert abs((p_values <= level).mean() - level) < 4.5 * math.sqrt(level * (1 - level) / tries) + 0.01
    x, near, far = drawn(rng, count, 0.0), drawn(rng, count, 0.1), drawn(rng, count, 2.0)
    assert p_value(Sums.of(near, x), Sums.of(far, x)) < 1e-3
    assert p_value(Sums.of(far, x), Sums.of(near, x)) > 1 - 1e-3
    assert p_value(Sums.of(near, x), Sums.of(near, x)) == 0.5


def test_the_rate_is_halved_after_three_failures_in_a_row_and_not_below_its_floor():
    rng = np.random.default_rng(3)
    real = drawn(rng, 200, 0.0)
    near, far = drawn(rng, 200, 0.1), drawn(rng, 200, 1.5)
    rule = shape("kid_halving", back=2, patience=3, floor=0.3)
    state = rule.begin(RUN)

    def follow(*samples):
        nonlocal state
        factors = []
        for sample in samples:
            state, factor = rule.decide(state, seen(generated=sample, real=real))
            factors.append(factor)
        return factors

    assert follow(far, far) == [1.0, 1.0]  # nothing to compare with
    assert follow(far, far, near, far, far, far) == [
        1.0,
        1.0,
        1.0,
        1.0,
        1.0,
        0.5,
    ]  # a gain between begins the count anew
    assert len(state["sums"]) == 3  # the last ones are kept
    assert follow(far, far, far) == [0.5, 0.5, 0.3]
    assert follow(near, near, near) == [0.3, 0.3, 0.3]


def test_after_a_failure_the_same_images_are_compared_with_again():
    rng = np.random.default_rng(4)
    real, first, second = (drawn(rng, 100, mean) for mean in (0.0, 1.0, 0.2))
    rule = shape("kid_halving", back=2)
    state = rule.begin(RUN)
    for sample in (first, second, drawn(rng, 100, 2.0)):
        state, _ = rule.decide(state, seen(generated=sample, real=real))
    assert int(state["failures"]) == 1
    np.testing.assert_array_equal(state["sums"][0], [*vars_of(Sums.of(first, real))])
    assert len(state["sums"]) == 2


def vars_of(sums):
    return sums.own, sums.with_reference, sums.of_reference


def test_a_run_that_is_over_before_the_rate_could_fall_is_refused():
    rule = shape("kid_halving", every=100)
    assert "first after every × (back + patience) = 1,300 steps, but train.steps is 1,300" in rule.refuses(
        Run(1300, images=9)
    )
    assert rule.refuses(Run(1301, images=9)) is None
    assert "needs 3 images, and evaluate.generated is 2" in rule.refuses(Run(9999, images=2))


@pytest.mark.parametrize("kind", ["gap_aware", "kid_halving"])
def test_a_rule_is_a_schedule_whose_table_is_the_peak(kind):
    assert schedules.is_rule(kind)
    assert schedules.of(kind, {"peak": 0.5}).rates(3).tolist() == [0.5] * 3
    assert not schedules.is_rule("linear")
    assert not schedules.is_rule("mine.py:unread")


def test_features_of_other_numbers_are_refused():
    with pytest.raises(ValueError, match=r"\(3, 2\) and \(4, 2\)"):
        Sums.of(np.zeros((3, 2)), np.zeros((4, 2)))
    with pytest.raises(ScheduleError, match=r"gap_aware.highest is 0.5"):
        shape("gap_aware", highest=0.5)


def test_what_lowers_the_rate_is_a_decay_and_what_may_raise_it_is_none():
    assert [kind for kind in schedules.all_shapes() if not schedules.is_decay(kind)] == ["constant", "gap_aware"]
    assert schedules.is_decay("mine.py:unread")
    assert schedules.is_decay("nobody_knows")
