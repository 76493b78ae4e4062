"""Penalties on critics whose slopes are known, to the gradient for the critic's weights, and how often they are added."""

from types import SimpleNamespace

import numpy as np
import pytest
import tensorflow as tf

from harness import kinds
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


# --- values and gradients of the penalties ---------------------------------------------------------------------------

RNG = np.random.default_rng(5)
REAL, FAKE = RNG.normal(size=(2, 5, 2, 2, 1)).astype(np.float32)
LINE, FORM, HIDDEN = RNG.normal(size=4), RNG.normal(size=(4, 4)), RNG.normal(size=(3, 4))
OUT = np.array([1.5, -2.0, 0.5])


def flat(images):
    return tf.reshape(images, (-1, 4))


# critic of images and weights, and its slopes by hand, (n, 4) in float64 for points (n, 4)
CRITICS = {
    "linear": (LINE, lambda x, w: tf.linalg.matvec(flat(x), w) + 7.0, lambda x, w: np.tile(w, (len(x), 1))),
    "quadratic": (
        FORM,
        lambda x, w: 0.5 * tf.reduce_sum(flat(x) * (flat(x) @ w), 1),
        lambda x, w: x @ (w + w.T) / 2,
    ),
    "of a hidden layer": (
        HIDDEN,
        lambda x, w: tf.linalg.matvec(tf.tanh(flat(x) @ tf.transpose(w)), tf.constant(OUT, tf.float32)),
        lambda x, w: (OUT * (1 - np.tanh(x @ w.T) ** 2)) @ w,
    ),
}


def points(images):
    return images.reshape(5, 4).astype(np.float64)


def mixtures():
    mix = np.float64(Draw(SEED).uniform((5,)))[:, None]
    return mix * points(REAL) + (1 - mix) * points(FAKE)


def around():
    draw = Draw(SEED)
    noise, share = np.float64(draw.uniform(REAL.shape)).reshape(5, 4), np.float64(draw.uniform((5, 1)))
    return points(REAL) + share * 0.5 * points(REAL).std() * noise


def length(slopes):
    return np.sqrt((slopes**2).sum(1))


# where slopes are penalised, and the penalty of slopes, as the papers have it
PENALTIES = {
    "r1": (points(REAL), lambda slopes: 10 / 2 * (length(slopes) ** 2).mean()),
    "r2": (points(FAKE), lambda slopes: 10 / 2 * (length(slopes) ** 2).mean()),
    "gradient_penalty": (mixtures(), lambda slopes: 10 * ((length(slopes) - 1) ** 2).mean()),
    "dragan": (around(), lambda slopes: 10 * ((length(slopes) - 1) ** 2).mean()),
}


def made(name, **settings):
    part = kinds.find("penalty", name, key="penalty")
    return part.builder(part.set(settings))


def test_every_penalty_has_an_example():
    assert PENALTIES.keys() == kinds.parts("penalty").keys()


@pytest.mark.parametrize("critic", CRITICS)
@pytest.mark.parametrize("name", PENALTIES)
def test_a_penalty_and_its_gradient_for_the_critics_weights_are_those_of_the_formula(name, critic):
    start, judge, slopes = CRITICS[critic]
    where, value = PENALTIES[name]
    weights = tf.constant(start, tf.float32)
    with tf.GradientTape() as tape:
        tape.watch(weights)
        found = made(name)(lambda x: judge(x, weights), tf.constant(REAL), tf.constant(FAKE), Draw(SEED))
    gradient = tape.gradient(found, weights).numpy()
    assert found.dtype == tf.float32
    assert float(found) == pytest.approx(value(slopes(where, start)), rel=1e-5)
    differences, step = np.zeros_like(start), 1e-6
    for place in np.ndindex(start.shape):
        move = np.zeros_like(start)
        move[place] = step
        differences[place] = value(slopes(where, start + move)) - value(slopes(where, start - move))
    np.testing.assert_allclose(gradient, differences / (2 * step), rtol=1e-4, atol=1e-5 * np.abs(gradient).max())


@pytest.mark.parametrize(
    ("name", "expected"), {"r1": 12.5, "r2": 12.5, "gradient_penalty": 16.0, "dragan": 16.0}.items()
)
def test_of_a_slope_of_length_5_by_hand(name, expected):
    slope = tf.constant([0.0, 3.0, -4.0, 0.0])  # half of 5², or (5 - 1)²
    for weight in (1.0, 3.0):
        penalty = made(name, weight=weight)
        found = penalty(lambda x: tf.linalg.matvec(flat(x), slope), tf.constant(REAL), tf.constant(FAKE), Draw(SEED))
        assert float(found) == pytest.approx(weight * expected, rel=1e-6)


def test_penalties_are_built_as_a_study_names_them():
    part = kinds.find("penalty", "r1", key="penalty")
    chosen = [SimpleNamespace(name="r1", settings=part.set({"weight": 2.0, "every": 16}))]
    ((penalty, every),) = Penalties.of(chosen).each
    assert (penalty, every) == (made("r1", weight=2.0), 16)


# a loss with its own penalty, and what it is made of
COMPOSED = {"r1": ("non_saturating", "r1"), "wasserstein_gp": ("wasserstein", "gradient_penalty")}


@pytest.mark.parametrize("name", COMPOSED)
def test_a_loss_with_a_penalty_is_loss_and_penalty(name):
    def built(role, name, **settings):
        part = kinds.find(role, name, key=role)
        return part.builder(part.set(settings))

    of_logits, of_slopes = COMPOSED[name]
    whole, plain, penalty = built("loss", name, penalty=3.0), built("loss", of_logits), made(of_slopes, weight=3.0)
    judge, weights = CRITICS["quadratic"][1], tf.constant(FORM, tf.float32)
    images = tf.constant(REAL), tf.constant(FAKE)
    logits = [judge(x, weights) for x in images]
    assert whole.per_example
    assert not plain.per_example
    assert float(whole.discriminator(*logits)) == float(plain.discriminator(*logits))
    assert float(whole.generator(*logits)) == float(plain.generator(*logits))
    found, expected = (each(lambda x: judge(x, weights), *images, Draw(SEED)) for each in (whole.penalty, penalty))
    assert float(found) == float(expected) > 0
