"""Flow matching as published: the U-Net of diffusion models, EDM's times, and training steps that equal PyTorch's."""

import math
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from harness import kinds
from harness.kinds import KindError
from harness.models import objective
from harness.models.flow import Flow, Settings, steps_of
from harness.models.nn.draws import Draw
from harness.models.nn.layers import Call
from harness.models.training import evaluation_latents
from harness.models.unet_adm import features
from harness.seeds import Seeds
from harness.spec import load
from tests.models.conftest import part, settings
from tests.models.golden import make_flow_step as golden

STUDIES = Path(__file__).parents[2] / "studies/published"


def adm(size=32, **changes):
    """The U-Net with settings that differ from the published ones."""
    chosen = kinds.find("network", "unet_adm", key="network.name")
    return chosen.builder(chosen.set(changes), (size, size, 3))["velocity"]


@pytest.fixture
def eager():
    """Compiled functions run line by line: one step costs less than a trace of it."""
    tf.config.run_functions_eagerly(True)
    yield
    tf.config.run_functions_eagerly(False)


class Given:
    """Draws that are given."""

    def __init__(self, noise, times):
        self._noise, self._times = noise, times

    def normal(self, shape):
        assert tuple(shape) == self._noise.shape
        return tf.constant(self._noise)

    def uniform(self, shape):
        assert tuple(shape) == self._times.shape
        return tf.constant(self._times)


@pytest.mark.usefixtures("eager")
@pytest.mark.parametrize("name", golden.NETWORKS)
def test_a_training_step_equals_the_same_step_in_pytorch(name, monkeypatch):
    values, size = golden.NETWORKS[name]
    images, noise, times = golden.batch(size)
    chosen = kinds.find("model", "flow", key="model")
    train = settings(
        batch=2,
        optimizer=("adamw", {"form": "torch", "epsilon": golden.EPSILON, "weight_decay": golden.DECAY}),
        beta1=golden.BETAS[0],
        beta2=golden.BETAS[1],
    )
    network = part("network", name.partition(",")[0], **values)
    model = chosen.builder(network, train, np.zeros((2, size, size, 3), np.uint8), chosen.set({}))
    module, packing = model.modules["velocity"], model._packing["velocity"]
    before = golden.weights([weight.shape for weight in module.weights()])
    monkeypatch.setattr(module, "initial", lambda _: before)
    monkeypatch.setattr(objective, "Draw", lambda _: Given(noise, times))
    monkeypatch.setattr(model, "_real", lambda *_: tf.constant(images))
    model.start(Seeds(1, 2, 3, 4))
    loss = model.advance({"velocity": np.float32([golden.RATE])})["velocity"]
    state = model.state()
    # After one step from 0, Adam's first moment is a fixed share of the gradient.
    moments = packing.unpack(state["velocity_slot0"], state["velocity_moving"])
    gradients = [moment.numpy() / (1.0 - golden.BETAS[0]) for moment in moments]
    after = [weight.numpy() for weight in model.weights("velocity")]

    stored = np.load(golden.FILE)
    expected = {key: stored[f"{name}: {key}"] for key in ("loss", "norms", "gradients", "after")}
    assert loss[0] == pytest.approx(float(expected["loss"]), rel=1e-6)
    norms = [np.linalg.norm(gradient.astype(np.float64)) for gradient in gradients]
    np.testing.assert_allclose(norms, expected["norms"], rtol=1e-4, atol=1e-6)
    sampled = [golden.sample(gradient) for gradient in gradients]
    scales = np.repeat(np.maximum(expected["norms"], 1e-2), [len(each) for each in sampled])
    np.testing.assert_array_less(np.abs(np.concatenate(sampled) - expected["gradients"]), 2e-5 * scales)
    found = np.concatenate([golden.sample(each) for each in after])
    # Adam's first update is the rate times the gradient's sign: where that is rounding, either sign is right.
    sure = np.abs(expected["gradients"]) > 1e-6
    assert sure.mean() > 0.85
    np.testing.assert_allclose(found[sure], expected["after"][sure], rtol=1e-6, atol=1e-7)
    np.testing.assert_allclose(found, expected["after"], atol=2.01 * golden.RATE)


@pytest.mark.parametrize(("study", "count"), [("flow_cifar10", 55_676_419), ("flow_cifar10_torchcfm", 35_746_307)])
def test_a_published_studys_network_has_as_many_weights_as_the_original(study, count):
    # counted by making UNetModel of facebookresearch/flow_matching with MODEL_CONFIGS["cifar10"], and with the settings of
    # train_cifar10.py in atong01/conditional-flow-matching
    network = load(STUDIES / f"{study}.toml").network
    net = network.part.builder(network.settings, (32, 32, 3))["velocity"]
    assert sum(weight.size for weight in net.weights()) == count


def test_initial_weights_are_distributed_as_pytorch_draws_them_and_last_layers_are_0():
    net, kinds_found, limit = adm(), [], 0.0
    for weight, values in zip(net.weights(), net.initial(np.random.default_rng(5)), strict=True):
        rank = "kernel" if len(weight.shape) > 1 else "vector"
        if np.ptp(values) == 0.0:
            kinds_found.append(f"{values.flat[0]:g} {rank}")
            continue
        limit = np.prod(weight.shape[:-1]) ** -0.5 if rank == "kernel" else limit  # a bias follows its kernel
        assert 0.9 * limit < np.abs(values).max() <= limit
        assert values.std() == pytest.approx(limit / math.sqrt(3.0), rel=0.2 if rank == "vector" else 0.03)
        kinds_found.append(f"uniform {rank}")
    # by the same look at the published module: 29 residual blocks, 10 attentions, and the first and last convolutions
    expected = {"uniform kernel": 86, "uniform vector": 86, "1 vector": 69, "0 vector": 109, "0 kernel": 40}
    assert {each: kinds_found.count(each) for each in kinds_found} == expected


