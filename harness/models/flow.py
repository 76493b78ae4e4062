"""Rectified flow (Liu et al. 2022), which is flow matching with straight paths (Lipman et al. 2022), and a U-Net for it."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from harness import kinds
from harness.kinds import Shape, choice, number
from harness.lazy import tf
from harness.models.model import ModelPart, NetworkPart, PartSettings, TrainSettings
from harness.models.nn import sizes
from harness.models.nn.blocks import Chain, Layered
from harness.models.nn.draws import Draw
from harness.models.nn.layers import (
    Call,
    Called,
    Convolution,
    Dense,
    GroupNormalization,
    Layer,
    Module,
    TransposedConvolution,
    over_pixels,
    silu,
    zeros,
)
from harness.models.objective import Descent, Nets

_GROUPS = 4  # of channels that are normalised together; fewer where 4 do not divide them
_FREQUENCIES, _FASTEST = 8, 100.0  # by which the network sees the time: radians over a whole path, from 1
_TENSORS = 60  # as large as the widest layer's output, forwards and gradients
_MEAN, _SPREAD, _EARLIEST = -1.2, 1.2, 1e-4  # of the logarithm of skewed noise; the least time
_MOST_NOISE, _LEAST_NOISE, _BEND = 80.0, 0.002, 7.0  # of the noise levels that edm spacing steps through


@dataclass(frozen=True)
class Settings:
    """What may be set."""

    steps: int = number(20, low=1, high=10_000, text="steps from noise to image when images are made")
    solver: str = choice(
        "euler", ("euler", "heun"), text="euler: one evaluation of the network per step; heun: two, of second order"
    )
    times: str = choice(
        "uniform",
        ("uniform", "skewed"),
        text="how training draws times. uniform: in [0, 1); skewed: 1 / (1 + s), ln s normal with mean -1.2 and standard deviation 1.2, as EDM draws noise levels (Karras et al. 2022)",
        later=True,
    )
    spacing: str = choice(
        "even",
        ("even", "edm"),
        text="steps when images are made. even: equal lengths from time 0; edm: through EDM's noise levels, 80 to 0.002 and 0, short near the image (Karras et al. 2022)",
        later=True,
    )


@dataclass(frozen=True)
class Flow:
    """A velocity field that carries noise (time 0) to images (time 1).

    The network sees the point at a uniform time on the straight line from a draw of noise to an image and learns the
    line's direction, image - noise. Images are made by following its velocity from the latents, one number per value of
    an image.
    """

    modules: Mapping[str, Module]
    shape: Shape
    settings: Settings
    losses = ("velocity",)
    sampled = ("velocity",)

    @property
    def latent(self) -> int:
        """One number per value of an image."""
        return math.prod(self.shape)

    def networks(self) -> Mapping[str, Module]:
        """The velocity alone: of points (n, h, w, c) and times (n, 1)."""
        return self.modules

    def loss(self, nets: Nets, images: tf.Tensor, draw: Draw) -> Mapping[str, tf.Tensor]:
        """The mean squared error of the velocity, over images and their values."""
        target = tf.cast(images, tf.float32)
        noise = draw.normal(tf.shape(images))
        time = self._times(draw, tf.shape(images)[0])
        points = noise + tf.reshape(time, (-1, 1, 1, 1)) * (target - noise)
        found = nets["velocity"](tf.cast(points, images.dtype), time)
        return {"velocity": tf.reduce_mean(tf.square(tf.cast(found, tf.float32) - (target - noise)))}

    def _times(self, draw: Draw, count: tf.Tensor) -> tf.Tensor:
        """Times (count, 1) of a training step."""
        if self.settings.times == "uniform":
            return draw.uniform((count, 1))
        noise = tf.exp(_SPREAD * draw.normal((count, 1)) + _MEAN)
        return tf.maximum(1.0 / (1.0 + noise), _EARLIEST)

    def sample(self, nets: Nets, latents: tf.Tensor) -> tf.Tensor:
        """Where the points `latents`, which are taken to be at the first time, are at time 1.

        The path is followed in float32, whatever the precision of the network.
        """
        times, lengths = (tf.constant(each) for each in steps_of(self.settings))

        def velocity(points: tf.Tensor, step: tf.Tensor) -> tf.Tensor:
            time = tf.fill((tf.shape(points)[0], 1), times[step])
            return tf.cast(nets["velocity"](tf.cast(points, latents.dtype), time), tf.float32)

        def euler(step: tf.Tensor, points: tf.Tensor) -> tuple[tf.Tensor, ...]:
            return step + 1, points + lengths[step] * velocity(points, step)

        # Half a step at a time, so that the network stands in the graph once.
        def heun(half: tf.Tensor, points: tf.Tensor, start: tf.Tensor, slope: tf.Tensor) -> tuple[tf.Tensor, ...]:
            length, found = lengths[half // 2], velocity(points, (half + 1) // 2)
            arrived = start + 0.5 * length * (slope + found)
            second = half % 2 == 1
            return half + 1, tf.where(second, arrived, start + length * found), tf.where(second, arrived, start), found

        points, count = tf.cast(tf.reshape(latents, (-1, *self.shape)), tf.float32), self.settings.steps
        if self.settings.solver == "euler":
            return tf.while_loop(lambda step, *_: step < count, euler, (tf.constant(0), points))[1]
        state = (tf.constant(0), points, points, tf.zeros_like(points))
        return tf.while_loop(lambda half, *_: half < 2 * count, heun, state)[1]


def steps_of(settings: Settings) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """The times (steps + 1,) at which steps begin and end, and the steps' lengths (steps,).

    With edm spacing the noise levels s are those of Karras et al. 2022, and time is 1 / (1 + s), where a straight path
    has s times as much noise as image: the first time is 1/81, not 0, as in facebookresearch/flow_matching
    (examples/image/training/edm_time_discretization.py).
    """
    count = settings.steps
    if settings.spacing == "even":
        # By a product with the reciprocal, which is what TensorFlow made of a division here in the first release.
        times = np.arange(count + 1, dtype=np.float32) * np.float32(1.0 / count)
        return times, np.full(count, 1.0 / count, np.float32)
    roots = np.linspace(_MOST_NOISE ** (1.0 / _BEND), _LEAST_NOISE ** (1.0 / _BEND), count)
    exact = 1.0 / (1.0 + np.append(roots**_BEND, 0.0))
    return exact.astype(np.float32), np.diff(exact).astype(np.float32)


def build(
    network: PartSettings,
    train: TrainSettings,
    images: NDArray[np.uint8],
    settings: Settings,
    *,
    controls: Sequence[str] = (),
) -> Descent:
    """The flow of a study's [model], [network] and [train], for training images uint8 (n, h, w, c)."""
    shape: Shape = tuple(images.shape[1:])
    part = kinds.find("network", network.name, key="network.name")
    objective = Flow(part.builder(network.settings, shape), shape, settings)
    own = not kinds.shipped(part)
    return Descent(objective, train=train, images=images, controls=controls, autograph=own)


