"""Networks of published GANs: numbers of weights, shapes and initial distributions as their codes have them."""

import math
from collections.abc import Sequence

import numpy as np
import pytest
import tensorflow as tf

from harness import kinds
from harness.models.nn.initial import orthogonal
from harness.models.nn.layers import BatchNormalization, Call, Convolution, Dense, TransposedConvolution
from harness.models.nn.packing import Packing
from harness.models.nn.resampling import bilinearly_doubled
from harness.models.nn.spectral import SpectrallyNormalised

SHAPE = (32, 32, 3)


def networks(name, shape=SHAPE, **values):
    part = kinds.find("network", name, key="network.name")
    return part.builder(part.set(values), shape)


# Counted from the published codes themselves: mimicry, StudioGAN and w86763777 in PyTorch. compare_gan's generator is
# w86763777's with 8192 scales and offsets after its first layer instead of 512.
COUNTS = {
    "sngan_resnet32": (4_276_739, 1_053_825),
    "wgan_gp_resnet32": (4_276_739, 1_053_825),
    "sndcgan": (3_813_379 + 2 * (8192 - 512), 5_860_865),
    "dcgan_studiogan": (3_812_355, 2_931_009),
    "dcgan_cnn32": (11_429_632, 4_309_441),
}


@pytest.mark.parametrize("name", COUNTS)
def test_the_published_widths_have_as_many_trained_values_as_the_published_codes(name):
    counts = {role: Packing(network).trained for role, network in networks(name).items()}
    assert tuple(counts.values()) == COUNTS[name]


def test_published_variants_differ_by_what_their_codes_say():
    def count(name, role, **values):
        return Packing(networks(name, **values)[role]).trained

    for code in ("sngan_projection", "sngan_pytorch"):  # no bias after the discriminator's last layer
        assert count("sngan_resnet32", "discriminator", code=code) == 1_053_824
    # the paper's table 3: 64, 64, 128, 128, 256, 256, 512 channels
    table = zip((3, 64, 64, 128, 128, 256, 256), (64, 64, 128, 128, 256, 256, 512), (3, 4, 3, 4, 3, 4, 3), strict=True)
    expected = sum(kernel**2 * inputs * outputs + outputs for inputs, outputs, kernel in table) + 8192 + 1
    assert count("sndcgan", "discriminator", doubled_by="plain") == expected
    inner, past = 9 * 128**2 + 128, 128**2 + 128
    expected = 128 * 2048 + 2048 + 3 * (2 * inner + past + 4 * 128) + 2 * 128 + 9 * 128 * 3 + 3
    assert count("wgan_gp_resnet32", "generator", width=128) == expected  # the paper's generator


NARROW = {
    "sngan_resnet32": {"width": 4},
    "wgan_gp_resnet32": {"width": 4, "critic_width": 4},
    "sndcgan": {"width": 2},
    "dcgan_studiogan": {"width": 2},
    "dcgan_cnn32": {"width": 2},
}
SHAPES = [(name, SHAPE) for name in NARROW] + [("sndcgan", (48, 48, 3)), ("sndcgan", (16, 16, 1))]


@pytest.mark.parametrize(("name", "shape"), SHAPES)
def test_generators_make_images_and_discriminators_one_logit_each(name, shape):
    pair = networks(name, shape, latent=5, **NARROW[name])
    drawn = {role: network.initial(np.random.default_rng(0)) for role, network in pair.items()}
    for training in (True, False):
        made = pair["generator"](tf.random.stateless_normal((3, 5), (1, 2)), drawn["generator"], Call(training))
        assert made.shape == (3, *shape)
        assert np.abs(made).max() <= 1.0
        assert pair["discriminator"](made, drawn["discriminator"], Call(training)).shape == (3, 1)


@pytest.mark.parametrize("name", NARROW)
def test_images_of_other_sizes_are_refused_in_words(name):
    part = kinds.find("network", name, key="network.name")
    assert part.fits(SHAPE) is None
    for shape in ((28, 28, 1), (32, 16, 3), (8, 8, 3)):
        assert "images" in part.fits(shape)


# --- initial distributions -------------------------------------------------------------------------------------------


def uniform(limit):
    return ("uniform", limit)


def normal(deviation, mean=0.0):
    return ("normal", mean, deviation)


def constant(value):
    return ("constant", value)


def fan_in(inputs):
    return uniform(1.0 / math.sqrt(inputs))


def glorot(inputs, outputs, gain=1.0):
    return uniform(gain * math.sqrt(6.0 / (inputs + outputs)))


ZERO, ONE, ORTHOGONAL = constant(0.0), constant(1.0), ("orthogonal",)
SCALES = [ONE, ZERO, ZERO, ONE]  # of batch normalisation: scale, offset, moving mean and variance


