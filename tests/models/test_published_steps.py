"""One training step of published networks equals PyTorch's, from the same weights, images, latents and mixtures.

The golden values are of networks written as their PyTorch code has them (golden/make_steps.py). What is compared is the
whole step of a run: only where it draws at random is it handed the same numbers instead. Alternating steps, as published,
are compiled; joint ones run operation by operation, which is the same but for the time that tracing takes.
"""

from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from harness.models.gan import training
from harness.seeds import Seeds
from tests.models.conftest import part, settings
from tests.models.golden import recipe

GOLDEN = Path(__file__).parent / "golden" / "steps.npz"


@pytest.fixture(scope="module")
def golden():
    with np.load(GOLDEN) as arrays:
        return dict(arrays)


def with_given_draws(model, drawn, monkeypatch):
    """The model, whose passes get their images, latents and mixtures in the order of `drawn`."""

    class Mixtures:
        def __init__(self, seed):
            pass

        def uniform(self, shape):
            return tf.constant(drawn["mixtures"][0])

    monkeypatch.setattr(model, "_real", lambda step, part, batch=None: tf.constant(drawn["real"][part]))
    monkeypatch.setattr(model, "_draw_latents", lambda step, part, batch=None: tf.constant(drawn["latents"][part]))
    monkeypatch.setattr(training, "Draw", Mixtures)
    return model


def flat(model, name, vector, *, moving):
    """The values of a vector of the model's state, without the zeros between weights."""
    packing = model._packing[name]
    values, sizes = model.state()[vector], packing.sizes(moving=moving)
    parts = np.split(values, np.cumsum(sizes)[:-1]) if sizes else []
    weights = [weight for weight in packing.weights if weight.moving == moving]
    cut = [each[: weight.size] for each, weight in zip(parts, weights, strict=True)]
    return np.concatenate([np.zeros(0, np.float32), *cut])


def begin(model):
    """Start with the recipe's weights."""
    model.start(Seeds(1, 2, 3, 4))
    state = model.state()
    for seed, name in enumerate(model.networks, start=1):
        packing = model._packing[name]
        vectors = {False: [], True: []}
        for place, weight in enumerate(packing.weights):
            values = recipe.weight(seed, place, weight.shape).ravel()
            vectors[weight.moving].append(np.pad(values, (0, -values.size % 16)))
        for moving, parts in vectors.items():
            state[f"{name}_moving" if moving else name] = np.concatenate([np.zeros(0, np.float32), *parts])
    model.restore(state)


@pytest.fixture(params=recipe.CASES)
def name(request):
    return request.param


def stepped(name, updates, monkeypatch):
    """Model and losses after one step with the recipe's numbers."""
    case = recipe.CASES[name]
    adam = ("adam", {"form": "torch", "epsilon": 1e-8})
    moments = {"beta1": case["beta1"], "beta2": recipe.BETA2}
    train = settings(batch=recipe.BATCH, loss=case["loss"], optimizer=adam, updates=updates, **moments)
    images = np.zeros((recipe.BATCH, case["side"], case["side"], case["channels"]), np.uint8)
    network = part("network", name, latent=recipe.LATENT, **case["settings"])
    model = with_given_draws(training.build(network, train, images), recipe.batch(name), monkeypatch)
    begin(model)
    found = model.advance(dict.fromkeys(model.networks, np.array([recipe.RATE], np.float32)))
    return model, [found[role][0] for role in model.networks]


@pytest.mark.slow
@pytest.mark.parametrize("updates", recipe.UPDATES)
def test_a_step_equals_pytorchs(name, updates, golden, monkeypatch, request):
    if updates == "joint":
        request.addfinalizer(lambda: tf.config.run_functions_eagerly(False))
        tf.config.run_functions_eagerly(True)
    model, losses = stepped(name, updates, monkeypatch)
    np.testing.assert_allclose(losses, golden[f"{name}/{updates}/losses"], rtol=1e-5)
    for role in model.networks:
        key = f"{name}/{updates}/{role}"
        slope, after = golden[f"{key}/gradient"], golden[f"{key}/weights"]
        largest = np.abs(slope).max()
        # Adam's first moment is (1 - β₁) times the gradient after the first step
        found = flat(model, role, f"{role}_slot0", moving=False) / (1.0 - recipe.CASES[name]["beta1"])
        np.testing.assert_allclose(found, slope, rtol=0.0, atol=3e-6 * largest)
        # The first step is the rate in the direction of the gradient's sign, which rounding decides where terms cancel.
        clear = np.abs(slope) > 1e-4 * largest
        assert clear.mean() > 0.8
        found = flat(model, role, role, moving=False)
        np.testing.assert_allclose(found[clear], after[clear], rtol=0.0, atol=1e-4 * recipe.RATE)
        if f"{key}/moving" in golden:
            moved = flat(model, role, f"{role}_moving", moving=True)
            np.testing.assert_allclose(moved, golden[f"{key}/moving"], rtol=1e-5, atol=1e-5)
