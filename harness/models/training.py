"""Training that is compiled once: it trains many runs with one trace, and continues any of them bit for bit.

A chunk of steps is one call of a compiled graph loop. All weights of a network lie in one flat variable, and so do its
moving statistics, optimizer slots and moving average, which the loop updates in place: a step has few operations and
few passes over memory besides the networks themselves. Rates enter as tensors; draws are functions of (seed, step).

A kind of model is a subclass that says what a step does (`_step`) and how images are made (`_images`).
"""

from __future__ import annotations

import math
import re
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness import kinds
from harness.lazy import tf
from harness.models.model import Diverged, Losses, TrainSettings
from harness.models.nn import draws
from harness.models.nn.draws import evaluation_latents
from harness.models.nn.layers import Call, Module
from harness.models.nn.optimizer import Optimizer
from harness.models.nn.packing import Packing
from harness.seeds import Seeds

__all__ = ["CONTROLS", "LOSS_SCALE", "Training", "evaluation_latents"]

# What else than rates may change from step to step: Adam's decay of the second moment, the average's decay per step, a
# factor of the penalties' weights, decoupled weight decay.
CONTROLS = ("beta2", "ema", "penalty", "weight_decay")
LOSS_SCALE = 1024.0  # with float16 only: lifts small gradients above that type's smallest number
_SETTLING = 50  # steps after which little is left of what moving statistics were before
_FLIPS = 2048  # number of the first draw of a step by which images are mirrored: beyond those of batches
_LONGEST = 4096  # steps that XLA's loop takes at once: it is compiled for one length, and stops where a chunk ends
_GENERATE = 500  # images generated at a time; also how statistics-free inference is cut, so never changes numbers


