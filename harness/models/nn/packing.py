"""How a network's weights lie in two flat vectors, so that an optimizer passes over memory once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.lazy import tf
from harness.models.nn.layers import Call, Module

_ALIGNED = 16  # numbers of float32 in the 64 bytes at whose multiples TensorFlow splits without copying


class Packing:
    """Two flat vectors of a network's weights: trained ones, and moving statistics.

    Each weight takes a multiple of `_ALIGNED` places, with zeros at its end, so that splitting a vector copies nothing.
    """

    def __init__(self, network: Module) -> None:
        self._network, self.weights = network, tuple(network.weights())

    def sizes(self, *, moving: bool) -> list[int]:
        """Places of each weight in its vector."""
        return [-(-weight.size // _ALIGNED) * _ALIGNED for weight in self.weights if weight.moving == moving]

    def unpack(self, trained: tf.Tensor, moving: tf.Tensor) -> list[tf.Tensor]:
        """All weights in the network's order, of the vectors `trained` (n,) and `moving` (m,)."""
        parts = {flag: iter(self._cut(vector, moving=flag)) for flag, vector in ((False, trained), (True, moving))}
        return [tf.reshape(next(parts[weight.moving]), weight.shape) for weight in self.weights]

    def _cut(self, vector: tf.Tensor, *, moving: bool) -> list[tf.Tensor]:
        """The values of each weight in one of the vectors, without the zeros at their ends."""
        places, lengths = self.sizes(moving=moving), [each.size for each in self.weights if each.moving == moving]
        if not places:
            return []

        def cut(whole: tf.Tensor) -> Any:
            parts = tf.split(whole, places)

            def gradient(*slopes: tf.Tensor) -> tf.Tensor:
                """One operation for all weights, in place of one more for each that has zeros at its end."""
                pieces = []
                for slope, place, length in zip(slopes, places, lengths, strict=True):
                    pieces += [slope, tf.zeros(place - length, slope.dtype)] if place > length else [slope]
                return tf.concat(pieces, 0)

            found = [part[:length] if length % _ALIGNED else part for part, length in zip(parts, lengths, strict=True)]
            return found, gradient

        found: list[tf.Tensor] = tf.custom_gradient(cut)(vector)
        return found

    def moved(self, moving: tf.Tensor, call: Call) -> tf.Tensor:
        """The vector of moving statistics (m,) after a pass."""
        if not any(self.weights[index].moving for index in call.moved):
            return moving
        before = iter(tf.split(moving, self.sizes(moving=True)))
        parts = []
        for index, weight in enumerate(self.weights):
            if weight.moving:
                part = next(before)
                if index in call.moved:
                    flat = tf.reshape(call.moved[index], (-1,))
                    part = tf.pad(flat, [[0, part.shape[0] - flat.shape[0]]])
                parts.append(part)
        return tf.concat(parts, 0)

    def rewritten(self, trained: tf.Tensor, call: Call) -> tf.Tensor:
        """The vector of trained weights (n,) after a pass that wrote some of them itself; `trained` where it wrote none.

        Keras' spectral normalisation does: its kernel is replaced by the normalised one, which the optimizer then updates.
        """
        if all(self.weights[index].moving for index in call.moved):
            return trained
        before = iter(tf.split(trained, self.sizes(moving=False)))
        parts = []
        for index, weight in enumerate(self.weights):
            if not weight.moving:
                part = next(before)
                if index in call.moved:
                    flat = tf.reshape(tf.stop_gradient(call.moved[index]), (-1,))
                    part = tf.pad(flat, [[0, part.shape[0] - flat.shape[0]]])
                parts.append(part)
        return tf.concat(parts, 0)

    def carried(self, index: int, moved: tf.Tensor) -> tf.Tensor:
        """What the next pass of the same step sees of a weight that a pass has moved; no gradient goes into statistics."""
        return tf.stop_gradient(moved) if self.weights[index].moving else moved

    def initial(self, seed: Sequence[int]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Initial vectors, trained and moving, of a run's seed."""
        drawn = [values.ravel() for values in self._network.initial(np.random.default_rng(list(seed)))]
        vectors = []
        for moving in (False, True):
            parts = [values for values, weight in zip(drawn, self.weights, strict=True) if weight.moving == moving]
            sizes = self.sizes(moving=moving)
            padded = [np.pad(part, (0, size - part.size)) for part, size in zip(parts, sizes, strict=True)]
            vectors.append(np.concatenate([np.zeros(0, np.float32), *padded]))
        return vectors[0], vectors[1]

    @property
    def trained(self) -> int:
        """Number of trained values, without the zeros between them."""
        return sum(weight.size for weight in self.weights if not weight.moving)
