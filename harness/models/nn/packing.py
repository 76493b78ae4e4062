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

    Each weight takes a multiple of `_ALIGNED` places, with zeros at its end, so that splitting a vector copies nothing. Where
    layers compute in `bfloat16`, the whole vector is rounded to it at once, and so are the gradients of all weights: a pass
    over memory each, in place of one per layer and another to put float32 gradients together.
    """

    def __init__(self, network: Module, *, bfloat16: bool = False) -> None:
        self._network, self.weights, self._bfloat16 = network, tuple(network.weights()), bfloat16

    def sizes(self, *, moving: bool) -> list[int]:
        """Places of each weight in its vector."""
        return [-(-weight.size // _ALIGNED) * _ALIGNED for weight in self.weights if weight.moving == moving]

    def unpack(self, trained: tf.Tensor, moving: tf.Tensor) -> list[tf.Tensor]:
        """All weights in the network's order, of the vectors `trained` (n,) and `moving` (m,)."""
        split = self._split_rounded if self._bfloat16 else self._cut
        parts = {False: iter(split(trained)), True: iter(self._split(moving, moving=True))}
        unpacked = []
        for weight in self.weights:
            part = next(parts[weight.moving])
            # The gradient of a slice is a copy, so only those with zeros at their end are cut.
            unpacked.append(tf.reshape(part[: weight.size] if part.shape[0] > weight.size else part, weight.shape))
        return unpacked

    def _cut(self, trained: tf.Tensor) -> Sequence[tf.Tensor]:
        """The values of each trained weight, without the zeros at its end, whose gradients are one operation for all."""
        places, lengths = self.sizes(moving=False), [weight.size for weight in self.weights if not weight.moving]

        def cut(vector: tf.Tensor) -> Any:
            def gradient(*slopes: tf.Tensor) -> tf.Tensor:
                pieces = []
                for slope, place, length in zip(slopes, places, lengths, strict=True):
                    pieces += [slope, tf.zeros(place - length, slope.dtype)] if place > length else [slope]
                return tf.concat(pieces, 0)

            sized = zip(self._split(vector), places, lengths, strict=True)
            return [part[:length] if place > length else part for part, place, length in sized], gradient

        parts: Sequence[tf.Tensor] = tf.custom_gradient(cut)(trained) if places else ()
        return parts

    def _split(self, vector: tf.Tensor, *, moving: bool = False) -> Sequence[tf.Tensor]:
        """The places of each weight, in order."""
        sizes = self.sizes(moving=moving)
        parts: Sequence[tf.Tensor] = tf.split(vector, sizes) if sizes else ()
        return parts

    def _split_rounded(self, trained: tf.Tensor) -> Sequence[tf.Tensor]:
        """The same of trained weights, in bfloat16 of those that layers round."""

        def split(vector: tf.Tensor) -> Any:
            weights = [weight for weight in self.weights if not weight.moving]
            exact, sizes = self._split(vector), self.sizes(moving=False)
            # Only as far as is read: a small bias at the end, a half of 64 bytes in bfloat16, would have all parts copied.
            count = max((place + 1 for place, weight in enumerate(weights) if weight.rounded), default=0)
            rounded = tf.split(tf.cast(vector[: sum(sizes[:count])], tf.bfloat16), sizes[:count]) if count else []

            def gradient(*slopes: tf.Tensor) -> tf.Tensor:
                return tf.cast(tf.concat([tf.cast(slope, tf.bfloat16) for slope in slopes], 0), tf.float32)

            parts = enumerate(zip(weights, exact, strict=True))
            return [rounded[place] if weight.rounded else part for place, (weight, part) in parts], gradient

        parts: Sequence[tf.Tensor] = tf.custom_gradient(split)(trained) if self._split(trained) else ()
        return parts

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
