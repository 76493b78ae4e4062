"""A training loop that XLA compiles is the plain one: the same draws, the same numbers within rounding, one compilation."""

import inspect

import numpy as np
import pytest
import tensorflow as tf

from harness.models.gan.training import Adversarial
from harness.models.model import Diverged
from harness.models.nn.layers import BatchNormalization, Convolution, Dense, Dropout, Network, leaky_relu, reshape, tanh
from harness.models.nn.spectral import SpectrallyNormalised
from harness.models.training import _LONGEST
from harness.seeds import Seeds
from tests.models.conftest import part, settings

SEEDS = Seeds(1, 2, 3, 4)
IMAGES = np.random.default_rng(0).integers(0, 256, (32, 4, 4, 1), dtype=np.uint8)


def adversarial(further=(), **changes):
    """A GAN of as few layers as hold everything that a loop must carry: statistics, power iteration, noise, augmentations."""
    from harness import kinds
    from harness.models.gan.penalty import Penalties

    train = settings(batch=8, updates="alternating", flip=True, averages=(("ema", 0.9), ("ema_0.5", 0.5)), **changes)
    networks = {
        "generator": Network((Dense(3, 32), BatchNormalization(32), reshape(4, 4, 2), Convolution(3, 2, 1), tanh())),
        "discriminator": Network(
            (
                SpectrallyNormalised(Convolution(3, 1, 4, stride=2)),
                leaky_relu(0.2),
                Dropout(0.3),
                reshape(16),
                SpectrallyNormalised(Dense(16, 1)),
            )
        ),
    }
    augmentations = [
        kinds.find("augmentation", name, key="").builder(None) for name in ("color", "translation", "cutout")
    ]
    return Adversarial(
        networks,
        kinds.find("loss", "hinge", key="").builder(part("loss", "hinge").settings),
        latent=3,
        train=train,
        images=IMAGES,
        penalties=Penalties.of([part("penalty", "gradient_penalty", every=2)]),
        augmentations=[*augmentations, *further],
        autograph=False,
    )


def autoencoder(**changes):
    """A model whose step is of losses that share networks, with normal draws."""
    from harness import kinds

    chosen = kinds.find("model", "vae", key="model.name")
    images = np.repeat(np.repeat(IMAGES, 2, 1), 2, 2)
    return chosen.builder(
        part("network", "conv_vae", width=4, latent=3), settings(batch=8, **changes), images, chosen.set({})
    )


MAKE = {
    "adversarial": (adversarial, {"optimizer": "sgd"}),
    # An epsilon that keeps gradients of rounding errors alone from being scaled up.
    "autoencoder": (autoencoder, {"optimizer": ("schedule_free", {"epsilon": 0.1})}),
}


@pytest.fixture(scope="module", params=MAKE)
def pair(request):
    """The same model plain and compiled."""
    make, changes = MAKE[request.param]
    return [make(xla=xla, **changes) for xla in (False, True)]


def trained(model, rates):
    """Losses of every step, and the state after them."""
    model.start(SEEDS)
    losses = model.advance(dict.fromkeys(model.networks, np.asarray(rates, np.float32)))
    return losses, model.state()


def test_losses_and_weights_are_equal_within_rounding(pair):
    (plain, before), (compiled, after) = (trained(model, [1e-3] * 4) for model in pair)
    for name, losses in plain.items():
        np.testing.assert_allclose(compiled[name], losses, rtol=1e-4, atol=1e-5)
    for name, vector in before.items():
        np.testing.assert_allclose(after[name], vector, rtol=1e-4, atol=1e-5, err_msg=name)


def test_divergence_is_reported_at_the_same_step(pair):
    steps = []
    for model in pair:
        with pytest.raises(Diverged) as caught:
            trained(model, [1e-3] * 4 + [1e30] * 6)
        steps.append((caught.value.step, len(caught.value.losses[model.losses[0]])))
    assert steps[0] == steps[1]
    assert steps[0][0] >= 5


def test_a_run_is_compiled_once_whatever_the_length_of_its_chunks(pair):
    _, compiled = pair
    whole = trained(compiled, [1e-3] * 7)[1]
    compiled.start(SEEDS)
    for steps in (1, 4, 2):
        compiled.advance(dict.fromkeys(compiled.networks, np.full(steps, 1e-3, np.float32)))
    assert all(np.array_equal(compiled.state()[name], vector) for name, vector in whole.items())
    assert compiled.traces == 1
    lengths = {
        tuple(spec.shape) for spec in compiled._chunk.input_signature
    }  # XLA compiles for each set of shapes anew
    assert lengths == {(), (_LONGEST,)}


def test_what_xla_cannot_compile_is_named():
    def unlike(images, draw):
        return images * tf.numpy_function(np.float32, (1.0,), tf.float32)

    line = inspect.getsourcelines(unlike)[1] + 1
    assert adversarial([unlike], xla=True).fault_of_xla() == f"operation PyFunc, made in test_xla.py, line {line}"
    assert adversarial([unlike], xla=False).fault_of_xla() is None
