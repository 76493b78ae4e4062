"""The adversarial step: a generator and a discriminator, each with its loss."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from harness import kinds
from harness.lazy import tf
from harness.models.gan.backward import DiscriminatorPass
from harness.models.gan.loss import Loss
from harness.models.model import ModelPart, PartSettings, TrainSettings
from harness.models.nn import draws
from harness.models.nn.draws import Draw
from harness.models.nn.layers import Call, Module
from harness.models.training import Training

NETWORKS = ("generator", "discriminator")
# Names in checkpoints of the first release, which had one average.
_EARLIER = {"average": "generator_average", "average_moving": "generator_average_moving"}
REAL, FAKE, PENALTY = range(3)  # what goes through the discriminator, each with draws of its own
GENERATED = 3  # the generator's own pass


class AdversarialSettings(TrainSettings, Protocol):
    """What an adversarial model reads of [train] besides."""

    @property
    def discriminator_steps(self) -> int: ...
    @property
    def loss(self) -> PartSettings: ...


class Adversarial(Training):
    """A generator and a discriminator; the generator's moving average is kept."""

    def __init__(
        self,
        networks: Mapping[str, Module],
        loss: Loss,
        *,
        latent: int,
        train: AdversarialSettings,
        images: NDArray[np.uint8],
    ) -> None:
        """For training images uint8 (n, h, w, c), and `networks` that hold 'generator' and 'discriminator'."""
        ordered = {name: networks[name] for name in NETWORKS}
        super().__init__(ordered, losses=NETWORKS, averaged=("generator",), latent=latent, train=train, images=images)
        self._generator, self._discriminator = ordered.values()
        self._loss, self._critics = loss, train.discriminator_steps

    def restore(self, state: Mapping[str, NDArray[Any]]) -> None:
        """Continue from what `state` returned; ValueError names an array that is missing or of another shape."""
        super().restore({_EARLIER.get(name, name): array for name, array in state.items()})

    def _step(self, step: tf.Tensor, rates: Mapping[str, tf.Tensor]) -> Sequence[tf.Tensor]:
        """One generator update, with its discriminator updates before it."""
        for part in range(self._critics - 1):
            self._discriminator_update(step, part, rates["discriminator"], step * self._critics + part + 1)
        return self._joint_update(step, self._critics - 1, rates)

    def _discriminator_update(self, step: tf.Tensor, part: int, rate: tf.Tensor, count: tf.Tensor) -> None:
        weights = self._packing["generator"].unpack(*self._read("generator"))
        seed = draws.seed_at(self._roles, draws.NOISE, step, part * 32 + GENERATED * 8)
        fake = self._make(weights, self._draw_latents(step, part), Call(training=True, seed=seed))
        judged = self._judge(step, part, fake)
        self._apply("discriminator", judged.gradient(self._scale), rate, count)
        self._keep("discriminator", judged.moved)

    def _joint_update(self, step: tf.Tensor, part: int, rates: Mapping[str, tf.Tensor]) -> Sequence[tf.Tensor]:
        """Both networks from one pass, as TensorFlow's DCGAN tutorial does: the same images for both gradients."""
        call = Call(training=True, seed=draws.seed_at(self._roles, draws.NOISE, step, part * 32 + GENERATED * 8))
        trained, moving = self._read("generator")
        with tf.GradientTape() as tape:
            tape.watch(trained)
            weights = self._packing["generator"].unpack(trained, moving)
            fake = self._make(weights, self._draw_latents(step, part), call)
        judged = self._judge(step, part, fake)
        gradient_d, slope = judged.gradients(self._scale)
        gradient_g = tape.gradient(fake, trained, output_gradients=slope)
        self._rewrite("generator", trained, call)
        self._apply("discriminator", gradient_d, rates["discriminator"], step * self._critics + part + 1)
        self._apply("generator", gradient_g, rates["generator"], step + 1)
        self._keep("generator", self._packing["generator"].moved(moving, call))
        self._keep("discriminator", judged.moved)
        self._average(step)
        return judged.losses()

    def _judge(self, step: tf.Tensor, part: int, fake: tf.Tensor) -> DiscriminatorPass:
        """Pass `fake` and a batch of real images through the discriminator as it is now; each moves its statistics."""
        real = self._real(step, part)
        trained, moving = self._read("discriminator")
        packing, per_example = self._packing["discriminator"], self._discriminator.per_example
        statistics = Call(training=True)

        def judge(images: tf.Tensor, place: int) -> tf.Tensor:
            seed = draws.seed_at(self._roles, draws.NOISE, step, part * 32 + place * 8)
            call = Call(training=True, seed=seed)
            logits = self._discriminator(images, weights, call)
            if place != PENALTY:  # a penalty's images may be mixtures, which statistics are not of
                statistics.moved |= {index: packing.carried(index, moved) for index, moved in call.moved.items()}
                for index, moved in statistics.moved.items():
                    weights[index] = moved
            return tf.cast(logits, tf.float32)[:, 0]

        with tf.GradientTape(persistent=self._compute == tf.float16 or not per_example) as tape:
            tape.watch((trained, fake))
            weights = packing.unpack(trained, moving)
            of_fake, of_real = judge(fake, FAKE), judge(real, REAL)
            penalty = self._loss.penalty(
                lambda images: judge(images, PENALTY),
                real,
                tf.stop_gradient(fake),
                Draw(draws.seed_at(self._roles, draws.NOISE, step, part * 32 + 31)),
            )
        moved = packing.moved(moving, statistics)
        self._rewrite("discriminator", trained, statistics)
        return DiscriminatorPass(self._loss, tape, trained, fake, of_real, of_fake, penalty, per_example, moved)

    def _make(self, weights: Sequence[tf.Tensor], latents: tf.Tensor, call: Call) -> tf.Tensor:
        return self._generator(tf.cast(latents, self._compute), weights, call)

    def _draw_latents(self, step: tf.Tensor, part: int) -> tf.Tensor:
        return draws.latents(self._roles, step, part, batch=self._settings.batch, dimensions=self.latent)

    def _images_of(self, weights: Mapping[str, Sequence[tf.Tensor]], latents: tf.Tensor) -> tf.Tensor:
        return self._make(weights["generator"], latents, Call(training=False))


def build(
    network: PartSettings, train: AdversarialSettings, images: NDArray[np.uint8], settings: object = None
) -> Adversarial:
    """The adversarial model of a study's [network] and [train], for training images uint8 (n, h, w, c).

    Raises ValueError that says which images the networks can make, or which loss they cannot have.
    """
    shape: kinds.Shape = tuple(images.shape[1:])
    part = kinds.find("network", network.name, key="network.name")
    instead = part.fits(shape)
    if instead is not None:
        raise ValueError(f"network '{part.name}' makes {instead}, but the data have {'x'.join(map(str, shape))}")
    chosen = kinds.find("loss", train.loss.name, key="train.loss")
    networks, loss = part.builder(network.settings, shape), chosen.builder(train.loss.settings)
    if loss.per_example and not networks["discriminator"].per_example:
        raise ValueError(
            f"train.loss is '{chosen.name}', whose penalty needs a discriminator that looks at each image by itself, but "
            f"that of network '{network.name}' has a layer that mixes them"
        )
    return Adversarial(networks, loss, latent=network.settings.latent, train=train, images=images)


PART = ModelPart(
    name="gan",
    help="generative adversarial network: a generator and a discriminator trained against each other",
    networks=NETWORKS,
    network="dcgan",
    ratio="discriminator",
    build=build,
)
