"""The variational autoencoder: its two terms in closed form, and runs of it."""

import math

import numpy as np
import pytest
import tensorflow as tf
from scipy import stats
from sklearn.datasets import load_digits

from harness import kinds
from harness.models import vae
from harness.models.nn.draws import Draw
from harness.models.nn.layers import Call
from harness.models.training import evaluation_latents
from harness.seeds import Seeds
from tests.models.conftest import part, settings

SEEDS = Seeds(1, 2, 3, 4)
DRAW = tf.constant([5, 6], tf.int64)


def made(size=8, channels=1, images=None, **changes):
    images = (
        np.random.default_rng(0).integers(0, 256, (64, size, size, channels), np.uint8) if images is None else images
    )
    chosen = kinds.find("model", "vae", key="model")
    return chosen.builder(part("network", "conv_vae", width=4, latent=5), settings(**changes), images, chosen.set({}))


def rates(steps, value=1e-3):
    return dict.fromkeys(("encoder", "decoder"), np.full(steps, value, np.float32))


def run(model, parts):
    model.start(SEEDS)
    losses = [model.advance(rates(steps)) for steps in parts]
    return model.state(), {name: np.concatenate([each[name] for each in losses]) for name in model.losses}


def test_divergence_is_that_of_normals():
    mean, log_variance = np.random.default_rng(1).normal(size=(2, 4, 3))
    found = vae.divergence(tf.constant(mean, tf.float32), tf.constant(log_variance, tf.float32))
    grid = np.linspace(-12, 12, 20_001)
    for row in range(4):
        total = 0.0
        for centre, spread in zip(mean[row], np.exp(log_variance[row] / 2), strict=True):
            own, standard = stats.norm(centre, spread), stats.norm()
            total += np.trapezoid(own.pdf(grid) * (own.logpdf(grid) - standard.logpdf(grid)), grid)
        assert found[row].numpy() == pytest.approx(total, rel=1e-4)
    np.testing.assert_array_equal(vae.divergence(tf.zeros((2, 3)), tf.zeros((2, 3))), [0.0, 0.0])


def test_minus_log_density_is_that_of_normals():
    x, mean = np.random.default_rng(2).normal(size=(2, 5, 4, 3)).astype(np.float32)
    expected = -stats.norm(mean, math.sqrt(0.3)).logpdf(x).sum((1, 2))
    np.testing.assert_allclose(vae.minus_log_density(tf.constant(x), tf.constant(mean), 0.3), expected, rtol=1e-5)


def test_with_the_exact_posterior_of_a_linear_decoder_the_bound_is_the_likelihood():
    # x = 2 z + noise of variance 0.5: x is normal with variance 4.5, and z given x has mean 2 x / 4.5, variance 0.5 / 4.5
    x = tf.constant(np.random.default_rng(3).normal(0.0, math.sqrt(4.5), (200_000, 1, 1, 1)).astype(np.float32))
    nets = {
        "encoder": lambda x: tf.stack([x[:, 0, 0, 0] * (2 / 4.5), tf.fill(x.shape[:1], math.log(0.5 / 4.5))], 1),
        "decoder": lambda z: 2.0 * tf.reshape(z, (-1, 1, 1, 1)),
    }
    terms = vae.Autoencoder({}, variance=0.5, latent=1).loss(nets, x, Draw(DRAW))
    expected = -stats.norm(0.0, math.sqrt(4.5)).logpdf(x.numpy()).mean()
    assert sum(term.numpy() for term in terms.values()) == pytest.approx(expected, abs=0.01)


def test_a_step_is_that_of_plain_automatic_differentiation():
    model, rate = made(optimizer="sgd", batch=64), 1e-3
    model.start(SEEDS)
    before = {name: model._packing[name].unpack(*model._read(name)) for name in model.networks}
    images, roles = model._real(tf.constant(0, tf.int64), 0), model._roles
    draw = Draw(tf.stack([roles[1], 0]))
    with tf.GradientTape(persistent=True) as tape:
        tape.watch(before)
        nets = {
            name: lambda x, name=name: model._modules[name](x, before[name], Call(training=True))
            for name in model.networks
        }
        total = tf.add_n(list(model._objective.loss(nets, images, draw).values()))
    model.advance(rates(1, rate))
    for name, weights in before.items():
        after = model._packing[name].unpack(*model._read(name))
        for old, new, slope in zip(weights, after, tape.gradient(total, weights), strict=True):
            scale = float(tf.reduce_max(tf.abs(slope)))
            np.testing.assert_allclose((old - new) / rate, slope, rtol=1e-3, atol=1e-3 * scale)


def test_how_steps_are_cut_and_where_a_run_is_resumed_changes_no_bit():
    model = made()
    whole, losses = run(model, [12])
    cut, again = run(model, [1, 4, 7])
    assert all(np.array_equal(whole[name], cut[name]) for name in whole)
    assert all(np.array_equal(losses[name], again[name]) for name in losses)
    assert model.traces == 1
    first, _ = run(model, [5])
    other = made()
    other.restore(first)
    other.advance(rates(7))
    assert all(np.array_equal(whole[name], other.state()[name]) for name in whole)


def test_on_digits_the_bound_rises_and_images_come_out_as_bytes():
    digits = (load_digits().images[..., None] * (255 / 16)).astype(np.uint8)
    model = made(images=digits, batch=64)
    _, losses = run(model, [300])
    total = sum(losses.values())
    assert total[-50:].mean() < total[:10].mean() - 50.0
    latents = evaluation_latents(0, 700, 5)
    images = model.generate(latents, weights="ema")
    assert images.shape == (700, 8, 8, 1)
    assert images.dtype == np.uint8
    np.testing.assert_array_equal(model.generate(latents[:250], weights="ema"), images[:250])


@pytest.mark.parametrize(("size", "channels"), [(12, 3), (28, 1), (64, 3)])
def test_the_networks_size_themselves(size, channels):
    model = made(size, channels, batch=2)
    state, _ = run(model, [1])
    assert model.generate(evaluation_latents(0, 2, 5), weights="raw").shape == (2, size, size, channels)
    assert all(np.isfinite(values).all() for values in state.values())


@pytest.mark.parametrize("precision", ["mixed_bfloat16", "mixed_float16"])
def test_mixed_precision_is_near_single(precision):
    losses = [sum(run(made(precision=each), [3])[1].values()) for each in ("float32", precision)]
    np.testing.assert_allclose(losses[1], losses[0], rtol=0.02)
