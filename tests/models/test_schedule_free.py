"""Schedule-free AdamW: its authors' iterates (golden/make_optimizers.py), and what is scored, averaged and resumed."""

import numpy as np
import pytest
import tensorflow as tf

from harness.models.nn.layers import Call
from harness.models.nn.packing import Packing
from harness.seeds import Seeds
from tests.models import conftest
from tests.models.golden import make_optimizers as golden
from tests.models.test_optimizers import GOLDEN, made

SEEDS = Seeds(golden.SEED, 2, 3, 4)


class Descended:
    """A vector that the optimizer updates, with its slots."""

    def __init__(self, optimizer, start):
        self.optimizer, self.y, self.count = optimizer, tf.Variable(start), 0
        self.slots = [tf.Variable(vector) for vector in optimizer.initial(start)]

    def update(self, gradient, rate):
        self.count += 1
        self.optimizer.update(
            self.y, tf.constant(gradient), self.slots, tf.constant(rate, tf.float32), tf.constant(self.count)
        )

    @property
    def x(self):
        return self.optimizer.scored(self.y, self.slots).numpy()


@pytest.mark.parametrize("case", golden.QUADRATIC)
def test_iterates_on_a_quadratic_are_the_authors(case):
    rates, decay = golden.QUADRATIC[case]
    start, target = golden.quadratic_start_and_target()
    point = Descended(made("schedule_free", {"weight_decay": decay}, beta1=0.9, beta2=0.99), start)
    assert np.array_equal(point.x, start)
    y, x = [], []
    for rate in rates:
        point.update(golden.CURVATURE * (point.y.numpy() - target), rate)
        y.append(point.y.numpy())
        x.append(point.x)
    np.testing.assert_allclose(y, GOLDEN[f"quadratic: {case}, y"], atol=2e-5)
    np.testing.assert_allclose(x, GOLDEN[f"quadratic: {case}, x"], atol=2e-5)


def test_without_interpolation_the_scored_weights_are_the_mean_of_all_iterates():
    rng = np.random.default_rng(0)
    start, gradients = rng.normal(size=5).astype(np.float32), rng.normal(size=(6, 5)).astype(np.float32)
    for power, rates in ((2.0, [0.1, 0.2, 0.4, 0.4, 0.3, 0.4]), (0.0, [0.1, 0.2, 0.4, 0.4, 0.3, 0.4])):
        point, seen = Descended(made("schedule_free", {"weight_lr_power": power}, beta1=0.0), start), []
        for gradient, rate in zip(gradients, rates, strict=True):
            point.update(gradient, rate)
            seen.append(point.y.numpy())
        shares = np.maximum.accumulate(rates) ** power
        np.testing.assert_allclose(point.x, np.average(seen, axis=0, weights=shares), rtol=1e-5, atol=1e-6)


def test_steps_at_a_rate_of_zero_before_the_warm_up_move_nothing_and_have_no_share():
    start = np.array([1.0, -2.0], np.float32)
    gradient = np.array([3.0, 0.5], np.float32)
    point = Descended(made("schedule_free", {"weight_decay": 0.1}), start)
    for _ in range(3):
        point.update(gradient, 0.0)
    assert np.array_equal(point.y, start)
    assert np.array_equal(point.x, start)
    point.update(gradient, 0.5)
    np.testing.assert_allclose(point.x, point.slots[0], rtol=1e-6)


def test_shares_of_a_long_run_are_not_lost_to_rounding():
    point = Descended(made("schedule_free"), np.ones(1, np.float32))
    point.slots[3].assign([1.0, 2.0**25, 0.0])  # the next larger float32 is 4 away
    for _ in range(3):
        point.update(np.zeros(1, np.float32), 1.0)
    assert point.slots[3].numpy().astype(np.float64)[1:].sum() == 2.0**25 + 3


# --- in training: one model, which sees the same batch at every step -------------------------------------------------


@pytest.fixture(scope="module")
def model():
    values = {"weight_decay": golden.DECAY, "epsilon": golden.EPSILON}
    moments = dict(zip(("beta1", "beta2"), golden.BETAS, strict=True))
    trained = conftest.trainer.__wrapped__(optimizer=("schedule_free", values), batch=golden.BATCH, **moments)
    real, latents = map(tf.constant, golden.batches())
    trained._real = lambda *_: real
    trained._draw_latents = lambda *_: latents
    return trained