def test_a_new_network_of_the_published_size_makes_a_velocity_of_0():
    net = adm()
    points = tf.constant(np.random.default_rng(0).normal(size=(1, 32, 32, 3)).astype(np.float32))
    initial = net.initial(np.random.default_rng(1))
    np.testing.assert_array_equal(net((points, tf.constant([[0.3]])), initial, Call(training=False)), 0.0 * points)


def test_each_example_is_seen_by_itself_and_dropout_is_of_training_only():
    net = adm(8, width=8, blocks=1, attention=4, heads=2)
    rng = np.random.default_rng(2)
    points = tf.constant(rng.normal(size=(3, 8, 8, 3)).astype(np.float32))
    times = tf.constant([[0.1], [0.5], [0.9]])
    weights = [tf.constant(rng.normal(0.0, 0.3, weight.shape).astype(np.float32)) for weight in net.weights()]

    def made(first, last, seed=None):
        call = Call(training=seed is not None, seed=None if seed is None else tf.constant([seed, 0], tf.int64))
        return net((points[first:last], times[first:last]), weights, call).numpy()

    whole = made(0, 3)
    np.testing.assert_allclose(made(1, 2), whole[1:2], rtol=1e-4, atol=1e-4)
    assert net.per_example
    np.testing.assert_array_equal(made(0, 3, seed=1), made(0, 3, seed=1))
    assert np.abs(made(0, 3, seed=1) - made(0, 3, seed=2)).max() > 0.01
    assert np.abs(made(0, 3, seed=1) - whole).max() > 0.01


def test_times_are_seen_through_cosines_and_sines_from_1_down_to_nearly_1e_4():
    found = features(tf.constant([[0.25]]), 4).numpy()[0]
    angles = [0.25, 0.025, 0.0025, 0.00025]  # frequencies 10000^(-i / 4)
    np.testing.assert_allclose(found, [*np.cos(angles), *np.sin(angles)], rtol=1e-6)


def test_heads_must_divide_the_width():
    adm(width=16, heads=4)
    with pytest.raises(KindError, match=r"unet_adm\.heads is 3, but must divide unet_adm\.width, which is 16"):
        adm(width=16, heads=3)


def test_sides_must_be_multiples_of_8():
    fits = kinds.find("network", "unet_adm", key="network.name").fits
    assert [size for size in range(4, 80) if fits((size, size, 3)) is None] == list(range(8, 72, 8))
    assert fits((32, 24, 3)) == "images of 8, 16, … 64 pixels"


def test_skewed_times_have_normal_logarithms_of_the_noise():
    times = Flow({}, (2, 2, 1), Settings(times="skewed"))._times(Draw(tf.constant([5, 6], tf.int64)), 100_000)
    assert times.shape == (100_000, 1)
    noise = np.log(1.0 / times.numpy().astype(np.float64) - 1.0)
    assert noise.mean() == pytest.approx(-1.2, abs=0.02)
    assert noise.std() == pytest.approx(1.2, abs=0.02)
    assert np.mean(noise < 0.0) == pytest.approx(0.8413, abs=0.005)  # one standard deviation above the mean


def test_edm_steps_go_through_the_noise_levels_of_karras_and_end_at_the_image():
    times, lengths = steps_of(Settings(steps=50, spacing="edm"))
    root = 1 / 7
    levels = [(80**root + i / 49 * (0.002**root - 80**root)) ** 7 for i in range(50)]
    np.testing.assert_allclose(times, [*(1 / (1 + level) for level in levels), 1.0], rtol=1e-6)
    np.testing.assert_allclose(np.cumsum(lengths.astype(np.float64)), times[1:] - times[0], atol=1e-6)
    assert lengths[-1] == pytest.approx(0.002 / 1.002, rel=1e-5)
    assert steps_of(Settings(steps=1, spacing="edm"))[0] == pytest.approx([1 / 81, 1.0])


@pytest.mark.parametrize(("solver", "order"), [("euler", 1), ("heun", 2)])
def test_edm_steps_approach_the_exact_path_by_the_order_of_the_solver(solver, order):
    # values are normal with mean 0.3 and spread 0.5, so at time t points are normal with mean 0.3 t and variance v(t)
    def variance(time):
        return (time * 0.5) ** 2 + (1.0 - time) ** 2

    def velocity(points, time):
        time = time[:, :, None, None]
        return 0.3 + (time * 0.25 - (1.0 - time)) / variance(time) * (points - time * 0.3)

    latents = evaluation_latents(0, 50, 4)
    exact = 0.3 + 0.5 * (latents - 0.3 / 81) / math.sqrt(variance(1 / 81))
    errors = []
    for steps in (20, 40):
        flow = Flow({}, (2, 2, 1), Settings(steps=steps, spacing="edm", solver=solver))
        errors.append(np.abs(flow.sample({"velocity": velocity}, latents).numpy().reshape(50, 4) - exact).max())
    assert math.log2(errors[0] / errors[1]) == pytest.approx(order, abs=0.4)
