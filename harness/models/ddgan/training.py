"""Denoising diffusion GANs (Xiao, Kreis & Vahdat 2022): a GAN for each of few large steps from noise to image."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from harness import kinds
from harness.kinds import Shape, number
from harness.lazy import tf
from harness.models.ddgan.diffusion import Diffusion
from harness.models.gan.loss import squared_slope
from harness.models.gan.losses.non_saturating import NonSaturating
from harness.models.model import ModelPart, PartSettings, TrainSettings, network_for
from harness.models.nn import draws
from harness.models.nn.draws import Draw
from harness.models.nn.layers import Call, Module
from harness.models.objective import Passes
from harness.models.training import Training

NETWORKS = ("generator", "discriminator")


@dataclass(frozen=True)
class Settings:
    """What may be set; the defaults are those of the paper's CIFAR-10."""

    steps: int = number(4, low=1, high=1000, text="T: steps from noise to image, each a pass through the generator")
    beta_min: float = number(0.1, low=0.001, high=100.0, text="rate of the diffusion at its beginning")
    beta_max: float = number(20.0, low=0.001, high=100.0, text="rate of the diffusion at its end")
    r1: float = number(
        0.02, low=0.0, high=1e6, text="γ: the discriminator's squared slope at real x_t counts γ/2 times; 0 for never"
    )
    r1_every: int = number(
        15, low=1, high=1000, text="that is added at every this many steps, not multiplied by it, as published"
    )


@dataclass(frozen=True)
class _Transition:
    """A batch of steps from x_{t+1} to x_t: what the discriminator sees of real ones, and what the generator needs."""

    time: tf.Tensor  # int32 (n,)
    point: tf.Tensor  # x_t of real images, float32 (n, h, w, c)
    noisier: tf.Tensor  # x_{t+1}
    latents: tf.Tensor  # z, float32 (n, length)
    noise: tf.Tensor  # of the posterior, as large as x_t