def resnets(*, gain, past, first, image, logit, bias, scales=SCALES, normalised, logit_bias=True):
    """Expected distributions for 8 latents, a generator of 16 channels and a discriminator of 8; `past` and so on by width."""
    vector = [("unit",)] if normalised else []

    def layer(kernel, inputs):
        return [kernel, bias(inputs)]

    inner = layer(glorot(9 * 16, 9 * 16, gain), 9 * 16)
    up = [*scales, *inner, *scales, *inner, *layer(past(16, 16), 16)]
    generator = [*layer(first, 8), *up * 3, *scales, *layer(image, 9 * 16)]
    begin, inner = (layer(glorot(9 * inputs, 9 * 8, gain), 9 * inputs) + vector for inputs in (3, 8))
    across = {inputs: layer(past(inputs, 8), inputs) + vector for inputs in (3, 8)}
    last = [logit, *([bias(8)] if logit_bias else []), *vector]
    return generator, [*begin, *inner, *across[3], *inner * 2, *across[8], *inner * 4, *last]


def no_bias(inputs):
    return ZERO


def ordinary(inputs, outputs):
    return glorot(inputs, outputs)


WIDTHS = {"latent": 8, "width": 16}
WIDE = math.sqrt(2.0)
ENDS = {"first": glorot(8, 256), "image": glorot(9 * 16, 9 * 3), "logit": glorot(8, 1)}
DISTRIBUTIONS = {  # a name, its settings, and the distributions of all weights of both networks
    "SNGAN, mimicry": (
        "sngan_resnet32",
        WIDTHS,
        resnets(gain=WIDE, past=ordinary, bias=fan_in, normalised=True, **ENDS),
    ),
    "SNGAN, the authors": (
        "sngan_resnet32",
        {**WIDTHS, "code": "sngan_projection"},
        resnets(gain=WIDE, past=ordinary, bias=no_bias, normalised=True, logit_bias=False, **ENDS),
    ),
    "SNGAN, GongXinyuu": (
        "sngan_resnet32",
        {**WIDTHS, "code": "sngan_pytorch"},
        resnets(
            gain=1.0,
            past=ordinary,
            bias=fan_in,
            normalised=True,
            logit_bias=False,
            scales=[normal(0.02, 1.0), ZERO, ZERO, ONE],
            **{**ENDS, "first": fan_in(8), "logit": fan_in(8)},
        ),
    ),
    "WGAN-GP, mimicry": (
        "wgan_gp_resnet32",
        {**WIDTHS, "critic_width": 8},
        resnets(
            gain=WIDE,
            past=lambda inputs, outputs: fan_in(inputs),
            bias=fan_in,
            normalised=False,
            **{**ENDS, "image": fan_in(9 * 16)},
        ),
    ),
    "WGAN-GP, the authors": (
        "wgan_gp_resnet32",
        {**WIDTHS, "critic_width": 8, "code": "improved_wgan_training"},
        resnets(gain=WIDE, past=ordinary, bias=no_bias, normalised=False, **ENDS),
    ),
    "SNDCGAN": (
        "sndcgan",
        WIDTHS,
        ([normal(0.02), ZERO, *SCALES] * 4 + [normal(0.02), ZERO], [normal(0.02), ZERO, ("unit",)] * 8),
    ),
    "StudioGAN's DCGAN": (
        "dcgan_studiogan",
        WIDTHS,
        (
            [ORTHOGONAL, ZERO, *[ORTHOGONAL, ZERO, *SCALES] * 3, ORTHOGONAL, ZERO],
            [*[ORTHOGONAL, ZERO, *SCALES] * 7, ORTHOGONAL, ZERO],
        ),
    ),
    "w86763777's DCGAN": (
        "dcgan_cnn32",
        WIDTHS,
        (
            # PyTorch counts outputs and pixels for a transposed convolution
            [fan_in(4 * 256), *SCALES]
            + [each for outputs in (128, 64, 32) for each in (fan_in(16 * outputs), *SCALES)]
            + [fan_in(16 * 3)],
            [fan_in(25 * 3)]
            + [each for inputs in (16, 32, 64) for each in (fan_in(25 * inputs), *SCALES)]
            + [fan_in(4 * 128), fan_in(4 * 128)],
        ),
    ),
}