# --- the network -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class NetworkSettings:
    """What may be set of the network."""

    width: int = number(16, low=4, high=1024, text="channels of the widest resolution")


class UNet(Layered):
    """A U-Net (Ronneberger et al. 2015) of residual blocks that see the time (Ho et al. 2020), without attention.

    Sides are halved until at most 7 pixels are left; channels double at the first two halvings. The velocity is 0 at first.
    """

    def __init__(self, *, size: int, channels: int, width: int) -> None:
        self._levels = sizes.halvings(size)[0]
        widths = [width * min(2**level, 4) for level in range(self._levels + 1)]
        embedded = 4 * width
        layers: dict[str, Layer] = {
            "time": Chain((Dense(2 * _FREQUENCIES, embedded), silu(), Dense(embedded, embedded), silu())),
            "in": Convolution(3, channels, width),
        }
        for level, (outer, inner) in enumerate(itertools.pairwise(widths)):
            layers |= _block(f"down {level}", outer, outer, embedded)
            layers[f"halve {level}"] = Convolution(3, outer, inner, stride=2)
            layers[f"double {level}"] = TransposedConvolution(4, inner, outer)
            layers |= _block(f"up {level}", 2 * outer, outer, embedded)
        layers |= _block("middle", widths[-1], widths[-1], embedded)
        layers["out"] = Chain((_normalised(width), silu(), Convolution(3, width, channels, initial=zeros)))
        super().__init__(layers)

    def __call__(self, x: tuple[tf.Tensor, tf.Tensor], weights: Sequence[tf.Tensor], call: Call) -> tf.Tensor:
        """The velocity at points (n, h, w, c) and times (n, 1)."""
        points, time = x
        parts = self.called(weights, call)
        embedded = parts["time"](tf.cast(_features(time), points.dtype))
        inner, skipped = parts["in"](points), []
        for level in range(self._levels):
            skipped.append(_through(f"down {level}", parts, inner, embedded))
            inner = parts[f"halve {level}"](skipped[-1])
        inner = _through("middle", parts, inner, embedded)
        for level in reversed(range(self._levels)):
            both = tf.concat([parts[f"double {level}"](inner), skipped[level]], -1)
            inner = _through(f"up {level}", parts, both, embedded)
        return parts["out"](inner)