class Denoising(Training):
    """A generator of x₀ from x_{t+1}, z and t, and a discriminator of x_t given x_{t+1} and t.

    A step updates the discriminator, then the generator through it, with a time and noise of its own for each image. The
    recorded loss of the discriminator is without its penalty. The latent vector of an image holds everything that is
    random in its making: a z for each step, then as many numbers as T images have (x_T, and the noise of all steps but
    the last): 4 · (100 + 3,072) numbers or 51 kB an image of CIFAR-10 in 4 steps, 2.5 GB for 50,000 images.
    """

    def __init__(
        self,
        networks: Mapping[str, Module],
        settings: Settings,
        *,
        latent: int,
        train: TrainSettings,
        images: NDArray[np.uint8],
        controls: Sequence[str] = (),
        autograph: bool = True,
    ) -> None:
        """For training images uint8 (n, h, w, c); `latent` is the length of z."""
        super().__init__(
            {name: networks[name] for name in NETWORKS},
            losses=NETWORKS,
            averaged=("generator",),
            latent=settings.steps * (latent + math.prod(images.shape[1:])),
            train=train,
            images=images,
            controls=controls,
            autograph=autograph,
        )
        self._length, self._regularised, self._loss = latent, settings, NonSaturating()
        self._diffusion = Diffusion(steps=settings.steps, beta_min=settings.beta_min, beta_max=settings.beta_max)

    def _step(
        self, step: tf.Tensor, rates: Mapping[str, tf.Tensor], controls: Mapping[str, tf.Tensor]
    ) -> Sequence[tf.Tensor]:
        """One update of each network; both see the same real images, as in the published code."""
        images = tf.cast(self._real(step, 0), tf.float32)
        draw = Draw(draws.seed_at(self._seeds, draws.LATENTS, step))
        loss_d = self._discriminator_update(step, self._transition(images, draw), rates["discriminator"], controls)
        loss_g = self._generator_update(step, self._transition(images, draw), rates["generator"], controls)
        self._average(step, controls)
        return loss_g, loss_d

    def _transition(self, images: tf.Tensor, draw: Draw) -> _Transition:
        """Where `images` are at uniform times, by noise of `draw`."""
        count = self._settings.batch
        time = tf.cast(draw.uniform((count,)) * self._diffusion.steps, tf.int32)
        time = tf.minimum(time, self._diffusion.steps - 1)  # a uniform number just below 1 may be rounded up
        size = (count, *self._shape)
        point, noisier = self._diffusion.pair(images, time, (draw.normal(size), draw.normal(size)))
        return _Transition(time, point, noisier, draw.normal((count, self._length)), draw.normal(size))

    def _discriminator_update(
        self, step: tf.Tensor, seen: _Transition, rate: tf.Tensor, controls: Mapping[str, tf.Tensor]
    ) -> tf.Tensor:
        fake = self._generated(self._passes("generator", step, 0), seen)
        trained, moving = self._read("discriminator")
        with tf.GradientTape() as tape:
            tape.watch(trained)
            passes = self._passes("discriminator", step, 0, trained)
            of_real, of_fake = self._judged(passes, seen, seen.point), self._judged(passes, seen, fake)
            loss = self._loss.discriminator(of_real, of_fake)
            scaled = self._scale * loss
        gradient = tape.gradient(scaled, trained)
        if self._regularised.r1:
            gradient = tf.cond(
                tf.equal(step % self._regularised.r1_every, 0),
                lambda: gradient + controls.get("penalty", 1.0) * self._penalty_gradient(step, seen, trained),
                lambda: gradient,
            )
        self._rewrite("discriminator", trained, passes.statistics)
        self._apply("discriminator", gradient, rate, step + 1, controls)
        self._keep("discriminator", self._packing["discriminator"].moved(moving, passes.statistics))
        return loss

    def _penalty_gradient(self, step: tf.Tensor, seen: _Transition, trained: tf.Tensor) -> tf.Tensor:
        """Of R1 (Mescheder et al. 2018) at real x_t: γ/2 · the mean squared slope of the sum of a batch's logits."""
        with tf.GradientTape() as tape:
            tape.watch(trained)
            passes = self._passes("discriminator", step, 2, trained)
            slope = squared_slope(lambda point: self._judged(passes, seen, point), seen.point)
            penalty = self._scale * 0.5 * self._regularised.r1 * tf.reduce_mean(slope)
        return tape.gradient(penalty, trained)

    def _generator_update(
        self, step: tf.Tensor, seen: _Transition, rate: tf.Tensor, controls: Mapping[str, tf.Tensor]
    ) -> tf.Tensor:
        trained, moving = self._read("generator")
        with tf.GradientTape() as tape:
            tape.watch(trained)
            passes = self._passes("generator", step, 1, trained)
            fake = self._generated(passes, seen)
            logits = self._judged(self._passes("discriminator", step, 1), seen, fake)
            loss = self._loss.generator(logits, logits)
            scaled = self._scale * loss
        gradient = tape.gradient(scaled, trained)
        self._rewrite("generator", trained, passes.statistics)
        self._apply("generator", gradient, rate, step + 1, controls)
        self._keep("generator", self._packing["generator"].moved(moving, passes.statistics))
        return loss

    def _passes(self, name: str, step: tf.Tensor, part: int, trained: tf.Tensor | None = None) -> Passes:
        """Passes through a network as it is now, or with the weights `trained`; `part` tells those of a step apart."""
        packing, (now, moving) = self._packing[name], self._read(name)
        weights = packing.unpack(now if trained is None else trained, moving)
        place = 2 * part + NETWORKS.index(name)
        return Passes(self._modules[name], packing, weights, draws.seed_at(self._seeds, draws.NOISE, step, 64 * place))

    def _generated(self, passes: Passes, seen: _Transition) -> tf.Tensor:
        """x_t that the generator makes of x_{t+1}."""
        image = passes.forward(*self._inputs(seen.noisier, seen.time, seen.latents))
        return self._diffusion.back(tf.cast(image, tf.float32), seen.noisier, seen.time, seen.noise)

    def _judged(self, passes: Passes, seen: _Transition, point: tf.Tensor) -> tf.Tensor:
        """Logits float32 (n,) of `point` as x_t."""
        return tf.squeeze(tf.cast(passes.forward(*self._inputs(point, seen.time, seen.noisier)), tf.float32), 1)

    def _inputs(self, point: tf.Tensor, time: tf.Tensor, other: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
        """As networks take them: the diffusion itself stays in float32, and times are whole numbers float32 (n, 1)."""
        return (
            tf.cast(point, self._compute),
            tf.reshape(tf.cast(time, tf.float32), (-1, 1)),
            tf.cast(other, self._compute),
        )

    def _images_of(self, weights: Mapping[str, Sequence[tf.Tensor]], latents: tf.Tensor) -> tf.Tensor:
        steps, generator = self._diffusion.steps, self._modules["generator"]
        styles, noises = tf.split(latents, [steps * self._length, steps * math.prod(self._shape)], 1)
        styles = tf.reshape(styles, (-1, steps, self._length))
        noises = tf.reshape(noises, (-1, steps, *self._shape))

        def back(step: tf.Tensor, point: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
            time = tf.fill((tf.shape(point)[0],), step)
            inputs = self._inputs(point, time, styles[:, step])
            image = generator(inputs, weights["generator"], Call(training=False))
            return step - 1, self._diffusion.back(tf.cast(image, tf.float32), point, time, noises[:, step])

        # The last step, to time 0, draws no noise: the first of `noises` is free to be where the way begins.
        return tf.while_loop(lambda step, _: step >= 0, back, (tf.constant(steps - 1), noises[:, 0]))[1]


def build(
    network: PartSettings,
    train: TrainSettings,
    images: NDArray[np.uint8],
    settings: Settings,
    *,
    controls: Sequence[str] = (),
) -> Denoising:
    """The denoising diffusion GAN of a study's [model], [network] and [train], for training images uint8 (n, h, w, c).

    Raises ValueError that says which images the networks can make, or which batches the discriminator can compare.
    """
    shape: Shape = tuple(images.shape[1:])
    part = network_for(network, shape)
    networks = part.builder(network.settings, shape)
    group = getattr(networks["discriminator"], "group", 1)
    if train.batch > group and train.batch % group:
        raise ValueError(
            f"train.batch is {train.batch}, but the discriminator of network '{part.name}' compares images in groups of "
            f"{group}: allowed is a multiple of {group}, or fewer"
        )
    return Denoising(
        networks,
        settings,
        latent=network.settings.latent,
        train=train,
        images=images,
        controls=controls,
        autograph=not kinds.shipped(part),
    )


PART = ModelPart(
    name="ddgan",
    help="denoising diffusion GAN: few large steps from noise to image, each by a GAN (Xiao et al. 2022)",
    settings=Settings,
    networks=NETWORKS,
    network="ncsnpp",
    ratio="discriminator",
    ideal=math.log(4.0),
    build=build,
)
