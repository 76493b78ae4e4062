"""Power and expected replicates of a plan of looks: against the exact t test, the sequential test itself, and symmetries."""

import math

import numpy as np
import pytest
from scipy import optimize
from scipy import stats as scipy_stats

from harness.stats import judge
from harness.stats.power import deciding, detectable, expected_replicates


@pytest.mark.parametrize(("n", "comparisons", "alpha"), [(10, 1, 0.05), (20, 2, 0.05), (40, 5, 0.01)])
def test_one_look_has_the_power_of_the_t_test(n, comparisons, alpha):
    level = alpha / comparisons
    critical = scipy_stats.t.isf(level / 2, n - 1)

    def power(effect):
        return scipy_stats.nct.sf(critical, n - 1, effect * math.sqrt(n))

    expected = optimize.brentq(lambda effect: power(effect) - 0.8, 0.01, 5.0)
    found = detectable((n,), comparisons, alpha)
    assert power(found) == pytest.approx(0.8, abs=0.02)
    assert found == pytest.approx(expected, rel=0.03)


def test_power_and_replicates_are_those_of_the_sequential_test():
    looks, alpha, studies = (8, 10, 12), 0.2, 800
    effect = detectable(looks, 1, alpha)
    drawn = np.random.default_rng(2).normal(effect, 1.0, (studies, looks[-1]))
    judged = [
        judge({"base": np.zeros(looks[-1]), "a": values}, baseline="base", looks=looks, alpha=alpha, rope=0.0)["a"]
        for values in drawn
    ]
    # 4 standard errors of 800 studies, and 2 points for taking the t test in place of the sign-flip test.
    assert np.mean([one.verdict == "worse" for one in judged]) == pytest.approx(0.8, abs=0.02 + 4 * 0.0142)
    spread = np.std([one.n for one in judged]) / math.sqrt(studies)
    expected = expected_replicates(looks, 1, alpha, effect)
    assert np.mean([one.n for one in judged]) == pytest.approx(expected, abs=0.2 + 4 * spread)


def test_more_looks_or_comparisons_find_less_and_more_replicates_find_more():
    assert detectable((20,), 1, 0.05) < detectable((8, 12, 16, 20), 1, 0.05) < detectable((8, 12, 16, 20), 3, 0.05)
    assert detectable((10, 20, 40), 2, 0.05) < detectable((10, 20), 2, 0.05)
    assert detectable((10, 20, 40), 2, 0.05) < detectable((10, 20, 40), 2, 0.05, power=0.9)


def test_larger_effects_end_earlier_and_equivalence_ends_studies_without_one():
    looks = (10, 20, 40)
    means = [expected_replicates(looks, 2, 0.05, effect) for effect in (0.0, 0.5, 1.0, 3.0)]
    assert means == sorted(means, reverse=True)
    assert 39.5 < means[0] <= 40
    assert means[-1] == pytest.approx(20, abs=0.1)
    assert expected_replicates(looks, 2, 0.05, 0.0, rope=1.5) < 25
    assert expected_replicates(looks, 2, 0.05, -0.7) == pytest.approx(
        expected_replicates(looks, 2, 0.05, 0.7), rel=0.02
    )


def test_too_few_replicates_decide_nothing():
    assert deciding((4, 5), 1, 0.05) == ()
    assert math.isinf(detectable((4, 5), 1, 0.05))
    assert expected_replicates((4, 5), 1, 0.05, 3.0) == 5.0
    assert deciding((6, 10, 20), 1, 0.05) == (10, 20)
