"""Packed traces come back exactly: rates as trained, losses with their digits."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.results import trace
from tests.report.example import pair

NUMBERS = st.floats(width=32, allow_nan=False, allow_infinity=False)


@given(st.lists(st.tuples(st.integers(0, 2**32 - 1), NUMBERS, NUMBERS, NUMBERS, NUMBERS), max_size=20))
def test_what_is_packed_comes_back_and_rates_are_those_of_training(rows):
    points = [trace.point(step, rates=pair(a, b), losses=pair(c, d)) for step, a, b, c, d in rows]
    assert trace.unpack(trace.pack(points)) == points
    for (_, a, b, c, _), point in zip(rows, points, strict=True):
        assert [np.float32(rate) for rate in point.rates.values()] == [a, b]
        assert point.losses["generator"] == pytest.approx(c, rel=1e-5, abs=1e-44)


def test_two_hundred_points_take_five_kilobytes():
    points = [trace.point(step, rates=pair(1e-3, 1e-3), losses=pair(0.7, 1.3)) for step in range(200)]
    assert len(trace.pack(points)) < 5500
    assert trace.pack([]) == ""


@given(st.lists(st.tuples(st.integers(0, 2**32 - 1), NUMBERS, NUMBERS, NUMBERS), min_size=1, max_size=20))
def test_networks_and_losses_of_any_model_come_back_by_name(rows):
    points = [
        trace.point(step, rates={"velocity": rate}, losses={"velocity": a, "other": b}) for step, rate, a, b in rows
    ]
    assert trace.unpack(trace.pack(points)) == points
    assert trace.columns(points) == ("rate_velocity", "loss_velocity", "loss_other")


def test_a_trace_of_the_first_release_is_read():
    text = "AQAAAG8SgzpvEoM6AABAPwAAwD8="  # step 1, rates 0.001, losses 0.75 and 1.5, without names
    expected = trace.point(1, rates=pair(1e-3, 1e-3), losses=pair(0.75, 1.5))
    assert trace.unpack(text) == [expected]
    assert trace.pack([expected]) == text


@pytest.mark.parametrize("text", ["no base64!", "AAAA", "speed:AAAA"])
def test_other_text_is_refused(text):
    with pytest.raises(ValueError, match=r".+"):
        trace.unpack(text)
