"""Schedules equal their closed forms at every step, start at the peak, end at the floor, and refuse bad parameters."""

import math
from fractions import Fraction

import keras
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness import schedules
from harness.schedules import SHAPES, Schedule, ScheduleError, piecewise, shape

T, PEAK = 97, 2e-4
RISING = ("restarts", "onecycle")

# A shape with fields, and its formula written again for progress p, in plain arithmetic.
EXAMPLES = {
    "constant": ({}, lambda p: 1.0),
    "linear": (
        {"hold": 0.25, "floor": 0.1, "until": 0.75},
        lambda p: 1.0 if p <= 0.25 else 1 - 0.9 * min((p - 0.25) / 0.5, 1.0),
    ),
    "exponential": ({"final": 0.05}, lambda p: 0.05**p),
    "cosine": (
        {"floor": 0.2, "until": 0.8},
        lambda p: 0.2 + 0.8 * (1 + math.cos(math.pi * min(p / 0.8, 1.0))) / 2,
    ),
    "polynomial": ({"power": 3.0}, lambda p: (1 - p) ** 3),
    "step": ({"drops": 3, "factor": 0.5}, lambda p: 0.5 ** min(math.floor(4 * p + 1e-9), 3)),
    "inverse_sqrt": ({"final": 0.2}, lambda p: 1 / math.sqrt(1 + 24 * p)),
    "wsd": ({"decay": 0.5}, lambda p: 1.0 if p <= 0.5 else 1 - (p - 0.5) / 0.5),
    "wsd_sqrt": ({"decay": 0.5, "floor": 0.1}, lambda p: 1.0 if p <= 0.5 else 0.1 + 0.9 * (1 - math.sqrt(2 * p - 1))),
    "rex": ({}, lambda p: (1 - p) / (1 - p + p / 2)),
    "restarts": (
        {"cycles": 2, "lengthen": 3.0, "lower": 0.5, "floor": 0.1},
        lambda p: (
            0.1 + 0.9 * (1 + math.cos(4 * math.pi * p)) / 2
            if p < 0.25
            else 0.1 + 0.45 * (1 + math.cos(math.pi * (p - 0.25) / 0.75)) / 2
        ),
    ),
    "onecycle": (
        {"rise": 0.25, "start": 0.2, "final": 0.01},
        lambda p: (
            0.2 + 0.8 * (1 - math.cos(4 * math.pi * p)) / 2
            if p < 0.25
            else 0.01 + 0.99 * (1 + math.cos(math.pi * (p - 0.25) / 0.75)) / 2
        ),
    ),
    "uba": (
        {"phi": 0.5, "floor": 0.1},
        lambda p: 0.1 + 0.9 * 2 * (1 + math.cos(math.pi * p)) / (2 * 0.5 + 1.5 * (1 + math.cos(math.pi * p))),
    ),
}


def test_every_shape_has_an_example():
    assert EXAMPLES.keys() == SHAPES.keys()


@pytest.mark.parametrize("kind", SHAPES)
def test_rates_are_the_closed_form_at_every_step(kind):
    fields, formula = EXAMPLES[kind]
    rates = Schedule(shape(kind, **fields), PEAK).rates(T)
    assert rates.dtype == np.float32
    expected = np.array([PEAK * formula(step / T) for step in range(T)], np.float64)
    np.testing.assert_allclose(rates, expected, rtol=2e-7, atol=1e-12)


@pytest.mark.parametrize("kind", SHAPES)
def test_a_table_lies_within_the_peak_reaches_it_and_ends_at_its_floor_and_all_but_two_are_decays(kind):
    fields, formula = EXAMPLES[kind]
    made = shape(kind, **fields)
    values = made(np.linspace(0.0, 1.0, 1001))
    assert values.max() == pytest.approx(1.0)
    assert values.min() >= 0.0
    assert values[-1] == pytest.approx(formula(1.0), abs=1e-12)
    assert (kind in RISING) == bool((np.diff(values) > 1e-12).any())
    assert kind in RISING or values[0] == 1.0