class Training(ABC):
    """Networks with their optimizers, for one data set and one set of settings; a harness.models.model.Model.

    `start` must be called before anything else. Two of the same settings and images give the same numbers on the same
    machine with the same number of threads.
    """

    def __init__(
        self,
        networks: Mapping[str, Module],
        *,
        losses: Sequence[str],
        averaged: Sequence[str],
        latent: int,
        train: TrainSettings,
        images: NDArray[np.uint8],
        labels: NDArray[np.int64] | None = None,
        controls: Sequence[str] = (),
        autograph: bool = True,
    ) -> None:
        """Lay out the state of `networks`, for training images uint8 (n, h, w, c).

        `losses` are the names of what a step returns; `averaged` are the networks that make images, whose moving averages
        (EMA) are kept; `latent` is the length of the vectors that images are made from. `labels` are the classes of the
        images, from 0 on, where networks see them. `controls` names those of CONTROLS that `advance` is given; the others
        are as the settings have them; ValueError names one that is none. `autograph` lets the code of networks and losses
        branch on tensors by Python's own statements, as users' code may; ours does not, and is traced in half the time.
        """
        for name in controls:
            if name not in CONTROLS:
                raise ValueError(f"control is {name!r}, but allowed is one of: {', '.join(CONTROLS)}")
        self.controls = tuple(controls)
        self._labels = None if labels is None else tf.constant(labels.astype(np.int32))
        self.classes = 0 if labels is None else int(labels.max()) + 1
        self.networks, self.losses, self.latent, self.step = tuple(networks), tuple(losses), latent, 0
        self._modules, self._averaged, self._settings = dict(networks), tuple(averaged), train
        self._averages = dict(train.averages)  # name of the weights -> decay per step; the primary one is "ema"
        self._images, self._shape = tf.constant(_packed(images)), tuple(images.shape[1:])
        self._compute = (
            tf.float32 if train.precision == "float32" else tf.as_dtype(train.precision.removeprefix("mixed_"))
        )
        rounded = self._compute == tf.bfloat16
        self._packing = {name: Packing(module, bfloat16=rounded) for name, module in networks.items()}
        part = kinds.find("optimizer", train.optimizer.name, key="train.optimizer")
        self._optimizer: Optimizer = part.builder(train.optimizer.settings, train)
        self._settled: dict[str, dict[str, tf.Tensor]] = {}  # of the present weights, those that were asked for
        self._roles = tf.Variable(tf.zeros(3, tf.int64), trainable=False)
        self._seeds: Any = self._roles  # while the loop is traced, its three numbers, read before it
        self._vectors = {name: tf.Variable(tf.zeros(size), trainable=False) for name, size in self._layout().items()}
        self.xla = compiles(train.xla)  # whether XLA compiles the training loop
        scalar = tf.TensorSpec((), tf.int64)
        steps = tf.TensorSpec((_LONGEST if self.xla else None,), tf.float32)
        self._chunk = tf.function(
            self._train_chunk,
            input_signature=[scalar, scalar, *[steps] * (len(self.networks) + len(self.controls))],
            jit_compile=True if self.xla else None,
            autograph=autograph or not kinds.shipped(part),
        )
        vector = tf.TensorSpec((None,), tf.float32)
        self._sample = tf.function(
            self._pixels,
            input_signature=[tf.TensorSpec((None, latent), tf.float32), *[vector] * (2 * len(self._averaged))],
            autograph=autograph,
        )

    def _layout(self) -> dict[str, int]:
        """Name and length of every vector of the state."""
        layout: dict[str, int] = {}
        for name, packing in self._packing.items():
            trained, moving = sum(packing.sizes(moving=False)), sum(packing.sizes(moving=True))
            layout |= {name: trained, f"{name}_moving": moving}
            slots = self._optimizer.initial(np.zeros(trained, np.float32))
            layout |= {f"{name}_slot{slot}": len(vector) for slot, vector in enumerate(slots)}
        for name, average in self._kept_averages():
            layout |= {average: layout[name], f"{average}_moving": layout[f"{name}_moving"]}
        return layout

    def _kept_averages(self) -> list[tuple[str, str]]:
        """Each network that makes images, with the name of the vector of each of its averages."""
        return [(name, self._average_of(name, weights)) for name in self._averaged for weights in self._averages]

    @staticmethod
    def _average_of(name: str, weights: str) -> str:
        """The vector of one average of a network; the primary one's has the name that it had when it was the only one."""
        return f"{name}_average{weights.removeprefix('ema')}"

    def start(self, seeds: Seeds) -> None:
        """Reset everything in place to the beginning of the run with `seeds`."""
        for index, (name, packing) in enumerate(self._packing.items()):
            trained, moving = packing.initial((seeds.weights, index))
            self._vectors[name].assign(trained)
            self._vectors[f"{name}_moving"].assign(moving)
            for slot, vector in enumerate(self._optimizer.initial(trained)):
                self._vectors[f"{name}_slot{slot}"].assign(vector)
        for name, average in self._kept_averages():
            self._vectors[average].assign(self._vectors[name])
            self._vectors[f"{average}_moving"].assign(self._vectors[f"{name}_moving"])
        self._roles.assign(draws.roles(seeds))
        self.step, self._settled = 0, {}

    def prepare(self) -> None:
        """Trace and compile the training loop unless it has been, so that no run's time holds it; changes nothing else."""
        if self.traces == 0:
            self._train([np.zeros(0, np.float32)] * (len(self.networks) + len(self.controls)))

    def fault_of_xla(self) -> str | None:
        """The operation that XLA has not, and the line that made it; None if XLA has all, or is not to compile the loop.

        Traces the loop where it has not been; no code is generated.
        """
        if not self.xla:
            return None
        self._chunk.get_concrete_function()  # what is wrong with the code itself is told as ever
        given = [tf.zeros(spec.shape, spec.dtype) for spec in self._chunk.input_signature]
        try:
            self._chunk.experimental_get_compiler_ir(*given)(stage="hlo")
        except (ValueError, tf.errors.OpError) as error:
            return _unknown_to_xla(str(error))
        return None

    def advance(
        self, rates: Mapping[str, NDArray[np.float32]], controls: Mapping[str, NDArray[np.float32]] | None = None
    ) -> Losses:
        """Train as many steps as there are rates, from `step` on; float32 (k,) by network, and by name of `controls`.

        Raises Diverged at the first step whose losses or new weights are not finite; how steps are cut into chunks
        changes no number. After Diverged, only `start` and `restore` make the model usable again. Raises ValueError if
        networks and rates, or controls, do not fit together.
        """
        controls = controls or {}
        if set(rates) != set(self.networks):
            raise ValueError(f"rates are of {', '.join(rates)}, but the networks are {', '.join(self.networks)}")
        if set(controls) != set(self.controls):
            raise ValueError(
                f"controls are {', '.join(controls) or 'none'}, but the model was built with "
                f"{', '.join(self.controls) or 'none'}"
            )
        counts = {f"{name} rates": len(rates[name]) for name in self.networks}
        counts |= {f"{name} values": len(controls[name]) for name in self.controls}
        if len(set(counts.values())) > 1:
            raise ValueError(", but ".join(f"{count} {name}" for name, count in counts.items()))
        count = next(iter(counts.values()))
        if not count:
            return {name: np.zeros(0, np.float32) for name in self.losses}
        self._settled = {}
        vectors = [*(rates[name] for name in self.networks), *(controls[name] for name in self.controls)]
        bad, losses = self._train(vectors)
        if bad >= 0:
            sound = bad - self.step
            reason = _reason({name: float(values[sound]) for name, values in losses.items()})
            raise Diverged(bad + 1, reason, {name: values[:sound] for name, values in losses.items()})
        self.step += count
        return losses

    def _train(self, vectors: Sequence[NDArray[np.float32]]) -> tuple[int, dict[str, NDArray[np.float32]]]:
        """Run the compiled loop from `step` on; return the first bad step from 0, or -1, and the losses by name.

        `vectors` are rates and controls, (k,) each. After a bad step, losses are what they are.
        """
        count, at_once = len(vectors[0]), _LONGEST if self.xla else max(len(vectors[0]), 1)
        bad, parts = -1, []
        for first in range(0, max(count, 1), at_once):
            done = [vector[first : first + at_once] for vector in vectors]
            length = len(done[0])
            given = [np.pad(part, (0, _LONGEST - length)) if self.xla else part for part in done]
            counts = (tf.constant(self.step + first, tf.int64), tf.constant(length, tf.int64))
            found, *stacked = self._chunk(*counts, *map(tf.constant, given))
            bad = int(found)
            parts.append([values.numpy()[:length] for values in stacked])
            if bad >= 0:
                break
        losses = map(np.concatenate, zip(*parts, strict=True))
        return bad, dict(zip(self.losses, losses, strict=True))

    def generate(self, latents: NDArray[np.float32], *, weights: str) -> NDArray[np.uint8]:
        """Images uint8 (n, h, w, c) of `latents` float32 (n, latent), by the 'raw' weights or those of an average.

        Raises Diverged if the raw weights make the same image from every latent.
        """
        known = ("raw", *self._averages)
        if weights not in known:
            raise ValueError(f"weights is {weights!r}, but allowed is one of: {', '.join(known)}")
        vectors = [vector for name in self._averaged for vector in self._scored(name, weights)]
        parts = [
            self._sample(tf.constant(latents[first : first + _GENERATE]), *vectors).numpy()
            for first in range(0, len(latents), _GENERATE)
        ]
        images: NDArray[np.uint8] = np.concatenate(parts)
        if weights == "raw" and len(images) > 1 and (images == images[0]).all():
            raise Diverged(self.step, "generated images are all alike")
        return images

    def floats(self, latents: NDArray[np.float32]) -> NDArray[np.float32]:
        """Images float32 (n, h, w, c) as the raw weights make them, before they are cut to [-1, 1] and rounded."""
        weights = {name: self.weights(name) for name in self._averaged}
        images: NDArray[np.float32] = tf.cast(self._images_of(weights, tf.constant(latents)), tf.float32).numpy()
        return images

    def weights(self, name: str) -> list[tf.Tensor]:
        """All weights of a network in its order, as they are now and scores see them."""
        return self._packing[name].unpack(*self._scored(name))

    @property
    def modules(self) -> Mapping[str, Module]:
        """The networks by name."""
        return self._modules

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
        self.step, self._settled = int(state["step"]), {}

    @property
    def traces(self) -> int:
        """How often the training loop has been traced."""
        return int(self._chunk.experimental_get_tracing_count())

    def parameters(self) -> dict[str, int]:
        """Number of trained values of each network."""
        return {name: packing.trained for name, packing in self._packing.items()}

    # --- what a kind of model adds -----------------------------------------------------------------------------------

    @abstractmethod
    def _step(
        self, step: tf.Tensor, rates: Mapping[str, tf.Tensor], controls: Mapping[str, tf.Tensor]
    ) -> Sequence[tf.Tensor]:
        """Update all networks once, with float32 scalar rates and controls; return the losses in their names' order."""

    @abstractmethod
    def _images_of(self, weights: Mapping[str, Sequence[tf.Tensor]], latents: tf.Tensor) -> tf.Tensor:
        """Images in [-1, 1] of a batch of latents, by the weights of the networks that make images."""

    # --- what is compiled --------------------------------------------------------------------------------------------

    def _train_chunk(self, first: tf.Tensor, count: tf.Tensor, *vectors: tf.Tensor) -> Any:
        """Train `count` steps from step `first` on by vectors as long or longer; return the bad step or -1, and losses."""
        self._seeds = tf.unstack(self._roles.value())
        with draws.by_xla(self.xla):
            done = self._loop(first, tf.cast(count, tf.int32), vectors)
        self._seeds = self._roles
        return done

    def _loop(self, first: tf.Tensor, count: tf.Tensor, vectors: Sequence[tf.Tensor]) -> Any:
        rates = dict(zip(self.networks, vectors, strict=False))
        controls = dict(zip(self.controls, vectors[len(self.networks) :], strict=True))

        def going(index: tf.Tensor, sound: tf.Tensor, *_: tf.TensorArray) -> tf.Tensor:
            return tf.logical_and(index < count, sound)

        def body(index: tf.Tensor, _: tf.Tensor, *written: tf.TensorArray) -> Any:
            step = first + tf.cast(index, tf.int64)
            losses = self._step(
                step,
                {name: rate[index] for name, rate in rates.items()},
                {name: values[index] for name, values in controls.items()},
            )
            # Sums are finite only if all terms are; adding them up is the cheapest look at every weight.
            sums = [tf.reduce_sum(self._vectors[name]) for name in self.networks]
            sound = tf.math.is_finite(tf.add_n([*losses, *sums]))
            return index + 1, sound, *(array.write(index, loss) for array, loss in zip(written, losses, strict=True))

        arrays = [tf.TensorArray(tf.float32, size=tf.size(vectors[0]), element_shape=()) for _ in self.losses]
        start = (tf.constant(0), tf.constant(value=True), *arrays)
        done, sound, *written = tf.while_loop(going, body, start, parallel_iterations=1)
        bad = tf.where(sound, tf.constant(-1, tf.int64), first + tf.cast(done, tf.int64) - 1)
        return bad, *(array.stack() for array in written)

    def _pixels(self, latents: tf.Tensor, *vectors: tf.Tensor) -> tf.Tensor:
        pairs = zip(vectors[::2], vectors[1::2], strict=True)
        weights = {
            name: self._packing[name].unpack(trained, moving)
            for name, (trained, moving) in zip(self._averaged, pairs, strict=True)
        }
        images = tf.cast(self._images_of(weights, latents), tf.float32)
        return tf.cast(tf.clip_by_value(tf.round(images * 127.5 + 127.5), 0.0, 255.0), tf.uint8)

    def _read(self, name: str) -> tuple[tf.Tensor, tf.Tensor]:
        """The vectors of trained weights and of moving statistics of a network (or its average), as they are now."""
        return self._vectors[name].value(), self._vectors[f"{name}_moving"].value()

    def _slots(self, name: str) -> list[tf.Variable]:
        return [self._vectors[f"{name}_slot{slot}"] for slot in range(self._optimizer.slots)]

    def _scored(self, name: str, weights: str = "raw") -> tuple[tf.Tensor, tf.Tensor]:
        """As `_read`, of the weights that the optimizer has scored, or of one of their averages."""
        if self._vector(name, "raw") is self._vectors[name]:
            return self._read(name if weights == "raw" else self._average_of(name, weights))
        if weights not in self._settled:
            self._settled[weights] = self._settle(weights)
        return self._vector(name, weights).value(), self._settled[weights][name]

    def _vector(self, name: str, weights: str) -> tf.Variable:
        """The 'raw' weights that the optimizer has scored, or, of networks that have any, one of their averages."""
        if weights != "raw" and name in self._averaged:
            return self._vectors[self._average_of(name, weights)]
        return self._optimizer.scored(self._vectors[name], self._slots(name))

    def _settle(self, weights: str) -> dict[str, tf.Tensor]:
        """Moving statistics by network, of training passes of weights that training itself does not pass; changes nothing.

        They are those of the next steps of training with these weights in place of the trained ones, at rates of 0. So
        the authors of schedule-free training have it (README of facebookresearch/schedule_free).
        """
        if not any(self._vectors[f"{name}_moving"].shape[0] for name in self._averaged):
            return {name: self._read(name)[1] for name in self.networks}
        kept = {name: vector.numpy() for name, vector in self._vectors.items()}
        for name in self.networks:
            passed = self._vector(name, weights).numpy()
            for vector, value in zip(self._slots(name), self._optimizer.initial(passed), strict=True):
                vector.assign(value)
            self._vectors[name].assign(passed)
        self._train([np.zeros(_SETTLING, np.float32)] * (len(self.networks) + len(self.controls)))
        settled = {name: tf.constant(self._vectors[f"{name}_moving"].numpy()) for name in self.networks}
        for name, vector in self._vectors.items():
            vector.assign(kept[name])
        return settled

    def _real(self, step: tf.Tensor, part: int, batch: int | None = None) -> tf.Tensor:
        """A batch of training images in [-1, 1], drawn with replacement; `part` is the number of the draw in the step."""
        count = batch or self._settings.batch
        gathered = tf.bitcast(tf.gather(self._images, self._drawn(step, part, batch)), tf.uint8)
        pixels = tf.reshape(gathered, (count, -1))[:, : math.prod(self._shape)]
        images = tf.cast(tf.reshape(pixels, (count, *self._shape)), self._compute)
        if self._settings.flip:
            seed = draws.seed_at(self._seeds, draws.DATA, step, _FLIPS + part)
            flipped = draws.uniform((count, 1, 1, 1), seed) < 0.5
            images = tf.where(flipped, tf.reverse(images, (2,)), images)
        return images * (1.0 / 127.5) - 1.0

    def _classes(self, step: tf.Tensor, part: int, batch: int | None = None) -> tf.Tensor:
        """The classes of the same batch, one-hot (batch, classes)."""
        return tf.one_hot(tf.gather(self._labels, self._drawn(step, part, batch)), self.classes, dtype=self._compute)

    def _drawn(self, step: tf.Tensor, part: int, batch: int | None) -> tf.Tensor:
        """Indices of a batch of training images."""
        batch, images = batch or self._settings.batch, self._images.shape[0]
        return draws.batch_indices(self._seeds, step, part, batch=batch, images=images)

    def _apply(
        self, name: str, gradient: tf.Tensor, rate: tf.Tensor, count: tf.Tensor, controls: Mapping[str, tf.Tensor]
    ) -> None:
        """Update a network with the gradient of its scaled loss; `count` is 1 at its first update."""
        gradient = gradient if self._scale == 1.0 else gradient / self._scale
        self._optimizer.update(self._vectors[name], gradient, self._slots(name), rate, count, controls)

    def _rewrite(self, name: str, trained: tf.Tensor, call: Call) -> None:
        """Store the trained weights of a network that a pass wrote itself, before its update."""
        rewritten = self._packing[name].rewritten(trained, call)
        if rewritten is not trained:
            self._vectors[name].assign(rewritten)

    def _keep(self, name: str, moving: tf.Tensor) -> None:
        """Store the moving statistics that a pass left, in a network that has any."""
        if self._vectors[f"{name}_moving"].shape[0]:
            self._vectors[f"{name}_moving"].assign(moving)

    def _average(self, step: tf.Tensor, controls: Mapping[str, tf.Tensor]) -> None:
        """Move the averages towards the networks; early on faster, so that the initial weights are soon forgotten.

        At step t (counted from 0) the decay is min(its own, (1 + t) / (ema_ramp + t)), unless a control says it: that of the
        only average. Moving statistics are averaged alike, so that they belong to the averaged weights and not to the
        last ones.
        """
        for weights, decay in self._averages.items():
            self._move(weights, controls["ema"] if "ema" in controls else self._ramped(step, decay))

    def _ramped(self, step: tf.Tensor, decay: float) -> tf.Tensor:
        time = tf.cast(step, tf.float32)
        return tf.minimum(tf.constant(decay), (1.0 + time) / (self._settings.ema_ramp + time))

    def _move(self, weights: str, decay: tf.Tensor) -> None:
        """Move one average by its decay of this step: average -= (1 - decay) * (average - current), in one pass."""
        for network in self._averaged:
            average = self._average_of(network, weights)
            for name, current in (
                (average, self._vector(network, "raw")),
                (f"{average}_moving", self._vectors[f"{network}_moving"]),
            ):
                if not current.shape[0]:  # most networks have no moving statistics
                    continue
                tf.raw_ops.ResourceApplyGradientDescent(
                    var=self._vectors[name].handle,
                    alpha=1.0 - decay,
                    delta=self._vectors[name] - current,
                )

    @property
    def _scale(self) -> float:
        return LOSS_SCALE if self._compute == tf.float16 else 1.0


