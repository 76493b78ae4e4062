"""Discriminators that mix examples or keep statistics train as plain automatic differentiation says, step for step."""

import dataclasses
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import pytest
import tensorflow as tf

from harness import kinds
from harness.models.gan import training
from harness.models.nn import draws
from harness.models.nn.layers import (
    BatchNormalization,
    Call,
    Convolution,
    Dense,
    Network,
    Weight,
    leaky_relu,
    normal,
    reshape,
    tanh,
    zeros,
)
from harness.seeds import Seeds
from tests.models.conftest import part, settings

SEEDS, BATCH, RATE = Seeds(1, 2, 3, 4), 16, np.float32(0.05)
IMAGES = np.random.default_rng(0).integers(0, 256, (64, 8, 8, 1), dtype=np.uint8)


@dataclass(frozen=True)
class PassesSeen:
    """Counts its passes in a statistic, as spectral normalisation keeps its vector; changes nothing."""

    per_example: ClassVar[bool] = True

    def weights(self):
        return (Weight((1,), zeros, moving=True),)

    def __call__(self, x, weights, call, first):
        if call.training:
            call.moved[first] = weights[0] + 1.0
        return x


def pair(*, mixing):
    """A generator of one layer, and a discriminator with batch normalisation (`mixing`) and a counter of its passes."""
    middle = (BatchNormalization(4, momentum=0.5),) if mixing else ()
    generator = Network((Dense(8, 64, normal), reshape(8, 8, 1), tanh()))
    discriminator = Network(
        (Convolution(3, 1, 4, stride=2), *middle, leaky_relu(0.2), PassesSeen(), reshape(64), Dense(64, 1))
    )
    return {"generator": generator, "discriminator": discriminator}


def trainer(monkeypatch, *, mixing, **changes):
    dcgan = kinds.find("network", "dcgan", key="network")
    changed = dataclasses.replace(dcgan, build=lambda settings, shape: pair(mixing=mixing))
    known = (changed, *kinds.parts("loss").values(), *kinds.parts("optimizer").values())
    monkeypatch.setattr(kinds, "_shipped", lambda: known)
    return training.build(part("network", "dcgan", latent=8), settings(optimizer="sgd", **changes), IMAGES)


def unpacked(made, name):
    return made._packing[name].unpack(*made._read(name))


def plain_gradients(made, loss):
    """Gradients of both losses by two separate passes over weights in a list, for the first step of a run."""
    generator, discriminator = (unpacked(made, name) for name in ("generator", "discriminator"))
    roles = made._roles
    indices = draws.batch_indices(roles, tf.constant(0, tf.int64), 0, batch=BATCH, images=len(IMAGES))
    real = tf.cast(tf.gather(IMAGES, indices), tf.float32) / 127.5 - 1.0
    latents = draws.latents(roles, tf.constant(0, tf.int64), 0, batch=BATCH, dimensions=8)
    chosen = kinds.find("loss", loss, key="loss").builder(None)

    def judge(images):
        return made._discriminator(images, discriminator, Call(training=True))[:, 0]

    with tf.GradientTape(persistent=True) as tape:
        tape.watch((generator, discriminator))
        fake = made._generator(latents, generator, Call(training=True))
        logits = judge(real), judge(fake)
        loss_g, loss_d = chosen.generator(*logits), chosen.discriminator(*logits)
    return tape.gradient(loss_g, generator), tape.gradient(loss_d, discriminator)


@pytest.mark.parametrize("mixing", [True, False])
@pytest.mark.parametrize("loss", ["non_saturating", "hinge", "least_squares"])
def test_a_step_is_the_one_that_two_separate_passes_give(mixing, loss, monkeypatch):
    made = trainer(monkeypatch, mixing=mixing, loss=loss)
    made.start(SEEDS)
    before = {name: unpacked(made, name) for name in ("generator", "discriminator")}
    expected = dict(zip(("generator", "discriminator"), plain_gradients(made, loss), strict=True))
    made.advance({"generator": np.array([RATE]), "discriminator": np.array([RATE])})
    for name, weights in before.items():
        for place, (old, new) in enumerate(zip(weights, unpacked(made, name), strict=True)):
            slope = expected[name][place]
            if slope is not None:  # else a statistic
                np.testing.assert_allclose(new, old - RATE * slope, atol=2e-7, err_msg=f"{name} {place}")


def test_a_shared_pass_back_would_be_wrong_where_examples_are_mixed(monkeypatch):
    """The case above can fail: with batch normalisation, the factor of an example is not that of its gradient."""
    monkeypatch.setattr(BatchNormalization, "per_example", True)
    with pytest.raises(AssertionError, match="generator"):
        test_a_step_is_the_one_that_two_separate_passes_give(True, "non_saturating", monkeypatch)


@pytest.mark.parametrize(("critics", "loss"), [(1, "hinge"), (3, "hinge"), (2, "wasserstein_gp")])
def test_statistics_of_a_discriminator_are_kept_and_moved_by_real_and_generated_images_once_each(
    critics, loss, monkeypatch
):
    made = trainer(monkeypatch, mixing=False, loss=loss, discriminator_steps=critics)
    made.start(SEEDS)
    made.advance({"generator": np.full(5, RATE), "discriminator": np.full(5, RATE)})
    counter = unpacked(made, "discriminator")[2]
    assert counter.numpy().tolist() == [2.0 * critics * 5]
    kept = made.state()
    made.start(SEEDS)
    assert unpacked(made, "discriminator")[2].numpy().tolist() == [0.0]
    made.restore(kept)
    assert unpacked(made, "discriminator")[2].numpy().tolist() == [2.0 * critics * 5]


def test_a_gradient_penalty_of_a_discriminator_that_mixes_examples_is_refused(monkeypatch):
    with pytest.raises(ValueError, match=r"train\.loss is 'wasserstein_gp', whose penalty needs a discriminator that"):
        trainer(monkeypatch, mixing=True, loss="wasserstein_gp")


def test_every_built_in_discriminator_may_share_its_pass():
    for name, size, channels in (("dcgan", 8, 1), ("dcgan", 28, 1), ("article", 32, 3)):
        dcgan = kinds.find("network", name, key="network")
        assert dcgan.builder(dcgan.set({}), (size, size, channels))["discriminator"].per_example
