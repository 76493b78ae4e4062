"""The trainer: compiled once, it trains many runs with one trace, and continues any of them bit for bit.

A chunk of steps is one call of a compiled graph loop. All weights of a network lie in one flat variable, and so do its
moving statistics, optimizer slots and moving average, which the loop updates in place: a step has few operations and
few passes over memory besides the networks themselves. Rates enter as tensors; draws are functions of (seed, step).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from harness.models.gan import losses, networks
from harness.models.gan.backward import DiscriminatorPass
from harness.models.gan.networks import NetworkSettings
from harness.models.nn import draws, optimizers
from harness.models.nn.draws import RunSeeds, evaluation_latents
from harness.models.nn.layers import Call, Weight

__all__ = ["Diverged", "Losses", "RunSeeds", "TrainSettings", "Trainer", "evaluation_latents"]

REAL, FAKE, PENALTY = range(3)  # what goes through the discriminator, each with draws of its own
LOSS_SCALE = 1024.0  # with float16 only: lifts small gradients above that type's smallest number
_ALIGNED = 16  # numbers of float32 in the 64 bytes at whose multiples TensorFlow splits without copying
_GENERATE = 500  # images generated at a time; also how statistics-free inference is cut, so never changes numbers


class TrainSettings(Protocol):
    """What the trainer reads of a study's [train]."""

    @property
    def batch(self) -> int: ...
    @property
    def optimizer(self) -> str: ...
    @property
    def beta1(self) -> float: ...
    @property
    def beta2(self) -> float: ...
    @property
    def momentum(self) -> float: ...
    @property
    def discriminator_steps(self) -> int: ...
    @property
    def loss(self) -> str: ...
    @property
    def ema(self) -> float: ...
    @property
    def precision(self) -> str: ...
    @property
    def xla(self) -> bool: ...


@dataclass(frozen=True)
class Losses:
    """Losses of every step of a chunk, in order: float32 (k,) each."""

    generator: NDArray[np.float32]
    discriminator: NDArray[np.float32]


_NONE = Losses(np.zeros(0, np.float32), np.zeros(0, np.float32))


class Diverged(Exception):
    """Training cannot go on; `step` is the first bad step (counted from 1), `reason` says what was seen.

    `losses` are those of the sound steps before it in the same chunk.
    """

    def __init__(self, step: int, reason: str, losses: Losses = _NONE) -> None:
        super().__init__(f"diverged at step {step}: {reason}")
        self.step, self.reason, self.losses = step, reason, losses


