"""Optimizers against Keras, against PyTorch's iterates (golden/make_optimizers.py) and against formulas by hand."""

from types import SimpleNamespace

import keras
import numpy as np
import pytest
import tensorflow as tf

from harness import kinds
from tests.models.golden import make_optimizers as golden

GOLDEN = np.load(golden.PATH)
SCHEDULE_FREE = "schedule_free"  # which Keras has not: it is compared to its authors' (test_schedule_free.py)


def made(name, values=None, **moments):
    part = kinds.find("optimizer", name, key="optimizer")
    defaults = {"beta1": 0.5, "beta2": 0.9, "momentum": 0.8}
    return part.builder(part.set(values or {}), SimpleNamespace(**{**defaults, **moments}))


def iterates(optimizer, start, gradients, rates, **controls):
    """Weights (steps, n) after each step; `controls` are vectors (steps,)."""
    weights = tf.Variable(start)
    slots = [tf.Variable(vector) for vector in optimizer.initial(start)]
    found = []
    for step, gradient in enumerate(gradients):
        now = {name: tf.constant(values[step]) for name, values in controls.items()}
        optimizer.update(weights, tf.constant(gradient), slots, tf.constant(rates[step]), tf.constant(step + 1), now)
        found.append(weights.numpy())
    return np.stack(found)


KERAS = {
    "adam": lambda: keras.optimizers.Adam(0.01, beta_1=0.5, beta_2=0.9),
    "sgd": lambda: keras.optimizers.SGD(0.01, momentum=0.8),
    "rmsprop": lambda: keras.optimizers.RMSprop(0.01, rho=0.9, momentum=0.8),
    "adamw": lambda: keras.optimizers.AdamW(0.01, beta_1=0.5, beta_2=0.9),
    "adam, weight_decay = 0.3": lambda: keras.optimizers.Adam(0.01, beta_1=0.5, beta_2=0.9, weight_decay=0.3),
    "adam, epsilon = 0.1": lambda: keras.optimizers.Adam(0.01, beta_1=0.5, beta_2=0.9, epsilon=0.1),
    "sgd, weight_decay = 0.3": lambda: keras.optimizers.SGD(0.01, momentum=0.8, weight_decay=0.3),
    "rmsprop, weight_decay = 0.3": lambda: keras.optimizers.RMSprop(0.01, rho=0.9, momentum=0.8, weight_decay=0.3),
    "rmsprop, epsilon = 0.1": lambda: keras.optimizers.RMSprop(0.01, rho=0.9, momentum=0.8, epsilon=0.1),
    "sgd, clip_norm = 2.0": lambda: keras.optimizers.SGD(0.01, momentum=0.8, global_clipnorm=2.0),
}


def test_every_optimizer_has_an_example():
    assert {*(name for name in KERAS if "," not in name), SCHEDULE_FREE} == kinds.parts("optimizer").keys()


@pytest.mark.parametrize("name", KERAS)
def test_optimizers_equal_keras_over_many_updates(name):
    rng = np.random.default_rng(3)
    start, gradients = rng.normal(size=20).astype(np.float32), rng.normal(size=(30, 20)).astype(np.float32)
    variable, reference = tf.Variable(start), KERAS[name]()
    for gradient in gradients:
        reference.apply_gradients([(tf.constant(gradient), variable)])
    name, _, setting = name.partition(", ")
    values = {setting.split(" = ")[0]: float(setting.split(" = ")[1])} if setting else {}
    found = iterates(made(name, values), start, gradients, np.full(30, 0.01, np.float32))
    np.testing.assert_allclose(found[-1], variable.numpy(), rtol=2e-5, atol=2e-6)


TORCH = {"form": "torch", "epsilon": 1e-8}


@pytest.mark.parametrize(
    ("case", "settings", "controls"),
    [
        ("adam", TORCH, {}),
        ("adam, large epsilon", {**TORCH, "epsilon": 1e-3}, {}),
        ("adamw", {**TORCH, "weight_decay": 0.3}, {}),
        ("adam, beta2 changes", TORCH, {"beta2": golden.BETA2}),
        ("adamw, weight decay changes", TORCH, {"weight_decay": golden.DECAYS}),
    ],
)
def test_adam_in_torchs_form_is_pytorchs_from_gradients_far_below_epsilon_to_far_above(case, settings, controls):
    start, gradients = golden.start_and_gradients()
    found = iterates(made(case.split(",")[0], settings), start, gradients, golden.RATES, **controls)
    np.testing.assert_allclose(found, GOLDEN[f"torch: {case}"], rtol=2e-6, atol=1e-6)
    other = iterates(
        made(case.split(",")[0], {**settings, "form": "keras"}), start, gradients, golden.RATES, **controls
    )
    assert np.abs(other - GOLDEN[f"torch: {case}"]).max() > 1e-3


@pytest.mark.parametrize(("name", "settings"), [("sgd", {}), ("rmsprop", {"epsilon": 1e-15})])
def test_at_a_constant_rate_and_gradients_far_above_epsilon_the_others_are_pytorchs_too(name, settings):
    start, gradients = golden.start_and_gradients()
    gradients /= np.abs(gradients).mean(0)
    found = iterates(made(name, settings), start, gradients, golden.CONSTANT)
    np.testing.assert_allclose(found, GOLDEN[f"torch: {name}"], rtol=1e-5, atol=2e-6)


@pytest.mark.parametrize("name", kinds.parts("optimizer"))
def test_controls_that_do_not_change_are_settings(name):
    rng = np.random.default_rng(5)
    start, gradients = rng.normal(size=6).astype(np.float32), rng.normal(size=(8, 6)).astype(np.float32)
    rates = np.linspace(0.1, 0.01, 8).astype(np.float32)
    steady = {"beta2": np.full(8, 0.9, np.float32), "weight_decay": np.full(8, 0.2, np.float32)}
    expected = iterates(made(name, {"weight_decay": 0.2}), start, gradients, rates)
    # A control takes the place of what is set.
    found = iterates(made(name, {"weight_decay": 0.7}, beta2=0.5), start, gradients, rates, **steady)
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", kinds.parts("optimizer"))
@pytest.mark.parametrize("beta1", [0.0, 0.9])
def test_padding_stays_zero(name, beta1):
    rng = np.random.default_rng(6)
    start, gradients = rng.normal(size=32).astype(np.float32), rng.normal(size=(5, 32)).astype(np.float32)
    start[20:], gradients[:, 20:] = 0.0, 0.0
    for values in ({"weight_decay": 0.3}, {"clip_norm": 1.0}):
        found = iterates(made(name, values, beta1=beta1), start, gradients, np.array([0.1, 0, 0.2, 0.1, 0], np.float32))
        assert np.array_equal(found[:, 20:], np.zeros((5, 12)))
        assert np.isfinite(found).all()
        assert (found[-1, :20] != start[:20]).all()


@pytest.mark.parametrize("name", ["adam", "rmsprop", "schedule_free"])
def test_an_epsilon_of_zero_is_refused(name):
    with pytest.raises(kinds.KindError, match=rf"{name}\.epsilon is 0\.0, but must be at least 1e-15"):
        made(name, {"epsilon": 0.0})
