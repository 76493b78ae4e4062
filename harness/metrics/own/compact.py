"""The compact network: 3x3 convolutions with residuals, halving the image down to 4 pixels; features are the means of its last maps.

Batch normalisation is folded into the convolutions, so that a file of one holds kernels and offsets alone.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from harness.lazy import tf

SMALLEST, LARGEST = 8, 128  # pixels of a side that one is built for
Unit = Callable[[Any, str, int], Any]  # maps, a unit's name and its stride, to rectified maps


@dataclass(frozen=True)
class Architecture:
    """The sizes of a compact network for square images of `side` pixels: `width` channels at first, 4 times as many at last."""

    side: int
    channels: int
    width: int
    outputs: int

    @property
    def stages(self) -> tuple[tuple[int, int], ...]:
        """Channels and stride of every stage after the first convolution."""
        count = max(2, math.ceil(math.log2(self.side / 4)))
        halvings = max(0, math.ceil(math.log2(self.side / 4)))
        return tuple((self.width * min(4, 2 ** (place + 1)), 2 if place < halvings else 1) for place in range(count))

    @property
    def dimensions(self) -> int:
        """Features per image."""
        return self.stages[-1][0]

    def units(self) -> Iterator[tuple[str, int, int]]:
        """Name, inputs and outputs of every convolution."""
        yield "first", self.channels, self.width
        inputs = self.width
        for place, (outputs, _) in enumerate(self.stages, start=1):
            yield f"down{place}", inputs, outputs
            yield f"same{place}", outputs, outputs
            inputs = outputs

    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Names and shapes of all arrays of a file."""
        found: dict[str, tuple[int, ...]] = {}
        for name, inputs, outputs in self.units():
            found |= {f"{name}.kernel": (3, 3, inputs, outputs), f"{name}.offset": (outputs,)}
        return found | {"last.kernel": (self.dimensions, self.outputs), "last.offset": (self.outputs,)}

    def features(self, images: tf.Tensor, unit: Unit) -> tf.Tensor:
        """Features (n, d) of images (n, side, side, channels) in [0, 1], by what `unit` makes of each convolution."""
        x = unit(images, "first", 1)
        for place, (_, stride) in enumerate(self.stages, start=1):
            x = unit(x, f"down{place}", stride)
            x = x + unit(x, f"same{place}", 1)
        return tf.reduce_mean(x, axis=(1, 2))