def _block(name: str, inputs: int, outputs: int, embedded: int) -> dict[str, Layer]:
    """The layers of a residual block: before the time comes in, of the time, after it, and past all of them."""
    return {
        f"{name}, before": Chain((_normalised(inputs), silu(), Convolution(3, inputs, outputs))),
        f"{name}, time": Dense(embedded, outputs),
        f"{name}, after": Chain((silu(), Convolution(3, outputs, outputs, initial=zeros))),
        f"{name}, past": Chain(()) if inputs == outputs else Convolution(1, inputs, outputs),
    }


def _through(name: str, parts: Mapping[str, Called], x: tf.Tensor, embedded: tf.Tensor) -> tf.Tensor:
    """What a residual block makes of x (n, h, w, inputs)."""
    timed = parts[f"{name}, before"](x) + over_pixels(parts[f"{name}, time"](embedded))
    return parts[f"{name}, after"](timed) + parts[f"{name}, past"](x)


def _normalised(channels: int) -> GroupNormalization:
    return GroupNormalization(channels, groups=math.gcd(channels, _GROUPS))


def _features(time: tf.Tensor) -> tf.Tensor:
    """Sines and cosines (n, 2 · frequencies) of times (n, 1), of geometrically spaced frequencies."""
    angles = time * np.geomspace(1.0, _FASTEST, _FREQUENCIES, dtype=np.float32)
    return tf.concat([tf.sin(angles), tf.cos(angles)], -1)


def networks(settings: NetworkSettings, shape: Shape) -> dict[str, UNet]:
    """The velocity's U-Net for images of `shape`."""
    return {"velocity": UNet(size=shape[0], channels=shape[2], width=settings.width)}


PARTS = (
    ModelPart(
        name="flow",
        help="rectified flow: noise is carried to images on nearly straight paths (Liu et al. 2022)",
        settings=Settings,
        networks=("velocity",),
        network="unet",
        build=build,
    ),
    NetworkPart(
        name="unet",
        help="small U-Net that sizes itself to 8 to 64 pixels, 1 or 3 channels",
        model="flow",
        settings=NetworkSettings,
        fits=sizes.fits,
        memory=lambda settings, shape: 4 * shape[0] * shape[1] * settings.width * _TENSORS / 1e6,
        build=networks,
    ),
)
