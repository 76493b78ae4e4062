"""The adversarial step: a generator and a discriminator, each with its loss."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from harness import kinds
from harness.lazy import tf
from harness.models.gan.backward import DiscriminatorPass
from harness.models.gan.judge import FAKE, PENALTY, REAL, Augmentation, Judge
from harness.models.gan.loss import Critic, Loss
from harness.models.gan.penalty import Penalties
from harness.models.model import ModelPart, PartSettings, TrainSettings, network_for
from harness.models.nn import draws
from harness.models.nn.draws import Draw
from harness.models.nn.layers import Call, Module, joined
from harness.models.training import Training

NETWORKS = ("generator", "discriminator")
# Names in checkpoints of the first release, which had one average.
_EARLIER = {"average": "generator_average", "average_moving": "generator_average_moving"}
GENERATED = 3  # the generator's own pass, after those of the discriminator
_NONE = Penalties(())
_PENALTIES = 2**46  # between the seeds of a loss's own penalty and of the study's


class AdversarialSettings(TrainSettings, Protocol):
    """What an adversarial model reads of [train] besides."""

    @property
    def discriminator_steps(self) -> int: ...
    @property
    def generator_batch(self) -> int | None: ...
    @property
    def updates(self) -> str: ...
    @property
    def loss(self) -> PartSettings: ...
    @property
    def penalties(self) -> Sequence[PartSettings]: ...
    @property
    def augment(self) -> Sequence[PartSettings]: ...
    @property
    def conditional(self) -> bool: ...


class Adversarial(Training):
    """A generator and a discriminator; the generator's moving average is kept.

    With classes, latents have one number more, by which images are made of a class each: classes are equally likely.
    """

    def __init__(
        self,
        networks: Mapping[str, Module],
        loss: Loss,
        *,
        latent: int,
        train: AdversarialSettings,
        images: NDArray[np.uint8],
        labels: NDArray[np.int64] | None = None,
        penalties: Penalties = _NONE,
        augmentations: Sequence[Augmentation] = (),
        controls: Sequence[str] = (),
        autograph: bool = True,
    ) -> None:
        """For training images uint8 (n, h, w, c), and `networks` that hold 'generator' and 'discriminator'.

        `latent` is the length of the generator's latent vector.
        """
        ordered = {name: networks[name] for name in NETWORKS}
        self._noise = latent
        super().__init__(
            ordered,
            losses=NETWORKS,
            averaged=("generator",),
            latent=latent if labels is None else latent + 1,
            train=train,
            images=images,
            labels=labels,
            controls=controls,
            autograph=autograph,
        )
        self._generator, self._discriminator = ordered.values()
        self._loss, self._penalties, self._augmentations = loss, penalties, tuple(augmentations)
        self._critics, self._alternating = train.discriminator_steps, train.updates == "alternating"
        self._generated = train.generator_batch or train.batch

    def restore(self, state: Mapping[str, NDArray[Any]]) -> None:
        """Continue from what `state` returned; ValueError names an array that is missing or of another shape."""
        super().restore({_EARLIER.get(name, name): array for name, array in state.items()})

    def _step(
        self, step: tf.Tensor, rates: Mapping[str, tf.Tensor], controls: Mapping[str, tf.Tensor]
    ) -> Sequence[tf.Tensor]:
        """One generator update, with its discriminator updates before it."""
        if not self._alternating:
            for part in range(self._critics - 1):
                self._discriminator_update(step, part, rates["discriminator"], controls)
            return self._joint_update(step, self._critics - 1, rates, controls)
        losses = [
            self._discriminator_update(step, part, rates["discriminator"], controls) for part in range(self._critics)
        ]
        made = self._generator_update(step, self._critics, rates["generator"], controls)
        self._average(step, controls)
        return made, losses[-1]

    def _discriminator_update(
        self, step: tf.Tensor, part: int, rate: tf.Tensor, controls: Mapping[str, tf.Tensor]
    ) -> tf.Tensor:
        """The discriminator alone; returns its loss.

        Where updates alternate, the generator's statistics move at each of its passes, as in PyTorch's training mode.
        """
        trained, moving = self._read("generator")
        call, classes = self._pass(step, part), self._seen(step, part)
        weights = self._packing["generator"].unpack(trained, moving)
        fake = self._make(weights, self._draw_latents(step, part), classes, call)
        count = step * self._critics + part + 1
        judged = self._judge(step, part, fake, classes, count, controls)
        self._apply("discriminator", judged.gradient(self._scale), rate, count, controls)
        self._keep("discriminator", judged.moved)
        if self._alternating:
            self._keep("generator", self._packing["generator"].moved(moving, call))
        return judged.losses()[1]

    def _generator_update(
        self, step: tf.Tensor, part: int, rate: tf.Tensor, controls: Mapping[str, tf.Tensor]
    ) -> tf.Tensor:
        """The generator alone, with images of its own, judged by the discriminator as it is now; returns its loss."""
        trained, moving = self._read("generator")
        call, classes = self._pass(step, part), self._seen(step, part, self._generated)
        judge = self._judge_of(step, part, self._packing["discriminator"].unpack(*self._read("discriminator")))
        with tf.GradientTape() as tape:
            tape.watch(trained)
            weights = self._packing["generator"].unpack(trained, moving)
            fake = self._make(weights, self._draw_latents(step, part, self._generated), classes, call)
            of_fake = judge(fake, FAKE, classes)
            of_real = tf.zeros_like(of_fake)  # read by no loss but those of pairs
            if self._loss.pairs:
                of_real = tf.stop_gradient(judge(self._real(step, part, self._generated), REAL, classes))
            loss = self._loss.generator(of_real, of_fake)
            scaled = self._scale * loss
        gradient = tape.gradient(scaled, trained)
        self._rewrite("generator", trained, call)
        self._apply("generator", gradient, rate, step + 1, controls)
        self._keep("generator", self._packing["generator"].moved(moving, call))
        discriminator = self._read("discriminator")
        self._keep("discriminator", self._packing["discriminator"].moved(discriminator[1], judge.statistics))
        return loss

    def _joint_update(
        self, step: tf.Tensor, part: int, rates: Mapping[str, tf.Tensor], controls: Mapping[str, tf.Tensor]
    ) -> Sequence[tf.Tensor]:
        """Both networks from one pass, as TensorFlow's DCGAN tutorial does: the same images for both gradients."""
        call, classes = self._pass(step, part), self._seen(step, part)
        trained, moving = self._read("generator")
        with tf.GradientTape() as tape:
            tape.watch(trained)
            weights = self._packing["generator"].unpack(trained, moving)
            fake = self._make(weights, self._draw_latents(step, part), classes, call)
        count = step * self._critics + part + 1
        judged = self._judge(step, part, fake, classes, count, controls)
        gradient_d, slope = judged.gradients(self._scale)
        gradient_g = tape.gradient(fake, trained, output_gradients=slope)
        self._rewrite("generator", trained, call)
        self._apply("discriminator", gradient_d, rates["discriminator"], count, controls)
        self._apply("generator", gradient_g, rates["generator"], step + 1, controls)
        self._keep("generator", self._packing["generator"].moved(moving, call))
        self._keep("discriminator", judged.moved)
        self._average(step, controls)
        return judged.losses()

    def _judge(
        self,
        step: tf.Tensor,
        part: int,
        fake: tf.Tensor,
        classes: tf.Tensor | None,
        count: tf.Tensor,
        controls: Mapping[str, tf.Tensor],
    ) -> DiscriminatorPass:
        """Pass `fake` and a batch of real images of the same classes through the discriminator as it is now."""
        real = self._real(step, part)
        trained, moving = self._read("discriminator")
        packing, per_example = self._packing["discriminator"], self._discriminator.per_example
        with tf.GradientTape(persistent=self._compute == tf.float16 or not per_example) as tape:
            tape.watch((trained, fake))
            judge = self._judge_of(step, part, packing.unpack(trained, moving))
            # The order matters where a pass moves what the next one sees, as power iteration does; published codes judge
            # real images first. Joint updates keep the order that they have always had.
            if self._alternating:
                of_real, of_fake = judge(real, REAL, classes), judge(fake, FAKE, classes)
            else:
                of_fake, of_real = judge(fake, FAKE, classes), judge(real, REAL, classes)
            penalty = self._penalty(
                lambda images: judge(images, PENALTY, classes),
                real,
                tf.stop_gradient(fake),
                draws.seed_at(self._seeds, draws.NOISE, step, part * 32 + 31),
                count,
                controls,
            )
        moved = packing.moved(moving, judge.statistics)
        self._rewrite("discriminator", trained, judge.statistics)
        return DiscriminatorPass(self._loss, tape, trained, fake, of_real, of_fake, penalty, per_example, moved)

    def _penalty(
        self,
        critic: Critic,
        real: tf.Tensor,
        fake: tf.Tensor,
        seed: tf.Tensor,
        count: tf.Tensor,
        controls: Mapping[str, tf.Tensor],
    ) -> tf.Tensor | None:
        """The loss's own penalty and the study's, at the discriminator's update number `count`; None if there is none."""
        own = self._loss.penalty(critic, real, fake, Draw(seed))
        further = Draw(seed + tf.constant([0, _PENALTIES], tf.int64))
        factor = controls.get("penalty", 1.0)
        others = self._penalties(critic, real, fake, further, count=count, factor=factor)
        terms = [] if own is None else [factor * own]
        terms += [] if others is None else [others]
        return tf.add_n(terms) if terms else None

    def _judge_of(self, step: tf.Tensor, part: int, weights: list[tf.Tensor]) -> Judge:
        def seed(place: int) -> tf.Tensor:
            return draws.seed_at(self._seeds, draws.NOISE, step, part * 32 + place * 8)

        return Judge(self._discriminator, self._packing["discriminator"], self._augmentations, weights, seed)

    def _pass(self, step: tf.Tensor, part: int) -> Call:
        return Call(training=True, seed=draws.seed_at(self._seeds, draws.NOISE, step, part * 32 + GENERATED * 8))

    def _seen(self, step: tf.Tensor, part: int, batch: int | None = None) -> tf.Tensor | None:
        """The classes of a batch, one-hot, where networks see them; generated images have those of the real ones."""
        return self._classes(step, part, batch) if self.classes else None

    def _make(
        self, weights: Sequence[tf.Tensor], latents: tf.Tensor, classes: tf.Tensor | None, call: Call
    ) -> tf.Tensor:
        latents = tf.cast(latents, self._compute)
        return self._generator(joined([latents] if classes is None else [latents, classes]), weights, call)

    def _draw_latents(self, step: tf.Tensor, part: int, batch: int | None = None) -> tf.Tensor:
        return draws.latents(self._seeds, step, part, batch=batch or self._settings.batch, dimensions=self._noise)

    def _images_of(self, weights: Mapping[str, Sequence[tf.Tensor]], latents: tf.Tensor) -> tf.Tensor:
        classes = None
        if self.classes:  # a standard normal number, by its quantile
            quantile = 0.5 * (1.0 + tf.math.erf(latents[:, -1] / math.sqrt(2.0)))
            chosen = tf.minimum(tf.cast(quantile * self.classes, tf.int32), self.classes - 1)
            classes = tf.one_hot(chosen, self.classes, dtype=self._compute)
        return self._make(weights["generator"], latents[:, : self._noise], classes, Call(training=False))


