"""The networks of R3GAN: sizes, first values and numbers of the original."""

import math
from pathlib import Path

import numpy as np
import pytest

from harness.lazy import tf
from harness.models.gan.networks import r3gan
from harness.models.gan.networks.r3gan import Settings
from harness.models.nn.layers import Call

# Counted of brownvc/R3GAN's modules with the widths, blocks and classes of its CIFAR-10 preset, and at a quarter of them.
PUBLISHED = {(768, 10): (20_781_952, 21_280_512), (768, 0): (20_732_160, 20_683_776), (192, 10): (1_657_024, 1_670_592)}


def size(module):
    return sum(weight.size for weight in module.weights())


@pytest.mark.parametrize(("width", "classes"), PUBLISHED)
def test_parameter_counts_are_the_published_ones(width, classes):
    networks = r3gan.build(Settings(width=width), (32, 32, 3), classes)
    assert tuple(map(size, networks.values())) == PUBLISHED[width, classes]


def test_networks_compute_what_the_original_computes():
    golden = np.load(Path(__file__).parent / "golden" / "r3gan.npz")
    networks = r3gan.build(Settings(latent=8, width=16, blocks=1), (8, 8, 3), 3)

    def drawn(module):
        rng = np.random.default_rng(7)
        return [tf.constant((0.3 * rng.standard_normal(each.shape)).astype(np.float32)) for each in module.weights()]

    classes = tf.constant(golden["classes"])
    generator, discriminator = networks.values()
    images = generator((tf.constant(golden["latents"]), classes), drawn(generator), Call(training=True))
    logits = discriminator((images, classes), drawn(discriminator), Call(training=True))
    np.testing.assert_allclose(images, golden["images"], rtol=1e-4, atol=1e-4 * np.abs(golden["images"]).max())
    np.testing.assert_allclose(logits[:, 0], golden["logits"], rtol=1e-4, atol=1e-4 * np.abs(golden["logits"]).max())


def test_first_values_are_distributed_as_published():
    """Blocks are the identity at first; kernels are normal with the paper's scales, by fan-in and number of blocks."""
    generator = r3gan.build(Settings(width=128), (32, 32, 3))["generator"]
    values = generator.initial(np.random.default_rng(0))
    gain = math.sqrt(2 / 1.04) * 8**-0.25  # 4 stages of 2 blocks
    linear, basis, first, bias, grouped, _, last = values[:7]
    for drawn, std in ((linear, 64**-0.5), (basis, 1.0), (first, gain * 128**-0.5), (grouped, gain * 144**-0.5)):
        assert drawn.std() == pytest.approx(std, rel=4 / math.sqrt(drawn.size))
    assert grouped.shape == (3, 3, 16, 256)
    assert not bias.any()
    assert not last.any()


def test_a_width_that_groups_do_not_divide_is_refused():
    with pytest.raises(ValueError, match=r"network\.width is 12, but r3gan_small allows multiples of 8"):
        r3gan.build(Settings(width=12), (8, 8, 1))
