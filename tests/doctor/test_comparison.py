"""Differences by hand, and bounds that say what lies outside."""

from dataclasses import replace

import numpy as np
import pytest

from harness.doctor import comparison
from harness.doctor.comparison import BOUNDS, Bounds, Trained


def trained(losses=(0.7, 0.5), weights=(3.0, 4.0), gradients=(0.0, 2.0)):
    return Trained(
        {"generator": losses},
        {"generator": np.array(weights, np.float32)},
        {"generator": np.array(gradients, np.float32)},
    )


def test_a_run_is_no_way_from_itself():
    found = comparison.differences(trained(), trained())
    assert (found.losses, found.weights, found.gradients) == (0.0, 0.0, 0.0)
    assert all(comparison.beyond(found, bounds) == [] for bounds in BOUNDS.values())


def test_differences_are_relative_to_the_reference_s_length_and_losses_to_one_where_they_are_smaller():
    found = comparison.differences(trained((0.8, 0.5), (3.0, 4.5), (0.2, 2.0)), trained())
    assert found.losses == pytest.approx(0.1)  # not 0.1 / 0.7
    assert found.weights == pytest.approx(0.5 / 5.0)
    assert found.gradients == pytest.approx(0.2 / 2.0)
    large = comparison.differences(trained(losses=(202.0,)), trained(losses=(200.0,)))
    assert large.losses == pytest.approx(0.01)


@pytest.mark.parametrize(
    "wrong",
    [
        trained(losses=(0.7, float("nan"))),
        trained(losses=(0.7,)),
        trained(weights=(3.0, float("inf"))),
        trained(weights=(3.0,)),
        replace(trained(), gradients={}),
    ],
)
def test_what_is_missing_or_not_finite_is_infinitely_far(wrong):
    found = comparison.differences(wrong, trained())
    assert max(found.losses, found.weights, found.gradients) == float("inf")
    assert len(comparison.beyond(found, BOUNDS["mixed_bfloat16"])) == 1


def test_what_lies_beyond_its_bound_is_named_with_both_numbers():
    found = comparison.differences(trained((0.8, 0.5)), trained())
    assert comparison.beyond(found, Bounds(0.2, 0.1, 0.1)) == []
    assert comparison.beyond(found, Bounds(0.01, 0.1, 0.1)) == ["losses differ by 1.0e-01, bound 1e-02"]


def test_bounds_widen_with_fewer_bits():
    gradients = [BOUNDS[way].gradients for way in ("float32", "TF32", "mixed_float16", "mixed_bfloat16")]
    assert gradients == sorted(gradients)


def test_bits_are_compared_and_not_values():
    ours, theirs = {"a": np.array([0.0]), "b": np.array([1])}, {"a": np.array([-0.0]), "b": np.array([1])}
    assert comparison.moved(ours, theirs) == ("a",)
    assert comparison.moved(ours, {"a": np.array([0.0])}) == ("b",)
    assert comparison.moved(ours, ours) == ()
