"""Denoising diffusion GANs: networks and training steps against the published code, the diffusion in closed form, runs."""

import functools
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from harness import kinds
from harness.models.ddgan import layers, training
from harness.models.ddgan.diffusion import Diffusion
from harness.models.nn.layers import Call
from harness.models.nn.packing import Packing
from harness.models.training import evaluation_latents
from harness.seeds import Seeds
from tests.models.conftest import part, settings
from tests.models.golden import make_ddgan as golden

SEEDS = Seeds(1, 2, 3, 4)
GOLDEN = Path(golden.__file__).with_name("ddgan.npz")
NARROWER = {"levels": 1, "attention": 1, "mapping": 0}
ADAM = ("adam", {"form": "torch", "epsilon": 1e-8})
DIFFUSION = Diffusion(steps=4, beta_min=0.1, beta_max=20.0)


@functools.cache
def published():
    with np.load(GOLDEN) as arrays:
        return dict(arrays)


def networks(shape=(32, 32, 3), **values):
    chosen = kinds.find("network", "ncsnpp", key="network")
    return chosen.builder(chosen.set(values), shape)


def made(images=None, model=None, batch=golden.BATCH, network=None, **changes):
    shape = (24, golden.SIZE, golden.SIZE, golden.CHANNELS)
    images = np.random.default_rng(0).integers(0, 256, shape, np.uint8) if images is None else images
    chosen = kinds.find("model", "ddgan", key="model")
    narrow = part("network", "ncsnpp", **{**golden.NARROW, **(network or {})})
    return chosen.builder(narrow, settings(batch=batch, **changes), images, chosen.set(model or {}))


@functools.cache
def trained():
    """One for all tests, since tracing it takes most of their time."""
    return made(network=NARROWER)


def advance(model, *parts, rate=1e-3):
    return [model.advance(dict.fromkeys(model.networks, np.full(steps, rate, np.float32))) for steps in parts]


def test_the_published_widths_have_as_many_weights_as_the_published_code():
    built = networks()
    counts = {name: Packing(network).trained for name, network in built.items()}
    assert counts == {"generator": 48_432_515, "discriminator": 12_741_633}
    assert built["generator"].per_example
    assert not built["discriminator"].per_example


def test_both_networks_and_two_training_steps_equal_the_published_code(monkeypatch):
    nets = networks((golden.SIZE, golden.SIZE, golden.CHANNELS), **golden.NARROW)
    points, noisier, times, latents = (tf.constant(array) for array in golden.inputs())
    times = tf.cast(times, tf.float32)[:, None]
    weights = {
        name: golden.weights([weight.shape for weight in net.weights()], seed)
        for seed, (name, net) in enumerate(nets.items())
    }
    resting = Call(training=False)
    generated = nets["generator"]((noisier, times, latents), weights["generator"], resting)
    np.testing.assert_allclose(generated, published()["generated"], atol=2e-5)
    judged = nets["discriminator"]((points, times, noisier), weights["discriminator"], resting)
    np.testing.assert_allclose(judged, published()["judged"], atol=2e-5)

    model = made(model={"r1": golden.GAMMA, "r1_every": golden.EVERY}, optimizer=ADAM, beta1=0.5, beta2=0.9)
    for name, module in model.modules.items():
        monkeypatch.setattr(module, "initial", lambda _, name=name: weights[name])
    model.start(SEEDS)
    rates = {name: tf.constant(rate) for name, rate in golden.RATES.items()}
    for step in range(golden.UPDATES):
        monkeypatch.setattr(model, "_real", lambda *_, step=step: tf.constant(golden.images(step)))
        monkeypatch.setattr(training, "Draw", lambda _, step=step: golden.Drawn(step))
        losses = model._step(tf.constant(step, tf.int64), rates, {})
        np.testing.assert_allclose(losses, published()["losses"][step], rtol=1e-5)
    for name, packing in model._packing.items():
        slots = model._vectors[f"{name}_slot0"].value(), model._vectors[f"{name}_moving"].value()
        moment, expected = flat(packing.unpack(*slots)), published()[f"{name}_moment"]
        np.testing.assert_allclose(moment, expected, atol=1e-4 * np.abs(expected).max())
        np.testing.assert_allclose(flat(model.weights(name)), published()[name], atol=0.01 * golden.RATES[name])


def flat(values):
    return np.concatenate([np.ravel(each) for each in values])


def test_initial_weights_are_drawn_as_published():
    # By the variance of each kernel, divided by Glorot's: of the generator 28 styled blocks and 4 of attention.
    counts = {"generator": {1e-10: 28 + 1 + 4, 0.1: 3 * 4}, "discriminator": {1e-10: 4 + 1}}
    for name, net in networks(width=8, style=32, latent=32, discriminator_width=8, time=32).items():
        found: dict[float, int] = {}
        for weight, values in zip(net.weights(), net.initial(np.random.default_rng(0)), strict=True):
            if len(weight.shape) == 1:
                half = len(values) // 2
                assert not values.any() or ((values[:half] == 1).all() and set(values[half:]) <= {values[-1], 1.0})
                continue
            area = np.prod(weight.shape[:-2], initial=1.0)
            glorot = 2.0 / (area * (weight.shape[-2] + weight.shape[-1]))
            ratio = values.var() / glorot
            scale = next(each for each in (1.0, 0.1, 1e-10) if 0.5 < ratio / each < 1.6)
            assert np.abs(values).max() <= 1.001 * np.sqrt(3.0 * scale * glorot)
            found[scale] = found.get(scale, 0) + 1
        assert {scale: count for scale, count in found.items() if scale < 1} == counts[name]


