"""The R1 penalty of critics whose slopes are known, and within a run."""

import numpy as np
import pytest
import tensorflow as tf

from harness import kinds
from harness.models.gan.training import build
from harness.models.nn.draws import Draw
from harness.seeds import Seeds
from tests.models.conftest import part, settings

REAL = np.random.default_rng(0).normal(size=(6, 2)).astype(np.float32)


def penalty(critic, **settings):
    part = kinds.find("loss", "r1", key="loss")
    loss = part.builder(part.set(settings))
    return loss.penalty(critic, tf.constant(REAL), tf.constant(REAL + 5.0), Draw(tf.constant([1, 2], tf.int64)))


@pytest.mark.parametrize(("settings", "gamma"), [({}, 10.0), ({"penalty": 0.5}, 0.5), ({"penalty": 0.0}, 0.0)])
def test_a_linear_critic_pays_half_gamma_times_its_squared_slope(settings, gamma):
    slope = tf.constant([3.0, 4.0])
    found = penalty(lambda x: tf.linalg.matvec(x, slope) + 7.0, **settings)
    assert found.numpy() == pytest.approx(gamma / 2 * 25.0, rel=1e-6)


def test_a_quadratic_critic_pays_for_its_slope_at_real_images_only():
    # of ½ w ‖x‖² the slope at x is w x, and the penalty's gradient for w is γ w mean ‖x‖²
    weight, mean = tf.constant(1.5), float(np.square(REAL).sum(1).mean())
    with tf.GradientTape() as tape:
        tape.watch(weight)
        found = penalty(lambda x: 0.5 * weight * tf.reduce_sum(tf.square(x), 1))
    assert found.numpy() == pytest.approx(5.0 * 1.5**2 * mean, rel=1e-5)
    assert tape.gradient(found, weight).numpy() == pytest.approx(10.0 * 1.5 * mean, rel=1e-5)


def losses_of_the_discriminator(loss, **values):
    train = settings()
    train.loss = part("loss", loss, **values)
    images = np.random.default_rng(0).integers(0, 256, (64, 8, 8, 1), dtype=np.uint8)
    model = build(part("network", "dcgan", latent=8, width=4), train, images)
    model.start(Seeds(1, 2, 3, 4))
    return model.advance({name: np.full(4, 1e-3, np.float32) for name in model.networks})["discriminator"]


def test_a_run_with_a_penalty_of_0_is_the_run_without_it():
    without = losses_of_the_discriminator("non_saturating")
    np.testing.assert_allclose(losses_of_the_discriminator("r1", penalty=0.0), without, rtol=1e-5)
    assert losses_of_the_discriminator("r1", penalty=1000.0)[0] > without[0]