def compiles(xla: bool | str) -> bool:
    """Whether XLA compiles a training loop: as said, or, where 'auto' is said, on a GPU."""
    return bool(tf.config.list_physical_devices("GPU")) if xla == "auto" else bool(xla)


def _unknown_to_xla(message: str) -> str:
    """The operation that XLA has not, and the line that made it, from TensorFlow's message; its first line if it is another."""
    found = re.search(r"unsupported operations when .*: (\w+) \(", message)
    if found is None:
        return message.strip().splitlines()[0]
    places = re.findall(r'^File "(.+)", line (\d+)', message.partition("tf2xla conversion failed")[0], re.MULTILINE)
    if not places:
        return f"operation {found[1]}"
    name, line = places[-1]
    return f"operation {found[1]}, made in {Path(name).name}, line {line}"


def _packed(images: NDArray[np.uint8]) -> NDArray[np.int64]:
    """The bytes of each image in eights, (n, words), the last filled up: TensorFlow gathers no bytes on a GPU.

    It would gather them on the processor, and copy every batch over. (Fours would be int32, which it keeps in host memory.)
    """
    flat = images.reshape(len(images), -1)
    filled = np.zeros((len(flat), -(-flat.shape[1] // 8) * 8), np.uint8)
    filled[:, : flat.shape[1]] = flat
    return filled.view(np.int64)


def _reason(losses: Mapping[str, float]) -> str:
    """Return a sentence naming the loss that is not finite, or the weights."""
    for name, loss in losses.items():
        if not np.isfinite(loss):
            return f"loss of the {name} is {loss}"
    return "weights are not finite"
