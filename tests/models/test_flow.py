"""Rectified flow: losses and paths whose velocity is known in closed form, the U-Net, and runs."""

import math

import numpy as np
import pytest
import tensorflow as tf
from sklearn.datasets import load_digits

from harness import kinds
from harness.models.flow import Flow, Settings, UNet
from harness.models.nn.draws import Draw
from harness.models.nn.layers import Call
from harness.models.training import evaluation_latents
from harness.seeds import Seeds
from tests.models.conftest import part, settings

SEEDS = Seeds(1, 2, 3, 4)
DRAW = tf.constant([5, 6], tf.int64)


def made(size=8, channels=1, images=None, model=None, **changes):
    images = (
        np.random.default_rng(0).integers(0, 256, (64, size, size, channels), np.uint8) if images is None else images
    )
    chosen = kinds.find("model", "flow", key="model")
    return chosen.builder(part("network", "unet", width=4), settings(**changes), images, chosen.set(model or {}))


def flow(shape=(2, 2, 1), **changes):
    return Flow({}, shape, Settings(**changes))


def run(model, parts):
    model.start(SEEDS)
    losses = [model.advance({"velocity": np.full(steps, 1e-3, np.float32)})["velocity"] for steps in parts]
    return model.state(), np.concatenate(losses)


def of_a_normal(mean, spread):
    """The exact velocity where every value of an image is normal, by the conditional mean of jointly normal numbers."""

    def velocity(points, time):
        time = time[:, :, None, None]
        variance = (time * spread) ** 2 + (1.0 - time) ** 2
        return mean + (time * spread**2 - (1.0 - time)) / variance * (points - time * mean)

    return {"velocity": velocity}


@pytest.mark.parametrize("steps", [1, 7])
def test_the_exact_velocity_to_one_image_arrives_at_it(steps):
    image = np.array([0.5, -0.25, 1.0, 0.0], np.float32).reshape(1, 2, 2, 1)
    nets = {"velocity": lambda points, time: (image - points) / (1.0 - time[:, :, None, None])}
    latents = evaluation_latents(0, 5, 4)
    np.testing.assert_allclose(flow(steps=steps).sample(nets, latents), np.repeat(image, 5, 0), atol=1e-5)


def test_the_loss_of_the_exact_velocity_to_one_image_is_0():
    image = tf.constant(np.float32([0.5, -0.25, 1.0, 0.0]).reshape(1, 2, 2, 1))
    nets = {"velocity": lambda points, time: (image - points) / (1.0 - time[:, :, None, None])}
    found = flow().loss(nets, tf.repeat(image, 64, 0), Draw(DRAW))["velocity"]
    assert found.numpy() == pytest.approx(0.0, abs=1e-6)


@pytest.mark.parametrize("spread", [0.5, 2.0])
def test_the_loss_of_the_exact_velocity_to_normal_values_is_half_pi_times_their_spread(spread):
    # variance of image - noise given the point: spread^2 / (t^2 spread^2 + (1 - t)^2), over t the integral is pi/2 spread
    images = tf.constant(np.random.default_rng(1).normal(0.3, spread, (100_000, 2, 2, 1)).astype(np.float32))
    exact = of_a_normal(0.3, spread)
    found = flow().loss(exact, images, Draw(DRAW))["velocity"].numpy()
    assert found == pytest.approx(math.pi / 2 * spread, rel=0.01)
    off = {"velocity": lambda points, time: exact["velocity"](points, time) + 0.1}
    assert flow().loss(off, images, Draw(DRAW))["velocity"].numpy() == pytest.approx(found + 0.01, abs=0.005)


