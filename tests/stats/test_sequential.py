"""Sequential verdicts: exactness by enumeration, the closed test against brute force, agreement with the fixed test."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import optimize
from scipy import stats as scipy_stats

from harness.stats import judge, paired, sequential


def of_differences(*differences, looks, alpha=0.05, rope=0.0):
    """Judgements of schedules s0, s1, … whose differences to a baseline of 0 are given."""
    values = {"base": np.zeros(max(map(len, differences)))}
    values |= {f"s{place}": np.asarray(each, dtype=float) for place, each in enumerate(differences)}
    return list(judge(values, baseline="base", looks=looks, alpha=alpha, rope=rope).values())


MAGNITUDES = {
    "distinct": [0.3, 1.1, 2.4, 0.9, 1.7, 0.2, 3.1, 1.3, 0.8, 2.2],
    "tied": [1.0, 1.0, 2.0, 1.0, 2.0, 2.0, 1.0, 1.0, 1.0, 2.0],
    "with zeros": [0.0, 1.0, 1.0, 0.5, 0.0, 2.0, 3.0, 1.0, 1.0, 0.5],
    "diverged": [np.inf, 1.0, 0.4, np.inf, 2.0, 0.3, 0.7, 1.0, np.inf, 0.9],
    "thousandths": [0.1, 0.2, 0.3, 0.1, 0.2, 0.3, 0.6, 0.7, 0.8, 0.9],
}


@pytest.mark.parametrize("magnitudes", MAGNITUDES.values(), ids=MAGNITUDES)
@pytest.mark.parametrize("looks", [(10,), (4, 6, 10), (6, 10), (3, 4, 5, 6, 7, 8, 9, 10)])
def test_of_all_sign_patterns_at_most_alpha_is_ever_called_better_or_worse(magnitudes, looks):
    # The test is two-sided: the patterns whose first sign is + are half of all, and the others claim as much.
    patterns = np.array([(1.0, *others) for others in itertools.product((1.0, -1.0), repeat=looks[-1] - 1)])
    size, levels = np.array(magnitudes), (0.01, 0.05, 0.2, 0.45)
    claimed = dict.fromkeys(levels, 0)
    for values in np.where(size == 0, 0.0, patterns * np.where(size == 0, 1.0, size)):
        test = sequential._Test(looks[-1])
        for n in looks:
            test.add(paired.magnitudes(values[:n]))
        for alpha in levels:
            claimed[alpha] += test.crossing(alpha) is not None
    for alpha, count in claimed.items():
        assert count / len(patterns) <= alpha
        assert count > 0 or alpha < 0.2


def test_the_share_rejected_over_all_looks_is_nearly_all_of_alpha_where_nothing_ties():
    size = np.array(MAGNITUDES["distinct"])
    claimed = 0
    for signs in itertools.product((1.0, -1.0), repeat=10):
        claimed += of_differences(signs * size, looks=(6, 8, 10), alpha=0.1)[0].verdict in ("better", "worse")
    assert 0.08 <= claimed / 2**10 <= 0.1


@settings(max_examples=40, deadline=None)
@given(st.lists(st.integers(-9, 9), min_size=6, max_size=24))
def test_one_look_is_the_fixed_test(whole):
    values = np.array(whole) / 10
    [found] = of_differences(values, looks=(len(values),))
    assert found.p == pytest.approx(paired.sign_flip_p(values), abs=1e-9)
    expected = "undecided" if found.p > 0.05 else "better" if values.sum() < 0 else "worse"
    assert (found.verdict, found.look, found.n, found.done) == (expected, 1, len(values), True)


def test_one_look_is_scipys_permutation_test():
    values = np.random.default_rng(4).normal(0.5, 1.0, 11)
    expected = scipy_stats.permutation_test((values,), np.sum, permutation_type="samples", n_resamples=np.inf)
    assert of_differences(values, looks=(11,))[0].p == pytest.approx(expected.pvalue, abs=1e-12)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 2**32 - 1))
def test_one_look_at_several_schedules_is_holm_over_the_fixed_tests(seed):
    differences = np.random.default_rng(seed).normal(0.8, 1.0, (4, 10)).round(1)
    found = of_differences(*differences, looks=(10,))
    expected = paired.holm([paired.sign_flip_p(values) for values in differences])
    np.testing.assert_allclose([one.p_holm for one in found], expected, atol=1e-9)
    assert [one.verdict in ("better", "worse") for one in found] == [p <= 0.05 for p in expected]


@settings(max_examples=60, deadline=None)
@given(
    st.integers(0, 2**32 - 1),
    st.integers(1, 5),
    st.sampled_from([(10,), (6, 8, 10), (5, 7, 8, 9, 10)]),
    st.sampled_from([0.05, 0.2]),
    st.integers(0, 2),
)
def test_a_difference_is_claimed_where_its_p_after_holm_is_at_most_alpha(seed, comparisons, looks, alpha, digits):
    # Few digits make ties.
    differences = np.random.default_rng(seed).normal(0.8, 1.0, (comparisons, looks[-1])).round(digits)
    for one in of_differences(*differences, looks=looks, alpha=alpha):
        assert (one.verdict in ("better", "worse")) == (one.p_holm <= alpha)


@settings(max_examples=200)
@given(st.integers(1, 5).flatmap(lambda m: st.lists(st.sets(st.integers(0, m - 1)), min_size=m, max_size=m)))
def test_the_closed_test_is_the_one_by_all_subsets(crossed):
    labels = range(len(crossed))
    for label in labels:
        subsets = (subset for size in labels for subset in itertools.combinations(labels, size + 1) if label in subset)
        expected = all(crossed[len(subset) - 1] & set(subset) for subset in subsets)
        assert sequential._rejected(label, crossed, len(crossed)) == expected


def test_patterns_of_early_pairs_stay_when_the_plan_grows():
    np.testing.assert_array_equal(paired.signs(20), paired.signs(33)[:, :20])
    assert (paired.signs(20)[0] == 1).all()
    assert len(np.unique(paired.signs(9), axis=0)) == 2**9


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 2**32 - 1), st.sampled_from([1e-6, 3.0, 1e9]))
def test_units_and_order_of_schedules_change_nothing_and_turned_signs_turn_the_verdict(seed, scale):
    differences = np.random.default_rng(seed).normal(1.0, 1.0, (3, 12))
    looks = (6, 9, 12)
    base = of_differences(*differences, looks=looks, rope=0.5)
    scaled = of_differences(*differences * scale, looks=looks, rope=0.5 * scale)
    other_order = of_differences(*differences[::-1], looks=looks, rope=0.5)[::-1]
    negated = of_differences(*-differences, looks=looks, rope=0.5)
    turned = {"better": "worse", "worse": "better"}
    assert [one.verdict for one in scaled] == [one.verdict for one in other_order] == [one.verdict for one in base]
    assert [one.verdict for one in negated] == [turned.get(one.verdict, one.verdict) for one in base]
    for other in (scaled, other_order, negated):
        assert [one.look for one in other] == [one.look for one in base]
        np.testing.assert_allclose([one.p_holm for one in other], [one.p_holm for one in base])


def test_a_verdict_once_reached_is_kept_whatever_comes_after():
    rng = np.random.default_rng(8)
    early = rng.normal(-3.0, 1.0, 10)
    [short] = of_differences(early, looks=(10, 13, 16))
    [grown] = of_differences(np.concatenate([early, rng.normal(9.0, 1.0, 6)]), looks=(10, 13, 16))
    assert short == grown
    assert (short.verdict, short.look, short.n, short.done) == ("better", 1, 10, True)


def test_a_look_needs_the_replicates_of_schedule_and_baseline():
    values = {"base": np.zeros(13), "a": np.arange(13) - 20.0, "b": np.arange(9) - 20.0}
    found = judge(values, baseline="base", looks=(10, 13), alpha=0.05, rope=0.0)
    assert (found["a"].look, found["a"].verdict) == (1, "better")
    assert (found["b"].look, found["b"].n, found["b"].done) == (0, 0, False)
    assert all(math.isnan(number) for number in (found["b"].p, found["b"].p_holm, found["b"].low, found["b"].high))
    waits = judge(values, baseline="base", looks=(10, 13), alpha=0.05, rope=0.0, ended={"base": 9, "a": 13, "b": 9})
    assert waits["a"].look == 0


def test_the_level_of_a_decided_schedule_passes_on():
    # Two of 2**6 patterns are as far out: p = 1/32 for each alone, over alpha / 2 but under alpha.
    alone = np.array([1.0, 1.1, 1.2, 1.3, 1.4, 1.5, 0.0])
    sure = np.array([2.0, 2.1, 2.2, 2.3, 2.4, 2.5, 2.6])
    first, second = of_differences(alone, sure, looks=(7,))
    assert (first.p, first.p_holm, first.verdict) == (pytest.approx(1 / 32), pytest.approx(1 / 32), "worse")
    assert second.verdict == "worse"
    both = of_differences(alone, alone, looks=(7,))
    assert [one.verdict for one in both] == ["undecided", "undecided"]


def test_missing_replicates_leave_their_comparison_only_and_the_plan_stays():
    rng = np.random.default_rng(5)
    values = rng.normal(1.2, 1.0, (2, 12))
    gap = values.copy()
    gap[0, [1, 4]] = np.nan
    whole, with_gap = (of_differences(*each, looks=(8, 12)) for each in (values, gap))
    assert (with_gap[1].p, with_gap[1].look) == (whole[1].p, whole[1].look)
    left = np.delete(values[0], [1, 4])
    [one] = of_differences(gap[0], looks=(12,))
    assert one.p == pytest.approx(paired.sign_flip_p(left))


def test_diverged_replicates_rank_worst_and_exclude_equivalence():
    base = np.zeros(8)
    lost = np.full(8, np.inf)
    found = judge({"base": base, "lost": lost}, baseline="base", looks=(8,), alpha=0.05, rope=5.0)["lost"]
    assert (found.verdict, found.p) == ("worse", 2 / 2**8)
    both = judge({"base": lost, "lost": lost}, baseline="base", looks=(8,), alpha=0.05, rope=5.0)["lost"]
    assert (both.verdict, both.p, both.done) == ("undecided", 1.0, True)


@pytest.mark.parametrize("looks", [(10,), (6, 8, 10)])
def test_of_all_patterns_about_the_edge_at_most_alpha_is_called_equivalent(looks):
    size = np.array(MAGNITUDES["distinct"])
    claimed = sum(
        of_differences(1.5 + signs * size / 4, looks=looks, rope=1.5)[0].verdict == "equivalent"
        for signs in itertools.product((1.0, -1.0), repeat=10)
    )
    assert 0 < claimed / 2**10 <= 0.05


def test_a_schedule_like_the_baseline_is_equivalent_early():
    wobble = 0.1 * np.random.default_rng(3).normal(size=12)
    [found] = of_differences(wobble, looks=(8, 12), rope=1.0)
    assert (found.verdict, found.look, found.done) == ("equivalent", 1, True)


def test_so_few_replicates_that_nothing_could_be_said_are_descriptive_only():
    [found] = of_differences(np.ones(4), looks=(4,))
    assert (found.verdict, found.done) == ("descriptive only", True)


def test_what_is_not_allowed_is_said():
    values = {"base": [1.0], "a": [2.0]}
    with pytest.raises(ValueError, match="baseline is 'c', but values are of: base, a"):
        judge(values, baseline="c", looks=(1,), alpha=0.05, rope=0.0)
    with pytest.raises(ValueError, match=r"looks are \[3, 3\], but allowed are rising numbers"):
        judge(values, baseline="base", looks=(3, 3), alpha=0.05, rope=0.0)
    with pytest.raises(ValueError, match=r"alpha is 0\.7"):
        judge(values, baseline="base", looks=(3,), alpha=0.7, rope=0.0)


def gaussian_boundaries(times, spending):
    """Boundaries of |z| at information `times` for two-sided `spending(time)`, by Armitage's recursive integration."""
    points, mass, last, found = np.zeros(1), np.ones(1), 0.0, []
    for time in times:
        width, wanted = math.sqrt(time - last), (spending(time) - (spending(last) if last else 0.0)) / 2

        def too_much(boundary, points=points, mass=mass, width=width, wanted=wanted):
            return mass @ scipy_stats.norm.sf((boundary - points) / width) - wanted

        boundary = optimize.brentq(too_much, 0.0, 9.0)
        inside = np.linspace(-boundary, boundary, 1001)
        density = scipy_stats.norm.pdf(inside[:, None] - points[None, :], 0, width) @ mass
        step = np.full(1001, inside[1] - inside[0])
        step[[0, -1]] /= 2  # trapezoids
        points, mass, last = inside, density * step, time
        found.append(boundary / math.sqrt(time))
    return found