@pytest.mark.parametrize(("cycles", "lengthen", "lower"), [(3, 1.0, 1.0), (3, 2.0, 0.5), (4, 1.5, 0.8)])
def test_restarts_are_those_of_keras(cycles, lengthen, lower):
    first, floor = 48, 0.1
    steps = round(first * sum(lengthen**cycle for cycle in range(cycles)))
    rates = Schedule(shape("restarts", cycles=cycles, lengthen=lengthen, lower=lower, floor=floor), 1.0).rates(steps)
    peer = keras.optimizers.schedules.CosineDecayRestarts(1.0, first, t_mul=lengthen, m_mul=lower, alpha=floor)
    ends = np.cumsum([first * lengthen**cycle for cycle in range(cycles)])
    places = sorted({0, 1, first // 2, *(int(end) + shift for end in ends[:-1] for shift in (-2, -1, 1, 5)), steps - 1})
    np.testing.assert_allclose(rates[places], [float(peer(step)) for step in places], atol=1e-5)


def test_one_cycle_is_pytorchs_with_its_defaults():
    # OneCycleLR's phases end at steps 0.3 T - 1 and T - 1 instead of 0.3 T and T; the values there are these.
    values = shape("onecycle")(np.array([0.0, 0.15, 0.3, 0.65, 1.0]))
    expected = [1 / 25, (1 + 1 / 25) / 2, 1.0, (1 + 1 / 25e4) / 2, 1 / 25e4]
    np.testing.assert_allclose(values, expected, rtol=1e-12)


def test_the_budget_aware_family_holds_half_a_cosine_and_falls_the_earlier_the_larger_phi():
    progress = np.linspace(0.0, 1.0, 101)
    np.testing.assert_allclose(shape("uba", phi=2.0)(progress), shape("cosine")(progress), atol=1e-15)
    np.testing.assert_allclose(shape("uba", phi=1e-9)(progress)[:-1], 1.0, atol=1e-5)
    falling = np.stack([shape("uba", phi=phi)(progress[1:-1]) for phi in (0.25, 0.5, 1.0, 2.5, 5.0, 10.0)])
    assert (np.diff(falling, axis=0) < 0).all()


def test_linear_is_the_articles_formula_exactly():
    rates = Schedule(shape("linear"), PEAK).rates(1000)
    exact = [Fraction(PEAK) - Fraction(PEAK) * Fraction(step, 1000) for step in range(1000)]
    np.testing.assert_allclose(rates, [float(each) for each in exact], rtol=6e-8)


def test_published_settings_come_out():
    # CycleGAN: 100 epochs at the peak, then linearly to 0 over 100; SNGAN on ImageNet: hold 8/9.
    cyclegan = shape("linear", hold=0.5)(np.array([0.0, 0.25, 0.5, 0.75, 1.0]))
    np.testing.assert_allclose(cyclegan, [1, 1, 1, 0.5, 0], atol=1e-15)
    assert shape("linear", hold=8 / 9)(np.array([0.5, 17 / 18])).tolist() == pytest.approx([1.0, 0.5])
    # R3GAN: cosine from 2e-4 to 5e-5.
    assert shape("cosine", floor=0.25)(np.array([1.0]))[0] == 0.25


@pytest.mark.parametrize("kind", ["linear", "exponential", "cosine"])
def test_a_decay_that_is_over_early_is_the_whole_one_in_less_time_and_then_flat(kind):
    whole, early = shape(kind, hold=0.2), shape(kind, hold=0.1, until=0.5)
    progress = np.linspace(0.0, 1.0, 201)
    np.testing.assert_allclose(early(progress / 2), whole(progress), atol=1e-12)
    assert set(early(np.array([0.5, 0.7, 1.0]))) == {whole(np.array([1.0]))[0]}
    np.testing.assert_array_equal(shape(kind, hold=0.2, until=1.0)(progress), whole(progress))


@given(st.floats(0, 0.9), st.integers(1, 300), st.sampled_from(sorted(SHAPES)))
def test_warmup_rises_to_the_peak_and_never_above(warmup, steps, kind):
    rates = Schedule(shape(kind, **EXAMPLES[kind][0]), PEAK, warmup=warmup).rates(steps)
    rising = min(math.floor(warmup * steps + 0.5), steps - 1)
    assert len(rates) == steps
    assert rates.max() <= np.float32(PEAK)
    assert (np.diff(rates[: rising + 1]) > 0).all()
    assert rates[0] > 0
    if kind not in RISING:
        assert rates.max() == rates[rising] == pytest.approx(PEAK)


@pytest.mark.parametrize(
    ("kind", "fields", "words"),
    [
        ("linear", {"floor": 2.0}, "floor is 2.0"),
        ("linear", {"hold": -0.1}, "hold is -0.1"),
        ("linear", {"floor": math.nan}, "floor is nan"),
        ("cosine", {"hold": 0.5, "until": 0.5}, "until is 0.5, but must be above hold, which is 0.5"),
        ("exponential", {"final": 0.0}, "final is 0.0"),
        ("step", {"drops": 0}, "drops is 0"),
        ("step", {"drops": 1.5}, "drops is 1.5"),
        ("linear", {"flor": 0.1}, "'flor'.*'floor'"),
        ("linaer", {}, "'linaer'.*'linear'"),
    ],
)
def test_bad_parameters_are_named_with_what_is_allowed(kind, fields, words):
    with pytest.raises(ValueError, match=words):
        shape(kind, **fields)


@pytest.mark.parametrize(
    ("peak", "warmup"), [(0.0, 0), (-1.0, 0), (math.inf, 0), (math.nan, 0), (1.0, 1.0), (1.0, -0.1)]
)
def test_bad_peaks_and_warmups_are_refused(peak, warmup):
    with pytest.raises(ValueError, match=r"schedule\.(peak|warmup) is"):
        Schedule(shape("constant"), peak, warmup)


def test_every_field_explains_itself():
    for kind in SHAPES:
        assert schedules.shape_help(kind)
        for field in schedules.shape_fields(kind):
            assert field.help
            assert field.low < field.high


def test_a_table_s_floats_give_the_schedule_that_whole_numbers_gave():
    values = {"peak": 0.1, "warmup": 0.25, "drops": 2.0, "factor": 0.5, "discriminator_ratio": 3.0}
    assert schedules.of("step", values) == Schedule(schedules.Step(drops=2, factor=0.5), peak=0.1, warmup=0.25)
    with pytest.raises(ScheduleError, match=r"step.drops is 2.5, but must be a whole number"):
        schedules.of("step", values | {"drops": 2.5})


@pytest.mark.parametrize("applies_to", ["both", "generator", "discriminator"])
def test_the_network_that_does_not_follow_keeps_its_peak(applies_to):
    schedule = Schedule(schedules.Linear(), peak=0.5, warmup=0.25)
    rates = schedules.by_network(schedule, 8, ratios={"discriminator": 2.0}, applies_to=applies_to)
    for name, factor in (("generator", 1.0), ("discriminator", 2.0)):
        following = applies_to in ("both", name)
        expected = schedule.rates(8) if following else np.full(8, 0.5)
        assert rates[name].dtype == np.float32
        np.testing.assert_array_equal(rates[name], np.float32(factor) * expected.astype(np.float32))


def test_networks_of_any_name_have_rates():
    rates = schedules.by_network(Schedule(schedules.Linear(), peak=1.0), 4, networks=("velocity",))
    assert rates["velocity"].tolist() == [1.0, 0.75, 0.5, 0.25]


def test_a_table_of_anyone_must_lie_within_the_peak():
    class Rises:
        kind = "rises"

        def __call__(self, progress):
            return 1.0 + progress

    with pytest.raises(
        ScheduleError, match=r"rises gives 1.1 at progress 0.1, but .* a fraction of the peak, from 0 to 1"
    ):
        Schedule(Rises(), 1.0).rates(10)


def test_values_at_fractions_are_held_or_joined_by_lines_after_the_warm_up():
    fields = {"at": [0.0, 0.5, 0.75], "values": [0.2, 1.0, 0.1]}
    held = Schedule(shape("piecewise", **fields), 1.0).rates(8)
    assert held.tolist() == np.float32([0.2] * 4 + [1.0] * 2 + [0.1] * 2).tolist()
    warmed = Schedule(shape("piecewise", **fields), 1.0, warmup=0.5).fractions(16)
    np.testing.assert_array_equal(warmed, [0.2] * 12 + [1.0] * 2 + [0.1] * 2)
    joined = Schedule(shape("piecewise", **fields, between="line"), 1.0).fractions(8)
    np.testing.assert_allclose(joined, [0.2, 0.4, 0.6, 0.8, 1.0, 0.55, 0.1, 0.1])


@given(st.integers(2, 400), st.data())
def test_a_value_at_a_step_begins_at_that_very_step_whatever_the_warm_up(steps, data):
    place = data.draw(st.integers(1, steps - 1))
    made = shape("piecewise", at=[0, place], values=[1.0, 0.25], unit="step")
    values = Schedule(made, 1.0, warmup=data.draw(st.sampled_from([0.0, 0.3]))).fractions(steps)
    np.testing.assert_array_equal(values, np.where(np.arange(steps) < place, 1.0, 0.25))


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({}, "0 places in `at` and 0 `values`"),
        ({"at": [0.0, 0.5], "values": [1.0]}, "2 places in `at` and 1 `values`"),
        ({"at": [0.5, 0.5], "values": [1.0, 0.5]}, "has 0.5 after 0.5, but places must rise"),
        ({"at": [0.0, 2.0], "values": [1.0, 0.5]}, 'at is 2, but fractions are at most 1; with unit = "step"'),
        (
            {"at": [0.0], "values": [2.0]},
            r"values is \(2.0,\), but must be a list of numbers, each at least 0 and at most 1",
        ),
        ({"at": [0.0], "values": [0.0]}, "values are all 0"),
        ({"at": [0.0], "values": [1.0], "unit": "epoch"}, "unit is 'epoch', but must be one of: fraction, step"),
    ],
)
def test_bad_tables_are_refused_with_what_is_allowed(fields, words):
    with pytest.raises(ScheduleError, match=words):
        shape("piecewise", **fields)


