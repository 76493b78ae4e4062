"""The U-Net of diffusion models (Dhariwal & Nichol 2021, "ADM"), as flow matching's published code trains it on CIFAR-10.

Sizes, epsilons, initial values and the order of weights are those of `UNetModel` in facebookresearch/flow_matching
(examples/image/models/unet.py, whose settings for CIFAR-10 are in model_configs.py) and, with `multipliers`, `heads`,
`modulation` and `resample` set for it, in atong01/conditional-flow-matching (torchcfm/models/unet/unet.py).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from harness.kinds import KindError, Shape, choice, number
from harness.lazy import tf
from harness.models.model import NetworkPart
from harness.models.nn import sizes
from harness.models.nn.blocks import Chain, Composed, Layered
from harness.models.nn.layers import (
    Call,
    Convolution,
    Dense,
    Dropout,
    GroupNormalization,
    Layer,
    Weight,
    doubled,
    halved,
    over_pixels,
    silu,
    uniform_in,
    with_weights,
    zeros,
)

_GROUPS = 32  # of channels that are normalised together; fewer where 32 do not divide them
_SLOWEST = 1e-4  # of the frequencies by which the network sees the time: radians over a whole path, from 1 down
_TENSORS = 16  # as large as a residual block's output, per residual block, forwards and gradients: as measured


@dataclass(frozen=True)
class Settings:
    """What may be set; the defaults are flow matching's for CIFAR-10."""

    width: int = number(
        128, low=8, high=1024, text="channels that multipliers multiply; time is embedded in 4 times as many"
    )
    multipliers: str = choice(
        "2,2,2", ("2,2,2", "1,2,2,2"), text="channels at each resolution as multiples of width; sides halve in between"
    )
    blocks: int = number(
        4, low=1, high=16, text="residual blocks per resolution on the way in; one more on the way out"
    )
    attention: int = number(
        16,
        low=0,
        high=64,
        text="side in pixels at which attention follows each block; 0: it is in the middle only",
    )
    heads: int = number(1, low=1, high=64, text="heads of each attention; must divide width")
    dropout: float = number(0.3, low=0.0, high=1.0, open_ends="high", text="rate of dropout in residual blocks")
    modulation: str = choice(
        "scale",
        ("scale", "shift"),
        text="how blocks see the time. scale: it scales and shifts what a block normalises; shift: it is added before",
    )
    resample: str = choice(
        "fixed",
        ("fixed", "learned"),
        text="sides halve by means of 2x2 pixels and double by copies; learned: by convolutions",
    )


@dataclass(frozen=True)
class Residual(Composed):
    """A residual block that sees the time: of (x (n, h, w, inputs), time (n, embedded)), (n, h, w, outputs)."""

    inputs: int
    outputs: int
    embedded: int
    dropout: float
    scales: bool

    @property
    def layers(self) -> tuple[Layer, ...]:
        """Before the time comes in, of the time, the normalisation and all after it, and past all of them."""
        dropout = (Dropout(self.dropout),) if self.dropout else ()
        return (
            Chain((_normalised(self.inputs), silu(), _convolution(3, self.inputs, self.outputs))),
            Chain((silu(), _dense(self.embedded, self.outputs * (2 if self.scales else 1)))),
            _normalised(self.outputs),
            Chain((silu(), *dropout, Convolution(3, self.outputs, self.outputs, initial=zeros))),
            Chain(()) if self.inputs == self.outputs else _convolution(1, self.inputs, self.outputs),
        )

    def __call__(
        self, x: tuple[tf.Tensor, tf.Tensor], weights: Sequence[tf.Tensor], call: Call, first: int
    ) -> tf.Tensor:
        before, of_time, normalised, after, past = self.called(weights, call, first)
        inner, timed = before(x[0]), over_pixels(of_time(x[1]))
        if self.scales:
            scale, shift = tf.split(timed, 2, -1)
            inner = normalised(inner) * (1.0 + scale) + shift
        else:
            inner = normalised(inner + timed)
        return past(x[0]) + after(inner)


