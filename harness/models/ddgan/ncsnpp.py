"""The networks of denoising diffusion GANs: NCSN++ that a latent vector styles, and a discriminator that sees the time.

As NVlabs/denoising-diffusion-gan has them for CIFAR-10: score_sde/models/ncsnpp_generator_adagn.py (with BigGAN's
blocks, filters at every change of resolution and a residual pyramid of the input) and Discriminator_small of
score_sde/models/discriminator.py.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass

from harness.kinds import Shape, number
from harness.lazy import tf
from harness.models.ddgan.layers import (
    Attention,
    BatchDeviation,
    FilteredConvolution,
    Resample,
    StyledBlock,
    TimedBlock,
    almost_zero,
    halfway,
    normalization,
    waves,
)
from harness.models.model import NetworkPart
from harness.models.nn import sizes
from harness.models.nn.blocks import Chain, Layered
from harness.models.nn.layers import (
    Call,
    Convolution,
    Dense,
    Layer,
    leaky_relu,
    silu,
    summed,
    tanh,
)
from harness.models.nn.resampling import doubled, halved

_TENSORS = 105  # as large as the widest layer's output: 53 MB per image were measured at the published widths


@dataclass(frozen=True)
class Settings:
    """What may be set."""

    latent: int = number(100, low=1, high=4096, text="length of the latent vector z of each step")
    width: int = number(
        128, low=4, high=1024, text="channels of the generator's widest resolution; others have twice as many"
    )
    levels: int = number(4, low=1, high=4, text="resolutions of the generator, each half the one before")
    blocks: int = number(2, low=1, high=16, text="residual blocks of the generator per resolution on the way in")
    attention: int = number(16, low=1, high=64, text="side in pixels of the resolution with self-attention")
    style: int = number(256, low=1, high=4096, text="length of the style that is made of z")
    mapping: int = number(4, low=0, high=16, text="dense layers from z to the style after the first")
    discriminator_width: int = number(
        64, low=1, high=1024, text="half the channels of the discriminator's first layers"
    )
    time: int = number(256, low=4, high=4096, text="length of what the discriminator sees of the time")


class Generator(Layered):
    """What an image was, from a noisy one: a U-Net whose normalisations are styled by the latent vector z."""

    def __init__(self, settings: Settings, shape: Shape) -> None:
        size, _, channels = shape
        width, time, style = settings.width, 4 * settings.width, settings.style
        self._levels, self._blocks, self._half = settings.levels, settings.blocks, width // 2
        layers: dict[str, Layer] = {
            "time": Chain((Dense(2 * self._half, time), silu(), Dense(time, time), silu())),
            "in": Convolution(3, channels, width),
        }

        def block(
            name: str, inputs: int, outputs: int, *, resample: Resample | None = None, attends: bool = False
        ) -> None:
            layers[name] = StyledBlock(inputs, outputs, time, style, resample)
            if attends:
                layers[f"{name} attends"] = Attention(outputs)

        widths = [width if level == 0 else 2 * width for level in range(self._levels)]
        pyramid, skipped = channels, [width]
        for level, outputs in enumerate(widths):
            for index in range(settings.blocks):
                block(f"down {level} {index}", skipped[-1], outputs, attends=size >> level == settings.attention)
                skipped.append(outputs)
            if level < self._levels - 1:
                block(f"halve {level}", outputs, outputs, resample=halved)
                layers[f"pyramid {level}"] = FilteredConvolution(pyramid, outputs)
                pyramid = outputs
                skipped.append(outputs)
        inner = widths[-1]
        block("middle 0", inner, inner, attends=True)
        block("middle 1", inner, inner)
        for level, outputs in reversed(list(enumerate(widths))):
            for index in range(settings.blocks + 1):
                last = index == settings.blocks
                block(
                    f"up {level} {index}",
                    inner + skipped.pop(),
                    outputs,
                    attends=last and size >> level == settings.attention,
                )
                inner = outputs
            if level:
                block(f"double {level}", inner, inner, resample=doubled)
        layers["out"] = Chain(
            (normalization(inner), silu(), Convolution(3, inner, channels, initial=almost_zero), tanh())
        )
        layers["style"] = Chain(
            (
                *(Dense(settings.latent, style), silu()),
                *(layer for _ in range(settings.mapping) for layer in (Dense(style, style), silu())),
            )
        )
        super().__init__(layers)

    def __call__(
        self, x: tuple[tf.Tensor, tf.Tensor, tf.Tensor], weights: Sequence[tf.Tensor], call: Call
    ) -> tf.Tensor:
        """Images in [-1, 1] of noisy ones (n, h, w, c), the time (n, 1) and z (n, latent)."""
        points, time, latents = x
        parts = self.called(weights, call)
        context = parts["time"](tf.cast(waves(time, self._half), points.dtype)), parts["style"](_of_length_1(latents))

        def through(name: str, image: tf.Tensor) -> tf.Tensor:
            image = parts[name]((image, *context))
            return parts[f"{name} attends"](image) if f"{name} attends" in parts else image

        pyramid = points
        skipped = [parts["in"](points)]
        for level in range(self._levels):
            for index in range(self._blocks):
                skipped.append(through(f"down {level} {index}", skipped[-1]))
            if level < self._levels - 1:
                pyramid = halfway(parts[f"pyramid {level}"](pyramid), through(f"halve {level}", skipped[-1]))
                skipped.append(pyramid)
        inner = through("middle 1", through("middle 0", skipped[-1]))
        for level in reversed(range(self._levels)):
            for index in range(self._blocks + 1):
                inner = through(f"up {level} {index}", tf.concat([inner, skipped.pop()], -1))
            if level:
                inner = through(f"double {level}", inner)
        return parts["out"](inner)


def _of_length_1(latents: tf.Tensor) -> tf.Tensor:
    """Each vector divided by the root of its mean square (Karras et al. 2018)."""
    square = tf.reduce_mean(tf.square(tf.cast(latents, tf.float32)), -1, keepdims=True)
    return tf.cast(tf.cast(latents, tf.float32) * tf.math.rsqrt(square + 1e-8), latents.dtype)


class Discriminator(Layered):
    """Whether a noisy image is what the next noisier one was made of: it sees both, and the time."""

    group = BatchDeviation.group

    def __init__(self, settings: Settings, shape: Shape) -> None:
        channels, width, time = shape[2], settings.discriminator_width, settings.time
        self._half = time // 2
        widths = [2 * width, 2 * width, 4 * width, 8 * width, 8 * width]
        super().__init__(
            {
                "time": Chain((Dense(2 * self._half, time), leaky_relu(0.2), Dense(time, time), leaky_relu(0.2))),
                "in": Convolution(1, 2 * channels, widths[0]),
                **{
                    f"block {index}": TimedBlock(inputs, outputs, time, halves=index > 0)
                    for index, (inputs, outputs) in enumerate(itertools.pairwise(widths))
                },
                "out": Chain(
                    (
                        BatchDeviation(),
                        Convolution(3, 8 * width + 1, 8 * width, initial=almost_zero),
                        leaky_relu(0.2),
                        summed(),
                        Dense(8 * width, 1),
                    )
                ),
            }
        )

    def __call__(
        self, x: tuple[tf.Tensor, tf.Tensor, tf.Tensor], weights: Sequence[tf.Tensor], call: Call
    ) -> tf.Tensor:
        """Logits (n, 1) of images (n, h, w, c) at times (n, 1), and of the next noisier ones (n, h, w, c)."""
        points, time, noisier = x
        parts = self.called(weights, call)
        seen = parts["time"](tf.cast(waves(time, self._half), points.dtype))
        inner = parts["in"](tf.concat([points, noisier], -1))
        for index in range(4):
            inner = parts[f"block {index}"]((inner, seen))
        return parts["out"](inner)


def build(settings: Settings, shape: Shape) -> dict[str, Layered]:
    """Both networks for images of `shape`."""
    return {"generator": Generator(settings, shape), "discriminator": Discriminator(settings, shape)}


PART = NetworkPart(
    name="ncsnpp",
    help="NCSN++ styled by latent vectors, and a discriminator that sees the time, 8 to 64 pixels (Xiao et al. 2022)",
    model="ddgan",
    settings=Settings,
    fits=sizes.fits_eighths,
    memory=lambda settings, shape: 4 * shape[0] * shape[1] * settings.width * _TENSORS / 1e6,
    build=build,
)