TIMES = (0.2, 0.4, 0.6, 0.8, 1.0)


def test_the_integration_gives_the_published_boundaries_of_lan_and_demets():
    quantile = scipy_stats.norm.isf(0.0125)
    found = gaussian_boundaries(TIMES, lambda time: 4 * scipy_stats.norm.sf(quantile / math.sqrt(time)))
    # O'Brien-Fleming type, two-sided 0.05, five equal looks: Reboussin et al. (2000), table of `ld98`.
    assert found == pytest.approx([4.8769, 3.3569, 2.6803, 2.2898, 2.0310], abs=0.0005)


@pytest.mark.parametrize("look", [1, 2, 3, 4])
def test_many_pairs_have_the_gaussian_boundaries_of_the_same_spending(look):
    looks = tuple(int(200 * time) for time in TIMES)
    boundary = gaussian_boundaries(TIMES, lambda time: 0.05 * time**3)[look]
    size = np.random.default_rng(1).uniform(0.8, 1.2, 200)
    for factor, expected in ((0.94, None), (1.06, look)):
        # The sum is about 0 up to the look before, and `factor` times the boundary at this one.
        signs = np.tile([1.0, -1.0], 100)
        until = looks[look]
        for place in range(looks[look - 1] + 1, until, 2):
            if (signs * size)[:until].sum() >= factor * boundary * math.sqrt((size[:until] ** 2).sum()) - 1:
                break
            signs[place] = 1.0
        test = sequential._Test(200)
        for n in looks[: look + 1]:
            test.add((signs * size)[:n])
        assert test.crossing(0.05) == expected