@dataclass(frozen=True)
class Attention(Composed):
    """Attention of every pixel to all pixels (Vaswani et al. 2017), added to x (n, h, w, channels); weights in float32."""

    channels: int
    heads: int

    @property
    def layers(self) -> tuple[Layer, ...]:
        """The normalisation; queries, keys and values; what is added."""
        last = Dense(self.channels, self.channels, initial=zeros)
        return _normalised(self.channels), _dense(self.channels, 3 * self.channels), last

    def __call__(self, x: tf.Tensor, weights: Sequence[tf.Tensor], call: Call, first: int) -> tf.Tensor:
        normalised, projected, last = self.called(weights, call, first)
        size, pixels = self.channels // self.heads, x.shape[1] * x.shape[2]
        rows = projected(tf.reshape(normalised(x), (-1, self.channels)))
        queries, keys, values = tf.unstack(tf.reshape(rows, (-1, pixels, 3, self.heads, size)), axis=2)
        # Each is scaled by the root of the usual factor, so that float16 does not overflow.
        products = tf.einsum("nqhc,nkhc->nhqk", queries * size**-0.25, keys * size**-0.25)
        shares = tf.cast(tf.nn.softmax(tf.cast(products, tf.float32)), x.dtype)
        seen = tf.einsum("nhqk,nkhc->nqhc", shares, values)
        return x + tf.reshape(last(tf.reshape(seen, (-1, self.channels))), (-1, *x.shape[1:]))


@dataclass(frozen=True)
class Halving:
    """A 3x3 convolution with stride 2 on an image with a border of one pixel, as PyTorch pads; sides must be even."""

    per_example: ClassVar[bool] = True
    channels: int

    def weights(self) -> Sequence[Weight]:
        return _convolution(3, self.channels, self.channels).weights()

    def __call__(self, x: tf.Tensor, weights: Sequence[tf.Tensor], call: Call, first: int) -> tf.Tensor:
        bordered = tf.pad(x, [[0, 0], [1, 0], [1, 0], [0, 0]])  # the border below and to the right is never reached
        return tf.nn.bias_add(
            tf.nn.conv2d(bordered, tf.cast(weights[0], x.dtype), 2, "VALID"), tf.cast(weights[1], x.dtype)
        )


@dataclass(frozen=True)
class Stage(Chain):
    """Layers one after another, of which residual blocks see the time as well: of (x, time)."""

    def __call__(
        self, x: tuple[tf.Tensor, tf.Tensor], weights: Sequence[tf.Tensor], call: Call, first: int
    ) -> tf.Tensor:
        inner, time = x
        for layer, called in zip(self.layers, with_weights(self.layers, weights, call, first), strict=True):
            inner = called((inner, time)) if isinstance(layer, Residual) else called(inner)
        return inner