def check(values, expected):
    kind, *numbers = expected
    relative = 3.0 / math.sqrt(values.size)  # three times the standard error of a deviation, or more
    if kind == "constant":
        assert (values == numbers[0]).all()
    elif kind == "uniform":
        assert np.abs(values).max() <= numbers[0] * (1.0 + 1e-6)
        assert math.sqrt(np.mean(values**2)) == pytest.approx(numbers[0] / math.sqrt(3.0), rel=relative)
    elif kind == "normal":
        assert values.mean() == pytest.approx(numbers[0], abs=relative * numbers[1])
        assert values.std() == pytest.approx(numbers[1], rel=relative)
    elif kind == "unit":
        assert np.linalg.norm(values) == pytest.approx(1.0, rel=1e-6)
    else:
        matrix = values.reshape(-1, values.shape[-1])
        rows, columns = matrix.shape
        product = matrix.T @ matrix if rows >= columns else matrix @ matrix.T
        np.testing.assert_allclose(product, np.eye(len(product)), atol=1e-5)


@pytest.mark.parametrize("case", DISTRIBUTIONS)
def test_initial_values_are_distributed_as_in_the_published_code(case):
    name, values, expected = DISTRIBUTIONS[case]
    for network, kinds_of_weights in zip(networks(name, **values).values(), expected, strict=True):
        drawn = network.initial(np.random.default_rng(3))
        assert len(drawn) == len(kinds_of_weights)
        for each, kind in zip(drawn, kinds_of_weights, strict=True):
            check(each, kind)


def layers_of(part):
    """All layers of a network, those inside others too."""
    for value in vars(part).values():
        for each in value if isinstance(value, Sequence) and not isinstance(value, str) else (value,):
            if hasattr(each, "weights"):
                yield each
                yield from layers_of(each)


EPSILONS = {  # and momentum 0.9, which PyTorch calls 0.1, everywhere
    ("sngan_resnet32", "mimicry"): 1e-5,
    ("sngan_resnet32", "sngan_projection"): 2e-5,
    ("sngan_resnet32", "sngan_pytorch"): 1e-5,
    ("wgan_gp_resnet32", "mimicry"): 1e-5,
    ("wgan_gp_resnet32", "improved_wgan_training"): 1e-5,
    ("sndcgan", None): 1e-5,
    ("dcgan_studiogan", None): 1e-4,
    ("dcgan_cnn32", None): 1e-5,
}


@pytest.mark.parametrize(("name", "code"), EPSILONS)
def test_batch_normalisation_has_the_published_epsilon_and_momentum(name, code):
    found = [
        (layer.epsilon, layer.momentum)
        for network in networks(name, **({"code": code} if code else {})).values()
        for layer in layers_of(network)
        if isinstance(layer, BatchNormalization)
    ]
    assert set(found) == {(EPSILONS[name, code], 0.9)}
    x = tf.constant(np.random.default_rng(0).normal(size=(50, 1)).astype(np.float32)) * 1e-3
    layer = BatchNormalization(1, epsilon=EPSILONS[name, code])
    expected = (x - tf.reduce_mean(x)) / tf.sqrt(tf.math.reduce_variance(x) + EPSILONS[name, code])
    found = layer(x, [tf.ones(1), tf.zeros(1), tf.zeros(1), tf.ones(1)], Call(True), 0)
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-6)


def test_layers_without_bias_equal_those_whose_bias_is_zero():
    rng = np.random.default_rng(1)
    for make, shape in (
        (lambda **bias: Dense(3, 2, **bias), (4, 3)),
        (lambda **bias: Convolution(3, 3, 2, **bias), (4, 5, 5, 3)),
        (lambda **bias: TransposedConvolution(4, 3, 2, **bias), (4, 5, 5, 3)),
        (lambda **bias: SpectrallyNormalised(Dense(3, 2, **bias)), (4, 3)),
    ):
        x = tf.constant(rng.normal(size=shape).astype(np.float32))
        with_bias, without = make(), make(bias=None)
        drawn = [tf.constant(weight.initial(rng, weight.shape)) for weight in with_bias.weights()]
        assert len(without.weights()) == len(drawn) - 1
        left = [each for place, each in enumerate(drawn) if place != 1]
        np.testing.assert_array_equal(without(x, left, Call(True), 0), with_bias(x, drawn, Call(True), 0))


def test_bilinear_doubling_is_tensorflows_resizing_with_half_pixel_centres():
    x = tf.constant(np.random.default_rng(0).normal(size=(2, 3, 5, 4)).astype(np.float32))
    found = bilinearly_doubled()(x, (), Call(True), 0)
    np.testing.assert_allclose(found, tf.image.resize(x, (6, 10), "bilinear"), rtol=1e-5, atol=1e-6)


def test_orthogonal_kernels_prefer_no_direction():
    rng = np.random.default_rng(0)
    drawn = np.stack([orthogonal(rng, (2, 2)) for _ in range(2000)])
    assert np.abs(drawn.mean(0)).max() < 0.06  # of each value: standard deviation √½, standard error 0.016