def test_images_far_on_are_noise_and_the_way_back_is_bayes_rule():
    rng = np.random.default_rng(3)
    image, first, second = rng.normal(size=(3, 4, 2, 2, 1)).astype(np.float32)
    time = tf.range(4)
    point, noisier = (np.array(each) for each in DIFFUSION.pair(image, time, (first, second)))
    np.testing.assert_array_equal(point[0], image[0])
    variance = DIFFUSION.variance
    kept = np.concatenate([[1.0], np.cumprod(1.0 - variance)])
    # of the continuous diffusion, whose rate rises from 0.1 to 20, from time 0.001 on
    assert kept[-1] == pytest.approx(np.exp(-0.1 * (1 - 1e-3) - 0.5 * 19.9 * (1 - 1e-6)), rel=1e-6)
    for index in range(4):
        mean, spread = np.sqrt(kept[index]) * image[index], 1.0 - kept[index]
        np.testing.assert_allclose(point[index], mean + np.sqrt(spread) * first[index], atol=1e-6)
        onward = np.sqrt(1.0 - variance[index])
        gain = spread * onward / (spread * onward**2 + variance[index])
        expected = mean + gain * (noisier[index] - onward * mean)
        left = np.sqrt(spread * (1.0 - gain * onward))
        back = DIFFUSION.back(image, noisier, time, second)[index]
        np.testing.assert_allclose(back, expected + left * second[index], atol=1e-5)


@pytest.mark.parametrize(("steps", "lowest", "highest"), [(1, 100.0, 100.0), (1000, 0.001, 0.001), (1000, 0.1, 20.0)])
def test_every_allowed_diffusion_is_finite(steps, lowest, highest):
    diffusion, time = Diffusion(steps=steps, beta_min=lowest, beta_max=highest), tf.range(steps)
    noise = np.ones((steps, 1, 1, 1), np.float32)
    point, noisier = diffusion.pair(noise, time, (noise, noise))
    for found in (point, noisier, diffusion.back(noise, noisier, time, noise)):
        assert np.isfinite(found).all()


def test_the_further_channel_holds_deviations_of_groups_that_lie_apart():
    x = np.random.default_rng(5).normal(size=(8, 2, 2, 3)).astype(np.float32)
    found = layers.BatchDeviation()(tf.constant(x), [], Call(training=True), 0)
    for index in range(8):
        group = x[index % 2 :: 2]
        np.testing.assert_allclose(found[index, :, :, 3], np.full((2, 2), group.std(0).mean()), rtol=1e-5)
    np.testing.assert_array_equal(found[..., :3], x)


def test_how_steps_are_cut_and_where_a_run_is_resumed_changes_no_bit():
    model = trained()
    model.start(SEEDS)
    advance(model, 18)  # the penalty comes at the first and the sixteenth
    whole = model.state()
    model.start(SEEDS)
    advance(model, 1, 6)
    kept = model.state()
    model.start(Seeds(5, 6, 7, 8))
    model.restore(kept)
    advance(model, 11)
    assert model.traces == 1
    assert all(np.array_equal(whole[name], array) for name, array in model.state().items())


def test_an_image_is_a_function_of_its_latent_vector_alone():
    model = trained()
    model.start(SEEDS)
    advance(model, 5, rate=0.01)
    size = golden.SIZE**2 * golden.CHANNELS
    assert model.latent == 4 * (golden.NARROW["latent"] + size)
    latents = evaluation_latents(0, 40, model.latent)
    images = model.generate(latents, weights="raw")
    assert images.shape == (40, golden.SIZE, golden.SIZE, golden.CHANNELS)
    parts = [model.generate(latents[first : first + 20], weights="raw") for first in (0, 20)]
    np.testing.assert_array_equal(np.concatenate(parts), images)
    changed = np.repeat(latents[:1], 9, 0)
    for index in range(1, 9):  # in a z or in a step's noise
        changed[index, 97 * index] += 3.0
    first, *others = model.floats(changed)
    assert all((other != first).any() for other in others)


def test_mixed_precision_is_near_single():
    single, mixed = trained(), made(network=NARROWER, precision="mixed_bfloat16")
    single.start(SEEDS)
    mixed.start(SEEDS)
    (expected,) = advance(single, 1)
    found = mixed._step(tf.constant(0, tf.int64), dict.fromkeys(mixed.networks, tf.constant(1e-3)), {})
    np.testing.assert_allclose(found, np.ravel(list(expected.values())), rtol=0.02)
    assert np.isfinite(mixed.floats(evaluation_latents(0, 2, mixed.latent))).all()


def test_images_and_batches_that_do_not_fit_are_refused():
    with pytest.raises(
        ValueError, match=r"train\.batch is 6, but the discriminator of network 'ncsnpp' compares images in"
    ):
        made(batch=6)
    with pytest.raises(
        ValueError, match="network 'ncsnpp' makes images of 8, 16, … 64 pixels, but the data have 12x12x3"
    ):
        made(images=np.zeros((4, 12, 12, 3), np.uint8))