class UNet(Layered):
    """Residual blocks at falling, then at rising resolutions; each stage on the way out sees one of the way in as well.

    The velocity is 0 at first.
    """

    def __init__(self, settings: Settings, *, size: int, channels: int) -> None:
        """For square images of `size` pixels, which the settings' halvings must divide."""
        self._settings = settings
        self._features = settings.width // 2
        embedded = 4 * settings.width
        layers: dict[str, Layer] = {
            "time": Chain((_dense(2 * self._features, embedded), silu(), _dense(embedded, embedded)))
        }
        widths = [int(each) * settings.width for each in settings.multipliers.split(",")]
        down, kept = self._way_in(widths, size, channels)
        self._stages = len(down)
        layers |= {f"down {index}": stage for index, stage in enumerate(down)}
        middle = self._block(widths[-1], widths[-1])
        layers["middle"] = Stage((middle, Attention(widths[-1], settings.heads), middle))
        layers |= {f"up {index}": stage for index, stage in enumerate(self._way_out(widths, size, kept))}
        layers["out"] = Chain((_normalised(widths[0]), silu(), Convolution(3, widths[0], channels, initial=zeros)))
        super().__init__(layers)

    def _way_in(self, widths: Sequence[int], size: int, channels: int) -> tuple[list[Stage], list[int]]:
        """The stages on the way in, and the channels of what each makes."""
        current = widths[0]
        stages, made = [Stage((_convolution(3, channels, current),))], [current]
        for level, width in enumerate(widths):
            for _ in range(self._settings.blocks):
                stages.append(Stage((self._block(current, width), *self._attention(width, size >> level))))
                current = width
                made.append(current)
            if level < len(widths) - 1:
                stages.append(Stage((Halving(current) if self._learned else halved(),)))
                made.append(current)
        return stages, made

    def _way_out(self, widths: Sequence[int], size: int, kept: list[int]) -> list[Stage]:
        """The stages on the way out; `kept` are the channels of what the stages on the way in make."""
        current, stages = widths[-1], []
        for level, width in reversed(list(enumerate(widths))):
            for index in range(self._settings.blocks + 1):
                layers: list[Layer] = [self._block(current + kept.pop(), width)]
                layers += self._attention(width, size >> level)
                current = width
                if level and index == self._settings.blocks:
                    layers += [doubled(), *([_convolution(3, current, current)] if self._learned else [])]
                stages.append(Stage(tuple(layers)))
        return stages

    @property
    def _learned(self) -> bool:
        return self._settings.resample == "learned"

    def _block(self, inputs: int, outputs: int) -> Residual:
        settings = self._settings
        return Residual(inputs, outputs, 4 * settings.width, settings.dropout, settings.modulation == "scale")

    def _attention(self, channels: int, side: int) -> list[Layer]:
        return [Attention(channels, self._settings.heads)] if side == self._settings.attention else []

    def __call__(self, x: tuple[tf.Tensor, tf.Tensor], weights: Sequence[tf.Tensor], call: Call) -> tf.Tensor:
        """The velocity at points (n, h, w, c) and times (n, 1)."""
        points, time = x
        parts = self.called(weights, call)
        embedded = parts["time"](tf.cast(features(time, self._features), points.dtype))
        inner, kept = points, []
        for index in range(self._stages):
            inner = parts[f"down {index}"]((inner, embedded))
            kept.append(inner)
        inner = parts["middle"]((inner, embedded))
        for index in range(self._stages):
            inner = parts[f"up {index}"]((tf.concat([inner, kept.pop()], -1), embedded))
        return parts["out"](inner)


def features(time: tf.Tensor, frequencies: int) -> tf.Tensor:
    """Cosines and sines (n, 2 · frequencies) of times (n, 1) in [0, 1], of frequencies from 1 down (Vaswani et al. 2017)."""
    angles = time * np.exp(math.log(_SLOWEST) * np.arange(frequencies) / frequencies).astype(np.float32)
    return tf.concat([tf.cos(angles), tf.sin(angles)], -1)


def _normalised(channels: int) -> GroupNormalization:
    return GroupNormalization(channels, groups=math.gcd(channels, _GROUPS))


def _dense(inputs: int, outputs: int) -> Dense:
    return Dense(inputs, outputs, initial=uniform_in(inputs), bias=uniform_in(inputs))


def _convolution(kernel: int, inputs: int, outputs: int) -> Convolution:
    initial = uniform_in(kernel * kernel * inputs)
    return Convolution(kernel, inputs, outputs, initial=initial, bias=initial)


def build(settings: Settings, shape: Shape) -> dict[str, UNet]:
    """The velocity's U-Net for images of `shape`; KindError if heads do not divide the width."""
    if settings.width % settings.heads:
        raise KindError(
            f"unet_adm.heads is {settings.heads}, but must divide unet_adm.width, which is {settings.width}"
        )
    return {"velocity": UNet(settings, size=shape[0], channels=shape[2])}


def memory(settings: Settings, shape: Shape) -> float:
    """Megabytes of activations per image of a batch."""
    multipliers = [int(each) for each in settings.multipliers.split(",")]
    values = sum(multiplier * 0.25**level for level, multiplier in enumerate(multipliers))
    return 4 * shape[0] * shape[1] * settings.width * values * (2 * settings.blocks + 1) * _TENSORS / 1e6


PART = NetworkPart(
    name="unet_adm",
    help="U-Net with attention of diffusion models (Dhariwal & Nichol 2021), by default as published for flow matching on CIFAR-10",
    model="flow",
    settings=Settings,
    fits=sizes.fits_eighths,
    memory=memory,
    build=build,
)
