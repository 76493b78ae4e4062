"""The variational autoencoder (Kingma & Welling 2014), and convolutional networks for it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from harness import kinds
from harness.kinds import Shape, number
from harness.lazy import tf
from harness.models.model import ModelPart, NetworkPart, PartSettings, TrainSettings
from harness.models.nn import sizes
from harness.models.nn.draws import Draw
from harness.models.nn.layers import (
    Convolution,
    Dense,
    Layer,
    Module,
    Network,
    TransposedConvolution,
    reshape,
    silu,
    tanh,
)
from harness.models.objective import Descent, Nets

_TENSORS = 12  # as large as the widest layer's output: two networks, forwards and gradients


@dataclass(frozen=True)
class Settings:
    """What may be set."""

    variance: float = number(
        0.05,
        low=1e-4,
        high=100.0,
        text="of a pixel (-1 to 1) given its latent vector; larger: smoother latents, blurrier images (β of a β-VAE)",
    )


@dataclass(frozen=True)
class Autoencoder:
    """The encoder gives mean and logarithm of the variance of a normal over latents, the decoder images.

    Both networks descend the negative evidence lower bound, in nats per image: the sum of `reconstruction`, minus the
    logarithm of the images' density around what the decoder makes of a draw, and `divergence`, of the encoder's normal
    from the standard normal.
    """

    modules: Mapping[str, Module]
    variance: float
    latent: int
    losses = ("reconstruction", "divergence")
    sampled = ("decoder",)

    def networks(self) -> Mapping[str, Module]:
        """Encoder and decoder."""
        return self.modules

    def loss(self, nets: Nets, images: tf.Tensor, draw: Draw) -> Mapping[str, tf.Tensor]:
        """Means over the batch, float32; one latent vector is drawn for each image."""
        mean, log_variance = tf.split(tf.cast(nets["encoder"](images), tf.float32), 2, -1)
        latents = mean + tf.exp(0.5 * log_variance) * draw.normal(tf.shape(mean))
        made = tf.cast(nets["decoder"](tf.cast(latents, images.dtype)), tf.float32)
        return {
            "reconstruction": tf.reduce_mean(minus_log_density(tf.cast(images, tf.float32), made, self.variance)),
            "divergence": tf.reduce_mean(divergence(mean, log_variance)),
        }

    def sample(self, nets: Nets, latents: tf.Tensor) -> tf.Tensor:
        """The decoder's means, without the noise of its pixels."""
        return nets["decoder"](latents)


def minus_log_density(x: tf.Tensor, mean: tf.Tensor, variance: float) -> tf.Tensor:
    """Of examples x (n, …) under normals of their own mean and one variance, float32 (n,), in nats."""
    squares = tf.reduce_sum(tf.square(x - mean), list(range(1, len(x.shape)))) / variance
    return 0.5 * (squares + math.prod(x.shape[1:]) * math.log(2.0 * math.pi * variance))


def divergence(mean: tf.Tensor, log_variance: tf.Tensor) -> tf.Tensor:
    """KL divergence of normals (n, d) from the standard normal, float32 (n,), in nats: the paper's appendix B."""
    return 0.5 * tf.reduce_sum(tf.square(mean) + tf.exp(log_variance) - 1.0 - log_variance, -1)


def build(
    network: PartSettings,
    train: TrainSettings,
    images: NDArray[np.uint8],
    settings: Settings,
    *,
    controls: Sequence[str] = (),
) -> Descent:
    """The autoencoder of a study's [model], [network] and [train], for training images uint8 (n, h, w, c)."""
    part = kinds.find("network", network.name, key="network.name")
    modules = part.builder(network.settings, tuple(images.shape[1:]))
    objective = Autoencoder(modules, settings.variance, network.settings.latent)
    own = not kinds.shipped(part)
    return Descent(objective, train=train, images=images, controls=controls, autograph=own)


@dataclass(frozen=True)
class NetworkSettings:
    """What may be set of the networks."""

    latent: int = number(16, low=1, high=4096, text="length of the latent vector")
    width: int = number(16, low=4, high=1024, text="channels of the widest resolution")


def networks(settings: NetworkSettings, shape: Shape) -> dict[str, Network]:
    """Strided convolutions down to at most 7 pixels (9 for 36) and up again; channels double at each halving."""
    size, _, channels = shape
    count, base = sizes.halvings(size)
    widths = [settings.width * 2**level for level in range(count)]  # from the image inwards
    flat = base * base * widths[-1]
    encoder: list[Layer] = []
    inputs = channels
    for outputs in widths:
        encoder += [Convolution(4, inputs, outputs, stride=2), silu()]
        inputs = outputs
    encoder += [reshape(flat), Dense(flat, 2 * settings.latent)]
    decoder: list[Layer] = [Dense(settings.latent, flat), silu(), reshape(base, base, inputs)]
    for outputs in reversed([settings.width, *widths[:-1]]):
        decoder += [TransposedConvolution(4, inputs, outputs), silu()]
        inputs = outputs
    decoder += [Convolution(3, inputs, channels), tanh()]
    return {"encoder": Network(tuple(encoder)), "decoder": Network(tuple(decoder))}


PARTS = (
    ModelPart(
        name="vae",
        help="variational autoencoder: images are decoded from latent vectors (Kingma & Welling 2014)",
        settings=Settings,
        networks=("encoder", "decoder"),
        network="conv_vae",
        build=build,
    ),
    NetworkPart(
        name="conv_vae",
        help="convolutional encoder and decoder that size themselves to 8 to 64 pixels, 1 or 3 channels",
        model="vae",
        settings=NetworkSettings,
        fits=sizes.fits,
        memory=lambda settings, shape: 4 * shape[0] * shape[1] * settings.width * _TENSORS / 1e6,
        build=networks,
    ),
)
