"""The networks as plain lists of layers, which every peer builds in its own way, and the work of a step of them.

Written by hand from `harness.models.gan.networks`, not derived from it: `benchmarks.peers.check` shows that they agree.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass


@dataclass(frozen=True)
class Layer:
    """One layer; `kind` says which fields count.

    dense: inputs, outputs. convolution, transposed: besides kernel and stride, 'same' padding. norm: outputs, value
    (momentum of the moving statistics). leaky, dropout: value. shape: sides of an image (h, w, c), or () to flatten.
    """

    kind: str
    inputs: int = 0
    outputs: int = 0
    kernel: int = 1
    stride: int = 1
    value: float = 0.0
    shape: tuple[int, ...] = ()


@dataclass(frozen=True)
class Plan:
    """A pair of networks: latents (latent,) to images (side, side, channels) in [-1, 1], and images to a logit."""

    name: str
    latent: int
    side: int
    channels: int
    generator: tuple[Layer, ...]
    discriminator: tuple[Layer, ...]


def _dense(inputs: int, outputs: int) -> Layer:
    return Layer("dense", inputs, outputs)


def _convolution(kernel: int, inputs: int, outputs: int, *, stride: int = 1, kind: str = "convolution") -> Layer:
    return Layer(kind, inputs, outputs, kernel, stride)


def article(latent: int = 100) -> Plan:
    """The article's pair, 32x32x3."""
    tail = lambda channels: (Layer("leaky", value=0.3), Layer("norm", outputs=channels, value=0.8))  # noqa: E731
    generator: list[Layer] = []
    for inputs, outputs in itertools.pairwise((latent, 256, 512, 1024, 4096)):
        generator += [_dense(inputs, outputs), *tail(outputs)]
    generator.append(Layer("shape", shape=(4, 4, 256)))
    for inputs, outputs in ((256, 128), (128, 64)):
        generator += [_convolution(3, inputs, outputs, stride=2, kind="transposed"), *tail(outputs)]
    generator += [_convolution(3, 64, 3, stride=2, kind="transposed"), Layer("tanh")]
    discriminator: list[Layer] = []
    for inputs, outputs in ((3, 64), (64, 128)):
        discriminator += [
            _convolution(3, inputs, outputs, stride=2),
            Layer("leaky", value=0.3),
            Layer("dropout", value=0.3),
        ]
    discriminator += [Layer("shape"), _dense(8 * 8 * 128, 1)]
    return Plan("article", latent, 32, 3, tuple(generator), tuple(discriminator))


def dcgan(side: int = 8, *, latent: int = 64, width: int = 16, channels: int = 1) -> Plan:
    """The compact DCGAN for square images whose side is a power of 2 from 8; the quick study's as it stands."""
    doublings = side.bit_length() - 3  # from 4 pixels
    sizes = [width * 2**place for place in range(doublings)]  # from the image inwards
    deepest = 2 * sizes[-1]
    norm = lambda outputs: (Layer("norm", outputs=outputs, value=0.9), Layer("leaky", value=0.2))  # noqa: E731
    generator = [_dense(latent, 4 * 4 * deepest), Layer("shape", shape=(4, 4, deepest)), *norm(deepest)]
    for inputs, outputs in itertools.pairwise([deepest, *reversed(sizes)]):
        generator += [_convolution(4, inputs, outputs, stride=2, kind="transposed"), *norm(outputs)]
    generator += [_convolution(3, width, channels), Layer("tanh")]
    discriminator: list[Layer] = []
    for inputs, outputs in itertools.pairwise([channels, *(2 * size for size in sizes)]):
        discriminator += [_convolution(4, inputs, outputs, stride=2), Layer("leaky", value=0.2)]
    discriminator += [Layer("shape"), _dense(4 * 4 * deepest, 1)]
    return Plan("dcgan", latent, side, channels, tuple(generator), tuple(discriminator))


PLANS = {"article": article, "quick": dcgan}


def multiplications(layers: tuple[Layer, ...], side: int) -> list[int]:
    """Multiply-adds of one example in each layer that has a matrix product, `side` being that of the input image."""
    counts = []
    for layer in layers:
        if layer.kind == "dense":
            counts.append(layer.inputs * layer.outputs)
        elif layer.kind == "convolution":
            side //= layer.stride
            counts.append(side**2 * layer.kernel**2 * layer.inputs * layer.outputs)
        elif layer.kind == "transposed":
            counts.append(side**2 * layer.kernel**2 * layer.inputs * layer.outputs)
            side *= layer.stride
        elif layer.kind == "shape" and layer.shape:
            side = layer.shape[0]
    return counts


def step_flop(plan: Plan, batch: int) -> int:
    """Floating-point operations of the matrix products of one step: both networks from one pass, nothing computed twice.

    A product costs one pass forwards, one for the gradient of its weights and one for that of its input, which the first
    layer of a network needs only if something before it is trained.
    """
    made = multiplications(plan.generator, plan.side)
    judged = multiplications(plan.discriminator, plan.side)
    generator = 3 * sum(made) - made[0]
    forwards = 2 * sum(judged)  # of real and of generated images
    for_discriminator = 2 * sum(judged) + 2 * (sum(judged) - judged[0])
    for_generator = sum(judged)  # to the generated images, and no weight of the discriminator
    return 2 * batch * (generator + forwards + for_discriminator + for_generator)