@pytest.mark.parametrize(("solver", "order"), [("euler", 1), ("heun", 2)])
def test_steps_approach_the_exact_path_by_the_order_of_the_solver(solver, order):
    # the path keeps ranks, so from z it leads to mean + spread z
    latents = evaluation_latents(0, 50, 4)
    errors = [
        np.abs(
            flow(steps=steps, solver=solver).sample(of_a_normal(0.3, 0.5), latents).numpy().reshape(50, 4)
            - (0.3 + 0.5 * latents)
        ).max()
        for steps in (20, 40)
    ]
    assert math.log2(errors[0] / errors[1]) == pytest.approx(order, abs=0.3)


def test_a_new_unet_stands_still_and_looks_at_each_example_and_its_time():
    net = UNet(size=12, channels=3, width=4)
    rng = np.random.default_rng(2)
    points, times = (
        tf.constant(rng.normal(size=(4, 12, 12, 3)).astype(np.float32)),
        tf.constant([[0.1], [0.5], [0.9], [0.5]]),
    )
    call = Call(training=True)
    np.testing.assert_array_equal(net((points, times), net.initial(rng), call), np.zeros((4, 12, 12, 3)))
    weights = [tf.constant(rng.normal(0.0, 0.3, weight.shape).astype(np.float32)) for weight in net.weights()]
    whole = net((points, times), weights, call)
    assert whole.shape == (4, 12, 12, 3)
    np.testing.assert_allclose(net((points[1:2], times[1:2]), weights, call), whole[1:2], rtol=1e-4, atol=1e-4)
    assert np.abs(net((points, times[::-1]), weights, call)[0] - whole[0]).max() > 0.01
    assert net.per_example
    assert not call.moved


def test_every_weight_of_the_unet_learns():
    model = made()
    model.start(SEEDS)
    before = model._packing["velocity"].unpack(*model._read("velocity"))
    model.advance({"velocity": np.full(5, 1e-3, np.float32)})
    for old, new in zip(before, model._packing["velocity"].unpack(*model._read("velocity")), strict=True):
        assert (old.numpy() != new.numpy()).mean() > 0.9


def test_how_steps_are_cut_and_where_a_run_is_resumed_changes_no_bit():
    model = made()
    whole, losses = run(model, [12])
    cut, again = run(model, [1, 4, 7])
    assert all(np.array_equal(whole[name], cut[name]) for name in whole)
    np.testing.assert_array_equal(losses, again)
    assert model.traces == 1
    first, _ = run(model, [5])
    other = made()
    other.restore(first)
    other.advance({"velocity": np.full(7, 1e-3, np.float32)})
    assert all(np.array_equal(whole[name], other.state()[name]) for name in whole)


def test_on_digits_the_loss_falls_and_images_do_not_depend_on_how_many_are_made():
    digits = (load_digits().images[..., None] * (255 / 16)).astype(np.uint8)
    model = made(images=digits, batch=64, model={"steps": 5})
    _, losses = run(model, [200])
    assert losses[-50:].mean() < 0.6 * losses[:10].mean()
    latents = evaluation_latents(0, 500, 64)
    images = model.generate(latents, weights="ema")
    assert images.shape == (500, 8, 8, 1)
    assert images.dtype == np.uint8
    parts = [model.generate(latents[first : first + 250], weights="ema") for first in (0, 250)]
    np.testing.assert_array_equal(np.concatenate(parts), images)


@pytest.mark.parametrize(("size", "channels"), [(28, 1), (64, 3)])
def test_the_network_sizes_itself(size, channels):
    model = made(size, channels, batch=2, model={"steps": 2, "solver": "heun"})
    run(model, [1])
    latents = evaluation_latents(0, 2, size * size * channels)
    assert model.latent == latents.shape[1]
    assert model.generate(latents, weights="raw").shape == (2, size, size, channels)


@pytest.mark.parametrize("precision", ["mixed_bfloat16", "mixed_float16"])
def test_mixed_precision_is_near_single(precision):
    losses = [run(made(precision=each), [3])[1] for each in ("float32", precision)]
    np.testing.assert_allclose(losses[1], losses[0], rtol=0.02)