def test_a_file_of_rates_gives_their_shape_and_one_of_factors_itself():
    assert piecewise.read("step,rate\n0,1e-4\n10,4e-4\n20,0\n", name="r.csv") == {
        "at": (0.0, 10.0, 20.0),
        "values": (0.25, 1.0, 0.0),
        "unit": "step",
    }
    found = piecewise.read("\ufeffFraction, Factor\r\n0,1\r\n\r\n.5,.1\r\n", name="r.csv")
    assert found == {"at": (0.0, 0.5), "values": (1.0, 0.1), "unit": "fraction"}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "begins with '', but its first line must be one of: step,factor, step,rate, fraction,factor"),
        ("epoch,rate\n1,1\n", "begins with 'epoch,rate'"),
        ("step,rate\n", "has 0 rows, but must have 1 to 10,000"),
        ("step,rate\n0,1\n5,x\n", "line 3 is '5,x', but must be two numbers"),
        ("step,rate\n0,nan\n", "line 2 is '0,nan', but numbers must be finite"),
        ("step,rate\n0,1\n0,1\n", "line 3 has step 0 after 0, but they must rise"),
        ("step,factor\n0,1\n1,1.5\n", "line 3 has factor 1.5, but factors are from 0 to 1"),
        ("fraction,factor\n0,1\n2,1\n", "line 3 has fraction 2, but fractions are from 0 to 1"),
        ("step,rate\n0,0\n", "has no rate above 0"),
    ],
)
def test_a_bad_file_is_refused_with_its_line(text, words):
    with pytest.raises(ScheduleError, match=rf"r\.csv {words}"):
        piecewise.read(text, name="r.csv")
