"""What changes within a run: each network's rate by its own or the arm's shape, and beta2, average and penalties by courses."""

import numpy as np
import pytest

from harness import arms, schedules
from harness.arms import Arm, Course
from harness.models import training
from harness.schedules import Schedule

PAIR = ("generator", "discriminator")
VALUES = {"peak": 0.5, "warmup": 0.25, "floor": 0.1, "discriminator.floor": 0.5, "discriminator.drops": 2.0}


def test_the_names_of_what_changes_are_those_that_models_know():
    assert arms.CONTROLS == training.CONTROLS


def test_a_network_with_a_shape_of_its_own_follows_that_and_the_others_the_arms():
    made = Arm("linear", networks={"discriminator": "cosine"}).rates(
        VALUES, 40, networks=PAIR, ratios={"discriminator": 2.0}
    )
    linear = Schedule(schedules.Linear(floor=0.1), peak=0.5, warmup=0.25).rates(40)
    cosine = Schedule(schedules.Cosine(floor=0.5), peak=0.5, warmup=0.25).rates(40)
    np.testing.assert_array_equal(made["generator"], linear)
    np.testing.assert_array_equal(made["discriminator"], 2 * cosine)


def test_the_scope_is_of_the_networks_that_have_no_shape_of_their_own():
    arm = Arm("linear", applies_to="encoder", networks={"decoder": "constant"})
    made = arm.rates({"peak": 1.0}, 4, networks=("encoder", "decoder", "prior"), ratios={})
    assert made["encoder"].tolist() == [1.0, 0.75, 0.5, 0.25]
    assert made["decoder"].tolist() == made["prior"].tolist() == [1.0] * 4


def test_whole_numbers_of_a_networks_shape_are_known_by_its_name():
    arm = Arm("step", networks={"discriminator": "step"})
    assert arm.whole == {"drops", "discriminator.drops"}
    own = arms.of_network("discriminator", VALUES)
    assert schedules.of("step", own).shape == schedules.Step(drops=2)


def test_a_course_goes_along_with_what_the_schedule_has_left_of_its_peak():
    schedule = Schedule(schedules.Linear(floor=0.5), peak=1e-3, warmup=0.5)
    values = Course(0.9, 0.99).values(schedule, 8)
    left = np.array([1, 1, 1, 1, 1, 7 / 8, 6 / 8, 5 / 8])  # the warm-up counts as the peak
    assert values.dtype == np.float32
    np.testing.assert_allclose(values, 0.99 + (0.9 - 0.99) * left, rtol=1e-6)
    constant = Course(0.9, 0.99).values(Schedule(schedules.Constant(), peak=1.0), 8)
    np.testing.assert_array_equal(constant, np.full(8, np.float32(0.9)))


def r3gan(images, base, final, total):
    """Its `cosine_decay_with_warmup` (brownvc/R3GAN, training/training_loop.py), without warm-up and hold."""
    decay = 0.5 * (1 + np.cos(np.pi * images / total))
    return np.where(images > total, final, base + (1 - decay) * (final - base))


def test_courses_of_a_shape_of_their_own_are_those_of_r3gan_whatever_the_schedule():
    # CIFAR-10: batch 512, decay over 2e7 images, half-life of the average 0 to 5e6 images; here 1000 times shorter.
    batch, decay, life, steps = 512, 2e4, 5e3, 100
    images = np.arange(steps) * batch
    until = decay / (steps * batch)
    falling = Schedule(schedules.Exponential(), peak=1.0, warmup=0.5)
    beta2 = Course(0.9, 0.99, "cosine", until).values(falling, steps)
    np.testing.assert_allclose(beta2, r3gan(images, 0.9, 0.99, decay), rtol=1e-6)
    end = 0.5 ** (batch / life)
    averaged = Course(0.0, end, "cosine", until).decays(falling, steps)
    theirs = 0.5 ** (batch / np.maximum(r3gan(images, 0.0, life, decay), 1e-8))
    np.testing.assert_allclose(averaged, theirs, atol=1e-6)
    assert averaged[0] == 0.0
    assert averaged[-1] == pytest.approx(end)
    # And its rate, 2e-4 to 5e-5, is the shape `cosine` with a floor.
    rates = Schedule(schedules.Cosine(floor=0.25, until=until), peak=2e-4).rates(steps)
    np.testing.assert_allclose(rates, r3gan(images, 2e-4, 5e-5, decay), rtol=1e-6)


def test_equal_decays_stay_and_half_lives_change_evenly():
    linear = Schedule(schedules.Linear(), peak=1.0)
    np.testing.assert_allclose(Course(0.99, 0.99).decays(linear, 5), 0.99, rtol=1e-6)
    lives = [arms.half_life(float(each)) for each in Course(0.5, 0.9375**0.5).decays(linear, 4)]
    assert np.diff(lives) == pytest.approx(np.diff(lives)[0], rel=1e-4)