def run(model, *chunks):
    model.start(SEEDS)
    first = 0
    for count in chunks or (len(golden.GAN_RATES),):
        model.advance(dict.fromkeys(model.networks, golden.GAN_RATES[first : first + count]))
        first += count
    return model.state()


def flat(packing, vector):
    """The trained weights (n,) without padding."""
    weights = packing.unpack(tf.constant(vector), tf.zeros(sum(packing.sizes(moving=True))))
    return np.concatenate(
        [w.numpy().ravel() for w, each in zip(weights, packing.weights, strict=True) if not each.moving]
    )


def test_training_of_dcgan_is_the_authors_step_by_step_on_the_same_weights_and_batch(model):
    state = run(model)
    for name, values in golden.initial_weights().items():
        packing = Packing(model.modules[name])
        start = np.concatenate([value.ravel() for value in values])
        y, x = (GOLDEN[f"dcgan: {name} {point}"] for point in "yx")
        assert np.abs(x - y).max() > 1e-4
        assert np.abs(x - start).max() > 5e-3
        np.testing.assert_allclose(flat(packing, state[name]), y, atol=2e-5)
        np.testing.assert_allclose(flat(packing, state[f"{name}_slot2"]), x, atol=2e-5)


def test_images_are_made_and_averages_taken_of_the_scored_weights(model):
    latents = np.random.default_rng(0).standard_normal((5, golden.LATENT)).astype(np.float32)
    before, state = run(model, 0), run(model, 1)
    first, x = before["generator"], state["generator_slot2"]
    np.testing.assert_allclose(state["generator"], x, rtol=1e-6)  # after one step x, y and z are one
    np.testing.assert_allclose(state["generator_average"], 0.1 * first + 0.9 * x, atol=1e-7)
    state = run(model)
    images = model.generate(latents, weights="raw")
    packing = Packing(model.modules["generator"])
    scored = [weight.numpy() for weight in model.weights("generator")]
    expected = packing.unpack(*map(tf.constant, (state["generator_slot2"], state["generator_moving"])))
    for found, weight, vector in zip(scored, packing.weights, expected, strict=True):
        assert np.array_equal(found, vector) != weight.moving
    np.testing.assert_allclose(np.clip(np.round(model.floats(latents) * 127.5 + 127.5), 0, 255), images, atol=1.0)
    model.restore({**state, "generator": np.zeros_like(state["generator"])})  # images do not depend on y
    assert np.array_equal(model.generate(latents, weights="raw"), images)
    assert not np.array_equal(model.generate(latents, weights="ema"), images)


@pytest.mark.parametrize("weights", ["raw", "ema"])
def test_moving_statistics_of_scores_are_of_the_scored_weights(model, weights):
    state, network = run(model), model.modules["generator"]
    vectors = {"raw": "generator_slot2", "ema": "generator_average"}
    trained = Packing(network).unpack(*map(tf.constant, (state[vectors[weights]], state["generator_moving"])))
    call = Call(training=True)
    network(tf.constant(golden.batches()[1]), trained, call)
    _, found = model._scored("generator", weights)
    once = Packing(network).moved(tf.constant(state["generator_moving"]), call).numpy()
    batch = state["generator_moving"] + (once - state["generator_moving"]) / 0.1  # momentum 0.9, always the same batch
    expected = batch + 0.9**50 * (state["generator_moving"] - batch)
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)
    assert np.abs(expected - state["generator_moving"]).max() > 0.01
    after = model.state()
    assert all(np.array_equal(state[name], after[name]) for name in state)
    model.advance(dict.fromkeys(model.networks, golden.GAN_RATES[:1]))
    assert not np.array_equal(model._scored("generator", weights)[1], found)


def test_chunks_and_resuming_change_no_bit(model):
    whole, parts = run(model), run(model, 1, 3, 2)
    assert all(np.array_equal(whole[name], parts[name]) for name in whole)
    halfway = run(model, 2)
    assert halfway["generator_slot3"].shape == (3,)
    model.start(Seeds(9, 9, 9, 9))
    model.restore(halfway)
    model.advance(dict.fromkeys(model.networks, golden.GAN_RATES[2:]))
    assert all(np.array_equal(whole[name], model.state()[name]) for name in whole)