def build(
    network: PartSettings,
    train: AdversarialSettings,
    images: NDArray[np.uint8],
    settings: object = None,
    *,
    labels: NDArray[np.int64] | None = None,
    controls: Sequence[str] = (),
) -> Adversarial:
    """The adversarial model of a study's [network] and [train], for training images uint8 (n, h, w, c).

    `labels` int64 (n,) are their classes, which the networks see where they are given. Raises ValueError that says which
    images the networks can make, or which loss, penalty or classes they cannot have.
    """
    shape: kinds.Shape = tuple(images.shape[1:])
    part = network_for(network, shape)
    if labels is None:
        networks = part.builder(network.settings, shape)
    else:
        if not getattr(part, "conditional", False):  # one of the user's own: what is built in was checked before
            raise ValueError(
                f"train.conditional is true, but the networks of network.name '{network.name}' see no classes; those of a PART "
                "that declares conditional = True do (docs/own_code.md)"
            )
        networks = part.builder(network.settings, shape, int(labels.max()) + 1)
    chosen = kinds.find("loss", train.loss.name, key="train.loss")
    loss = chosen.builder(train.loss.settings)
    penalties = Penalties.of(train.penalties)
    for key, names, made in (
        ("train.loss", chosen.name, loss),
        ("train.penalties", ", ".join(each.name for each in train.penalties), penalties),
    ):
        if made.per_example and not networks["discriminator"].per_example:
            raise ValueError(
                f"{key} is '{names}', whose penalty needs a discriminator that looks at each image by itself, but that of "
                f"network '{network.name}' has a layer that mixes them"
            )
    further = [kinds.find("augmentation", each.name, key="train.augment") for each in train.augment]
    augmentations = [each.builder(named.settings) for each, named in zip(further, train.augment, strict=True)]
    further += [kinds.find("penalty", each.name, key="train.penalties") for each in train.penalties]
    return Adversarial(
        networks,
        loss,
        latent=network.settings.latent,
        train=train,
        images=images,
        labels=labels,
        penalties=penalties,
        augmentations=augmentations,
        controls=controls,
        autograph=not kinds.shipped(part, chosen, *further),
    )


PART = ModelPart(
    name="gan",
    help="generative adversarial network: a generator and a discriminator trained against each other",
    networks=NETWORKS,
    network="dcgan",
    ratio="discriminator",
    reads=(
        "loss",
        "discriminator_steps",
        "penalties",
        "augment",
        "updates",
        "generator_batch",
        "conditional",
    ),
    build=build,
)