@dataclass(frozen=True)
class _Packing:
    """How a network's weights lie in two flat vectors: trained ones, and moving statistics.

    Each takes a multiple of `_ALIGNED` places, with zeros at its end, so that splitting a vector copies nothing.
    """

    weights: tuple[Weight, ...]

    def sizes(self, *, moving: bool) -> list[int]:
        return [-(-weight.size // _ALIGNED) * _ALIGNED for weight in self.weights if weight.moving == moving]

    def unpack(self, trained: tf.Tensor, moving: tf.Tensor) -> list[tf.Tensor]:
        parts = {
            flag: iter(tf.split(vector, self.sizes(moving=flag)) if self.sizes(moving=flag) else [])
            for flag, vector in ((False, trained), (True, moving))
        }
        unpacked = []
        for weight in self.weights:
            part = next(parts[weight.moving])
            # The gradient of a slice is a copy, so only those with zeros at their end are cut.
            unpacked.append(tf.reshape(part[: weight.size] if weight.size % _ALIGNED else part, weight.shape))
        return unpacked

    def moved(self, moving: tf.Tensor, call: Call) -> tf.Tensor:
        """The vector of moving statistics after a pass."""
        if not call.moved:
            return moving
        parts = [tf.reshape(call.moved[place], (-1,)) for place, weight in enumerate(self.weights) if weight.moving]
        sizes = self.sizes(moving=True)
        return tf.concat(
            [tf.pad(part, [[0, size - part.shape[0]]]) for part, size in zip(parts, sizes, strict=True)], 0
        )

    def initial(self, seed: Sequence[int]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Initial vectors, drawn weight by weight from one generator."""
        rng = np.random.default_rng(list(seed))
        drawn = [weight.initial(rng, weight.shape).ravel() for weight in self.weights]
        vectors = []
        for moving in (False, True):
            parts = [values for values, weight in zip(drawn, self.weights, strict=True) if weight.moving == moving]
            sizes = self.sizes(moving=moving)
            padded = [np.pad(part, (0, size - part.size)) for part, size in zip(parts, sizes, strict=True)]
            vectors.append(np.concatenate([np.zeros(0, np.float32), *padded]))
        return vectors[0], vectors[1]


class Trainer:
    """A pair of networks with their optimizers, for one data set and one set of settings.

    `images` are uint8 (n, h, w, c). `start` must be called before anything else. Two trainers of the same settings
    and images give the same numbers on the same machine with the same number of threads.
    """

    def __init__(self, network: NetworkSettings, train: TrainSettings, images: NDArray[np.uint8]) -> None:
        """Build the networks; ValueError says which image shapes the network can make, or which loss it cannot have."""
        shape: tuple[int, int, int] = tuple(images.shape[1:])
        pair = networks.build(network, shape)
        if train.loss == "wasserstein_gp" and not pair.discriminator.per_example:
            raise ValueError(
                f"train.loss is 'wasserstein_gp', whose penalty needs a discriminator that looks at each image by itself, "
                f"but that of network '{network.name}' has a layer that mixes them"
            )
        self._settings, self._latent, self._shape = train, network.latent, shape
        self._generator, self._discriminator = pair.generator, pair.discriminator
        self._packing = {
            "generator": _Packing(tuple(pair.generator.weights())),
            "discriminator": _Packing(tuple(pair.discriminator.weights())),
        }
        self._images = tf.constant(images)
        self._compute = (
            tf.float32 if train.precision == "float32" else tf.as_dtype(train.precision.removeprefix("mixed_"))
        )
        self._update = optimizers.update(
            optimizers.OptimizerSettings(train.optimizer, train.beta1, train.beta2, train.momentum)
        )
        self._slots = optimizers.slot_count(
            optimizers.OptimizerSettings(train.optimizer, train.beta1, train.beta2, train.momentum)
        )
        self._roles = tf.Variable(tf.zeros(3, tf.int64), trainable=False)
        self._vectors = {name: tf.Variable(tf.zeros(size), trainable=False) for name, size in self._layout().items()}
        self._chunk = tf.function(
            self._train_chunk,
            input_signature=[
                tf.TensorSpec((), tf.int64),
                tf.TensorSpec((None,), tf.float32),
                tf.TensorSpec((None,), tf.float32),
            ],
            jit_compile=True if train.xla else None,
        )
        self._sample = tf.function(
            self._images_of,
            input_signature=[
                tf.TensorSpec((None,), tf.float32),
                tf.TensorSpec((None,), tf.float32),
                tf.TensorSpec((None, network.latent), tf.float32),
            ],
        )
        self.step = 0

    def _layout(self) -> dict[str, int]:
        """Name and length of every vector of the state."""
        layout: dict[str, int] = {}
        for name, packing in self._packing.items():
            trained, moving = sum(packing.sizes(moving=False)), sum(packing.sizes(moving=True))
            layout |= {name: trained, f"{name}_moving": moving}
            layout |= {f"{name}_slot{slot}": trained for slot in range(self._slots)}
        return layout | {"average": layout["generator"], "average_moving": layout["generator_moving"]}

    def start(self, seeds: RunSeeds) -> None:
        """Reset everything in place to the beginning of the run with `seeds`."""
        for place, (name, packing) in enumerate(self._packing.items()):
            trained, moving = packing.initial((seeds.weights, place))
            self._vectors[name].assign(trained)
            self._vectors[f"{name}_moving"].assign(moving)
            for slot in range(self._slots):
                self._vectors[f"{name}_slot{slot}"].assign(np.zeros_like(trained))
        self._vectors["average"].assign(self._vectors["generator"])
        self._vectors["average_moving"].assign(self._vectors["generator_moving"])
        self._roles.assign(seeds.roles())
        self.step = 0

    def prepare(self) -> None:
        """Trace the training loop unless it has been, so that no run's time holds it; changes nothing else.

        XLA compiles for every length of a chunk by itself, when it first meets it.
        """
        if self.traces == 0 and not self._settings.xla:
            none = tf.zeros(0)
            self._chunk(tf.constant(0, tf.int64), none, none)

    def advance(self, generator_rates: NDArray[np.float32], discriminator_rates: NDArray[np.float32]) -> Losses:
        """Train as many steps as there are rates, from `step` on; float32 (k,) each.

        Raises Diverged at the first step whose losses or new weights are not finite; how steps are cut into chunks
        changes no number. After Diverged, only `start` and `restore` make the trainer usable again.
        """
        if len(generator_rates) != len(discriminator_rates):
            raise ValueError(
                f"{len(generator_rates)} generator rates, but {len(discriminator_rates)} discriminator rates"
            )
        if not len(generator_rates):
            return _NONE
        bad, *losses = self._chunk(
            tf.constant(self.step, tf.int64), tf.constant(generator_rates), tf.constant(discriminator_rates)
        )
        generator, discriminator = (each.numpy() for each in losses)
        if int(bad) >= 0:
            sound = int(bad) - self.step
            reason = self._reason(float(generator[sound]), float(discriminator[sound]))
            raise Diverged(int(bad) + 1, reason, Losses(generator[:sound], discriminator[:sound]))
        self.step += len(generator_rates)
        return Losses(generator, discriminator)

    def _reason(self, generator: float, discriminator: float) -> str:
        """Which number is not finite."""
        for name, loss in (("generator", generator), ("discriminator", discriminator)):
            if not np.isfinite(loss):
                return f"loss of the {name} is {loss}"
        return "weights are not finite"

    def generate(self, latents: NDArray[np.float32], *, ema: bool) -> NDArray[np.uint8]:
        """Images uint8 (n, h, w, c) of `latents` float32 (n, latent), by the raw or the averaged generator.

        Raises Diverged if the raw generator makes the same image from every latent.
        """
        name = "average" if ema else "generator"
        weights, moving = self._read(name)
        parts = [
            self._sample(weights, moving, tf.constant(latents[first : first + _GENERATE])).numpy()
            for first in range(0, len(latents), _GENERATE)
        ]
        images: NDArray[np.uint8] = np.concatenate(parts)
        if not ema and len(images) > 1 and (images == images[0]).all():
            raise Diverged(self.step, "generated images are all alike")
        return images

    def state(self) -> dict[str, NDArray[Any]]:
        """Everything that training depends on besides the settings: arrays by name."""
        state: dict[str, NDArray[Any]] = {name: variable.numpy() for name, variable in self._vectors.items()}
        return state | {"roles": self._roles.numpy(), "step": np.array(self.step, np.int64)}

    def restore(self, state: Mapping[str, NDArray[Any]]) -> None:
        """Continue from what `state` returned; ValueError names an array that is missing or of another shape."""
        for name, variable in {**self._vectors, "roles": self._roles}.items():
            if name not in state or state[name].shape != tuple(variable.shape):
                found = "missing" if name not in state else f"of shape {state[name].shape}"
                raise ValueError(f"state: '{name}' is {found}, but must be of shape {tuple(variable.shape)}")
        for name, variable in self._vectors.items():
            variable.assign(state[name])
        self._roles.assign(state["roles"])
        self.step = int(state["step"])

    # --- what is compiled -------------------------------------------------------------------------------------------

    def _train_chunk(self, first: tf.Tensor, generator_rates: tf.Tensor, discriminator_rates: tf.Tensor) -> Any:
        count = tf.size(generator_rates)

        def going(place: tf.Tensor, bad: tf.Tensor, *_: tf.TensorArray) -> tf.Tensor:
            return tf.logical_and(place < count, bad < 0)

        def body(place: tf.Tensor, bad: tf.Tensor, losses_g: tf.TensorArray, losses_d: tf.TensorArray) -> Any:
            step = first + tf.cast(place, tf.int64)
            loss_g, loss_d = self._step(step, generator_rates[place], discriminator_rates[place])
            # Sums are finite only if all terms are; adding them up is the cheapest look at every weight.
            seen = loss_g + loss_d + sum(tf.reduce_sum(self._vectors[name]) for name in self._packing)
            bad = tf.where(tf.math.is_finite(seen), bad, step)
            return place + 1, bad, losses_g.write(place, loss_g), losses_d.write(place, loss_d)

        losses = [tf.TensorArray(tf.float32, size=count, element_shape=()) for _ in self._packing]
        start = (tf.constant(0), tf.constant(-1, tf.int64), *losses)
        _, bad, losses_g, losses_d = tf.while_loop(going, body, start, parallel_iterations=1)
        return bad, losses_g.stack(), losses_d.stack()

    def _step(
        self, step: tf.Tensor, generator_rate: tf.Tensor, discriminator_rate: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """One generator update, with its discriminator updates before it."""
        critics = self._settings.discriminator_steps
        for part in range(critics - 1):
            self._discriminator_update(step, part, discriminator_rate, step * critics + part + 1)
        return self._joint_update(step, critics - 1, (generator_rate, discriminator_rate), critics)

    def _discriminator_update(self, step: tf.Tensor, part: int, rate: tf.Tensor, count: tf.Tensor) -> None:
        weights = self._packing["generator"].unpack(*self._read("generator"))
        fake = self._make(weights, self._draw_latents(step, part), Call(training=True))
        judged = self._judge(step, part, fake)
        self._apply("discriminator", judged.gradient(self._scale), rate, count)
        self._keep(judged)

    def _joint_update(
        self, step: tf.Tensor, part: int, rates: tuple[tf.Tensor, tf.Tensor], critics: int
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """Both networks from one pass, as TensorFlow's DCGAN tutorial does: the same images for both gradients."""
        call = Call(training=True)
        trained, moving = self._read("generator")
        with tf.GradientTape() as tape:
            tape.watch(trained)
            weights = self._packing["generator"].unpack(trained, moving)
            fake = self._make(weights, self._draw_latents(step, part), call)
        judged = self._judge(step, part, fake)
        gradient_d, slope = judged.gradients(self._scale)
        gradient_g = tape.gradient(fake, trained, output_gradients=slope)
        self._apply("discriminator", gradient_d, rates[1], step * critics + part + 1)
        self._apply("generator", gradient_g, rates[0], step + 1)
        self._vectors["generator_moving"].assign(self._packing["generator"].moved(moving, call))
        self._keep(judged)
        self._average(step)
        return judged.losses()

    def _read(self, name: str) -> tuple[tf.Tensor, tf.Tensor]:
        """The vectors of trained weights and of moving statistics of a network, as they are now."""
        return self._vectors[name].value(), self._vectors[f"{name}_moving"].value()

    def _judge(self, step: tf.Tensor, part: int, fake: tf.Tensor) -> DiscriminatorPass:
        """Pass `fake` and a batch of real images through the discriminator as it is now; each moves its statistics."""
        settings = self._settings
        indices = draws.batch_indices(self._roles, step, part, batch=settings.batch, images=self._images.shape[0])
        real = tf.cast(tf.gather(self._images, indices), self._compute) * (1.0 / 127.5) - 1.0
        trained, moving = self._read("discriminator")
        packing, per_example = self._packing["discriminator"], self._discriminator.per_example
        statistics = Call(training=True)

        def judge(images: tf.Tensor, place: int) -> tf.Tensor:
            seed = draws.seed_at(self._roles, draws.NOISE, step, part * 32 + place * 8)
            call = Call(training=True, seed=seed)
            logits = self._discriminator(images, weights, call)
            if place != PENALTY:  # mixtures of images are not what statistics are of
                statistics.moved |= {index: tf.stop_gradient(moved) for index, moved in call.moved.items()}
                for index, moved in statistics.moved.items():
                    weights[index] = moved
            return tf.cast(logits, tf.float32)[:, 0]

        with tf.GradientTape(persistent=self._compute == tf.float16 or not per_example) as tape:
            tape.watch((trained, fake))
            weights = packing.unpack(trained, moving)
            of_fake, of_real = judge(fake, FAKE), judge(real, REAL)
            penalty = None
            if settings.loss == "wasserstein_gp":
                seed = draws.seed_at(self._roles, draws.NOISE, step, part * 32 + 31)
                mix = tf.cast(tf.random.stateless_uniform((settings.batch,), seed), self._compute)
                still = tf.stop_gradient(fake)
                penalty = losses.gradient_penalty(lambda images: judge(images, PENALTY), real, still, mix=mix)
        moved = packing.moved(moving, statistics)
        return DiscriminatorPass(settings.loss, tape, trained, fake, of_real, of_fake, penalty, per_example, moved)

    def _keep(self, judged: DiscriminatorPass) -> None:
        """Store the statistics that a pass moved, in a network that has any."""
        if self._vectors["discriminator_moving"].shape[0]:
            self._vectors["discriminator_moving"].assign(judged.moved)

    def _make(self, weights: Sequence[tf.Tensor], latents: tf.Tensor, call: Call) -> tf.Tensor:
        return self._generator(tf.cast(latents, self._compute), weights, call)

    def _draw_latents(self, step: tf.Tensor, part: int) -> tf.Tensor:
        return draws.latents(self._roles, step, part, batch=self._settings.batch, dimensions=self._latent)

    def _apply(self, name: str, gradient: tf.Tensor, rate: tf.Tensor, count: tf.Tensor) -> None:
        """Update a network with the gradient of its scaled loss."""
        gradient = gradient if self._scale == 1.0 else gradient / self._scale
        slots = [self._vectors[f"{name}_slot{slot}"] for slot in range(self._slots)]
        self._update(self._vectors[name], gradient, slots, rate, count)

    def _average(self, step: tf.Tensor) -> None:
        """Move the average towards the generator; early on faster, so that the initial weights are soon forgotten.

        Moving statistics are averaged alike, so that they belong to the averaged weights and not to the last ones.
        """
        time = tf.cast(step, tf.float32)
        decay = tf.minimum(tf.constant(self._settings.ema), (1.0 + time) / (10.0 + time))
        for name, current in (("average", "generator"), ("average_moving", "generator_moving")):
            average = self._vectors[name]
            tf.raw_ops.ResourceApplyGradientDescent(  # average -= (1 - decay) * (average - current), in one pass
                var=average.handle, alpha=1.0 - decay, delta=average - self._vectors[current]
            )

    def _images_of(self, trained: tf.Tensor, moving: tf.Tensor, latents: tf.Tensor) -> tf.Tensor:
        weights = self._packing["generator"].unpack(trained, moving)
        images = tf.cast(self._make(weights, latents, Call(training=False)), tf.float32)
        return tf.cast(tf.clip_by_value(tf.round(images * 127.5 + 127.5), 0.0, 255.0), tf.uint8)

    @property
    def _scale(self) -> float:
        return LOSS_SCALE if self._compute == tf.float16 else 1.0

    @property
    def traces(self) -> int:
        """How often the training loop has been traced."""
        return int(self._chunk.experimental_get_tracing_count())

    def parameters(self) -> dict[str, int]:
        """Number of trained values of each network."""
        return {
            name: sum(weight.size for weight in packing.weights if not weight.moving)
            for name, packing in self._packing.items()
        }
