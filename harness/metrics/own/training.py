"""Training of a compact network: to tell classes, or, where there are none, by how much an image was turned.

The latter is RotNet (Gidaris, Singh and Komodakis 2018): what tells an image's upright must see what is in it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.lazy import tf
from harness.metrics.own.compact import Architecture

Images = NDArray[np.uint8]
Labels = NDArray[np.int64]
Arrays = dict[str, NDArray[np.float16]]
Progress = Callable[[int, int, float], None]  # updates done, updates in all, the latest loss

TURNS = 4  # by 0, 90, 180 and 270 degrees
BATCH = 128
_PEAK, _MOMENTUM, _DECAY, _SMOOTHING = 0.1, 0.9, 5e-4, 0.1
_RISE = 0.15  # of all updates, over which the rate rises; then it falls to 0
_EPSILON, _RUNNING = 1e-5, 0.02  # of batch normalisation: in the root, and the share of the latest batch in the mean


@dataclass(frozen=True)
class Recipe:
    """How a network is trained. `mirror` flips images left to right at random: for photographs, not for writing."""

    epochs: int
    seed: int
    mirror: bool = False


def default_epochs(images: int) -> int:
    """As many as make about 4,000 updates, at least 10 and at most 60."""
    return int(np.clip(round(4000 * BATCH / images), 10, 60))


def train(
    architecture: Architecture, images: Images, labels: Labels | None, recipe: Recipe, *, progress: Progress
) -> Arrays:
    """The arrays of a network trained on uint8 images (n, side, side, c), whose batch normalisation is folded in.

    `labels` (n,) are classes from 0; None trains to tell turns. By SGD with Nesterov momentum, the rate rising and then falling linearly,
    on images moved by up to an eighth of their side. The same seed gives the same arrays on one machine.
    """
    rng = np.random.default_rng(recipe.seed)
    network = _Trained(architecture, rng)
    batch = min(BATCH, len(images))
    steps = recipe.epochs * (len(images) // batch)
    done = 0
    for _ in range(recipe.epochs):
        order = rng.permutation(len(images))[: len(images) // batch * batch].reshape(-1, batch)
        for chosen in order:
            x, y = _drawn(images[chosen], None if labels is None else labels[chosen], recipe, rng)
            numbers = (_rate(done, steps), max(_RUNNING, 1.0 / (done + 1)))  # the mean of all batches at first
            loss = network.step(tf.constant(x), tf.constant(y), *(tf.constant(each, tf.float32) for each in numbers))
            done += 1
            progress(done, steps, float(loss))
    return network.folded()


def turned(images: Images, turns: Labels) -> Images:
    """Each square image turned by so many quarters."""
    made = np.empty_like(images)
    for turn in range(TURNS):
        made[turns == turn] = np.rot90(images[turns == turn], turn, axes=(1, 2))
    return made


def _drawn(images: Images, labels: Labels | None, recipe: Recipe, rng: np.random.Generator) -> tuple[Images, Labels]:
    """A batch as the network sees it, and what it shall say of it."""
    count, side = images.shape[:2]
    border = max(1, side // 8)
    padded = np.pad(images, ((0, 0), (border, border), (border, border), (0, 0)))
    tops, lefts = rng.integers(0, 2 * border + 1, (2, count))
    rows, columns = tops[:, None] + np.arange(side), lefts[:, None] + np.arange(side)
    if recipe.mirror:
        flipped = rng.random(count) < 0.5
        columns[flipped] = columns[flipped, ::-1]
    moved = padded[np.arange(count)[:, None, None], rows[:, :, None], columns[:, None, :]]
    if labels is not None:
        return moved, labels
    turns: Labels = rng.integers(0, TURNS, size=(count,))
    return turned(moved, turns), turns


def _rate(done: int, steps: int) -> float:
    """The learning rate of update `done` (from 0) of `steps`."""
    rise = max(1.0, _RISE * steps)
    return _PEAK * min((done + 1) / rise, (steps - done) / max(1.0, steps - rise))


class _Trained:
    """Weights, their momenta and running moments, and one compiled update."""

    def __init__(self, architecture: Architecture, rng: np.random.Generator) -> None:
        self._architecture = architecture
        self._weights: dict[str, Any] = {}
        self._running: dict[str, Any] = {}
        for name, inputs, outputs in architecture.units():
            kernel = rng.standard_normal((3, 3, inputs, outputs)) * np.sqrt(2.0 / (9 * inputs))  # He et al. 2015
            self._weights[f"{name}.kernel"] = _variable(kernel)
            self._weights[f"{name}.scale"] = _variable(np.ones(outputs))
            self._weights[f"{name}.shift"] = _variable(np.zeros(outputs))
            self._running[f"{name}.mean"] = _variable(np.zeros(outputs))
            self._running[f"{name}.variance"] = _variable(np.ones(outputs))
        last = rng.standard_normal((architecture.dimensions, architecture.outputs)) / np.sqrt(architecture.dimensions)
        self._weights |= {"last.kernel": _variable(last), "last.offset": _variable(np.zeros(architecture.outputs))}
        self._momenta = {name: _variable(np.zeros(weight.shape)) for name, weight in self._weights.items()}
        self.step = tf.function(self._step)

    def _unit(self, x: tf.Tensor, name: str, stride: int, share: tf.Tensor) -> tf.Tensor:
        x = tf.nn.conv2d(x, self._weights[f"{name}.kernel"], stride, "SAME")
        made = tf.raw_ops.FusedBatchNormV3(
            x=x,
            scale=self._weights[f"{name}.scale"],
            offset=self._weights[f"{name}.shift"],
            mean=[],
            variance=[],
            epsilon=_EPSILON,
            is_training=True,
        )
        for moment, latest in (("mean", made.batch_mean), ("variance", made.batch_variance)):
            running = self._running[f"{name}.{moment}"]
            running.assign_add(share * (latest - running))
        return tf.nn.relu(made.y)

    def _step(self, images: tf.Tensor, labels: tf.Tensor, rate: tf.Tensor, share: tf.Tensor) -> tf.Tensor:
        with tf.GradientTape() as tape:
            unit = partial(self._unit, share=share)
            features = self._architecture.features(tf.cast(images, tf.float32) / 255.0, unit)
            logits = tf.matmul(features, self._weights["last.kernel"]) + self._weights["last.offset"]
            outputs = self._architecture.outputs
            target = tf.one_hot(labels, outputs) * (1.0 - _SMOOTHING) + _SMOOTHING / outputs
            loss = tf.reduce_mean(tf.nn.softmax_cross_entropy_with_logits(target, logits))
        gradients = tape.gradient(loss, self._weights)
        for name, weight in self._weights.items():
            gradient = gradients[name] + (_DECAY * weight if name.endswith("kernel") else 0.0)
            momentum = self._momenta[name]
            momentum.assign(_MOMENTUM * momentum + gradient)
            weight.assign_sub(rate * (gradient + _MOMENTUM * momentum))  # Nesterov
        return loss

    def folded(self) -> Arrays:
        """Kernels and offsets of convolutions that do what convolution and normalisation by running moments do."""
        arrays: dict[str, NDArray[Any]] = {}
        for name, _, _ in self._architecture.units():
            weight = {part: self._weights[f"{name}.{part}"].numpy() for part in ("kernel", "scale", "shift")}
            mean, variance = (self._running[f"{name}.{part}"].numpy() for part in ("mean", "variance"))
            scale = weight["scale"] / np.sqrt(variance + _EPSILON)
            arrays |= {f"{name}.kernel": weight["kernel"] * scale, f"{name}.offset": weight["shift"] - mean * scale}
        arrays |= {name: self._weights[name].numpy() for name in ("last.kernel", "last.offset")}
        return {name: array.astype(np.float16) for name, array in arrays.items()}


def _variable(value: NDArray[np.floating]) -> Any:
    return tf.Variable(np.asarray(value, np.float32))
