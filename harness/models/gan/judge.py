"""The discriminator within one update: what it is shown, and what each pass leaves behind."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeAlias

from harness.lazy import tf
from harness.models.nn.draws import Draw
from harness.models.nn.layers import Call, Module, joined
from harness.models.nn.packing import Packing

Augmentation: TypeAlias = "Callable[[tf.Tensor, Draw], tf.Tensor]"  # images (n, h, w, c) in [-1, 1] to as many alike
REAL, FAKE, PENALTY = range(3)  # what goes through the discriminator, each with draws of its own
_AUGMENT = 2**47  # between the seeds of a pass's layers and of its augmentations: beyond all steps and their draws


class Judge:
    """Augmented images to logits; each pass sees the statistics that the one before left.

    The statistics of passes for a penalty are not kept: its images may be mixtures, which statistics are not of.
    """

    def __init__(
        self,
        module: Module,
        packing: Packing,
        augmentations: Sequence[Augmentation],
        weights: list[tf.Tensor],
        seed: Callable[[int], tf.Tensor],
    ) -> None:
        """With the discriminator's `weights`; `seed` gives that of a pass, int64 (2,), by what is judged."""
        self._module, self._packing, self._augmentations = module, packing, tuple(augmentations)
        self._weights, self._seed = weights, seed
        self.statistics = Call(training=True)

    def __call__(self, images: tf.Tensor, place: int, classes: tf.Tensor | None) -> tf.Tensor:
        """Logits float32 (n,) of images (n, h, w, c), and of their classes one-hot (n, classes) where there are any."""
        seed = self._seed(place)
        if self._augmentations:
            draw = Draw(seed + tf.constant([0, _AUGMENT], tf.int64))
            for augmentation in self._augmentations:
                images = augmentation(images, draw)
        call = Call(training=True, seed=seed)
        logits = self._module(joined([images] if classes is None else [images, classes]), self._weights, call)
        if place != PENALTY:
            self.statistics.moved |= {index: self._packing.carried(index, moved) for index, moved in call.moved.items()}
            for index, moved in self.statistics.moved.items():
                self._weights[index] = moved
        return tf.squeeze(tf.cast(logits, tf.float32), 1)
