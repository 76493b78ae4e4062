"""Numbers as people read them: digits follow the uncertainty, signs are true, names stay in their place."""

import math

import pytest

from harness.report import numbers


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.000012345, "1.23e-05"),
        (float("nan"), "–"),
        (None, "–"),
        (math.inf, "∞"),
        (-math.inf, "−∞"),
        (-2.5, "−2.5"),
        (8, "8"),
        (-3, "−3"),
        (1234.5678, "1235"),
        (1e12, "1.00e+12"),
        ("a name", "a name"),
        (0.5, "0.5"),
    ],
)
def test_a_number_has_three_or_four_digits(value, text):
    assert numbers.number(value) == text


@pytest.mark.parametrize(
    ("spread", "texts"),
    [
        (0.26, ["−0.83", "+1.09"]),  # the spread's second digit is the hundredth
        (0.026, ["−0.829", "+1.091"]),
        (2.6, ["−0.8", "+1.1"]),
        (math.nan, ["−0.829", "+1.09"]),  # nothing known: three significant digits
        (0.0, ["−0.829", "+1.09"]),
        (1e-16, ["−0.829", "+1.09"]),  # no more than rounding error
    ],
)
def test_digits_follow_the_spread(spread, texts):
    assert numbers.aligned([-0.829, 1.0911], spread=spread, sign=True) == texts


def test_extreme_values_keep_their_digits():
    assert numbers.aligned([4.15e12, 4.98e12], spread=0.26e12) == ["4.15e+12", "4.98e+12"]
    assert numbers.aligned([4.15e-12, -4.98e-12], spread=0.26e-12) == ["4.15e-12", "−4.98e-12"]


def test_nothing_is_cut_to_a_signed_zero():
    """'+0.0' says neither how much nor which way: one digit is kept, or nothing is said of the sign."""
    assert numbers.aligned([-0.004, 0.004, 0.0001, 0.0], spread=0.3, sign=True) == ["−0.004", "+0.004", "0", "0"]
    assert numbers.interval(-0.296, 0.004, sign=True) == "−0.30 to +0.004"
    assert numbers.estimate(0.0, 0.0, 0.0, spread=0.1) == "0"
    assert numbers.percent(0.0004, sign=True) == "+0.04 %"
    assert numbers.percent(-0.126, sign=True) == "−13 %"
    assert numbers.percent(0.0) == "0 %"


@pytest.mark.parametrize(
    ("value", "text"),
    [(1.0, "1.00"), (0.026, "0.0260"), (1500.0, "1500"), (400.0, "400"), (-2.5, "−2.50"), (0.0, "0"), (math.nan, "–")],
)
def test_a_measured_number_keeps_its_zeros(value, text):
    assert numbers.measured(value) == text


def test_one_of_a_thing_is_no_plural():
    assert [numbers.count(n, "trial") for n in (0, 1, 2, 1200)] == ["0 trials", "1 trial", "2 trials", "1,200 trials"]


def test_intervals_and_estimates_share_their_digits():
    assert numbers.interval(-1.0912, -0.5678) == "−1.09 to −0.57"
    assert numbers.interval(math.nan, math.nan) == "–"
    assert numbers.estimate(-0.829, -1.0912, -0.5678) == "−0.83 (−1.09 to −0.57)"
    assert numbers.estimate(-0.829, math.nan, math.nan) == "−0.829"
    assert numbers.percent(0.875) == "88 %"


def test_a_name_that_runs_from_right_to_left_is_isolated_and_no_other():
    assert numbers.name("linear") == "linear"
    assert numbers.name("指数") == "指数"
    assert numbers.name("تناقص") == "\u2068تناقص\u2069"
    assert numbers.name("a\u202eb") == "\u2068a\u202eb\u2069"
