"""The residual networks of SNGAN: weights counted by hand, singular values by NumPy, a step by plain differentiation."""

import functools

import numpy as np
import pytest
import tensorflow as tf

from harness import kinds
from harness.models.gan.training import build
from harness.models.nn import draws
from harness.models.nn.layers import Call
from harness.models.nn.packing import Packing
from harness.models.training import evaluation_latents
from harness.seeds import Seeds
from tests.models.conftest import part, settings

SEEDS, BATCH, RATE = Seeds(1, 2, 3, 4), 4, np.float32(0.01)
IMAGES = np.random.default_rng(0).integers(0, 256, (16, 32, 32, 3), dtype=np.uint8)


def fresh():
    small = part("network", "sngan_resnet32", latent=8, width=8)
    return build(small, settings(batch=BATCH, loss="hinge", optimizer="sgd"), IMAGES)


made = functools.cache(fresh)  # one for all tests: tracing it takes most of their time


def advance(model, steps, rate=RATE):
    model.advance(dict.fromkeys(model.networks, np.full(steps, rate, np.float32)))


def unpacked(model, name):
    return model._packing[name].unpack(*model._read(name))


def test_the_papers_width_has_as_many_weights_as_counted_by_hand():
    chosen = kinds.find("network", "sngan_resnet32", key="network")
    networks = chosen.builder(chosen.set({}), (32, 32, 3))

    def convolution(kernel, inputs, outputs):
        return kernel**2 * inputs * outputs + outputs

    up = 2 * convolution(3, 256, 256) + convolution(1, 256, 256) + 2 * 2 * 256
    generator = 128 * 4096 + 4096 + 3 * up + 2 * 256 + convolution(3, 256, 3)
    first = convolution(3, 3, 128) + convolution(3, 128, 128) + convolution(1, 3, 128)
    down, level = 2 * convolution(3, 128, 128) + convolution(1, 128, 128), 2 * convolution(3, 128, 128)
    discriminator = first + down + 2 * level + 128 + 1
    counts = {name: Packing(network).trained for name, network in networks.items()}
    assert counts == {"generator": generator, "discriminator": discriminator}
    assert counts == {"generator": 4_276_739, "discriminator": 1_053_825}


@pytest.mark.slow
def test_a_step_is_the_one_that_two_separate_passes_give():
    model = made()
    model.start(SEEDS)
    advance(model, 3)  # so that no convolution's slope is an initial one
    step = tf.constant(3, tf.int64)
    indices = draws.batch_indices(model._roles, step, 0, batch=BATCH, images=len(IMAGES))
    real = tf.cast(tf.gather(IMAGES, indices), tf.float32) / 127.5 - 1.0
    latents = draws.latents(model._roles, step, 0, batch=BATCH, dimensions=8)
    generator, discriminator = (unpacked(model, name) for name in model.networks)
    chosen = kinds.find("loss", "hinge", key="loss").builder(None)
    with tf.GradientTape(persistent=True) as tape:
        tape.watch((generator, discriminator))
        fake = model._generator(latents, generator, Call(training=True))
        first, second = Call(training=True), Call(training=True)
        of_fake = model._discriminator(fake, discriminator, first)[:, 0]
        moved = [first.moved.get(index, weight) for index, weight in enumerate(discriminator)]
        of_real = model._discriminator(real, moved, second)[:, 0]
        losses = chosen.generator(of_real, of_fake), chosen.discriminator(of_real, of_fake)
    slopes = tape.gradient(losses[0], generator), tape.gradient(losses[1], discriminator)
    advance(model, 1)
    for name, before, gradients in zip(model.networks, (generator, discriminator), slopes, strict=True):
        for index, (old, new, slope) in enumerate(zip(before, unpacked(model, name), gradients, strict=True)):
            if name == "discriminator" and index in second.moved:
                np.testing.assert_allclose(new, second.moved[index], atol=1e-5)
            elif slope is not None:
                largest = float(tf.reduce_max(tf.abs(slope)))
                np.testing.assert_allclose(new, old - RATE * slope, atol=1e-6 + 1e-4 * RATE * largest)


@pytest.mark.slow
def test_after_some_steps_the_discriminators_kernels_have_largest_singular_value_1():
    model = made()
    model.start(SEEDS)
    advance(model, 60, rate=0.0)
    weights = unpacked(model, "discriminator")
    layout = model._packing["discriminator"].weights
    kernels = [index for index, weight in enumerate(layout) if len(weight.shape) > 1]
    assert len(kernels) == 3 + 3 + 2 + 2 + 1
    for index in kernels:
        matrix = weights[index].numpy().reshape(-1, layout[index].shape[-1])
        left = weights[index + 2].numpy()
        right = matrix @ left / np.linalg.norm(matrix @ left)
        estimated = np.linalg.norm(matrix.T @ right)
        assert estimated == pytest.approx(np.linalg.svd(matrix, compute_uv=False)[0], rel=1e-3)


@pytest.mark.slow
def test_how_steps_are_cut_and_where_a_run_is_resumed_changes_no_bit():
    model = made()
    states = []
    for parts in ([6], [1, 2, 3]):
        model.start(SEEDS)
        for steps in parts:
            advance(model, steps)
        states.append(model.state())
    model.start(SEEDS)
    advance(model, 2)
    kept = model.state()
    assert kept["discriminator_moving"].any()
    other = fresh()
    other.restore(kept)
    advance(other, 4)
    for state in (states[1], other.state()):
        assert all(np.array_equal(states[0][name], state[name]) for name in state)


def test_it_makes_images_of_32_pixels_and_refuses_others():
    model = made()
    model.start(SEEDS)
    assert model.generate(evaluation_latents(0, 3, 8), weights="ema").shape == (3, 32, 32, 3)
    assert model._discriminator.per_example
    with pytest.raises(ValueError, match="sngan_resnet32' makes 32x32x3 images, but the data have 8x8x1"):
        build(part("network", "sngan_resnet32"), settings(), np.zeros((4, 8, 8, 1), np.uint8))
