"""Packed traces come back exactly: rates as trained, losses with their digits."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.results import trace

NUMBERS = st.floats(width=32, allow_nan=False, allow_infinity=False)


@given(st.lists(st.tuples(st.integers(0, 2**32 - 1), NUMBERS, NUMBERS, NUMBERS, NUMBERS), max_size=20))
def test_what_is_packed_comes_back_and_rates_are_those_of_training(rows):
    points = [trace.point(step, rates=(a, b), losses=(c, d)) for step, a, b, c, d in rows]
    assert trace.unpack(trace.pack(points)) == points
    for (_, a, b, c, _), point in zip(rows, points, strict=True):
        assert (np.float32(point.rate_generator), np.float32(point.rate_discriminator)) == (a, b)
        assert point.loss_generator == pytest.approx(c, rel=1e-5, abs=1e-44)


def test_two_hundred_points_take_five_kilobytes():
    points = [trace.point(step, rates=(1e-3, 1e-3), losses=(0.7, 1.3)) for step in range(200)]
    assert len(trace.pack(points)) < 5500
    assert trace.pack([]) == ""


@pytest.mark.parametrize("text", ["no base64!", "AAAA"])
def test_other_text_is_refused(text):
    with pytest.raises(ValueError, match=r".+"):
        trace.unpack(text)
