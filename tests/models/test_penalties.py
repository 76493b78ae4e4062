"""Penalties on critics whose slopes are known, to the gradient for the critic's weights, and how often they are added."""

import numpy as np
import tensorflow as tf

from harness.models.gan.penalty import Penalties
from harness.models.nn.draws import Draw

SEED = tf.constant([1, 2], tf.int64)


def noisy(weight):
    """weight · ‖∇critic‖², and a draw of its own, at real images moved by that draw."""

    def penalty(critic, real, fake, draw):
        images = real + draw.uniform(())
        with tf.GradientTape() as tape:
            tape.watch(images)
            logits = critic(images)
        return weight * tf.reduce_sum(tf.square(tape.gradient(logits, images)))

    penalty.per_example = True
    return penalty


def sum_and_gradient(penalties, factor=1.0):
    """Value and gradient for a weight of the critic at each of six updates, in a compiled loop as training has it."""

    @tf.function
    def of(count, weight):
        with tf.GradientTape() as tape:
            tape.watch(weight)
            total = penalties(
                lambda x: tf.exp(weight) * tf.reduce_sum(tf.square(x) * x, 1),
                tf.constant([[0.5, -1.0], [2.0, 0.25]]),
                tf.zeros((2, 2)),
                Draw(SEED),
                count=count,
                factor=factor,
            )
        return total, tape.gradient(total, weight)

    weight = tf.constant(0.3)
    return np.array([of(tf.constant(count, tf.int64), weight) for count in range(1, 7)])


def test_a_lazy_penalty_is_every_times_the_penalty_at_its_turn_and_exactly_nothing_else():
    plain, lazy = (sum_and_gradient(Penalties(((noisy(2.0), every),))) for every in (1, 3))
    assert (plain[:, 0] > 0).all()
    np.testing.assert_allclose(plain[:, 1], 2 * plain[:, 0], rtol=1e-6)  # of exp(2 weight)
    np.testing.assert_array_equal(lazy[[2, 5]], 3 * plain[[2, 5]])
    np.testing.assert_array_equal(lazy[[0, 1, 3, 4]], 0.0)


def test_penalties_add_up_with_draws_of_their_own_and_a_factor_scales_them_all():
    first = sum_and_gradient(Penalties(((noisy(2.0), 1),)))
    second = sum_and_gradient(Penalties(((noisy(0.0), 1), (noisy(2.0), 1))))
    assert not np.isclose(first, second).any()  # the same penalty with other draws
    both = Penalties(((noisy(2.0), 1), (noisy(2.0), 2)))
    expected = first + second * np.array([0, 2, 0, 2, 0, 2])[:, None]
    np.testing.assert_allclose(sum_and_gradient(both), expected, rtol=1e-6)
    np.testing.assert_allclose(sum_and_gradient(both, tf.constant(0.25)), 0.25 * expected, rtol=1e-6)


def test_no_penalties_are_no_term_at_all():
    assert Penalties(())(None, None, None, Draw(SEED), count=tf.constant(1, tf.int64)) is None
    assert not Penalties(()).per_example
    assert Penalties(((noisy(1.0), 2),)).per_example
