"""The residual networks for 32x32x3 images that SNGAN and WGAN-GP share, and what published codes do differently.

The papers leave open what the codes decide: how sides are doubled, epsilons, initial distributions, biases. A `Code` says it.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from harness.kinds import Shape
from harness.models.nn.blocks import Chain, Sum
from harness.models.nn.initial import scaled_glorot
from harness.models.nn.layers import (
    Apply,
    BatchNormalization,
    Convolution,
    Dense,
    Initial,
    Layer,
    Network,
    doubled,
    glorot,
    halved,
    ones,
    relu,
    reshape,
    summed,
    tanh,
    uniform_in,
    zeros,
)
from harness.models.nn.spectral import SpectrallyNormalised

_TENSORS = 24  # as large as the generator's widest output, forwards and gradients of both networks
_WIDE = scaled_glorot(math.sqrt(2.0))  # for kernels that follow or precede a ReLU


@dataclass(frozen=True)
class Code:
    """What a published code decides.

    `doubled` doubles sides in the generator; `epsilon` and `scales` are those of batch normalisation; `inner` draws the
    3x3 kernels of blocks, `past` the 1x1 kernels on the way past them, `first` and `image` those of the generator's first
    and last layer, `logit` that of the discriminator's last. Biases begin uniform in ±1/√n with n inputs to each output
    (PyTorch's default) if `spread_biases`, else at 0; the last layer has one if `logit_bias`. If `rectified_past`, what
    goes past the discriminator's second and later blocks has been rectified: a ReLU that works in place on a block's
    input changes what the way past it sees. `pooled` pools pixels before the last layer.
    """

    doubled: Callable[[], Apply] = doubled
    epsilon: float = 1e-5
    scales: Initial = ones
    inner: Initial = _WIDE
    past: Initial = glorot
    first: Initial = glorot
    image: Initial = glorot
    logit: Initial = glorot
    spread_biases: bool = False
    logit_bias: bool = True
    rectified_past: bool = False
    pooled: Callable[[], Apply] = summed

    def biases(self, inputs: int) -> Initial:
        """How the biases of a layer are drawn that has so many inputs to each output."""
        return uniform_in(inputs) if self.spread_biases else zeros

    def convolution(self, kernel: int, inputs: int, outputs: int, initial: Initial) -> Convolution:
        """A convolution with biases."""
        return Convolution(kernel, inputs, outputs, initial=initial, bias=self.biases(kernel**2 * inputs))

    def normalisation(self, channels: int) -> BatchNormalization:
        """Batch normalisation; all codes let a moving statistic keep nine tenths."""
        return BatchNormalization(channels, momentum=0.9, epsilon=self.epsilon, initial=self.scales)


def memory(width: int, shape: Shape) -> float:
    """Megabytes of activations per image for a generator with `width` channels."""
    return 4 * shape[0] * shape[1] * width * _TENSORS / 1e6


def generator(code: Code, *, latent: int, channels: int) -> Network:
    """Three blocks up from 4 pixels, with batch normalisation."""
    return Network(
        (
            Dense(latent, 4 * 4 * channels, code.first, code.biases(latent)),
            reshape(4, 4, channels),
            *[_up(code, channels)] * 3,
            code.normalisation(channels),
            relu(),
            code.convolution(3, channels, 3, code.image),
            tanh(),
        )
    )


def discriminator(code: Code, *, channels: int, spectral: bool) -> Network:
    """Four blocks, the first two down; every kernel is spectrally normalised if `spectral`."""
    blocks = _DiscriminatorBlocks(code, channels, spectral)
    last = Dense(channels, 1, code.logit, code.biases(channels) if code.logit_bias else None)
    return Network(
        (
            blocks.first(),
            blocks.down(),
            *[blocks.level()] * 2,
            relu(),
            code.pooled(),
            SpectrallyNormalised(last) if spectral else last,
        )
    )


def _up(code: Code, channels: int) -> Layer:
    """Sides times 2. Doubling after a 1x1 convolution is the same as before, and cheaper."""
    main = (
        code.normalisation(channels),
        relu(),
        code.doubled(),
        code.convolution(3, channels, channels, code.inner),
        code.normalisation(channels),
        relu(),
        code.convolution(3, channels, channels, code.inner),
    )
    return Sum((Chain(main), Chain((code.convolution(1, channels, channels, code.past), code.doubled()))))


@dataclass(frozen=True)
class _DiscriminatorBlocks:
    """The discriminator's residual blocks. Halving before a 1x1 convolution is the same as after, and cheaper."""

    code: Code
    channels: int
    spectral: bool

    def first(self) -> Layer:
        """Sides divided by 2, of the image itself: nothing comes before the first convolution."""
        main = (self._inner(3), relu(), self._inner(self.channels), halved())
        return Sum((Chain(main), Chain((halved(), self._past(3)))))

    def down(self) -> Layer:
        """Sides divided by 2."""
        return self._block((halved(),), Chain((halved(), self._past(self.channels))))

    def level(self) -> Layer:
        """Sides as they are, and nothing on the way past."""
        return self._block((), Chain(()))

    def _block(self, end: tuple[Layer, ...], past: Layer) -> Layer:
        main = (self._inner(self.channels), relu(), self._inner(self.channels), *end)
        if self.code.rectified_past:
            return Chain((relu(), Sum((Chain(main), past))))
        return Sum((Chain((relu(), *main)), past))

    def _inner(self, inputs: int) -> Layer:
        return self._normalised(self.code.convolution(3, inputs, self.channels, self.code.inner))

    def _past(self, inputs: int) -> Layer:
        return self._normalised(self.code.convolution(1, inputs, self.channels, self.code.past))

    def _normalised(self, layer: Convolution) -> Layer:
        return SpectrallyNormalised(layer) if self.spectral else layer
